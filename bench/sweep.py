"""How fast is a sweep of 64 configurations beside 64 runs? Does a killed one end alike, and its recipe keep its word?

    python bench/sweep.py [--configurations 64] [--runs 8] [--kills 3] [--seeds 20]

The space has five numbers of PPO on CartPole-v1, so that all configurations are in one program. Runs are `logpi train`
with the settings of the first configurations, without a film, TensorBoard or periodic evaluations, one after the other;
the time of all is that of the first, which compiles, and the others' median times their number. A sweep and its runs
each begin with an empty cache; a second sweep has a warm one. Then a sweep is killed (SIGKILL) and started again, and
further seeds train with the recipe: how many lie in its band?
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import BENCH, parser, publish, spread, table

from logpi.config.stored import read_file

ENV, ALGO = "CartPole-v1", "ppo"
SPACE = {
    "learning_rate": "{log=[1e-4,1e-2]}",
    "ent_coef": "{log=[1e-4,1e-1]}",
    "gamma": "{uniform=[0.95,0.999]}",
    "gae_lambda": "{uniform=[0.8,0.99]}",
    "clip_range": "{uniform=[0.1,0.3]}",
}
BARE = ("--no-video", "--no-tensorboard", "--eval-points", "0", "--eval-episodes", "20", "--quiet")


def started(words: list[str], cache: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(BENCH.parent), "LOGPI_CACHE": str(cache)}
    return subprocess.Popen([sys.executable, "-m", "logpi", *words], env=environment, stdout=sys.stderr)


def seconds(words: list[str], cache: Path) -> float:
    """Wall-clock time of a command, its process and imports included."""
    began = time.perf_counter()
    if code := started(words, cache).wait():
        sys.exit(f"logpi {' '.join(words)}: exit code {code}")
    return time.perf_counter() - began


def sweep(configurations: int, out: Path, *more: str) -> list[str]:
    space = [f"{name}={values}" for name, values in SPACE.items()]
    words = ["sweep", ENV, "--algo", ALGO, "--space", *space, "--configurations", str(configurations)]
    return [*words, "--out", str(out), *more]


def train(settings: dict[str, Any], folder: Path) -> list[str]:
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["train", ENV, "--algo", ALGO, *flags, *BARE, "--log-dir", str(folder)]


def speed(work: Path, configurations: int, runs: int) -> str:
    """A sweep and runs of its first configurations: seconds, and their ratio."""
    cold = seconds(sweep(configurations, work / "cold", "--retrain", "0"), work / "cache")
    warm = seconds(sweep(configurations, work / "warm", "--retrain", "0"), work / "cache")
    ledger = (work / "cold" / "ledger.jsonl").read_text("utf-8").splitlines()
    each = [train(json.loads(line)["settings"], work / "runs") for line in ledger[:runs]]
    first, *others = [seconds(words, work / "of runs") for words in each]
    total = first + (configurations - 1) * statistics.median(others)
    rows = [
        ["sweep, empty cache", f"{cold:.1f}", f"{total / cold:.1f}"],
        ["sweep, warm cache", f"{warm:.1f}", f"{total / warm:.1f}"],
        ["one run, empty cache", f"{first:.1f}", ""],
        [f"one run, warm cache ({len(others)} runs)", spread(others, ".1f"), ""],
        [f"{configurations} runs", f"{total:.0f}", "1"],
    ]
    return table(["what", "seconds", "times as fast as the runs"], rows)


def killed(work: Path, configurations: int, kills: int) -> str:
    """A sweep with halving, and the same killed and started again: are its files the same?"""
    more = ("--halving", "4", "--retrain", "2")
    whole, cut, at = work / "whole", work / "cut", []
    seconds(sweep(configurations, whole, *more), work / "cache")
    for number in range(1, kills + 1):
        process, begun = started(sweep(configurations, cut, *more), work / "cache"), time.time()
        while process.poll() is None:
            newest = [path for path in cut.glob("groups/*/checkpoints/*.safetensors") if path.stat().st_mtime > begun]
            if len({path.name for path in newest}) > 1:
                process.send_signal(signal.SIGKILL)
                process.wait()
                at.append(f"{max(path.name for path in newest).partition('.')[0].replace('_', ' ')}")
            time.sleep(0.01)
        print(f"kill {number} of {kills}: {at}", file=sys.stderr)
    seconds(sweep(configurations, cut, *more), work / "cache")
    files = ("ledger.jsonl", "recipe.toml", "sweep.md")
    same = all((whole / name).read_bytes() == (cut / name).read_bytes() for name in files)
    return (
        f"A sweep of {configurations} configurations with halving by 4 was killed (SIGKILL) {len(at)} times, after the "
        f"checkpoints {'; '.join(at)}, and started again each time: {', '.join(f'`{name}`' for name in files)} are "
        f"**{'equal byte for byte' if same else 'NOT equal'}** to those of one that nothing interrupted."
    )


def promised(work: Path, configurations: int, seeds: int) -> str:
    """Seeds that no one has seen, trained with the recipe of a sweep: how many lie in its band?"""
    seconds(sweep(configurations, work / "promise", "--halving", "4"), work / "cache")
    recipe = work / "promise" / "recipe.toml"
    words = ["train", "--config", str(recipe), "--seed", "1000", "--seeds", str(seeds), *BARE]
    seconds([*words, "--log-dir", str(work / "again")], work / "cache")
    (result,) = (work / "again").glob("*/*/result.json")
    scores = json.loads(result.read_text("utf-8"))["mean_reward"]
    found = read_file(recipe).recipe
    assert found is not None
    assert found.band is not None
    low, high = found.band
    inside = sum(low <= score <= high for score in scores)
    return (
        f"The recipe of a sweep with halving by 4 promises {low:g} to {high:g}. Of {seeds} further seeds **{inside}** "
        f"lie in that band; their scores: {spread(scores, '.0f')}, mean {statistics.mean(scores):.0f}."
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--configurations", type=int, default=64)
    arguments.add_argument("--runs", type=int, default=8, help="runs that are timed")
    arguments.add_argument("--kills", type=int, default=3)
    arguments.add_argument("--seeds", type=int, default=20, help="further seeds that train with the recipe")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sections = [
            speed(work, args.configurations, args.runs),
            killed(work, args.configurations, args.kills),
            promised(work, args.configurations, args.seeds),
        ]
    about = f"PPO on {ENV}, {args.configurations} configurations that differ in {', '.join(SPACE)}."
    publish(args.results, "sweep", "Sweeps", {}, [about, *sections])


if __name__ == "__main__":
    main()
