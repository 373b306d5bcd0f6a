"""Boards drawn in text, each as the people who play that game know it.

A board is marks on a grid of characters, later ones over earlier ones. With colours it looks like wood or cloth;
without, glyphs alone tell everything: the last move stands in brackets and winning stones are stars in either case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from rich.style import Style
from rich.text import Text

from logpi.games.rules.game import Game

Cell = tuple[int, int]  # row, column; row 0 is drawn at the top
Cells = np.ndarray[Any, Any]  # [rows, columns] int8: 0 empty, 1 first player's, 2 second player's
LABEL, PEN = Style(dim=True), Style(dim=False, bold=True)
DARK = "#121212"


class Look(NamedTuple):
    """What the terminal can show."""

    colour: bool  # at least 256 colours
    unicode: bool


class Scene(NamedTuple):
    """What is on a board."""

    cells: Cells
    last: Cell | None = None  # the stone placed last
    winning: frozenset[Cell] = frozenset()
    open: frozenset[Cell] = frozenset()  # where the player to move may place a stone, if that is to be shown
    owned: Cells | None = None  # whose each point of a finished game of Go is


class Mark(NamedTuple):
    """Characters from (x, y) to the right."""

    x: int
    y: int
    glyphs: str
    style: Style


class Skin(NamedTuple):
    """How a family of games looks."""

    sides: tuple[str, str]
    colours: tuple[str, str] = (DARK, "#ffffff")  # of stones 1 and 2
    board: tuple[str, ...] = ("#3a3a3a", "#444444")  # its shades, in turn
    lines: str = "#8a8a8a"  # of what is drawn on it
    last: str = "#ffffff"  # of the brackets around the last move
    pitch: tuple[int, int] = (3, 1)  # characters from cell to cell, lines from row to row
    stones: tuple[str, str] = ("●", "○")  # without colours
    ascii: tuple[str, str] = ("X", "O")


PLAIN = Skin(("First", "Second"), ("#5fd7ff", "#ffaf5f"))
SKINS = {  # colours (nearly) of the 256 that lesser terminals have, so that they look alike on all
    "tic-tac-toe": Skin(("X", "O"), ("#5fd7ff", "#ffaf5f"), ("#262626",), "#6c6c6c", pitch=(4, 2), stones=("X", "O")),
    "connect-four": Skin(("Red", "Yellow"), ("#ff5f5f", "#ffd700"), ("#005fd7",), "#00005f"),
    "othello": Skin(("Black", "White"), board=("#00875f", "#007d57"), lines="#87d7af", last="#ffff5f"),
    "hex": Skin(("Red", "Blue"), ("#d70000", "#005fd7"), ("#eeeeee", "#dadada", "#c6c6c6"), last=DARK, pitch=(2, 1)),
    "go": Skin(("Black", "White"), board=("#d7af5f",), lines="#875f00", last="#af0000", pitch=(2, 1)),
}


def family(game: Game) -> str:
    """The game's name without the size of its board."""
    return re.sub(r"-\d+x\d+$", "", game.id)


def skin(game: Game) -> Skin:
    """The looks of a game; plain ones for a family that has none of its own."""
    return SKINS.get(family(game), PLAIN)


def draw(game: Game, scene: Scene, look: Look) -> list[Text]:
    """The board with its coordinates, line by line."""
    grounds = {"tic-tac-toe": _hash, "connect-four": _holes, "hex": _bricks, "go": _grid}
    ground = grounds.get(family(game), _tiles)
    return lines_of([*_labels(game), *ground(game, scene, look), *_stones(game, scene, look)])


def stone(game: Game, player: int, look: Look) -> Text:
    """The stone of player 1 or 2, on a piece of board where there are colours."""
    looks = skin(game)
    if not look.colour:
        return Text(_glyph(game, player, look))
    return Text(f" {_glyph(game, player, look)} ", _inked(looks.colours[player - 1], looks.board[0]))


def lines_of(marks: Iterable[Mark]) -> list[Text]:
    """The lines that the marks make; a later mark keeps what it does not set itself, such as the board's colour."""
    canvas: dict[Cell, tuple[str, Style]] = {}
    for x, y, glyphs, style in marks:
        for place, glyph in enumerate(glyphs, x):
            _, below = canvas.get((y, place), ("", Style()))
            canvas[y, place] = glyph, below + style
    blank = (" ", Style())
    left, right = min(x for _, x in canvas), max(x for _, x in canvas)
    top, bottom = min(canvas)[0], max(canvas)[0]
    return [Text.assemble(*(canvas.get((y, x), blank) for x in range(left, right + 1))) for y in range(top, bottom + 1)]


def coordinates(game: Game) -> tuple[list[str], list[str]]:
    """What stands over the columns and beside the rows, taken from the names of the moves."""
    rows, columns = game.shape
    if game.actions == columns:
        return [game.name(column) for column in range(columns)], [""] * rows
    if game.actions < rows * columns or re.fullmatch(r"[A-Za-z]\d+", game.name(0)) is None:
        return [""] * columns, [""] * rows
    letters = [game.name(column)[0] for column in range(columns)]
    return letters, [game.name(row * columns)[1:] for row in range(rows)]


def hoshi(size: int) -> frozenset[Cell]:
    """The points of a Go board that are marked as on wooden ones."""
    edge = 2 if size < 12 else 3
    lines = {edge, size - 1 - edge}
    middle = {size // 2} if size % 2 else set()
    corners = set(product(lines, lines)) if size > 6 else set()
    sides = {*product(lines, middle), *product(middle, lines)} if size > 14 else set()
    return frozenset(corners | sides | set(product(middle, middle)))


def _at(game: Game, cell: Cell) -> tuple[int, int]:
    """(x, y) of a cell's middle; Hex moves each row by half a cell."""
    (across, down), (row, column) = skin(game).pitch, cell
    return across * column + (row if family(game) == "hex" else 0), down * row


def _cells(game: Game) -> Iterator[tuple[Cell, int, int]]:
    for cell in product(range(game.shape[0]), range(game.shape[1])):
        yield cell, *_at(game, cell)


def _glyph(game: Game, player: int, look: Look) -> str:
    looks = skin(game)
    if not look.unicode:
        return looks.ascii[player - 1]
    return looks.stones[0] if look.colour and looks.stones[0] == "●" else looks.stones[player - 1]


def _stones(game: Game, scene: Scene, look: Look) -> Iterator[Mark]:
    """The stones, those that win, and the brackets around the last one."""
    looks = skin(game)
    for cell, x, y in _cells(game):
        owner = int(scene.cells[cell])
        if owner and cell in scene.winning:
            star = "★" if look.unicode else "*"
            yield _tile(looks, x, y, star, _inked(DARK, looks.colours[owner - 1]) if look.colour else PEN)
        elif owner:
            yield Mark(x, y, _glyph(game, owner, look), _inked(looks.colours[owner - 1]) if look.colour else PEN)
    if scene.last is not None:
        x, y = _at(game, scene.last)
        style = _inked(DARK if scene.last in scene.winning else looks.last) if look.colour else PEN
        yield Mark(x - 1, y, "(", style)
        yield Mark(x + 1, y, ")", style)


def _labels(game: Game) -> Iterator[Mark]:
    rows, columns = game.shape
    above, beside = coordinates(game)
    wide, away = max(map(len, beside)), 3 if skin(game).pitch[0] == 2 else 2
    edge = 2 if family(game) == "hex" else 1
    for column, label in enumerate(above):
        x, _ = _at(game, (0, column))
        yield Mark(x, -edge, label, LABEL)
        if family(game) != "connect-four":  # stones fall in from above
            x, y = _at(game, (rows - 1, column))
            yield Mark(x, y + edge, label, LABEL)
    for row, label in enumerate(beside):
        left, y = _at(game, (row, 0))
        right, _ = _at(game, (row, columns - 1))
        yield Mark(left - away - wide, y, f"{label:>{wide}}", LABEL)
        yield Mark(right + away + 1, y, label, LABEL)


def _inked(colour: str, board: str | None = None) -> Style:
    return Style(color=colour, bgcolor=board, bold=True)


def _tile(looks: Skin, x: int, y: int, glyph: str, style: Style) -> Mark:
    """A glyph with the cell around it, which has no left half where cells are two characters wide."""
    return Mark(x, y, f"{glyph} ", style) if looks.pitch[0] == 2 else Mark(x - 1, y, f" {glyph} ", style)


def _on(looks: Skin, look: Look, shade: int = 0) -> Style:
    return Style(color=looks.lines, bgcolor=looks.board[shade % len(looks.board)]) if look.colour else LABEL


def _tiles(game: Game, scene: Scene, look: Look) -> Iterator[Mark]:
    """A chequered board; larger dots where a stone may be placed, small ones elsewhere if there are no colours."""
    looks = skin(game)
    dot, small = "•·" if look.unicode else "*."
    for cell, x, y in _cells(game):
        glyph = dot if cell in scene.open else " " if look.colour else small
        yield _tile(looks, x, y, glyph, _on(looks, look, sum(cell)))


def _holes(game: Game, scene: Scene, look: Look) -> Iterator[Mark]:
    """Connect Four's upright board with its holes; a frame in place of colours."""
    rows, columns = game.shape
    hole = "●" if look.colour else "·" if look.unicode else "."
    for _, x, y in _cells(game):
        yield Mark(x - 1, y, f" {hole} ", _on(skin(game), look))
    if not look.colour:
        bar, left, rule, right = "│╰─╯" if look.unicode else "|+-+"
        for row in range(rows):
            yield Mark(-2, row, bar, LABEL)
            yield Mark(3 * columns - 1, row, bar, LABEL)
        yield Mark(-2, rows, left + rule * (3 * columns) + right, LABEL)


def _hash(game: Game, scene: Scene, look: Look) -> Iterator[Mark]:
    """Tic-tac-toe's two lines across two lines."""
    on = _on(skin(game), look)
    bar, rule, cross = "│─┼" if look.unicode else "|-+"
    for y in range(5):
        yield Mark(-1, y, bar.join(["   "] * 3) if y % 2 == 0 else cross.join([rule * 3] * 3), on)


def _grid(game: Game, scene: Scene, look: Look) -> Iterator[Mark]:
    """Go's lines and hoshi."""
    looks, size = skin(game), game.shape[0]
    on = _on(looks, look)
    between = "─" if look.unicode else " "
    for row in range(size):
        first, middle, last = "..." if not look.unicode else "┌┬┐" if row == 0 else "└┴┘" if row == size - 1 else "├┼┤"
        yield Mark(-2, row, f"  {between.join([first, *[middle] * (size - 2), last])}  ", on)
    for cell in hoshi(size):
        yield Mark(*_at(game, cell), "╋" if look.unicode else "+", on)
    for cell, x, y in _cells(game):
        if scene.owned is not None and (owner := int(scene.owned[cell])):
            glyph = looks.ascii[owner - 1].lower() if not look.unicode else "▪" if look.colour else "▪▫"[owner - 1]
            yield Mark(x, y, glyph, Style(color=looks.colours[owner - 1]) if look.colour else LABEL)


def _bricks(game: Game, scene: Scene, look: Look) -> Iterator[Mark]:
    """Hex in rows of bricks, each of which touches six; the edges have the colours of those who connect them."""
    looks, size = skin(game), game.shape[0]
    dot = " " if look.colour else "·" if look.unicode else "."
    for (row, column), x, y in _cells(game):
        yield _tile(looks, x, y, dot, _on(looks, look, column - row))
    yield from _edges(looks, size, look)


def _edges(looks: Skin, size: int, look: Look) -> Iterator[Mark]:
    first, second = (Style(color=colour) if look.colour else LABEL for colour in looks.colours)
    top, bottom, side = "▄▀█" if look.colour else "━━╲" if look.unicode else "--\\"
    yield Mark(0, -1, top * (2 * size), first)
    yield Mark(size - 1, size, bottom * (2 * size), first)
    for row in range(size):
        yield Mark(row - (1 if look.colour else 2), row, side, second)
        yield Mark(row + 2 * size, row, side, second)
