"""Terminal play as a pure state machine: (session, input line) → a ``Reply`` with the new session, text and request.

Reading, printing, thinking and files are the caller's (``logpi.cli.play``): a ``Reply`` says what it wants done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from rich.text import Text

from logpi.arena.players.base import Position, Referee, begin
from logpi.arena.results import Area
from logpi.arena.scenes import Stage, stage_of
from logpi.arena.terminal.board import Display
from logpi.errors import LogpiError
from logpi.games.rules.game import Game
from logpi.games.rules.looks import Cells, cell_refusal

Side = Literal["first", "second", "both", "none"]
Request = Literal["", "hint", "save", "board", "new", "quit"]
COMMANDS = {  # what a person may type besides a move; of two with the same beginning the first is meant
    "undo": "take back your last move and the answer to it",
    "hint": "what the agent would play for you, and why",
    "moves": "the moves so far, and those allowed now",
    "save": "write the game to a file: save FILE",
    "swap": "change sides with the agent",
    "resign": "give up; undo takes it back",
    "new": "begin again",
    "board": "draw the board again",
    "help": "this list",
    "quit": "leave",
}
FORBIDDEN = "the rules forbid it"
SHORTEST = {"resign": 3, "new": 3}  # a slip of the finger should not end a game


class Table(NamedTuple):
    """What stays the same from game to game."""

    stage: Stage  # the rules
    agent: str  # its name
    display: Display

    @property
    def game(self) -> Game:
        return self.stage.game

    @property
    def referee(self) -> Referee:
        return self.stage.referee

    @property
    def cells(self) -> Callable[[Position], Cells]:
        return self.stage.cells

    @property
    def area(self) -> Callable[[Position], Area] | None:
        return self.stage.area


class Session(NamedTuple):
    """A game so far, and who plays what. Players alternate strictly: the number of moves tells whose turn it is."""

    positions: tuple[Position, ...]  # from the first one to the one that stands
    side: Side  # the person's
    given_up: str = ""  # why the player to move has lost, if not on the board: "resigned" or another fault
    comment: tuple[Text, ...] = ()  # what the agent said last

    @property
    def now(self) -> Position:
        return self.positions[-1]

    @property
    def turn(self) -> int:
        """The player to move: 1 for the first, 2 for the second."""
        return 1 + len(self.now.actions) % 2

    def is_persons(self, player: int) -> bool:
        """Whether the person plays as player 1 or 2."""
        return self.side == "both" or self.side == ("first", "second")[player - 1]


class Reply(NamedTuple):
    """What became of a line that a person typed."""

    session: Session
    lines: tuple[Text, ...] = ()
    request: Request = ""  # what the caller should do now
    file: str = ""  # to save to


def make_table(game: Game, agent: str, display: Display) -> Table:
    """The table for a game against ``agent``; everything that it will compute is compiled here."""
    table = Table(stage_of(game), agent, display)
    empty = begin(game)
    moved = table.referee.play(empty, table.referee.legal(empty)[0])
    table.cells(moved)
    table.referee.result(moved)
    if table.area:
        table.area(moved)
    return table


def moved(table: Table, session: Session, action: int) -> Session:
    """The session after a legal move."""
    return session._replace(positions=(*session.positions, table.referee.play(session.now, action)), comment=())


def result(table: Table, session: Session) -> float | None:
    """1, 0 or -1 for the first player, or None while the game goes on."""
    if session.given_up:
        return -1.0 if session.turn == 1 else 1.0
    return table.referee.result(session.now)


def history(table: Table, session: Session) -> str:
    """The moves so far, numbered in pairs."""
    pairs = zip(session.positions, session.now.actions, strict=False)
    names = [table.game.written(position.state, action) for position, action in pairs]
    return "  ".join(f"{n // 2 + 1}. {' '.join(names[n : n + 2])}" for n in range(0, len(names), 2))


def line(table: Table, session: Session, actions: Sequence[int]) -> list[str]:
    """Moves that follow the position that stands, as people write them."""
    position, names = session.now, list[str]()
    for action in actions:
        names.append(table.game.written(position.state, action))
        position = table.referee.play(position, action)
    return names


def reply(table: Table, session: Session, line: str) -> Reply:
    """What a line that the person typed comes to; nothing it may contain is an error."""
    word, _, rest = line.strip().partition(" ")
    if not word:
        return Reply(session, _said("a move, or a command: help lists them"))
    command = word.lower() if word.lower() in COMMANDS else ""
    if not command:
        try:
            return _place(table, session, table.game.read(session.now.state, line))
        except LogpiError as error:
            command = _meant(word.lower())
            if not command:
                return Reply(session, _said(f"{error}; or a command: help lists them"))
    return _COMMANDS[command](table, session, rest.strip())


def _meant(word: str) -> str:
    """The command that ``word`` begins, or nothing."""
    return next((name for name in COMMANDS if name.startswith(word) and len(word) >= SHORTEST.get(name, 1)), "")


def _said(text: str) -> tuple[Text, ...]:
    return (Text(text),)


def _place(table: Table, session: Session, action: int) -> Reply:
    if result(table, session) is not None:
        return Reply(session, _said("the game is over; undo takes moves back, new begins another, quit leaves"))
    legal = table.referee.legal(session.now)
    if action in legal:
        return Reply(moved(table, session, action))
    why = _why_not(table, session, action)
    names = [table.game.written(session.now.state, move) for move in legal]
    which = f"; you may play {', '.join(names)}" if len(names) <= 24 else "; moves lists those that you may play"
    return Reply(session, _said(f"{table.game.name(action)} is not allowed here: {why}{which}"))


def _why_not(table: Table, session: Session, action: int) -> str:
    """The rule that forbids a move."""
    game = table.game
    if game.looks.refusal is not None:
        return game.looks.refusal(table.cells(session.now), action)
    if game.actions - game.shape[0] * game.shape[1] in (0, 1):  # the actions are the cells, and perhaps a pass
        return cell_refusal(FORBIDDEN)(table.cells(session.now), action)
    return FORBIDDEN


def _undo(table: Table, session: Session, rest: str) -> Reply:
    """Back to where the person last had the move."""
    if session.given_up:
        return Reply(session._replace(given_up=""))
    mine = [n for n in range(len(session.positions) - 1) if session.is_persons(1 + n % 2)]
    if not mine:
        return Reply(session, _said("there is no move of yours to take back"))
    return Reply(session._replace(positions=session.positions[: mine[-1] + 1], comment=()))


def _hint(table: Table, session: Session, rest: str) -> Reply:
    if result(table, session) is not None:
        return Reply(session, _said("the game is over; undo takes moves back"))
    return Reply(session, request="hint")


def _moves(table: Table, session: Session, rest: str) -> Reply:
    played = f"played: {history(table, session) or 'nothing yet'}"
    if result(table, session) is not None:
        return Reply(session, _said(played))
    names = [table.game.written(session.now.state, move) for move in table.referee.legal(session.now)]
    allowed = f"allowed: {' '.join(names)}"
    return Reply(session, (*_said(played), *_said(allowed)))


def _save(table: Table, session: Session, rest: str) -> Reply:
    if not rest:
        return Reply(session, _said("save needs a file: save FILE"))
    return Reply(session, request="save", file=rest)


def _swap(table: Table, session: Session, rest: str) -> Reply:
    if session.side not in ("first", "second"):
        return Reply(session, _said("you play both sides; there is no opponent to change them with"))
    return Reply(session._replace(side="second" if session.side == "first" else "first", comment=()))


def _resign(table: Table, session: Session, rest: str) -> Reply:
    if result(table, session) is not None:
        return Reply(session, _said("the game is over"))
    return Reply(session._replace(given_up="resigned"))


def _new(table: Table, session: Session, rest: str) -> Reply:
    return Reply(Session(session.positions[:1], session.side), request="new")


def _board(table: Table, session: Session, rest: str) -> Reply:
    return Reply(session, request="board")


def _help(table: Table, session: Session, rest: str) -> Reply:
    legal = table.referee.legal(session.now) if result(table, session) is None else []
    names = [table.game.written(session.now.state, move) for move in legal[:: max(1, len(legal) // 2)][:2]]
    move = [f"a move such as {' or '.join(names)}"] if names else []
    commands = [f"{name:7} {text}" for name, text in COMMANDS.items()]
    return Reply(session, tuple(map(Text, [*move, *commands, "commands may be shortened; capitals do not matter"])))


def _quit(table: Table, session: Session, rest: str) -> Reply:
    return Reply(session, request="quit")


_COMMANDS: dict[str, Callable[[Table, Session, str], Reply]] = {
    "undo": _undo,
    "hint": _hint,
    "moves": _moves,
    "save": _save,
    "swap": _swap,
    "resign": _resign,
    "new": _new,
    "board": _board,
    "help": _help,
    "quit": _quit,
}
