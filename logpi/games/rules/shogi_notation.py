"""How shogi is written: squares, moves (USI), positions (SFEN)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.games.rules import boards

if TYPE_CHECKING:
    from logpi.games.rules.shogi import Rules, ShogiState

SHOGI = "lnsgkgsnl/1r5b1/ppppppppp/9/9/9/PPPPPPPPP/1B5R1/LNSGKGSNL b - 1"
MINISHOGI = "rbsgk/4p/5/P4/KGSBR b - 1"
ANIMAL = "gle/1c1/1C1/ELG b - 1"
WAYS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW", "JR", "JL")  # by which a man comes, as the mover sees them
MOST = 18  # men of a kind in hand


def square(rules: Rules, cell: int) -> str:
    """``7f``: numbers count columns from the right, letters count rows from the second player's side."""
    row, column = divmod(cell, rules.grid.columns)
    return f"{rules.grid.columns - column}{chr(ord('a') + rules.grid.rows - 1 - row)}"


def cell_of(rules: Rules, text: str) -> int | None:
    """The cell called ``text``; None where there is none."""
    found = re.fullmatch(r"([1-9])([a-i])", text, re.ASCII)
    if found is None:
        return None
    column, row = rules.grid.columns - int(found[1]), rules.grid.rows - 1 - (ord(found[2]) - ord("a"))
    return row * rules.grid.columns + column if column >= 0 and row >= 0 else None


def name(rules: Rules, action: int) -> str:
    """``7f:N``: the square where a man arrives and the direction in which it goes, as the mover sees it; ``P*5e``."""
    plane, cell = divmod(action, rules.grid.cells)
    if plane >= 2 * rules.ways:
        return f"{rules.kinds[plane - 2 * rules.ways].letter}*{square(rules, cell)}"
    return f"{square(rules, cell)}:{WAYS[plane % rules.ways]}{'+' if plane >= rules.ways else ''}"


def parse(rules: Rules, text: str, game: str) -> int:
    """The action that ``name`` writes so.

    Raises:
        LogpiError: it is none.
    """
    allowed = "the square and the direction of a move, such as 7f:N, + for a promotion, or a drop, such as P*5e"
    wanted = text.strip()
    drop = re.fullmatch(r"([A-Za-z])\*([1-9][a-i])", wanted, re.ASCII)
    move = re.fullmatch(r"([1-9][a-i]):([NESWJRL]{1,2})(\+?)", wanted, re.ASCII)
    letters = [kind.letter for kind in rules.kinds[:-1]]
    cell = cell_of(rules, (drop[2] if drop else move[1] if move else ""))
    if cell is not None and drop and drop[1].upper() in letters:
        return (2 * rules.ways + letters.index(drop[1].upper())) * rules.grid.cells + cell
    if cell is not None and move and move[2] in WAYS[: rules.ways]:
        return (WAYS.index(move[2]) + (rules.ways if move[3] else 0)) * rules.grid.cells + cell
    raise boards.no_action(text, game, allowed)


def from_sfen(rules: Rules, text: str) -> ShogiState:
    """The position of an SFEN, whose last field, the number of the move, may be missing.

    Raises:
        LogpiError: it is none of this board.
    """
    from logpi.games.rules.shogi import Position, ShogiState

    fields = text.split()
    if not 3 <= len(fields) <= 4 or fields[1] not in ("b", "w"):
        raise LogpiError(f"{text!r} is not an SFEN: men, b or w, men in hand, the number of the move")
    board = _board(rules, fields[0], text)
    first = fields[1] == "b"
    if not first:
        board = np.array([_swapped(man) for man in board.ravel()[::-1]], board.dtype).reshape(board.shape)
    flat = board.ravel()
    bare = np.char.lstrip(flat, "+")
    letters = [kind.letter for kind in rules.kinds]
    sets = [np.char.upper(bare) == letter for letter in letters]
    sets += [np.char.startswith(flat, "+"), np.char.isupper(bare)]
    for whose, kings in (("to move", letters[-1]), ("not to move", letters[-1].lower())):
        if (bare == kings).sum() != 1:
            raise LogpiError(f"{text!r}: the player {whose} has {(bare == kings).sum()} kings; each player has one")
    hands = _hands(rules, fields[2], text)
    men = jnp.stack([jnp.stack(rules.grid.bits(cells)) for cells in sets])
    held = jnp.asarray(hands if first else hands[::-1], jnp.int8)
    second = jnp.int32(not first)
    position = Position(*rules._sets(men), held)
    check = rules.sight(position).check.astype(jnp.int32)
    numbers = jnp.stack([jnp.int32(0), second, jnp.int32(0), check])
    past = jnp.zeros(rules.longest + 1, jnp.uint32).at[0].set(rules.hash(men, held, second))
    return ShogiState(men, held, numbers, past)


def _swapped(man: str) -> str:
    return man.swapcase()


def _board(rules: Rules, text: str, whole: str) -> NDArray[np.str_]:
    """[rows, columns] of men, the first player's first row first: ``P``, ``+p``; "" is empty."""
    rows, columns = rules.grid.rows, rules.grid.columns
    board = np.full((rows, columns), "", "U2")
    lines = text.split("/")
    known = {kind.letter for kind in rules.kinds}
    better = {kind.letter for kind in rules.kinds if kind.promoted}
    if len(lines) != rows:
        raise LogpiError(f"{whole!r} is not an SFEN of {rows} rows")
    for row, line in zip(reversed(range(rows)), lines, strict=True):
        column = 0
        for man in re.findall(r"\+?.", line):
            letter = man[-1].upper()
            if man.isascii() and man.isdigit():
                column += int(man)
            elif letter in (better if man[0] == "+" else known) and column < columns:
                board[row, column] = man
                column += 1
            else:
                raise LogpiError(f"{whole!r}: {man!r} is no man, or beyond the board")
        if column != columns:
            raise LogpiError(f"{whole!r}: row {line!r} has {column} squares, not {columns}")
    return board


def _hands(rules: Rules, text: str, whole: str) -> NDArray[np.int8]:
    """[2, held] men in hand of the first and of the second player."""
    hands = np.zeros((2, rules.held), np.int8)
    letters = [kind.letter for kind in rules.kinds[:-1]]
    if text == "-":
        return hands
    if not re.fullmatch(r"(?:[0-9]{0,2}[A-Za-z])+", text, re.ASCII):
        raise LogpiError(f"{whole!r}: men in hand {text!r}; allowed: such as RB2p, or -")
    for number, letter in re.findall(r"([0-9]{0,2})([A-Za-z])", text):
        if letter.upper() not in letters or not 1 <= int(number or 1) <= MOST:
            raise LogpiError(f"{whole!r}: {number}{letter} cannot be in hand")
        hands[int(letter.islower()), letters.index(letter.upper())] += int(number or 1)
    return hands


def men_on(rules: Rules, state: ShogiState) -> NDArray[np.str_]:
    """[rows, columns] of men, the first player's first row first: ``P`` is the first player's, ``+p`` the second's."""
    position, first = rules.unpacked(state), bool(rules.first(state))
    board = np.full(rules.grid.cells, "", "U2")
    mine, better = (np.asarray(rules.grid.cells_of(cells)) for cells in (position.mine, position.promoted))
    for kind, cells in zip(rules.kinds, position.kinds, strict=True):
        for cell in np.flatnonzero(np.asarray(rules.grid.cells_of(cells))):
            letter = kind.letter if mine[cell] == first else kind.letter.lower()
            board[cell] = ("+" if better[cell] else "") + letter
    board = board if first else board[::-1]
    return board.reshape(rules.grid.rows, rules.grid.columns)


def sfen(rules: Rules, state: ShogiState) -> str:
    """The position as SFEN; the number of the move counts from the position that the game began with."""
    rows = []
    for row in men_on(rules, state)[::-1]:
        text = "".join(man or " " for man in row)
        rows.append(re.sub(" +", lambda gap: str(len(gap[0])), text))
    first = bool(rules.first(state))
    hands = np.asarray(state.hands)[:: 1 if first else -1]
    held = ""
    for side, shown in zip(hands, (str.upper, str.lower), strict=True):
        for kind, count in reversed(list(zip(rules.kinds[:-1], side, strict=True))):
            held += (str(count) if count > 1 else "") + shown(kind.letter) if count else ""
    return f"{'/'.join(rows)} {'b' if first else 'w'} {held or '-'} {int(state.numbers[0]) + 1}"


def origin(rules: Rules, state: ShogiState, action: int) -> int | None:
    """The cell that a legal action leaves, as the first player sees it; None for a drop."""
    plane, cell = divmod(action, rules.grid.cells)
    if plane >= 2 * rules.ways:
        return None
    first = bool(rules.first(state))
    there = rules.grid.cell(jnp.int32(cell if first else rules.grid.cells - 1 - cell))
    left = rules._origin(rules.unpacked(state), there, jnp.int32(plane % rules.ways))
    found = int(np.flatnonzero(np.asarray(rules.grid.cells_of(left)))[0])
    return found if first else rules.grid.cells - 1 - found


def usi(rules: Rules, state: ShogiState, action: int) -> str:
    """A legal action as engines write it: ``7g7f``, ``8h2b+``, ``P*5e``."""
    plane, cell = divmod(action, rules.grid.cells)
    left = origin(rules, state, action)
    if left is None:
        return name(rules, action)
    return square(rules, left) + square(rules, cell) + ("+" if plane >= rules.ways else "")


def parse_usi(rules: Rules, state: ShogiState, text: str) -> int:
    """The legal action that ``text`` names in USI's way.

    Raises:
        LogpiError: it names none.
    """
    legal = np.flatnonzero(np.asarray(rules.legal(state)))
    found = [int(action) for action in legal if usi(rules, state, int(action)) == text.strip()]
    if not found:
        raise LogpiError(f"{text!r} is not legal in {sfen(rules, state)}")
    return found[0]
