"""The table of methods: one file, one line here."""

from __future__ import annotations

from collections.abc import Callable

from logpi.algorithms.a2c import a2c
from logpi.algorithms.actor_critic import actor_critic
from logpi.algorithms.ppo import ppo
from logpi.algorithms.reinforce import reinforce
from logpi.types import Algorithm

METHODS: dict[str, Callable[..., Algorithm]] = {
    "reinforce": reinforce,
    "actor_critic": actor_critic,
    "a2c": a2c,
    "ppo": ppo,
}
