"""Diagnostics of an environment from arrays recorded in random play, the same for host and device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.errors import Finding
from logpi.types import EnvSpec, PyTree, Space

LARGE = 10.0  # |observation| or |reward| beyond which a freshly initialised network learns badly
NOT_FINITE = "look for a division by 0, a logarithm or root of a negative, an overflow"
WIDE = 3.0  # standard deviation of the observations, likewise


class Play(NamedTuple):
    """T rows of B environments under random actions."""

    spec: EnvSpec
    obs: NDArray[np.float32]  # [N, D] a sample of the observations, encoded
    reward: NDArray[np.floating]  # [T, B]
    terminated: NDArray[np.bool_]  # [T, B]
    truncated: NDArray[np.bool_]  # [T, B]
    mask: NDArray[np.floating]  # [T, B] 0 where the row is void


class Episode(NamedTuple):
    length: int
    terminated: bool


def judge(play: Play) -> list[Finding]:
    """Scale of the observations, rewards, and how episodes end."""
    return [*_scale(play), *_rewards(play), *_endings(play)]


def episodes(play: Play) -> Iterator[Episode]:
    """The finished episodes, column by column."""
    ended = (play.terminated | play.truncated) & (play.mask > 0)
    for b in range(ended.shape[1]):
        alive = np.cumsum(play.mask[:, b])
        before = 0
        for t in np.flatnonzero(ended[:, b]):
            yield Episode(int(alive[t]) - before, bool(play.terminated[t, b]))
            before = int(alive[t])


def mismatch(space: Space, obs: PyTree, path: str = "observation") -> str | None:
    """How ``obs`` fails to be a member of ``space``; None where it is one."""
    if isinstance(space, spaces.Dict):
        if not isinstance(obs, Mapping) or set(obs) != set(space.spaces):
            found = f"keys {sorted(map(str, obs))}" if isinstance(obs, Mapping) else type(obs).__name__
            return f"{path} is {found}, the space is a Dict with keys {sorted(space.spaces)}"
        parts = [mismatch(part, obs[key], f"{path}[{key!r}]") for key, part in space.spaces.items()]
        return next(filter(None, parts), None)
    if isinstance(space, spaces.Tuple):
        if not isinstance(obs, tuple) or len(obs) != len(space.spaces):
            return f"{path} is {type(obs).__name__} {obs!r:.80}, the space is a Tuple of {len(space.spaces)}"
        parts = [mismatch(part, obs[k], f"{path}[{k}]") for k, part in enumerate(space.spaces)]
        return next(filter(None, parts), None)
    if isinstance(space, spaces.Discrete):
        return None if space.contains(obs) else f"{path} is {obs!r:.80}, not in {space}"
    return _array_mismatch(space, obs, path)


def _array_mismatch(space: Space, obs: object, path: str) -> str | None:
    if not isinstance(obs, np.ndarray | np.generic):
        return f"{path} is a {type(obs).__name__}, not a NumPy array"
    if obs.shape != space.shape:
        return f"{path} has shape {obs.shape}, the space has {space.shape}"
    if not np.can_cast(obs.dtype, space.dtype):
        return f"{path} has dtype {obs.dtype}, the space has {space.dtype}"
    if space.contains(obs):
        return None
    if isinstance(space, spaces.Box):
        out = np.argwhere((obs < space.low) | (obs > space.high))
        if len(out):
            k = tuple(int(i) for i in out[0])
            return f"{path}{list(k)} is {np.asarray(obs)[k]}, outside [{space.low[k]}, {space.high[k]}]"
    return f"{path} is {obs!r:.80}, not in {space}"


def draw(space: Space, rng: np.random.Generator, batch: tuple[int, ...]) -> NDArray[np.number]:
    """Random actions [*batch, ...] as a policy draws them (see ``spaces.to_env``)."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(space.n, size=batch)
    if isinstance(space, spaces.MultiDiscrete):
        return rng.integers(space.nvec.ravel(), size=(*batch, space.nvec.size))
    if isinstance(space, spaces.MultiBinary):
        return rng.integers(2, size=(*batch, *space.shape))
    return rng.uniform(-1, 1, size=(*batch, *space.shape)).astype(np.float32)


def _scale(play: Play) -> Iterator[Finding]:
    largest, spread = float(np.abs(play.obs).max()), float(play.obs.std(axis=0).max())
    what = f"observations reach |{largest:.3g}|, with a standard deviation of up to {spread:.3g}"
    if largest > LARGE or spread > WIDE:
        yield Finding("warn", what, "train with --normalize-obs, or scale them to about [-1, 1] in the environment")
    else:
        yield Finding("ok", what)


def _rewards(play: Play) -> Iterator[Finding]:
    rewards = play.reward[play.mask > 0]
    largest = float(np.abs(rewards).max())
    if (rewards == rewards[0]).all():
        what = f"every one of {rewards.size} random moves was rewarded {rewards[0]:g}"
        # A constant reward with episodes of different length, as in CartPole, still tells policies apart.
        if rewards[0] != 0 and len({episode.length for episode in episodes(play)}) > 1:
            yield Finding("ok", f"{what}; only the length of an episode tells policies apart")
        else:
            fix = "let the reward depend on what the policy does, or give hints on the way"
            yield Finding("warn", what, fix)
    elif largest > LARGE:
        what = f"rewards reach |{largest:.3g}|"
        yield Finding("warn", what, "train with --normalize-reward, or divide the reward by a constant")
    else:
        yield Finding("ok", f"rewards lie in [{rewards.min():.3g}, {rewards.max():.3g}]")


def _endings(play: Play) -> Iterator[Finding]:
    moves, limit = int(play.mask.sum()), play.spec.max_episode_steps
    found = list(episodes(play))
    lengths = [episode.length for episode in found]
    one_length = len(set(lengths)) == 1 and all(episode.terminated for episode in found)
    if not found and limit is None:
        yield Finding(
            "warn",
            f"no episode ended in {moves} random moves, and there is no time limit",
            "set max_episode_steps (in gymnasium.register, or as an attribute of the class)",
        )
    elif len(found) >= 2 and one_length and lengths[0] == limit:
        yield Finding(
            "error",
            f"all {len(found)} episodes terminated at exactly max_episode_steps = {limit}: a clock, no task",
            "return terminated=False there and leave the truncation to max_episode_steps",
        )
    elif len(found) >= 3 and one_length and lengths[0] > 1 and limit is None:
        yield Finding(
            "warn",
            f"all {len(found)} episodes terminated after exactly {lengths[0]} moves",
            "if that is a clock and not the task, return truncated=True instead of terminated=True",
        )
    elif len(found) >= 3 and lengths[0] > 1 and set(lengths[1:]) == {1}:
        yield Finding(
            "error",
            f"the first episode took {lengths[0]} moves, and each of the next {len(found) - 1} only one",
            "clear all state of the last episode in reset()",
        )
    elif found:
        ended = sum(episode.terminated for episode in found)
        mean = f"{np.mean(lengths):.1f} moves on average"
        yield Finding("ok", f"{len(found)} episodes, {mean}, {ended} terminated by the task")
    else:
        yield Finding("ok", f"no episode ended in {moves} random moves; the time limit is {limit}")
