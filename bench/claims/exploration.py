"""Is exploration Q-learning's difficulty, and not that of policy gradients?

    python bench/claims/exploration.py [--seeds 10] [--steps 50000] [--lengths 4 7 10 14]

A deep sea (Osband et al. 2019): a square of N rows and columns, a row a move. Action 1 goes right and costs 0.01 / N,
action 0 goes left. Who has gone right N times gets 1 in the end; nothing else is paid. Random actions get there once
in 2^N episodes, and the first reward that is met argues against action 1. All methods have tables and the same number
of steps. A seed has found the way when an evaluation's greedy return is at least 0.9.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import shared
from gymnasium import spaces
from shared import Floats, parser, reached, trained, work

from logpi.types import Array, DeviceEnv, EnvSpec, Key

COST = 0.01  # of N moves to the right
FOUND = 0.9  # return
LENGTHS = (4, 7, 10, 14)
FIXED = {"n_envs": 8, "gamma": 1.0, "eval_points": 25, "eval_episodes": 4, "final_episodes": 4}
TABLE = {"network": {"hidden": []}}
Q = {**FIXED, "learning_rate": 0.5, "n_steps": 8}
GRADIENT = {**FIXED, **TABLE, "rung": "leave-one-out", "learning_rate": 0.03}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "Q-learning, ε from 1 to 0.05": ("q_learning", {**Q, "exploration_fraction": 0.5}),
    "Q-learning, random actions": ("q_learning", {**Q, "exploration_final_eps": 1.0}),
    "Q-learning, ε = 0.05, first values of 1": (
        "q_learning",
        {**Q, "exploration_initial_eps": 0.05, "network": {"initial_value": 1.0}},
    ),
    "REINFORCE": ("reinforce", GRADIENT),
    "REINFORCE, entropy bonus 0.01": ("reinforce", {**GRADIENT, "ent_coef": 0.01}),
    "REINFORCE, entropy bonus 0.1": ("reinforce", {**GRADIENT, "ent_coef": 0.1}),
}


def deep_sea(n: int) -> DeviceEnv:
    """The square of ``n`` rows; obs is the number of the cell, row by row. The episode ends after ``n`` moves."""

    def reset(key: Key) -> tuple[Array, Array]:
        return jnp.int32(0), jnp.int32(0)

    def step(cell: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        row, column = cell // n, cell % n
        over = row == n - 1
        treasure = over & (column == n - 1) & (action == 1)
        following = jnp.minimum(row + 1, n - 1) * n + jnp.clip(column + 2 * action - 1, 0, n - 1)
        following = following.astype(jnp.int32)
        return following, following, treasure * 1.0 - action * COST / n, over

    return DeviceEnv(EnvSpec(f"deep-sea-{n}", spaces.Discrete(n * n), spaces.Discrete(2), None), reset, step)


def found_at(way: str, n: int, seeds: int, steps: int, folder: Any) -> tuple[Floats, float]:
    """([S] steps at which the way was found, the budget)."""
    algo, settings = WAYS[way]
    settings = settings | ({"n_steps": n} if algo == "reinforce" else {})  # moves of an episode
    curves = trained(deep_sea(n), algo, seeds, folder, f"{way}, N = {n}", total_timesteps=steps, **settings)
    return reached(curves, FOUND), float(curves.steps[-1])


def cell(steps: Floats) -> str:
    """How many seeds found the way, and after how many steps in the median of those."""
    there = steps[np.isfinite(steps)]
    return f"{len(there)} of {len(steps)}" + (f" ({np.median(there):,.0f})" if len(there) else "")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--steps", type=int, default=50_000, help="environment steps of a seed")
    arguments.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, metavar="N")
    args = arguments.parse_args()
    with work() as folder:
        found = {way: {n: found_at(way, n, args.seeds, args.steps, folder) for n in args.lengths} for way in WAYS}
    chance = ["random play meets the reward within the budget"]
    for n in args.lengths:
        chance.append(f"{1 - (1 - 0.5**n) ** (args.steps / n):.0%}")
    rows: list[list[object]] = [[way, *(cell(at[n][0]) for n in args.lengths)] for way, at in found.items()]

    def fill(axes: list[Any]) -> None:
        from pictures import BLUE, GREEN, GREY, PURPLE, RED

        styles = [(RED, "o-"), (PURPLE, "^-"), (GREEN, "D-"), (GREY, "o--"), ("#56B4E9", "s--"), (BLUE, "^--")]
        for shift, ((way, at), (color, style)) in enumerate(zip(found.items(), styles, strict=False)):
            place = [n + 0.08 * (shift - 2.5) for n in args.lengths]  # lines would cover each other
            share = [np.isfinite(at[n][0]).mean() for n in args.lengths]
            axes[0].plot(place, share, style, color=color, ms=4, label=way)
        axes[0].set(
            xlabel="N, moves to the reward", ylabel=f"share of {args.seeds} seeds that found it", ylim=(-0.05, 1.05)
        )
        axes[0].set_xticks(list(args.lengths))

    parts = [
        f"Seeds that found the way within {args.steps:,} steps, and the median of the steps at which they had.",
        shared.report.table(["method", *(f"N = {n}" for n in args.lengths)], [*rows, chance]),
        shared.draw(args.results, "exploration", 1, fill),
    ]
    shared.publish(args.results, "exploration", "Exploration in a deep sea", parts)


if __name__ == "__main__":
    main()
