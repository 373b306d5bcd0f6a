"""logpi's PPO on CartPole-v1: compile seconds and steady steps per second, as a run does it.

    python bench/logpi_ppo.py --num-envs 64 --num-steps 128

Flags and output are those of the JAX peers' scripts: 4 epochs x 4 minibatches unless told otherwise, two 64-unit tanh
layers for each of policy and value. Steps are environment moves; rows in which an environment only resets do not count.
Prints one JSON line.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from report import settle

from logpi.algorithms.common import learning
from logpi.algorithms.ppo import PPO
from logpi.config.settings import Experiment, Network, Run
from logpi.control.build import parts, process
from logpi.driver import devices
from logpi.driver.driver import Driver
from logpi.driver.process import State
from logpi.driver.progress import Progress
from logpi.ops import psi
from logpi.tasks import NOTHING
from logpi.types import Algorithm

EVERY = 10  # iterations a row of metrics, of which one is timed


def experiment(args: argparse.Namespace) -> Experiment:
    """The peers' settings, at the sizes asked for."""
    method = PPO(
        total_timesteps=1e9,
        n_envs=args.num_envs,
        n_steps=args.num_steps,
        batch_size=args.batch_size or args.num_envs * args.num_steps // 4,
        n_epochs=args.epochs,
        learning_rate=1e-3,
        ent_coef=0.01,
    )
    return Experiment("CartPole-v1", "ppo", Run(seeds=args.seeds), method, Network())


def iterations(driver: Driver, state: State, first: int, count: int, timed: bool = False) -> tuple[State, Any]:
    """``count`` iterations and the last metrics, which like a run's are fetched now and then."""
    metrics: Any = {}
    for i in range(first, first + count):
        last = (i + 1) % EVERY == 0
        state, _, _ = driver.iterate(state, Progress(i), timed=timed or last)
        state, metrics = state._replace(metrics={}), state.metrics
        if last:
            jax.device_get(metrics)
    return jax.block_until_ready(state), metrics


def milliseconds(f: Callable[..., Any], *args: Any, repeats: int = 50) -> float:
    """Median time of one call of ``f``, compiled."""
    compiled = jax.jit(f)
    jax.block_until_ready(compiled(*args))
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(*args))
        taken.append(time.perf_counter() - began)
    return 1e3 * statistics.median(taken)


def pieces(method: PPO, algorithm: Algorithm, num_devices: int) -> dict[str, float]:
    """Milliseconds an iteration of parts of the update, each run alone on one device with that device's rows."""
    key, updates = jax.random.key(0), method.n_epochs * method.n_steps * method.n_envs // method.batch_size
    rows = method.n_steps * method.n_envs // num_devices
    block = jnp.ones((method.n_steps, method.n_envs // num_devices))
    params = jax.eval_shape(algorithm.init, key).params
    flat = jnp.zeros(sum(x.size for x in jax.tree.leaves(params)))
    optimizer = learning.transform(algorithm.hyper)
    hidden = jax.random.normal(key, (method.batch_size // num_devices, 64))
    value = jnp.zeros((method.n_steps + 1, method.n_envs // num_devices))
    return {
        "order of the shuffle": method.n_epochs
        * milliseconds(lambda k: learning.permutation(jax.random.bits(k, (rows,))), key),
        "GAE": milliseconds(lambda r, d, m, v: psi.gae(r, d, m, v, jnp.float32(0.95)), block, block, block, value),
        "optimizer": updates * milliseconds(optimizer.update, flat, optimizer.init(flat), flat),
        "tanh, forward": 4 * updates * milliseconds(jnp.tanh, hidden),
    }


def moves(state: State) -> int:
    """Environment moves so far, of all seeds."""
    return int(np.asarray(state.learner.timesteps).astype(np.int64).sum())


def measure(driver: Driver, args: argparse.Namespace) -> dict[str, Any]:
    """Warm up, time the repeats, then time the two halves of some iterations."""
    state, _ = iterations(driver, driver.init(), 0, 2)
    settle(driver)
    compiling, done, counts, seconds = driver.seconds["compile"], 2, [moves(state)], []
    for _ in range(args.repeats):
        began = time.perf_counter()
        state, _ = iterations(driver, state, done, args.updates)
        seconds.append(time.perf_counter() - began)
        counts.append(moves(state))
        done += args.updates
    rates = np.diff(counts) / seconds
    driver.seconds.update(dict.fromkeys(driver.seconds, 0.0))
    state, metrics = iterations(driver, state, done, EVERY, timed=True)
    rows = args.num_envs * args.num_steps * args.seeds * args.updates * args.repeats
    return {
        "devices": len(state.carry.void.sharding.device_set),
        "compile_seconds": round(compiling, 3),
        "run_seconds": round(statistics.median(seconds), 4),
        "steps_per_second": round(statistics.median(rates)),
        "repeats": [round(rate) for rate in rates],
        "moves_per_row": round((counts[-1] - counts[0]) / rows, 4),
        "iteration_ms": round(1e3 * statistics.median(seconds) / args.updates, 3),
        "collect_ms": round(1e3 * driver.seconds["environment + policy"] / EVERY, 3),
        "update_ms": round(1e3 * driver.seconds["update"] / EVERY, 3),
        "return": round(float(np.mean(metrics["rollout/ep_rew_mean"])), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--num-steps", type=int, default=128)
    parser.add_argument("--batch-size", type=int, help="default: a quarter of the rollout")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1, help="seeds trained together")
    parser.add_argument("--updates", type=int, default=100, help="PPO iterations in one repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pieces", action="store_true", help="also time parts of the update by themselves (one seed)")
    args = parser.parse_args()
    devices.prepare()
    asked = experiment(args)
    made = parts(asked, NOTHING)
    driver = Driver(process(asked, made), list(range(asked.run.seeds)))
    assert isinstance(asked.method, PPO)
    sizes = {name: getattr(args, name) for name in ("num_envs", "num_steps", "seeds", "updates")}
    result = measure(driver, args)
    if args.pieces:
        alone = pieces(asked.method, made.algorithm, result["devices"])
        result["pieces_ms"] = {name: round(value, 3) for name, value in alone.items()}
    print(json.dumps({"peer": "logpi"} | sizes | result))


if __name__ == "__main__":
    main()
