"""Peak memory of a replay, checkpoints included, against the size of its arrays.

    python bench/replay_memory.py [--rows 1000000]

The off-policy probe of the tests (tabular Q-learning, ``tests/support/q_chain.py``) trains with a replay of many rows
of 100 numbers and with a tiny one, each in a process of its own that saves three checkpoints. The difference of their
peaks is what the replay costs. Wanted: at most 1.2 times its arrays, so that it is in memory once.
"""

import sys
import tempfile
from pathlib import Path

from report import BENCH, parser, publish, table

ROOT = BENCH.parent
NUMBERS = 100  # of an observation
BYTES = 4 * (NUMBERS + 4)  # of a row: observation, action, reward, discount and mask


def peaks(rows: int) -> tuple[int, int]:
    """Peak bytes of the process with ``rows`` rows and of the one with a tiny replay."""
    sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "control")]
    from test_off_policy import peak_memory

    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):  # the first fills the caches: compiling takes memory too
            large = peak_memory(Path(folder) / name / "large", rows)
            tiny = peak_memory(Path(folder) / name / "tiny", 1_000)
    return large, tiny


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    args = arguments.parse_args()
    large, tiny = peaks(args.rows)
    arrays = args.rows * BYTES
    row = [f"{args.rows:,}", *(f"{x / 2**20:,.0f}" for x in (arrays, tiny, large, large - tiny))]
    header = ["rows", "arrays, MiB", "peak with a tiny replay, MiB", "peak, MiB", "increase, MiB", "increase / arrays"]
    ratio = (large - tiny) / arrays
    publish(args.results, "replay_memory", "Memory of the replay", {}, [table(header, [[*row, f"{ratio:.2f}"]])])


if __name__ == "__main__":
    main()
