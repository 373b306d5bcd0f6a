"""Settings: what a field of them is, those that several methods share, and those of a run.

    gamma: float = fraction(0.99)  # Discount factor γ per environment step

A field has a default, a range of allowed values, and a comment that is the help of its flag: at the end of its line, on
the lines directly above it, or both. A subclass may write ``gamma: float = 0.9``: the range and the comment of the
class above still hold. A method's own settings stand in its file. Names are Stable-Baselines3's. Float fields are
traced arrays inside a learner, so that changing one compiles nothing; the others are part of the program. Nothing here
imports JAX.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from logpi.errors import LogpiError

T = TypeVar("T")
RANGE = "range"  # key of a field's metadata
SEEDS = (0, 2**31 - 1)  # range of seeds that external engines accept too
MOST_STEPS = 2e9  # timesteps of a run: they are counted in 32 bits


class Section(Protocol):
    """A dataclass of settings: one part of an experiment."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Allows: TypeAlias = Callable[[Any, Any], bool]  # (value, the section that it belongs to)


class Range(NamedTuple):
    """Allowed values of a setting."""

    allows: Allows
    text: str  # what an error message says after "it must be"


def ranged(default: T, allows: Allows, text: str) -> T:
    """Field with a range of its own; ``allows(value, settings)`` may look at the other settings."""
    found: T = dataclasses.field(default=default, metadata={RANGE: Range(allows, text)})
    return found


def at_least(low: int, default: T) -> T:
    """Number of at least ``low``."""
    return ranged(default, lambda x, _: x >= low, f"at least {low}")


def not_negative(default: T) -> T:
    """Finite number of at least 0."""
    return ranged(default, lambda x, _: 0 <= x < math.inf, "at least 0 and finite")


def above(low: int, default: T) -> T:
    """Number greater than ``low``; inf is allowed."""
    return ranged(default, lambda x, _: x > low, f"greater than {low}")


def between(low: float, high: float, default: T) -> T:
    """Number from ``low`` to ``high``."""
    return ranged(default, lambda x, _: low <= x <= high, f"between {low:g} and {high:g}")


def fraction(default: T) -> T:
    """Number from 0 to 1."""
    return between(0, 1, default)


def finite(default: T) -> T:
    """Finite number of either sign."""
    return ranged(default, lambda x, _: math.isfinite(x), "finite")


def layers(default: T) -> T:
    """Sizes of layers, one positive integer each."""
    return ranged(default, lambda x, _: all(n >= 1 for n in x), "positive integers, one per layer")


def timesteps(default: T) -> T:
    """Length of a run in timesteps."""
    return ranged(default, lambda x, _: 0 < x <= MOST_STEPS, f"above 0 and at most {MOST_STEPS:g}")


def check_seed(seed: int | None) -> None:
    """Refuse a seed of evaluations, films or matches that external engines do not take.

    Raises:
        LogpiError: it is outside of ``SEEDS``.
    """
    if seed is not None and not SEEDS[0] <= seed <= SEEDS[1]:
        raise LogpiError(f"seed is {seed}; allowed: {SEEDS[0]} to {SEEDS[1]}")


def range_of(kind: type[Section], name: str) -> Range | None:
    """Range of the field ``name`` of ``kind``: its own, or that of the nearest class above that has one."""
    for base in kind.__mro__:
        field = getattr(base, "__dataclass_fields__", {}).get(name)
        if field is not None and RANGE in field.metadata:
            found: Range = field.metadata[RANGE]
            return found
    return None


def check_ranges(where: str, config: Section) -> None:
    """Refuse settings that no run can use; ``config`` is the section ``where`` of an experiment.

    Raises:
        LogpiError: a value is out of its range.
    """
    for field in dataclasses.fields(config):
        value, wanted = getattr(config, field.name), range_of(type(config), field.name)
        if wanted is not None and not wanted.allows(value, config):
            raise LogpiError(f"{where}.{field.name} is {value}; it must be {wanted.text}")


class Use(NamedTuple):
    """When settings matter; a class of settings lists them as ``uses``."""

    names: tuple[str, ...]
    matters: Callable[[Any], bool]  # (the settings that they belong to)
    text: str  # what an error message says after "it is used where"


def idle_because(config: Section, name: str) -> str:
    """Why the setting ``name`` of ``config`` does nothing beside the other settings; "" where it does something."""
    rules = (rule for base in type(config).__mro__ for rule in vars(base).get("uses", ()))
    found = (rule.text for rule in rules if name in rule.names and not rule.matters(config))
    return next((f"it is used where {text}" for text in found), "")


def fixed_settings(kind: type[Section]) -> set[str]:
    """Settings of ``kind`` that are decided when a run begins, although they are numbers.

    A class of settings lists them as ``fixed``: what decides a shape, or is used once.
    """
    return {name for base in kind.__mro__ for name in vars(base).get("fixed", ())}


Activation = Literal["tanh", "relu", "silu"]
Torso = Literal["auto", "mlp", "cnn", "impala", "patches"]
Memory = Literal["none", "gru", "lstm"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "linear"]
NO_TRACKER: Literal["none"] = "none"
MOST_SEEDS = 2**32
SEED_RANGE = "between 0 and 4294967295 - seeds"


class Settings(Section, Protocol):
    """Settings of a method: a frozen dataclass with these fields at least."""

    @property
    def total_timesteps(self) -> float: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def optimizer(self) -> Optimizer: ...

    @property
    def max_grad_norm(self) -> float: ...


@dataclasses.dataclass(frozen=True)
class Network:
    """The network: separate torsos for policy and value, or a shared one."""

    # Layers before the heads: mlp, or of images cnn (Nature), impala, patches; auto: cnn for images of 36x36 and more
    torso: Torso = "auto"
    hidden: tuple[int, ...] = layers((64, 64))  # Hidden layer sizes of the MLP, in units
    activation: Activation = "tanh"  # Activation function of the MLP's hidden layers
    memory: Memory = "none"  # Recurrent cell between torso and heads (GRU or LSTM); none: a feedforward policy
    memory_size: int = at_least(1, 64)  # Number of units of the recurrent cell (of an LSTM: h and c each)
    shared: bool = False  # One torso for policy and value instead of one each; always on with a memory or a CNN
    squash: bool = False  # Tanh-squashed Gaussian policy for Box actions; off: a Gaussian whose samples are clipped
    # Initial natural logarithm of a Gaussian's standard deviation, which is in units of half the action range (of 1
    # where that is unbounded)
    log_std_init: float = finite(0.0)

    uses = (
        Use(("memory_size",), lambda c: c.memory != "none", "memory is gru or lstm"),
        Use(("shared",), lambda c: c.memory == "none", "memory is none: a memory always has one torso"),
    )

    def idle_behind_cnn(self, box: bool) -> tuple[str, ...]:
        """Settings that do nothing where the torso is convolutions; ``box``: actions are a Box."""
        return ("hidden", "activation", "shared")


@dataclasses.dataclass(frozen=True)
class EnvironmentSettings:
    """What every method that learns in environments needs."""

    # Training length in environment steps, summed over environments; schedules end there
    total_timesteps: float = timesteps(1e5)
    n_envs: int = at_least(1, 8)  # Number of parallel environments, B
    learning_rate: float = not_negative(3e-4)  # Learning rate (step size) of the optimizer
    lr_schedule: Schedule = "constant"  # Learning rate schedule: constant, or linear: decay to 0 at total_timesteps
    gamma: float = fraction(0.99)  # Discount factor γ per environment step
    normalize_obs: bool = False  # Observation normalization (not of pixels) by running mean and standard deviation
    normalize_reward: bool = False  # Reward scaling: division by the running deviation of the discounted return


@dataclasses.dataclass(frozen=True)
class GradientSettings(EnvironmentSettings):
    """What every method with a network needs."""

    max_grad_norm: float = above(0, math.inf)  # Maximum global gradient norm (gradient clipping); inf: none
    optimizer: Optimizer = "adam"  # Gradient optimizer, from Optax


@dataclasses.dataclass(frozen=True)
class ControlSettings(GradientSettings):
    """What every policy-gradient method needs."""

    ent_coef: float = not_negative(0.0)  # Weight of the entropy bonus (entropy of the policy, in nats); 0: none


def _reachable(score: float, run: Run) -> bool:
    return score == math.inf or (not math.isnan(score) and run.eval_points != 0)


@dataclasses.dataclass(frozen=True)
class Run:
    """What to run, and what to keep of it."""

    seed: int = ranged(0, lambda x, c: 0 <= x <= MOST_SEEDS - c.seeds, SEED_RANGE)  # Seed of all random numbers
    # Number of seeds (seed, seed + 1, …) of the run; on the host and in games they take turns within each iteration
    seeds: int = at_least(1, 1)
    # Greedy episodes (or images, or games) per periodic evaluation; 0: at most 20, in a tenth of the run's time
    eval_episodes: int = at_least(0, 0)
    # Number of periodic evaluations, evenly spread; 0: only one, at the end; -1: at most 20, in a tenth of the time
    eval_points: int = at_least(-1, -1)
    eval_sampled: bool = False  # Evaluation with actions drawn from the policy, instead of the most probable one
    final_episodes: int = at_least(1, 100)  # Greedy episodes (or images, or games) of the final evaluation
    checkpoint_points: int = not_negative(10)  # Number of checkpoints, evenly spread; 0: only at the start and the end
    keep_checkpoints: int = at_least(1, 3)  # Number of newest checkpoints to keep
    log_points: int = at_least(1, 200)  # Number of logged rows of metrics, evenly spread; at most one per iteration
    # Score of a periodic evaluation (of every seed) at which training ends, in the task's own unit; inf: none
    stop_at: float = ranged(math.inf, _reachable, "a number, with eval_points other than 0")
    # End of training once a periodic evaluation finds that no play of an opponent wins; of games of at most nine moves
    stop_unbeatable: bool = False
    # Time limit of training, in minutes of wall-clock time, those before a run was resumed included; inf: none
    minutes: float = above(0, math.inf)
    video: bool = True  # Video of the trained agent, recorded at the end of training
    tensorboard: bool = True  # TensorBoard event file in the run folder
    # Experiment tracker that gets every row too, without an account: trackio, or wandb (Weights & Biases) offline
    tracker: Literal["none", "trackio", "wandb"] = NO_TRACKER
    log_dir: str = "runs"  # Folder in which run folders are made
    # Vector of host environments: ale (ale-py's) or envpool where they serve, one process (sync), one each (async)
    vectorization: Literal["auto", "sync", "async", "ale", "envpool"] = "auto"
    # Vector of the environments of evaluations; sync is Gymnasium's own environment
    eval_vectorization: Literal["sync", "async", "ale", "envpool"] = "sync"
    # Host environments in two halves in turn: one half steps while the network acts for the other
    half_batches: bool = False
    # Time in seconds after which a call of a host environment that has not returned ends the run; inf: none
    env_timeout: float = above(0, 600.0)
    # Autoreset mode of host environments' vectors, as in Gymnasium
    autoreset: Literal["next_step", "same_step", "disabled"] = "next_step"


class Wrapping(NamedTuple):
    """A wrapper around an environment: its name, and keyword arguments as plain values."""

    name: str
    kwargs: Mapping[str, object] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that decides the outcome of a run: what config.toml holds."""

    env: str
    algo: str
    run: Run
    method: Any  # settings of the algorithm (``Method.settings``)
    network: Any  # settings of its network (``Method.network``)
    env_kwargs: dict[str, object] = dataclasses.field(default_factory=dict)
    policy: str = ""  # a network of the user's own, path/file.py:name
    init_from: str = ""  # a run, or the folder of an agent, whose parameters the run begins with; "": random ones
    objects: tuple[str, ...] = ()  # parts that a Python program gave as objects, which no file can hold: "env", …
    wrappers: tuple[Wrapping, ...] = ()  # around the environment, innermost first
