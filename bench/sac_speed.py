"""Training throughput of SAC on Pendulum-v1 beside its peers', at the same number of updates for each step.

    python bench/sac_speed.py --sb3 VENV/bin/python [--sbx VENV/bin/python] [--repeats 3] [--steps 1000]

Each measurement is a process of its own; contestants take turns. Steps per second of the clock and of processor time:
on a busy machine the second is the fairer, as every process is charged for what it used alone.
"""

import itertools
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

from off_policy_speed import NAMES, PACKAGES
from report import BENCH, PEERS, answer, parser, publish, spread, table, versions

CLOCKS = ("wall", "cpu")
# of every weight with a minibatch in an update: policy and two critics for the target; both critics there and back (3
# each); the policy there and back, and both critics there and back to their input (2 each)
PRODUCTS = 3 + 2 * 3 + 3 + 2 * 2
INPUTS, OUTPUTS, BATCH = 4, 1, 256  # of a critic of Pendulum-v1; of the policy 3 and 2


class Case(NamedTuple):
    """One comparison."""

    name: str
    hidden: tuple[int, ...]
    flags: tuple[str, ...]  # of logpi's script
    wanted: dict[str, float]  # library -> ratio


CASES = [
    Case("256x256, Gymnasium's environment for all", (256, 256), ("--host",), {"stable_baselines3": 1.3}),
    Case("64x64, logpi on its device environment", (64, 64), (), {"stable_baselines3": 4.0, "sbx": 1.3}),
]


def operations(hidden: Sequence[int]) -> float:
    """Floating-point operations of one update's matrix products."""
    sizes = [INPUTS, *hidden, OUTPUTS]
    return 2.0 * BATCH * PRODUCTS * sum(a * b for a, b in itertools.pairwise(sizes))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sb3", required=True, metavar="PYTHON", help="an interpreter with Stable-Baselines3")
    arguments.add_argument("--sbx", metavar="PYTHON", help="an interpreter with sbx-rl; left out without it")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--threads", type=int, default=1, help="of torch")
    args = arguments.parse_args()
    pythons = {"stable_baselines3": args.sb3} | ({"sbx": args.sbx} if args.sbx else {})
    rows, shares = [], []
    for case in CASES:
        ours, theirs = [], {name: [] for name in pythons if name in case.wanted}
        flags = ("--steps", args.steps, "--hidden", *case.hidden)
        for _ in range(args.repeats):
            ours.append(answer(sys.executable, BENCH / "logpi_sac.py", *flags, *case.flags))
            for name, found in theirs.items():
                words = (*flags, "--threads", args.threads, "--library", name)
                found.append(answer(pythons[name], PEERS / "sb3_sac.py", *words))
        product = max(answer(sys.executable, PEERS / "gemm.py")["all_cores"].values())
        done = operations(case.hidden) * statistics.median(run["steps_per_second_of_wall"] for run in ours) / 1e9
        shares.append(
            f"{case.name}: {done:.1f} GFLOP/s of matrix products, {done / product:.0%} of the {product:.0f} that the "
            "machine's own product of two large matrices reaches."
        )
        for name, found in theirs.items():
            for clock in CLOCKS:
                a, b = ([run[f"steps_per_second_of_{clock}"] for run in runs] for runs in (ours, found))
                ratio = statistics.median(a) / statistics.median(b)
                shown = spread(a, ",.0f"), spread(b, ",.0f"), f"{ratio:.1f}", f"{case.wanted[name]:g}"
                rows.append([case.name, NAMES[name], clock, *shown])
    header = ["setting", "peer", "second of", "logpi, steps/s", "peer, steps/s", "ratio of medians", "wanted"]
    peers = {NAMES[name]: versions(python, PACKAGES[name]) for name, python in pythons.items()}
    about = "Minibatches of 256, one environment, one update a step; the peers with one torch thread."
    publish(args.results, "sac_speed", "Throughput of SAC", peers, [table(header, rows), about, *shares])


if __name__ == "__main__":
    main()
