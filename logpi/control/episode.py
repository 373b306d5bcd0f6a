"""An episode step by step: what an agent says of each observation, and the action that it, or a person, takes."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.control.agent import Agent
from logpi.control.play import source_in
from logpi.envs.frames import Frame, rgb
from logpi.envs.keys import Controls, controls_of
from logpi.envs.spaces import plain, to_env
from logpi.errors import LogpiError
from logpi.ops.normalization import normalize_obs
from logpi.tasks import Facts
from logpi.types import Key, Learner, PyTree
from logpi.view.screen import headless

DRAWS = 64  # actions of a continuous policy from which its spread is taken
MOST_ACTIONS = 64  # of a discrete space whose probabilities are told


class Said(NamedTuple):
    """What an agent says of one observation."""

    action: Any  # that it would take, as the environment has it
    probabilities: list[float] | None  # π of each action, where actions are discrete and few
    spread: list[list[float]] | None  # 5 %, 50 % and 95 % of each dimension of the action, where they are not
    value: float | None  # V, in the units that the method learns rewards in; None of a network without it

    def to_json(self) -> Facts:
        return {**self._asdict(), "action": np.asarray(self.action).tolist()}


class Shot(NamedTuple):
    """One moment of an episode."""

    step: int  # from 0
    picture: Frame  # uint8 [H, W, 3]
    said: Said  # of the observation that is shown
    action: Any  # that led here; None of the first moment
    by: str  # who took it: "agent", "person" or ""
    reward: float
    total: float  # return so far, undiscounted
    terminated: bool
    truncated: bool

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.terminated or self.truncated


class Episode:
    """Episodes of one agent in one environment of its own; a context that closes it."""

    def __init__(self, agent: Agent, seed: int = 10_000, sampled: bool = False) -> None:
        """Make the environment; the first moment is shown by ``begin``.

        Args:
            agent: that acts.
            seed: of the first episode; the later ones continue its random stream.
            sampled: whether actions are drawn from π instead of the most probable ones.

        Raises:
            LogpiError: the environment cannot be made.
        """
        self._agent, self._seed, self._greedy = agent, seed, not sampled
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(headless())
        try:
            self._env: Any = source_in(agent).drawn(render_mode="rgb_array")
        except LogpiError:
            self._stack.close()
            raise
        except Exception as error:
            self._stack.close()
            raise LogpiError(f"cannot make {agent.spec.id}: {type(error).__name__}: {error}") from error
        self._stack.enter_context(contextlib.closing(self._env))
        self._say = jax.jit(self._spoken)
        self._shot: Shot | None = None

    @property
    def fps(self) -> float:
        """Frames per second at which the environment's time passes as it should."""
        return float(self._env.metadata.get("render_fps") or 30)

    @property
    def controls(self) -> Controls:
        """How a person acts in it."""
        meanings: list[str] = getattr(self._env.unwrapped, "get_action_meanings", list)()
        return controls_of(self._agent.spec.id, self._env.action_space, meanings)

    def begin(self) -> Shot:
        """Begin an episode.

        Raises:
            LogpiError: the environment fails, or draws no picture.
        """
        with self._named():
            obs, _ = self._env.reset(seed=self._seed if self._shot is None else None)
        self._agent.reset()
        self._shot = self._seen(obs, 0, None, "", 0.0, 0.0, False, False)
        return self._shot

    def step(self, action: Any = None) -> Shot:
        """Take the agent's action, or a person's.

        Args:
            action: as the environment has it, lists in place of arrays; None: the agent's.

        Raises:
            LogpiError: no episode is under way, the environment has no such action, or the environment fails.
        """
        shot = self._shot
        if shot is None or shot.over:
            raise LogpiError("no episode is under way; begin one")
        by = "agent" if action is None else "person"
        taken = shot.said.action if action is None else self._checked(action)
        with self._named():
            obs, reward, terminated, truncated, _ = self._env.step(taken)
        ends = (bool(terminated), bool(truncated))
        self._shot = self._seen(obs, shot.step + 1, taken, by, float(reward), shot.total + float(reward), *ends)
        return self._shot

    def close(self) -> None:
        """Close the environment."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _seen(self, obs: Any, step: int, action: Any, by: str, *rest: Any) -> Shot:
        """The moment that shows ``obs``, of which the agent is asked; a memory of it goes on with the episode."""
        with self._named():
            picture = rgb(self._env.render())
        memory = self._agent.memory
        action_next = self._agent.act(obs, greedy=self._greedy)
        probabilities, spread, value = self._told(obs, memory)
        return Shot(step, picture, Said(action_next, probabilities, spread, value), action, by, *rest)

    def _told(self, obs: Any, memory: PyTree) -> tuple[list[float] | None, list[list[float]] | None, float | None]:
        """(π of each action, spread of a continuous action, V)."""
        agent = self._agent
        shown = jax.tree.map(lambda x: x[None], plain(agent.spec.observation_space, obs))
        memory = agent.policy.memory(1) if memory is None else memory
        found, value = jax.device_get(self._say(agent.learner, memory, shown, jax.random.key(0)))
        number = None if value is None else float(np.asarray(value)[0])
        if self._enumerable:
            return np.asarray(found)[:, 0].tolist(), None, number
        drawn = np.asarray(to_env(agent.spec.action_space, np.asarray(found)[:, 0])).reshape(DRAWS, -1)
        return None, np.quantile(drawn.astype(float), (0.05, 0.5, 0.95), axis=0).T.tolist(), number

    @property
    def _enumerable(self) -> bool:
        space = self._agent.spec.action_space
        return isinstance(space, spaces.Discrete) and space.n <= MOST_ACTIONS

    def _spoken(self, learner: Learner, memory: PyTree, obs: PyTree, key: Key) -> tuple[PyTree, PyTree]:
        """(probabilities [n, 1] of discrete actions, or draws [64, 1, ...] of others; V [1] or None)."""
        agent = self._agent
        _, out = agent.policy.apply(learner.params, memory, normalize_obs(learner.statistics, obs))
        if self._enumerable:
            actions = jnp.arange(int(agent.spec.action_space.n), dtype=jnp.int32)
            return jnp.stack([jnp.exp(out.pi.log_prob(k[None])) for k in actions]), out.value
        return jax.vmap(out.pi.sample)(jax.random.split(key, DRAWS)), out.value

    def _checked(self, action: Any) -> Any:
        """A person's action as the environment takes it.

        Raises:
            LogpiError: the environment has no such action.
        """
        space = self._env.action_space
        try:
            whole = isinstance(space, spaces.Discrete)
            found = int(action) if whole else np.asarray(action, space.dtype).reshape(space.shape)
            allowed = bool(space.contains(found))
        except (TypeError, ValueError, OverflowError) as error:
            raise LogpiError(f"action {action!r:.80} is not in {space}") from error
        if not allowed:
            raise LogpiError(f"action {action!r:.80} is not in {space}")
        return found

    @contextlib.contextmanager
    def _named(self) -> Any:
        """Errors of the environment as one message."""
        try:
            yield
        except LogpiError:
            raise
        except Exception as error:
            raise LogpiError(f"{self._agent.spec.id} failed: {type(error).__name__}: {error}") from error


def watched(agent: Agent, seed: int, sampled: bool) -> Episode:
    """Episodes of an agent, for ``logpi.watch_episode``."""
    return Episode(agent, seed, sampled)
