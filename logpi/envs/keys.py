"""What people call the actions of an environment, and the keys with which they take them.

Keys have the names that browsers give them (``KeyboardEvent.key``): "ArrowLeft", " ", "p".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from logpi.types import Space

LEFT, RIGHT, UP, DOWN, FIRE = "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " "
Action = int | list[float] | list[int]  # as JSON has it


class Controls(NamedTuple):
    """How a person acts."""

    names: Sequence[str]  # of the actions of a Discrete space, or of the dimensions of a Box
    keys: Sequence[tuple[Sequence[str], Action]]  # keys held together -> action; of several that fit, the most keys
    idle: Action | None = None  # where no key is held; None: the action before
    waits: bool = False  # whether the environment waits for a key: its states do not change by themselves


def _arrows(**actions: Action) -> list[tuple[Sequence[str], Action]]:
    known = {"left": LEFT, "right": RIGHT, "up": UP, "down": DOWN}
    return [((known.get(name, name),), action) for name, action in actions.items()]


KNOWN = {  # by the beginning of an id; sources: the environments' documentation in Gymnasium 1.1
    "CartPole": Controls(("push left", "push right"), _arrows(left=0, right=1)),
    "Acrobot": Controls(("torque -1", "no torque", "torque +1"), _arrows(left=0, right=2), 1),
    "MountainCarContinuous": Controls(("force",), _arrows(left=[-1.0], right=[1.0]), [0.0]),
    "MountainCar": Controls(("push left", "no push", "push right"), _arrows(left=0, right=2), 1),
    "Pendulum": Controls(("torque",), _arrows(left=[2.0], right=[-2.0]), [0.0]),
    "LunarLanderContinuous": Controls(
        ("main engine", "side engines"),
        [
            *_arrows(up=[1.0, 0.0], left=[-1.0, -1.0], right=[-1.0, 1.0]),
            ((UP, LEFT), [1.0, -1.0]),
            ((UP, RIGHT), [1.0, 1.0]),
        ],
        [-1.0, 0.0],
    ),
    "LunarLander": Controls(
        ("no engine", "left engine", "main engine", "right engine"), _arrows(left=1, up=2, right=3), 0
    ),
    "CarRacing": Controls(
        ("steering", "gas", "brake"),
        [
            *_arrows(left=[-1.0, 0.0, 0.0], right=[1.0, 0.0, 0.0], up=[0.0, 1.0, 0.0], down=[0.0, 0.0, 0.8]),
            ((UP, LEFT), [-1.0, 1.0, 0.0]),
            ((UP, RIGHT), [1.0, 1.0, 0.0]),
        ],
        [0.0, 0.0, 0.0],
    ),
    "FrozenLake": Controls(("left", "down", "right", "up"), _arrows(left=0, down=1, right=2, up=3), waits=True),
    "CliffWalking": Controls(("up", "right", "down", "left"), _arrows(up=0, right=1, down=2, left=3), waits=True),
    "Taxi": Controls(
        ("south", "north", "east", "west", "pick up", "drop off"),
        _arrows(down=0, up=1, right=2, left=3, p=4, d=5),
        waits=True,
    ),
    "Blackjack": Controls(("stick", "hit"), _arrows(s=0, h=1), waits=True),
}


def controls_of(name: str, space: Space, meanings: Sequence[str] = ()) -> Controls:
    """The controls of an environment.

    Args:
        name: its id.
        space: of its actions.
        meanings: of Atari's actions, such as "UPRIGHTFIRE", where it tells them.
    """
    for begin, known in KNOWN.items():
        if name.rpartition("/")[2].startswith(begin) and _fit(known, space):
            return known
    if isinstance(space, spaces.Discrete):
        if len(meanings) == space.n:
            return _by_meaning(meanings)
        names = [f"action {k}" for k in range(int(space.n))]
        return Controls(names, [((str(k + 1),), k) for k in range(min(int(space.n), 9))])
    return _axes(space)


def _fit(known: Controls, space: Space) -> bool:
    if isinstance(space, spaces.Discrete):
        return len(known.names) == space.n and isinstance(known.keys[0][1], int)
    return isinstance(space, spaces.Box) and space.shape == (len(known.names),)


def _by_meaning(meanings: Sequence[str]) -> Controls:
    parts = {"UP": UP, "DOWN": DOWN, "LEFT": LEFT, "RIGHT": RIGHT, "FIRE": FIRE}
    keys = [([key for part, key in parts.items() if part in meaning], k) for k, meaning in enumerate(meanings)]
    idle = meanings.index("NOOP") if "NOOP" in meanings else 0
    return Controls([meaning.lower() for meaning in meanings], [(held, k) for held, k in keys if held], idle)


def _axes(space: Space) -> Controls:
    """Arrows for the first two dimensions of a Box; no keys where actions are anything else."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        return Controls((), ())
    low, high = np.maximum(space.low, -1e3), np.minimum(space.high, 1e3)
    middle = ((low + high) / 2).tolist()
    keys: list[tuple[Sequence[str], Any]] = []
    for axis, (less, more) in enumerate(itertools.islice([(LEFT, RIGHT), (DOWN, UP)], space.shape[0])):
        for key, end in ((less, low), (more, high)):
            keys.append(((key,), [*middle[:axis], float(end[axis]), *middle[axis + 1 :]]))
    return Controls([f"action {k}" for k in range(space.shape[0])], keys, middle)
