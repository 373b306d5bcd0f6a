"""logpi's PPO on a host environment: training steps per second, or its vector's own rate under random actions.

    python bench/logpi_host.py --settings zoo [--random]

`zoo` are RL Zoo's settings of LunarLander-v3 with two 64-unit tanh layers for each of policy and value, as the peer's
script has them; `recipe` are logpi's own. Steps are environment moves; rows in which an environment only resets do not
count. Random actions are drawn beforehand, so only the moves are timed. Prints one JSON line.
"""

import argparse
import json
import statistics
import sys
import time
from typing import Any

import numpy as np
from report import settle

from logpi.algorithms.ppo import PPO
from logpi.config.experiments import resolve
from logpi.config.settings import Experiment, Network, Run
from logpi.control.build import Parts, parts, process
from logpi.driver import devices
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.envs.host import make_host
from logpi.envs.make import make
from logpi.tasks import NOTHING
from logpi.types import DeviceEnv

ENV = "LunarLander-v3"
ZOO = PPO(
    total_timesteps=1e6,
    n_envs=16,
    n_steps=1024,
    batch_size=64,
    n_epochs=4,
    gamma=0.999,
    gae_lambda=0.98,
    ent_coef=0.01,
)


def random_rates(asked: Experiment, steps: int, repeats: int) -> list[float]:
    """Moves per second of the vector that training would use."""
    run, batch = asked.run, asked.method.n_envs
    factory = make(asked.env, **asked.env_kwargs)
    assert not isinstance(factory, DeviceEnv)
    vector = make_host(factory, batch, vectorization=run.vectorization, autoreset=run.autoreset)
    vector.reset(0)
    actions = np.random.default_rng(0).integers(4, size=(-(-steps // batch), batch))
    rates: list[float] = []
    void: Any = np.zeros(batch, bool)
    for _ in range(repeats):
        count, began = 0, time.perf_counter()
        for action in actions:
            vector.send(action)
            step = vector.recv()
            count += batch - int(void.sum())
            void = (step.terminated | step.truncated) & (not vector.resets_within_step)
        rates.append(count / (time.perf_counter() - began))
    vector.close()
    return rates


def training_rates(asked: Experiment, made: Parts, steps: int, repeats: int) -> tuple[list[float], Any]:
    """Moves per second of whole iterations after the first, which compiles; and the seconds of each part."""
    driver = Driver(process(asked, made), [asked.run.seed])
    state, _, _ = driver.iterate(driver.init(), Progress())
    settle(driver)
    driver.seconds.update(dict.fromkeys(driver.seconds, 0.0))
    length = max(1, round(steps / (made.algorithm.n_steps * asked.method.n_envs)))
    rates, done = [], 1
    for _ in range(repeats):
        before, began = int(state.learner.timesteps), time.perf_counter()
        for i in range(done, done + length):
            state, _, _ = driver.iterate(state._replace(metrics={}), Progress(i))
        rates.append((int(state.learner.timesteps) - before) / (time.perf_counter() - began))
        done += length
    driver.close()
    return rates, driver.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", choices=("zoo", "recipe"), default="zoo")
    parser.add_argument("--random", action="store_true", help="only step the vector, with random actions")
    parser.add_argument("--steps", type=int, default=32_768, help="rows of one repeat, about")
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    devices.prepare()
    asked = Experiment(ENV, "ppo", Run(), ZOO, Network())
    if args.settings == "recipe":
        asked, recipe = resolve(ENV, "ppo")
        if recipe is None:
            sys.exit(f"{ENV} has no recipe for ppo")
    made = parts(asked, NOTHING)
    shares: dict[str, float] = {}
    if args.random:
        rates = random_rates(asked, args.steps, args.repeats)
    else:
        rates, shares = training_rates(asked, made, args.steps, args.repeats)
    result = {
        "peer": "logpi",
        "settings": args.settings,
        "random": args.random,
        "num_envs": asked.method.n_envs,
        "steps_per_second": round(statistics.median(rates)),
        "repeats": [round(rate) for rate in rates],
        "shares": {name: round(s / sum(shares.values()), 3) for name, s in shares.items() if s},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
