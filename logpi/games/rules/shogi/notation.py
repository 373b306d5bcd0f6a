"""How shogi is written: squares, moves (USI), positions (SFEN), on positions that are known, in NumPy."""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.games.rules import boards
from logpi.games.rules.looks import Touch
from logpi.games.rules.notation import Notation
from logpi.games.rules.shogi import moves, play
from logpi.games.rules.shogi.board import Board, Position, ShogiState

SHOGI = "lnsgkgsnl/1r5b1/ppppppppp/9/9/9/PPPPPPPPP/1B5R1/LNSGKGSNL b - 1"
ANIMAL = "gle/1c1/1C1/ELG b - 1"
WAYS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW", "JR", "JL")  # by which a man comes, as the mover sees them
MOST = 18  # men of a kind in hand
Men = NDArray[
    np.str_
]  # [rows, columns] the first player's first row first: "P" is the first player's, "+p" the second's


def written(board: Board) -> Notation:
    """The notation that depends on the position."""
    return Notation(
        write=functools.partial(usi, board),
        read=functools.partial(read, board),
        men=lambda state: men_on(board, state)[::-1],
        position=functools.partial(sfen, board),
        start=functools.partial(from_sfen, board),
        play=lambda state, action: _stepped(board)(state, jnp.int32(action)),
        human=functools.partial(usi, board),
        hands=lambda state: _held(board, state),
        touch=functools.partial(touch, board),
    )


def square(board: Board, cell: int) -> str:
    """``7f``: numbers count columns from the right, letters count rows from the second player's side."""
    row, column = divmod(cell, board.grid.columns)
    return f"{board.grid.columns - column}{chr(ord('a') + board.grid.rows - 1 - row)}"


def cell_of(board: Board, text: str) -> int | None:
    """The cell called ``text``; None where there is none."""
    found = re.fullmatch(r"([1-9])([a-i])", text, re.ASCII)
    if found is None:
        return None
    column, row = board.grid.columns - int(found[1]), board.grid.rows - 1 - (ord(found[2]) - ord("a"))
    return row * board.grid.columns + column if column >= 0 and row >= 0 else None


def name(board: Board, action: int) -> str:
    """``7f:N``: the square where a man arrives and the direction in which it goes, as the mover sees it; ``P*5e``."""
    plane, cell = divmod(action, board.grid.cells)
    if plane >= 2 * board.ways:
        return f"{board.kinds[plane - 2 * board.ways].letter}*{square(board, cell)}"
    return f"{square(board, cell)}:{WAYS[plane % board.ways]}{'+' if plane >= board.ways else ''}"


def parse(board: Board, text: str, game: str) -> int:
    """The action that ``name`` writes so.

    Raises:
        LogpiError: the text names no action.
    """
    wanted = text.strip().upper()
    drop = re.fullmatch(r"([A-Z])\*([1-9][A-I])", wanted, re.ASCII)
    move = re.fullmatch(r"([1-9][A-I]):([NESWJRL]{1,2})(\+?)", wanted, re.ASCII)
    letters = [kind.letter for kind in board.kinds[:-1]]
    cell = cell_of(board, (drop[2] if drop else move[1] if move else "").lower())
    if cell is not None and drop and drop[1] in letters:
        return (2 * board.ways + letters.index(drop[1])) * board.grid.cells + cell
    if cell is not None and move and move[2] in WAYS[: board.ways]:
        return (WAYS.index(move[2]) + (board.ways if move[3] else 0)) * board.grid.cells + cell
    allowed = "the square and the direction of a move, such as 7f:N, + for a promotion, or a drop, such as P*5e"
    raise boards.no_action(text, game, allowed)


# -- positions ---------------------------------------------------------------------------------------------------------


def from_sfen(board: Board, text: str) -> ShogiState:
    """The position of an SFEN, whose last field, the number of the move, may be missing.

    Raises:
        LogpiError: the text is not a position of this board.
    """
    fields = text.split()
    if not 3 <= len(fields) <= 4 or fields[1] not in ("b", "w"):
        raise LogpiError(f"{text!r} is not an SFEN: men, b or w, men in hand, the number of the move")
    shown, first = _men_of(board, fields[0], text), fields[1] == "b"
    seen = shown.ravel() if first else np.char.swapcase(shown.ravel()[::-1])
    bare = np.char.lstrip(seen, "+")
    letters = [kind.letter for kind in board.kinds]
    cells = [np.char.upper(bare) == letter for letter in letters]
    cells += [np.char.startswith(seen, "+"), np.char.isupper(bare)]
    for whose, kings in (("to move", letters[-1]), ("not to move", letters[-1].lower())):
        if (bare == kings).sum() != 1:
            raise LogpiError(f"{text!r}: the player {whose} has {(bare == kings).sum()} kings; each player has one")
    hands = _hands(board, fields[2], text)
    men = jnp.stack([jnp.stack(board.grid.bits(one)) for one in cells])
    held, second = jnp.asarray(hands if first else hands[::-1], jnp.int8), jnp.int32(not first)
    check = moves.sight(board, Position(*board.sets(men), held)).check
    numbers = jnp.stack([jnp.int32(0), second, jnp.int32(0), check.astype(jnp.int32)])
    past = jnp.zeros(board.longest + 1, jnp.uint32).at[0].set(board.hash(men, held, second))
    return ShogiState(men, held, numbers, past)


def _men_of(board: Board, text: str, whole: str) -> Men:
    rows, columns = board.grid.rows, board.grid.columns
    men, lines = np.full((rows, columns), "", "U2"), text.split("/")
    known = {kind.letter for kind in board.kinds}
    better = {kind.letter for kind in board.kinds if kind.promoted}
    if len(lines) != rows:
        raise LogpiError(f"{whole!r} is not an SFEN of {rows} rows")
    for row, line in zip(reversed(range(rows)), lines, strict=True):
        column = 0
        for man in re.findall(r"\+?.", line):
            if man in "123456789":
                column += int(man)
            elif man[-1].upper() in (better if man[0] == "+" else known) and column < columns:
                men[row, column] = man
                column += 1
            else:
                raise LogpiError(f"{whole!r}: {man!r} is not a man, or lies beyond the board")
        if column != columns:
            raise LogpiError(f"{whole!r}: row {line!r} has {column} squares, not {columns}")
    return men


def _hands(board: Board, text: str, whole: str) -> NDArray[np.int8]:
    """[2, held] men in hand of the first and of the second player."""
    hands = np.zeros((2, board.held), np.int64)
    letters = [kind.letter for kind in board.kinds[:-1]]
    if text != "-" and not re.fullmatch(r"(?:[0-9]{0,2}[A-Za-z])+", text, re.ASCII):
        raise LogpiError(f"{whole!r}: men in hand {text!r}; allowed: such as RB2p, or -")
    for number, letter in re.findall(r"([0-9]{0,2})([A-Za-z])", text):
        if letter.upper() not in letters or int(number or 1) < 1:
            raise LogpiError(f"{whole!r}: {number}{letter} cannot be in hand")
        hands[int(letter.islower()), letters.index(letter.upper())] += int(number or 1)
    if hands.max(initial=0) > MOST:
        raise LogpiError(f"{whole!r}: more than {MOST} men of a kind in hand")
    return hands.astype(np.int8)


def men_on(board: Board, state: ShogiState) -> Men:
    """The men of a position."""
    words = np.ascontiguousarray(np.asarray(state.men), "<u4")
    sets = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : board.grid.cells].astype(bool)
    *kinds, promoted, mine = sets
    men = np.full(board.grid.cells, "", "U2")
    for kind, there in zip(board.kinds, kinds, strict=True):
        for cell in np.flatnonzero(there):
            man = ("+" if promoted[cell] else "") + kind.letter
            men[cell] = man if mine[cell] else man.lower()
    men = men if _is_first(state) else np.char.swapcase(men[::-1])
    return men.reshape(board.grid.rows, board.grid.columns)


def _is_first(state: ShogiState) -> bool:
    return int(state.numbers[1]) == 0


def _held(board: Board, state: ShogiState) -> tuple[str, str]:
    """Men in hand of the first and of the second player: ``R2P``, ``b``; "" for none."""
    texts = []
    hands = np.asarray(state.hands)
    for side in hands if _is_first(state) else hands[::-1]:
        pairs = reversed(list(zip(board.kinds[:-1], side, strict=True)))
        texts.append("".join((str(count) if count > 1 else "") + kind.letter for kind, count in pairs if count))
    return texts[0], texts[1].lower()


def sfen(board: Board, state: ShogiState) -> str:
    """The position as SFEN; the number of the move counts from the position that the game began with."""
    rows = [re.sub(" +", lambda gap: str(len(gap[0])), "".join(m or " " for m in row)) for row in men_on(board, state)]
    side, held = "b" if _is_first(state) else "w", "".join(_held(board, state))
    return f"{'/'.join(rows[::-1])} {side} {held or '-'} {int(state.numbers[0]) + 1}"


# -- moves -------------------------------------------------------------------------------------------------------------


def usi(board: Board, state: ShogiState, action: int) -> str:
    """A legal action as engines write it: ``7g7f``, ``8h2b+``, ``P*5e``."""
    plane, cell = divmod(action, board.grid.cells)
    if plane >= 2 * board.ways:
        return name(board, action)
    return square(board, _start(board, state, action)) + square(board, cell) + ("+" if plane >= board.ways else "")


def _start(board: Board, state: ShogiState, action: int) -> int:
    """The cell that a legal move of a man on the board leaves."""
    left = int(np.flatnonzero(np.asarray(_left(board)(state, jnp.int32(action))))[0])
    return left if _is_first(state) else board.grid.cells - 1 - left


def touch(board: Board, state: ShogiState, action: int) -> Touch:
    """Where a legal action is played, the first player's first row at the bottom."""
    plane, cell = divmod(action, board.grid.cells)
    if plane >= 2 * board.ways:
        return Touch(_shown(board, cell), drop=board.kinds[plane - 2 * board.ways].letter)
    return Touch(_shown(board, cell), _shown(board, _start(board, state, action)))


def _shown(board: Board, cell: int) -> tuple[int, int]:
    """Row and column of a cell where the first player's first row is drawn at the bottom."""
    row, column = divmod(cell, board.grid.columns)
    return board.grid.rows - 1 - row, column


def read(board: Board, state: ShogiState, text: str) -> int:
    """The legal action that ``text`` names in USI's way.

    Raises:
        LogpiError: it names none.
    """
    wanted = text.strip()
    legal = [int(action) for action in np.flatnonzero(np.asarray(_legal(board)(state)))]
    legal = [action for action in legal if square(board, action % board.grid.cells) in wanted.lower()]
    found = [action for action in legal if wanted in (usi(board, state, action), name(board, action))]
    if not found:
        raise LogpiError(f"{text!r} is not legal in {sfen(board, state)}")
    return found[0]


@functools.cache
def _legal(board: Board) -> jax.stages.Wrapped:
    return jax.jit(functools.partial(play.legal, board))


@functools.cache
def _stepped(board: Board) -> jax.stages.Wrapped:
    return jax.jit(functools.partial(play.step, board))


@functools.cache
def _left(board: Board) -> jax.stages.Wrapped:
    """[cells] bool: the cell that a move leaves, in the mover's view."""

    def left(state: ShogiState, action: jax.Array) -> jax.Array:
        plane, shown = action // board.grid.cells, action % board.grid.cells
        end = jnp.where(board.first(state), shown, board.grid.cells - 1 - shown)
        return board.grid.cells_of(play.origin(board, board.unpacked(state), board.grid.cell(end), plane % board.ways))

    return jax.jit(left)
