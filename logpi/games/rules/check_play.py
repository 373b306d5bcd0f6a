"""Findings about the rules of a game from the recorded arrays of random games."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.findings import Finding
from logpi.games.rules.game import Game
from logpi.games.rules.random_play import Bools, Games, Seen, replayed
from logpi.types import AnyArray

ReplayFn = Callable[[AnyArray], Games]
ENOUGH = 8  # decided games, from which on their signs tell something


def judge(game: Game, games: Games) -> Iterator[Finding]:
    """Legal moves, turns, ends, results and the board of random games."""
    checks = (_judged, _legal, _turns, _ends, _results, _board, _observed)
    for check in checks:
        found = list(check(game, games))
        yield from found
        if any(finding.level == "error" for finding in found):
            return  # what follows would only be its consequences


def _judged(game: Game, games: Games) -> Iterator[Finding]:
    if games.seen.judged is not None and not np.asarray(games.seen.judged).all():
        what = "judge says otherwise than legal, ended and outcome"
        yield Finding("error", what, "return (legal(state), ended(state), outcome(state)), or leave judge out")


def _turns(game: Game, games: Games) -> Iterator[Finding]:
    first = np.asarray(games.seen.first_to_move)
    expected = np.arange(len(first))[:, None] % 2 == 0
    wrong = (first != expected) & (games.alive | games.final)
    if wrong.any():
        t = int(np.argwhere(wrong)[0][0])
        what = f"first_to_move is {not expected[t, 0]} after {t} moves"
        yield Finding(
            "error", what, "players alternate strictly: True after an even number of moves; passing is a move"
        )


def _legal(game: Game, games: Games) -> Iterator[Finding]:
    none = games.alive & ~np.asarray(games.seen.legal).any(-1)
    if none.any():
        t = int(np.argwhere(none)[0][0])
        what = f"no move is legal after {t} moves, where the game has not ended"
        yield Finding("error", what, "end the game there, or give a pass as an action")


def _ends(game: Game, games: Games) -> Iterator[Finding]:
    ended = np.asarray(games.seen.ended)
    if ended[0].any():
        yield Finding("error", "the game has ended before the first move", "let ended be False at the start")
        return
    open_games = int((~ended[-1]).sum())
    if open_games:
        what = f"{open_games} of {ended.shape[1]} random games go on after longest = {game.longest} moves"
        yield Finding("error", what, "give the largest number of moves as longest, and end games there")
        return
    lengths = ended.argmax(0)
    text = f"{ended.shape[1]} random games ended after {lengths.min()} to {lengths.max()} of at most {game.longest}"
    yield Finding("ok", f"{text} moves")


def _results(game: Game, games: Games) -> Iterator[Finding]:
    outcome = np.asarray(games.seen.outcome)[games.final]
    odd = outcome[~np.isin(outcome, (-1.0, 0.0, 1.0))]
    if odd.size:
        yield Finding("error", f"outcome is {odd[0]:g} at an end", "return 1.0, 0.0 or -1.0 for the player to move")
        return
    yield from _counted(games, outcome)
    won, lost = int((outcome > 0).sum()), int((outcome < 0).sum())
    drawn = len(outcome) - won - lost
    if lost == 0 and won >= ENOUGH:
        what = f"the player to move has won all {won} decided games"
        fix = "outcome is seen by the player to move: -1 where the last move has won (ignore this where it loses)"
        yield Finding("warn", what, fix)
    elif not won and not lost:
        yield Finding("warn", f"all {drawn} games were drawn", "look whether outcome finds what wins")
    else:
        yield Finding("ok", f"the player to move has lost {lost}, won {won} and drawn {drawn} of them")


def _counted(games: Games, outcome: NDArray[np.float32]) -> Iterator[Finding]:
    """Margin and ownership against the outcome."""
    if games.seen.margin is not None:
        margin = np.asarray(games.seen.margin)[games.final]
        wrong = np.sign(margin) != outcome
        if wrong.any():
            what = f"margin is {margin[wrong][0]:g} where outcome is {outcome[wrong][0]:g}"
            yield Finding("error", what, "margin is the lead of the player to move, as outcome is: with the same sign")
    if games.seen.ownership is not None:
        owned = np.asarray(games.seen.ownership)[games.final]
        if not np.isin(owned, (-1, 0, 1)).all():
            yield Finding("error", f"ownership holds {owned.min()} to {owned.max()}", "return 1, -1 or 0 for each cell")


def _board(game: Game, games: Games) -> Iterator[Finding]:
    cells = np.asarray(games.seen.cells)[games.alive | games.final]
    if not np.isin(cells, (0, 1, 2)).all():
        what = f"cells hold {cells.min()} to {cells.max()}"
        yield Finding("error", what, "0 is empty, 1 the first player's, 2 the second's, whichever is to move")


def _observed(game: Game, games: Games) -> Iterator[Finding]:
    """Finite numbers; the mover's stones first."""
    where = games.alive | games.final
    observed = np.asarray(games.seen.observe)[where]
    if not np.isfinite(observed).all():
        yield Finding("error", "observe holds numbers that are not finite", "look for a division by 0")
        return
    if observed.shape[-1] < 2:
        return
    planes = observed[..., :2].sum((1, 2))  # [N, 2]
    cells, first = np.asarray(games.seen.cells)[where], np.asarray(games.seen.first_to_move)[where]
    stones = np.stack([(cells == player).sum((1, 2)) for player in (1, 2)], axis=1)
    mine = np.where(first[:, None], stones, stones[:, ::-1])
    if (planes == mine[:, ::-1]).all() and (mine[:, 0] != mine[:, 1]).any():
        what = "observe shows the other player's stones first, and the mover's second"
        yield Finding("error", what, "plane 0 is the mover's stones, plane 1 the other's")
    else:
        yield Finding("ok", f"observations are finite: {' x '.join(map(str, observed.shape[1:]))}")


def same_again(game: Game, games: Games, replay: ReplayFn) -> Iterator[Finding]:
    """The same moves again, and one game alone instead of in a batch."""
    again = jax.device_get(replay(games.actions))
    alone = jax.device_get(replayed(game, 1)(games.actions[:, :1]))
    where = games.alive | games.final
    if wrong := _differs(games.seen, again.seen, where, games.alive):
        yield Finding("error", f"the same moves gave another {wrong}", "let nothing but the state decide")
    elif wrong := _differs(_column(games.seen), alone.seen, where[:, :1], games.alive[:, :1]):
        what = f"a game in a batch (jax.vmap) has another {wrong} than alone"
        yield Finding("error", what, "compute with what belongs to one state only, without batch axes")
    else:
        yield Finding("ok", "the same moves give the same game, alone and in a batch")


def symmetric(game: Game, games: Games, replay: ReplayFn) -> Iterator[Finding]:
    """Games with their moves turned by each symmetry, against the turned games."""
    where = games.alive | games.final
    for number, (cell, action) in enumerate(zip(game.symmetries, game.action_symmetries, strict=True)):
        turned = np.argsort(action).astype(np.int32)[np.asarray(games.actions)]
        found = jax.device_get(replay(turned))
        planes = None if game.plane_symmetries is None else game.plane_symmetries[number]
        if wrong := _differs(_turned(games.seen, cell, action, planes), found.seen, where, games.alive):
            what = f"symmetry {number} of {len(game.symmetries)} is not one: turned moves give another {wrong}"
            fix = "cell i of the turned board was cell s[i], action a was action s[a], plane p was plane s[p]"
            yield Finding("error", what, fix)
            return
    yield Finding("ok", f"{len(game.symmetries)} symmetries commute with the moves")


def _turned(seen: Seen, cell: NDArray[np.int32], action: NDArray[np.int32], planes: NDArray[np.int32] | None) -> Seen:
    """What must be seen of the board turned by a symmetry."""
    shape = seen.observe.shape
    flat = np.asarray(seen.observe).reshape(*shape[:2], -1, shape[-1])[:, :, cell]
    return seen._replace(
        legal=np.asarray(seen.legal)[..., action],
        observe=(flat if planes is None else flat[..., planes]).reshape(shape),
        cells=np.asarray(seen.cells).reshape(*shape[:2], -1)[..., cell].reshape(seen.cells.shape),
        ownership=None if seen.ownership is None else np.asarray(seen.ownership)[..., cell],
        observed_action=None,  # equivariant rather than equal
    )


def _column(seen: Seen) -> Seen:
    columns: Seen = jax.tree.map(lambda x: x[:, :1], seen)
    return columns


def _differs(a: Seen, b: Seen, where: Bools, alive: Bools) -> str:
    """The first field in which two records of [T + 1, B] positions differ, or nothing.

    Legal moves count only before the end, results only after it.
    """
    counted = {"legal": alive, "outcome": where & ~alive, "ownership": where & ~alive, "margin": where & ~alive}
    order = ("ended", "first_to_move", "cells", "legal", "outcome", "observe", "ownership", "margin")
    for name in order:
        x, y, rows = getattr(a, name), getattr(b, name), counted.get(name, where)
        if x is not None and not np.allclose(np.asarray(x)[rows], np.asarray(y)[rows], atol=1e-6):
            return name
    return ""
