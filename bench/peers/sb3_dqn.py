"""Environment steps per second of DQN by Stable-Baselines3 or SBX, updates included; one JSON object on the last line.

    python bench/peers/sb3_dqn.py ENVIRONMENT STEPS THREADS '{"learning_rate": ..., "net_arch": [256, 256], ...}' [sbx]

Needs `pip install stable-baselines3`, or `sbx-rl`. THREADS are torch's; 0 leaves torch's default. The first fifth, with
SBX's compilation, is left out.
"""

import importlib
import json
import sys
import time

import torch
from stable_baselines3.common.callbacks import BaseCallback


class Clock(BaseCallback):
    """Notes when the measured part begins."""

    def __init__(self, first):
        super().__init__()
        self.first, self.began, self.steps = first, None, 0

    def _on_step(self):
        if self.began is None and self.num_timesteps >= self.first:
            self.began, self.steps = time.perf_counter(), self.num_timesteps
        return True


env, steps, threads, settings = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
if threads:
    torch.set_num_threads(threads)
arch = settings.pop("net_arch")
DQN = importlib.import_module((sys.argv[5:] or ["stable_baselines3"])[0]).DQN
model = DQN("MlpPolicy", env, device="cpu", seed=0, policy_kwargs={"net_arch": arch}, **settings)
clock = Clock(steps // 5)
model.learn(steps, callback=clock)
seconds = time.perf_counter() - clock.began
print(json.dumps({"steps_per_second": (model.num_timesteps - clock.steps) / seconds}))
