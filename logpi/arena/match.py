"""A match of two players: openings each played twice with colours exchanged, many games in lockstep."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from logpi.arena.batched_rules import BatchedRules, Played
from logpi.arena.players.base import Fault, ForfeitError, Player, Position, Referee, SearchResult, begin
from logpi.errors import LogpiError
from logpi.games.rules.game import Game

TRIES = 200  # random openings drawn before it is taken that there are no further ones
PLAYED_OUT: Literal["played out"] = "played out"


class Result(NamedTuple):
    """One game of a match of ``a`` against ``b``."""

    opening: int  # number of the opening; the two games that share it are a pair
    first: int  # 0 where a moved first, 1 where b did
    actions: tuple[int, ...]  # from the empty board; an illegal one is not among them
    plies: int  # how many of them are the opening
    outcome: float  # 1, 0 or -1 for the player who moved first
    reason: Literal["played out"] | Fault  # what the loser did, where the game was not played out
    note: str = ""  # the fault in detail
    margin: float | None = None  # points by which the winner won, where they were counted

    @property
    def score(self) -> float:
        """What a got: 1, 0.5 or 0."""
        return (1 + (self.outcome if self.first == 0 else -self.outcome)) / 2


def play_match(
    game: Game,
    a: Player,
    b: Player,
    games: int = 100,
    plies: int = 4,
    seed: int = 0,
    parallel_games: int = 128,
    on_game: Callable[[Result], None] = lambda result: None,
    on_turn: Callable[[int], None] = lambda moves: None,
    enough: Callable[[Sequence[Result]], bool] = lambda results: False,
) -> list[Result]:
    """Play; the players are not closed.

    A player that forfeits a game loses it, and the match goes on.

    Args:
        game: the rules.
        a: a player.
        b: the other.
        games: how many, an even number: each opening is played twice.
        plies: random moves from the empty board that begin each game.
        seed: of the openings.
        parallel_games: how many games are played side by side; a game that ends makes room for the next.
        on_game: told of every game that ends.
        on_turn: told how many moves a player has just made, each in another game.
        enough: asked after every game with the results of all openings before the first that is not over yet: games
            that end soon must not come first, for they are the clear ones. True ends the match with these results.

    Returns:
        The results in the order in which the games ended.

    Raises:
        LogpiError: an odd number of games, or no opening of that many plies.
    """
    if games < 2 or games % 2:
        raise LogpiError(f"games is {games}; give an even number, at least 2: each opening is played twice")
    if parallel_games < 1:
        raise LogpiError(f"parallel_games is {parallel_games}; give at least 1")
    openings = draw_openings(game, plies, games // 2, seed)
    waiting = deque(_Table(number, first, opening) for number, opening in enumerate(openings) for first in (0, 1))
    rules, results = BatchedRules(game, min(parallel_games, games)), list[Result]()
    live: list[_Table] = []
    while waiting or live:
        live += [waiting.popleft() for _ in range(min(len(waiting), parallel_games - len(live)))]
        for turn, player in enumerate((a, b)):
            tables = [table for table in live if table.turn == turn]
            for table, result in _turn(player, tables, rules, plies):
                live.remove(table)
                results.append(result)
                on_game(result)
                if enough(settled := in_order(results)):
                    return settled
            on_turn(len(tables))
    return results


def in_order(results: Iterable[Result]) -> list[Result]:
    """The results of opening 0, 1, … up to the first of which there are not both games."""
    pairs: dict[int, list[Result]] = {}
    for result in results:
        pairs.setdefault(result.opening, []).append(result)
    found: list[Result] = []
    for opening in range(len(pairs)):
        pair = pairs.get(opening, [])
        if len(pair) < 2:
            break
        found += pair
    return found


def pair_counts(results: Iterable[Result]) -> list[int]:
    """[5] how many openings brought a 0, 0.5, 1, 1.5 and 2 points; an unfinished pair does not count."""
    pairs: dict[int, list[float]] = {}
    for result in results:
        pairs.setdefault(result.opening, []).append(result.score)
    counts = [0] * 5
    for scores in pairs.values():
        if len(scores) == 2:
            counts[round(2 * sum(scores))] += 1
    return counts


def draw_openings(game: Game, plies: int, count: int, seed: int) -> list[Position]:
    """``count`` positions after ``plies`` uniformly random moves, none of which ended the game.

    They are distinct boards, as long as there are enough; after that they are repeated in the same order.

    Raises:
        LogpiError: no random game lasted longer than that.
    """
    referee, rng = Referee(game), np.random.default_rng(seed)
    found: dict[bytes, Position] = {}
    for _ in range(count):
        for _ in range(TRIES):
            position = _random_line(referee, plies, rng)
            board = b"" if position is None else np.asarray(game.cells(position.state)).tobytes()
            if position is not None and board not in found:
                found[board] = position
                break
        else:
            break
    if not found:
        raise LogpiError(f"{game.id} has no opening of {plies} random plies: every game tried was over; choose fewer")
    distinct = list(found.values())
    return [distinct[k % len(distinct)] for k in range(count)]


class _Table:
    """One game under way."""

    def __init__(self, opening: int, first: int, position: Position) -> None:
        self.opening, self.first = opening, first
        self.position = position._replace(number=2 * opening + first)

    @property
    def turn(self) -> int:
        """0 where a is to move, 1 where b is."""
        return (self.first + len(self.position.actions)) % 2


def _random_line(referee: Referee, plies: int, rng: np.random.Generator) -> Position | None:
    position = begin(referee.game)
    for _ in range(plies):
        position = referee.play(position, int(rng.choice(referee.legal(position))))
        if referee.result(position) is not None:
            return None
    return position


def _turn(player: Player, tables: list[_Table], rules: BatchedRules, plies: int) -> Iterator[tuple[_Table, Result]]:
    """A move of ``player`` on each table; the tables where the game ended with it."""
    answers = _ask(player, [table.position for table in tables])
    chosen = [answer.action if isinstance(answer, SearchResult) else -1 for answer in answers]
    played = rules.play([table.position for table in tables], chosen)
    for table, answer, move in zip(tables, answers, played, strict=True):
        result = _advance(table, answer, move, plies)
        if result is not None:
            yield table, result


def _ask(player: Player, positions: list[Position]) -> list[SearchResult | ForfeitError]:
    """An answer for each position: after a forfeit, the rest are asked again."""
    answers: list[SearchResult | ForfeitError] = []
    while len(answers) < len(positions):
        try:
            return [*answers, *player.choose(positions[len(answers) :])]
        except ForfeitError as forfeit:
            answers += [*forfeit.answers, forfeit]
    return answers


def _advance(table: _Table, answer: SearchResult | ForfeitError, played: Played | None, plies: int) -> Result | None:
    """Put a move on its table; the result, if that ended the game."""
    if played is not None:
        table.position = played.position
        if played.result is None:
            return None
        actions = table.position.actions
        return Result(table.opening, table.first, actions, plies, played.result, PLAYED_OUT, margin=played.margin)
    if isinstance(answer, SearchResult):
        answer = ForfeitError("illegal move", f"action {answer.action}")
    actions = table.position.actions
    lost = -1.0 if len(actions) % 2 == 0 else 1.0
    return Result(table.opening, table.first, actions, plies, lost, answer.reason, answer.note)
