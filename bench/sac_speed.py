"""Training throughput of SAC on Pendulum-v1 beside Stable-Baselines3's, at the same number of updates for each step.

    python bench/sac_speed.py --sb3 VENV/bin/python [--repeats 3] [--steps 1000]

Each measurement is a process of its own; contestants take turns. Steps per second of the clock and of processor time:
on a busy machine the second is the fairer, as every process is charged for what it used alone.
"""

import statistics
import sys
from typing import NamedTuple

from report import BENCH, PEERS, answer, parser, publish, spread, table, versions

CLOCKS = ("wall", "cpu")


class Case(NamedTuple):
    """One comparison."""

    name: str
    hidden: tuple[int, ...]
    flags: tuple[str, ...]  # of logpi's script
    wanted: float  # ratio


CASES = [
    Case("256x256, Gymnasium's environment for both", (256, 256), ("--host",), 1.3),
    Case("64x64, logpi on its device environment", (64, 64), (), 4.0),
]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sb3", required=True, metavar="PYTHON", help="an interpreter with Stable-Baselines3")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--threads", type=int, default=1, help="of torch")
    args = arguments.parse_args()
    rows = []
    for case in CASES:
        ours, theirs = [], []
        flags = ("--steps", args.steps, "--hidden", *case.hidden)
        for _ in range(args.repeats):
            ours.append(answer(sys.executable, BENCH / "logpi_sac.py", *flags, *case.flags))
            theirs.append(answer(args.sb3, PEERS / "sb3_sac.py", *flags, "--threads", args.threads))
        for clock in CLOCKS:
            a, b = ([run[f"steps_per_second_of_{clock}"] for run in runs] for runs in (ours, theirs))
            ratio = statistics.median(a) / statistics.median(b)
            rows.append([case.name, clock, spread(a, ",.0f"), spread(b, ",.0f"), f"{ratio:.1f}", f"{case.wanted:g}"])
    header = ["setting", "second of", "logpi, steps/s", "Stable-Baselines3, steps/s", "ratio of medians", "wanted"]
    peer = {"Stable-Baselines3": versions(args.sb3, ("stable-baselines3", "torch", "gymnasium"))}
    about = "Minibatches of 256, one environment, one update a step; Stable-Baselines3 with one torch thread."
    publish(args.results, "sac_speed", "Throughput of SAC", peer, [table(header, rows), about])


if __name__ == "__main__":
    main()
