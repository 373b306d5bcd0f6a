"""AlphaGo's first stage (Silver et al. 2016): a policy network p_σ learns from expert records, supervised.

    Δσ ∝ ∂ log p_σ(a | s) / ∂σ       (Methods, "Policy network: classification")

a is the move that the expert made in the position s. It is the policy gradient E[Σ Ψ ∇ log π] with the expert in place
of the policy as the one who acts, and Ψ = 1. The measure is how often the policy's first choice is the expert's move,
on *games* that it has not learnt from. ``logpi.games.supervised`` draws the positions, each under a random symmetry.
``docs/alphago.md`` lists the paper's constants and every deviation.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from logpi.config.settings import at_least, timesteps
from logpi.games.replay import Samples
from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply
from logpi.games.settings import BoardNetwork, RecordSettings
from logpi.games.supervised import Lesson, Measure, Supervised, make_supervised
from logpi.methods import method
from logpi.ops.distributions import masked
from logpi.ops.losses import decision_mean, policy_gradient
from logpi.types import Array, Metrics, PyTree


@dataclasses.dataclass(frozen=True)
class AlphaGo(RecordSettings):
    """AlphaGo's supervised policy (Silver et al. 2016): it learns the moves of expert records."""

    total_timesteps: float = timesteps(1e6)
    batch_size: int = at_least(1, 256)
    eval_simulations: int = at_least(1, 1)


@method(settings=AlphaGo, network=BoardNetwork, task="games")
def alphago(config: AlphaGo, net: BoardNetwork, game: Game, num_devices: int = 1) -> Supervised:
    """The supervised policy of AlphaGo on one of ``num_devices`` devices."""
    return make_supervised(config, net, game, Lesson(loss, top_1, "records/held_out_accuracy", said))


def loss(apply: Apply, params: PyTree, samples: Samples, h: AlphaGo) -> tuple[Array, Metrics]:
    """-log p_σ(a | s), and metrics: this device's share of both (``losses.decision_mean``)."""
    logits, _, _ = apply(params, samples.obs)
    p = masked(logits, samples.legal)
    move = samples.policy.argmax(-1)
    log_p = p.log_prob(move)
    policy_loss = decision_mean(policy_gradient(log_p, jnp.ones_like(log_p)), samples.weight)
    return policy_loss, {
        "train/policy_loss": policy_loss,
        "train/accuracy": decision_mean(1.0 * (p.mode() == move), samples.weight),
        "train/entropy": decision_mean(p.entropy(), samples.weight),
    }


def top_1(apply: Apply, params: PyTree, samples: Samples) -> Array:
    """[N] 1 where the most probable legal move is the expert's, else 0."""
    logits, _, _ = apply(params, samples.obs)
    first = masked(logits, samples.legal).mode()
    return jnp.take_along_axis(samples.policy, first[:, None], 1)[:, 0]


def said(held: Measure, learnt: Measure) -> str:
    """The outcome in words."""
    return (
        f"top-1 accuracy {100 * held.mean:.1f} ± {100 * held.half:.1f} % on held-out games (95 % interval over "
        f"{held.games:,} games, {held.positions:,} moves); {100 * learnt.mean:.1f} % on games learnt from"
    )
