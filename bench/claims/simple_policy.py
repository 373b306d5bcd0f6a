"""Can a Q-function be complicated where the policy is simple?

    python bench/claims/simple_policy.py [--seeds 10] [--steps 20000] [--waves 0 1 8]

A hand sees where an object lies, x from -1 to 1, once. It closes from the left or from the right, and the episode
ends:

    r(x, a) = cos(π k x) ± 0.1

+ where it closes from the side on which the object lies. The first term, how well such an object can be held, depends
on x alone; k says how complicated it is. The best policy is the sign of x for every k: a linear function of x. The
values have k waves in them. DQN learns Q by a network, REINFORCE a policy by a network of the same layers, without
any values (leave-one-out); nothing is bootstrapped, as there is one move. Each has the same number of moves. The
score is the share of right decisions, from the mean return of 20,000 greedy episodes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import shared
from gymnasium import spaces
from shared import Curves, parser, trained, work

from logpi.types import Array, DeviceEnv, EnvSpec, Key

SIDE = 0.1  # reward of the right side
WAVES = (0, 1, 8)
LAYERS = ((), (16,), (64, 64))
FIXED = {"eval_points": 1, "eval_episodes": 20_000, "final_episodes": 100}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "REINFORCE": ("reinforce", {"rung": "leave-one-out", "n_envs": 64, "n_steps": 1, "learning_rate": 1e-2}),
    "DQN": (
        "dqn",
        {
            **{"n_envs": 8, "n_steps": 4, "gradient_steps": 8, "batch_size": 64, "buffer_size": 10_000},
            **{"learning_starts": 500, "learning_rate": 1e-3, "max_td_error": float("inf")},
        },
    ),
}


def grasp(k: int) -> DeviceEnv:
    """One move from x [1] uniform in [-1, 1]; action 1 closes from the right, 0 from the left."""

    def reset(key: Key) -> tuple[Array, Array]:
        x = jax.random.uniform(key, (1,), jnp.float32, -1.0, 1.0)
        return x, x

    def step(x: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        right = (x[0] > 0) == (action == 1)
        return x, x, jnp.cos(jnp.pi * k * x[0]) + SIDE * jnp.where(right, 1.0, -1.0), jnp.bool_(True)

    seen = spaces.Box(-1.0, 1.0, (1,), np.float32)
    return DeviceEnv(EnvSpec(f"grasp-{k}", seen, spaces.Discrete(2)), reset, step)


def right_decisions(returns: Any, k: int) -> Any:
    """The share of right decisions that a mean return stands for; the waves' mean is 0 for whole k > 0, and 1 for 0."""
    return (1.0 + (returns - float(k == 0)) / SIDE) / 2.0


def one(method: str, k: int, layers: tuple[int, ...], seeds: int, steps: int, folder: Any) -> Curves:
    algo, settings = METHODS[method]
    network = {"hidden": list(layers), "activation": "tanh"} if layers else {"hidden": []}
    given = {**FIXED, **settings, "network": network, "total_timesteps": steps}
    curves = trained(grasp(k), algo, seeds, folder, f"{method}, k = {k}, {layers}", **given)
    return curves._replace(scores=right_decisions(curves.scores, k))


def error_of(curves: Curves) -> float:
    """Root of the mean squared error of the Q-network at the end of training, mean over seeds."""
    _, loss = curves.column("train/loss")
    return float(np.sqrt(2 * loss[:, -len(loss[0]) // 5 :].mean(1)).mean())


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--steps", type=int, default=20_000, help="moves of a seed")
    arguments.add_argument("--waves", type=int, nargs="+", default=WAVES, metavar="K")
    args = arguments.parse_args()
    with work() as folder:
        found = {
            (method, k, layers): one(method, k, layers, args.seeds, args.steps, folder)
            for method in METHODS
            for k in args.waves
            for layers in LAYERS
        }
        errors = {at: error_of(curves) for at, curves in found.items() if at[0] == "DQN"}

    def name(layers: tuple[int, ...]) -> str:
        return " x ".join(map(str, layers)) if layers else "none (linear)"

    rows: list[list[object]] = []
    for method in METHODS:
        for layers in LAYERS:
            shares = [shared.mean(100 * found[method, k, layers].last, ".0f") for k in args.waves]
            rows.append([method, name(layers), *shares])
    of_q = [[name(layers), *(f"{errors['DQN', k, layers]:.2f}" for k in args.waves)] for layers in LAYERS]

    def fill(axes: list[Any]) -> None:
        from pictures import BLUE, GREY, ORANGE, curve

        for panel, method in zip(axes, METHODS, strict=True):
            for color, layers in zip((GREY, ORANGE, BLUE), LAYERS, strict=False):
                scores = np.stack([found[method, k, layers].last for k in args.waves], 1)
                curve(panel, np.arange(len(args.waves)), scores, color, name(layers))
            panel.set_xticks(range(len(args.waves)), [str(k) for k in args.waves])
            panel.set(title=method, xlabel="k, waves in the values", ylim=(0.4, 1.03))
            panel.set_ylabel("share of right decisions; band: 95 % of the mean")

    waves = [f"k = {k}" for k in args.waves]
    parts = [
        f"Share of right decisions after {args.steps:,} moves in per cent, mean over {args.seeds} seeds with Student's "
        "95 % interval; 50 is chance.",
        shared.report.table(["method", "hidden layers", *waves], rows),
        "Root of the mean squared error of the Q-network in the last fifth of the training; right and wrong differ by "
        f"{2 * SIDE:g}.",
        shared.report.table(["hidden layers", *waves], of_q),
        shared.draw(args.results, "simple_policy", 2, fill),
    ]
    shared.publish(args.results, "simple_policy", "A simple policy of complicated values", parts)


if __name__ == "__main__":
    main()
