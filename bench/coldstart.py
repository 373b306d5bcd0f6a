"""From a cold start to a solved, saved agent: `logpi train CartPole-v1` against Stable-Baselines3.

    python bench/coldstart.py --sb3-python PATH [--repeats 5]

For each seed in turn: `logpi train` with an empty compilation cache, the same again with the cache that this left, and
the peer with one torch thread and with torch's default. The clock starts before the process does, and stops when the
run folder holds an agent that scored 475 or more on 100 evaluation episodes. That very agent is then played for 100
other episodes of the Gymnasium environment, off the clock.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import PEERS, answer, parser, publish, spread, table, versions

from logpi.api import evaluate
from logpi.control.agent import load_agent
from logpi.driver import devices

SOLVED = 475.0
POLL = 0.01  # seconds
OTHER_EPISODES = 7_000_000  # seed of the first of those that confirm


def keep_solved(logs: Path, copy: Path) -> bool:
    """Whether a run under ``logs`` has saved a solved agent; if so it is copied, before a better one replaces it."""
    for card in logs.glob("*/*/best/agent.json"):
        if json.loads(card.read_text(encoding="utf-8"))["eval/mean_reward"] >= SOLVED:
            copy.mkdir(exist_ok=True)
            weights, facts = (Path(shutil.copy2(card.with_name(n), copy)) for n in ("agent.safetensors", "agent.json"))
            # the weights are saved first: newer ones than the card belong to the next agent
            return weights.stat().st_mtime_ns <= facts.stat().st_mtime_ns
    return False


def start(seed: int, cache: Path, scratch: Path) -> dict[str, Any]:
    """One `logpi train CartPole-v1`: seconds until its solved agent is saved and until it exits, and confirmation."""
    logs, copy = scratch / "runs", scratch / "solved"
    command = [
        sys.executable,
        "-m",
        "logpi",
        "train",
        "CartPole-v1",
        "--eval-episodes",
        "100",
        "--eval-points",
        "20",
        "--quiet",
    ]
    command += ["--seed", str(seed), "--log-dir", str(logs)]
    saved = math.inf
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "LOGPI_CACHE": str(cache)})
    running = True
    while running:
        running = process.poll() is None
        if saved == math.inf and keep_solved(logs, copy):
            saved = time.perf_counter() - began
        time.sleep(POLL)
    ended = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"logpi train ended with exit code {process.returncode}")
    facts: dict[str, Any] = {"saved": saved, "exit": ended, "score": math.nan, "steps": math.nan}
    if saved < math.inf:
        agent = load_agent(copy)
        score = evaluate(agent, 100, seed=OTHER_EPISODES + 1000 * seed).facts["mean_reward"]
        facts |= {"score": score, "steps": agent.facts["timesteps"]}
    print(f"seed {seed}: {facts}", file=sys.stderr, flush=True)
    return facts


def peer(python: str, seed: int, threads: int) -> dict[str, Any]:
    """One run of the peer."""
    began = time.perf_counter()
    result = answer(python, PEERS / "sb3_cartpole.py", "--seed", seed, "--threads", threads)
    ended = time.perf_counter() - began
    saved = result["seconds_total"] if result["solved"] else math.inf
    facts = {"saved": saved, "exit": ended, "score": result["score"], "steps": result["timesteps"]}
    print(f"seed {seed}: {facts}", file=sys.stderr, flush=True)
    return facts


def measure(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Every contestant's facts, seed by seed."""
    cold, warm, one, default = names = (
        "logpi, empty cache",
        "logpi, second start",
        "SB3, one torch thread",
        "SB3, torch's default",
    )
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(args.repeats):
        with tempfile.TemporaryDirectory() as scratch:
            cache = Path(scratch) / "cache"
            found[cold].append(start(seed, cache, Path(scratch) / "cold"))
            if args.sb3_python:
                found[one].append(peer(args.sb3_python, seed, 1))
            found[warm].append(start(seed, cache, Path(scratch) / "warm"))
            if args.sb3_python:
                found[default].append(peer(args.sb3_python, seed, 0))
    return {name: facts for name, facts in found.items() if facts}


def judge(found: dict[str, list[dict[str, Any]]]) -> str:
    """What acceptance asks, and what was measured."""
    seconds = [statistics.median(f["saved"] for f in facts) for facts in found.values()]
    cold, warm = seconds[:2]
    lines = [
        f"- empty cache, at most 12 s: {cold:.2f} s",
        f"- second start, at most 6 s: {warm:.2f} s",
    ]
    if seconds[2:]:
        lines.append(f"- empty cache / faster setting of SB3, at most 0.5: {cold / min(seconds[2:]):.3f}")
    return "\n".join(lines)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sb3-python", metavar="PATH", help="interpreter with the peer; left out without it")
    arguments.add_argument("--repeats", type=int, default=5, help="seeds")
    args = arguments.parse_args()
    devices.prepare()
    found = measure(args)
    rows = [
        [
            name,
            spread([f["saved"] for f in facts]),
            spread([f["exit"] for f in facts]),
            spread([f["steps"] for f in facts], ",.0f"),
            f"{sum(f['saved'] < math.inf for f in facts)} of {len(facts)}",
            spread([f["score"] for f in facts], ".1f"),
        ]
        for name, facts in found.items()
    ]
    header = ["", "s to the saved, solved agent", "s to the end of the process", "steps", "solved", "score"]
    about = (
        "Median (least to greatest). Solved: 475 or more in mean over 100 greedy evaluation episodes. logpi's score is "
        "of the same agent on 100 other episodes of the Gymnasium environment; SB3's is of the 100 episodes that "
        "confirmed a screening on 20. logpi trains on to its end, draws its curve and films its agent before it exits; "
        "SB3 stops once solved. SB3's seconds to the saved agent leave out its interpreter's start and end."
    )
    software = {}
    if args.sb3_python:
        software["SB3"] = versions(args.sb3_python, ("stable-baselines3", "torch", "gymnasium"))
    publish(args.results, "coldstart", "Cold start", software, [table(header, rows), judge(found), about])


if __name__ == "__main__":
    main()
