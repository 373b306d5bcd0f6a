"""How chess is written: squares, moves (UCI and SAN), positions (FEN), on positions that are known, in NumPy."""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.games.rules import bitboards, boards
from logpi.games.rules.chess import moves, play
from logpi.games.rules.chess.board import BISHOP, KING, KNIGHT, MINE, PAWN, QUIET, ROOK, Board, ChessState, Position
from logpi.games.rules.looks import Touch
from logpi.games.rules.notation import Notation

CHESS = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
GARDNER = "rnbqk/ppppp/5/PPPPP/RNBQK w - - 0 1"
MEN = "pnbrqk"
FIGURES = dict(zip("PNBRQKpnbrqk", "♙♘♗♖♕♔♟♞♝♜♛♚", strict=True))
RIGHTS = "KQkq"
CHOICES = "nbr"  # men that a pawn becomes by an action of its own; the queen has that of the plain move
MOST_MOVES = 10_000  # of a FEN's counters
Men = NDArray[np.str_]  # [rows, columns] White's first row first: "P" is White's, "p" Black's, "" is empty


def written(board: Board) -> Notation:
    """The notation that depends on the position."""
    return Notation(
        write=functools.partial(uci, board),
        read=functools.partial(read, board),
        men=lambda state: men_on(board, state)[::-1],
        position=functools.partial(fen, board),
        start=functools.partial(from_fen, board),
        play=lambda state, action: _stepped(board)(state, jnp.int32(action)),
        human=functools.partial(san, board),
        touch=lambda state, action: touch(board, action),
    )


def square(board: Board, cell: int) -> str:
    """``e4``: letters count columns from the left, numbers rows from White's side."""
    row, column = divmod(cell, board.grid.columns)
    return f"{chr(ord('a') + column)}{row + 1}"


def ends(board: Board, action: int) -> tuple[int, int, str] | None:
    """The cells from and to which an action moves, and what a pawn becomes by it unless a queen: "", n, b or r.

    None where it would leave the board, or promote far from the last row.
    """
    rows, columns = board.grid.rows, board.grid.columns
    plane, start = divmod(action, board.grid.cells)
    (up, right), (row, column) = board.steps[plane], divmod(start, columns)
    under = plane - (board.planes - 3 * len(CHOICES))
    if under >= 0 and row == 1:  # the second player's pawns come down
        up = -up
    if under >= 0 and row not in (1, rows - 2):
        return None
    if not (0 <= row + up < rows and 0 <= column + right < columns):
        return None
    return start, start + up * columns + right, CHOICES[under // 3] if under >= 0 else ""


def name(board: Board, action: int) -> str:
    """``e2e4``, ``e7d8n``; a pawn that is said to become nothing becomes a queen; ``#17``: a move of no position."""
    found = ends(board, action)
    return f"#{action}" if found is None else square(board, found[0]) + square(board, found[1]) + found[2]


def parse(board: Board, text: str, game: str) -> int:
    """The action called ``text``.

    Raises:
        LogpiError: the text names no action.
    """
    wanted, columns = text.strip().lower(), board.grid.columns
    refused = boards.no_action(
        text, game, "the squares from and to, such as e2e4, and what a pawn becomes, such as e7e8n"
    )
    if re.fullmatch(r"#[0-9]{1,5}", wanted, re.ASCII) and int(wanted[1:]) < board.actions:
        return int(wanted[1:])
    found = re.fullmatch(r"([a-h])([1-8])([a-h])([1-8])([nbrq]?)", wanted, re.ASCII)
    if found is None:
        raise refused
    start, end = ((int(found[k + 1]) - 1, ord(found[k]) - ord("a")) for k in (1, 3))
    step, becomes = (end[0] - start[0], end[1] - start[1]), found[5].replace("q", "")
    if max(*start, *end) >= columns:
        raise refused
    cell, plain = start[0] * columns + start[1], board.steps[: board.planes - 3 * len(CHOICES)]
    if not becomes:
        if step not in plain:
            raise refused
        return plain.index(step) * board.grid.cells + cell
    if (start[0], step[0]) not in ((columns - 2, 1), (1, -1)) or abs(step[1]) > 1:
        raise refused
    return (len(plain) + 3 * CHOICES.index(becomes) + step[1] + 1) * board.grid.cells + cell


# -- positions ---------------------------------------------------------------------------------------------------------


def from_fen(board: Board, text: str) -> ChessState:
    """The position of a FEN, or of its first four fields.

    Raises:
        LogpiError: the text is not a position of this board.
    """
    fields = text.split()
    if not 4 <= len(fields) <= 6 or fields[1] not in ("w", "b"):
        raise LogpiError(f"{text!r} is not a FEN: men, w or b, rights to castle, en passant, two numbers")
    men, white = _men_of(board, fields[0], text), fields[1] == "w"
    seen = men if white else np.char.swapcase(men[::-1])  # row 0 is the mover's first
    sets = [np.isin(seen.ravel(), list(kinds)) for kinds in ("pP", "nN", "bBqQ", "rRqQ", "kK", "PNBRQK")]
    rights = _rights(board, fields[2], men, text)
    counters = [_number(field, text) for field in fields[4:]] + [0, 1][len(fields) - 4 :]
    position = Position(
        tuple(board.grid.bits(cells) for cells in sets),
        jnp.int32(rights if white else rights >> 2 | (rights & 3) << 2),
        jnp.int32(_passant(board, fields[3], white, text)),
        jnp.int32(min(counters[0], QUIET)),
        jnp.int32(2 * (max(counters[1], 1) - 1) + (not white)),
    )
    if int(position.passant) >= 0:  # a square where no pawn can capture makes no other position
        possible = bitboards.some(bitboards.union(moves.passing(board, position, board.grid.cell(position.passant))))
        position = position._replace(passant=jnp.where(possible, position.passant, -1))
    return board.state_of(position, jnp.zeros((QUIET, 2), jnp.uint32))


def _men_of(board: Board, text: str, whole: str) -> Men:
    lines, (rows, columns) = text.split("/"), (board.grid.rows, board.grid.columns)
    men = np.full((rows, columns), "", "U1")
    if len(lines) != rows:
        raise LogpiError(f"{whole!r} is not a FEN of {rows} rows")
    for row, line in zip(reversed(range(rows)), lines, strict=True):
        column = 0
        for letter in line:
            if letter in "12345678":
                column += int(letter)
            elif letter.lower() in MEN and column < columns:
                men[row, column] = letter
                column += 1
            else:
                raise LogpiError(f"{whole!r}: {letter!r} in row {row + 1} is not a man, or lies beyond the board")
        if column != columns:
            raise LogpiError(f"{whole!r}: row {row + 1} has {column} squares, not {columns}")
    if np.isin(men[[0, -1]], ["p", "P"]).any():
        raise LogpiError(f"{whole!r}: a pawn stands in the first or the last row")
    for side, king in (("white", "K"), ("black", "k")):
        if (men == king).sum() != 1:
            raise LogpiError(f"{whole!r}: {side} has {(men == king).sum()} kings; each player has one")
    return men


def _rights(board: Board, text: str, men: Men, whole: str) -> int:
    """Rights as bits: K, Q, k, q; those without king and rook in their places are dropped."""
    if text != "-" and not re.fullmatch(f"[{RIGHTS}]{{1,4}}", text):
        raise LogpiError(f"{whole!r}: rights to castle {text!r}; allowed: letters of {RIGHTS}, or -")
    if not board.castling:
        return 0
    places = {"K": (0, 7, "RK"), "Q": (0, 0, "RK"), "k": (-1, 7, "rk"), "q": (-1, 0, "rk")}
    found = 0
    for bit, (letter, (row, column, pair)) in enumerate(places.items()):
        if letter in text and men[row, column] == pair[0] and men[row, 4] == pair[1]:
            found |= 1 << bit
    return found


def _passant(board: Board, text: str, white: bool, whole: str) -> int:
    """The mover's cell where a pawn can be captured en passant, or -1."""
    if text == "-" or not board.double_step:
        return -1
    found = re.fullmatch(r"([a-h])([36])", text, re.ASCII)
    if found is None or (found[2] == "6") != white:
        raise LogpiError(f"{whole!r}: en passant {text!r}; allowed: a square behind a pawn of the other player, or -")
    return 5 * board.grid.columns + ord(found[1]) - ord("a")


def _number(text: str, whole: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or int(text) > MOST_MOVES:
        raise LogpiError(f"{whole!r}: {text!r} is not a number of moves, 0 to {MOST_MOVES:,}")
    return int(text)


def men_on(board: Board, state: ChessState) -> Men:
    """The men of a position."""
    words = np.ascontiguousarray(np.asarray(state.men), "<u4")
    sets = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : board.grid.cells].astype(bool)
    queens = sets[BISHOP] & sets[ROOK]
    kinds = sets[PAWN], sets[KNIGHT], sets[BISHOP] & ~queens, sets[ROOK] & ~queens, queens, sets[KING]
    men = np.full(board.grid.cells, "", "U1")
    for letter, kind in zip(MEN, kinds, strict=True):
        men[kind & sets[MINE]], men[kind & ~sets[MINE]] = letter.upper(), letter
    shown = men.reshape(board.grid.rows, board.grid.columns)
    return shown if _is_white(state) else np.char.swapcase(shown[::-1])


def _is_white(state: ChessState) -> bool:
    return int(state.numbers[3]) % 2 == 0


def fen(board: Board, state: ChessState) -> str:
    """The position as FEN; en passant is named only where a pawn may capture so."""
    rows = [re.sub(" +", lambda gap: str(len(gap[0])), "".join(m or " " for m in row)) for row in men_on(board, state)]
    rights, passant, quiet, ply = (int(x) for x in np.asarray(state.numbers))
    white = ply % 2 == 0
    bits = rights if white else rights >> 2 | (rights & 3) << 2
    castles = "".join(letter for bit, letter in enumerate(RIGHTS) if bits >> bit & 1) or "-"
    behind = square(board, passant if white else board.turned_cell(passant)) if passant >= 0 else "-"
    return f"{'/'.join(rows[::-1])} {'w' if white else 'b'} {castles} {behind} {quiet} {ply // 2 + 1}"


# -- moves -------------------------------------------------------------------------------------------------------------


def uci(board: Board, state: ChessState, action: int) -> str:
    """A legal action as engines write it: a pawn's queen is named too, ``e7e8q``."""
    return _plain(board, men_on(board, state), action)


def _plain(board: Board, men: Men, action: int) -> str:
    start, end, becomes = _ends(board, action)
    return square(board, start) + square(board, end) + (becomes or _queen(board, men, start, end))


def _ends(board: Board, action: int) -> tuple[int, int, str]:
    found = ends(board, action)
    assert found is not None, "a legal move stays on the board"
    return found


def _queen(board: Board, men: Men, start: int, end: int) -> str:
    """``q`` where a pawn reaches the last row."""
    last = end // board.grid.columns in (0, board.grid.rows - 1)
    return "q" if last and men.ravel()[start] in ("p", "P") else ""


def touch(board: Board, action: int) -> Touch:
    """The squares of a legal action, White's first row at the bottom."""
    start, end, _ = _ends(board, action)
    return Touch(_shown(board, end), _shown(board, start))


def _shown(board: Board, cell: int) -> tuple[int, int]:
    """Row and column of a cell where White's first row is drawn at the bottom."""
    row, column = divmod(cell, board.grid.columns)
    return board.grid.rows - 1 - row, column


def san(board: Board, state: ChessState, action: int) -> str:
    """A legal action in standard algebraic notation: ``Nbd7``, ``exd6``, ``O-O``, ``e8=Q#``."""
    after = _stepped(board)(state, jnp.int32(action))
    check, mate = (bool(x) for x in _threat(board)(after))
    return _bare(board, men_on(board, state), action, legal_in(board, state)) + ("#" if mate else "+" if check else "")


def legal_in(board: Board, state: ChessState) -> list[int]:
    """The legal actions."""
    return [int(action) for action in np.flatnonzero(np.asarray(_legal(board)(state)))]


def _bare(board: Board, men: Men, action: int, legal: list[int]) -> str:
    """SAN without what marks a check."""
    (start, end, becomes), columns = _ends(board, action), board.grid.columns
    man, says = men.ravel()[start].upper(), square(board, start)
    takes = "x" if men.ravel()[end] or (man == "P" and start % columns != end % columns) else ""
    if man == "K" and board.castling and abs(end - start) == 2:
        return "O-O" if end > start else "O-O-O"
    if man == "P":
        promotes = (becomes or _queen(board, men, start, end)).upper()
        return (says[0] if takes else "") + takes + square(board, end) + (f"={promotes}" if promotes else "")
    found = [_ends(board, other) for other in legal]
    rivals = [s for s, e, _ in found if e == end and s != start and men.ravel()[s].upper() == man]
    which = ""
    if rivals:
        alone = [
            all(s % columns != start % columns for s in rivals),
            all(s // columns != start // columns for s in rivals),
        ]
        which = says[0] if alone[0] else says[1] if alone[1] else says
    return man + which + takes + square(board, end)


def read(board: Board, state: ChessState, text: str) -> int:
    """The legal action that ``text`` names in UCI's way or in standard algebraic notation, as people write it.

    Raises:
        LogpiError: it names none, or several.
    """
    men, wanted = men_on(board, state), _stripped(text)
    # moves to other squares than the text names need no look: rivals of a move arrive where it does
    legal = [a for a in legal_in(board, state) if wanted[:1] == "O" or square(board, _ends(board, a)[1]) in wanted]
    found = [a for a in legal if wanted in (_plain(board, men, a), _stripped(_bare(board, men, a, legal)))]
    found = found or [action for action in legal if _fits(board, men, action, wanted)]
    if len(found) != 1:
        why = "names several moves" if found else "is not legal"
        raise LogpiError(f"{text!r} {why} in {fen(board, state)}")
    return found[0]


def _stripped(text: str) -> str:
    """Without what marks checks and opinions."""
    bare = re.sub(r"[+#!?=]|e\.p\.", "", text.strip())
    return bare.replace("0-0-0", "O-O-O").replace("0-0", "O-O")


def _fits(board: Board, men: Men, action: int, wanted: str) -> bool:
    """Whether ``wanted`` says less or more than it must of the move: ``Ng1f3``, ``e2-e4`` or ``exd``."""
    found = re.fullmatch(r"([PNBRQK]?)([a-h]?)([1-8]?)[x:-]?([a-h][1-8])([NBRQ]?)", wanted, re.ASCII)
    if found is None:
        return False
    start, end, becomes = _ends(board, action)
    says, promotes = square(board, start), (becomes or _queen(board, men, start, end)).upper()
    return (
        men.ravel()[start].upper() == (found[1] or "P")
        and found[2] in ("", says[0])
        and found[3] in ("", says[1])
        and square(board, end) == found[4]
        and promotes == (found[5] or (promotes and "Q"))
    )


@functools.cache
def _stepped(board: Board) -> jax.stages.Wrapped:
    return jax.jit(functools.partial(play.step, board))


@functools.cache
def _legal(board: Board) -> jax.stages.Wrapped:
    return jax.jit(functools.partial(play.legal, board))


@functools.cache
def _threat(board: Board) -> jax.stages.Wrapped:
    """([] bool: whether the player to move is in check; [] bool: whether mated)."""

    def threat(state: ChessState) -> tuple[jax.Array, jax.Array]:
        sets, view = moves.origins(board, board.unpacked(state))
        return view.check, view.check & ~bitboards.some(bitboards.union(sets))

    return jax.jit(threat)
