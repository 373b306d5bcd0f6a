"""Tabular Q-learning against dynamic programming, in Gymnasium's toy texts, whose transitions are known.

    python bench/q_tables.py --work DIR [--only FrozenLake-v1 ...] [--seeds 10]

Trains the recipes by `logpi train`, one run a seed. The greedy policy of each last agent's table is then evaluated
exactly, by solving the linear equations of its value, and so is the best policy, by policy iteration. Wanted: the
difference of their values, each the mean over the first states, is at most 1e-6. What DIR holds is not trained again.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from report import commit, parser, publish, table

from logpi.config.stored import recipe_for
from logpi.driver import devices

ENVIRONMENTS = ("FrozenLake-v1", "Taxi-v4", "CliffWalking-v1")
WANTED = 1e-6
Matrix = NDArray[np.float64]


def model(env: str) -> tuple[Matrix, Matrix, Matrix]:
    """(chance [S, A, S] of each next state from which the episode goes on, mean reward [S, A], first states [S])."""
    made: Any = gymnasium.make(env).unwrapped
    states, actions = int(made.observation_space.n), int(made.action_space.n)
    move, reward = np.zeros((states, actions, states)), np.zeros((states, actions))
    for s in range(states):
        for a in range(actions):
            for chance, following, earned, terminated in made.P[s][a]:
                reward[s, a] += chance * earned
                move[s, a, following] += chance * (not terminated)
    return move, reward, np.asarray(made.initial_state_distrib, np.float64)


def value_of(policy: NDArray[np.int64], move: Matrix, reward: Matrix, gamma: float) -> Matrix:
    """V [S] of a deterministic policy [S]."""
    states = np.arange(len(policy))
    return np.linalg.solve(np.eye(len(policy)) - gamma * move[states, policy], reward[states, policy])


def best(move: Matrix, reward: Matrix, gamma: float) -> Matrix:
    """V* [S] by policy iteration."""
    policy = np.zeros(len(move), np.int64)
    while True:
        q = reward + gamma * move @ value_of(policy, move, reward, gamma)
        better = q.max(1) > q[np.arange(len(policy)), policy] + 1e-10
        if not better.any():
            return value_of(policy, move, reward, gamma)
        policy = np.where(better, q.argmax(1), policy)


def trained(env: str, seed: int, work: Path) -> Matrix:
    """The table [S, A] of a run's last agent."""
    from safetensors.numpy import load_file

    logs = work / "runs" / f"{env}_{seed}"
    shutil.rmtree(logs, ignore_errors=True)
    command = [sys.executable, "-m", "logpi", "train", env, "--algo", "q_learning", "--quiet", "--no-video"]
    command += ["--no-tensorboard", "--eval-points", "0", "--checkpoint-points", "0"]
    subprocess.run([*command, "--seed", str(seed), "--log-dir", str(logs)], check=True)
    (q,) = load_file(next(logs.glob("*/*/last/agent.safetensors"))).values()
    return np.asarray(q, np.float64)


def judged(env: str, seed: int, work: Path) -> dict[str, Any]:
    """How far the greedy policy of one seed is from the best one."""
    path = work / f"{env}_q_learning_{seed}.json"
    if not path.exists():
        recipe = recipe_for(env, "q_learning")
        assert recipe is not None
        gamma = recipe.tables["method"]["gamma"]
        move, reward, first = model(env)
        ours = value_of(trained(env, seed, work).argmax(1), move, reward, gamma)
        values = {"value": float(first @ ours), "best": float(first @ best(move, reward, gamma))}
        found = {"env": env, "seed": seed, "gamma": gamma, **values, "commit": commit()}
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, required=True, metavar="DIR", help="outcomes so far, and run folders")
    arguments.add_argument("--only", nargs="+", default=ENVIRONMENTS, choices=ENVIRONMENTS)
    arguments.add_argument("--seeds", type=int, default=10)
    args = arguments.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    devices.prepare()
    rows = []
    for env in args.only:
        found = [judged(env, seed, args.work) for seed in range(args.seeds)]
        short = [each["best"] - each["value"] for each in found]
        met = sum(x <= WANTED for x in short)
        rows.append(
            [env, f"{found[0]['gamma']:g}", f"{found[0]['best']:.6f}", f"{max(short):.1e}", f"{met} of {len(short)}"]
        )
    header = ["environment", "γ", "value of the best policy", "largest shortfall", "seeds within 1e-6"]
    publish(args.results, "q_tables", "Tabular Q-learning against dynamic programming", {}, [table(header, rows)])


if __name__ == "__main__":
    main()
