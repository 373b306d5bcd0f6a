"""Everyone against everyone: the matches, and what they say of each player and each two of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from logpi.arena.match import PLAYED_OUT, Result, pair_counts, play_match
from logpi.arena.players.base import Player
from logpi.errors import LogpiError
from logpi.games.evaluation.rating import Interval, Ratings, Sprt, bradley_terry, elo_difference, mean_score, sprt
from logpi.games.rules.game import Game


class SequentialTest(NamedTuple):
    """A sequential test that ends each match as soon as it is decided; see ``rating.sprt``."""

    elo0: float
    elo1: float
    alpha: float = 0.05
    beta: float = 0.05

    def of(self, results: Sequence[Result]) -> Sprt:
        """Where it stands after these games."""
        return sprt(pair_counts(results), *self)


class Settings(NamedTuple):
    """What is the same for every match."""

    games: int = 100
    plies: int = 4
    seed: int = 0  # so that all matches have the same openings
    together: int = 128
    test: SequentialTest | None = None


class Duel(NamedTuple):
    """One match; the players by their numbers."""

    a: int
    b: int
    results: list[Result]


def play_all(
    game: Game,
    players: Sequence[Player],
    settings: Settings,
    on_game: Callable[[int, int, Result], None] = lambda a, b, result: None,
    on_turn: Callable[[int], None] = lambda moves: None,
    reach: int = 0,
) -> list[Duel]:
    """A match of every two players, one after the other.

    Args:
        game: the rules.
        players: two or more, of different names; they are not closed.
        settings: of every match.
        on_game: told of every game that ends, and by their numbers who played it.
        on_turn: told how many moves a player has just made.
        reach: if not 0, only players at most so many places apart meet each other.

    Raises:
        LogpiError: fewer than two players, two of the same name, or settings that are none.
    """
    names = [player.name for player in players]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if len(names) < 2 or twice:
        what = (
            f"two players are called {twice[0]!r}; name them, as in strong={twice[0]}" if twice else "give two players"
        )
        raise LogpiError(what)
    test = settings.test
    if test is not None:
        test.of([])  # complains of its bounds before anything is played

    def match(a: int, b: int) -> Duel:
        results = play_match(
            game,
            players[a],
            players[b],
            *settings[:4],
            on_game=lambda result: on_game(a, b, result),
            on_turn=on_turn,
            enough=lambda results: test is not None and bool(test.of(results).verdict),
        )
        return Duel(a, b, results)

    return [match(a, b) for a, b in pairings(len(players), reach)]


def pairings(count: int, reach: int = 0) -> list[tuple[int, int]]:
    """Who meets whom, by number: every two players, or with a ``reach`` those at most so many places apart."""
    return [(a, b) for a, b in combinations(range(count), 2) if not reach or b - a <= reach]


def ratings(count: int, duels: Sequence[Duel], anchor: int | None = None) -> Ratings:
    """Elo of ``count`` players by all games."""
    points = np.zeros((count, count))
    for a, b, results in duels:
        for result in results:
            points[a, b] += result.score
            points[b, a] += 1 - result.score
    return bradley_terry(points, anchor)


def report(
    names: Sequence[str], duels: Sequence[Duel], anchor: int | None = None, test: SequentialTest | None = None
) -> dict[str, Any]:
    """Everything measured, as JSON has it: infinite Elo is null, the players come strongest first."""
    elo = ratings(len(names), duels, anchor)
    order = [int(k) for k in np.argsort(-elo.elo, kind="stable")]
    return {
        "players": [_standing(k, names, duels, elo) for k in order],
        "matches": [_match(names, duel, test) for duel in duels],
        "anchor": None if anchor is None else names[anchor],
        "drawn_games_added": elo.prior,
    }


def _standing(k: int, names: Sequence[str], duels: Sequence[Duel], elo: Ratings) -> dict[str, Any]:
    own = [(r, duel.a == k) for duel in duels if k in (duel.a, duel.b) for r in duel.results]
    scores = [result.score if is_a else 1 - result.score for result, is_a in own]
    faults = Counter(
        r.reason for (r, _), score in zip(own, scores, strict=True) if r.reason != PLAYED_OUT and not score
    )
    return {
        "name": names[k],
        "elo": round(float(elo.elo[k]), 2),
        "interval": [round(float(elo.low[k]), 2), round(float(elo.high[k]), 2)],
        "games": len(scores),
        "points": sum(scores),
        "won": scores.count(1.0),
        "drawn": scores.count(0.5),
        "lost": scores.count(0.0),
        "faults": dict(faults),
    }


def _match(names: Sequence[str], duel: Duel, test: SequentialTest | None) -> dict[str, Any]:
    counts, scores = pair_counts(duel.results), [result.score for result in duel.results]
    verdict = test.of(duel.results) if test else None
    return {
        "players": [names[duel.a], names[duel.b]],
        "games": len(scores),
        "points": sum(scores),
        "won": scores.count(1.0),
        "drawn": scores.count(0.5),
        "lost": scores.count(0.0),
        "won_moving_first": sum(r.score for r in duel.results if r.first == 0 and r.score == 1),
        "repeated": len(scores) - len({(r.first, r.actions) for r in duel.results}),
        "pairs": counts,
        "score": _finite(mean_score(counts)),
        "elo": _finite(elo_difference(counts)),
        "sprt": test and verdict and test._asdict() | verdict._asdict(),
    }


def _finite(interval: Interval) -> list[float | None]:
    return [round(value, 4) if math.isfinite(value) else None for value in interval]
