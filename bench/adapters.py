"""Does an environment of each other package train to its score?

    python bench/adapters.py --work DIR [--only gymnax brax ...] [--seeds 3]

Trains each by `logpi train`, one run of all seeds on the device and one run a seed on the host, and evaluates each
seed's last agent in 100 greedy episodes. The clone learns from 20 recorded episodes of the agent of CartPole-v1 that
comes with logpi. What DIR holds is not trained again. The extras are wanted: pip install -e
'.[gymnax,brax,playground,pettingzoo,minari]', and mpe2.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from report import commit, parser, publish, table

from logpi.api import evaluate
from logpi.driver import devices
from logpi.runs.scores import interval

DATA = "cartpole/expert-v0"


class Case(NamedTuple):
    """One training."""

    package: str
    env: str
    algo: str
    wanted: float
    flags: tuple[str, ...] = ()
    together: bool = True  # whether all seeds train in one run


CASES = (
    Case("gymnax", "gymnax:CartPole-v1", "ppo", 475, ("--total-timesteps", "200000", "--lr-schedule", "linear")),
    Case(
        "brax",
        "brax:inverted_pendulum",
        "ppo",
        900,
        (
            *("--env-kwargs", "backend=spring", "--total-timesteps", "300000", "--n-envs", "16", "--n-steps", "64"),
            *("--learning-rate", "1e-3", "--lr-schedule", "linear", "--normalize-obs"),
        ),
    ),
    Case(
        "playground",
        "playground:CartpoleBalance",
        "ppo",
        900,
        (
            *("--total-timesteps", "300000", "--n-envs", "32", "--n-steps", "64", "--normalize-obs"),
            *("--learning-rate", "1e-3", "--lr-schedule", "linear"),
        ),
    ),
    Case(
        "pettingzoo",
        "mpe2.simple_spread_v3:parallel_env",
        "ppo",
        -75,
        (
            *("--total-timesteps", "600000", "--n-envs", "24", "--n-steps", "100", "--batch-size", "400"),
            *("--n-epochs", "8", "--learning-rate", "1e-3", "--lr-schedule", "linear", "--ent-coef", "0.01"),
        ),
        together=False,
    ),
    Case("minari", "CartPole-v1", "bc", 475, ("--dataset", DATA)),
)


def judged(case: Case, seeds: range, work: Path) -> dict[str, Any]:
    """Train these seeds in one run and judge each one's last agent."""
    path = work / f"{case.package}_{seeds.start}.json"
    if path.exists():
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read
    logs = work / "runs" / path.stem
    shutil.rmtree(logs, ignore_errors=True)
    command = [sys.executable, "-m", "logpi", "train", case.env, "--algo", case.algo, "--quiet", "--no-video"]
    command += ["--seed", str(seeds.start), "--seeds", str(len(seeds)), "--log-dir", str(logs), *case.flags]
    subprocess.run(command, check=True)
    run = next(logs.glob("*/*/result.json")).parent
    folders = [run / "last" / f"seed_{seed}" for seed in seeds] if len(seeds) > 1 else [run / "last"]
    last = (run / "timing.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    found = {
        "scores": [evaluate(folder, 100).score for folder in folders],
        "seconds": json.loads(last)["time/time_elapsed"],
        "timesteps": json.loads((run / "result.json").read_text(encoding="utf-8"))["timesteps"],
        "commit": commit(),
    }
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def row(case: Case, number: int, work: Path) -> list[object]:
    """The table's row of one case."""
    groups = [range(number)] if case.together else [range(k, k + 1) for k in range(number)]
    found = [judged(case, seeds, work) for seeds in groups]
    scores = [score for each in found for score in each["scores"]]
    mean, half = (float(x[0]) for x in interval(np.array(scores)[:, None]))
    seconds = sum(each["seconds"] for each in found)
    cells = [f"{mean:.1f} ± {half:.1f}", f"{min(scores):.1f}", case.wanted, "yes" if mean >= case.wanted else "NO"]
    return [case.env, case.algo, number, *cells, f"{found[0]['timesteps']:,.0f}", f"{seconds:.0f}"]


def recorded(work: Path) -> None:
    """The expert's episodes, where they are not there yet."""
    os.environ["MINARI_DATASETS_PATH"] = str((work / "sets").resolve())
    if not (work / "sets" / DATA).exists():
        evaluate("CartPole-v1", 20, record=DATA)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, required=True, metavar="DIR", help="outcomes so far, and run folders")
    arguments.add_argument("--only", nargs="+", default=[c.package for c in CASES], choices=[c.package for c in CASES])
    arguments.add_argument("--seeds", type=int, default=3)
    args = arguments.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    devices.prepare()
    if "minari" in args.only:
        recorded(args.work)
    rows = [row(case, args.seeds, args.work) for case in CASES if case.package in args.only]
    header = ["environment", "algorithm", "seeds", "mean return, 95 % interval", "lowest seed", "wanted", "met"]
    about = (
        "The last agent of each seed, 100 greedy episodes. The interval is Student's, of the mean over seeds. Seconds "
        "are of training, all seeds together. Of several agents the return is the mean of one."
    )
    body = [table([*header, "steps a seed", "seconds"], rows), about]
    publish(args.results, "adapters", "Environments of other packages", {}, body)


if __name__ == "__main__":
    main()
