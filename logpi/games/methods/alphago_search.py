"""AlphaGo's search (Silver et al. 2016): the value network and a rollout of the fast policy judge each leaf together.

    V(s_L) = (1 - λ) v_θ(s_L) + λ z_L       ("Searching with policy and value networks", eq. 5)

p_σ(a | s), the supervised policy, is the prior of the search; z_L is the outcome of one game from the leaf that the
rollout policy p_π plays against itself. λ = 0 leaves the rollouts out, λ = 1 the value network. Nothing is learnt here:
``logpi.games.combine`` puts networks together that have learnt. ``docs/alphago.md`` lists the paper's constants and
every deviation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import init_optimizer, traced
from logpi.config.settings import at_least, fraction
from logpi.driver.process import Process
from logpi.errors import LogpiError
from logpi.games.evaluation.evaluators import Evaluators
from logpi.games.learning import Player
from logpi.games.method import Material
from logpi.games.network import PolicyValue
from logpi.games.rules.game import Game
from logpi.games.search.guided import Evaluate, SearchProblem, best_move, evaluate_leaf
from logpi.games.search.rollouts import rollout
from logpi.games.search.tree import Leaf, Searched, Simulations
from logpi.games.settings import BoardNetwork, GameSettings
from logpi.methods import method
from logpi.ops.normalization import Statistics
from logpi.types import Array, Key, Learner, PyTree

PARTS = ("policy", "value", "rollout")  # names of the three networks' parameters
LINEAR = BoardNetwork(torso="patterns")  # the network of the rollout policy
NOTHING_TO_LEARN = (
    "alphago_search learns nothing: it plays with networks that have learnt. Put them together with "
    "`logpi combine POLICY --value RUN --rollout RUN`"
)


@dataclasses.dataclass(frozen=True)
class AlphaGoSearch(GameSettings):
    """AlphaGo's search (Silver et al. 2016): a value network and rollouts of a fast policy judge its leaves."""

    mixing: float = fraction(0.5)  # Mixing parameter λ: weight of a rollout's outcome in the value of a leaf
    eval_simulations: int = at_least(1, 100)

    fixed = ("mixing",)


@method(settings=AlphaGoSearch, network=BoardNetwork, parent="alphago", task="games")
def alphago_search(config: AlphaGoSearch, net: BoardNetwork, game: Game, num_devices: int = 1) -> MixedSearch:
    """The search of AlphaGo; ``net`` is the network of p_σ and of v_θ."""
    return MixedSearch(game, Networks(*(PolicyValue(one, game.actions) for one in (net, net, LINEAR))), config)


def mixed(networks: Networks) -> Evaluate:
    """V(s_L), and p_σ as the prior."""

    def leaf(problem: SearchProblem[AlphaGoSearch], state: PyTree) -> Leaf:
        found, weight = evaluate_leaf(problem, state), problem.settings.mixing
        if weight == 0:
            return found
        z = rollout(problem.game, networks.rollout.apply, problem.params["rollout"], state)
        value = z if weight == 1 else (1.0 - weight) * found.value + weight * z
        return found._replace(value=jnp.where(found.terminal, found.value, value))

    return leaf


class Networks(NamedTuple):
    """p_σ, v_θ and p_π; together a network whose policy is p_σ and whose value is v_θ."""

    policy: PolicyValue
    value: PolicyValue
    rollout: PolicyValue

    def init(self, key: Key, obs: Array) -> PyTree:
        """The parameters of each, by the names in ``PARTS``."""
        return {name: one.init(key, obs) for name, one in zip(PARTS, self, strict=True)}

    def apply(self, params: PyTree, obs: Array) -> tuple[Array, Array, None]:
        """(logits of p_σ [B, A], v_θ [B], no ownership)."""
        return self.policy.apply(params["policy"], obs)[0], self.value.apply(params["value"], obs)[1], None


class MixedSearch(NamedTuple):
    """A player that learns nothing."""

    game: Game
    network: Networks
    config: AlphaGoSearch

    def init(self, key: Key) -> Learner:
        """Parameters at random, which say what those of an agent look like."""
        obs = jax.vmap(self.game.observe)(jax.tree.map(lambda x: jnp.asarray(x)[None], self.game.init()))
        params, hyper = self.network.init(key, obs), traced(self.config)
        return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0), Player(params, {}))

    @property
    def leaf(self) -> Evaluate:
        """V(s_L)."""
        return mixed(self.network)

    def search(self, params: PyTree, state: PyTree, key: Key, simulations: int) -> Searched:
        """The best move by the search."""
        problem = SearchProblem(self.game, self.network.apply, params, self.config, self.leaf)
        return best_move(problem, state, key, Simulations(simulations))

    def material(self) -> Material:
        """Refused: a run would learn nothing."""
        raise LogpiError(NOTHING_TO_LEARN)

    def process(self, evaluators: Evaluators, data: PyTree, num_devices: int) -> Process:
        """Refused, as ``material``."""
        raise LogpiError(NOTHING_TO_LEARN)

    def closing(self, data: PyTree, shapes: PyTree) -> Callable[[PyTree], list[str]]:
        """It has nothing to say."""
        return lambda params: []
