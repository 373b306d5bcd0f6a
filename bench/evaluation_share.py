"""How much of a run's time its periodic evaluations take by default, in every environment of `logpi envs`.

    python bench/evaluation_share.py [--only PATTERN]

Measured: fourteen environments are trained with their default settings, and the clock is read; compilation and the
final evaluation are apart. Most are trained for a shorter time, in which the evaluations that are always made weigh
more. Computed: for all others, and for those at their default length, from the plan of their evaluations and the cost
of an evaluation's step that was measured in their kind; on the host the environment's own step is measured in each.
Recipes that ask for their evaluations are computed as they ask.
"""

from __future__ import annotations

import fnmatch
import tempfile
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from report import parser, publish, table

from logpi.config.experiments import Listed, environments, resolve
from logpi.config.settings import Experiment
from logpi.control.build import parts
from logpi.driver import devices
from logpi.driver.budget import SHARE, Plan
from logpi.envs.host import HostFactory
from logpi.envs.make import make
from logpi.errors import LogpiError
from logpi.games.evaluation.judges import evaluations, step_cost
from logpi.games.rules.make import make_game
from logpi.runs.checkpoint import read_meta
from logpi.runs.folder import RunFolder
from logpi.tasks import NOTHING, task_of
from logpi.training import session
from logpi.types import DeviceEnv

MEASURED = {  # timesteps; None: as the recipe or the default says
    "CartPole-v1": None,
    "Acrobot-v1": None,
    "Pendulum-v1": None,
    "Taxi-v4": 30_000,
    "FrozenLake-v1": 30_000,
    "Blackjack-v1": 30_000,
    "LunarLander-v3": 50_000,
    "BipedalWalker-v3": 30_000,
    "HalfCheetah-v5": None,
    "tic-tac-toe": None,
    "hex-7x7": 15_000,
    "othello": 150_000,
    "go-5x5": 15_000,
    "ram/mnist": 100_000,
}
HOST = ("Taxi-v4", "FrozenLake-v1", "Blackjack-v1", "LunarLander-v3", "BipedalWalker-v3")
RUN = {"video": False, "tensorboard": False, "final_episodes": 2, "checkpoint_points": 0}
STEPS = 400  # random ones, of which an environment's own rate is taken
SECONDS = 1.0  # or as many as fit


class Found(NamedTuple):
    """One environment's share."""

    env: str
    timesteps: float
    plan: Plan
    evaluations: float
    steps: float  # of all evaluations
    share: float  # of the time of training and evaluations
    cost: float  # of an evaluation's step, in timesteps of training
    planned: float  # the same, as the plan counts it
    how: str


class Clock:
    """A view that keeps the last times."""

    def __init__(self) -> None:
        self.elapsed, self.evaluations, self.timesteps = 0.0, 0, 0
        self.shares: Mapping[str, float] = {}

    def update(self, timesteps: int, metrics: Mapping[str, Any], shares: Mapping[str, float]) -> None:
        self.elapsed, self.shares, self.timesteps = metrics["time/time_elapsed"], dict(shares), timesteps
        self.evaluations += "eval/mean_reward" in metrics

    def note(self, text: str) -> None: ...
    def tell(self, text: str) -> None: ...
    def working(self, what: str, done: int, total: int) -> None: ...
    def done(self, text: str) -> None: ...


def chosen(env: str, folder: str, timesteps: float | None) -> Experiment:
    """Default settings, perhaps of a shorter run."""
    task = task_of(env)
    method = {} if timesteps is None else {task.horizon: timesteps}
    return resolve(env, None, {"run": {**RUN, "log_dir": folder}, "method": method})[0]


def plan_of(experiment: Experiment) -> Plan:
    """The periodic evaluations of a run, without making anything else of it."""
    kind = task_of(experiment.env).name
    if kind == "games":
        return evaluations(experiment.run, experiment.method, make_game(experiment.env))
    if kind == "ram":
        return Plan(experiment.run.eval_episodes, experiment.run.eval_points, longest=experiment.method.steps_an_image)
    return parts(experiment, NOTHING).plan


def planned_cost(experiment: Experiment, plan: Plan) -> float:
    """The cost of an evaluation's step that ``plan`` counts with; 0 where it counts with none."""
    if task_of(experiment.env).name == "games":
        return step_cost(experiment.method, make_game(experiment.env))
    return SHARE * experiment.method.total_timesteps / plan.allowed


def measure(env: str, timesteps: float | None) -> Found:
    """Train, and read the clock."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        experiment = chosen(env, folder, timesteps)
        trained = session.start(experiment, ["bench/evaluation_share.py"], clock)
        spent = _spent(trained.folder)
    evaluating, compiling = clock.shares["evaluate"], clock.shares["compile"]
    training = clock.elapsed - compiling - evaluating
    cost = evaluating / max(spent, 1) / (training / clock.timesteps)
    share = evaluating / (training + evaluating)
    plan = plan_of(experiment)
    planned = planned_cost(experiment, plan)
    return Found(env, clock.timesteps, plan, clock.evaluations, spent, share, cost, planned, "measured")


def _spent(folder: RunFolder) -> int:
    newest = max(folder.checkpoints.glob("*.safetensors"))
    return int(read_meta(newest)["progress"]["eval_steps"])


def compute(listed: Listed, measured: Mapping[str, Found]) -> Found | str:
    """The share by the plan, at most, and the measured costs of its kind; or why there is none."""
    try:
        experiment = chosen(listed.env, "", None)
        plan = plan_of(experiment)
        cost, how = _cost(listed, experiment, plan, measured)
    except Exception as error:  # an environment may raise anything
        return str(error).partition("\n")[0].partition(". ")[0]
    total = float(experiment.method.total_timesteps)
    points = plan.points + (listed.task == "games")  # before training the untrained network is evaluated too
    most = points * plan.episodes * plan.longest
    spent = min(most, plan.allowed)
    share = spent * cost / (total + spent * cost)
    return Found(listed.env, total, plan, points, spent, share, cost, planned_cost(experiment, plan), how)


def _cost(listed: Listed, experiment: Experiment, plan: Plan, measured: Mapping[str, Found]) -> tuple[float, str]:
    """(cost of an evaluation's step, where it comes from)."""
    if listed.task == "games":
        family = listed.env.partition("-")[0] if listed.env.partition("-")[0] in ("hex", "go") else listed.env
        like = next((f for name, f in measured.items() if name.startswith(family)), None)
        like = like or max((f for f in measured.values() if task_of(f.env).name == "games"), key=_factor)
        return _factor(like) * planned_cost(experiment, plan), f"as {like.env}"
    if listed.task == "ram":
        return measured["ram/mnist"].cost, "as ram/mnist"
    env = make(experiment.env, **experiment.env_kwargs)
    if isinstance(env, DeviceEnv):
        like = max((measured[name] for name in ("CartPole-v1", "Acrobot-v1", "Pendulum-v1")), key=_factor)
        return _factor(like) * planned_cost(experiment, plan), f"as {like.env}"
    seconds = step_seconds(env)
    like = max((found for name, found in measured.items() if name in HOST), key=_factor)
    cost = _factor(like) * planned_cost(experiment, plan)
    return cost, f"as {like.env}; own step {1e6 * seconds:.0f} µs"


def _factor(found: Found) -> float:
    """A measured cost over the one that its plan counts with."""
    return found.cost / found.planned if found.planned else 1.0


def step_seconds(factory: HostFactory) -> float:
    """Seconds of one random step."""
    env = factory()
    env.action_space.seed(0)
    env.reset(seed=0)
    began, made = time.perf_counter(), 0
    while made < STEPS and time.perf_counter() - began < SECONDS:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
        made += 1
    seconds = (time.perf_counter() - began) / made
    env.close()
    return seconds


def line(found: Found) -> list[str]:
    """A row of the table."""
    plan = found.plan
    evaluations = f"{found.evaluations:.0f} x {plan.episodes}"
    return [
        found.env,
        f"{found.timesteps:,.0f}",
        evaluations,
        f"{found.steps:,.0f}",
        f"{found.cost:.3g}",
        f"{100 * found.share:.1f} %",
        found.how,
    ]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--only", default="*", metavar="PATTERN", help="environments whose names match, as hex-*")
    args = arguments.parse_args()
    devices.prepare()
    every = {listed.env: listed for listed in environments()}
    measured: dict[str, Found] = {}
    for env, timesteps in MEASURED.items():
        if (env in every or task_of(env).name == "games") and fnmatch.fnmatch(env, args.only):
            print("training", env, flush=True)
            try:
                measured[env] = measure(env, timesteps)
            except LogpiError:  # such as a package that is not installed; below it is said which
                continue
            print(*line(measured[env]), flush=True)
    rows = [line(found) for found in measured.values()]
    left_out = []
    for env, listed in every.items():
        if MEASURED.get(env, 1) and fnmatch.fnmatch(env, args.only):
            found = compute(listed, measured)
            if isinstance(found, str):
                left_out.append([env, found])
            else:
                rows.append(line(found))
    header = ["environment", "timesteps", "evaluations", "their steps", "cost of a step", "share", "how"]
    about = (
        "Share: time of the periodic evaluations, of that of training and evaluations; compilation and the final "
        "evaluation are apart. Wanted: at most a tenth. Cost of a step: time of an evaluation's step, in timesteps of "
        "training. Computed shares are upper bounds: every point that the plan allows, with episodes of full length."
    )
    publish(
        args.results,
        "evaluation_share",
        "Share of evaluation",
        {},
        [table(header, rows), about, "Not computed:", table(["environment", "why"], left_out)],
    )


if __name__ == "__main__":
    main()
