"""Files of SGF after accidents: 10,000 of them are read, or refused with file and place, and none hangs.

    python bench/sgf_damage.py [--files 10000] [--seed 0]

The good files are those of the tests (`tests/games/records/sgf`); `tests/support/damage.py` has the accidents. Printed
are how many files were read without a fault, how many with one, by cause, how many records came out of them, and the
longest time that a file took. The exit code is 1 where a fault has no place, or something else than a fault is raised.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS / "support"))


def main() -> int:
    import numpy as np
    from damage import damaged

    from logpi.games.records.files import located
    from logpi.games.records.record import Fault
    from logpi.games.rules.make import make_game

    asked = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    asked.add_argument("--files", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    good = [path.read_bytes() for path in sorted((TESTS / "games" / "records" / "sgf").iterdir())]
    rng, game, causes = np.random.default_rng(options.seed), make_game("go-9x9"), Counter[str]()
    whole, records, slowest, nowhere = 0, 0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "game.sgf")
        for _ in range(options.files):
            path.write_bytes(damaged(rng, good))
            faults: list[Fault] = []
            began = time.perf_counter()
            records += len(located(path, game, faults.append))
            slowest = max(slowest, time.perf_counter() - began)
            whole += not faults
            causes.update({fault.cause for fault in faults})
            nowhere += any(not fault.where.startswith(str(path)) for fault in faults)
    print(f"{options.files:,} files: {whole:,} without a fault, {records:,} records, slowest {1000 * slowest:.1f} ms")
    for cause, count in causes.most_common():
        print(f"  {count:,} files: {cause}")
    return int(nowhere > 0)


if __name__ == "__main__":
    sys.exit(main())
