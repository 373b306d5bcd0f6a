"""Environment steps of SAC on Pendulum-v1 by Stable-Baselines3 or SBX, updates included; one JSON object at the end.

    python bench/peers/sb3_sac.py --steps 1000 --hidden 256 256 --threads 1 [--library sbx]

Needs `pip install stable-baselines3`, or `sbx-rl`. One environment, one update a step, minibatches of 256; the first
fifth left out.
"""

import argparse
import importlib
import json
import time

import torch
from stable_baselines3.common.callbacks import BaseCallback


class Clock(BaseCallback):
    """Notes when the measured part begins."""

    def __init__(self, first):
        super().__init__()
        self.first, self.began = first, None

    def _on_step(self):
        if self.began is None and self.num_timesteps >= self.first:
            self.began = time.perf_counter(), time.process_time(), self.num_timesteps
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 256])
    parser.add_argument("--threads", type=int, default=1, help="torch threads; 0 leaves torch's default")
    parser.add_argument("--library", default="stable_baselines3", choices=["stable_baselines3", "sbx"])
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    network = {"net_arch": args.hidden}
    sac = importlib.import_module(args.library).SAC
    model = sac("MlpPolicy", "Pendulum-v1", batch_size=256, learning_starts=100, policy_kwargs=network, device="cpu")
    clock = Clock(args.steps // 5)
    model.learn(args.steps, callback=clock)
    wall, cpu, first = clock.began
    steps = model.num_timesteps - first
    found = {"wall": steps / (time.perf_counter() - wall), "cpu": steps / (time.process_time() - cpu)}
    print(json.dumps({f"steps_per_second_of_{name}": rate for name, rate in found.items()}))


if __name__ == "__main__":
    main()
