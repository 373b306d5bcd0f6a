"""Ctrl-C and SIGTERM at random moments of a run: how soon they are acknowledged and obeyed, and whether it goes on.

    python bench/stops.py [--moments 10] [--only CartPole-v1 go-9x9]
    python bench/stops.py --moments 0  # the table of what is kept

For each task, training is started in a process of its own, in turns with an empty compilation cache and with a full
one, and gets SIGINT or SIGTERM at a moment drawn uniformly from the first ``--within`` seconds, imports and compilation
included. A run that had begun is then resumed until it says where it resumes. Wanted: acknowledged within 1 s, obeyed
within 5 s, and resumable each time. Every stop is kept at once in ``stops.jsonl`` beside the table, with the commit and
the load average of that moment; the table is of all that is kept, so that an interrupted measurement goes on.
"""

import argparse
import json
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from report import commit, parser, publish, spread, table

from logpi.training.signals import EARLY, FIRST

TASKS = ("CartPole-v1", "LunarLander-v3", "ram/mnist", "connect-four", "go-9x9")
ACKNOWLEDGED, OBEYED = 1.0, 5.0  # seconds
KEPT = "stops.jsonl"
PATIENCE = 100.0  # seconds until a process that does not end is killed
LONG = {"CartPole-v1": ("--total-timesteps", "5e7"), "LunarLander-v3": ("--total-timesteps", "1e7")}


class Stopped(NamedTuple):
    """One signal and what came of it."""

    after: float  # seconds from the start of the process to the signal
    acknowledged: float | None  # seconds from the signal to its acknowledgement; None where there was none
    obeyed: float  # seconds from the signal to the end of the process
    code: int
    resumed: bool | None  # None where no run had begun
    commit: str
    load: float | None  # average of the last minute, when the signal was sent


def lines_of(process: subprocess.Popen[str]) -> "queue.Queue[tuple[float, str]]":
    """The lines that a process prints, each with its time, as they come."""
    found: queue.Queue[tuple[float, str]] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            found.put((time.perf_counter(), line))

    threading.Thread(target=read, daemon=True).start()
    return found


def started(cache: Path, *words: str) -> subprocess.Popen[str]:
    """``logpi`` in a process of its own."""
    environment = {**os.environ, "LOGPI_CACHE": str(cache), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "logpi", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def resumes(run: Path, cache: Path) -> bool:
    """Whether a run goes on from its checkpoint."""
    process = started(cache, "resume", str(run))
    found, until = lines_of(process), time.perf_counter() + 300
    try:
        while time.perf_counter() < until and (process.poll() is None or not found.empty()):
            try:
                if "resuming at" in found.get(timeout=1)[1]:
                    return True
            except queue.Empty:
                continue
        return False
    finally:
        process.kill()
        process.wait()


def stop(task: str, number: int, after: float, scratch: Path, cache: Path) -> Stopped:
    """Train ``task``, and send signal ``number`` after some seconds."""
    logs = scratch / "runs"
    process = started(cache, "train", task, "--log-dir", str(logs), "--no-video", *LONG.get(task, ()))
    found = lines_of(process)
    time.sleep(after)
    load, sent = os.getloadavg()[0], time.perf_counter()
    process.send_signal(number)
    try:
        code = process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:  # which the table shows
        process.kill()
        code = process.wait()
    ended = time.perf_counter()
    time.sleep(0.1)
    told = [when for when, line in list(found.queue) if FIRST in line or EARLY in line]
    runs = [card.parent for card in logs.glob("*/*/config.toml")]
    resumed = resumes(runs[0], cache) if runs else None
    return Stopped(after, told[0] - sent if told else None, ended - sent, code, resumed, commit(), load)


def good(stopped: Stopped) -> bool:
    """Whether a stop was as wanted; a process that still imports ends without a word."""
    if stopped.acknowledged is None:
        return stopped.resumed is None and stopped.obeyed <= ACKNOWLEDGED
    quick = stopped.acknowledged <= ACKNOWLEDGED and stopped.obeyed <= OBEYED
    return quick and stopped.resumed is not False


def row(task: str, stops: list[Stopped]) -> list[object]:
    """The table's line of a task."""
    told = [s.acknowledged for s in stops if s.acknowledged is not None]
    begun = [s for s in stops if s.resumed is not None]
    return [
        task,
        len(stops),
        spread(told, ".2f") if told else "none",
        spread([s.obeyed for s in stops], ".2f"),
        f"{sum(s.resumed is True for s in begun)} of {len(begun)}",
        f"{sum(map(good, stops))} of {len(stops)}",
        spread(loads, ".0f") if (loads := [s.load for s in stops if s.load is not None]) else "not kept",
        ", ".join(sorted({s.commit for s in stops})),
    ]


def measure(task: str, args: argparse.Namespace, chance: random.Random) -> None:
    """Stop a task's runs, and keep what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        for k in range(args.moments):
            place = Path(scratch) / str(k)
            cache = place / "cache" if k % 2 == 0 else Path(scratch) / "cache"
            number = (signal.SIGINT, signal.SIGTERM)[k // 2 % 2]
            found = stop(task, number, chance.uniform(0, args.within), place, cache)
            print(task, found, file=sys.stderr, flush=True)
            with (args.results / KEPT).open("a") as file:
                file.write(json.dumps({"task": task, **found._asdict()}) + "\n")


def kept(file: Path) -> dict[str, list[Stopped]]:
    """The stops in a file, by task."""
    found: dict[str, list[Stopped]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        facts = json.loads(line)
        found.setdefault(facts.pop("task"), []).append(Stopped(**facts))
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--moments", type=int, default=10, help="of each task")
    arguments.add_argument("--within", type=float, default=40.0, help="seconds from the start")
    arguments.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments.add_argument("--only", nargs="+", choices=TASKS, metavar="TASK", default=TASKS)
    args = arguments.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and their children, ignore it
    args.results.mkdir(parents=True, exist_ok=True)
    chance = random.Random(args.seed)
    for task in args.only:
        measure(task, args, chance)
    found = kept(args.results / KEPT)
    header = ["task", "signals", "s to the acknowledgement", "s to the end", "resumed, of those begun", "as wanted"]
    header += ["load", "commits"]
    about = (
        "Medians (least to greatest). Load: average of the last minute, on two cores. As wanted: acknowledged within "
        "1 s, ended within 5 s, and resumable; a process that does not hear signals yet ends within 1 s without a "
        "word, and one that still compiles has nothing to resume."
    )
    publish(args.results, "stops", "Stops", {}, [table(header, [row(*pair) for pair in found.items()]), about])
    if not all(good(s) for stops in found.values() for s in stops):
        sys.exit(1)


if __name__ == "__main__":
    main()
