"""Random games by our rules and by another program, side by side: moves, ends and results have to be the same."""

import collections
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

QUICK = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}  # half the time to compile
DRAWS = 4  # random numbers for the choice of a move


class Told(NamedTuple):
    """What was compared."""

    moves: int
    ends: collections.Counter  # games by the name of their end


def compare(game, oracle, games, rows, seed=0, every=4):
    """Play ``games`` random games, ``rows`` at a time; AssertionError with the position where the two differ.

    At every move the end, the result and the move played are compared; all moves at each end and every so many moves.

    Args:
        game: our rules.
        oracle: makes the other program's game of a number, with the methods of ``ChessOracle``.
        games: number.
        rows: games in one call; where one has ended the next begins.
        seed: of the moves.
        every: moves between two comparisons of all legal moves.
    """
    rng, advance, ends, moves = np.random.default_rng(seed), _advance(game), collections.Counter(), 0
    others = [oracle(n) for n in range(min(rows, games))]
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (rows, *jnp.shape(x))), game.init())
    actions, begin, begun, time = np.zeros(rows, np.int32), np.ones(rows, bool), len(others), 0
    while any(others):
        states, *facts = advance(states, actions, begin)
        mask, over, result = map(np.asarray, facts)
        draws, time = rng.random((rows, DRAWS)), time + 1
        begin = np.zeros(rows, bool)
        for n, other in enumerate(others):
            if other is None:
                continue
            legal = np.flatnonzero(mask[n])
            if over[n] or (time + n) % every == 0:
                assert legal.tolist() == sorted(other.actions()), str(other)
            end, score = other.end(stuck=not len(legal))
            assert bool(over[n]) == bool(end), f"{other}: {end or 'goes on'}"
            if not end:
                actions[n] = other.play(legal, draws[n])
                moves += 1
                continue
            assert result[n] == score, f"{other}: {end}"
            ends[end] += 1
            others[n], begin[n] = (oracle(begun), True) if begun < games else (None, False)
            begun += 1
    return Told(moves, ends)


def _advance(game):
    """(states, actions, begin) -> the next states, or new ones where a game begins; moves, whether ended, result."""

    def one(state, action, begin):
        state = jax.tree.map(lambda new, old: jnp.where(begin, new, old), game.init(), game.step(state, action))
        return state, *game.judged(state)

    return jax.jit(jax.vmap(one), compiler_options=QUICK)
