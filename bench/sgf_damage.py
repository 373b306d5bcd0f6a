"""Files of SGF after accidents: 10,000 of them are read, or refused with file and place, and none hangs.

    python bench/sgf_damage.py [--files 10000] [--seed 0]

The good files are those of the tests (`tests/games/records/sgf`); `tests/support/damage.py` has the accidents. Told are
how many files were read without a fault, how many with one, by cause, how many records came out of them, and how long a
file took. The exit code is 1 where a fault has no place, or something else than a fault is raised.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from report import parser, publish, table

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS / "support"))


def main() -> int:
    import numpy as np
    from damage import damaged

    from logpi.games.records.files import located
    from logpi.games.records.record import Fault
    from logpi.games.rules.make import make_game

    asked = parser(__doc__)
    asked.add_argument("--files", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    good = [path.read_bytes() for path in sorted((TESTS / "games" / "records" / "sgf").iterdir())]
    rng, game, causes = np.random.default_rng(options.seed), make_game("go-9x9"), Counter[str]()
    whole, records, times, nowhere = 0, 0, list[float](), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "game.sgf")
        path.write_bytes(good[0])
        located(path, game, lambda fault: None)  # what is imported at the first file is not its time
        for _ in range(options.files):
            path.write_bytes(damaged(rng, good))
            faults: list[Fault] = []
            began = time.perf_counter()
            records += len(located(path, game, faults.append))
            times.append(1000 * (time.perf_counter() - began))
            whole += not faults
            causes.update({fault.cause for fault in faults})
            nowhere += any(not fault.where.startswith(str(path)) for fault in faults)
    said = (
        f"{options.files:,} files, seed {options.seed}: {whole:,} were read without a fault, and {records:,} records "
        f"came out of all. A file took {np.median(times):.1f} ms (median), {max(times):.1f} ms at most. Faults without "
        f"a place: {nowhere}. Nothing else than a fault was raised."
    )
    causes_of = table(["files", "fault"], [[f"{count:,}", cause] for cause, count in causes.most_common()])
    publish(options.results, "sgf_damage", "SGF after accidents", {}, [said, causes_of])
    return int(nowhere > 0)


if __name__ == "__main__":
    sys.exit(main())
