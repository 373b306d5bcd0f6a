"""Stable-Baselines3 PPO on LunarLander-v3 with RL Zoo's settings: training steps per second.

    python bench/peers/sb3_lunarlander.py --rollouts 3 --threads 1

Needs `pip install stable-baselines3 'gymnasium[box2d]'`. Two 64-unit tanh layers for each of
policy and value, 16 environments in a DummyVecEnv; a rollout is 16,384 steps. Times `learn` whole: rollouts
and updates. Prints one JSON line.
"""

import argparse
import json
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rollouts", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; 0 leaves torch's default")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    model = PPO(
        "MlpPolicy",
        make_vec_env("LunarLander-v3", n_envs=16, seed=args.seed, vec_env_cls=DummyVecEnv),
        n_steps=1024,
        batch_size=64,
        n_epochs=4,
        gamma=0.999,
        gae_lambda=0.98,
        ent_coef=0.01,
        policy_kwargs={"net_arch": [64, 64], "activation_fn": torch.nn.Tanh},
        seed=args.seed,
        device="cpu",
    )
    begin = time.perf_counter()
    model.learn(args.rollouts * 16 * 1024)
    seconds = time.perf_counter() - begin
    print(
        json.dumps(
            {
                "peer": "sb3",
                "steps_per_second": round(model.num_timesteps / seconds),
                "timesteps": model.num_timesteps,
                "seconds": round(seconds, 3),
                "threads": args.threads,
            }
        )
    )


if __name__ == "__main__":
    main()
