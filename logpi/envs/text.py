"""Text in observations, such as MiniGrid's mission: no policy here reads it, so it is left out.

Spawned workers import this module, so it imports no JAX.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gymnasium import spaces

if TYPE_CHECKING:
    from logpi.types import PyTree, Space


def texts(space: Space, path: str = "observation") -> Iterator[str]:
    """Places of the text in a space's Dicts, such as ``observation['mission']``."""
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            here = f"{path}[{key!r}]"
            yield from [here] if _is_text(part) else texts(part, here)
    elif isinstance(space, spaces.Tuple):
        for number, part in enumerate(space.spaces):
            yield from texts(part, f"{path}[{number}]")


def readable(space: Space) -> Space:
    """``space`` without that text; itself where there is none."""
    if not any(texts(space)):
        return space
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: readable(part) for key, part in space.spaces.items() if not _is_text(part)})
    assert isinstance(space, spaces.Tuple)
    return spaces.Tuple([readable(part) for part in space.spaces])


def without_text(space: Space, obs: PyTree) -> PyTree:
    """An observation of ``space`` as one of ``readable(space)``."""
    if not any(texts(space)):
        return obs
    if isinstance(space, spaces.Dict):
        return {key: without_text(part, obs[key]) for key, part in space.spaces.items() if not _is_text(part)}
    assert isinstance(space, spaces.Tuple)
    return tuple(without_text(part, found) for part, found in zip(space.spaces, obs, strict=True))


def _is_text(space: Space) -> bool:
    return space.dtype is not None and space.dtype.kind == "U"
