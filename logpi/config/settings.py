"""Settings: what a field of them is, those that several methods share, and those of a run.

    gamma: float = fraction(0.99)  # discount γ per step

A field has a default, a range of allowed values, and a comment that is the help of its flag. A subclass may write
``gamma: float = 0.9``: the range and the comment of the class above still hold. A method's own settings stand in its
file. Names are Stable-Baselines3's. Float fields are traced arrays inside a learner, so that changing one compiles
nothing; the others are part of the program. Nothing here imports JAX.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import io
import math
import textwrap
import tokenize
import typing
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

from logpi.errors import LogpiError

T = TypeVar("T")
RANGE = "range"  # key of a field's metadata
MOST_STEPS = 2e9  # timesteps of a run: they are counted in 32 bits


class Range(NamedTuple):
    """Allowed values of a setting."""

    allows: Callable[[Any, Any], bool]  # (value, the settings that it belongs to)
    text: str  # what an error message says after "it must be"


def ranged(default: T, allows: Callable[[Any, Any], bool], text: str) -> T:
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
    return ranged(default, lambda x, _: all(n >= 1 for n in x), "positive integers, one a layer")


def timesteps(default: T) -> T:
    """Length of a run in timesteps."""
    return ranged(default, lambda x, _: 0 < x <= MOST_STEPS, f"above 0 and at most {MOST_STEPS:g}")


def range_of(kind: type[Any], name: str) -> Range | None:
    """Range of the field ``name`` of ``kind``: its own, or that of the nearest class above that has one."""
    for base in kind.__mro__:
        field = getattr(base, "__dataclass_fields__", {}).get(name)
        if field is not None and RANGE in field.metadata:
            found: Range = field.metadata[RANGE]
            return found
    return None


def check_ranges(where: str, config: Any) -> None:
    """Refuse settings that no run can use; ``config`` is the section ``where`` of an experiment.

    Raises:
        LogpiError: a value is out of its range.
    """
    for field in dataclasses.fields(config):
        value, wanted = getattr(config, field.name), range_of(type(config), field.name)
        if wanted is not None and not wanted.allows(value, config):
            raise LogpiError(f"{where}.{field.name} is {value}; it must be {wanted.text}")


@functools.cache
def help_of(kind: type[Any], name: str) -> str | None:
    """Comment beside the field ``name`` of ``kind``, or of the nearest class above that has one."""
    return next((found for base in kind.__mro__ if (found := _comments(base).get(name))), None)


@functools.cache
def _comments(kind: type[Any]) -> dict[str, str]:
    """The comments that end the lines of the fields in the body of ``kind``; {} where its source is not known."""
    if not dataclasses.is_dataclass(kind):
        return {}
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    return {
        line.target.id: lines[line.end_lineno or line.lineno]
        for line in body.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.end_lineno in lines
    }


def with_help(kind: type[Any], default: Any, described: Callable[[str], Any]) -> type[Any]:
    """A dataclass with the fields of ``kind``, the defaults of ``default``, and help in the types.

    Args:
        kind: of ``default``.
        default: settings.
        described: (help) -> what stands beside the type, as in ``Annotated[type, described(help)]``.
    """
    hints, documented = typing.get_type_hints(kind), typing.cast(Any, kind)
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(kind):
        about = help_of(documented, field.name)
        hint = typing.Annotated[hints[field.name], described(about)] if about else hints[field.name]
        fields.append((field.name, hint, dataclasses.field(default=getattr(default, field.name))))
    return dataclasses.make_dataclass(kind.__name__, fields, frozen=True, namespace={"__doc__": kind.__doc__})


Activation = Literal["tanh", "relu", "silu"]
Torso = Literal["auto", "mlp", "cnn"]
Memory = Literal["none", "gru", "lstm"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "linear"]
MOST_SEEDS = 2**32
SEED_RANGE = "between 0 and 4294967295 - seeds"


class Settings(Protocol):
    """Settings of a method: a frozen dataclass with these fields at least."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

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

    torso: Torso = "auto"  # auto: cnn (Mnih et al. 2015) for images of at least 36x36 pixels, else mlp
    hidden: tuple[int, ...] = layers((64, 64))  # units of each layer of the mlp
    activation: Activation = "tanh"  # between layers of the mlp
    memory: Memory = "none"  # recurrent cell between torso and heads
    memory_size: int = at_least(1, 64)  # units of the recurrent cell
    shared: bool = False  # one torso for policy and value (always so with a memory or a cnn)
    squash: bool = False  # tanh-squashed Gaussian for Box actions instead of a clipped one
    log_std_init: float = finite(0.0)  # log of the first standard deviation, in units of half the action range


@dataclasses.dataclass(frozen=True)
class ControlSettings:
    """What every method that learns in environments needs."""

    total_timesteps: float = timesteps(1e5)  # environment steps to learn from, the schedules' horizon
    n_envs: int = at_least(1, 8)  # environments stepped side by side, B
    learning_rate: float = not_negative(3e-4)  # optimizer's step size
    lr_schedule: Schedule = "constant"  # linear: to 0 at total_timesteps
    gamma: float = fraction(0.99)  # discount γ per move
    ent_coef: float = not_negative(0.0)  # weight of the entropy bonus
    max_grad_norm: float = above(0, math.inf)  # clip the global gradient norm to this
    optimizer: Optimizer = "adam"  # from optax
    normalize_obs: bool = False  # float observations minus their running mean, over their deviation; in the agent
    normalize_reward: bool = False  # divide rewards by the running deviation of the discounted return


@dataclasses.dataclass(frozen=True)
class Run:
    """What to run, and what to keep of it."""

    seed: int = ranged(
        0, lambda x, c: 0 <= x <= MOST_SEEDS - c.seeds, SEED_RANGE
    )  # seed of everything random in this run
    seeds: int = at_least(1, 1)  # number of seeds (seed, seed+1, …) to train at once, on the device
    eval_episodes: int = at_least(1, 20)  # greedy episodes or images of each periodic evaluation, never learnt from
    eval_points: int = not_negative(20)  # periodic evaluations in the run, evenly spread over total_timesteps
    final_episodes: int = at_least(1, 100)  # greedy episodes of the evaluation at the end
    checkpoint_points: int = not_negative(10)  # checkpoints in the run, evenly spread over total_timesteps
    keep_checkpoints: int = at_least(1, 3)  # newest checkpoints to keep
    log_points: int = at_least(1, 200)  # rows of metrics in the run, at most one an iteration
    video: bool = True  # record a video of the trained agent at the end
    tensorboard: bool = True  # write TensorBoard's event file
    log_dir: str = "runs"  # the run folder is made in here
    vectorization: Literal["sync", "async"] = "sync"  # host environments: in this process, or one process each
    autoreset: Literal["next_step", "same_step", "disabled"] = "next_step"  # host environments' vector


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
