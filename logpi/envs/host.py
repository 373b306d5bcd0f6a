"""Gymnasium's vectors as ``logpi.types.HostVector``, for each of Gymnasium's three autoreset modes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from logpi.envs.load import InWorker, WorkerError, registered
from logpi.envs.reset_rows import insert_void_rows as insert_void_rows
from logpi.envs.spaces import check_spaces, to_env
from logpi.errors import LogpiError
from logpi.own_code import safe_children
from logpi.types import EnvSpec, PyTree, Step

P = ParamSpec("P")
R = TypeVar("R")
Flags = NDArray[np.bool_]  # [B]
HostFactory = Callable[..., gymnasium.Env]  # of env_kwargs
DTYPES = {"<f8": np.float32, "<i8": np.int32, "<u8": np.uint32}  # what JAX makes of them
MODES = {"next_step": "NextStep", "same_step": "SameStep", "disabled": "Disabled"}


class GymVector:
    """A ``gymnasium.vector.VectorEnv`` as a ``HostVector``.

    ``send`` takes the policy's actions (see ``spaces.to_env``). The ``Step.obs`` of ``recv`` is always the true next
    observation: the final one where an episode ended. ``start`` is the observation to act on next. With
    ``resets_within_step`` (same-step and disabled autoreset) ``start`` is already the next episode's first
    observation; otherwise the next row is void: it only resets, with reward 0 and no flag.

    Raises:
        LogpiError: unsupported space, unknown autoreset mode, a non-finite observation or reward, or any
            exception of the environment or of one of its workers (chained); the vector is then closed.
    """

    def __init__(self, vector: VectorEnv, name: str = "", max_episode_steps: int | None = None) -> None:
        registered_as = getattr(vector, "spec", None)
        name = name or getattr(registered_as, "id", "") or type(vector).__name__
        limit = max_episode_steps or getattr(registered_as, "max_episode_steps", None)
        self.spec = EnvSpec(name, vector.single_observation_space, vector.single_action_space, limit)
        self.num_envs = int(vector.num_envs)
        self.start: PyTree = None
        self._vector = vector
        self._mode = _autoreset_mode(name, vector.metadata or {})
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._steps = 0
        self._busy = False
        self._moves: PyTree = None
        self._begins = vector.step_async if isinstance(vector, AsyncVectorEnv) else None  # workers step meanwhile
        check_spaces(self.spec)

    @property
    def resets_within_step(self) -> bool:
        return bool(self._mode != AutoresetMode.NEXT_STEP)

    def reset(self, seed: int | None = None) -> Step:
        """Start B new episodes; environment i gets ``seed + i``, later episodes go on from its generator."""
        obs, _ = self._call("reset", self._vector.reset, seed=seed)
        self.start = self._checked("observation", _copied(obs))
        self._ended = np.zeros(self.num_envs, np.bool_)
        no = np.zeros(self.num_envs, np.bool_)
        return Step(self.start, np.zeros(self.num_envs, np.float32), no, no.copy())

    def send(self, action: PyTree) -> None:
        """Begin one move of each environment. ``action``: [B, ...] as the policy drew it."""
        self._steps += 1
        self._moves = to_env(self.spec.action_space, np.asarray(action))
        if self._begins:
            self._call("step", self._begins, self._moves)

    def recv(self) -> Step:
        """The step that ``send`` began; waits for the slowest environment."""
        if self._begins:
            answer = self._call("step", self._vector.step_wait)
        else:
            answer = self._call("step", self._vector.step, self._moves)
        obs, rewards, terminations, truncations, infos = answer
        obs = self._checked("observation", _copied(obs))
        reward = self._checked("reward", _float32(rewards))
        terminated = np.array(terminations, np.bool_)
        truncated = np.array(truncations, np.bool_)
        ended = terminated | truncated
        if self._mode == AutoresetMode.NEXT_STEP:
            self._refuse_end_in_void_row(ended)
            reward = np.where(self._ended, np.float32(0), reward)
            self.start = obs
        elif self._mode == AutoresetMode.SAME_STEP:
            self.start = obs
            obs = self._checked("final observation", self._with_finals(obs, ended, infos))
        else:
            self.start = self._reset_ended(ended) if ended.any() else obs
        self._ended = ended
        return Step(obs, reward, terminated, truncated)

    def close(self) -> None:
        """Close the vector, quietly; after a failure or an interrupt its workers are terminated."""
        if not self._busy and not getattr(self._vector, "closed", False):
            try:
                self._vector.close()
            except Exception:  # a dead worker or a broken close(): what matters is that no process is left
                self._busy = True
        if self._busy:
            _terminate(self._vector.unwrapped)
            self._busy = False

    def _call(self, what: str, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self._busy = True
        try:
            answer = method(*args, **kwargs)
        except Exception as error:
            self.close()
            when = f"step {self._steps} of this run" if self._steps else "the first reset of this run"
            when = when if what == "step" or not self._steps else f"a reset after {when}"
            raise LogpiError(
                f"environment {self.spec.id} raised {describe(error)} in {when}. "
                f"Find the cause with: logpi check-env {self.spec.id}"
            ) from error
        self._busy = False
        return answer

    def _checked(self, what: str, tree: PyTree) -> PyTree:
        for leaf in jax.tree.leaves(tree):
            if leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
                index = tuple(int(k) for k in np.argwhere(~np.isfinite(leaf))[0])
                place = f" at index {index[1:]}" if index[1:] else ""
                self.close()
                raise LogpiError(
                    f"environment {self.spec.id}, number {index[0]} of {self.num_envs}, returned {what} "
                    f"{leaf[index]}{place} in step {self._steps} of this run. It must be finite as float32. "
                    f"Find the cause with: logpi check-env {self.spec.id}"
                )
        return tree

    def _refuse_end_in_void_row(self, ended: Flags) -> None:
        if (self._ended & ended).any():
            self.close()
            raise LogpiError(
                f"environment {self.spec.id} declares autoreset mode NextStep, but number "
                f"{int(np.argmax(self._ended & ended))} ended again in the step after an end "
                f"(step {self._steps}), where it should only reset. Declare its true mode in "
                "metadata['autoreset_mode']."
            )

    def _with_finals(self, obs: PyTree, ended: Flags, infos: Mapping[str, PyTree]) -> PyTree:
        """``obs`` with each ended environment's row replaced by its final observation."""
        if not ended.any():
            return obs
        finals, present = infos.get("final_obs"), np.asarray(infos.get("_final_obs", False))
        if finals is None or (ended & ~present).any():
            self.close()
            raise LogpiError(
                f"environment {self.spec.id} declares autoreset mode SameStep, but gave no "
                f"infos['final_obs'] with its mask '_final_obs' at the end in step {self._steps}. "
                "Add it, or use NextStep."
            )
        rows = list(iterate(self._vector.observation_space, obs))
        for i in np.flatnonzero(ended):
            rows[i] = finals[i]
        space = self.spec.observation_space
        return _copied(concatenate(space, rows, create_empty_array(space, n=self.num_envs, fn=np.zeros)))

    def _reset_ended(self, ended: Flags) -> PyTree:
        obs, _ = self._call("reset", self._vector.reset, options={"reset_mask": ended.copy()})
        return self._checked("observation", _copied(obs))


def make_host(
    env: str | HostFactory,
    num_envs: int,
    *,
    vectorization: str = "sync",
    autoreset: str = "next_step",
    env_kwargs: Mapping[str, object] | None = None,
) -> GymVector:
    """B = ``num_envs`` copies of a Gymnasium environment, in this process ("sync") or one each ("async").

    ``env`` is a Gymnasium id (``CartPole-v1``, ``module:EnvId``) or what ``logpi.envs.load.load_own`` returns
    for a host environment; for "async" any other factory must survive cloudpickle. Workers are spawned, never
    forked: JAX's threads do not survive a fork.

    Raises:
        LogpiError: unknown id or option, or the environment cannot be built (chained).
    """
    if num_envs < 1:
        raise LogpiError(f"num_envs is {num_envs}; it must be at least 1")
    if vectorization not in ("sync", "async"):
        raise LogpiError(f"vectorization is {vectorization!r}; allowed: 'sync', 'async'")
    if autoreset not in MODES:
        raise LogpiError(f"autoreset is {autoreset!r}; allowed: {', '.join(map(repr, MODES))}")
    factory = registered(env) if isinstance(env, str) else env
    make = functools.partial(factory, **(env_kwargs or {}))
    spec = host_spec(factory, env_kwargs)
    mode = AutoresetMode(MODES[autoreset])
    try:
        # copy=False: GymVector copies once itself, cheaper than Gymnasium's deepcopy.
        if vectorization == "sync":
            vector: VectorEnv = SyncVectorEnv([make] * num_envs, copy=False, autoreset_mode=mode)
        else:
            fns = [InWorker(make)] * num_envs
            with safe_children():
                vector = AsyncVectorEnv(fns, copy=False, context="spawn", autoreset_mode=mode)
    except (EOFError, BrokenPipeError) as error:
        raise LogpiError(
            f"a worker process of environment {spec.id} ended before it answered. In a script of your own, "
            "start training under `if __name__ == '__main__':`, or use vectorization 'sync' to see the cause."
        ) from error
    except Exception as error:
        raise LogpiError(f"environment {spec.id} could not be vectorized: {describe(error)}") from error
    return GymVector(vector, spec.id, spec.max_episode_steps)


def host_spec(factory: HostFactory, env_kwargs: Mapping[str, object] | None = None) -> EnvSpec:
    """Build one environment, read its spaces and time limit, and close it.

    Raises:
        LogpiError: it cannot be built (chained), or a space is not supported.
    """
    name = str(getattr(factory, "id", "") or getattr(factory, "__name__", type(factory).__name__))
    try:
        env = factory(**(env_kwargs or {}))
        known = env.spec.max_episode_steps if env.spec else getattr(env.unwrapped, "max_episode_steps", None)
        spec = EnvSpec(name, env.observation_space, env.action_space, known)
        env.close()
    except Exception as error:
        extra = ""
        if isinstance(error, ImportError | gymnasium.error.DependencyNotInstalled):
            extra = ". Install what it needs, for instance 'logpi[box2d]', 'logpi[atari]' or 'logpi[mujoco]'"
        kwargs = f" with {env_kwargs}" if env_kwargs else ""
        raise LogpiError(f"environment {name} could not be built{kwargs}: {describe(error)}{extra}") from error
    check_spaces(spec)
    return spec


def built(factory: HostFactory) -> gymnasium.Env:
    """One environment of ``factory``.

    Raises:
        LogpiError: it cannot be built (chained), or the result is not a ``gymnasium.Env``.
    """
    name = getattr(factory, "__name__", type(factory).__name__)
    try:
        env = factory()
    except Exception as error:
        raise LogpiError(
            f"{name}() raised {describe(error)}; a function that builds a gymnasium.Env is wanted"
        ) from error
    if not isinstance(env, gymnasium.Env):
        raise LogpiError(f"{name}() returned a {type(env).__name__}; a function that builds a gymnasium.Env is wanted")
    return env


def describe(error: BaseException) -> str:
    """``Type: message`` of an exception; a worker's error already carries its own type."""
    return str(error) if isinstance(error, WorkerError) else f"{type(error).__name__}: {error}"


def _copied(tree: PyTree) -> PyTree:
    """A copy of ``tree`` with JAX's dtypes, in plain containers.

    The vector may write into its buffers at the next step while a trajectory, or JAX, still reads them.
    """
    if isinstance(tree, Mapping):
        return {name: _copied(part) for name, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_copied(part) for part in tree)
    array = np.asarray(tree)
    with np.errstate(over="ignore"):  # an overflow is reported as non-finite, with its place
        return np.array(array, DTYPES.get(array.dtype.str, array.dtype))


def _float32(rewards: PyTree) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # an overflow is reported as non-finite, with its place
        return np.array(rewards).astype(np.float32)


def _autoreset_mode(name: str, metadata: Mapping[str, object]) -> AutoresetMode:
    declared = metadata.get("autoreset_mode")
    try:
        return AutoresetMode(declared)
    except ValueError as error:
        raise LogpiError(
            f"environment {name} declares metadata['autoreset_mode'] = {declared!r}; allowed: "
            "gymnasium.vector.AutoresetMode.NEXT_STEP, SAME_STEP, DISABLED or their values 'NextStep', "
            "'SameStep', 'Disabled'. Declare how the vector resets: a guess would learn from the wrong "
            "observations."
        ) from error


def _terminate(vector: VectorEnv) -> None:
    for process in getattr(vector, "processes", ()):
        process.terminate()
        process.join()
    vector.closed = True
