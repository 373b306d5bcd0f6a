"""Random games on the device, replayed move by move by OpenSpiel: the rules of both must say the same."""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyspiel

ORACLES = {
    "tic-tac-toe": "tic_tac_toe",
    "connect-four": "connect_four",
    "othello": "othello",
    "hex-3x3": "hex(board_size=3)",
    "hex-6x6": "hex(board_size=6)",
    "hex-11x11": "hex(board_size=11)",
}
MARKS = {".": 0, "-": 0, "x": 1, "o": 2}


class Played(NamedTuple):
    """N games of at most T moves; row t is what the game says before move t, row T after the last."""

    action: np.ndarray  # [T, N]
    legal: np.ndarray  # [T+1, N, A]
    ended: np.ndarray  # [T+1, N]
    outcome: np.ndarray  # [T+1, N]
    first: np.ndarray  # [T+1, N]
    cells: np.ndarray  # [T+1, N, rows, columns]
    observation: np.ndarray  # [T+1, N, rows, columns, planes]


def any_legal(uniform, legal):
    """One of the actions in the mask [A], all equally likely; ``uniform`` [] is from [0, 1)."""
    counts = jnp.cumsum(legal.astype(jnp.int32))
    return jnp.sum(counts <= (uniform * counts[-1]).astype(jnp.int32), dtype=jnp.int32)


def record(game, choices, choose):
    """Plays N games by ``choose(choices[t, n], legal)`` in one program; a game that has ended stays as it is."""
    says = (game.legal, game.ended, game.outcome, game.first_to_move, game.cells, game.observe)

    def move(state, choice):
        seen = tuple(say(state) for say in says)
        action = choose(choice, seen[0])
        after = jax.tree.map(lambda now, new: jnp.where(seen[1], now, new), state, game.step(state, action))
        return after, (action, seen)

    @jax.jit
    def games(choices):
        start = jax.tree.map(lambda x: jnp.broadcast_to(x, (choices.shape[1], *x.shape)), game.init())
        state, (action, rows) = jax.lax.scan(lambda s, c: jax.vmap(move)(s, c), start, choices)
        last = tuple(jax.vmap(say)(state) for say in says)
        return action, *(jnp.concatenate([a, b[None]]) for a, b in zip(rows, last, strict=True))

    return Played(*(np.asarray(x) for x in games(choices)))


def play(game, count, seed):
    """``count`` games of uniformly random moves."""
    return record(game, jax.random.uniform(jax.random.key(seed), (game.longest, count)), any_legal)


def board(state, shape):
    """The cells of an OpenSpiel state as ``Game.cells`` has them, read from what it prints."""
    text = re.sub(r"(?m)^Black.*|^White.*|^Terminal.*|^ *a b .*|[1-8]", "", str(state))
    return np.array([MARKS[mark] for mark in re.sub(r"\s", "", text)], np.int8).reshape(shape)


def disagreement(name, game, played, n):
    """Replays game ``n``; returns the first thing on which the two differ, or None, and the number of moves."""
    state = pyspiel.load_game(ORACLES[name]).new_initial_state()
    for t in range(game.longest + 1):
        where = f"{name}, game {n}, after {state.history()}"
        if not np.array_equal(played.cells[t, n], board(state, game.shape)):
            return f"{where}: board\n{played.cells[t, n]}\nwanted\n{state}", t
        if played.ended[t, n] != state.is_terminal():
            return f"{where}: ended is {played.ended[t, n]}", t
        if played.first[t, n] != (t % 2 == 0):
            return f"{where}: first_to_move is {played.first[t, n]}", t
        if state.is_terminal():
            wanted = state.returns()[t % 2]
            same = played.outcome[t, n] == wanted
            return (None if same else f"{where}: outcome {played.outcome[t, n]}, wanted {wanted}"), t
        if state.current_player() != t % 2:
            return f"{where}: the players do not alternate", t
        if np.flatnonzero(played.legal[t, n]).tolist() != state.legal_actions():
            return f"{where}: legal {np.flatnonzero(played.legal[t, n])}, wanted {state.legal_actions()}", t
        state.apply_action(int(played.action[t, n]))
    return f"{name}, game {n}: not ended after {game.longest} moves", game.longest
