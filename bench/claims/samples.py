"""Do policy gradients need more samples than Q-learning: where Q-learning works, and where it does not?

    python bench/claims/samples.py [--seeds 10] [--share 1.0]

Three tasks. CartPole-v1 by networks, with the recipes that come with logpi. A walk along a cliff by tables (Sutton &
Barto 2018, example 6.6): 13 moves at best; a fall costs 100 and leads back to the start. The short corridor with
switched actions (example 13.1): all three squares look alike and the middle one goes the wrong way, so that the best
policy draws its actions (right with 0.59, a return of -11.6), while no fixed action gets there. Every method gets the
same number of steps in a task and is evaluated 40 times, 20 episodes each, as it would be used: greedy, or in the
corridor with actions drawn (of the Q methods: ε-greedy). What counts is the first evaluation that is good enough. Of
several settings of a method the one whose median is lowest counts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import shared
from gymnasium import spaces
from shared import Curves, Floats, median, parser, reached, trained, work

from logpi.types import Array, DeviceEnv, EnvSpec, Key

WIDTH, HEIGHT = 12, 4  # of the cliff
EVALUATED = {"eval_points": 40, "eval_episodes": 20}
Settings = Mapping[str, Any]


def cliff() -> DeviceEnv:
    """CliffWalking-v1 on the device: the number of the square, row by row; actions up, right, down, left."""
    start, goal = (HEIGHT - 1) * WIDTH, HEIGHT * WIDTH - 1

    def reset(key: Key) -> tuple[Array, Array]:
        return jnp.int32(start), jnp.int32(start)

    def step(square: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        y, x = square // WIDTH, square % WIDTH
        y = jnp.clip(y + jnp.array([-1, 0, 1, 0])[action], 0, HEIGHT - 1)
        x = jnp.clip(x + jnp.array([0, 1, 0, -1])[action], 0, WIDTH - 1)
        square = (y * WIDTH + x).astype(jnp.int32)
        fell = (square > start) & (square < goal)
        square = jnp.where(fell, start, square)
        return square, square, jnp.where(fell, -100.0, -1.0), square == goal

    return DeviceEnv(EnvSpec("cliff-v0", spaces.Discrete(goal + 1), spaces.Discrete(4), 200), reset, step)


def corridor() -> DeviceEnv:
    """Squares 0, 1, 2 and the goal 3; actions 0 left, 1 right, the other way round in square 1. Obs is always 0."""

    def reset(key: Key) -> tuple[Array, Array]:
        return jnp.int32(0), jnp.int32(0)

    def step(square: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        way = (2 * action - 1) * jnp.where(square == 1, -1, 1)
        square = jnp.maximum(square + way, 0).astype(jnp.int32)
        return square, jnp.int32(0), jnp.float32(-1.0), square == 3

    return DeviceEnv(EnvSpec("corridor-v0", spaces.Discrete(1), spaces.Discrete(2), 200), reset, step)


class Task(NamedTuple):
    """A task, and the settings of each method that are tried in it."""

    title: str
    env: Callable[[], object]
    steps: int  # of a seed
    enough: float  # return
    common: Settings
    methods: Mapping[str, tuple[str, Sequence[Settings]]]  # label -> (algo, settings)


def rates(*values: float, **more: Any) -> list[Settings]:
    return [{"learning_rate": value, **more} for value in values]


TABLE = {"network": {"hidden": []}}
ADAM = {"optimizer": "adam"}
TASKS = (
    Task(
        "CartPole-v1, networks, return of 475",
        lambda: "CartPole-v1",
        100_000,
        475.0,
        {},
        {
            "REINFORCE": ("reinforce", [{}]),
            "actor-critic": ("actor_critic", [{}]),
            "A2C": ("a2c", [{}]),
            "PPO": ("ppo", [{}]),
            "DQN": ("dqn", [{}]),
            "PQN": ("pqn", [{}]),
        },
    ),
    Task(
        "The cliff, tables, return of -13, the best",
        cliff,
        100_000,
        -13.0,
        {"gamma": 1.0},
        {
            "REINFORCE": ("reinforce", rates(0.03, 0.1, rung="value", vf_learning_rate=0.3, n_envs=4, **TABLE)),
            "A2C": ("a2c", rates(0.03, 0.1, n_envs=8, n_steps=16, **ADAM, **TABLE)),
            "PPO": ("ppo", rates(0.01, 0.03, n_envs=8, n_steps=64, batch_size=128, n_epochs=4, **TABLE)),
            "Q-learning": (
                "q_learning",
                rates(0.5, 1.0, n_envs=8, exploration_initial_eps=0.1, exploration_final_eps=0.1),
            ),
        },
    ),
    Task(
        "The corridor, one observation, return of -13 or more",
        corridor,
        40_000,
        -13.0,
        {"gamma": 1.0, "eval_sampled": True},
        {
            "REINFORCE": ("reinforce", rates(0.03, 0.1, rung="value", vf_learning_rate=0.3, n_envs=4, **TABLE)),
            "A2C": ("a2c", rates(0.01, 0.03, n_envs=8, n_steps=16, **ADAM, **TABLE)),
            "PPO": ("ppo", rates(0.003, 0.01, n_envs=8, n_steps=64, batch_size=128, n_epochs=4, **TABLE)),
            "Q-learning, ε = 0.1": (
                "q_learning",
                rates(0.01, 0.1, n_envs=8, exploration_initial_eps=0.1, exploration_final_eps=0.1),
            ),
        },
    ),
)


def measured(task: Task, label: str, seeds: int, share: float, folder: Any) -> tuple[Curves, Floats]:
    """(curves, [S] steps to ``task.enough``) of a method, by the best of its settings."""
    algo, tried = task.methods[label]
    runs = []
    for settings in tried:
        given = {**EVALUATED, **task.common, **settings, "total_timesteps": int(share * task.steps)}
        curves = trained(task.env(), algo, seeds, folder, f"{label} {settings}", **given)
        runs.append((median(reached(curves, task.enough))[0], -curves.last.mean(), len(runs), curves))
    curves = min(runs)[-1]
    return curves, reached(curves, task.enough)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--share", type=float, default=1.0, help="of the steps of each task")
    args = arguments.parse_args()
    with work() as folder:
        found = {
            task.title: {name: measured(task, name, args.seeds, args.share, folder) for name in task.methods}
            for task in TASKS
        }
    parts = []
    header = ["method", "steps, median over seeds", "seeds that reached it", "return at the end"]
    for task in TASKS:
        rows = [
            [
                name,
                shared.shown_steps(steps, curves.steps[-1]),
                shared.number_of(steps),
                shared.mean(curves.last, ".1f"),
            ]
            for name, (curves, steps) in found[task.title].items()
        ]
        parts += [f"## {task.title}", shared.report.table(header, rows)]

    def fill(axes: list[Any]) -> None:
        from pictures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, curve

        colors = {"REINFORCE": BLUE, "actor-critic": GREEN, "A2C": PURPLE, "PPO": GREY, "DQN": RED, "PQN": ORANGE}
        for panel, task in zip(axes, TASKS, strict=True):
            for name, (curves, _) in found[task.title].items():
                style = "--" if "Q" in name else "-"
                curve(panel, curves.steps, curves.scores, colors.get(name, RED), name, style, marker="")
            panel.set(title=task.title, xlabel="environment steps", ylabel="return; band: 95 % of the mean")
            if task.enough < 0:
                panel.set_ylim(-210, 0)

    about = (
        f"{args.seeds} seeds. Steps: of the first evaluation that was good enough, median over seeds with its interval "
        "by order statistics. Return at the end: with Student's 95 % interval."
    )
    shown = shared.draw(args.results, "samples", len(TASKS), fill)
    shared.publish(args.results, "samples", "Samples: policy gradients and Q-learning", [about, *parts, shown])


if __name__ == "__main__":
    main()
