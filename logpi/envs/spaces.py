"""Gymnasium spaces for a policy: actions in the environment's units, and flat observations.

Every function takes any leading batch shape, written ``[...]`` below. ``to_env`` answers in the array library
of its argument (NumPy or JAX), so host and device environments share one convention.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.envs.masks import MASK as MASK
from logpi.errors import LogpiError
from logpi.types import AnyArray, Array, EnvSpec, PyTree
from logpi.types import Space as Space

INDEX = np.iinfo(np.int32)  # of Discrete and MultiDiscrete observations: JAX has no integers of 64 bits


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
        if isinstance(leaf, spaces.Discrete | spaces.MultiDiscrete) and not _countable(leaf):
            raise LogpiError(
                f"{where}: {path} space {leaf} has numbers beyond 32 bits. Allowed: {INDEX.min:,} to {INDEX.max:,}. "
                "Lower its start."
            )
    if not isinstance(action, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise LogpiError(
            f"{where}: action space {action} is not supported. Allowed: Discrete, Box, MultiDiscrete, "
            "MultiBinary. Convert it with a gymnasium.ActionWrapper."
        )
    if _leaf_size(action) == 0:
        raise LogpiError(f"{where}: action space {action} leaves nothing to choose. Give it a dimension.")
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

    A joint action is flat, [..., d] with d = the product of the space's shape, and becomes [..., *shape]:

    * Discrete: int [...] in [0, n) → plus ``start``.
    * MultiDiscrete: ints [..., d], flat over ``nvec`` → plus ``start``.
    * MultiBinary: 0 or 1 [..., d] → int8.
    * Box: each bounded dimension of [..., d] maps [-1, 1] affinely onto [low, high] and is clipped to it (rounded
      for an integer Box); an unbounded dimension is left as it is.

    Raises:
        LogpiError: any other space.
    """
    xp = _library(action)
    action = xp.asarray(action)
    dtype = _dtype(xp, space.dtype)
    if isinstance(space, spaces.Discrete):
        return action.astype(dtype) + xp.asarray(space.start, dtype)
    action = action.reshape(action.shape[:-1] + space.shape)
    if isinstance(space, spaces.MultiDiscrete):
        return action.astype(dtype) + _like(action, space.start, dtype)
    if isinstance(space, spaces.MultiBinary):
        return action.astype(dtype)
    if isinstance(space, spaces.Box):
        return _scale(xp, space, action).astype(dtype)
    raise LogpiError(f"action space {space} is not supported; allowed: Discrete, Box, MultiDiscrete, MultiBinary")


def from_env(space: Space, action: AnyArray) -> NDArray[np.generic]:
    """What a policy draws for the environment's ``action`` [..., *shape]: the inverse of ``to_env``.

    Bounded dimensions of a Box are mapped onto [-1, 1].
    """
    action = np.asarray(action)
    if isinstance(space, spaces.Discrete):
        return (action - space.start).astype(np.int32)
    flat = (*action.shape[: action.ndim - len(space.shape)], -1)
    if isinstance(space, spaces.MultiDiscrete):
        return (action - space.start).reshape(flat).astype(np.int32)
    if isinstance(space, spaces.MultiBinary):
        return action.reshape(flat).astype(np.int8)
    bounded = space.bounded_below & space.bounded_above
    low, high = (np.where(bounded, end.astype(np.float64), side) for end, side in ((space.low, -1), (space.high, 1)))
    half = np.maximum(high / 2 - low / 2, np.finfo(np.float64).tiny)  # a dimension of one value alone
    scaled = (action.astype(np.float64) - (high / 2 + low / 2)) / half
    return np.where(bounded, np.clip(scaled, -1, 1), scaled).reshape(flat).astype(np.float32)


def max_entropy(space: Space) -> float | None:
    """Entropy of uniformly drawn actions of a discrete ``space``, in nats; None of a continuous one."""
    if isinstance(space, spaces.Discrete):
        return math.log(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return float(np.log(space.nvec).sum())
    return math.log(2) * math.prod(space.shape) if isinstance(space, spaces.MultiBinary) else None


def leaf_dtype(space: Space) -> np.dtype[np.generic]:
    """What one part of an observation is made of when a policy gets it.

    Numbers of a Box are float32, however large or exact the environment's are, but uint8 (pixels) stays. Discrete and
    MultiDiscrete are int32 and MultiBinary int8.
    """
    if isinstance(space, spaces.Box):
        return np.dtype(np.uint8 if space.dtype == np.uint8 else np.float32)
    return np.dtype(np.int8 if isinstance(space, spaces.MultiBinary) else np.int32)


def plain(space: Space, obs: PyTree) -> PyTree:
    """An observation [...] as every policy gets it: read by the space's keys, in dicts and tuples of plain arrays.

    Environments may answer with any mapping and any sequence. Arrays are copies of ``leaf_dtype``, NumPy's; those of a
    device environment stay JAX's. The mask of legal actions is int8.

    Raises:
        LogpiError: a part of the space is missing, or is not an array of numbers.
    """
    return _plain(space, obs, "observation")


def normalizable(spec: EnvSpec) -> bool:
    """Whether observations have numbers whose scale --normalize-obs can change: those of a Box, but for pixels."""
    return any(
        isinstance(leaf, spaces.Box) and leaf_dtype(leaf) == np.float32
        for _, leaf in _named_leaves("", _visible(spec.observation_space))
    )


def legal_in(space: Space, obs: PyTree) -> PyTree:
    """The mask [..., n] of legal actions in an observation, or None where the space has none."""
    return obs[MASK] if isinstance(space, spaces.Dict) and MASK in space.spaces else None


def encode(space: Space, obs: PyTree) -> Array:
    """A supported observation [...] as one float32 vector [..., D], D = ``size(space)``.

    Discrete and MultiDiscrete are one-hot, MultiBinary is 0.0 or 1.0, Box is flattened (uint8 divided by
    255), Dict follows its sorted keys and Tuple its order. The top-level key ``action_mask`` is left out.
    """
    return jnp.concatenate([_encode_leaf(leaf, part) for leaf, part in _leaves(_visible(space), obs)], axis=-1)


def size(space: Space) -> int:
    """D, the length of ``encode``'s vector."""
    return sum(_leaf_size(leaf) for _, leaf in _named_leaves("", _visible(space)))


def _plain(space: Space, obs: PyTree, path: str) -> PyTree:
    parts = _parts(space)
    if parts is None:
        return _cast(obs, np.dtype(np.int8) if path.endswith(f"[{MASK!r}]") else leaf_dtype(space), path)
    try:
        read = {key: _plain(part, obs[key], f"{path}[{key!r}]") for key, part in parts}
    except (KeyError, IndexError, TypeError) as error:
        raise LogpiError(f"{path} is {obs!r:.80}, which lacks a part of its space {space}") from error
    return read if isinstance(space, spaces.Dict) else tuple(read.values())


def _cast(value: PyTree, dtype: np.dtype[np.generic], path: str) -> AnyArray:
    if isinstance(value, jax.Array):
        return value.astype(dtype)
    try:
        with np.errstate(over="ignore"):  # an overflow becomes infinite, which is reported with its place
            return np.array(np.asarray(value), dtype)
    except (TypeError, ValueError) as error:
        raise LogpiError(f"{path} is {value!r:.80}, not an array of numbers") from error


def _countable(space: spaces.Discrete | spaces.MultiDiscrete) -> bool:
    first = np.asarray(space.start, object)
    last = first + (space.nvec if isinstance(space, spaces.MultiDiscrete) else space.n)
    return bool((first >= INDEX.min).all() and (last <= INDEX.max).all())


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
    if space.dtype.kind == "f":
        return xp.clip(moved, _like(action, low, dtype), _like(action, high, dtype))
    # the float above the largest integer of 64 bits is not one of them, and would become the smallest
    high = np.where(high >= 2.0 ** (8 * space.dtype.itemsize - (space.dtype.kind == "i")), np.nextafter(high, 0), high)
    return xp.rint(xp.clip(moved, _like(action, low, dtype), _like(action, high, dtype)))


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
