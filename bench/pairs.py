"""Speed before and after: short measurements of two checkouts in turns, A B, B A, A B, …

    python bench/pairs.py BASE_TREE [--turns 7] [--only ppo start]

BASE_TREE is a checkout of the earlier commit, this script's own checkout the later one. Each measurement is a process
of its own in the folder of its checkout, with that checkout's own scripts and an empty compilation cache; each takes at
most half a minute. A turn measures both, so that what else the machine does falls on both alike. A ratio is after over
before within a turn, above 1 where more is done a second, or less time taken; the verdict is on the turns' median.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from report import BENCH, commit, parser, publish, spread, table

TREE = BENCH.parent
BAND = 0.05  # of 1, that a median ratio may be off
LONGEST = 300  # seconds that a measurement may take on a busy machine

STARTS = """
import json, statistics, subprocess, sys, time
def seconds(*words):
    taken = []
    for _ in range(4):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])  # the first may write byte code
print(json.dumps({"import": seconds("-c", "import logpi"), "help": seconds("-m", "logpi", "--help")}))
"""
COLD = """
import json, pathlib, sys, tempfile
sys.path.insert(0, "bench")
from coldstart import devices, start
devices.prepare()
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    found = {name: start(0, folder / "cache", folder / name) for name in ("empty", "full")}
print(json.dumps({name: facts["exit"] for name, facts in found.items()}))
"""
FIRST = """
import json, os, pathlib, signal, subprocess, sys, tempfile, time
_, game, until = sys.argv
with tempfile.TemporaryDirectory() as folder:
    began, words = time.perf_counter(), ["train", game, "--log-dir", folder, "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "logpi", *words])
    rows = lambda: [file for file in pathlib.Path(folder).glob("*/*/metrics.jsonl") if file.stat().st_size]
    while not rows() and process.poll() is None:
        time.sleep(0.02)
    found = {"row": time.perf_counter() - began}
    if until == "row":
        process.send_signal(signal.SIGKILL)
    process.wait()
    found["end"] = time.perf_counter() - began
print(json.dumps(found))
"""


class Number(NamedTuple):
    """One number of a measurement."""

    key: str  # in the JSON line that the process prints
    what: str
    unit: str
    more: bool = True  # whether more is better


class Measurement(NamedTuple):
    """A process, and what it tells."""

    words: tuple[str, ...]  # for the interpreter, in the folder of a checkout
    numbers: tuple[Number, ...]


SIZE = ("--num-envs", "64", "--num-steps", "128", "--updates", "60", "--repeats", "2")
MEASUREMENTS = {
    "import": Measurement(
        ("-c", STARTS),
        (Number("import", "`import logpi`", "s", False), Number("help", "`logpi --help`", "s", False)),
    ),
    "start": Measurement(
        ("-c", COLD),
        (
            Number("empty", "`logpi train CartPole-v1`, empty cache", "s", False),
            Number("full", "the same again, with the cache", "s", False),
        ),
    ),
    "ppo": Measurement(
        ("bench/logpi_ppo.py", *SIZE),
        (
            Number("steps_per_second", "PPO, CartPole-v1, 64 environments", "steps/s"),
            Number("compile_seconds", "its compilation", "s", False),
        ),
    ),
    "seeds": Measurement(
        ("bench/logpi_ppo.py", *SIZE, "--seeds", "4"),
        (Number("steps_per_second", "the same, 4 seeds", "steps/s"),),
    ),
    "host": Measurement(
        ("bench/logpi_host.py", "--steps", "4096", "--repeats", "2"),
        (Number("steps_per_second", "PPO, LunarLander-v3 on the host", "steps/s"),),
    ),
    "self-play": Measurement(
        ("bench/selfplay.py", "--seconds", "5", "--own", "256", "32", "1"),
        (
            Number("playing", "Connect Four, self-play", "positions/s"),
            Number("both", "with learning", "positions/s"),
            Number("compile", "its compilation", "s", False),
        ),
    ),
    "ram": Measurement(
        ("bench/ram_speed.py", "--seconds", "5", "--own", "28", "128", "6", "8", "1", "1"),
        (Number("images_per_second", "RAM, 28x28, one core", "images/s"),),
    ),
}
for game in ("connect-four", "go-9x9"):
    row = Number("row", f"`logpi train {game}`, empty cache, to the first row", "s", False)
    MEASUREMENTS[game] = Measurement(("-c", FIRST, game, "row"), (row,))
MEASUREMENTS["tic-tac-toe"] = Measurement(
    ("-c", FIRST, "tic-tac-toe", "end"),
    (
        Number("row", "`logpi train tic-tac-toe`, empty cache, to the first row", "s", False),
        Number("end", "the whole command", "s", False),
    ),
)
Answer = dict[str, float]


def told(tree: Path, words: Sequence[str]) -> Answer:
    """The JSON line that a measurement of ``tree`` prints.

    Raises:
        RuntimeError: it printed none, or took too long.
    """
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(tree), "LOGPI_CACHE": cache}
        try:
            done = subprocess.run(
                [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST
            )
            found: Answer = json.loads(done.stdout.strip().rpartition("\n")[2])
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not ended within {LONGEST} s") from None
        except ValueError:
            raise RuntimeError(" ".join(done.stderr.split())[-200:] or f"exit code {done.returncode}") from None
    return found


def check(tree: Path) -> None:
    """End unless ``tree`` is a checkout whose own package is what its scripts import."""
    found = told(tree, ("-c", "import json, logpi; print(json.dumps({'file': logpi.__file__}))"))
    if not Path(str(found["file"])).is_relative_to(tree):
        sys.exit(f"{tree} is no checkout of logpi: its scripts would import {found['file']}")


def in_turns(trees: Sequence[Path], measurement: Measurement, turns: int) -> list[tuple[Answer, Answer]]:
    """(before, after) of every turn; the order changes from turn to turn."""
    pairs = []
    for turn in range(turns):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        found = {which: told(trees[which], measurement.words) for which in order}
        pairs.append((found[0], found[1]))
    return pairs


def verdict(ratio: float) -> str:
    """What a median ratio, above 1 where the later checkout is better, amounts to."""
    if abs(ratio - 1) <= BAND:
        return f"within {BAND:.0%}"
    return f"**worse by {1 - ratio:.0%}**" if ratio < 1 else f"better by {ratio - 1:.0%}"


def line(number: Number, pairs: Sequence[tuple[Answer, Answer]]) -> list[object]:
    """The row of one number."""
    before, after = ([pair[which][number.key] for pair in pairs] for which in (0, 1))
    ratios = [a / b if number.more else b / a for b, a in zip(before, after, strict=True)]
    form = ",.0f" if min(before) >= 100 else ".3f"
    judged = verdict(statistics.median(ratios))
    return [number.what, number.unit, spread(before, form), spread(after, form), spread(ratios, ".3f"), judged]


def lines(trees: Sequence[Path], args: argparse.Namespace) -> list[list[object]]:
    """The rows of every measurement; one that fails has its error instead of numbers."""
    rows: list[list[object]] = []
    for name, measurement in MEASUREMENTS.items():
        if args.only and name not in args.only:
            continue
        print(f"{name}: {args.turns} turns", file=sys.stderr, flush=True)
        try:
            pairs = in_turns(trees, measurement, args.turns)
            rows += [line(number, pairs) for number in measurement.numbers]
        except (RuntimeError, KeyError) as error:
            rows.append([measurement.numbers[0].what, "", "", "", "", f"failed: {error}"])
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("base", type=Path, metavar="BASE_TREE", help="checkout of the earlier commit")
    arguments.add_argument("--turns", type=int, default=7)
    arguments.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME", default=[])
    args = arguments.parse_args()
    trees = args.base.resolve(), TREE
    for tree in trees:
        check(tree)
    rows = lines(trees, args)
    header = ["", "unit", "before", "after", "ratio, above 1 is better", "verdict"]
    about = f"Medians (least to greatest) of {args.turns} turns. " + " ".join((__doc__ or "").split("\n\n")[2].split())
    publish(
        args.results,
        "pairs",
        "Before and after",
        {"before": f"commit {commit(trees[0])}"},
        [table(header, rows), about],
    )
    if any("worse" in str(row[-1]) or "failed" in str(row[-1]) for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
