"""How well the recipes learn: greedy returns on the Gymnasium environment, over seeds, with their cost.

    python bench/learning.py --work DIR [--only CartPole-v1:ppo Acrobot-v1 ...] [--skip LunarLander-v3 ...]

Trains each recipe (device environments: all seeds in one program; host environments: one run a seed) by `logpi train`,
then plays 100 greedy episodes with each seed's last agent. Each run's outcome is kept as JSON in DIR, where a second
start finds it: what is finished is not trained again. What follows `--` is handed on to `logpi train`.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from report import commit, parser, publish, table

from logpi.api import evaluate
from logpi.config.stored import recipe_for
from logpi.control.agent import load_agent
from logpi.driver import devices
from logpi.envs.make import DEVICE
from logpi.runs.scores import interval


class Subject(NamedTuple):
    """What a table is about."""

    name: str  # of its file
    title: str
    recipes: Mapping[str, Sequence[str]]  # ENV:ALGO, or ENV:ALGO:VARIANT -> flags of the variant
    targets: Mapping[str, float]  # ENV -> the mean that is wanted
    seeds: int = 10  # of a device environment


POLICY_GRADIENTS = Subject(
    "learning",
    "Learning",
    dict.fromkeys(
        [
            *(f"CartPole-v1:{algo}" for algo in ("reinforce", "actor_critic", "a2c", "ppo")),
            *(f"{env}:ppo" for env in ("Acrobot-v1", "Pendulum-v1", "MountainCarContinuous-v0", "MountainCar-v0")),
            "LunarLander-v3:ppo",
        ],
        (),
    ),
    {
        "CartPole-v1": 475,
        "Acrobot-v1": -85,
        "Pendulum-v1": -200,
        "MountainCarContinuous-v0": 90,
        "LunarLander-v3": 200,
    },
)
FIRST_EPISODE = 5_000_000  # seeds of the environments that the agents are judged in; no run trains on these
HEADER = [
    *("environment", "algorithm", "seeds", "mean return, 95 % interval", "lowest seed", "wanted", "met"),
    *("steps a seed", "seconds", "seconds a seed"),
]


def train(recipe: str, seeds: range, work: Path, flags: list[str], episodes: int) -> dict[str, Any]:
    """Train ``seeds`` in one run and judge each seed's last agent."""
    env, algo, *_ = recipe.split(":")
    logs = work / "runs" / f"{recipe.replace(':', '_')}_{seeds.start}"
    shutil.rmtree(logs, ignore_errors=True)
    command = [sys.executable, "-m", "logpi", "train", env, "--algo", algo, "--quiet", "--no-video"]
    command += ["--seed", str(seeds.start), "--seeds", str(len(seeds)), "--log-dir", str(logs)]
    began = time.perf_counter()
    subprocess.run([*command, *flags], check=True)
    wall = time.perf_counter() - began
    run = next(logs.glob("*/*/result.json")).parent
    lines = (run / "timing.jsonl").read_text(encoding="utf-8").splitlines()
    folders = [run / "last" / f"seed_{seed}" for seed in seeds] if len(seeds) > 1 else [run / "last"]
    played = [
        evaluate(load_agent(folder), episodes, seed=FIRST_EPISODE + 1000 * seed).facts
        for seed, folder in zip(seeds, folders, strict=True)
    ]
    assert all(p["on"] == "Gymnasium" for p in played) or env not in gymnasium.registry
    return {
        "recipe": recipe,
        "env": env,
        "algo": algo,
        "seeds": list(seeds),
        "mean_reward": [p["mean_reward"] for p in played],
        "std_reward": [p["std_reward"] for p in played],
        "episodes": episodes,
        "timesteps": json.loads((run / "result.json").read_text(encoding="utf-8"))["timesteps"],
        "training_seconds": json.loads(lines[-1])["time/time_elapsed"],
        "process_seconds": wall,
        "commit": commit(),
    }


def finished(work: Path) -> list[dict[str, Any]]:
    """The outcomes so far."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(work.glob("*.json"))]


def recipe_of(outcome: dict[str, Any]) -> str:
    """ENV:ALGO, or ENV:ALGO:VARIANT."""
    return outcome.get("recipe", f"{outcome['env']}:{outcome['algo']}")


def row(subject: Subject, outcomes: list[dict[str, Any]]) -> list[object]:
    """The table's row of all the runs of one recipe."""
    env, *algo = recipe_of(outcomes[0]).split(":")
    scores = np.array([score for outcome in outcomes for score in outcome["mean_reward"]])
    mean, half = (float(x[0]) for x in interval(scores[:, None]))
    seconds = sum(outcome["training_seconds"] for outcome in outcomes)
    wanted = subject.targets.get(env)
    return [
        *(env, ", ".join(algo), len(scores), f"{mean:.1f} ± {half:.1f}", f"{scores.min():.1f}"),
        *(("", "") if wanted is None else (wanted, "yes" if mean >= wanted else "NO")),
        f"{statistics.median(outcome['timesteps'] for outcome in outcomes):,.0f}",
        *(f"{seconds:.1f}", f"{seconds / len(scores):.1f}"),
    ]


def chosen(subject: Subject, only: list[str] | None, skip: list[str]) -> list[str]:
    """The recipes asked for, each as ENV:ALGO or ENV:ALGO:VARIANT."""
    more = [name for name in only or [] if ":" in name and name not in subject.recipes]
    names = [r for r in [*subject.recipes, *more] if only is None or r in only or r.split(":")[0] in only]
    return [r for r in names if r not in skip and r.split(":")[0] not in skip]


def train_missing(subject: Subject, args: argparse.Namespace, flags: list[str]) -> list[str]:
    """Train what is not in ``args.work`` yet; returns what went wrong, in words."""
    problems = []
    for recipe in chosen(subject, args.only, args.skip):
        env, algo, *_ = recipe.split(":")
        if recipe_for(env, algo) is None:
            problems.append(f"{recipe}: there is no such recipe.")
            continue
        groups = [range(args.seeds)] if env in DEVICE else [range(k, k + 1) for k in range(args.host_seeds)]
        for seeds in groups:
            path = args.work / f"{recipe.replace(':', '_')}_{seeds.start}.json"
            if path.exists():
                continue
            print(f"training {recipe}, seeds {seeds.start} to {seeds.stop - 1}", file=sys.stderr, flush=True)
            try:
                variant = [*subject.recipes.get(recipe, ()), *flags]
                outcome = train(recipe, seeds, args.work, variant, args.episodes)
            except subprocess.CalledProcessError as error:
                problems.append(f"{recipe}, seed {seeds.start}: training ended with exit code {error.returncode}.")
            else:
                path.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    return problems


def main(subject: Subject = POLICY_GRADIENTS, doc: str | None = __doc__) -> None:
    arguments = parser(doc)
    arguments.add_argument("--work", type=Path, required=True, metavar="DIR", help="outcomes so far, and run folders")
    arguments.add_argument("--only", nargs="+", metavar="ENV[:ALGO]")
    arguments.add_argument("--skip", nargs="+", default=[], metavar="ENV[:ALGO]")
    arguments.add_argument("--seeds", type=int, default=subject.seeds, help="of a device environment, in one run")
    arguments.add_argument("--host-seeds", type=int, default=5, help="of a host environment, one run each")
    arguments.add_argument("--episodes", type=int, default=100)
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    args, flags = arguments.parse_args(own[:cut]), own[cut + 1 :]
    devices.prepare()
    args.work.mkdir(parents=True, exist_ok=True)
    problems = train_missing(subject, args, flags)
    outcomes = finished(args.work)
    groups: dict[str, list[dict[str, Any]]] = {}
    for outcome in outcomes:
        groups.setdefault(recipe_of(outcome), []).append(outcome)
    known = list(subject.recipes)
    order = sorted(groups, key=lambda r: (known.index(r) if r in known else len(known), r))
    rows = [row(subject, groups[recipe]) for recipe in order]
    about = (
        f"The last agent of each seed, {args.episodes} greedy episodes of the Gymnasium environment (the device's, "
        "where there is none), on seeds that no training used. The interval is Student's, of the mean over seeds. "
        "Seconds are the training run's, from its start to its last row, with compilation, periodic evaluation and "
        "checkpoints: all seeds of a device "
        "environment in one run, those of a host environment in one run each, added up. "
        f"Trained at commit {', '.join(sorted({o['commit'] for o in outcomes}))}."
    )
    publish(args.results, subject.name, subject.title, {}, [table(HEADER, rows), about, *problems])
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
