"""The network of a trained player as one function of arrays, for other programs to run (``logpi.export``).

The rules and the search stay outside: a program that plays has its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.agent import GameAgent
from logpi.nets.convolution import ordinary_convolutions
from logpi.ops.distributions import masked
from logpi.tasks import Exported
from logpi.types import Array

PLIES = 3  # of the example that has played longest


def exported(agent: GameAgent) -> Exported:
    """Observations [B, rows, columns, planes] and legal moves [B, A] to the policy [B, A] and the value [B].

    The value is the player's to move. Of a game that turns the board to the player to move, ``order`` [B, A] says where
    each action is on the observed board (``Game.observed_action``).
    """
    game = agent.game
    states = [game.init()]
    for _ in range(PLIES):
        states.append(game.step(states[-1], jnp.argmax(game.legal(states[-1])).astype(jnp.int32)))
    inputs = {
        "observation": np.stack([np.asarray(game.observe(state), np.float32) for state in states]),
        "legal": np.stack([np.asarray(game.legal(state), bool) for state in states]),
    }
    if game.observed_action is not None:
        inputs["order"] = np.stack([np.asarray(game.observed_action(state), np.int32) for state in states])

    @ordinary_convolutions()
    def function(observation: Array, legal: Array, *order: Array) -> Sequence[Array]:
        logits, value, _ = agent.apply(agent.params, observation)
        logits = jnp.take_along_axis(logits, order[0], axis=1) if order else logits
        return [jax.nn.softmax(masked(logits, legal).logits), value]

    return Exported(function, inputs, ["policy", "value"], {"actions": " ".join(map(game.name, range(game.actions)))})
