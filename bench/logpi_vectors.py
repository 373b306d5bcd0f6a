"""One way to step the environments of a PPO run: its rate under random actions, or training steps per second.

    python bench/logpi_vectors.py LunarLander-v3 envpool [--random] [--half-batches]

Steps are environment moves; rows in which an environment only resets do not count. Random actions are drawn beforehand,
so only the moves are timed. Prints one JSON line.
"""

import argparse
import dataclasses
import json
import statistics
import time
from typing import Any

import numpy as np
from gymnasium import spaces
from logpi_host import ZOO, training_rates
from numpy.typing import NDArray

from logpi.algorithms.ppo import PPO
from logpi.config.experiments import wrappers_of
from logpi.config.settings import Experiment, Network, Run
from logpi.control.build import parts
from logpi.driver import devices
from logpi.envs.host import make_host
from logpi.envs.make import make
from logpi.envs.wrappers import Wrapped, layers
from logpi.tasks import NOTHING
from logpi.types import Space

WALKER = PPO(total_timesteps=1e6, n_envs=16, n_steps=256, batch_size=512, n_epochs=5)
PONG = PPO(total_timesteps=1e6, n_envs=32, n_steps=64, batch_size=256, n_epochs=3)
SMALL = Network(torso="mlp", shared=True)  # of Pong's pixels: it is the vectors that are measured
SETTINGS = {"LunarLander-v3": (ZOO, Network()), "Walker2d-v5": (WALKER, Network()), "ALE/Pong-v5": (PONG, SMALL)}


def random_actions(space: Space, rows: int, batch: int, rng: np.random.Generator) -> NDArray[np.generic]:
    """Uniform actions [rows, batch, ...] in a policy's terms."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(int(space.n), size=(rows, batch))
    return rng.uniform(-1, 1, (rows, batch, *space.shape)).astype(np.float32)


def random_rates(asked: Experiment, steps: int, repeats: int) -> list[float]:
    """Moves per second of the vector alone."""
    batch, factory = asked.method.n_envs, make(asked.env)
    around = Wrapped(factory, layers(asked.wrappers)) if asked.wrappers else factory
    vector = make_host(around, batch, vectorization=asked.run.vectorization)
    vector.reset(0)
    actions = random_actions(vector.spec.action_space, -(-steps // batch), batch, np.random.default_rng(0))
    rates: list[float] = []
    void: Any = np.zeros(batch, bool)
    for _ in range(repeats):
        count, began = 0, time.perf_counter()
        for action in actions:
            vector.send(action)
            step = vector.recv()
            count += batch - int(void.sum())
            void = step.terminated | step.truncated
        rates.append(count / (time.perf_counter() - began))
    vector.close()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env", choices=SETTINGS)
    parser.add_argument("way", choices=("sync", "async", "ale", "envpool"))
    parser.add_argument("--random", action="store_true", help="only step the vector, with random actions")
    parser.add_argument("--half-batches", action="store_true")
    parser.add_argument("--steps", type=int, default=16_384, help="rows of one repeat, about")
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    devices.prepare()
    run = dataclasses.replace(Run(), vectorization=args.way, half_batches=args.half_batches)
    method, network = SETTINGS[args.env]
    asked = Experiment(args.env, "ppo", run, method, network, wrappers=wrappers_of(args.env, {}))
    shares: dict[str, float] = {}
    if args.random:
        rates = random_rates(asked, args.steps, args.repeats)
    else:
        rates, shares = training_rates(asked, parts(asked, NOTHING), args.steps, args.repeats)
    result = {
        "steps_per_second": round(statistics.median(rates)),
        "repeats": [round(rate) for rate in rates],
        "shares": {name: round(s / sum(shares.values()), 3) for name, s in shares.items() if s},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
