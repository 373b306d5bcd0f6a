"""How chess is written: squares, moves (UCI and SAN), positions (FEN)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from logpi.errors import LogpiError
from logpi.games.rules import boards

if TYPE_CHECKING:
    from logpi.games.rules.chess import ChessState, Rules

CHESS = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
GARDNER = "rnbqk/ppppp/5/PPPPP/RNBQK w - - 0 1"
MEN = "pnbrqk"
RIGHTS = "KQkq"
CHOICES = "nbr"  # men that a pawn becomes by an action of its own; the queen has that of the plain move
MOST_MOVES = 10_000  # of a FEN's counters


def square(rules: Rules, cell: int) -> str:
    """``e4``: letters count columns from the left, numbers rows from White's side."""
    row, column = divmod(cell, rules.grid.columns)
    return f"{chr(ord('a') + column)}{row + 1}"


def ends(rules: Rules, action: int) -> tuple[int, int, str]:
    """The cells from and to which an action moves, and what a pawn becomes by it unless a queen: "", n, b or r."""
    plane, start = divmod(action, rules.grid.cells)
    up, right = rules.steps[plane]
    under = plane - (rules.planes - 3 * len(CHOICES))
    if under >= 0 and start // rules.grid.columns == 1:  # the second player's pawns come down
        up = -up
    return start, start + up * rules.grid.columns + right, CHOICES[under // 3] if under >= 0 else ""


def name(rules: Rules, action: int) -> str:
    """``e2e4``, ``e7d8n``; a pawn that is said to become nothing becomes a queen."""
    start, end, becomes = ends(rules, action)
    if not (0 <= end < rules.grid.cells):  # a move over a side, which no position has
        return f"{square(rules, start)}-{action // rules.grid.cells}"
    return square(rules, start) + square(rules, end) + becomes


def parse(rules: Rules, text: str, game: str) -> int:
    """The action called ``text``.

    Raises:
        LogpiError: it is none.
    """
    found = re.fullmatch(r"([a-h])([1-8])([a-h])([1-8])([nbrq]?)", text.strip().lower(), re.ASCII)
    allowed = "the squares from and to, such as e2e4, and what a pawn becomes, such as e7e8n"
    if found is None:
        raise boards.no_action(text, game, allowed)
    columns = rules.grid.columns
    start, end = ((ord(found[k]) - ord("a"), int(found[k + 1]) - 1) for k in (1, 3))
    if max(*start, *end) >= columns:
        raise boards.no_action(text, game, allowed)
    step = end[1] - start[1], end[0] - start[0]
    becomes = found[5].replace("q", "")
    cell = start[1] * columns + start[0]
    if becomes:
        up, right = abs(step[0]), step[1]
        if up != 1 or abs(right) > 1 or start[1] != (columns - 2 if step[0] > 0 else 1):
            raise boards.no_action(text, game, allowed)
        plane = rules.planes - 3 * len(CHOICES) + 3 * CHOICES.index(becomes) + right + 1
        return plane * rules.grid.cells + cell
    plain = rules.steps[: rules.planes - 3 * len(CHOICES)]
    if step not in plain:
        raise boards.no_action(text, game, allowed)
    return plain.index(step) * rules.grid.cells + cell


def from_fen(rules: Rules, text: str) -> ChessState:
    """The position of a FEN, or of its first four fields.

    Raises:
        LogpiError: it is none of this board, or one in which the player who is not to move is in check.
    """
    from logpi.games.rules.chess import QUIET, Position

    fields = text.split()
    board = _board(rules, fields[0] if fields else "", text)
    if not 4 <= len(fields) <= 6 or fields[1] not in ("w", "b"):
        raise LogpiError(f"{text!r} is not a FEN: men, w or b, rights to castle, en passant, two numbers")
    first = fields[1] == "w"
    seen = board if first else np.char.swapcase(board[::-1])  # row 0 is the mover's first
    flat = seen.ravel()
    sets = [flat_in(flat, kinds) for kinds in ("pP", "nN", "bBqQ", "rRqQ", "kK", "PNBRQK")]
    men = tuple(rules.grid.bits(cells) for cells in sets)
    rights = _rights(rules, fields[2], board, text)
    numbers = [_number(field, text) for field in fields[4:]] + [0, 1][len(fields) - 4 :]
    own = rights if first else rights >> 2 | (rights & 3) << 2
    position = Position(
        men,
        jnp.int32(own),
        jnp.int32(_passant(rules, fields[3], first, text)),
        jnp.int32(min(numbers[0], QUIET)),
        jnp.int32(2 * (max(numbers[1], 1) - 1) + (not first)),
    )
    if position.passant >= 0:
        from logpi.games.rules import bitboards

        possible = bitboards.some(bitboards.union(rules._passing(position, rules.grid.cell(position.passant))))
        position = position._replace(passant=jnp.where(possible, position.passant, -1))
    for side, kings in zip(("white", "black"), ("K", "k"), strict=True):
        if (board == kings).sum() != 1:
            raise LogpiError(f"{text!r}: {side} has {(board == kings).sum()} kings; each player has one")
    return rules.state_of(position, jnp.zeros((QUIET, 2), jnp.uint32))


def flat_in(flat: np.ndarray, kinds: str) -> np.ndarray:
    """[cells] bool: where one of ``kinds`` stands."""
    return np.isin(flat, list(kinds))


def _board(rules: Rules, text: str, whole: str) -> np.ndarray:
    """[rows, columns] of letters, White's first row first; "" is empty."""
    rows = text.split("/")
    board = np.full((rules.grid.rows, rules.grid.columns), "", "U1")
    if len(rows) != rules.grid.rows:
        raise LogpiError(f"{whole!r} is not a FEN of {rules.grid.rows} rows")
    for row, line in zip(reversed(range(rules.grid.rows)), rows, strict=True):
        column = 0
        for letter in line:
            if letter.isascii() and letter.isdigit():
                column += int(letter)
            elif letter.lower() in MEN and column < rules.grid.columns:
                board[row, column] = letter
                column += 1
            else:
                raise LogpiError(f"{whole!r}: {letter!r} in row {row + 1} is no man, or beyond the board")
        if column != rules.grid.columns:
            raise LogpiError(f"{whole!r}: row {row + 1} has {column} squares, not {rules.grid.columns}")
    if (np.isin(board[[0, -1]], ["p", "P"])).any():
        raise LogpiError(f"{whole!r}: a pawn stands in the first or the last row")
    return board


def _rights(rules: Rules, text: str, board: np.ndarray, whole: str) -> int:
    """Rights as bits: K, Q, k, q; those without king and rook in their places are dropped."""
    if text != "-" and (not text or any(letter not in RIGHTS for letter in text)):
        raise LogpiError(f"{whole!r}: rights to castle {text!r}; allowed: letters of {RIGHTS}, or -")
    if not rules.castling:
        return 0
    at = {"K": (0, 7, "R"), "Q": (0, 0, "R"), "k": (-1, 7, "r"), "q": (-1, 0, "r")}
    found = 0
    for bit, letter in enumerate(RIGHTS):
        row, column, rook = at[letter]
        king = "K" if rook == "R" else "k"
        if letter in text and board[row, column] == rook and board[row, 4] == king:
            found |= 1 << bit
    return found


def _passant(rules: Rules, text: str, first: bool, whole: str) -> int:
    """The mover's cell where a pawn can be captured en passant, or -1."""
    if text == "-" or not rules.double_step:
        return -1
    found = re.fullmatch(r"([a-h])([36])", text, re.ASCII)
    if found is None or (found[2] == "6") != first:
        raise LogpiError(f"{whole!r}: en passant {text!r}; allowed: a square behind a pawn of the other player, or -")
    return 5 * rules.grid.columns + ord(found[1]) - ord("a")


def _number(text: str, whole: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or int(text) > MOST_MOVES:
        raise LogpiError(f"{whole!r}: {text!r} is no number of moves, 0 to {MOST_MOVES:,}")
    return int(text)


def letters(rules: Rules, state: ChessState) -> np.ndarray:
    """[rows, columns] of letters, White's first row first: capitals are White's, "" is empty."""
    position = rules.unpacked(state)
    board = np.full(rules.grid.cells, "", "U1")
    mine, theirs = (np.asarray(rules.grid.cells_of(side)) for side in rules.sides(position))
    for letter, kind in zip(MEN, rules.kinds(position), strict=True):
        there = np.asarray(rules.grid.cells_of(kind))
        board[there & mine], board[there & theirs] = letter.upper(), letter
    board = board.reshape(rules.grid.rows, rules.grid.columns)
    return board if bool(rules.first(state)) else np.char.swapcase(board[::-1])


def fen(rules: Rules, state: ChessState) -> str:
    """The position as FEN; en passant is named only where a pawn may capture so."""
    rows = []
    for row in letters(rules, state)[::-1]:
        text = "".join(letter or " " for letter in row)
        rows.append(re.sub(" +", lambda gap: str(len(gap[0])), text))
    rights, passant, quiet, ply = (int(x) for x in np.asarray(state.numbers))
    first = ply % 2 == 0
    bits = rights if first else rights >> 2 | (rights & 3) << 2
    castles = "".join(letter for bit, letter in enumerate(RIGHTS) if bits >> bit & 1) or "-"
    behind = square(rules, passant if first else rules.turned_cell(passant)) if passant >= 0 else "-"
    return f"{'/'.join(rows)} {'w' if first else 'b'} {castles} {behind} {quiet} {ply // 2 + 1}"


def uci(rules: Rules, state: ChessState, action: int) -> str:
    """A legal action as engines write it: a pawn's queen is named too, ``e7e8q``."""
    start, end, becomes = ends(rules, action)
    man = letters(rules, state).ravel()[start].lower()
    if man == "p" and end // rules.grid.columns in (0, rules.grid.rows - 1):
        becomes = becomes or "q"
    return square(rules, start) + square(rules, end) + becomes


def san(rules: Rules, state: ChessState, action: int) -> str:
    """A legal action in standard algebraic notation: ``Nbd7``, ``exd6``, ``O-O``, ``e8=Q#``."""
    start, end, becomes = ends(rules, action)
    board = letters(rules, state).ravel()
    man, columns = board[start].upper(), rules.grid.columns
    takes = "x" if board[end] or (man == "P" and start % columns != end % columns) else ""
    after = rules.step(state, jnp.int32(action))
    mark = ("#" if bool(rules.ended(after)) and float(rules.outcome(after)) else "+") if _checks(rules, after) else ""
    if man == "K" and abs(end - start) == 2 and rules.castling and start // columns == end // columns:
        return ("O-O" if end > start else "O-O-O") + mark
    if man == "P":
        last = end // columns in (0, rules.grid.rows - 1)
        file = square(rules, start)[0] if takes else ""
        return file + takes + square(rules, end) + (f"={(becomes or 'q').upper()}" if last else "") + mark
    return man + _which(rules, state, action, man) + takes + square(rules, end) + mark


def _checks(rules: Rules, state: ChessState) -> bool:
    return bool(rules.sight(rules.unpacked(state)).check)


def _which(rules: Rules, state: ChessState, action: int, man: str) -> str:
    """What tells the man from others of its kind that may move to the same square: its column, its row, or both."""
    start, end, _ = ends(rules, action)
    board, columns = letters(rules, state).ravel(), rules.grid.columns
    others = [ends(rules, int(other)) for other in np.flatnonzero(np.asarray(rules.legal(state))) if other != action]
    rivals = [begin for begin, to, _ in others if to == end and board[begin].upper() == man]
    if not rivals:
        return ""
    text = square(rules, start)
    if all(begin % columns != start % columns for begin in rivals):
        return text[0]
    return text[1] if all(begin // columns != start // columns for begin in rivals) else text


def parse_san(rules: Rules, state: ChessState, text: str) -> int:
    """The legal action that ``text`` names in standard algebraic notation, as PGN files write it, or in UCI's.

    Raises:
        LogpiError: it names none, or several.
    """
    wanted = _stripped(text)
    legal = [int(action) for action in np.flatnonzero(np.asarray(rules.legal(state)))]
    found = [action for action in legal if wanted in (_stripped(san(rules, state, action)), uci(rules, state, action))]
    found = found or [action for action in legal if _fits(rules, state, action, wanted)]
    if len(found) != 1:
        why = "is ambiguous" if found else "is not legal"
        raise LogpiError(f"{text!r} {why} in {fen(rules, state)}")
    return found[0]


def _stripped(text: str) -> str:
    """Without what marks checks and opinions."""
    return re.sub(r"[+#!?=]|e\.p\.", "", text.strip()).replace("0-0-0", "O-O-O").replace("0-0", "O-O")


def _fits(rules: Rules, state: ChessState, action: int, wanted: str) -> bool:
    """Whether ``wanted`` says more or less than it must of the move: ``Ng1f3`` or ``ed5``."""
    found = re.fullmatch(r"([NBRQK]?)([a-h]?)([1-8]?)[x:-]?([a-h][1-8])([NBRQ]?)", wanted, re.ASCII)
    if found is None:
        return False
    start, end, becomes = ends(rules, action)
    man = letters(rules, state).ravel()[start].upper()
    says = square(rules, start)
    last = man == "P" and end // rules.grid.columns in (0, rules.grid.rows - 1)
    return (
        man == (found[1] or "P")
        and says[0] == (found[2] or says[0])
        and says[1] == (found[3] or says[1])
        and square(rules, end) == found[4]
        and ((becomes or "q").upper() if last else "") == (found[5] or ("Q" if last else ""))
    )
