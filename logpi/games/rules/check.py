"""``logpi check-game``: a test of the rules of a game for errors that would break search and training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from logpi.errors import LogpiError
from logpi.findings import Checked, Finding
from logpi.games.rules.check_play import judge, same_again, symmetric
from logpi.games.rules.game import Game, Permutations
from logpi.games.rules.make import make_game
from logpi.games.rules.random_play import random_games, replayed, seen_at
from logpi.own_code import name_code

LARGEST = 20_000_000  # numbers of all observations that are kept
NONSENSE = "?!"  # a text that names no move


@dataclass(frozen=True)
class GameReport(Checked):
    """What ``check_game`` found."""

    moves_per_second: float  # random moves in one compiled program, on this machine


def check_game(game: str | Game, *, games: int = 64, seed: int = 0) -> GameReport:
    """Play up to ``games`` random games at once, and say what to fix.

    A mistake of the rules is a finding, never an exception.

    Args:
        game: a name as ``make_game`` takes it, or the rules.
        games: number of random games; fewer are played if they are long and observations are large.
        seed: seed of the random moves.
    """
    if isinstance(game, str):
        name_code(game)
    try:
        rules = make_game(game) if isinstance(game, str) else game
    except LogpiError as error:
        return GameReport(str(game), [Finding("error", str(error), "correct the name or the file")], 0.0)
    findings = list(_structure(rules))
    if any(finding.level == "error" for finding in findings):
        return GameReport(rules.id, findings, 0.0)
    findings += [*_permutations(rules), *_names(rules)]
    if any(finding.level == "error" for finding in findings):
        return GameReport(rules.id, findings, 0.0)
    played, speed = _play(rules, games, seed)
    return GameReport(rules.id, [*findings, *played], speed)


def _structure(game: Game) -> Iterator[Finding]:
    """Shapes and dtypes of everything, by tracing alone."""
    rows, columns = game.shape
    if min(rows, columns, game.actions, game.longest) < 1:
        what = f"shape {game.shape}, actions {game.actions} and longest {game.longest} must be at least 1"
        yield Finding("error", what, "set these fields of the Game")
        return
    if game.ownership is not None and game.observed_action is not None:
        fix = "leave one of them out: ownership is of the board itself, and is not turned"
        yield Finding("error", "ownership and observed_action are both given", fix)
    try:
        state = jax.eval_shape(game.init)
        seen = jax.eval_shape(lambda state: seen_at(game, state), state)
        after = jax.eval_shape(game.step, state, jax.ShapeDtypeStruct((), jnp.int32))
    except Exception as error:
        what = f"JAX cannot trace the rules: {type(error).__name__}: {str(error)[:300]}"
        yield Finding("error", what, "use jax.numpy on arrays of fixed shape, and jnp.where instead of `if`")
        return
    wrong = [*_shapes(game, seen._asdict()), *_changes(state, after)]
    yield from wrong or [Finding("ok", "jit traces every function; shapes and dtypes are those of a Game")]


def _shapes(game: Game, seen: dict[str, jax.ShapeDtypeStruct | None]) -> Iterator[Finding]:
    rows, columns = game.shape
    wanted = {
        "legal": ((game.actions,), "bool"),
        "ended": ((), "bool"),
        "outcome": ((), "float32"),
        "cells": ((rows, columns), "int8"),
        "first_to_move": ((), "bool"),
        "ownership": ((rows * columns,), "int8"),
        "margin": ((), "float32"),
        "observed_action": ((game.actions,), "int32"),
    }
    for name, (shape, dtype) in wanted.items():
        found = seen[name]
        if found is not None and (found.shape, str(found.dtype)) != (shape, dtype):
            what = f"{name} is {found.dtype}{list(found.shape)}, wanted {dtype}{list(shape)}"
            yield Finding("error", what, f"return an array of shape {shape}, .astype(jnp.{dtype})")
    planes = seen["observe"]
    if planes is not None and (len(planes.shape) != 3 or planes.shape[:2] != (rows, columns) or planes.dtype != "f4"):
        what = f"observe is {planes.dtype}{list(planes.shape)}, wanted float32[{rows}, {columns}, planes]"
        yield Finding("error", what, "stack planes of the board along the last axis, .astype(jnp.float32)")


def _changes(before: object, after: object) -> Iterator[Finding]:
    """Whether a move keeps the structure, the shapes and the dtypes of a state."""
    first, second = jax.tree.structure(before), jax.tree.structure(after)
    if str(first) != str(second):
        yield Finding("error", f"step turns a state {first} into {second}", "return a state of the same structure")
        return
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, x), y in pairs:
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            where = jax.tree_util.keystr(path)
            what = f"step turns state{where} from {x.dtype}{list(x.shape)} into {y.dtype}{list(y.shape)}"
            yield Finding("error", what, "keep the dtype in every operation, or cast at the end of step")


def _permutations(game: Game) -> Iterator[Finding]:
    cells, count = game.shape[0] * game.shape[1], len(game.symmetries)
    planes = jax.eval_shape(lambda: game.observe(game.init())).shape[-1]
    tables: dict[str, tuple[Permutations | None, int]] = {
        "symmetries": (game.symmetries, cells),
        "action_symmetries": (game.action_symmetries, game.actions),
        "plane_symmetries": (game.plane_symmetries, planes),
    }
    wrong = [name for name, (table, size) in tables.items() if table is not None and not _permutes(table, count, size)]
    for name in wrong:
        size = tables[name][1]
        what = f"{name} is not an integer array [{count}, {size}] of permutations of 0 to {size - 1}"
        yield Finding("error", what, "for no symmetry but the identity give np.arange(N, dtype=np.int32)[None]")
    if not wrong and (game.symmetries[0] != np.arange(cells)).any():
        yield Finding("error", "symmetries[0] is not the identity", "put the board as it is first")


def _permutes(table: Permutations, count: int, size: int) -> bool:
    integers = np.issubdtype(table.dtype, np.integer) and table.shape == (count, size)
    return integers and bool((np.sort(table, axis=1) == np.arange(size)).all())


def _names(game: Game) -> Iterator[Finding]:
    """Whether every action has a name of its own that is read back."""
    fix = "name(action) returns a text of its own for each action, and parse(name(action)) the action"
    try:
        names = [game.name(action) for action in range(game.actions)]
        back = [game.parse(name) for name in names]
    except Exception as error:
        yield Finding("error", f"name or parse raised {type(error).__name__}: {error}", fix)
        return
    twice = [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
    lost = [name for action, name in enumerate(names) if back[action] != action]
    if twice or lost:
        what = f"two actions are called {twice[0]!r}" if twice else f"parse does not read {lost[0]!r} back"
        yield Finding("error", what, fix)
        return
    try:
        game.parse(NONSENSE)
    except LogpiError:
        yield Finding("ok", f"{game.actions} actions have names, from {names[0]} to {names[-1]}, and are read back")
        return
    except Exception as error:
        found = f"raised {type(error).__name__}"
    else:
        found = "took it for a move"
    yield Finding(
        "error", f"parse({NONSENSE!r}) {found}", "raise LogpiError (logpi.errors) where a text names no action"
    )


def _play(game: Game, games: int, seed: int) -> tuple[list[Finding], float]:
    """Random games, judged; and random moves a second."""
    size = game.longest * int(np.prod(jax.eval_shape(lambda: game.observe(game.init())).shape))
    count = max(4, min(games, LARGEST // size))
    play, replay = random_games(game, count), replayed(game, count)
    key = jax.random.key(seed)
    try:
        found = jax.device_get(play(key))
        begun = time.perf_counter()
        jax.block_until_ready(play(key))
        seconds = time.perf_counter() - begun
        judged = list(judge(game, found))
        if all(finding.level != "error" for finding in judged):
            judged += [*same_again(game, found, replay), *symmetric(game, found, replay)]
    except Exception as error:
        what = f"random play raised {type(error).__name__}: {str(error)[:300]}"
        return [Finding("error", what, "make every function work under jax.jit and jax.vmap")], 0.0
    return judged, int(found.alive[:-1].sum()) / seconds
