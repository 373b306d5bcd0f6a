"""Peak bytes of a process in which DQN fills a replay, learns from it and saves it; one JSON object on the last line.

    python logpi_replay.py numbers|frames CAPACITY STEPS FOLDER

The observations are 100 numbers, or stacks of 4 frames of 84x84 pixels, of which the replay stores the newest.
Learning begins after STEPS decisions, when a replay of CAPACITY decisions, at most STEPS, is full, and ends soon after.
Checkpoints are saved at the start, in the middle and at the end.
"""

import json
import resource
import sys

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

import logpi
from logpi.types import DeviceEnv, EnvSpec

FRAMES = 4  # of a stack
SPACES = {
    "numbers": spaces.Box(0.0, 255.0, (100,), np.float32),
    "frames": spaces.Box(0, 255, (FRAMES, 84, 84), np.uint8),
}


def environment(kind: str) -> DeviceEnv:
    """Moves of an episode in order: the observation shows which one it is, a stack also those before."""
    space = SPACES[kind]

    def seen(move):
        last = move if kind == "numbers" else jnp.maximum(move - jnp.arange(FRAMES)[::-1, None, None], 0)
        return jnp.broadcast_to(last, space.shape).astype(space.dtype)

    def reset(key):
        return jnp.int32(0), seen(jnp.int32(0))

    def step(move, action, key):
        return move + 1, seen(move + 1), jnp.float32(1), jnp.bool_(False)

    return DeviceEnv(EnvSpec(kind, space, spaces.Discrete(2), 50), reset, step)


if __name__ == "__main__":
    kind, capacity, steps, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    quiet = {"video": False, "tensorboard": False, "eval_points": 1, "eval_episodes": 1, "final_episodes": 1}
    logpi.train(
        environment(kind),
        "dqn",
        run={**quiet, "checkpoint_points": 2, "log_dir": folder},
        network={"torso": "mlp", "hidden": [8]},
        quiet=True,
        total_timesteps=1.1 * steps,
        n_envs=100 if kind == "numbers" else 10,
        n_steps=10,
        gradient_steps=1,
        learning_starts=steps,
        buffer_size=capacity,
        stacked_frames=FRAMES if kind == "frames" else 1,
    )
    print(json.dumps({"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
