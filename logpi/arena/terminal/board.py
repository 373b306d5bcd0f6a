"""Boards drawn in text as the game's ``Looks`` say.

A board is marks on a grid of characters, later ones over earlier ones. With colours it looks like wood or cloth;
without, glyphs alone tell everything: the last move stands in brackets and winning stones are stars in either case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

from rich.style import Style
from rich.text import Text

from logpi.arena.scenes import Scene, coordinates, hoshi
from logpi.games.rules.game import Game
from logpi.games.rules.looks import DARK, Cell, Cells, Ground, Looks

LABEL, PEN = Style(dim=True), Style(dim=False, bold=True)


class Display(NamedTuple):
    """What the terminal can show."""

    colour: bool  # at least 256 colours
    unicode: bool


class Mark(NamedTuple):
    """Characters from (x, y) to the right."""

    x: int
    y: int
    glyphs: str
    style: Style


def draw(game: Game, scene: Scene, display: Display) -> list[Text]:
    """The board with its coordinates, line by line."""
    ground = _GROUNDS[game.looks.ground]
    owned = () if scene.owned is None else _owned(game, scene.owned, display)
    return lines_of([*_labels(game), *ground(game, scene, display), *owned, *_stones(game, scene, display)])


def stone(game: Game, player: int, display: Display) -> Text:
    """The stone of player 1 or 2, on a piece of board where there are colours."""
    looks = game.looks
    if not display.colour:
        return Text(_glyph(game, player, display))
    return Text(f" {_glyph(game, player, display)} ", _inked(looks.colours[player - 1], looks.board[0]))


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


def _at(game: Game, cell: Cell) -> tuple[int, int]:
    """(x, y) of a cell's middle; bricks move each row by half a cell."""
    (across, down), (row, column) = game.looks.pitch, cell
    return across * column + (row if game.looks.ground == "bricks" else 0), down * row


def _cells(game: Game) -> Iterator[tuple[Cell, int, int]]:
    for cell in product(range(game.shape[0]), range(game.shape[1])):
        yield cell, *_at(game, cell)


def _glyph(game: Game, player: int, display: Display) -> str:
    looks = game.looks
    if not display.unicode:
        return looks.ascii[player - 1]
    return looks.stones[0] if display.colour and looks.stones[0] == "●" else looks.stones[player - 1]


def _stones(game: Game, scene: Scene, display: Display) -> Iterator[Mark]:
    """The stones, those that win, and the brackets around the last one."""
    looks = game.looks
    for cell, x, y in _cells(game):
        owner = int(scene.cells[cell])
        if owner and cell in scene.winning:
            star = "★" if display.unicode else "*"
            yield _tile(looks, x, y, star, _inked(DARK, looks.colours[owner - 1]) if display.colour else PEN)
        elif owner and scene.men is not None:
            yield _man(game, str(scene.men[cell]), owner, x, y, display)
        elif owner:
            yield Mark(x, y, _glyph(game, owner, display), _inked(looks.colours[owner - 1]) if display.colour else PEN)
    if scene.last is not None:
        x, y = _at(game, scene.last)
        style = _inked(DARK if scene.last in scene.winning else looks.last) if display.colour else PEN
        yield Mark(x - 1, y, "(", style)
        yield Mark(x + 1, y, ")", style)


def _man(game: Game, man: str, owner: int, x: int, y: int, display: Display) -> Mark:
    """A man by its sign, or by its letters: capitals are the first player's."""
    looks = game.looks
    if display.unicode and looks.figures:
        man = looks.figures[man.lower() if display.colour else man]  # filled signs, whose colour says whose they are
    style = _inked(looks.colours[owner - 1]) if display.colour else PEN
    return Mark(x + 1 - len(man), y, man, style)


def _labels(game: Game) -> Iterator[Mark]:
    rows, columns = game.shape
    above, beside = coordinates(game)
    wide, away = max(map(len, beside)), 3 if game.looks.pitch[0] == 2 else 2
    edge = 2 if game.looks.ground == "bricks" else 1  # beyond the coloured edges
    for column, label in enumerate(above):
        x, _ = _at(game, (0, column))
        yield Mark(x, -edge, label, LABEL)
        if not game.looks.falls:  # else stones fall in from above
            x, y = _at(game, (rows - 1, column))
            yield Mark(x, y + edge, label, LABEL)
    for row, label in enumerate(beside):
        left, y = _at(game, (row, 0))
        right, _ = _at(game, (row, columns - 1))
        yield Mark(left - away - wide, y, f"{label:>{wide}}", LABEL)
        yield Mark(right + away + 1, y, label, LABEL)


def _inked(colour: str, board: str | None = None) -> Style:
    return Style(color=colour, bgcolor=board, bold=True)


def _tile(looks: Looks, x: int, y: int, glyph: str, style: Style) -> Mark:
    """A glyph with the cell around it, which has no left half where cells are two characters wide."""
    return Mark(x, y, f"{glyph} ", style) if looks.pitch[0] == 2 else Mark(x - 1, y, f" {glyph} ", style)


def _on(looks: Looks, display: Display, shade: int = 0) -> Style:
    return Style(color=looks.lines, bgcolor=looks.board[shade % len(looks.board)]) if display.colour else LABEL


def _tiles(game: Game, scene: Scene, display: Display) -> Iterator[Mark]:
    """A chequered board; larger dots where a stone may be placed, small ones elsewhere if there are no colours."""
    looks = game.looks
    dot, small = "•·" if display.unicode else "*."
    for cell, x, y in _cells(game):
        glyph = dot if cell in scene.open else " " if display.colour else small
        yield _tile(looks, x, y, glyph, _on(looks, display, sum(cell)))


def _holes(game: Game, scene: Scene, display: Display) -> Iterator[Mark]:
    """An upright board with its holes; a frame in place of colours."""
    rows, columns = game.shape
    hole = "●" if display.colour else "·" if display.unicode else "."
    for _, x, y in _cells(game):
        yield Mark(x - 1, y, f" {hole} ", _on(game.looks, display))
    if not display.colour:
        bar, left, rule, right = "│╰─╯" if display.unicode else "|+-+"
        for row in range(rows):
            yield Mark(-2, row, bar, LABEL)
            yield Mark(3 * columns - 1, row, bar, LABEL)
        yield Mark(-2, rows, left + rule * (3 * columns) + right, LABEL)


def _hash(game: Game, scene: Scene, display: Display) -> Iterator[Mark]:
    """Lines between the cells."""
    rows, columns = game.shape
    on = _on(game.looks, display)
    bar, rule, cross = "│─┼" if display.unicode else "|-+"
    for y in range(2 * rows - 1):
        yield Mark(-1, y, bar.join(["   "] * columns) if y % 2 == 0 else cross.join([rule * 3] * columns), on)


def _grid(game: Game, scene: Scene, display: Display) -> Iterator[Mark]:
    """Go's lines and hoshi."""
    looks, (rows, columns) = game.looks, game.shape
    on = _on(looks, display)
    between = "─" if display.unicode else " "
    for row in range(rows):
        ends = "┌┬┐" if row == 0 else "└┴┘" if row == rows - 1 else "├┼┤"
        first, middle, last = list(ends if display.unicode else "...")
        yield Mark(-2, row, f"  {between.join([first, *[middle] * (columns - 2), last])}  ", on)
    for cell in hoshi(game):
        yield Mark(*_at(game, cell), "╋" if display.unicode else "+", on)


def _owned(game: Game, owned: Cells, display: Display) -> Iterator[Mark]:
    """Whose each cell is, at the end of a game that counts it."""
    looks = game.looks
    for cell, x, y in _cells(game):
        if owner := int(owned[cell]):
            small = looks.ascii[owner - 1].lower()
            glyph = small if not display.unicode else "▪" if display.colour else "▪▫"[owner - 1]
            yield Mark(x, y, glyph, Style(color=looks.colours[owner - 1]) if display.colour else LABEL)


def _bricks(game: Game, scene: Scene, display: Display) -> Iterator[Mark]:
    """Rows of bricks, each of which touches six; the edges have the colours of those who connect them."""
    dot = " " if display.colour else "·" if display.unicode else "."
    for (row, column), x, y in _cells(game):
        yield _tile(game.looks, x, y, dot, _on(game.looks, display, column - row))
    yield from _edges(game, display)


def _edges(game: Game, display: Display) -> Iterator[Mark]:
    rows, columns = game.shape
    first, second = (Style(color=colour) if display.colour else LABEL for colour in game.looks.colours)
    top, bottom, side = "▄▀█" if display.colour else "━━╲" if display.unicode else "--\\"
    yield Mark(0, -1, top * (2 * columns), first)
    yield Mark(rows - 1, rows, bottom * (2 * columns), first)
    for row in range(rows):
        yield Mark(row - (1 if display.colour else 2), row, side, second)
        yield Mark(row + 2 * columns, row, side, second)


_GROUNDS: dict[Ground, Callable[[Game, Scene, Display], Iterator[Mark]]] = {
    "tiles": _tiles,
    "holes": _holes,
    "hash": _hash,
    "grid": _grid,
    "bricks": _bricks,
}
