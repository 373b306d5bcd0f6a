"""Resident memory over a long run: it must not grow after the second iteration.

    python bench/memory.py

Runs the whole training session (metrics, evaluations, checkpoints, run folder) of PPO on a device environment and on a
host environment, each in a process of its own, and reads the resident memory after every iteration.
"""

import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from report import parser, publish, table

from logpi.algorithms.ppo import PPO
from logpi.config.settings import Experiment, Network, Run
from logpi.driver import devices
from logpi.training import session

MIB = 2**20


def resident() -> float:
    """Resident memory of this process in MiB; its peak so far where the system has no /proc."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


class Recorder:
    """A view that shows nothing and notes the memory after each iteration."""

    def __init__(self) -> None:
        self.memory: list[float] = []
        self.evaluated: list[int] = []  # iterations with a periodic evaluation

    def update(self, timesteps: int, metrics: Mapping[str, Any], shares: Mapping[str, float]) -> None:
        self.memory.append(resident())
        if "eval/mean_reward" in metrics:
            self.evaluated.append(len(self.memory))

    def note(self, text: str) -> None:
        pass

    def tell(self, text: str) -> None:
        pass

    def working(self, what: str, done: int, total: int) -> None:
        pass

    def done(self, text: str) -> None:
        pass


def record(env: str, iterations: int) -> tuple[list[float], list[int]]:
    """Memory after each iteration of a run of at least ``iterations``, and the iterations that evaluated."""
    devices.prepare()
    method = PPO()
    view = Recorder()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(log_points=iterations, log_dir=folder)
        method = PPO(total_timesteps=iterations * method.n_envs * method.n_steps)
        session.start(Experiment(env, "ppo", run, method, Network()), ["bench/memory.py"], view)
    return view.memory, view.evaluated


def row(env: str, memory: list[float], evaluated: list[int]) -> list[object]:
    """The table's row of one run."""
    begin = memory[1]
    after_first = memory[min(evaluated[0], len(memory) - 1)]
    return [
        env,
        len(memory),
        *(f"{memory[i]:.1f}" for i in (1, len(memory) // 2, len(memory) - 1)),
        f"{memory[-1] / begin - 1:+.2%}",
        f"{max(memory[1:]) / begin - 1:+.2%}",
        f"{memory[-1] / after_first - 1:+.2%} (iteration {evaluated[0] + 1})",
    ]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--iterations", type=int, default=520, help="of the device environment")
    arguments.add_argument("--host-iterations", type=int, default=60, help="of the host environment")
    arguments.add_argument("--env", default="CartPole-v1", help="device environment")
    arguments.add_argument("--host-env", default="LunarLander-v3")
    args = arguments.parse_args()
    rows = []
    for env, iterations in ((args.env, args.iterations), (args.host_env, args.host_iterations)):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            rows.append(row(env, *pool.submit(record, env, iterations).result()))
    header = ["PPO on", "iterations", "MiB after the 2nd", "half-way", "at the end"]
    header += ["growth after the 2nd", "highest since", "growth after the first evaluation"]
    method = PPO()
    about = (
        f"Resident memory of the training process; default settings, {method.n_envs} environments x {method.n_steps} "
        "steps, with metrics at every iteration, TensorBoard, 20 periodic evaluations and 10 checkpoints. Wanted: less "
        "than 1 % of growth after the second iteration."
    )
    publish(args.results, "memory", "Memory", {}, [table(header, rows), about])


if __name__ == "__main__":
    main()
