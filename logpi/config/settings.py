"""Settings that several methods share, and those of a run; the comment beside a field is its documentation.

A method's own settings stand in the file of the method. Names are Stable-Baselines3's. Float fields are traced arrays
inside a learner, so that changing one compiles nothing; the others are part of the program. Nothing here imports JAX.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Literal, Protocol

from logpi.config.fields import above, at_least, finite, fraction, layers, not_negative, ranged, timesteps

Activation = Literal["tanh", "relu", "silu"]
Torso = Literal["auto", "mlp", "cnn"]
Memory = Literal["none", "gru", "lstm"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "linear"]
MOST_SEEDS = 2**32


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
    log_std_init: float = finite(
        0.0
    )  # log of the Gaussian's first standard deviation, in units of half the action range


@dataclasses.dataclass(frozen=True)
class ControlSettings:
    """What every method that learns in environments needs."""

    total_timesteps: float = timesteps(
        1e5
    )  # environment moves to learn from, the schedules' horizon; void rows do not count
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
        0, lambda x, c: 0 <= x <= MOST_SEEDS - c.seeds, "between 0 and 4294967295 - seeds"
    )  # of everything random in this run
    seeds: int = at_least(
        1, 1
    )  # how many (seed, seed+1, …) to train at once in one program: device environments, images
    eval_episodes: int = at_least(
        1, 20
    )  # greedy episodes of each periodic evaluation, on seeds or images that are not learnt from
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
