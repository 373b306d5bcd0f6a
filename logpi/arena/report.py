"""What the games of a tournament say of each player and of each match."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from logpi.arena.match import PLAYED_OUT, pair_counts
from logpi.arena.tournament import Duel, SequentialTest, ratings
from logpi.games.evaluation.rating import Interval, Ratings, Sprt, elo_difference, mean_score

Json = dict[str, object]


class Standing(NamedTuple):
    """One player over all its games."""

    name: str
    elo: float
    interval: tuple[float, float]  # 95 %
    games: int
    points: float  # 1 for a win, 0.5 for a draw
    won: int
    drawn: int
    lost: int
    faults: dict[str, int]  # forfeited games by reason


class MatchSummary(NamedTuple):
    """One match, from the side of its first player."""

    players: tuple[str, str]
    games: int
    points: float
    won: int
    drawn: int
    lost: int
    won_moving_first: int
    repeated: int  # games that are the same as others, move by move
    pairs: list[int]  # [5] openings that brought 0, 0.5, 1, 1.5 and 2 points
    score: Interval  # points a game
    elo: Interval  # infinite where every game had the same result
    test: SequentialTest | None
    verdict: Sprt | None  # where the sequential test stands

    def to_json(self) -> Json:
        """The same, as JSON has it: an infinite Elo is null."""
        fields = self._asdict()
        del fields["test"], fields["verdict"]
        sprt = self.test._asdict() | self.verdict._asdict() if self.test and self.verdict else None
        return {
            **fields,
            "players": list(self.players),
            "score": _finite(self.score),
            "elo": _finite(self.elo),
            "sprt": sprt,
        }


class Report(NamedTuple):
    """Everything measured."""

    players: list[Standing]  # strongest first
    matches: list[MatchSummary]
    anchor: str | None  # the player whose Elo is 0; None: their mean is
    drawn_games_added: bool  # one for every two players that met, without which an Elo would be infinite

    def to_json(self) -> Json:
        """The same, as JSON has it."""
        return {
            "players": [{**player._asdict(), "interval": list(player.interval)} for player in self.players],
            "matches": [match.to_json() for match in self.matches],
            "anchor": self.anchor,
            "drawn_games_added": self.drawn_games_added,
        }


def report(
    names: Sequence[str], duels: Sequence[Duel], anchor: int | None = None, test: SequentialTest | None = None
) -> Report:
    """Measure ``duels`` of the players ``names``; the Elo of number ``anchor``, if given, is 0."""
    elo = ratings(len(names), duels, anchor)
    order = [int(k) for k in np.argsort(-elo.elo, kind="stable")]
    return Report(
        [_standing(k, names, duels, elo) for k in order],
        [_match(names, duel, test) for duel in duels],
        None if anchor is None else names[anchor],
        elo.prior,
    )


def _standing(k: int, names: Sequence[str], duels: Sequence[Duel], elo: Ratings) -> Standing:
    own = [(r, duel.a == k) for duel in duels if k in (duel.a, duel.b) for r in duel.results]
    scores = [result.score if is_a else 1 - result.score for result, is_a in own]
    faults = Counter(
        r.reason for (r, _), score in zip(own, scores, strict=True) if r.reason != PLAYED_OUT and not score
    )
    return Standing(
        name=names[k],
        elo=round(float(elo.elo[k]), 2),
        interval=(round(float(elo.low[k]), 2), round(float(elo.high[k]), 2)),
        games=len(scores),
        points=sum(scores),
        won=scores.count(1.0),
        drawn=scores.count(0.5),
        lost=scores.count(0.0),
        faults={str(reason): count for reason, count in faults.items()},
    )


def _match(names: Sequence[str], duel: Duel, test: SequentialTest | None) -> MatchSummary:
    counts, scores = pair_counts(duel.results), [result.score for result in duel.results]
    return MatchSummary(
        players=(names[duel.a], names[duel.b]),
        games=len(scores),
        points=sum(scores),
        won=scores.count(1.0),
        drawn=scores.count(0.5),
        lost=scores.count(0.0),
        won_moving_first=sum(r.first == 0 and r.score == 1 for r in duel.results),
        repeated=len(scores) - len({(r.first, r.actions) for r in duel.results}),
        pairs=counts,
        score=mean_score(counts),
        elo=elo_difference(counts),
        test=test,
        verdict=test.of(duel.results) if test else None,
    )


def _finite(interval: Interval) -> list[float | None]:
    return [round(value, 4) if math.isfinite(value) else None for value in interval]
