"""`logpi variance`: do its 95 % intervals hold the exact variance, how fast is it, and is memory flat?

    python bench/variance.py [--repetitions 1000] [--trajectories 1920] [--no-speed]

Coverage: on the enumerable decision processes of the tests (``tests/support/mdp.py``) every figure of every rung is
known from all trajectories, or from all pairs of them where a batch of two makes one estimate. ``logpi variance``'s own
measurement is repeated with other seeds, and the share of its intervals that hold the truth is counted. Wanted for the
variance: 93 to 97 %.

Speed: the command itself in a process of its own, with an empty compilation cache, on an untrained policy and on one
whose episodes last 500 steps. Wanted: under 20 s and under 60 s for 10,000 trajectories on two cores.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from report import BENCH, parser, publish, table

SUPPORT = BENCH.parent / "tests" / "support"
WORLDS = ("termination", "truncation", "continuing", "lanes")
FIGURES = ("variance", "ratio", "snr", "cosine", "bias")
ROUNDING = 1e-5  # of float32: the interval of a figure without noise has no width
MEASURED = 3  # the use of random numbers


def coverage(world: str, repetitions: int, trajectories: int) -> list[list[object]]:
    """A row for each rung: exact variance, mean width of its interval, and how often intervals hold the truth."""
    import jax
    import jax.numpy as jnp
    import ladder
    import mdp

    from logpi.algorithms.reinforce import Reinforce, reinforce
    from logpi.control.variance import measure
    from logpi.control.variance.rungs import RUNGS, Discounts
    from logpi.control.variance.trajectories import OnDevices
    from logpi.driver.devices import shared_by
    from logpi.envs.make import vectorize
    from logpi.nets.policy import example
    from logpi.ops.normalization import Statistics
    from logpi.types import Learner

    case = ladder.case(getattr(mdp, world)())
    truth, env = ladder.exact(case), ladder.environment(case.mdp)
    algorithm = reinforce(Reinforce(), case.policy, env.spec, example(env.spec.observation_space))
    how = measure.sizes(trajectories, ladder.PAIR, measure.BLOCKS[0])
    lanes = shared_by(how.blocks)
    sampler = OnDevices(vectorize(env), algorithm, how.columns, lanes, 0)
    laboratory = measure.Laboratory(
        case.policy, ladder.NETS, sampler, Discounts(case.gamma, case.gae_lambda), lanes, ladder.PAIR
    )
    reference = measure.exact_reference(case.gradient.reshape(-1))
    learner = Learner(jnp.asarray(case.theta, jnp.float32), (), Statistics(), (), jnp.int32(0))
    baselines = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), case.baselines)
    direction, exact = measure.direction_of(reference), jnp.asarray(reference.gradient, jnp.float32)
    held, width = Counter[tuple[str, str]](), Counter[str]()
    for seed in range(repetitions):
        sampler.seed = seed
        raw = laboratory.sums(RUNGS, learner, baselines, how, MEASURED, direction, exact)
        for found in measure.figures(RUNGS, raw, how, reference):
            for name in FIGURES:
                interval = getattr(found, name)
                inside = interval.low - ROUNDING <= truth[found.rung][name] <= interval.high + ROUNDING
                held[found.rung, name] += inside
            width[found.rung] += (found.variance.high - found.variance.low) / truth[found.rung]["variance"]
    return [
        [
            rung,
            f"{truth[rung]['variance']:.4g}",
            f"{100 * width[rung] / repetitions:.1f} %",
            *(f"{100 * held[rung, name] / repetitions:.1f} %" for name in FIGURES),
        ]
        for rung in RUNGS
    ]


def timed(*arguments: object, cache: Path) -> tuple[float, float]:
    """(seconds, peak MiB) of a command of ``logpi`` in a process of its own."""
    command = [sys.executable, "-m", "logpi", *map(str, arguments)]
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "LOGPI_CACHE": str(cache)}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 2**10


def speed(trajectories: int) -> list[list[object]]:
    """Rows: seconds and memory of the command, of as many trajectories and of several times as many."""
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        runs, picture = root / "runs", root / "variance.png"
        timed("train", "CartPole-v1", "--quiet", "--no-video", "--log-dir", runs, cache=root / "train")
        policies: list[tuple[str, Any, int]] = [("untrained", "CartPole-v1", 4)]
        policies += [("trained by PPO", run, 2) for run in runs.glob("ppo/*")]
        for name, target, times in policies:
            for many in (trajectories, times * trajectories):
                arguments = ("variance", target, "--trajectories", many, "--moments", 1, "--out", picture)
                seconds, peak = timed(*arguments, cache=root / f"{name}{many}")
                rows.append([name, f"{many:,}", f"{seconds:.1f}", f"{peak:,.0f}"])
                print(*rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--repetitions", type=int, default=1_000)
    arguments.add_argument("--trajectories", type=int, default=1_920, help="of a repetition")
    arguments.add_argument("--no-speed", action="store_true", help="coverage alone")
    args = arguments.parse_args()
    parts: list[str] = []

    def add(title: str, rows: str) -> None:
        parts.extend([f"## {title}", rows])
        publish(args.results, "variance", "Variance of gradient estimates", {}, parts)  # as far as it has come

    if not args.no_speed:
        header = ["policy of CartPole-v1", "trajectories", "seconds, cold cache", "peak memory, MiB"]
        add("Speed and memory, nine rungs", table(header, speed(10_000)))
    sys.path.insert(0, str(SUPPORT))
    from logpi.driver import devices

    devices.prepare()
    header = ["rung", "exact V", "mean width of its interval", *(f"{name} covered" for name in FIGURES)]
    for world in WORLDS:
        rows = coverage(world, args.repetitions, args.trajectories)
        of = f"{args.repetitions:,} repetitions of {args.trajectories:,} trajectories"
        add(f"Coverage of 95 % intervals: {world}, {of}", table(header, rows))


if __name__ == "__main__":
    main()
