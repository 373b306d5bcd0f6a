"""A ``gymnasium.vector.VectorEnv`` as ``logpi.types.HostVector``, for each of Gymnasium's three autoreset modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

import jax
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from logpi.envs.load import WorkerError
from logpi.envs.spaces import check_spaces, plain, to_env
from logpi.envs.watchdog import HangError, Watchdog
from logpi.errors import LogpiError
from logpi.types import EnvSpec, PyTree, Step

P = ParamSpec("P")
R = TypeVar("R")
Flags = NDArray[np.bool_]  # [B]
SEEDS = 2**31  # an environment's seed is below: simulators take 32 bits, many of them with a sign


class GymVector:
    """A ``gymnasium.vector.VectorEnv`` as a ``HostVector``.

    ``send`` takes the policy's actions (see ``spaces.to_env``). The ``Step.obs`` of ``recv`` is always the true next
    observation: the final one where an episode ended. ``start`` is the observation to act on next. With
    ``resets_within_step`` (same-step and disabled autoreset) ``start`` is already the next episode's first
    observation; otherwise the next row is void: it only resets, with reward 0 and no flag.

    A call that has not returned after ``seconds`` is given up, where the system has alarms and this is the main thread.

    Raises:
        LogpiError: a closed vector, unsupported space, unknown autoreset mode, a non-finite observation or reward, a
            call that was given up, or any exception of the environment or of one of its workers (chained); the vector
            is then closed.
    """

    def __init__(
        self, vector: VectorEnv, name: str = "", max_episode_steps: int | None = None, seconds: float = math.inf
    ) -> None:
        registered_as = getattr(vector, "spec", None)
        name = name or getattr(registered_as, "id", "") or type(vector).__name__
        if getattr(vector.unwrapped, "closed", False):
            raise LogpiError(
                f"the vector of environments {name} is closed, as every vector is that a training has ended with: "
                "build another one"
            )
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
        # of the vector's own class: a wrapper would hand out that of the vector within, past itself
        self._begins = vector.step_async if hasattr(type(vector), "step_async") else None  # it steps meanwhile
        self._watchdog = Watchdog(name, self._missing, seconds)
        check_spaces(self.spec)

    @property
    def resets_within_step(self) -> bool:
        return bool(self._mode != AutoresetMode.NEXT_STEP)

    def reset(self, seed: int | None = None) -> Step:
        """Start B new episodes; environment i gets ``seed + i``, later episodes go on from its generator.

        A seed of any size is brought below 2³¹ - B.
        """
        first = None if seed is None else int(seed) % (SEEDS - self.num_envs)
        obs, _ = self._call("reset", self._vector.reset, seed=first)
        self.start = self._plain("observation", obs)
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
        given, rewards, terminations, truncations, infos = answer
        obs = self._plain("observation", given)
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
            if ended.any():
                obs = self._plain("final observation", self._with_finals(given, ended, infos))
        else:
            self.start = self._reset_ended(ended) if ended.any() else obs
        self._ended = ended
        return Step(obs, reward, terminated, truncated)

    def close(self) -> None:
        """Close the vector, quietly; after a failure or an interrupt its workers are terminated."""
        self._watchdog.close()
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
        when = f"step {self._steps} of this run" if self._steps else "the first reset of this run"
        when = when if what == "step" or not self._steps else f"a reset after {when}"
        self._watchdog.begin(when)
        try:
            answer = method(*args, **kwargs)
        except HangError as error:
            late = self._missing()
            self.close()
            raise LogpiError(
                f"environment {self.spec.id}{late}: {error}, and was given up (--env-timeout). "
                f"Find the cause with: logpi check-env {self.spec.id}"
            ) from error
        except Exception as error:
            dead = _dead(self._vector.unwrapped) if isinstance(error, EOFError | ConnectionError) else ""
            self.close()
            what = f"{dead} of {self.num_envs}, whose worker process ended," if dead else f" raised {describe(error)}"
            raise LogpiError(
                f"environment {self.spec.id}{what} in {when}. Find the cause with: logpi check-env {self.spec.id}"
            ) from error
        self._watchdog.end()
        self._busy = False
        return answer

    def _missing(self) -> str:
        """Which workers have not answered; "" where they are in this process."""
        pipes = getattr(self._vector.unwrapped, "parent_pipes", ())
        late = [number for number, pipe in enumerate(pipes) if pipe is not None and not pipe.poll()]
        return f", number {late[0]} of {self.num_envs}," if late else ""

    def _plain(self, what: str, obs: PyTree) -> PyTree:
        """A copy of ``obs`` for policies: the vector may write into its buffers while a trajectory still reads them."""
        try:
            return self._checked(what, plain(self.spec.observation_space, obs))
        except LogpiError:
            self.close()
            raise

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
        return concatenate(space, rows, create_empty_array(space, n=self.num_envs, fn=np.zeros))

    def _reset_ended(self, ended: Flags) -> PyTree:
        obs, _ = self._call("reset", self._vector.reset, options={"reset_mask": ended.copy()})
        return self._plain("observation", obs)


def describe(error: BaseException) -> str:
    """``Type: message`` of an exception; a worker's error already carries its own type, and logpi's own says all."""
    return str(error) if isinstance(error, WorkerError | LogpiError) else f"{type(error).__name__}: {error}"


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


def _dead(vector: VectorEnv) -> str:
    """Which worker process has ended, and how; "" where none has, or there are none."""
    for number, process in enumerate(getattr(vector, "processes", ())):
        process.join(0.1)  # its pipe closes a moment before it has ended
        if process.exitcode is not None:
            return f", number {number} (exit code {process.exitcode})"
    return ""


def _terminate(vector: VectorEnv) -> None:
    for process in getattr(vector, "processes", ()):
        process.terminate()
        process.join()
    vector.closed = True
