"""Gymnasium's own LunarLander-v3 vector environment under random actions: the ceiling of host training.

    python bench/peers/random_lunarlander.py --num-envs 16 --steps 20000

Needs `pip install 'gymnasium[box2d]'`. Actions are drawn beforehand, so only `SyncVectorEnv.step` is timed.
Prints one JSON line with the median of the repeats.
"""

import argparse
import json
import statistics
import time
from functools import partial

import gymnasium as gym
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps per repeat, all copies together")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    envs = gym.vector.SyncVectorEnv([partial(gym.make, "LunarLander-v3")] * args.num_envs)
    envs.reset(seed=args.seed)
    length = args.steps // args.num_envs
    actions = np.random.default_rng(args.seed).integers(4, size=(length, args.num_envs))
    rates = []
    for _ in range(args.repeats):
        begin = time.perf_counter()
        for action in actions:
            envs.step(action)
        rates.append(length * args.num_envs / (time.perf_counter() - begin))
    envs.close()
    print(
        json.dumps(
            {
                "peer": "gymnasium-sync",
                "num_envs": args.num_envs,
                "steps_per_second": round(statistics.median(rates)),
                "repeats": [round(rate) for rate in rates],
            }
        )
    )


if __name__ == "__main__":
    main()
