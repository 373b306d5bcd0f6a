"""Gymnasium spaces as JSON and back, without loss: what an agent's file says of its environment."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.types import PyTree, Space

MOST_ELEMENTS = 2**27  # numbers of one observation or action
Json = dict[str, PyTree]  # numbers, strings, and lists and objects of them


def space_to_json(space: Space) -> Json:
    """A supported space as a JSON-safe dict (infinities are strings).

    Raises:
        LogpiError: unsupported space.
    """
    if isinstance(space, spaces.Box):
        low, high = _bounds(space)
        shape = list(space.shape)
        return {"type": "Box", "shape": shape, "dtype": space.dtype.name, "low": low, "high": high}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start), "dtype": space.dtype.name}
    if isinstance(space, spaces.MultiDiscrete):
        nvec, start = space.nvec.tolist(), space.start.tolist()
        return {"type": "MultiDiscrete", "nvec": nvec, "start": start, "dtype": space.dtype.name}
    if isinstance(space, spaces.MultiBinary):
        n = int(space.n) if isinstance(space.n, int | np.integer) else [int(k) for k in space.n]
        return {"type": "MultiBinary", "n": n}
    if isinstance(space, spaces.Dict):
        return {"type": "Dict", "spaces": [[key, space_to_json(part)] for key, part in space.spaces.items()]}
    if isinstance(space, spaces.Tuple):
        return {"type": "Tuple", "spaces": [space_to_json(part) for part in space.spaces]}
    raise LogpiError(f"space {space} cannot be saved; allowed: Box, Discrete, MultiDiscrete, MultiBinary, Dict, Tuple")


def space_from_json(data: Json) -> Space:
    """The space that ``space_to_json`` wrote.

    Raises:
        LogpiError: anything that it cannot have written.
    """
    try:
        return _read(data)
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, OverflowError, RecursionError) as error:
        if isinstance(error, LogpiError):
            raise
        raise LogpiError(f"not a saved space: {data!r:.200} ({type(error).__name__}: {error})") from error


def _read(data: Json) -> Space:
    kind = data["type"]
    if kind == "Box":
        dtype, shape = np.dtype(data["dtype"]), _sides(data["shape"])
        low, high = (_bound(data[side], dtype) for side in ("low", "high"))
        return spaces.Box(low, high, shape, dtype.type)
    if kind == "Discrete":
        # Gymnasium before 1.2 knows int64 only and takes no dtype.
        dtypes = {} if data["dtype"] == "int64" else {"dtype": np.dtype(data["dtype"]).type}
        return spaces.Discrete(data["n"], start=data["start"], **dtypes)
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(data["nvec"], dtype=np.dtype(data["dtype"]).type, start=data["start"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"] if _sides(data["n"]) else ())
    if kind == "Dict":
        return spaces.Dict(OrderedDict((str(key), _read(part)) for key, part in data["spaces"]))
    if kind == "Tuple":
        return spaces.Tuple([_read(part) for part in data["spaces"]])
    raise LogpiError(
        f"not a saved space: type {kind!r}; allowed: Box, Discrete, MultiDiscrete, MultiBinary, Dict, Tuple"
    )


def _sides(shape: Any) -> tuple[int, ...]:
    """A shape, of no more elements than an observation can have."""
    sides = tuple(shape) if isinstance(shape, list) else (shape,)
    if not all(type(side) is int and side >= 0 for side in sides) or math.prod(sides) > MOST_ELEMENTS:
        raise ValueError(f"shape {shape!r:.100}")
    return sides


def _bounds(space: spaces.Box) -> tuple[PyTree, PyTree]:
    """Lowest and highest values, each as one number or as nested lists."""
    low = np.where(space.bounded_below, space.low, _limit(space, -np.inf))
    high = np.where(space.bounded_above, space.high, _limit(space, np.inf))
    return _numbers(low), _numbers(high)


def _limit(space: spaces.Box, infinity: float) -> float:
    # An integer array that is bounded everywhere must not pass through float: int64 would lose digits.
    everywhere = space.bounded_below.all() and space.bounded_above.all()
    return space.dtype.type(0) if everywhere else infinity


def _numbers(array: NDArray[np.number]) -> PyTree:
    """One number where all are equal (an image has thousands of equal bounds), else nested lists."""
    if array.size and np.all(array == array.flat[0]):
        array = np.asarray(array.flat[0])
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    return _spell(array.tolist())


def _spell(value: PyTree) -> PyTree:
    """Nested lists with infinities as strings, which JSON lacks."""
    if isinstance(value, list):
        return [_spell(item) for item in value]
    return value if np.isfinite(value) else str(value)


def _bound(value: PyTree, dtype: np.dtype[np.generic]) -> PyTree:
    if not isinstance(value, list):
        return float(value) if isinstance(value, str) else value
    numbers = np.array(value)
    # Strings are infinities, which an integer Box takes as floats.
    return numbers.astype(np.float64 if numbers.dtype.kind == "U" and dtype.kind != "f" else dtype)
