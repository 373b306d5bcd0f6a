"""From nothing to the page: how long does `logpi compare` take for four methods, three environments and 16 seeds?

    python bench/compare.py [--seeds 16] [--steps 200000] [--sb3 VENV/bin/python] [--work DIR]

Everything is in one command: imports, compilation with an empty cache, training, evaluation, bootstrap, figures, page.
With --sb3 one seed of one cell, PPO on CartPole-v1 with the settings of logpi's recipe and as many steps, is trained
by Stable-Baselines3, without any evaluation; its time for all seeds is that time their number. With --killed a smaller
comparison is killed while it trains, started again, and compared with one that nothing interrupted.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import BENCH, PEERS, answer, parser, publish, table, versions

from logpi.config.stored import recipe_for

ENVS, ALGOS = ("CartPole-v1", "Acrobot-v1", "Pendulum-v1"), ("reinforce", "actor_critic", "a2c", "ppo")
CELL = ("CartPole-v1", "ppo")  # that the peer trains too
SHARED = ("n_envs", "n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "learning_rate")  # its settings


def command(envs: Sequence[str], seeds: int, steps: int, out: Path) -> list[str]:
    words = ["compare", "--envs", *envs, "--algos", *ALGOS, "--seeds", str(seeds)]
    return [*words, "--set", f"total_timesteps={steps}", "--out", str(out)]


def started(words: list[str], cache: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(BENCH.parent), "LOGPI_CACHE": str(cache)}
    return subprocess.Popen([sys.executable, "-m", "logpi", *words], env=environment, stdout=sys.stderr)


def finished(words: list[str], cache: Path) -> None:
    if code := started(words, cache).wait():
        sys.exit(f"logpi {' '.join(words)}: exit code {code}")


def compared(words: list[str], out: Path, cache: Path) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """(seconds of the command, what comparison.json holds, what seconds.json holds)."""
    began = time.perf_counter()
    finished(words, cache)
    wall = time.perf_counter() - began
    facts, clock = (json.loads((out / name).read_text("utf-8")) for name in ("comparison.json", "seconds.json"))
    return wall, facts, clock


def under_way(out: Path) -> tuple[int, int]:
    """(runs that were begun, rows of metrics of the one that is trained now)."""
    runs = [path.parent for path in out.glob("runs/*/*/*/*/*/manifest.json")]
    files = [run / "metrics.jsonl" for run in runs if not (run / "result.json").exists()]
    return len(runs), max((len(file.read_bytes().splitlines()) for file in files if file.exists()), default=0)


def killed(work: Path, cache: Path) -> str:
    """A smaller comparison, and the same killed three times (SIGKILL) and started again: are its numbers the same?"""
    seeds, steps = 3, 50_000
    whole, cut = work / "whole", work / "cut"
    finished(command(ENVS[:2], seeds, steps, whole), cache)
    at = []
    for cells in (2, 4, 6):  # while the cell after so many is trained
        process = started(command(ENVS[:2], seeds, steps, cut), cache)
        while process.poll() is None:
            begun, rows = under_way(cut)
            if begun > cells and rows > 3:
                process.send_signal(signal.SIGKILL)
                process.wait()
                at.append(f"{begun} (row {rows})")
            time.sleep(0.005)
    finished(command(ENVS[:2], seeds, steps, cut), cache)
    files = ("comparison.json", "comparison.md")
    same = all((whole / name).read_bytes() == (cut / name).read_bytes() for name in files)
    return (
        f"A comparison of {len(ALGOS)} methods, 2 environments, {seeds} seeds and {steps:,} steps was killed (SIGKILL) "
        f"{len(at)} times, in runs {'; '.join(at)}, and started again each time: `comparison.json` and `comparison.md` "
        f"are **{'equal byte for byte' if same else 'NOT equal'}** to those of one that nothing interrupted."
    )


def rows_of(facts: dict[str, Any], clock: dict[str, Any]) -> list[list[object]]:
    """A row for each cell: IQM with its interval, and seconds of its run."""
    rows: list[list[object]] = []
    for env, methods in facts["per_environment"].items():
        for label, found in methods.items():
            iqm = found["iqm"]
            seconds = sum(run["seconds"] for run in clock["runs"][env][label])
            shown = f"{iqm['value']:.1f} ({iqm['low']:.1f} to {iqm['high']:.1f})"
            rows.append([env, label, found["n"], shown, f"{seconds:.1f}"])
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=16)
    arguments.add_argument("--steps", type=int, default=200_000)
    arguments.add_argument("--sb3", metavar="PYTHON", help="an interpreter with Stable-Baselines3; left out without it")
    arguments.add_argument(
        "--killed", action="store_true", help="also whether a killed comparison ends with its numbers"
    )
    arguments.add_argument("--work", type=Path, metavar="DIR", help="an empty folder that is kept")
    args = arguments.parse_args()
    software, lines = {}, []
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        words = command(ENVS, args.seeds, args.steps, work / "out")
        wall, facts, clock = compared(words, work / "out", work / "cache")
        kill = [killed(work, work / "cache")] if args.killed else []
    load = f"load average {os.getloadavg()[0]:.1f} at its end"
    lines.append(f"From nothing to the page: **{wall:.0f} s** ({load}). Verdict: {facts['verdict']}")
    lines.append(
        table(["environment", "method", "seeds", "IQM of final scores", "seconds, all seeds"], rows_of(facts, clock))
    )
    lines += kill
    if args.sb3:
        recipe = recipe_for(*CELL)
        assert recipe is not None
        settings = json.dumps({name: recipe.tables["method"][name] for name in SHARED})
        theirs = answer(args.sb3, PEERS / "sb3_cell.py", "--steps", args.steps, "--settings", settings)["seconds"]
        env, label = CELL
        ours = sum(run["seconds"] for run in clock["runs"][env][label])
        software["SB3"] = versions(args.sb3, ("stable-baselines3", "torch", "gymnasium"))
        lines.append(
            f"One cell, {label} on {env}: Stable-Baselines3 took {theirs:.1f} s for one seed without evaluation, so "
            f"{args.seeds * theirs:.0f} s for {args.seeds} one after the other; logpi {ours:.1f} s for all "
            f"{args.seeds}, compilation and evaluations included: **{args.seeds * theirs / ours:.0f} times** as fast."
        )
    lines += [f"`logpi {' '.join(words[:-1])} DIR`"]
    publish(args.results, "compare", "Comparison, from nothing to the page", software, lines)


if __name__ == "__main__":
    main()
