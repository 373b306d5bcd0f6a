"""RAM against the paper's tables: test errors over seeds, beside models that do not choose where to look.

    python bench/ram.py --work DIR [--only ram/cluttered:random ...] [--seeds 3] [--minutes N]
    python bench/ram.py --report

The first form trains, by `logpi train`, every model that has no outcome in `results/ram` yet, one after the other; a
run that was cut is resumed, so that the whole may be done in pieces. `--minutes` ends it after that time, at a
checkpoint, as Ctrl-C does. The last agent of each run is judged once on the 10,000 test digits. `--core N` keeps to
one core. What follows `--` is handed on to `logpi train`. The second form only writes the tables and pictures.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ram_tables import TASKS, report
from report import command_of, commit, machine, parser

from logpi.driver import devices
from logpi.runs.files import atomic_write

VARIANTS: dict[str, list[str]] = {
    "learned": [],
    "random": ["--location-policy", "random"],
    "conv": ["--algo", "classifier", "--net", "conv"],
    "fc": ["--algo", "classifier", "--net", "fc"],
    "grid": ["--location-policy", "grid"],
    "centre": ["--location-policy", "centre"],
}
PASSES = 10


def name_of(task: str, variant: str, seed: int) -> str:
    return f"{task.removeprefix('ram/')}-{variant}-{seed}"


def wanted(only: list[str] | None, seeds: range) -> Iterator[tuple[str, str, int]]:
    """(task, variant, seed) in the order of their weight."""
    first = [(task, "learned", seed) for seed in seeds for task in TASKS]
    rest = [(task, variant, seed) for variant in list(VARIANTS)[1:] for seed in seeds for task in TASKS]
    rest.sort(key=lambda one: one[:2] == ("ram/mnist", "random"))  # the issue is where digits are hard to find
    for task, variant, seed in first + rest:
        if only is None or task in only or f"{task}:{variant}" in only:
            yield task, variant, seed


def train(folder: Path, task: str, variant: str, seed: int, flags: list[str], until: float) -> Path | None:
    """Train or resume; the run's folder once it has finished, None where the time was up."""
    if found := list(folder.glob("*/*/result.json")):
        return found[0].parent
    # one that was killed before its first checkpoint has nothing to resume
    if begun := list(folder.glob("*/*/checkpoints/iteration_*")):
        command = ["resume", str(begun[0].parent.parent), "--quiet"]
    else:
        command = ["train", task, "--seed", str(seed), "--no-video", "--quiet", "--log-dir", str(folder)]
        command += [*VARIANTS[variant], *flags]
    print("$ logpi", *command, file=sys.stderr, flush=True)
    # in a session of its own: Ctrl-C is to reach it once, through us, since a second one would not let it save
    process = subprocess.Popen([sys.executable, "-m", "logpi", *command], start_new_session=True)
    try:
        process.wait(max(until - time.monotonic(), 1.0))
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            process.terminate()  # it saves, and says how to go on
            process.wait()
    if process.returncode:
        raise RuntimeError(f"logpi {' '.join(command)} ended with exit code {process.returncode}")
    return next(iter(folder.glob("*/*/result.json"))).parent


def seconds_of(run: Path) -> float:
    """Of training, over all the pieces of a run: each piece's clock and count of steps begin anew."""
    ends: dict[int, float] = {}
    for line in (run / "timing.jsonl").read_text().splitlines():
        row = json.loads(line)
        seconds = row["time/time_elapsed"]
        ends[round(row["time/total_timesteps"] - seconds * row["time/fps"])] = seconds
    return sum(ends.values())


def trained_at(git: dict[str, Any] | None) -> str:
    """The commit whose code trained, as `report.commit` writes it; that of now where the run does not say."""
    return commit() if git is None else git["commit"][:7] + ("-dirty" if git["dirty"] else "")


def judged(run: Path, task: str, variant: str, seed: int) -> dict[str, Any]:
    """The outcome of a finished run."""
    from logpi.ram.agent import load_image_agent
    from logpi.ram.evaluation import judge

    agent = load_image_agent(run / "last")
    one, sampled = (judge(agent, 10_000, PASSES, sampled=sampled) for sampled in (False, True))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    curve = [
        (row["time/total_timesteps"] / agent.config.steps_an_image, 1 - row["eval/mean_reward"])
        for row in rows
        if "eval/mean_reward" in row
    ]
    manifest = json.loads((run / "manifest.json").read_text())
    return {
        "task": task,
        "variant": variant,
        "seed": seed,
        "one_pass": one.one_pass,
        "averaged_mean_places": one.averaged,
        "averaged_sampled_places": sampled.averaged,
        "passes": one.passes,
        "after": one.after,
        "stopping": one.stopping,
        "images": curve[-1][0],
        "validation_curve": curve,
        "seconds": seconds_of(run),
        "cores": manifest["device"]["count"],
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": trained_at(manifest["git"]),
        "command": command_of(run),
        "settings": {name: agent.facts[name] for name in ("method", "network")},
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, metavar="DIR", help="run folders")
    arguments.add_argument("--report", action="store_true", help="train nothing")
    arguments.add_argument("--only", nargs="+", metavar="TASK[:VARIANT]")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--minutes", type=float, default=1e6)
    arguments.add_argument("--core", type=int, help="keep to this core")
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    args: argparse.Namespace = arguments.parse_args(own[:cut])
    if args.core is not None:
        os.sched_setaffinity(0, {args.core})
    if not args.report:
        if args.work is None:
            arguments.error("--work says where the run folders go")
        until = time.monotonic() + 60 * args.minutes
        devices.prepare()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a training is ended with us
        kept = args.results / "ram"
        for task, variant, seed in wanted(args.only, range(args.first_seed, args.first_seed + args.seeds)):
            name = name_of(task, variant, seed)
            if (kept / f"{name}.json").exists():
                continue
            if time.monotonic() >= until:
                break
            run = train(args.work.resolve() / name, task, variant, seed, own[cut + 1 :], until)
            if run is None:
                break
            kept.mkdir(parents=True, exist_ok=True)
            outcome = judged(run, task, variant, seed)
            atomic_write(kept / f"{name}.json", (json.dumps(outcome, indent=1) + "\n").encode())
    report(args.results)


if __name__ == "__main__":
    main()
