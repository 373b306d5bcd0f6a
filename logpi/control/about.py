"""What an environment says of itself: its spaces, its reward, its time limit."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from logpi.envs.make import make_gymnasium
from logpi.errors import LogpiError, inert
from logpi.tasks import Described

_LONGEST = 320  # characters of a text
_REWARDS = re.compile(r"^\s*#+ *Rewards?\s*$(.*?)(?=^\s*#+ |\Z)", re.MULTILINE | re.DOTALL)


def described(env: str) -> Described:
    """What Gymnasium's environment of that name says; nothing of a name that names code, which is not imported."""
    if ":" in env or ".py" in env:
        return Described()
    try:
        factory: Any = make_gymnasium(env)
        with contextlib.closing(factory()) as made:
            modes = made.metadata.get("render_modes", ())
            limit = made.spec.max_episode_steps if made.spec else None
            reward = reward_of(made.unwrapped.__doc__ or "")
            return Described(
                space_text(made.observation_space), space_text(made.action_space), reward, limit, "rgb_array" in modes
            )
    except LogpiError as error:
        return Described(note=_words(str(error)))
    except Exception as error:  # an environment may raise anything
        return Described(note=_words(f"{type(error).__name__}: {error}"))


def space_text(space: Any) -> str:
    """A space in words; of a Box its shape, and the lowest and highest number in it."""
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None:
        return _words(str(space))
    return f"Box {tuple(space.shape)}, {low.min():.3g} to {high.max():.3g}, {space.dtype}"


def reward_of(text: str) -> str:
    """How an environment's documentation begins to tell of its rewards."""
    found = _REWARDS.search(text)
    if not found:
        return ""
    first, *more = re.split(r"\n\s*\n", found[1].strip())
    told = f"{first} {more[0]}" if first.rstrip().endswith(":") and more else first
    return _words(re.sub(r"[*`$]|</sup>", "", told.replace("<sup>", "^")))


def _words(text: str) -> str:
    text = " ".join(inert(text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
