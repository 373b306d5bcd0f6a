"""What the off-policy methods for continuous actions share: their spaces, their settings, and their first moves."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.config.settings import GradientSettings, at_least, fraction, not_negative
from logpi.errors import LogpiError
from logpi.ops.noise import Colour
from logpi.types import Array, EnvSpec, Experience, Key, Learner


@dataclasses.dataclass(frozen=True)
class Replayed(GradientSettings):
    """Settings of an actor and critics that learn from a replay."""

    n_envs: int = 1
    n_steps: int = at_least(1, 8)  # Steps of each environment between two rounds of updates
    gradient_steps: int = at_least(1, 8)  # Number of updates in each round
    batch_size: int = at_least(1, 256)  # Minibatch size of an update, in environment steps
    buffer_size: int = at_least(1, 100_000)  # Replay size, in environment steps
    # Frames that the environment stacks along an observation's first axis; the replay stores each once. 1: no stack
    stacked_frames: int = at_least(1, 1)
    learning_starts: int = at_least(0, 1_000)  # Environment steps before the first update
    learning_rate: float = 3e-4  # Learning rate of the actor
    qf_learning_rate: float = not_negative(1e-3)  # Learning rate of the critics
    n_critics: int = at_least(1, 2)  # Number of critics; the smallest value is believed (Fujimoto et al. 2018)
    tau: float = fraction(0.005)  # Fraction τ of the critics in each update of their slow copy; 1: no copy

    @property
    def experience(self) -> Experience:
        """The replay."""
        sizes = (self.buffer_size, self.batch_size, self.gradient_steps, self.learning_starts)
        return Experience(*sizes, frames=self.stacked_frames)

    @property
    def passes(self) -> int:
        """How often a move is learnt from, about."""
        return self.experience.passes(self.n_steps * self.n_envs)


@dataclasses.dataclass(frozen=True)
class Exploring(Replayed):
    """Settings of exploration by noise."""

    # Exploration noise from move to move: white, ou (Ornstein-Uhlenbeck: Lillicrap et al. 2016), or pink (Eberhard et
    # al. 2023)
    noise: Colour = "white"


def dimensions(spec: EnvSpec) -> int:
    """Number of dimensions of a bounded Box of actions.

    Raises:
        LogpiError: the actions are others.
    """
    space = spec.action_space
    if isinstance(space, spaces.Box) and space.is_bounded():
        return max(1, int(np.prod(space.shape)))
    if isinstance(space, spaces.Box):
        instead = "ppo, or bound them (gymnasium.wrappers.RescaleAction)"
    else:
        instead = "sac_discrete, dqn or ppo" if isinstance(space, spaces.Discrete) else "ppo"
    raise LogpiError(f"the actions of {spec.id} are {space}; this method needs a Box with both bounds: take {instead}")


def warming(learner: Learner, starts: int, key: Key, action: Array) -> Array:
    """Uniform actions in place of ``action`` [B, d] until ``starts`` environment steps were learnt from."""
    anywhere = jax.random.uniform(key, action.shape, minval=-1.0, maxval=1.0)
    return jnp.where(learner.timesteps < starts, anywhere, action)
