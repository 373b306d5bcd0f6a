"""Gymnasium spaces for a policy: actions in the environment's units, and flat observations.

Every function takes any leading batch shape, written ``[...]`` below. ``to_env`` answers in the array library
of its argument (NumPy or JAX), so host and device environments share one convention.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.types import AnyArray, Array, EnvSpec, PyTree
from logpi.types import Space as Space

MOST_ELEMENTS = 2**27  # numbers of one observation or action
MASK = "action_mask"  # key of the legal-action mask (1 legal) in a Dict observation; no part of the encoding


def check_spaces(spec: EnvSpec) -> None:
    """Check that policies support the spaces of ``spec``.

    Raises:
        LogpiError: unsupported observation or action space, a half-infinite action bound, or a mask of the
            wrong size.
    """
    observation, action = spec.observation_space, spec.action_space
    where = f"environment {spec.id}"
    for path, leaf in _named_leaves("observation", observation):
        if not isinstance(leaf, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
            raise LogpiError(
                f"{where}: {path} space {leaf} is not supported. Allowed: Box, Discrete, MultiDiscrete, "
                "MultiBinary, and Dict (string keys) or Tuple of these. "
                "Convert it with a gymnasium.ObservationWrapper."
            )
    if not isinstance(action, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise LogpiError(
            f"{where}: action space {action} is not supported. Allowed: Discrete, Box, MultiDiscrete, "
            "MultiBinary. Convert it with a gymnasium.ActionWrapper."
        )
    if isinstance(action, spaces.Box) and np.any(action.bounded_below != action.bounded_above):
        raise LogpiError(
            f"{where}: action space {action} has a dimension bounded on one side only. Allowed: both bounds "
            "finite, or both infinite. Set the missing bound."
        )
    if size(observation) == 0:
        raise LogpiError(f"{where}: observation space {observation} holds nothing to observe. Add a part to it.")
    _check_mask(where, observation, action)


def to_env(space: Space, action: AnyArray) -> PyTree:
    """Convert a policy's action to the environment's; NumPy in, NumPy out, JAX in, JAX out.

    * Discrete: int [...] in [0, n) → plus ``start``.
    * MultiDiscrete: ints [..., k], flat over ``nvec`` → [..., *nvec.shape] plus ``start``.
    * MultiBinary: 0 or 1 [..., *shape] → int8.
    * Box: each bounded dimension of [..., *shape] maps [-1, 1] affinely onto [low, high] and is clipped to it
      (rounded for an integer Box); an unbounded dimension is left as it is.

    Raises:
        LogpiError: any other space.
    """
    xp = _library(action)
    action = xp.asarray(action)
    dtype = _dtype(xp, space.dtype)
    if isinstance(space, spaces.Discrete):
        return action.astype(dtype) + xp.asarray(space.start, dtype)
    if isinstance(space, spaces.MultiDiscrete):
        action = action.reshape(action.shape[:-1] + space.nvec.shape)
        return action.astype(dtype) + _like(action, space.start, dtype)
    if isinstance(space, spaces.MultiBinary):
        return action.astype(dtype)
    if isinstance(space, spaces.Box):
        return _scale(xp, space, action).astype(dtype)
    raise LogpiError(f"action space {space} is not supported; allowed: Discrete, Box, MultiDiscrete, MultiBinary")


def max_entropy(space: Space) -> float | None:
    """Entropy of uniformly drawn actions of a discrete ``space``, in nats; None of a continuous one."""
    if isinstance(space, spaces.Discrete):
        return math.log(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return float(np.log(space.nvec).sum())
    return math.log(2) * math.prod(space.shape) if isinstance(space, spaces.MultiBinary) else None


def encode(space: Space, obs: PyTree) -> Array:
    """A supported observation [...] as one float32 vector [..., D], D = ``size(space)``.

    Discrete and MultiDiscrete are one-hot, MultiBinary is 0.0 or 1.0, Box is flattened (uint8 divided by
    255), Dict follows its sorted keys and Tuple its order. The top-level key ``action_mask`` is left out.
    """
    return jnp.concatenate([_encode_leaf(leaf, part) for leaf, part in _leaves(_visible(space), obs)], axis=-1)


def size(space: Space) -> int:
    """D, the length of ``encode``'s vector."""
    return sum(_leaf_size(leaf) for _, leaf in _named_leaves("", _visible(space)))


def _library(array: AnyArray) -> ModuleType:
    return jnp if isinstance(array, jax.Array) else np


def _dtype(xp: ModuleType, dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    # JAX without x64 has no int64 and would warn at each cast to it.
    return jax.dtypes.canonicalize_dtype(dtype) if xp is jnp else dtype


def _like(array: AnyArray, value: NDArray[np.number], dtype: np.dtype[np.generic]) -> AnyArray:
    """``value`` broadcast to the shape of ``array``, in its library."""
    xp = _library(array)
    return xp.broadcast_to(xp.asarray(value, dtype), array.shape)


def _scale(xp: ModuleType, space: spaces.Box, action: AnyArray) -> AnyArray:
    dtype = _dtype(xp, np.result_type(space.dtype, np.float32))
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    bounded = space.bounded_below & space.bounded_above
    ends = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    middle, half = ends[1] / 2 + ends[0] / 2, ends[1] / 2 - ends[0] / 2  # high - low may overflow
    moved = _like(action, middle, dtype) + action.astype(dtype) * _like(action, half, dtype)
    moved = xp.clip(moved, _like(action, low, dtype), _like(action, high, dtype))
    return moved if space.dtype.kind == "f" else xp.rint(moved)


def _visible(space: Space) -> Space:
    if isinstance(space, spaces.Dict) and MASK in space.spaces:
        return spaces.Dict(OrderedDict((key, part) for key, part in space.spaces.items() if key != MASK))
    return space


def _parts(space: Space) -> list[tuple[str | int, Space]] | None:
    if isinstance(space, spaces.Dict) and all(isinstance(key, str) for key in space.spaces):
        return sorted(space.spaces.items())
    return list(enumerate(space.spaces)) if isinstance(space, spaces.Tuple) else None


def _named_leaves(path: str, space: Space) -> Iterator[tuple[str, Space]]:
    parts = _parts(space)
    if parts is None:
        yield path, space
        return
    for key, part in parts:
        yield from _named_leaves(f"{path}[{key!r}]", part)


def _leaves(space: Space, obs: PyTree) -> Iterator[tuple[Space, AnyArray]]:
    parts = _parts(space)
    if parts is None:
        yield space, obs
        return
    for key, part in parts:
        yield from _leaves(part, obs[key])


def _leaf_size(space: Space) -> int:
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    return int(space.nvec.sum() if isinstance(space, spaces.MultiDiscrete) else np.prod(space.shape))


def _encode_leaf(space: Space, obs: AnyArray) -> Array:
    batch = np.shape(obs)[: np.ndim(obs) - len(space.shape)]
    if isinstance(space, spaces.Discrete):
        return jax.nn.one_hot(obs - space.start, int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        index = (obs - _like(obs, space.start, obs.dtype)).reshape((*batch, -1))
        hot = [jax.nn.one_hot(index[..., k], int(n)) for k, n in enumerate(space.nvec.flat)]
        return jnp.concatenate(hot, axis=-1)
    flat = jnp.asarray(obs).reshape((*batch, _leaf_size(space))).astype(jnp.float32)
    return flat / 255 if space.dtype == np.uint8 else flat


def _check_mask(where: str, observation: Space, action: Space) -> None:
    if not (isinstance(observation, spaces.Dict) and MASK in observation.spaces):
        return
    mask = observation.spaces[MASK]
    if not isinstance(action, spaces.Discrete | spaces.MultiDiscrete):
        raise LogpiError(f"{where}: {MASK!r} needs a Discrete or MultiDiscrete action space, not {action}. Drop it.")
    if mask.shape != (_leaf_size(action),) or not np.issubdtype(mask.dtype, np.integer):
        raise LogpiError(
            f"{where}: {MASK!r} is {mask.dtype}{list(mask.shape)}, but there are {_leaf_size(action)} actions. "
            f"Declare it as MultiBinary({_leaf_size(action)}), 1 where the action is legal."
        )


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
