"""What plays: anything that is shown positions and names a move in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from logpi.errors import LogpiError
from logpi.games.rules.game import Game
from logpi.types import PyTree


class Position(NamedTuple):
    """Where one game stands. It has not ended."""

    game: Game
    actions: tuple[int, ...]  # from the empty board
    state: PyTree  # after them, seen by the player to move; arrays without a batch
    number: int = 0  # of the game, among those that a player is asked about at a time


class SearchResult(NamedTuple):
    """What a player makes of a position."""

    action: int
    value: float | None = None  # expected outcome for the player to move, -1 to 1
    visits: dict[int, int] | None = None  # of the root's moves, where there was a search
    variation: tuple[int, ...] = ()  # the line of play expected, ``action`` first


Fault = Literal["illegal move", "engine died", "timed out", "refused a legal move", "resigned"]


class ForfeitError(LogpiError):
    """A player loses the game that it was asked about; of others it may still be asked.

    ``choose`` raises it of the first position that it has no answer for; ``answers`` answer those before it.
    """

    def __init__(self, reason: Fault, note: str, answers: Sequence[SearchResult] = ()) -> None:
        super().__init__(f"{reason}: {note}")
        self.reason: Fault = reason
        self.note, self.answers = note, list(answers)


class Player(Protocol):
    """A player of one game; it may be shown positions of many matches at once, in any order."""

    name: str

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        """A legal action in each of the positions.

        Raises:
            ForfeitError: the player loses one of these games, such as by an engine that died.
            LogpiError: the player cannot play this game at all.
        """
        ...

    def close(self) -> None: ...


def one_by_one(think: Callable[[Position], int], positions: Sequence[Position]) -> list[SearchResult]:
    """The moves of a player that thinks about one position at a time.

    Raises:
        ForfeitError: ``think`` does; it has the moves before.
    """
    answers: list[SearchResult] = []
    for position in positions:
        try:
            answers.append(SearchResult(think(position)))
        except ForfeitError as fault:
            raise ForfeitError(fault.reason, fault.note, answers) from fault
    return answers


def begin(game: Game) -> Position:
    """The empty board."""
    return Position(game, (), jax.device_get(game.init()))


class Referee:
    """The compiled rules of one game, for positions one by one."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self._step, self._legal = jax.jit(game.step), jax.jit(game.legal)
        self._ended = jax.jit(lambda state: (game.ended(state), game.outcome(state)))

    def legal(self, position: Position) -> list[int]:
        """The actions allowed."""
        return np.flatnonzero(np.asarray(self._legal(position.state))).tolist()

    def play(self, position: Position, action: int) -> Position:
        """The position after a legal ``action``."""
        state = jax.device_get(self._step(position.state, jnp.int32(action)))
        return position._replace(actions=(*position.actions, action), state=state)

    def result(self, position: Position) -> float | None:
        """1, 0 or -1 for the *first* player, or None while the game goes on."""
        ended, outcome = jax.device_get(self._ended(position.state))
        if not ended:
            return None
        return float(outcome) if len(position.actions) % 2 == 0 else -float(outcome)


def opened(game: Game) -> tuple[Position, ...]:
    """The empty board, and the positions after the moves that only set a position up, such as handicap stones."""
    referee, positions = Referee(game), [begin(game)]
    for _ in range(game.protocols.setup):
        positions.append(referee.play(positions[-1], referee.legal(positions[-1])[0]))
    return tuple(positions)


class RandomPlayer:
    """Every legal move with the same probability."""

    def __init__(self, game: Game, seed: int = 0) -> None:
        self.name = "random"
        self._referee, self._rng = Referee(game), np.random.default_rng(seed)

    def choose(self, positions: Sequence[Position]) -> list[SearchResult]:
        return [SearchResult(int(self._rng.choice(self._referee.legal(position)))) for position in positions]

    def close(self) -> None:
        pass
