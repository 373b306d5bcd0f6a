"""What each choice of self-play is worth in Connect Four at equal minutes, by a perfect solver's labels.

    python bench/selfplay_choices.py --work DIR [--minutes 3] [--seeds 3] [--only base puct …]

Each variant trains for the same time on one core, at a constant learning rate, and its last agent is judged on the
3,095 validation positions with 64 simulations a move. Outcomes are kept as JSON in DIR: a second start goes on.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from report import parser, publish, table

from logpi.driver import devices
from logpi.runs.scores import interval

VARIANTS: dict[str, tuple[str, list[str]]] = {
    "base": ("the recipe at 16 simulations", []),
    "simulations 32": ("twice the simulations", ["--simulations", "32"]),
    "paper's scale": ("σ of values from -1 to 1, c_scale 1", ["--no-rescale-values", "--c-scale", "1"]),
    "paper's scale, 0.3": ("the same, c_scale 0.3", ["--no-rescale-values", "--c-scale", "0.3"]),
    "puct": ("PUCT with noise and temperature", ["--search", "puct"]),
    "puct, forced": ("and forced playouts, k = 2, pruned", ["--search", "puct", "--forced-playouts-k", "2"]),
    "playout cap": (
        "three moves of four with 8 simulations, not learnt from; the others with 32",
        ["--simulations", "32", "--playout-cap-simulations", "8", "--playout-cap-probability", "0.75"],
    ),
    "outcome": ("λ = 1: the outcome alone is the value's target", ["--td-lambda", "1"]),
    "lambda 0.9": ("λ = 0.9", ["--td-lambda", "0.9"]),
    "no openings": ("all games from the empty board", ["--random-opening-fraction", "0"]),
    "no straying": ("the search's moves are always made", ["--random-move-fraction", "0"]),
    "no symmetries": ("without the mirror", ["--no-symmetries"]),
    "reuse 2": ("each move learnt from twice, not four times", ["--replay-ratio", "2"]),
    "resign": ("resignation below -0.95", ["--resign-threshold", "0.95"]),
    "evaluator": (
        "AlphaGo Zero: PUCT, outcomes, a gate of 55 %",
        [
            *["--algo", "alphago_zero", "--units", "384", "--n-games", "512", "--replay-size", "8e5"],
            *[
                "--random-opening-fraction",
                "0.5",
                "--random-opening-plies",
                "14",
                "--random-move-fraction",
                "0.1",
                "--random-move-plies",
                "20",
            ],
        ],
    ),
}
COMMON = [  # for a run that is ended by the clock
    "--final-learning-rate",
    "2e-3",
    "--total-timesteps",
    "1e8",
    "--eval-points",
    "0",
    "--checkpoint-points",
    "100",
    "--log-points",
    "12000",
    "--no-video",
    "--no-tensorboard",
    "--quiet",
]
EVALUATED = """
import json, sys
from logpi.driver import devices
devices.prepare()
from logpi.games.evaluation.evaluators import evaluate
from logpi.games.evaluation.judges import evaluators_of
from logpi.games.agent import load_game_agent
import jax, numpy as np
from pathlib import Path
agent = load_game_agent(Path(sys.argv[1]))
judge = evaluators_of(agent.game, agent.config, agent.think).validation
score = jax.jit(lambda params, cases, key: evaluate(judge, params, cases, key))
size = 256
scores = [score(agent.params, judge.group(n, 1), jax.random.key(n)) for n in range(-(-judge.cases // size))]
print(json.dumps(float(np.concatenate(scores)[: judge.cases].mean())))
"""


def trained(game: str, folder: Path, flags: list[str], seed: int, minutes: float) -> tuple[Path, dict[str, Any]]:
    """Train for the time given: the run's folder, and the last of its numbers. ``folder`` is begun anew."""
    shutil.rmtree(folder, ignore_errors=True)  # an attempt that was cut off
    command = [sys.executable, "-m", "logpi", "train", game, *COMMON, *flags]
    process = subprocess.Popen([*command, "--seed", str(seed), "--log-dir", str(folder)], start_new_session=True)
    while not (rows := list(folder.glob("*/*/timing.jsonl"))) or not rows[0].stat().st_size:
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
        time.sleep(0.2)
    time.sleep(60 * minutes)  # the compilation before the first row does not count
    if process.poll() is not None:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode} before its time")
    process.terminate()  # it saves, and says how to go on
    process.wait()
    run = rows[0].parent
    return run, json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])


def judged(folder: Path, flags: list[str], seed: int, minutes: float) -> dict[str, Any]:
    """Train, and judge."""
    run, last = trained("connect-four", folder, ["--simulations", "16", *flags], seed, minutes)
    done = subprocess.run(
        [sys.executable, "-c", EVALUATED, str(run / "last")], capture_output=True, text=True, check=True
    )
    return {"share": json.loads(done.stdout), "moves": last["time/total_timesteps"], "last": last}


def file_name(variant: str) -> str:
    return "".join(c if c.isalnum() or c == "." else "-" for c in variant)


def choices_parser(doc: str | None, variants: Iterable[str], minutes: float, seeds: int) -> argparse.ArgumentParser:
    """What is asked of a comparison of ``variants`` at equal minutes."""
    made = parser(doc)
    made.add_argument("--work", type=Path, required=True, metavar="DIR")
    made.add_argument("--minutes", type=float, default=minutes)
    made.add_argument("--seeds", type=int, default=seeds)
    made.add_argument("--only", nargs="+", choices=list(variants), default=list(variants))
    made.add_argument("--core", type=int, default=0)
    return made


def on_one_core(core: int) -> None:
    """This process, and what it starts."""
    os.sched_setaffinity(0, {core})
    os.environ["JAX_NUM_CPU_DEVICES"] = "1"
    devices.prepare()


def main() -> None:
    args = choices_parser(__doc__, VARIANTS, minutes=3.0, seeds=3).parse_args()
    on_one_core(args.core)
    rows = []
    for name in args.only:
        about, flags = VARIANTS[name]
        outcomes = []
        for seed in range(args.seeds):
            kept = args.work / f"{file_name(name)}-{args.minutes:g}-{seed}.json"
            if not kept.exists():
                outcome = judged(kept.with_suffix(""), flags, seed, args.minutes)
                kept.write_text(json.dumps(outcome))
            outcomes.append(json.loads(kept.read_text()))
        share = np.array([[100 * o["share"]] for o in outcomes])
        mean, half = interval(share) if len(share) > 1 else (share[0], np.array([np.nan]))
        moves = np.mean([o["moves"] for o in outcomes])
        wrong = np.mean([o["last"]["self_play/false_resignation_rate"] for o in outcomes])
        rows.append(
            [
                name,
                about,
                f"{moves:,.0f}",
                f"{mean[0]:.2f} ± {half[0]:.2f}",
                f"{100 * wrong:.1f}" if "resign" in name else "",
            ]
        )
    header = ["variant", "what it changes", "moves", "value-keeping %", "wrongly resigned %"]
    title = f"Choices of self-play: Connect Four, {args.minutes:g} minutes of one core, {args.seeds} seeds"
    publish(args.results, "selfplay_choices", title, {}, [table(header, rows)])


if __name__ == "__main__":
    main()
