"""Small environments with known solutions, which reveal a broken boundary, gradient or memory.

``chain`` and ``advantage`` exist on the device and as Gymnasium classes with the same behaviour to the last
bit, so the same policy must see the same trajectory on both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.errors import LogpiError
from logpi.types import Array, DeviceEnv, EnvSpec, Key, PyTree

Observation = NDArray[np.float32]
Info = dict[str, object]


def _check_chain(length: int) -> None:
    if length < 2:
        raise LogpiError(f"probe/chain-v0: length {length} leaves no move to make; give a length of 2 states or more")


def chain(length: int = 5, time_limit: int | None = None, terminates: bool = True) -> DeviceEnv:
    """A walk from state 0 to state ``length - 1``, one state a move, reward 1 a move whatever the action.

    Obs [length] is one-hot. With ``terminates`` the last state ends the episode and state i is worth
    (1 - γ^k) / (1 - γ), k = length - 1 - i. Otherwise the walk waits in the last state, still for reward 1,
    and every state is worth 1 / (1 - γ) however soon ``time_limit`` cuts it.

    Raises:
        LogpiError: if ``length`` is below 2.
    """
    _check_chain(length)

    def show(position: Array) -> Array:
        return jax.nn.one_hot(position, length, dtype=jnp.float32)

    def reset(key: Key) -> tuple[Array, Array]:
        position = jnp.int32(0)
        return position, show(position)

    def step(position: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        position = jnp.minimum(position + 1, length - 1)
        return position, show(position), jnp.float32(1.0), terminates & (position == length - 1)

    spec = EnvSpec("probe/chain-v0", spaces.Box(0.0, 1.0, (length,), np.float32), spaces.Discrete(2), time_limit)
    return DeviceEnv(spec, reset, step)


class Chain(gymnasium.Env[Observation, int]):
    """``chain`` for Gymnasium, without its time limit."""

    def __init__(self, length: int = 5, terminates: bool = True) -> None:
        _check_chain(length)
        self.observation_space = spaces.Box(0.0, 1.0, (length,), np.float32)
        self.action_space = spaces.Discrete(2)
        self._length = length
        self._terminates = terminates
        self._position = 0

    def _show(self) -> Observation:
        obs = np.zeros(self._length, np.float32)
        obs[self._position] = 1.0
        return obs

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        super().reset(seed=seed)
        self._position = 0
        return self._show(), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, Info]:
        self._position = min(self._position + 1, self._length - 1)
        terminated = self._terminates and self._position == self._length - 1
        return self._show(), 1.0, terminated, False, {}


def chain_gym(
    length: int = 5, time_limit: int | None = None, terminates: bool = True
) -> gymnasium.Env[Observation, int]:
    """``chain`` as a Gymnasium environment, same arguments; the time limit is applied by ``TimeLimit``."""
    env = Chain(length, terminates)
    return env if time_limit is None else gymnasium.wrappers.TimeLimit(env, time_limit)


def advantage() -> DeviceEnv:
    """One move: action 1 earns +1, action 0 earns -1, and the episode terminates. Obs [1] is always 1."""

    def reset(key: Key) -> tuple[tuple[()], Array]:
        return (), jnp.ones(1, jnp.float32)

    def step(state: tuple[()], action: Array, key: Key) -> tuple[tuple[()], Array, Array, Array]:
        return (), jnp.ones(1, jnp.float32), 2 * action.astype(jnp.float32) - 1, jnp.bool_(True)

    spec = EnvSpec("probe/bandit-v0", spaces.Box(0.0, 1.0, (1,), np.float32), spaces.Discrete(2))
    return DeviceEnv(spec, reset, step)


class Advantage(gymnasium.Env[Observation, int]):
    """``advantage`` for Gymnasium."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, Info]:
        return np.ones(1, np.float32), 2.0 * float(action) - 1.0, True, False, {}


class RecallState(NamedTuple):
    """What ``recall`` keeps between moves."""

    cue: Array  # [] int32, 0 or 1
    time: Array  # [] int32, moves made


def recall(delay: int = 4) -> DeviceEnv:
    """The first obs [1] is a cue, -1 or +1, the next ``delay`` are 0, and the last action must name the cue.

    Reward is 1 if that action is 1 for cue +1 or 0 for cue -1, and 0 otherwise and before; the episode
    terminates after ``delay + 1`` moves. Without memory no policy earns more than 1/2 on average; with it,
    1.

    Raises:
        LogpiError: if ``delay`` is below 1, where the cue would still be in sight.
    """
    if delay < 1:
        raise LogpiError(f"probe/recall-v0: delay {delay} leaves nothing to remember; give a delay of 1 or more")

    def reset(key: Key) -> tuple[RecallState, Array]:
        cue = jax.random.bernoulli(key).astype(jnp.int32)
        return RecallState(cue, jnp.int32(0)), (2 * cue - 1).astype(jnp.float32)[None]

    def step(state: RecallState, action: Array, key: Key) -> tuple[RecallState, Array, Array, Array]:
        last = state.time == delay
        reward = (last & (action == state.cue)).astype(jnp.float32)
        return RecallState(state.cue, state.time + 1), jnp.zeros(1, jnp.float32), reward, last

    spec = EnvSpec("probe/recall-v0", spaces.Box(-1.0, 1.0, (1,), np.float32), spaces.Discrete(2))
    return DeviceEnv(spec, reset, step)


def dict_obs() -> DeviceEnv:
    """Every kind of observation at once, a new one each move; each part of the action must name a part of it.

    Obs is ``{"box": [2] float32, "parts": ([] int32 in 0..2, [2] int8 bits)}``; action [3]. Reward is a
    third for each of: action[0] = 1 if box[0] > box[1] else 0; action[1] = the number; action[2] = bits[0]
    + 2 bits[1]. It never terminates and is truncated after 8 moves: the best policy earns 8, a random one
    26/9 on average.
    """

    def draw(key: Key) -> PyTree:
        box, number, bits = jax.random.split(key, 3)
        return {
            "box": jax.random.uniform(box, (2,), jnp.float32, -1.0, 1.0),
            "parts": (
                jax.random.randint(number, (), 0, 3, jnp.int32),
                jax.random.bernoulli(bits, shape=(2,)).astype(jnp.int8),
            ),
        }

    def reset(key: Key) -> tuple[PyTree, PyTree]:
        obs = draw(key)
        return obs, obs

    def step(state: PyTree, action: Array, key: Key) -> tuple[PyTree, PyTree, Array, Array]:
        box, (number, bits) = state["box"], state["parts"]
        answer = jnp.stack([(box[0] > box[1]).astype(jnp.int32), number, bits[0] + 2 * bits[1]])
        obs = draw(key)
        return obs, obs, jnp.mean(action == answer, dtype=jnp.float32), jnp.bool_(False)

    parts = spaces.Tuple((spaces.Discrete(3), spaces.MultiBinary(2)))
    observation = spaces.Dict({"box": spaces.Box(-1.0, 1.0, (2,), np.float32), "parts": parts})
    return DeviceEnv(EnvSpec("probe/dict-v0", observation, spaces.MultiDiscrete([2, 3, 4]), 8), reset, step)


class DoorsState(NamedTuple):
    """What ``doors`` keeps between moves."""

    cue: Array  # [] int32, 0 or 1
    flip: Array  # [] int32, 0 or 1
    open: Array  # [] int32, the door that is open now
    time: Array  # [] int32, moves made


def doors(moves: int = 2, number: int = 3, joint: bool = False) -> DeviceEnv:
    """A corridor of ``moves + 1`` doors, whose last one asks for a word: mask, memory and Dict together.

    Obs is ``{"cue": [1] float32, "flip": [] int32 in 0..2, "action_mask": [n] int8}``. At each move one of ``number``
    doors is open, which ``action_mask`` alone tells; to take another one ends the episode for reward 0. ``cue`` is -1
    or +1 in the first observation and 0 afterwards; ``flip`` is 1 or 2 in the last one and 0 before. The last move
    earns 1 if its word is cue XOR flip (bits, +1 and 2 being 1), and 0 otherwise. Action [] is word + 2 door, or with
    ``joint`` [2], the door and the word.

    With all three a policy earns 1. Without memory, or with one of the two parts alone, none earns more than 1/2 on
    average, and without the mask none more than ``number ** -(moves + 1)``.

    Raises:
        LogpiError: if ``moves`` is below 1, where the cue is in sight at the end, or ``number`` below 2.
    """
    if moves < 1 or number < 2:
        raise LogpiError(
            f"probe/doors-v0: {moves} moves and {number} doors need no memory or no mask; give 1 move and 2 doors or "
            "more"
        )
    words = np.ones(2, np.int8)

    def show(state: DoorsState) -> PyTree:
        is_open = jax.nn.one_hot(state.open, number, dtype=jnp.int8)
        mask = jnp.concatenate([is_open, words]) if joint else jnp.repeat(is_open, 2)
        cue = jnp.where(state.time == 0, 2.0 * state.cue - 1.0, 0.0)[None]
        flip = jnp.where(state.time == moves, state.flip + 1, 0).astype(jnp.int32)
        return {"cue": cue.astype(jnp.float32), "flip": flip, "action_mask": mask}

    def reset(key: Key) -> tuple[DoorsState, PyTree]:
        bit_keys, door = jax.random.split(key)
        cue, flip = jax.random.bernoulli(bit_keys, shape=(2,)).astype(jnp.int32)
        state = DoorsState(cue, flip, jax.random.randint(door, (), 0, number, jnp.int32), jnp.int32(0))
        return state, show(state)

    def step(state: DoorsState, action: Array, key: Key) -> tuple[DoorsState, PyTree, Array, Array]:
        door, word = (action[0], action[1]) if joint else (action // 2, action % 2)
        last, through = state.time == moves, door == state.open
        reward = (last & through & (word == state.cue ^ state.flip)).astype(jnp.float32)
        following = state._replace(open=jax.random.randint(key, (), 0, number, jnp.int32), time=state.time + 1)
        return following, show(following), reward, last | ~through

    n = number + 2 if joint else 2 * number
    observation = spaces.Dict(
        {
            "cue": spaces.Box(-1.0, 1.0, (1,), np.float32),
            "flip": spaces.Discrete(3),
            "action_mask": spaces.MultiBinary(n),
        }
    )
    action_space = spaces.MultiDiscrete([number, 2]) if joint else spaces.Discrete(n)
    return DeviceEnv(EnvSpec("probe/doors-v0", observation, action_space), reset, step)


PROBES: dict[str, Callable[[], DeviceEnv]] = {
    "probe/chain-v0": chain,
    "probe/bandit-v0": advantage,
    "probe/recall-v0": recall,
    "probe/dict-v0": dict_obs,
    "probe/doors-v0": doors,
}
