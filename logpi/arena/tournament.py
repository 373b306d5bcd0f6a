"""A tournament: a match of every two players, and their Elo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from logpi.arena.match import Result, pair_counts, play_match
from logpi.arena.players.base import Player
from logpi.errors import LogpiError
from logpi.games.evaluation.rating import Ratings, Sprt, bradley_terry, sprt
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

    games: int = 100  # an even number
    plies: int = 4  # random moves that begin each game
    seed: int = 0  # of the openings: all matches have the same
    parallel_games: int = 128
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
    max_gap: int = 0,
) -> list[Duel]:
    """A match of every two players, one after the other.

    Args:
        game: the rules.
        players: two or more, of different names; they are not closed.
        settings: of every match.
        on_game: told of every game that ends, and by their numbers who played it.
        on_turn: told how many moves a player has just made.
        max_gap: only players at most this many places apart meet; 0: all do.

    Raises:
        LogpiError: fewer than two players, two of the same name, or invalid settings.
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

    return [match(a, b) for a, b in pairings(len(players), max_gap)]


def pairings(count: int, max_gap: int = 0) -> list[tuple[int, int]]:
    """Who meets whom, by number: every two players, or those at most ``max_gap`` places apart."""
    return [(a, b) for a, b in combinations(range(count), 2) if not max_gap or b - a <= max_gap]


def ratings(count: int, duels: Sequence[Duel], anchor: int | None = None) -> Ratings:
    """Elo of ``count`` players by all games."""
    points = np.zeros((count, count))
    for a, b, results in duels:
        for result in results:
            points[a, b] += result.score
            points[b, a] += 1 - result.score
    return bradley_terry(points, anchor)
