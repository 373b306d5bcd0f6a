"""What a person at the terminal is shown of a session: the board, who plays, what the agent thinks, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.style import Style
from rich.text import Text

from logpi.arena.players.base import SearchResult
from logpi.arena.results import verdict
from logpi.arena.scenes import Scene, counted, scene_of
from logpi.arena.terminal.board import LABEL, draw, stone
from logpi.arena.terminal.session import Session, Table, line, result

GAP = 4  # characters between the board and what stands beside it
BAR = 20  # characters of the bar of chances
SHOWN = 32  # characters of a variation
STRONG = Style(bold=True)


def view(table: Table, session: Session, width: int = 80, scene: Scene | None = None) -> list[Text]:
    """The board with what belongs beside it; below it, where the terminal is not ``width`` characters wide enough.

    ``scene`` is drawn in place of what is on the board.
    """
    board = draw(table.game, scene or scene_of(table.stage, session.positions), table.display)
    panel = _panel(table, session)
    wide = max(line.cell_len for line in board)
    if wide + GAP + max(line.cell_len for line in panel) > width:
        return [*board, Text(), *panel]
    blank = Text()
    rows = zip_longest(board, [blank, *panel], fillvalue=blank)
    return [Text.assemble(left, " " * (wide + GAP - left.cell_len), right) if right else left for left, right in rows]


def falls(table: Table, session: Session, width: int = 80) -> list[list[Text]]:
    """What is seen while the last stone falls; nothing in games where stones do not fall."""
    scene = scene_of(table.stage, session.positions)
    if not table.game.looks.falls or scene.last is None:
        return []
    bottom, column = scene.last
    frames = []
    for row in range(bottom):
        cells = scene.cells.copy()
        cells[bottom, column], cells[row, column] = 0, scene.cells[bottom, column]
        frames.append(view(table, session, width, Scene(cells)))
    return frames


def prompt(table: Table, session: Session) -> str:
    """What a person is asked."""
    if result(table, session) is not None:
        return "over (undo, new, save FILE, quit): "
    side = table.game.looks.sides[session.turn - 1]
    return f"{side}, your move: " if session.side != "both" else f"{side}'s move: "


def comment(
    table: Table, session: Session, answer: SearchResult, seconds: float, hint: bool = False
) -> tuple[Text, ...]:
    """What the agent makes of the position that stands, for the person who reads it.

    Args:
        table: the game and the agent's name.
        session: before the agent's move.
        answer: of the player to move.
        seconds: that it took.
        hint: the move is not played but proposed.
    """
    state = session.now.state
    verb = "would play" if hint else "plays"
    played = table.game.written(state, answer.action)
    lines = [Text.assemble(f"{table.agent} {verb} ", (played, STRONG), (f"  {seconds:.2f} s", LABEL))]
    if answer.value is not None:
        lines.append(_chances(table, session, answer.value))
    if hint and answer.visits:
        total = sum(answer.visits.values())
        best = sorted(answer.visits.items(), key=lambda item: -item[1])[:4]
        lines.append(
            _labelled("looks at", ", ".join(f"{table.game.written(state, a)} {n / total:.0%}" for a, n in best if n))
        )
    if len(answer.variation) > 1:
        lines.append(_labelled("expects", _fitting(line(table, session, answer.variation))))
    return tuple(lines)


def ending(table: Table, session: Session) -> str:
    """How the game ended, or nothing while it goes on."""
    outcome = result(table, session)
    if outcome is None:
        return ""
    sides = table.game.looks.sides
    if session.given_up:
        how = "resigns" if session.given_up == "resigned" else f"forfeits ({session.given_up})"
        return f"{sides[2 - session.turn]} wins: {sides[session.turn - 1]} {how}"
    area = table.area(session.now) if table.area else None
    return verdict(table.game, table.cells(session.now), outcome, area)


def _panel(table: Table, session: Session) -> list[Text]:
    """The players and their scores, the last move where the board does not show it, the agent's words, the end."""
    over = ending(table, session)
    lines = [Text.assemble((table.game.title, STRONG), (f"  move {len(session.now.actions)}", LABEL)), Text()]
    sides = table.game.looks.sides
    scores = counted(table.stage, session.now)
    wide, far = max(map(len, sides)) + 3, max(map(len, scores))
    for player, side in enumerate(sides, 1):
        pointer = ("▸ " if table.display.unicode else "> ") if session.turn == player and not over else "  "
        who = "you" if session.is_persons(player) else table.agent
        score = f"{scores[player - 1]:{far + 3}}" if far else ""
        lines.append(Text.assemble(pointer, stone(table.game, player, table.display), f" {side:{wide}}{score}", who))
    actions = session.now.actions
    if actions and table.game.name(actions[-1]) == "pass":
        lines += [Text(), Text(f"{sides[2 - session.turn]} passed")]
    elif not over and table.game.name(table.referee.legal(session.now)[0]) == "pass":
        lines += [Text(), Text("nothing but pass is possible")]
    if session.comment:
        lines += [Text(), *session.comment]
    return [*lines, Text(), Text(over, STRONG)] if over else lines


def _chances(table: Table, session: Session, value: float) -> Text:
    """The person's chances, or the first player's where the person has no side of his own; a draw counts half."""
    reader = {"first": 1, "second": 2}.get(session.side, 1)
    share = (1 + (value if reader == session.turn else -value)) / 2
    who = "you win" if session.side in ("first", "second") else f"{table.game.looks.sides[0]} wins"
    full, empty = "█░" if table.display.unicode else "#."
    filled = round(share * BAR)
    return _labelled(who, f"{share:.0%}  ").append(full * filled + empty * (BAR - filled), LABEL)


def _labelled(label: str, text: str) -> Text:
    return Text.assemble((f"{label:11}", LABEL), text)


def _fitting(names: Sequence[str]) -> str:
    """As many names as fit."""
    shown = ""
    for name in names:
        if len(shown) + len(name) >= SHOWN:
            return f"{shown}…"
        shown += f"{name} "
    return shown
