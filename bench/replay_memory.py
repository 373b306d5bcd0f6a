"""Peak memory of a full replay, checkpoints included, against the size of its arrays.

    python bench/replay_memory.py [--rows 1000000] [--frames 100000]

DQN trains (``logpi_replay.py``) with a replay of many rows of 100 numbers, or of stacks of 4 Atari frames, and with a
tiny one, each in a process of its own. It fills the replay, learns, and saves it at the end. The difference of the
peaks is what the replay costs. Wanted: at most 1.2 times its arrays, where each frame is counted once.
"""

import sys
import tempfile
from pathlib import Path

from report import BENCH, answer, parser, publish, table

BYTES = {"numbers": 4 * 100, "frames": 84 * 84}  # of a row's observation; of a stack the newest frame
REST = 4 * 4  # action, reward, discount and mask
NAMES = {"numbers": "rows of 100 numbers", "frames": "stacks of 4 frames of 84x84"}
TINY = {"numbers": 4_000, "frames": 400}
WANTED = 1.2


def peak(kind: str, capacity: int, steps: int) -> int:
    """Peak bytes of a process whose replay holds ``capacity`` decisions."""
    with tempfile.TemporaryDirectory() as folder:
        script = BENCH / "logpi_replay.py"
        return int(answer(sys.executable, script, kind, capacity, steps, Path(folder))["bytes"])


def row(kind: str, capacity: int) -> list[object]:
    """The table's row; each process runs twice, as the first one compiles, which takes memory too."""
    for _ in ("compiles", "counts"):
        large, tiny = peak(kind, capacity, capacity), peak(kind, TINY[kind], capacity)
    arrays = capacity * (BYTES[kind] + (REST if kind == "numbers" else 0))
    sizes = [f"{x / 2**20:,.0f}" for x in (arrays, tiny, large, large - tiny)]
    return [f"{capacity:,} {NAMES[kind]}", *sizes, f"{(large - tiny) / arrays:.2f}", f"{WANTED:g}"]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--frames", type=int, default=100_000)
    args = arguments.parse_args()
    rows = [row("numbers", args.rows), row("frames", args.frames)]
    header = ["replay", "arrays, MiB", "peak with a tiny replay, MiB", "peak, MiB", "increase, MiB", "ratio", "wanted"]
    about = "The arrays of frames are the frames alone, each once; the ratio is the increase by them."
    publish(args.results, "replay_memory", "Memory of the replay", {}, [table(header, rows), about])


if __name__ == "__main__":
    main()
