"""JSON lines in and out, in the form of KataGo's analysis engine: a query a line, an answer a line for each turn.

Answers give win rates and utilities for the first player ("BLACK"), as KataGo's example configuration has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from logpi.arena.analysis.analyst import Analyst, Seen
from logpi.arena.players.base import Position, Referee, begin
from logpi.errors import LogpiError
from logpi.games.records import set_up
from logpi.games.rules.game import Game
from logpi.runs.files import Json

KNOWN = (
    *("id", "moves", "initialStones", "initialPlayer", "rules", "komi", "boardXSize", "boardYSize"),
    *("analyzeTurns", "maxVisits", "includePolicy"),
)
COLOURS = {"b": 0, "black": 0, "first": 0, "w": 1, "white": 1, "second": 1}
RULES = {"positional": ("tromp-taylor", "chinese"), "situational": ("aga", "new-zealand", "bga")}
MOST_VISITS = 1_000_000


class QueryError(LogpiError):
    """A query that cannot be answered, and its field."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field


class Lines:
    """Answers to queries."""

    def __init__(self, analyst: Analyst, version: str) -> None:
        self._analyst, self._version, self._referees = analyst, version, dict[float | None, Referee]()

    @property
    def game(self) -> Game:
        """The agent's."""
        return self._analyst.agent.game

    def answer(self, line: str) -> Iterator[Json]:
        """The answers to one line; what is wrong with it is an answer too."""
        name: Any = None
        try:
            try:
                query = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise QueryError("", f"not JSON: {error}") from error
            if not isinstance(query, dict):
                raise QueryError("", "not a JSON object")
            name = query.get("id")
            if not isinstance(name, str):
                raise QueryError("id", "id is missing, or no text")
            yield from self._action(query) if "action" in query else self._query(query)
        except QueryError as error:
            said = {"error": str(error)} | ({"field": error.field} if error.field else {})
            yield said | ({"id": name} if isinstance(name, str) else {})

    def _action(self, query: Json) -> Iterator[Json]:
        """Commands beside analysis. Queries are answered in turn, so that there is never one to end."""
        given = {name: query[name] for name in ("id", "action")}
        if query["action"] == "query_version":
            yield {**given, "version": self._version, "git_hash": ""}
        elif query["action"] in ("terminate", "terminate_all", "clear_cache"):
            yield given
        else:
            raise QueryError("action", f"unknown action {query['action']!r}")

    def _query(self, query: Json) -> Iterator[Json]:
        for field in query:
            if field not in KNOWN:
                yield {"warning": "unused field", "field": field, "id": query["id"]}
        positions, skipped = self._positions(query)
        turns, visits = _turns(query, len(positions) - skipped), self._visits(query)
        wanted = [positions[skipped + turn] for turn in turns]
        results = [self._referee(query).result(position) for position in wanted]
        open_ones = [position for position, result in zip(wanted, results, strict=True) if result is None]
        seen = iter(self._analyst.look(open_ones, visits))
        for turn, position, result in zip(turns, wanted, results, strict=True):
            found = next(seen) if result is None else None
            head = {"id": query["id"], "isDuringSearch": False, "turnNumber": turn}
            yield head | response(self.game, position, found, result) | self._policy(query, position)

    def _positions(self, query: Json) -> tuple[list[Position], int]:
        """All positions of a query, and how many of them come before its turn 0."""
        self._check_board(query)
        referee, moves = self._referee(query), self._moves(query)
        setup = self._setup(query, moves)
        positions = [begin(referee.game)]
        for number, (colour, action) in enumerate([*((None, a) for a in setup), *moves]):
            turn = len(positions[-1].actions) % 2
            field = "moves" if number >= len(setup) else "initialStones"
            if colour is not None and colour != turn:
                raise QueryError(field, f"move {number - len(setup)} is of the player who is not to move")
            if referee.result(positions[-1]) is not None or action not in referee.legal(positions[-1]):
                raise QueryError(field, f"illegal move {number - len(setup)}: {self.game.name(action)}")
            positions.append(referee.play(positions[-1], action))
        return positions, len(setup)

    def _moves(self, query: Json) -> list[tuple[int | None, int]]:
        """(colour, action) of each move; names alone have no colour."""
        moves = query.get("moves")
        if not isinstance(moves, list):
            raise QueryError("moves", "moves is missing, or no list")
        found: list[tuple[int | None, int]] = []
        for move in moves:
            pair = [None, move] if isinstance(move, str) else move
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str):
                raise QueryError("moves", f"{move!r} is not a move; allowed: a name, or [player, name]")
            try:
                found.append((None if pair[0] is None else _colour("moves", pair[0]), self.game.parse(pair[1])))
            except LogpiError as error:
                raise QueryError("moves", str(error)) from error
        return found

    def _setup(self, query: Json, moves: Sequence[tuple[int | None, int]]) -> tuple[int, ...]:
        """Moves after which the initial stones stand."""
        stones, notation = query.get("initialStones", []), self.game.protocols.sgf
        if not stones and "initialPlayer" not in query:
            return ()
        if notation is None or notation.passing is None:
            raise QueryError("initialStones", f"{self.game.id} has no passes, with which a position could be set up")
        if not isinstance(stones, list) or not all(isinstance(one, list) and len(one) == 2 for one in stones):
            raise QueryError("initialStones", "no list of [player, point]")
        try:
            placed = {self.game.parse(str(name)): "BW"[_colour("initialStones", one)] for one, name in stones}
            given = query.get("initialPlayer", moves[0][0] if moves and moves[0][0] is not None else "B")
            first = "BW"[given if isinstance(given, int) else _colour("initialPlayer", given)]
            return set_up.as_moves(placed, first, notation.passing, self.game.shape)
        except QueryError:
            raise
        except LogpiError as error:
            raise QueryError("initialStones", str(error)) from error

    def _check_board(self, query: Json) -> None:
        """Refuse a query of another board or other rules."""
        rows, columns = self.game.shape
        for field, own in (("boardXSize", columns), ("boardYSize", rows)):
            if query.get(field, own) != own:
                raise QueryError(field, f"{query[field]!r}; the agent plays {self.game.id}, of {own}")
        gtp, rules = self.game.protocols.gtp, query.get("rules")
        allowed = RULES.get(gtp.superko, ()) if gtp else ()
        if rules is not None and (not isinstance(rules, str) or rules.lower() not in allowed):
            raise QueryError("rules", f"{rules!r}; allowed: {', '.join(allowed) or 'none'}")

    def _referee(self, query: Json) -> Referee:
        """The rules, with the query's komi."""
        komi = self.game.protocols.komi
        given = query.get("komi")
        if given is not None and (komi is None or type(given) not in (int, float)):
            raise QueryError("komi", f"{given!r}; {self.game.id} has {'a number' if komi else 'none'}")
        if given not in self._referees:
            try:
                self._referees[given] = Referee(komi.game(given) if komi and given is not None else self.game)
            except LogpiError as error:
                raise QueryError("komi", str(error)) from error
        return self._referees[given]

    def _visits(self, query: Json) -> int:
        visits = query.get("maxVisits", 0)
        if type(visits) is not int or not ((visits == 0 and "maxVisits" not in query) or 2 <= visits <= MOST_VISITS):
            raise QueryError("maxVisits", f"{visits!r}; allowed: a whole number from 2 to {MOST_VISITS:,}")
        return visits

    def _policy(self, query: Json, position: Position) -> Json:
        """The network's probabilities of all moves, -1 where one is illegal."""
        if not query.get("includePolicy") or self._referee(query).result(position) is not None:
            return {}
        import jax

        policy = self._analyst.agent.evaluate(jax.tree.map(lambda x: x[None], position.state))[0][0]
        legal = set(self._referee(query).legal(position))
        return {"policy": [float(p) if action in legal else -1.0 for action, p in enumerate(policy)]}


def response(game: Game, position: Position, seen: Seen | None, result: float | None) -> Json:
    """``moveInfos`` and ``rootInfo`` of one position; of a game that is over, its ``result`` for the first player."""
    first = len(position.actions) % 2 == 0
    sign = 1.0 if first else -1.0
    value = float(result or 0.0) if seen is None else sign * seen.mean
    root = {"currentPlayer": "B" if first else "W", "winrate": _rate(value), "utility": value}
    infos = [
        {
            "move": game.name(line.actions[0]),
            "visits": line.visits,
            "winrate": _rate(sign * line.value),
            "utility": sign * line.value,
            "prior": line.prior,
            "order": order,
            "pv": [game.name(action) for action in line.actions],
        }
        for order, line in enumerate(seen.lines if seen else ())
    ]
    return {"moveInfos": infos, "rootInfo": root | {"visits": seen.visits if seen else 0}}


def _rate(value: float) -> float:
    """An expected result of -1 to 1 as a win rate, a draw ½."""
    return 0.5 * (1.0 + value)


def _turns(query: Mapping[str, Any], count: int) -> list[int]:
    """The turns to be analysed; the last by default."""
    turns = query.get("analyzeTurns", [count - 1])
    if not isinstance(turns, list) or not all(type(turn) is int and 0 <= turn < count for turn in turns):
        raise QueryError("analyzeTurns", f"{turns!r}; allowed: a list of whole numbers from 0 to {count - 1}")
    return turns


def _colour(field: str, player: object) -> int:
    found = COLOURS.get(player.lower()) if isinstance(player, str) else None
    if found is None:
        raise QueryError(field, f"{player!r} is not a player; allowed: B, W")
    return found
