"""SGF as accidents leave it: read, or refused with file and place; the good moves are not lost to the bad header."""

import time
from pathlib import Path

import numpy as np
import pytest
from damage import damaged

from logpi.arena.replay import replay
from logpi.games.records.files import dumps, located, read
from logpi.games.records.record import BAD_HEADER, DAMAGED, OTHER_GAME, SETUP_REFUSED, Record
from logpi.games.rules.make import make_game

HERE = Path(__file__).parent / "sgf"
FILES = sorted(HERE.iterdir())
MOVES = ";B[ee];W[cc];B[gg];W[gc];B[cg];W[])"
PLAYED = ["E5", "C7", "G3", "G7", "C3", "pass"]


@pytest.fixture(scope="module")
def go():
    return make_game("go-9x9")


def names(game, record):
    return [game.name(action) for action in record.actions]


def read_text(tmp_path, go, text):
    """(records, faults) of a file."""
    path, faults = tmp_path / "game.sgf", []
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, go, faults.append), faults


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_others(path, go):
    (record,) = read(path)
    wanted = PLAYED[:3] if path.stem == "colour_move" else PLAYED
    assert (record.game, names(go, record)) == ("go-9x9", wanted)


def test_damaged_files_are_read_or_refused_with_file_and_place(tmp_path, go):
    good = [path.read_bytes() for path in FILES] + [HANDICAP.encode(), dumps(WON).encode()]
    rng, path, read_whole = np.random.default_rng(20_261_128), tmp_path / "game.sgf", 0
    began = time.monotonic()
    for _ in range(400):
        data, faults = damaged(rng, good), []
        path.write_bytes(data)
        found = located(path, go, faults.append)
        assert all(fault.where.startswith(str(path)) and fault.detail for fault in faults), data
        assert all(where.startswith(f"{path}, line ") for where, _ in found), data
        read_whole += not faults
        # a record that was read can be written, and is then read without any fault
        for record in (record for _, record in found if record.game == "go-9x9"):
            path.write_text(dumps(record))
            (again,) = read(path)
            assert again.actions[again.setup :] == record.actions[record.setup :], data
    assert 40 < read_whole < 360, "the damage is neither too small nor too great to tell anything"
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "(;" * 100_000, "(;B[" * 100_000, "[" * 100_000, "(;GM[1" + "\\" * 99_999]
)
def test_files_made_to_hang_are_answered_at_once(tmp_path, go, text):
    began = time.monotonic()
    _, faults = read_text(tmp_path, go, text)
    assert faults
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ("SZ[9]KM[x]", BAD_HEADER),
        ("SZ[9]KM[3.75]", BAD_HEADER),
        ("SZ[9]LPOPENING[-1]", BAD_HEADER),
        ("SZ[nine]", BAD_HEADER),
        ("SZ[9KM[7.5]", BAD_HEADER),
        ("GM[go]SZ[9]", BAD_HEADER),
        ("SZ[9]@@@KM[6.5]", DAMAGED),
        ("SZ[9]]KM[6.5]", DAMAGED),
        ("SZ[9]C[a ] b]PB[x]", DAMAGED),
        ("[x]SZ[9]", DAMAGED),
        ("SZ[9]RE[B+lots]", None),
        ("SZ[9]RE[?]DT[yesterday]", None),
    ],
)
def test_a_bad_header_does_not_cost_the_moves(tmp_path, go, header, cause):
    (record,), faults = read_text(tmp_path, go, f"(;{header}{MOVES}")
    assert names(go, record) == PLAYED
    assert [fault.cause for fault in faults] == ([cause] if cause else [])


def test_what_a_damaged_game_begins_with_is_kept(tmp_path, go):
    (cut, whole), faults = read_text(tmp_path, go, f"(;SZ[9];B[ee];W[cc];B[zz];W[gc])\n(;SZ[9]{MOVES}")
    assert names(go, cut) == ["E5", "C7"]
    assert names(go, whole) == PLAYED
    assert [str(fault).rpartition("game.sgf")[2][:8] for fault in faults] == [", line 1"]
    (ends,), faults = read_text(tmp_path, go, "(;SZ[9]\n;B[ee];W[cc];B[gg")
    assert names(go, ends) == ["E5", "C7"]
    assert "line 2: a value without its ']'" in str(faults[0])


def test_another_game_is_told_and_left_out(tmp_path, go):
    records, faults = read_text(tmp_path, go, "(;GM[3]SZ[9];B[ee])")
    assert (records, [fault.cause for fault in faults]) == ([], [OTHER_GAME])


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "euc_kr", "big5"])
def test_an_encoding_that_is_not_told_costs_no_moves(tmp_path, go, encoding):
    """The second byte of these characters is a ``]`` or a backslash, or would end a value as Latin-1."""
    characters = [bytes([high, low]) for high in range(0x81, 0xFE) for low in b"]\\"]
    name = b"".join(c for c in characters if can_be(c, encoding))[:40]
    (record,), faults = read_text(tmp_path, go, b"(;GM[1]SZ[9]PB[x" + name + b"]" + MOVES.encode())
    assert names(go, record) == PLAYED
    assert not faults


def can_be(data, encoding):
    try:
        return len(data.decode(encoding)) == 1
    except UnicodeDecodeError:
        return False


HANDICAP = "(;GM[1]FF[4]SZ[9]HA[3]KM[0.5]PB[x]PW[y]AB[cc][gg][gc];W[ee];B[cg];W[ec];B[ge])"


def test_handicap_stones_are_set_up(tmp_path, go):
    (record,), faults = read_text(tmp_path, go, HANDICAP)
    assert not faults
    assert names(go, record) == ["C7", "pass", "G7", "pass", "G3", "E5", "C3", "E7", "G5"]
    assert (record.setup, record.komi) == (5, 0.5)
    cells = np.asarray(go.cells(replay(record)[5].state))
    assert (np.sum(cells == 1), np.sum(cells == 2)) == (3, 0)
    (again,), _ = read_text(tmp_path, go, dumps(record))
    assert again == record
    assert "HA[3]AB[cc][gc][gg]PL[W]" in dumps(record)


@pytest.mark.parametrize(
    ("text", "moves", "setup"),
    [
        ("HA[2];B[cc];B[gg];W[ee];B[cg]", ["C7", "pass", "G3", "E5", "C3"], 3),  # handicap stones placed as moves
        ("AB[cc:ec]AW[gg]PL[B];B[ee]", ["C7", "pass", "D7", "pass", "E7", "G3", "E5"], 6),
        ("AB[cc]AW[gg][gc];W[ee]", ["pass", "G7", "pass", "G3", "C7", "E5"], 5),
        ("AB[cc]AW[gg];B[ee]", ["C7", "G3", "E5"], 2),
        ("PL[W];W[ee];B[cc]", ["pass", "E5", "C7"], 1),
        ("AB[cc];AE[cc];B[ee]", ["E5"], 0),
        ("HA[0];B[ee]", ["E5"], 0),
        ("AB[cc][gg]HA[2]", ["C7", "pass", "G3"], 3),  # without a move
        ("AB[cc];W[ee];AB[gg];B[cg]", ["C7", "E5"], 1),
        ("AB[aa]AW[ab][ba];B[ee]", [], 0),
    ],
)
def test_positions_that_are_set_up(tmp_path, go, text, moves, setup):
    (record,), faults = read_text(tmp_path, go, f"(;GM[1]SZ[9]{text})")
    assert (names(go, record), record.setup) == (moves, setup)
    wanted = [SETUP_REFUSED] if "AB[gg];" in text or "AW[ab]" in text else []
    assert [fault.cause for fault in faults] == wanted
    replay(record)


def test_a_position_with_many_stones_of_both_stands_as_it_was_set(go):
    from logpi.games.records.set_up import as_moves, without_liberty

    rng = np.random.default_rng(3)
    tried = 0
    while tried < 20:
        cells = rng.choice(3, (9, 9), p=[0.4, 0.3, 0.3])
        stones = {int(p): " BW"[cells.flat[p]] for p in np.flatnonzero(cells)}
        if without_liberty(stones, (9, 9)):
            continue
        tried += 1
        for to_move in "BW":
            actions = as_moves(stones, to_move, 81, (9, 9))
            last = replay(Record("go-9x9", ("", ""), actions, None))[-1]
            assert (np.asarray(go.cells(last.state)) == cells).all()
            assert len(actions) % 2 == "BW".index(to_move)


WON = Record("go-9x9", ("x", "y"), (40, 20), 1.0, margin=12.5)


def test_a_result_in_points(tmp_path, go):
    assert "RE[B+12.5]" in dumps(WON)
    assert "RE[W+F]" in dumps(WON._replace(outcome=-1.0, reason="illegal move"))
    for text, outcome, reason, margin in [
        ("B+12.5", 1.0, "played out", 12.5),
        ("w+ 3,5", -1.0, "played out", 3.5),
        ("B+", 1.0, "played out", None),
        ("B+0", 1.0, "played out", None),
        ("B+Resign", 1.0, "resigned", None),
        ("W+T", -1.0, "timed out", None),
        ("B+1e999", 1.0, "played out", None),
        ("0", 0.0, "played out", None),
        ("Void", None, "unfinished", None),
    ]:
        (record,), faults = read_text(tmp_path, go, f"(;GM[1]SZ[9]RE[{text}]{MOVES}")
        assert (record.outcome, record.reason, record.margin) == (outcome, reason, margin), text
        assert not faults
