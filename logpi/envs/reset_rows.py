"""Void rows: trajectories of vectors that reset within the step, in the form of next-step autoreset."""

from __future__ import annotations

import jax
import numpy as np
from numpy.typing import NDArray

from logpi.types import AnyArray, PyTree

Flags = NDArray[np.bool_]
Numbers = NDArray[np.generic]  # of any dtype


def insert_void_rows(
    acting_obs: PyTree,
    next_obs: PyTree,
    action: PyTree,
    log_prob: AnyArray | None,
    reward: AnyArray,
    terminated: AnyArray,
    truncated: AnyArray,
    discount: AnyArray,
) -> dict[str, PyTree]:
    """T rows of a vector that resets within the step, as next-step autoreset would have given them.

    Args:
        acting_obs: [T, B, ...] pytree, what was acted on.
        next_obs: [T, B, ...] pytree, the true next observation, final at an end.
        action, log_prob, reward, terminated, truncated, discount: [T, B, ...]; log_prob is None where the method asks
            for none.

    Returns:
        The fields of ``Trajectory`` but ``memory``: each end is followed by a void row (its observation the
        final one, mask 0, reward 0, discount 1, action and log_prob 0). Each column keeps its first T rows;
        what is pushed past them is dropped, and ``obs[T]`` is what followed the last row kept. The policy
        never saw the void rows, so this serves policies without memory.
    """
    source, void = _layout(np.asarray(terminated, np.bool_) | np.asarray(truncated, np.bool_))
    columns, last = np.arange(void.shape[1]), source[-1]

    def rows(array: AnyArray) -> Numbers:
        taken = np.asarray(array)[source, columns]
        return np.where(_spread(void, taken), np.zeros((), taken.dtype), taken)

    def observations(acting: AnyArray, following: AnyArray) -> Numbers:
        acting, following = np.asarray(acting), np.asarray(following)
        before = np.where(_spread(void, acting), following[source, columns], acting[source, columns])
        # A void row is never the end of source row T-1 itself, so row last + 1 exists behind one.
        resumed = acting[np.minimum(last + 1, len(acting) - 1), columns]
        end = np.where(_spread(void[-1], resumed), resumed, following[last, columns])
        return np.concatenate([before, end[None]])

    return {
        "obs": jax.tree.map(observations, acting_obs, next_obs),
        "action": jax.tree.map(rows, action),
        "log_prob": jax.tree.map(rows, log_prob),
        "reward": rows(reward),
        "discount": np.where(void, np.float32(1), rows(discount)),
        "mask": 1 - void.astype(np.float32),
    }


def _layout(ended: Flags) -> tuple[NDArray[np.int64], Flags]:
    """For each row of the result [T, B]: the row it comes from, and whether it is the void row behind it."""
    T = len(ended)
    target = np.arange(T)[:, None] + np.cumsum(ended, axis=0) - ended
    source, void = np.zeros(ended.shape, np.int64), np.zeros(ended.shape, np.bool_)
    t, b = np.nonzero(target < T)
    source[target[t, b], b] = t
    t, b = np.nonzero(ended & (target + 1 < T))
    source[target[t, b] + 1, b] = t
    void[target[t, b] + 1, b] = True
    return source, void


def _spread(flags: Flags, array: Numbers) -> Flags:
    """``flags`` with as many dimensions as ``array``, to broadcast along its last ones."""
    return flags.reshape(flags.shape + (1,) * (array.ndim - flags.ndim))
