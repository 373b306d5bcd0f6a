"""Adapter for the games of the package pgx: ``make_game("pgx:animal_shogi")`` (the extra ``pgx``).

pgx (Koyamada et al. 2023) is no longer developed, slow on CPUs, and some of its rules have defects, which are named
below and in ``docs/pgx.md``. Where logpi has rules of its own for a game, take those. Only games that fit ``Game`` are
supported: two players in turn, no chance, nothing hidden.

A state is pgx's own, without the observation, which is computed on demand.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.errors import LogpiError
from logpi.games import PGX
from logpi.games.rules import boards
from logpi.games.rules.game import Game
from logpi.types import Array, PyTree

Planes = tuple[int, int]  # the first and the one after the last


class Facts(NamedTuple):
    """What pgx does not say of a game by itself."""

    longest: int  # moves
    mine: Planes  # of the observation: the mover's men
    theirs: Planes  # the other player's
    turn: tuple[int, ...] = ()  # axes along which the board is reversed when the second player looks at it
    instead: str = ""  # our own game of the same rules
    defects: tuple[str, ...] = ()


STONES: tuple[Planes, Planes] = (0, 1), (1, 2)
GO = (
    "it does not forbid a move that repeats a position: who makes one loses at once (only simple ko is illegal)",
    "it is slow on 19x19: its mask compares every point with every chain",
)
GAMES = {
    "animal_shogi": Facts(
        256,
        *((0, 5), (5, 10)),
        turn=(0, 1),
        instead="animal-shogi",
        defects=("its hash of a position depends on how it was reached, so it misses repetitions",),
    ),
    "chess": Facts(
        512,
        *((0, 6), (6, 12)),
        turn=(0,),
        instead="chess",
        defects=(
            "the starting position counts one repetition too few: its hash, a constant, is that of an older JAX",
            "an en-passant square distinguishes positions even where nothing can capture there",
            "of more than 200 pseudo-legal moves the last are cut off",
            "games end as draws after 512 moves",
        ),
    ),
    "connect_four": Facts(42, *STONES, instead="connect-four"),
    "gardner_chess": Facts(
        256, *((0, 6), (6, 12)), turn=(0,), instead="gardner-chess", defects=("games end as draws after 256 moves",)
    ),
    "go_9x9": Facts(162, *STONES, instead="go-9x9", defects=GO[:1]),
    "go_19x19": Facts(722, *STONES, instead="go-19x19", defects=GO),
    "hex": Facts(122, *STONES, instead="hex-11x11", defects=("it has a swap move, as its own action",)),
    "othello": Facts(120, *STONES, instead="othello", defects=("where neither player can move, both must pass",)),
    "shogi": Facts(
        512,
        *((0, 14), (31, 45)),
        turn=(0, 1),
        instead="shogi",
        defects=(
            "it has no rule of repetition, perpetual check or impasse (entering king)",
            "games end as draws after 512 moves",
        ),
    ),
    "tic_tac_toe": Facts(9, *STONES, instead="tic-tac-toe"),
}
REFUSED = {
    "2048": "has one player, and chance",
    "backgammon": "has chance: dice",
    "bridge_bidding": "has four players and hidden cards",
    "kuhn_poker": "has chance and hidden cards",
    "leduc_holdem": "has chance and hidden cards",
    "mahjong": "has four players, chance and hidden tiles",
    "sparrow_mahjong": "has three players, chance and hidden tiles",
    "minatar-asterix": "has one player, and chance",
    "minatar-breakout": "has one player, and chance",
    "minatar-freeway": "has one player, and chance",
    "minatar-seaquest": "has one player, and chance",
    "minatar-space_invaders": "has one player, and chance",
}


def pgx_game(name: str) -> Game:
    """The rules of pgx's game ``name``, such as ``animal_shogi``.

    The symmetries are the identity alone; an action is called by its number in pgx's coding, which for chess and the
    kinds of shogi is in the view of the player to move. ``cells`` tells whose man stands where, not which one.

    Raises:
        LogpiError: pgx has no such game, it is not one that two players play in turn without chance and with everything
            in view, or the package is not installed.
    """
    facts = _facts(name)
    try:
        import pgx
    except ImportError as error:
        raise LogpiError(f"{PGX}{name} needs the package pgx: pip install 'logpi[pgx]'") from error
    env = pgx.make(name)
    made = jax.jit(env.init)(jax.random.key(0))
    rows, columns = made.observation.shape[:2]
    actions = len(made.legal_action_mask)
    start = jax.tree.map(np.asarray, _unseen(made))
    identity = [np.arange(count, dtype=np.int32)[None] for count in (rows * columns, actions)]

    def first_to_move(state: Any) -> Array:
        return jnp.equal(state.current_player, start.current_player)

    def observe(state: Any) -> Array:
        return env.observe(state).astype(jnp.float32)

    def cells(state: Any) -> Array:
        seen, first = observe(state) > 0, first_to_move(state)
        stones = jnp.stack([seen[..., slice(*planes)].any(-1) for planes in (facts.mine, facts.theirs)])
        turned = jnp.flip(stones, [axis + 1 for axis in facts.turn])
        return boards.players(jnp.where(first, stones, turned), first)

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text.strip(), re.ASCII) or int(text) >= actions:
            raise boards.no_action(text, f"{PGX}{name}", f"a number, 0 to {actions - 1}, as pgx codes its actions")
        return int(text)

    return Game(
        id=f"{PGX}{name}",
        shape=(rows, columns),
        actions=actions,
        longest=facts.longest,
        init=lambda: jax.tree.map(jnp.asarray, start),
        step=lambda state, action: _unseen(env.step(state, action)),
        legal=lambda state: state.legal_action_mask,
        ended=lambda state: state.terminated | state.truncated,
        outcome=lambda state: state.rewards[state.current_player],
        observe=observe,
        cells=cells,
        first_to_move=first_to_move,
        symmetries=identity[0],
        action_symmetries=identity[1],
        name=str,
        parse=parse,
    )


def remarks(name: str) -> list[str]:
    """What a user should know of pgx's game ``name`` before relying on its results."""
    facts = _facts(name)
    ours = [f"logpi has rules of its own for it, faster and checked against other programs: {facts.instead}"]
    return [*(ours if facts.instead else []), *facts.defects]


def _facts(name: str) -> Facts:
    if name in GAMES:
        return GAMES[name]
    allowed = ", ".join(f"{PGX}{game}" for game in GAMES)
    if name in REFUSED:
        raise LogpiError(
            f"{PGX}{name} {REFUSED[name]}; a game here is of two players in turn, without chance and with everything "
            f"in view; allowed: {allowed}"
        )
    near = difflib.get_close_matches(name, GAMES, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(f'{PGX}{game}' for game in near)}? " if near else ""
    raise LogpiError(f"unknown game {f'{PGX}{name}'!r}; {hint}allowed: {allowed}")


def _unseen(state: Any) -> PyTree:
    """``state`` without its observation, which is up to two thirds of it."""
    return state.replace(observation=None)
