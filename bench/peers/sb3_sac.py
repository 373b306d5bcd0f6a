"""Environment steps of Stable-Baselines3's SAC on Pendulum-v1, updates included; one JSON object on the last line.

    python bench/peers/sb3_sac.py --steps 1000 --hidden 256 256 --threads 1

Needs `pip install stable-baselines3`. One environment, one update a step, minibatches of 256; the first fifth left out.
"""

import argparse
import json
import time

import torch
from stable_baselines3 import SAC
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
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    network = {"net_arch": args.hidden}
    model = SAC("MlpPolicy", "Pendulum-v1", batch_size=256, learning_starts=100, policy_kwargs=network, device="cpu")
    clock = Clock(args.steps // 5)
    model.learn(args.steps, callback=clock)
    wall, cpu, first = clock.began
    steps = model.num_timesteps - first
    found = {"wall": steps / (time.perf_counter() - wall), "cpu": steps / (time.process_time() - cpu)}
    print(json.dumps({f"steps_per_second_of_{name}": rate for name, rate in found.items()}))


if __name__ == "__main__":
    main()
