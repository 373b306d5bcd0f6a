"""Ignoring clutter: the errors of agents trained among four pieces, among fewer and more of them.

    python bench/ram_clutter.py --work DIR [--variants learned random conv] [--pieces 0 1 2 4 6 8 12 16]

DIR is that of `ram.py`, whose finished `ram/cluttered` runs are judged: one pass, mean locations, over the same test
digits at the same places for every agent and every number of pieces.
"""

import argparse
import sys
from pathlib import Path

from pictures import VARIANTS, curve, picture, plain
from ram_tables import mean_of
from report import parser, publish, table

from logpi.driver import devices

TASK, TRAINED_ON = "cluttered", 4


def finished(work: Path, variant: str) -> list[Path]:
    """The run folders of all seeds that have come to their end."""
    return [result.parent for result in sorted(work.glob(f"{TASK}-{variant}-*/*/*/result.json"))]


def errors(run: Path, pieces: list[int], images: int) -> list[float]:
    """Of the last agent, for each number of pieces."""
    from logpi.ram.agent import load_image_agent
    from logpi.ram.evaluation import judge

    agent = load_image_agent(run / "last")
    found = []
    for count in pieces:
        agent.task = agent.task._replace(scene=agent.task.scene._replace(num_distractors=count))
        found.append(judge(agent, images, passes=1).one_pass)
    return found


def draw(found: dict[str, list[list[float]]], pieces: list[int], path: Path) -> None:
    with picture(path) as (axes,):
        axes.axvline(TRAINED_ON, color="#AAAAAA", lw=1, zorder=0, label="trained on")
        for variant, seeds in found.items():
            curve(axes, pieces, [[100 * e for e in one] for one in seeds], VARIANTS[variant], variant)
        axes.set(xlabel="pieces of clutter", ylabel="test error, one pass, %", ylim=(0, None))
        plain(axes.xaxis, [float(count) for count in pieces])


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, required=True, metavar="DIR", help="run folders of ram.py")
    arguments.add_argument("--variants", nargs="+", default=["learned", "random", "conv"], choices=list(VARIANTS))
    arguments.add_argument("--pieces", nargs="+", type=int, default=[0, 1, 2, 4, 6, 8, 12, 16])
    arguments.add_argument("--images", type=int, default=10_000)
    args: argparse.Namespace = arguments.parse_args()
    runs = {variant: finished(args.work, variant) for variant in args.variants}
    missing = [variant for variant, some in runs.items() if not some]
    if len(missing) == len(runs):
        sys.exit(f"no finished run of ram/{TASK} in {args.work}: python bench/ram.py --work DIR --only ram/{TASK}")
    devices.prepare()
    found = {name: [errors(run, args.pieces, args.images) for run in some] for name, some in runs.items() if some}
    header = ["pieces", *(f"{name}, % (seeds: {len(seeds)})" for name, seeds in found.items())]
    rows = [
        [
            f"{count} (trained on)" if count == TRAINED_ON else count,
            *(mean_of([one[i] for one in seeds]) for seeds in found.values()),
        ]
        for i, count in enumerate(args.pieces)
    ]
    about = (
        f"Errors on {args.images:,} test digits of agents trained on ram/{TASK} (60x60, {TRAINED_ON} pieces), last "
        "agent of each seed, one pass, mean locations, with Student's 95 % interval over seeds. The digits and their "
        "places are the same in every cell."
    )
    if missing:
        about += f" Not trained yet: {', '.join(missing)}."
    draw(found, args.pieces, args.results / "ram" / "clutter.png")
    publish(
        args.results,
        "ram_clutter",
        "RAM: ignoring clutter",
        {},
        [table(header, rows), about, "![clutter](ram/clutter.png)"],
    )


if __name__ == "__main__":
    main()
