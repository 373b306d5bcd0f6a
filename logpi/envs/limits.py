"""The time limit of an environment, wherever among its wrappers it stands. Importing this imports no Gymnasium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gymnasium


def time_limit(env: gymnasium.Env) -> int | None:
    """Steps after which an episode is truncated; None where nothing says so."""
    from gymnasium import Wrapper

    layer: Any = env
    while isinstance(layer, Wrapper):
        known = getattr(layer, "_max_episode_steps", None)  # gymnasium.wrappers.TimeLimit
        if isinstance(known, int):
            return known
        layer = layer.env
    found = env.spec.max_episode_steps if env.spec is not None else getattr(layer, "max_episode_steps", None)
    return found if isinstance(found, int) else None
