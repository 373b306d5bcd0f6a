"""AlphaGo's second stage (Silver et al. 2016): REINFORCE in games against earlier selves.

    Δρ = (α/n) Σ_i Σ_t ∂ log p_ρ(a_t | s_t) / ∂ρ · (z_t - v(s_t))       (Methods, "Policy network: reinforcement…")

The sums are over n games, played to their end, and the moves of p_ρ in them; Ψ_t = z - v(s_t), where z is the outcome
of the game for p_ρ. The opponent of an iteration is drawn from a pool of policies that p_ρ was before: the one of the
beginning, and the present one every ``pool_interval`` iterations. The baseline v is 0 on the paper's first pass and a
value network on its second: here, the value of the network that the run begins with (``--from``).

``logpi.games.duels`` plays the games, ``logpi.games.pool`` keeps the opponents. ``docs/alphago.md`` lists the paper's
constants and every deviation.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from logpi.config.settings import at_least, not_negative, timesteps
from logpi.games.policy_games import Baseline, PolicyGames, make_policy_games
from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply
from logpi.games.settings import BoardNetwork, PolicyGameSettings
from logpi.methods import method
from logpi.ops.distributions import masked
from logpi.ops.losses import policy_gradient
from logpi.types import Array, PyTree


@dataclasses.dataclass(frozen=True)
class AlphaGoRL(PolicyGameSettings):
    """AlphaGo's reinforced policy (Silver et al. 2016): REINFORCE in games against a pool of earlier selves."""

    total_timesteps: float = timesteps(1e6)
    learning_rate: float = not_negative(2e-4)  # Initial learning rate α, falling along half a cosine
    final_learning_rate: float = not_negative(2e-5)  # Final learning rate, reached at total_timesteps
    weight_decay: float = not_negative(0.0)  # Weight decay per update (AdamW), as a multiple of learning rate; 0: none
    eval_simulations: int = at_least(1, 1)
    # Baseline v: zero, or value, that of the network which the run begins with
    baseline: Literal["zero", "value"] = "zero"


@method(settings=AlphaGoRL, network=BoardNetwork, parent="alphago", task="games")
def alphago_rl(config: AlphaGoRL, net: BoardNetwork, game: Game, num_devices: int = 1) -> PolicyGames:
    """AlphaGo's reinforcement learning of a policy on one of ``num_devices`` devices."""
    return make_policy_games(config, net, game, num_devices, loss, baseline_of(config.baseline))


def loss(apply: Apply, params: PyTree, obs: Array, legal: Array, action: Array, psi: Array) -> tuple[Array, Array]:
    """(-Ψ log p_ρ(a | s), whose gradient is minus the policy gradient's, and the entropy of p_ρ) of N moves, [N]."""
    logits, _, _ = apply(params, obs)
    p = masked(logits, legal)
    return policy_gradient(p.log_prob(action), psi), p.entropy()


def baseline_of(kind: str) -> Baseline:
    """(network, parameters of the beginning, observations [N, ...]) -> v [N]."""
    return {"zero": no_baseline, "value": first_value}[kind]


def no_baseline(apply: Apply, first: PyTree, obs: Array) -> Array:
    """v = 0."""
    return jnp.zeros(len(obs))


def first_value(apply: Apply, first: PyTree, obs: Array) -> Array:
    """v by the network of the beginning."""
    return apply(first, obs)[1]
