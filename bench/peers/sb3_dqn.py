"""Environment steps per second of Stable-Baselines3's DQN, updates included; one JSON object on the last line.

python sb3_dqn.py ENVIRONMENT STEPS '{"learning_rate": ..., "net_arch": [256, 256], ...}'
"""

import json
import sys
import time

import torch
from stable_baselines3 import DQN
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
model = DQN("MlpPolicy", env, device="cpu", seed=0, policy_kwargs={"net_arch": arch}, **settings)
clock = Clock(steps // 5)
model.learn(steps, callback=clock)
seconds = time.perf_counter() - clock.began
print(json.dumps({"steps_per_second": (model.num_timesteps - clock.steps) / seconds}))
