"""Steady rates of logpi's learning on one device, part by part: what `gpu.py` calls, one JSON line a row.

    python bench/logpi_gpu.py limits ppo connect-four go ram cnn [--small] [--seconds 3] [--limit 60]

Each part is measured at several sizes. A size that fails gives a row with its error, and the next size follows; sizes
that are not begun within `--limit` seconds give no row. Runs on any device that JAX finds, and sets no XLA flag.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from device_rates import LIMITS, REPEATS, Row, cnn, device, limits, rates
from ram_speed import flops as ram_flops
from report import PEERS, answer, settle
from throughput import EPOCHS, STEPS, flops_per_step

SIMULATIONS = 32  # of the search, a move
GLIMPSES, PATCH, SCALES = 6, 8, 1  # of RAM on 28x28 pixels, as in ram_speed.py
ROW_BYTES = 9 * 4  # CartPole-v1: 4 numbers observed; action, its log-probability, reward, discount, mask


class Asked(NamedTuple):
    """What the flags say."""

    seconds: float  # of one measurement, about
    small: bool
    jax_python: str
    purejaxrl: Path | None


class Part(NamedTuple):
    """One thing that is measured."""

    label: str  # of a size
    sizes: tuple[Any, ...]
    small: tuple[Any, ...]
    measure: Callable[[Any, Asked], Row]

    def all(self, small: bool) -> tuple[Any, ...]:
        return self.small if small else self.sizes


class Iterations(NamedTuple):
    """A training that is under way."""

    step: Callable[[int, bool], int]  # (iterations, whether stages are timed) -> timesteps learnt from
    rows: int  # timesteps of one iteration, at most
    shares: dict[str, float]  # seconds that each stage has taken; those of the stages where they were timed
    finite: Callable[[], bool]  # whether all parameters are


def iterations(experiment: Any) -> Iterations:
    """``experiment`` compiled and begun, as a run does it. The only function here that knows logpi's driver."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from logpi.driver.driver import Driver
    from logpi.driver.progress import Progress
    from logpi.tasks import Own, task_of

    process = task_of(experiment.env).build(experiment, Own()).process(experiment.run.seed)
    driver = Driver(process, [experiment.run.seed])
    state, done = driver.init(), 0
    settle(driver)

    def timesteps() -> int:
        return int(np.asarray(jax.device_get(state.learner.timesteps)).astype(np.int64).sum())

    def step(count: int, timed: bool) -> int:
        nonlocal state, done
        before = timesteps()
        for _ in range(count):
            state, _, _ = driver.iterate(state._replace(metrics={}), Progress(done), timed=timed)
            done += 1
        jax.block_until_ready(state)
        return (timesteps() - before) % 2**32  # a counter of 32 bits may have begun again

    def finite() -> bool:
        return all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(state.learner.params))

    return Iterations(step, process.rows, driver.seconds, finite)


def learning(experiment: Any, asked: Asked, unit: str, each: int = 1) -> Row:
    """Rate of whole iterations in units of ``each`` timesteps, and where their time goes.

    Raises:
        RuntimeError: a parameter is not finite.
    """
    began = time.perf_counter()
    run = iterations(experiment)
    run.step(1, False)
    ready = time.perf_counter() - began
    found = rates(lambda count: run.step(count, False) / each, asked.seconds)
    before = dict(run.shares)
    run.step(REPEATS, True)
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in run.shares.items()}
    total = sum(spent.values()) or 1.0
    if not run.finite():
        raise RuntimeError("a parameter is not finite")
    stages = {name: round(seconds / total, 3) for name, seconds in spent.items() if seconds > 0}
    return {"unit": unit, **found, "ready_seconds": round(ready, 2), "stages": stages, "rows": run.rows}


def resolved(env: str, algo: str, method: Row, network: Row | None = None) -> Any:
    """The experiment of a recipe with these settings."""
    from logpi.config.experiments import resolve

    return resolve(env, algo, {"method": method, "network": network or {}})[0]


def ppo(envs: int, asked: Asked) -> Row:
    """PPO on CartPole-v1 as in throughput.py: 128 steps, 4 epochs x 4 minibatches, two 64-unit tanh layers each."""
    steps = 16 if asked.small else STEPS
    sizes = {"n_envs": envs, "n_steps": steps, "batch_size": envs * steps // 4, "n_epochs": EPOCHS}
    experiment = resolved("CartPole-v1", "ppo", sizes | {"total_timesteps": 1e9})
    flops = sum(flops_per_step().values())
    return {**learning(experiment, asked, "steps/s"), "flops": flops, "bytes": ROW_BYTES * (1 + EPOCHS)}


def purejaxrl(envs: int, asked: Asked) -> Row:
    """The peer at the same sizes, in a process of its own."""
    updates = 2 if asked.small else max(5, min(200, 400_000 // envs))
    flags = ("--source", asked.purejaxrl, "--num-envs", envs, "--num-steps", 16 if asked.small else STEPS)
    found = answer(asked.jax_python, PEERS / "purejaxrl_ppo.py", *flags, "--updates", updates, "--repeats", REPEATS)
    speeds = found["repeats"]
    row = {"unit": "steps/s", "rate": statistics.median(speeds), "low": min(speeds), "high": max(speeds)}
    flops = sum(flops_per_step().values())
    return row | {"flops": flops, "bytes": ROW_BYTES * (1 + EPOCHS), "ready_seconds": found["compile_seconds"]}


def self_play(game: str, games: int, network: Row, asked: Asked) -> Row:
    """Self-play and learning of a board game, every move searched in full; work per position learnt from."""
    simulations = 4 if asked.small else SIMULATIONS
    sizes = {"n_games": games, "simulations": simulations, "playout_cap_simulations": 0, "total_timesteps": 1e9}
    if asked.small:
        sizes |= {"n_steps": 2, "batch_size": 8, "replay_size": 1000}
    experiment = resolved(game, "alphazero", sizes, network)
    row = learning(experiment, asked, "positions/s")
    evaluations = simulations + 1 + 3 * experiment.method.replay_ratio  # of the network; a gradient is three
    return row | {"flops": evaluations * board_flops(experiment), "simulations": simulations}


def board_flops(experiment: Any) -> float:
    """Floating-point operations of the network's one pass over one position, as XLA counts them."""
    import jax
    import jax.numpy as jnp

    from logpi.games.network import PolicyValue
    from logpi.games.rules.make import make_game

    game = make_game(experiment.env)
    network = PolicyValue(experiment.network, game.actions, experiment.method.ownership_coef > 0)
    obs = jax.eval_shape(lambda: jax.tree.map(lambda x: x[None], game.observe(jax.tree.map(jnp.asarray, game.init()))))
    params = jax.eval_shape(network.init, jax.random.key(0), obs)
    counted = jax.jit(network.apply).lower(params, obs).cost_analysis()
    return float(counted["flops"]) if counted else math.nan


def connect_four(games: int, asked: Asked) -> Row:
    network = {"units": 16, "blocks": 1} if asked.small else {"torso": "mlp", "units": 256, "blocks": 3}
    return self_play("connect-four", games, network, asked)


def go(size: tuple[int, int, int], asked: Asked) -> Row:
    games, units, blocks = size
    return self_play("go-9x9", games, {"torso": "tower", "units": units, "blocks": blocks}, asked)


def ram(batch: int, asked: Asked) -> Row:
    """RAM on MNIST as in ram_speed.py: the paper's places, reward and layers, and no augmentation."""
    still = {"rotation": 0.0, "scaling": 0.0, "shear": 0.0, "shift": 0.0}
    paper = {"advantage_estimator": "return", "glimpse_coef": 0.0, "core_grad_scale": 0.0, "n_glimpses": GLIMPSES}
    sizes = {"batch_size": batch, "total_images": 1e8, "n_updates": 2 if asked.small else 50}
    network = {"patch": PATCH, "scales": SCALES, "combine": "sum"}
    row = learning(resolved("ram/mnist", "ram", still | paper | sizes, network), asked, "images/s", GLIMPSES)
    return row | {"flops": ram_flops(GLIMPSES, PATCH, SCALES), "bytes": 28 * 28}


PARTS = {
    "limits": Part("{}", LIMITS, LIMITS, lambda name, asked: limits(name, asked.seconds / 3, asked.small)),
    "ppo": Part("{:,} environments", (64, 256, 1024, 4096, 16_384, 65_536), (4,), ppo),
    "purejaxrl": Part("{:,} environments", (64, 1024, 4096, 65_536), (4,), purejaxrl),
    "connect-four": Part("{:,} games", (256, 1024, 4096, 16_384), (4,), connect_four),
    "go": Part("{0[0]:,} games, tower {0[1]}x{0[2]}", ((256, 32, 4), (1024, 32, 4), (1024, 128, 6)), ((4, 4, 1),), go),
    "ram": Part("batches of {:,}", (128, 1024, 8192), (32,), ram),
    "cnn": Part(
        "{0[0]}, batches of {0[1]:,}",
        (("forward", 256), ("forward", 4096), ("gradient", 256), ("gradient", 4096)),
        (("forward", 4), ("gradient", 4)),
        lambda size, asked: cnn(size, asked.seconds),
    ),
}


def measured(names: list[str], asked: Asked, limit: float) -> Iterator[Row]:
    """The rows of these parts."""
    until = time.perf_counter() + limit
    for name in names:
        part = PARTS[name]
        for size in part.all(asked.small):
            if time.perf_counter() > until:
                return
            row = {"part": name, "size": part.label.format(size)}
            try:
                yield row | part.measure(size, asked)
            except Exception as error:  # whatever a compiler or a device says: the other rows are not lost
                yield row | {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--small", action="store_true", help="tiny sizes, for a trial on any machine")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement, about")
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds after which no size is begun")
    parser.add_argument("--jax-python", default=sys.executable, help="interpreter with the peer")
    parser.add_argument("--purejaxrl", type=Path, help="checkout of the peer")
    args = parser.parse_args()
    if args.parts != ["purejaxrl"]:  # which needs the device for its own process
        from logpi.driver import devices

        devices.prepare()
    asked = Asked(args.seconds, args.small, args.jax_python, args.purejaxrl)
    for row in measured(args.parts, asked, args.limit):
        print(json.dumps(row if row["part"] == "purejaxrl" else row | device()), flush=True)


if __name__ == "__main__":
    main()
