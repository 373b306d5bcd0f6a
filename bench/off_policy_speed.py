"""Training throughput with a replay: logpi's DQN beside its peers', at the RL Zoo's settings.

    python bench/off_policy_speed.py --sb3 VENV/bin/python [--sbx VENV/bin/python] [--repeats 3] [--only CartPole-v1]

All train for some thousand steps in processes of their own, in turn, on the same cores. The first fifth of each run is
left out, and of Stable-Baselines3's runs with one thread and with one a core the faster counts. A figure is environment
steps per second with the updates that belong to them. The last rows have layers of 64 units and eight environments side
by side, at the same number of updates for each step; SBX is measured there alone.
"""

import json
import statistics
import sys
from typing import Any, NamedTuple

from report import BENCH, PEERS, answer, parser, publish, spread, table, versions

SB3, SBX = "stable_baselines3", "sbx"  # modules
THREADS = {SB3: (0, 1), SBX: (0,)}  # of torch
NAMES = {SB3: "Stable-Baselines3", SBX: "SBX"}
PACKAGES = {SB3: ("stable-baselines3", "torch", "gymnasium"), SBX: ("sbx-rl", "jax", "flax")}


class Case(NamedTuple):
    """One comparison."""

    name: str
    env: str
    steps: int
    hidden: list[int]
    ours: dict[str, Any]
    theirs: dict[str, Any]
    wanted: dict[str, float]  # library -> ratio


SHARED = {
    "CartPole-v1": {"learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000},
    "LunarLander-v3": {"learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0},
}
EXPLORING = {
    "CartPole-v1": {"exploration_fraction": 0.16, "exploration_final_eps": 0.04},
    "LunarLander-v3": {"exploration_fraction": 0.12, "exploration_final_eps": 0.1},
}
ROUNDS = {  # (steps between two rounds of updates, updates of a round, target network in steps)
    "CartPole-v1": (256, 128, 10),
    "LunarLander-v3": (4, 4, 250),
}


def case(name: str, env: str, steps: int, hidden: list[int], n_envs: int, wanted: dict[str, float]) -> Case:
    """The Zoo's settings as both have them; SB3 plays one environment, logpi ``n_envs`` of them."""
    every, updates, target = ROUNDS[env]
    both = SHARED[env] | EXPLORING[env]
    ours = {"n_envs": n_envs, "n_steps": every // n_envs, "gradient_steps": updates}
    ours["target_update_interval"] = max(target * updates // every, updates)
    theirs = {"train_freq": every, "gradient_steps": updates, "target_update_interval": target, "net_arch": hidden}
    return Case(name, env, steps, hidden, both | ours, both | theirs, wanted)


CASES = [
    case("CartPole-v1, Zoo", "CartPole-v1", 30_000, [256, 256], 1, {SB3: 3.0}),
    case("LunarLander-v3, Zoo", "LunarLander-v3", 10_000, [256, 256], 1, {SB3: 2.0}),
    case("CartPole-v1, 64x64, 8 environments", "CartPole-v1", 60_000, [64, 64], 8, {SB3: 10.0, SBX: 3.0}),
]


def measured(each: Case, pythons: dict[str, str], repeats: int) -> dict[str, list[float]]:
    """Steps per second by library, "logpi" among them, in turn."""
    found: dict[str, list[float]] = {"logpi": []} | {name: [] for name in pythons if name in each.wanted}
    script, network = BENCH / "logpi_off_policy.py", json.dumps({"hidden": each.hidden})
    words = [PEERS / "sb3_dqn.py", each.env, each.steps]
    for _ in range(repeats):
        run = answer(sys.executable, script, each.env, "dqn", each.steps, json.dumps(each.ours), network)
        found["logpi"].append(run["steps_per_second"])
        for name in found.keys() - {"logpi"}:
            tries = [answer(pythons[name], *words, n, json.dumps(each.theirs), name) for n in THREADS[name]]
            found[name].append(max(run["steps_per_second"] for run in tries))
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sb3", required=True, metavar="PYTHON", help="an interpreter with Stable-Baselines3")
    arguments.add_argument("--sbx", metavar="PYTHON", help="an interpreter with sbx-rl; left out without it")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--only", nargs="+", metavar="ENV")
    args = arguments.parse_args()
    pythons = {SB3: args.sb3} | ({SBX: args.sbx} if args.sbx else {})
    rows = []
    for each in CASES:
        if args.only and each.env not in args.only:
            continue
        found = measured(each, pythons, args.repeats)
        ours = found.pop("logpi")
        for name, theirs in found.items():
            ratio = f"{statistics.median(ours) / statistics.median(theirs):.1f}"
            shown = spread(ours, ",.0f"), spread(theirs, ",.0f"), ratio, f"{each.wanted[name]:g}"
            rows.append([each.name, NAMES[name], *shown])
    header = ["setting", "peer", "logpi, steps/s", "peer, steps/s", "ratio of medians", "wanted"]
    peers = {NAMES[name]: versions(python, PACKAGES[name]) for name, python in pythons.items()}
    publish(args.results, "off_policy_speed", "Throughput of DQN", peers, [table(header, rows)])


if __name__ == "__main__":
    main()
