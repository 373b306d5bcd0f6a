"""Trained agents of board games: saved, loaded, and asked for moves.

``agent.safetensors`` holds the arrays and ``agent.json`` the rest; nothing in either is executed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.config.settings import Experiment
from logpi.config.stored import settings_card, settings_from
from logpi.errors import LogpiError
from logpi.games.network import with_ownership, without_ownership
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.games.search.tree import Searched, spread
from logpi.methods import method_of
from logpi.runs import cards
from logpi.runs.checkpoint import differences, load_tree
from logpi.tasks import NOTHING, Facts, Own
from logpi.types import Learner, PyTree

KIND = "games"


class GameAgent:
    """A network that plays a game, by search."""

    kind = KIND

    def __init__(self, game: Game, config: Any, net: Any, params: PyTree, facts: Facts, own: Own = NOTHING) -> None:
        """``own`` has the method, where a program brought it as an object."""
        self.game, self.config, self.net, self.params, self.facts = game, config, net, params, facts
        system = method_of(facts["algo"], own.method)(config, net, game)
        self.think = jax.jit(system.search, static_argnums=3)
        self.apply, self.leaf = system.network.apply, system.leaf

    def search(self, states: PyTree, simulations: int = 0, seed: int = 0) -> Searched:
        """Search B positions [B, ...] that have not ended; 0 ``simulations``: as many as in the run's evaluations."""
        n = simulations or self.config.eval_simulations
        found: Searched = self.think(self.params, states, jax.random.key(seed), n)
        return found

    def evaluate(self, states: PyTree) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(policy [B, A], value [B]) of a leaf, without a search; the policy is of ``max_children`` moves if set."""
        found = self.search(states, 1)
        assert found.tree is not None
        policy = spread(jax.nn.softmax(found.tree.logits[0]), found.tree)
        return np.asarray(policy), np.asarray(found.tree.value[0])


def save_game_agent(folder: Path, params: PyTree, experiment: Experiment, facts: Facts) -> None:
    """Write ``agent.safetensors`` and ``agent.json`` into ``folder``, each atomically.

    Raises:
        LogpiError: the disk refuses.
    """
    cards.save(folder, KIND, {"params": params}, {**settings_card(experiment), "facts": facts})


def adopt(learner: Learner, folder: Path, experiment: Experiment) -> Learner:
    """``learner``, or its shapes, with the network of the agent in ``folder``, which also becomes its player.

    Any method's agent of the same game and network will do, also one whose network does not predict ownership: that
    head of the learner stays as it is.

    Raises:
        LogpiError: the agent cannot be read, or does not fit.
    """
    network, plain = dataclasses.asdict(experiment.network), without_ownership(learner.params)
    cards.read_card(folder)
    lacks_a_head = not differences(folder / cards.WEIGHTS, {"params": plain})
    like = plain if lacks_a_head else learner.params
    params = cards.arrays_for(folder, KIND, {"params": like}, network)["params"]
    params = with_ownership(params, learner.params) if lacks_a_head else params
    return learner._replace(params=params, extra=learner.extra._replace(params=params))


def load_game_agent(folder: Path, own: Own = NOTHING) -> GameAgent:
    """The agent in ``folder``; ``own`` as of ``GameAgent``.

    Raises:
        LogpiError: its files are missing, damaged, or of another format.
    """
    with cards.reading(folder) as card:
        if card["task"] != KIND:
            raise LogpiError(f"it is an agent of {card.get('env')}, which is not a board game; `logpi runs` lists runs")
        method, config, net = settings_from(card, own)
        game = make_game(str(card["env"]))
        like = {"params": jax.eval_shape(method(config, net, game).init, jax.random.key(0)).params}
    arrays, _ = load_tree(folder / cards.WEIGHTS, like)
    return GameAgent(game, config, net, jax.tree.map(jnp.asarray, arrays["params"]), card, own)


def game_agent(agent: object, need: str) -> GameAgent:
    """``agent``, if it plays a board game; ``need``: who wants one, for the message.

    Raises:
        LogpiError: it plays none.
    """
    if not isinstance(agent, GameAgent):
        raise LogpiError(f"the agent plays no board game; {need}")
    return agent
