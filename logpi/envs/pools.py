"""EnvPool's vectors, whose environments are written in C++ and stepped by its own threads."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from logpi.types import EnvSpec, PyTree, Space

# Ids whose random episodes were compared with Gymnasium's (bench/vectors.py; docs/environments.md has the figures).
# ``auto`` takes EnvPool for these alone.
COMPARED = (
    "LunarLander-v3",
    "LunarLanderContinuous-v3",
    "BipedalWalker-v3",
    "BipedalWalkerHardcore-v3",
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
)
UNLIMITED = 2**31 - 1  # steps of an episode where EnvPool has no limit


class Pool(VectorEnv):
    """B environments of EnvPool, with next-step autoreset and the spaces that Gymnasium's environment has."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, spec: EnvSpec, num_envs: int) -> None:
        self._id, self.num_envs = spec.id, num_envs
        self._pool: Any = None
        self.single_observation_space, self.single_action_space = spec.observation_space, spec.action_space
        self.observation_space = batch_space(spec.observation_space, num_envs)
        self.action_space = batch_space(spec.action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[PyTree, dict[str, Any]]:
        """New episodes. EnvPool takes seeds when it is built, so that a ``seed`` builds another pool."""
        if seed is not None or self._pool is None:
            self._pool = _make(self._id, self.num_envs, seed or 0)
        return self._pool.reset()[0], {}

    def step_async(self, actions: PyTree) -> None:
        """Begin one move of every environment."""
        self._pool.send(actions)

    def step_wait(self) -> tuple[Any, ...]:
        """The moves that ``step_async`` began; EnvPool's ``info`` is left out."""
        return (*self._pool.recv()[:4], {})

    def step(self, actions: PyTree) -> tuple[Any, ...]:
        self.step_async(actions)
        return self.step_wait()

    def close_extras(self, **kwargs: Any) -> None:
        self._pool = None


def version() -> str | None:
    """EnvPool's version; None where it is not installed or does not load."""
    try:
        import envpool
    except ImportError:
        return None
    return str(envpool.__version__)


def differs(spec: EnvSpec) -> str:
    """Why EnvPool's environment of this id is not that of ``spec``, as the rest of a sentence; "" where it may be."""
    import envpool

    if spec.id not in envpool.list_all_envs():
        return f"has no environment called {spec.id}"
    with _silent():
        theirs = envpool.make_spec(spec.id)
        observation, action = theirs.gymnasium_observation_space, theirs.gymnasium_action_space
    limit = theirs.config.max_episode_steps
    if not _alike(spec.observation_space, observation):
        return f"shows {observation} here, and Gymnasium shows {spec.observation_space}"
    if not (_alike(spec.action_space, action) and _bounds(spec.action_space) == _bounds(action)):
        return f"takes the actions {action} here, and Gymnasium takes {spec.action_space}"
    if (limit if limit < UNLIMITED else None) != spec.max_episode_steps:
        return f"ends episodes after {limit} steps here, and Gymnasium after {spec.max_episode_steps}"
    return ""


def _alike(ours: Space, theirs: Space) -> bool:
    """Whether spaces have the same form; their bounds may differ, as EnvPool does not declare those of observations."""
    if isinstance(ours, spaces.Discrete) and isinstance(theirs, spaces.Discrete):
        return bool(ours.n == theirs.n and ours.start == theirs.start)
    if isinstance(ours, spaces.Box) and isinstance(theirs, spaces.Box):
        return bool(ours.shape == theirs.shape and ours.dtype.kind == theirs.dtype.kind)
    return False


def _bounds(space: Space) -> list[list[float]]:
    if not isinstance(space, spaces.Box):
        return []
    return [np.asarray(end, np.float32).ravel().tolist() for end in (space.low, space.high)]


def _make(name: str, num_envs: int, seed: int) -> Any:
    import envpool

    with _silent():
        return envpool.make(name, env_type="gymnasium", num_envs=num_envs, seed=list(range(seed, seed + num_envs)))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the warnings of Gymnasium on the bounds of EnvPool's spaces, which are not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
