"""Kinds of tasks: one ``Task`` record each, found by the name of what is to be learnt.

An environment, a set of images and a board game differ in what builds their learning process, and in how a trained
agent is loaded, evaluated and shown. All of that is in their records; nothing else asks what kind a task is. Importing
this module imports none of the kinds.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from logpi.errors import LogpiError, near

if TYPE_CHECKING:
    from logpi.config.settings import Experiment, Section
    from logpi.driver.process import Process
    from logpi.runs.folder import RunFolder
    from logpi.types import Learner, PyTree

Table = Mapping[str, Any]  # settings as TOML has them
Facts = dict[str, Any]  # what JSON can hold
Band = tuple[float, float]  # scores that a recipe expects, lowest and highest


class Kind(NamedTuple):
    """Where a kind of task lives."""

    pattern: str  # regular expression of names that surely belong to it
    module: str  # which holds its record, ``TASK``
    methods: str  # package in which each module is one method
    settings: str  # module:class of the settings that every method of it has
    network: str = ""  # module:class of the settings of the standard network; "": each method has its own


_SETTINGS = "logpi.config.settings"
KINDS = {
    "control": Kind(
        r".*-v\d+", "logpi.control.task", "logpi.algorithms", f"{_SETTINGS}:EnvironmentSettings", f"{_SETTINGS}:Network"
    ),
    "ram": Kind(r"ram/.*", "logpi.ram.task", "logpi.ram.methods", "logpi.ram.settings:ImageSettings"),
    "games": Kind(r"pgx:.*", "logpi.games.task", "logpi.games.methods", "logpi.games.settings:GameSettings"),
}
LAST = "control"  # it has the error message for a name that no kind knows


class Score(NamedTuple):
    """What an evaluation measures."""

    label: str  # such as "mean return of an episode"
    percent: bool = False  # a fraction that people read in per cent
    low: float | None = None  # lowest possible score; None where it is not known
    high: float | None = None  # highest


class Length(NamedTuple):
    """How long a training is, in timesteps, and in what it is counted for people."""

    timesteps: int
    unit: str = "steps"
    each: int = 1  # timesteps of one


class Own(NamedTuple):
    """What a Python program brings instead of a standard part."""

    policy: Any = None  # a ``logpi.Policy``
    method: Any = None  # a ``logpi.Method``, with settings of its own
    algorithm: Any = None  # (settings, policy, spec, obs) -> ``logpi.Algorithm``, with settings of a method by name
    env: Any = None  # a ``logpi.DeviceEnv``, a factory of environments, or a ``gymnasium.vector.VectorEnv``
    eval_env: Any = None  # a ``gymnasium.vector.VectorEnv`` to evaluate in
    # arguments with which Gymnasium's environment of that name is the same as ``env``; None: it has no such name
    env_kwargs: Any = None
    suited: Mapping[str, Table] = {}  # settings by section that suit the spaces of ``env``

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the parts that are there, as ``logpi.train`` and ``logpi.resume`` call them."""
        parts = {"env": self.env, "policy": self.policy, "algo": self.method, "algorithm": self.algorithm}
        return tuple(name for name, part in parts.items() if part is not None)


NOTHING = Own()
Wrappers = Sequence[tuple[str, Table]]  # names and keyword arguments, innermost first


class Place(NamedTuple):
    """What is learnt in: a name, the environment's keyword arguments, and the wrappers around it."""

    name: str
    arguments: Table = MappingProxyType({})
    wrappers: Wrappers = ()


class Limits(NamedTuple):
    """What the metrics of a run are read against (``logpi.training.alarms``)."""

    max_entropy: float | None = None  # of a uniform policy, in nats; None where actions are continuous or searched
    max_episode_steps: int | None = None  # time limit of an episode
    rows: int | None = None  # of a trajectory that holds one episode, padded; None where rollouts are cut anywhere
    greedy: bool = False  # whether evaluations take the most probable action where training draws it


class Verdict(NamedTuple):
    """The last words on a trained agent."""

    lines: Sequence[str] = ()
    unbeatable: bool = False  # whether every play of an opponent was tried, and none wins


class Work(NamedTuple):
    """An experiment, ready to run: what a session needs of it."""

    num_devices: int  # that share one learner
    process: Callable[[int], Process]  # (seed): a host environment begins with it
    save_agent: Callable[[Path, PyTree, Facts], None]  # (folder, the acting part of one learner, facts of the run)
    # (shapes of one learner, folder of an agent) -> the learner, what the agent holds in arrays
    adopt: Callable[[Learner, Path], Learner]
    measured: Callable[[Any], Facts] = lambda scores: {}  # what final scores [n] say beside their mean
    data: str = ""  # fingerprint of what is learnt from, where it is not an environment
    source: str = ""  # what that is called, such as "the images or labels of FILE"
    in_turn: bool = False  # whether several seeds learn one after the other, each in a process of its own
    keeps_stages: bool = False  # whether the agents of all periodic evaluations are kept
    experiment: Experiment | None = None  # with what the data decides filled in; None: nothing was left to decide
    notes: Sequence[str] = ()  # told before the training begins
    packages: Sequence[str] = ()  # whose versions decide how its environments step
    limits: Limits = Limits()
    scale: Mapping[str, float] | None = None  # scores to compare with, by name; then the untrained agent is one too
    # (shapes of the acting part of one learner) -> what gives the last words on a trained agent; it may compile
    closing: Callable[[PyTree], Callable[[PyTree], Verdict]] = lambda shapes: lambda acting: Verdict()
    idle: Mapping[str, str] = {}  # "section.setting" -> why that setting does nothing here
    files: Mapping[str, str] = {}  # written into the run folder as it begins: name -> text


class Agent(Protocol):
    """A trained agent of any kind."""

    kind: str  # of task, one of KINDS
    facts: Facts  # its card: environment, method, settings, score


class Question(NamedTuple):
    """What an evaluation is asked for; None where nothing was asked."""

    episodes: int | None = None  # episodes, images or games
    seed: int | None = None
    sampled: bool = False  # actions are drawn instead of the most probable one
    passes: int | None = None  # over an image
    split: str | None = None  # of images
    record: str | None = None  # id of a data set that the episodes are recorded into


class Pictures(NamedTuple):
    """A user's own pictures, for an agent to classify."""

    given: Any  # paths or arrays, or a sequence of them
    folder: Path | None = None  # where one PNG for each picture goes; None: nothing is drawn
    invert: bool = False  # black is taken for white
    autocontrast: bool = False  # the darkest pixel of each becomes black and its brightest white
    passes: int = 1  # over a picture, whose class probabilities are averaged


class Ladder(NamedTuple):
    """What a measurement of gradient estimates is asked for."""

    trajectories: int = 10_000  # of each policy, at least
    batch: int = 10  # trajectories of an estimate whose baseline is made of the others', and of a cosine
    reference: int | None = None  # further trajectories whose mean stands for ∇J; None: as many
    gamma: float | None = None  # discount factor; None: the method's
    gae_lambda: float = 0.95
    moments: int = 3  # checkpoints of a run, at most
    seed: int = 0
    picture: Path | None = None  # PNG; None: nothing is drawn
    exact: Any = None  # ∇J where it is known, in the structure of the parameters
    tell: Callable[[str], None] = lambda text: None  # called with a few words before each part of the work


class Subject(NamedTuple):
    """Whose gradient is estimated: the untrained policy of an experiment, or an agent, perhaps at its checkpoints."""

    experiment: Experiment | None = None
    own: Own = NOTHING
    agent: Any = None
    folder: RunFolder | None = None


class Measured(NamedTuple):
    """One score of an agent with its interval."""

    what: str  # in words: "mean return of an episode"
    metric: str  # its name for programs: "mean_reward"
    mean: float
    low: float  # of the 95 % interval of the mean; nan where it is not known
    high: float
    cases: int  # number of them
    over: str  # what the cases are: "greedy episodes"
    deviation: float | None = None  # standard deviation of one case
    seed: int | None = None  # of the first case
    deterministic: bool = True  # whether the agent takes the most probable action


class Answer(NamedTuple):
    """Outcome of an evaluation."""

    facts: Facts
    lines: list[str]  # the same for people
    score: float | None = None  # as the runs of its task measure it; None where the answer has no such number
    measured: Measured | None = None  # the same with its interval


class Exported(NamedTuple):
    """How an agent acts, as one function of arrays with a leading batch axis, for other programs to run."""

    function: Callable[..., Sequence[Any]]  # of JAX arrays in the order of ``inputs`` to those of ``outputs``
    inputs: Mapping[str, Any]  # name -> an example, a NumPy array whose first axis is the batch
    outputs: Sequence[str]
    facts: Facts  # what a user of the function must know, each a text
    single: bool = False  # whether it takes one case at a time: a batch of 1


class Film(NamedTuple):
    """What to film."""

    path: Path  # may come back as .gif
    episodes: int | None = None
    seed: int = 10_000
    sampled: bool = False
    steps: int | None = None  # of an episode that are filmed at most
    tell: Callable[[str], None] = lambda text: None  # called with a sentence where the film is cut


class Described(NamedTuple):
    """What an environment says of itself, in words."""

    observation: str = ""  # space
    action: str = ""
    reward: str = ""
    limit: int | None = None  # steps after which an episode is cut
    draws: bool = False  # whether it draws pictures
    note: str = ""  # why nothing is known


class Episodes(Protocol):
    """Episodes of one agent, step by step (``logpi.control.episode.Episode``)."""

    @property
    def fps(self) -> float: ...
    @property
    def controls(self) -> Any: ...
    def begin(self) -> Any: ...
    def step(self, action: Any = None) -> Any: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


VECTORS = ("run.vectorization", "run.eval_vectorization", "run.half_batches", "run.autoreset")
NO_ENVIRONMENTS = dict.fromkeys((*VECTORS, "run.env_timeout"), "it is for environments on the host")
NO_WALK = {"run.stop_unbeatable": "it is for games of at most nine moves, such as tic-tac-toe"}


def scheduled(settings: Section) -> list[str]:
    """The settings that are schedules over a run's length."""
    given = {name: value for name, value in vars(settings).items() if name.endswith("_schedule")}
    return [f"{name}={value}" for name, value in given.items() if value != "constant"]


def in_steps(method: Table, band: Band) -> str:
    """The expected scores in words, and the timestep by which a recipe expects them."""
    return f"{band[0]:g} to {band[1]:g} by step {method.get('total_timesteps', float('nan')):,.0f}"


def no_sheet(agent: Agent, wanted: Film) -> dict[str, Path]:
    """Refuses an agent without glimpses."""
    raise LogpiError(f"a sheet shows glimpses, and an agent of {agent.facts['env']} has none; `logpi watch` films it")


def no_look(agent: Agent, wanted: Pictures) -> Answer:
    """Refuses an agent that does not classify images."""
    raise LogpiError(f"an agent of {agent.facts['env']} does not classify pictures; agents of ram/… do (`logpi envs`)")


def no_glimpses(
    agent: Agent, wanted: Pictures, places: str, n_glimpses: int | None, seed: int, centre: bool
) -> list[Any]:
    """Refuses an agent that does not look at images in glimpses."""
    raise LogpiError(f"an agent of {agent.facts['env']} takes no glimpses of pictures; agents of ram/… do")


def no_variance(subject: Subject, asked: Ladder) -> Answer:
    """Refuses what has no whole trajectories of a policy in an environment."""
    name = subject.agent.facts["env"] if subject.experiment is None else subject.experiment.env
    raise LogpiError(f"{name} is not an environment; the variance is measured in one, such as CartPole-v1")


def no_episode(agent: Agent, seed: int, sampled: bool) -> Episodes:
    """Refuses an agent that is not one of an environment."""
    raise LogpiError(f"{agent.facts['env']} is not an environment; agents of one are watched step by step")


def no_checkpoint(agent: Agent, path: Path) -> Agent:
    """Refuses an agent whose parameters are not taken out of checkpoints."""
    raise LogpiError(f"an agent of {agent.facts['env']} is taken from best/, last/ or stages/, not from {path}")


def no_random_film(name: str, wrappers: Wrappers, wanted: Film) -> Path:
    """Refuses a task that is not an environment."""
    raise LogpiError(f"{name} is not an environment; a random agent is filmed in one, such as CartPole-v1")


def no_wrapping(name: str, wrappers: Wrappers, frames: int | None) -> Wrappers:
    """Refuses wrappers around what is not an environment."""
    asked = ", ".join(wrapper for wrapper, _ in wrappers) or f"frame_stack {frames}"
    raise LogpiError(f"{asked}: {name} is not an environment, and takes no wrappers; leave them out")


def refuse_object(env: object) -> tuple[str, Table, Own]:
    """Refuses an object where a name is wanted."""
    raise LogpiError(f"env is a {type(env).__name__}; allowed: a name of `logpi envs`")


class Task(NamedTuple):
    """A kind of task."""

    name: str  # one of KINDS
    what: str  # what its names stand for, as messages say it: "a board game"
    does: str  # what its methods do: "learns board games"
    knows: Callable[[str], bool]  # whether it has a task of this name
    names: Callable[[], list[str]]  # names that can be listed
    runs_on: Callable[[str], str]  # "device" or "host"
    default_method: Callable[[str], str]  # for a name that has no recipe
    score: Callable[[str], Score]
    length: Callable[[Experiment], Length]
    build: Callable[[Experiment, Own], Work]
    load: Callable[..., Agent]  # (folder of an agent, Own)
    evaluate: Callable[[Agent, Question], Answer]
    film: Callable[[Agent, Film], Path]
    export: Callable[[Agent], Exported]  # how it acts, with all that it does to observations and actions inside
    pictures: Callable[[Agent, RunFolder], dict[str, Path]]  # what is drawn at the end of a run: what -> file
    report: Callable[[Any, Experiment], list[str]]  # (final scores [S, cases]) -> first lines of the outcome
    next_step: Callable[[Experiment, Path], str]  # a command for the trained agent
    # settings of the method that the name stands for, or what is around it
    presets: Callable[[Place], Table] = lambda place: {}
    # settings by section that suit a name without a recipe
    untuned: Callable[[Place], Mapping[str, Table]] = lambda place: {}
    wrappers: Callable[[str], Wrappers] = lambda name: ()  # around a name where none are asked for
    # (name, wrappers, frames of a stack around them) -> those wrappers one by one
    wrapping: Callable[[str, Wrappers, int | None], Wrappers] = no_wrapping
    expected: Callable[[Table, Band], str] = in_steps  # (settings of a recipe's method, its band) -> in words
    missed: Callable[[Band], str] = lambda band: f"below the {band[0]:g}"  # said where a run ends below its band
    # (name, wrappers around it, film) of an agent that draws its actions uniformly
    film_random: Callable[[str, Wrappers, Film], Path] = no_random_film
    sheet: Callable[[Agent, Film], dict[str, Path]] = no_sheet  # glimpse paths, into the folder ``Film.path``
    look: Callable[[Agent, Pictures], Answer] = no_look  # at pictures of the user's own
    # (agent, pictures, choice of places, number of glimpses, seed, whether to centre) -> each picture's glimpses
    glimpses: Callable[[Agent, Pictures, str, int | None, int, bool], list[Any]] = no_glimpses
    variance: Callable[[Subject, Ladder], Answer] = no_variance  # of gradient estimates, rung by rung
    described: Callable[[str], Described] = lambda name: Described()  # by an environment itself
    episode: Callable[[Agent, int, bool], Episodes] = no_episode  # (agent, seed, whether actions are drawn)
    at_checkpoint: Callable[[Agent, Path], Agent] = no_checkpoint  # (agent, checkpoint of its run) -> as it was then
    meant: Callable[[str], str] = lambda name: ""  # for a name that is nearly one of its own: what to write; "": none
    # what a Python program brings instead of a name -> the name, settings that follow, and the object
    given: Callable[[object], tuple[str, Table, Own]] = refuse_object
    remark: Callable[[str], str] = lambda name: ""  # known issues of a task, told before it is used; "": none
    films: bool = True  # whether ``pictures`` are drawn by default
    filmed: int = 1  # episodes or images of a film, where nothing else is asked for
    preview: tuple[int | None, int | None] = (None, None)  # (episodes or images, steps at most) of the gallery's film
    hub_task: str = "reinforcement-learning"  # type of task in the words of the Hugging Face hub
    horizon: str = "total_timesteps"  # the setting of a method that says how long it learns
    settle: Callable[[Any], Any] = lambda settings: settings  # settings of a method as a run keeps them
    schedules: Callable[[Any], list[str]] = scheduled  # (settings of a method) -> what its length decides, in words


def record(kind: str) -> Task:
    """The record of a kind.

    Raises:
        LogpiError: there is no such kind.
    """
    if kind not in KINDS:
        raise LogpiError(f"unknown kind of task {kind!r}; allowed: {', '.join(KINDS)}")
    found: Task = importlib.import_module(KINDS[kind].module).TASK
    return found


def kind_of(name: str) -> str:
    """The kind of the task called ``name``: by its form if that tells, else by asking all kinds, the last one last."""
    for kind, place in KINDS.items():
        if re.fullmatch(place.pattern, name):
            return kind
    others: Sequence[str] = [kind for kind in KINDS if kind != LAST]
    return next((kind for kind in others if record(kind).knows(name)), LAST)


def task_of(name: str) -> Task:
    """The record of the task called ``name``."""
    return record(kind_of(name))


def check_name(env: str) -> None:
    """Refuse a name that no kind of task has, where it is nearly one.

    Ids and code of one's own are looked up where they are made, and say there what is wrong with them.

    Raises:
        LogpiError: with the right name.
    """
    if ":" in env or any(re.fullmatch(kind.pattern, env) for kind in KINDS.values()):
        return
    task = task_of(env)
    meant = next(filter(None, (record(kind).meant(env) for kind in KINDS)), "")
    if task.name == LAST and meant and env not in task.names():
        raise LogpiError(f"unknown environment {env!r}; {meant}")


def check_learns(env: str, method: str, kind: str, fitting: Sequence[str]) -> None:
    """Refuse a method of another kind of task: images, games and environments each have their own.

    Args:
        env: name of the task.
        method: name of the method.
        kind: the method's, one of ``KINDS``.
        fitting: names of the methods of the task's own kind.

    Raises:
        LogpiError: with what would fit.
    """
    task = task_of(env)
    known = task.knows(env)
    if known and kind == task.name:
        return
    if known and task.name != LAST:
        raise LogpiError(f"{env} is {task.what}, which {method} does not learn; its algorithms: {', '.join(fitting)}")
    own = record(kind) if known else task
    name, there = method if own.name == kind else own.default_method(env), own.names()
    raise LogpiError(f"{name} {own.does}, and {env!r} is not one of its tasks: {', '.join(there)}{near(env, there)}")
