"""Diagnostics of an environment from arrays recorded in random play, the same for host and device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.envs.spaces import normalizable
from logpi.findings import Finding
from logpi.types import EnvSpec, PyTree, Space

LARGE = 10.0  # |observation| or |reward| beyond which a freshly initialised network learns badly
NO_ACTION = "end the episode where no action is left, or set the mask to 1 for one that does nothing"
NOT_FINITE = "look for a division by 0, a logarithm or root of a negative, an overflow"
CLOCK = "if that is a clock and not the task, return truncated=True instead of terminated=True"
LONG = 20  # moves; shorter tasks may have a longest episode by nature
WIDE = 3.0  # standard deviation of the observations, likewise


class Play(NamedTuple):
    """T rows of B environments under random actions."""

    spec: EnvSpec
    obs: NDArray[np.float32]  # [N, D] a sample of the observations, encoded
    reward: NDArray[np.floating]  # [T, B]
    terminated: NDArray[np.bool_]  # [T, B]
    truncated: NDArray[np.bool_]  # [T, B]
    mask: NDArray[np.floating]  # [T, B] 0 where the row is void
    changes: bool = True  # whether a move ever changed the observation within an episode


class Episode(NamedTuple):
    length: int
    terminated: bool


def judge(play: Play) -> list[Finding]:
    """Scale of the observations, rewards, and how episodes end."""
    return [*_scale(play), *_changes(play), *_rewards(play), *_endings(play)]


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
    if isinstance(space, spaces.Discrete) or space.dtype is None or space.dtype.kind == "U":
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
        if np.isnan(obs).any():
            return f"{path}{np.argwhere(np.isnan(obs))[0].tolist()} is nan, not finite"
    return f"{path} is {obs!r:.80}, not in {space}"


def _scale(play: Play) -> Iterator[Finding]:
    largest, spread = float(np.abs(play.obs).max()), float(play.obs.std(axis=0).max())
    what = f"observations reach |{largest:.3g}|, with a standard deviation of up to {spread:.3g}"
    if largest > LARGE or spread > WIDE:
        fix = "scale them to about [-1, 1] in the environment"
        yield Finding("warn", what, f"train with --normalize-obs, or {fix}" if normalizable(play.spec) else fix)
    else:
        yield Finding("ok", what)


def judge_masks(masks: list[NDArray[np.generic]]) -> list[Finding]:
    """Whether the masks [n] of legal actions say anything."""
    if not masks:
        return []
    if all((mask != 0).all() for mask in masks):
        what = f"the action_mask of each of {len(masks)} observations allowed every action"
        return [Finding("warn", what, "leave the key action_mask out, or set it to 0 where an action is illegal")]
    return [Finding("ok", f"every action_mask of {len(masks)} observations allows an action")]


def _changes(play: Play) -> Iterator[Finding]:
    lengths = [episode.length for episode in episodes(play)]
    if not play.changes and max(lengths, default=2) > 1:
        what = f"the observation never changed within an episode, in {int(play.mask.sum())} random moves"
        yield Finding("warn", what, "return the state after the move: without it a policy cannot tell the moves apart")


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
    longest = [episode for episode in found if episode.length == max(lengths)]
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
    elif len(found) >= 2 and one_length and lengths[0] > 1:
        yield Finding("warn", f"all {len(found)} episodes terminated after exactly {lengths[0]} moves", CLOCK)
    elif len(found) >= 3 and lengths[0] > 1 and set(lengths[1:]) == {1}:
        yield Finding(
            "error",
            f"the first episode took {lengths[0]} moves, and each of the next {len(found) - 1} only one",
            "clear all state of the last episode in reset()",
        )
    elif len(longest) >= 3 and longest[0].length >= LONG and all(episode.terminated for episode in longest):
        what = f"{len(longest)} of {len(found)} episodes terminated after exactly {longest[0].length} moves, none later"
        yield Finding("warn", what, CLOCK)
    elif found:
        ended = sum(episode.terminated for episode in found)
        mean = f"{np.mean(lengths):.1f} moves on average"
        yield Finding("ok", f"{len(found)} episodes, {mean}, {ended} terminated by the task")
    else:
        yield Finding("ok", f"no episode ended in {moves} random moves; the time limit is {limit}")
