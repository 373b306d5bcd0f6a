"""PPO on CartPole-v1 by Stable-Baselines3, one seed, with settings as JSON; prints seconds as JSON.

One thread, which is the faster choice for networks of this size. Nothing is evaluated or saved.
"""

import argparse
import json
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--settings", default="{}", help="a JSON object: n_envs, learning_rate, n_steps, …")
    args = parser.parse_args()
    torch.set_num_threads(1)

    def linear(first):
        return lambda left: first * left

    settings = json.loads(args.settings)
    began = time.perf_counter()
    env = make_vec_env("CartPole-v1", n_envs=settings.pop("n_envs", 8), seed=0)
    rates = {"learning_rate": linear(settings.pop("learning_rate", 3e-4)), "clip_range": linear(0.2)}
    PPO("MlpPolicy", env, seed=0, device="cpu", **settings, **rates).learn(args.steps)
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
