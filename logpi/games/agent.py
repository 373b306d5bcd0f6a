"""A trained player of a game on the disk and back: weights and settings.

``agent.safetensors`` holds the arrays and ``agent.json`` the rest; nothing in either is executed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.checkpoint import load_tree, save_tree
from logpi.config import ALGORITHMS, NETWORKS, Experiment
from logpi.errors import LogpiError
from logpi.experiments import from_table, to_table
from logpi.files import atomic_write
from logpi.games.game import Game
from logpi.games.make import make_game
from logpi.games.search.puct import Searched, spread
from logpi.games.systems import SYSTEMS
from logpi.types import PyTree

FORMAT_VERSION = 1
KIND = "board game"


class GameAgent:
    """A network that plays a game, by search."""

    def __init__(self, game: Game, config: Any, net: Any, params: PyTree, facts: dict[str, Any]) -> None:
        self.game, self.config, self.net, self.params, self.facts = game, config, net, params, facts
        system = SYSTEMS[facts["algo"]](config, net, game)
        self.think = jax.jit(system.think, static_argnums=3)

    def search(self, states: PyTree, simulations: int = 0, seed: int = 0) -> Searched:
        """Search B positions [B, ...] that have not ended; 0 ``simulations``: as many as in the run's evaluations."""
        n = simulations or self.config.judge_simulations
        found: Searched = self.think(self.params, states, jax.random.key(seed), n)
        return found

    def evaluate(self, states: PyTree) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(policy [B, A], value [B]) of the network alone; the policy is of the ``kept`` moves, where that is a few."""
        found = self.search(states, 1)
        assert found.tree is not None
        policy = spread(jax.nn.softmax(found.tree.logits[0]), found.tree, self.game.actions)
        return np.asarray(policy), np.asarray(found.tree.value[0])


def save_game_agent(folder: Path, params: PyTree, experiment: Experiment, facts: dict[str, Any]) -> None:
    """Write ``agent.safetensors`` and ``agent.json`` into ``folder``, each atomically.

    Raises:
        LogpiError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_tree(folder / "agent.safetensors", {"params": params}, {})
    card = {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "env": experiment.env,
        "algo": experiment.algo,
        "method": to_table(experiment.method),
        "network": to_table(experiment.network),
        "facts": facts,
    }
    atomic_write(folder / "agent.json", (json.dumps(card, indent=2) + "\n").encode())


def is_game_agent(folder: Path) -> bool:
    """Whether ``agent.json`` in ``folder`` is that of a player of a board game."""
    try:
        return bool(json.loads((folder / "agent.json").read_text(encoding="utf-8")).get("kind") == KIND)
    except (OSError, ValueError, AttributeError):
        return False


def load_game_agent(folder: Path) -> GameAgent:
    """The agent in ``folder``.

    Raises:
        LogpiError: its files are missing, damaged, or of a newer format.
    """
    try:
        card = json.loads((folder / "agent.json").read_text(encoding="utf-8"))
        if card["format_version"] > FORMAT_VERSION:
            raise LogpiError(f"the agent in {folder} was saved by a newer logpi; upgrade logpi")
        config = from_table(ALGORITHMS[card["algo"]], card["method"], "method")
        net = from_table(NETWORKS[card["algo"]], card["network"], "network")
        game = make_game(str(card["env"]))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, LogpiError):
            raise
        raise LogpiError(f"{folder}/agent.json is incomplete or altered ({error!r}); take another copy") from error
    like = {"params": jax.eval_shape(SYSTEMS[card["algo"]](config, net, game).init, jax.random.key(0)).params}
    arrays, _ = load_tree(folder / "agent.safetensors", like)
    return GameAgent(game, config, net, jax.tree.map(jnp.asarray, arrays["params"]), card)
