"""Are games read back from every format as they were written, and how fast?

    python bench/records.py [--games 1000] [--moves 100]

Random games are written to a file of each format (KIF has one game a file) and read back; moves and, where the format
has a place for them, results must be the same.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from report import BENCH, parser, publish, table

os.environ |= {"JAX_PLATFORMS": "cpu", "NPROC": "1"}
sys.path.insert(0, str(BENCH.parent / "tests" / "support"))

FORMS = (
    *(("chess", ".pgn"), ("gardner-chess", ".pgn"), ("shogi", ".kif"), ("shogi", ".csa"), ("shogi", ".sfen")),
    *(("go-9x9", ".sgf"), ("othello", ".sgf"), ("hex-11x11", ".sgf"), ("chess", ".jsonl")),
)


def row(name: str, suffix: str, records: list, folder: Path) -> list[object]:  # type: ignore[type-arg]
    """Format, game, games, moves, seconds to write and to read, games that were read otherwise."""
    from logpi.games.records.files import append, read

    alone = suffix == ".kif"
    paths = [folder / (f"{n}{suffix}" if alone else f"all{suffix}") for n in range(len(records))]
    began = time.process_time()
    for path, record in zip(paths, records, strict=True):
        append(path, record)
    written = time.process_time() - began
    found = [record for path in dict.fromkeys(paths) for record in read(path)]
    reading = time.process_time() - began - written
    kept = ("actions",) if suffix == ".sfen" else ("actions", "outcome", "players")
    wrong = sum(any(getattr(a, part) != getattr(b, part) for part in kept) for a, b in zip(records, found, strict=True))
    moves = sum(len(record.actions) for record in records)
    rates = [f"{moves / seconds:,.0f}" for seconds in (written, reading)]
    return [suffix[1:].upper(), name, f"{len(records):,}", f"{moves:,}", *rates, wrong]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--games", type=int, default=1000, help="of each format")
    arguments.add_argument("--moves", type=int, default=100, help="of a game at most")
    args = arguments.parse_args()
    from random_records import random_records

    from logpi.games.rules.make import make_game

    games = {name: random_records(make_game(name), args.games, args.moves) for name in {name for name, _ in FORMS}}
    rows = []
    for name, suffix in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(name, suffix, games[name], Path(folder)))
    text = "Random games, written one by one and read back; moves a CPU second."
    head = ["format", "game", "games", "moves", "written", "read", "games that differ"]
    publish(args.results, "records", "Files of games", {}, [text, table(head, rows)])
    if any(found[-1] for found in rows):
        raise SystemExit("games were read otherwise than they were written")


if __name__ == "__main__":
    main()
