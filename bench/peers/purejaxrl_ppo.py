"""PureJaxRL's PPO on CartPole-v1, its own file unmodified: compile seconds and steady steps per second.

    python bench/peers/purejaxrl_ppo.py --source path/to/purejaxrl --num-envs 64 --num-steps 128

`--source` is a checkout of github.com/luchris429/purejaxrl; its packages:
`pip install jax flax optax distrax gymnax==0.0.8`.
4 epochs x 4 minibatches, two 64-unit tanh layers for each of policy and value. Prints one JSON line.
With `--seeds 4` on several cores its run never ended under jax 0.10.2: start it under `taskset -c 0`.
"""

import json
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

from jax_timing import measure, parse


def load(source: str) -> ModuleType:
    """Import its `ppo.py`; brax and navix, imported for other environments only, are stood in for."""
    for name in ("brax", "brax.envs", "brax.envs.wrappers", "brax.envs.wrappers.training", "navix"):
        sys.modules[name] = MagicMock()
    sys.path.insert(0, str(Path(source) / "purejaxrl"))
    import ppo

    return ppo


def main() -> None:
    args = parse(__doc__, source=True)
    config = {
        "LR": 1e-3,
        "NUM_ENVS": args.num_envs,
        "NUM_STEPS": args.num_steps,
        "TOTAL_TIMESTEPS": args.updates * args.num_envs * args.num_steps,
        "UPDATE_EPOCHS": 4,
        "NUM_MINIBATCHES": 4,
        "GAMMA": 0.99,
        "GAE_LAMBDA": 0.95,
        "CLIP_EPS": 0.2,
        "ENT_COEF": 0.01,
        "VF_COEF": 0.5,
        "MAX_GRAD_NORM": 0.5,
        "ACTIVATION": "tanh",
        "ENV_NAME": "CartPole-v1",
        "ANNEAL_LR": True,
        "DEBUG": False,
    }
    result, out = measure(load(args.source).make_train(config), args)
    last_return = out["metrics"]["returned_episode_returns"][..., -1, :, :].mean()
    print(json.dumps({"peer": "purejaxrl"} | result | {"return": round(float(last_return), 1)}))


if __name__ == "__main__":
    main()
