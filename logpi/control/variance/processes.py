"""Small decision processes whose return and gradient are known exactly, for a policy that is a table.

    J(θ) = E[Σ_t r_t],    π(a|s) ∝ exp θ[s, a]

In each of them every episode ends by itself within ``horizon`` moves, so V and Q do not depend on the time, and nothing
is ever truncated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from logpi.errors import LogpiError, near
from logpi.ops.distributions import Categorical
from logpi.types import Array, DeviceEnv, EnvSpec, Key, Number, Output, Policy, PyTree


class DecisionProcess(NamedTuple):
    """S states, A actions, and what follows; arrays of float64."""

    name: str
    about: str  # in a sentence
    start: NDArray[np.float64]  # [S] distribution of the first state
    move: NDArray[np.float64]  # [S, A, S] transition probabilities
    reward: NDArray[np.float64]  # [S, A, S]
    terminal: NDArray[np.bool_]  # [S] entering one ends the episode
    horizon: int  # moves of the longest episode

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A), of the table θ."""
        states, actions, _ = self.move.shape
        return states, actions


def decision_process(name: str) -> DecisionProcess:
    """A small decision process: ``lanes``, ``push-your-luck`` or ``late-reward``.

    Raises:
        LogpiError: there is no such process.
    """
    if name not in PROCESSES:
        raise LogpiError(f"unknown decision process {name!r}; allowed: {', '.join(PROCESSES)}{near(name, PROCESSES)}")
    return PROCESSES[name](name)


def objective(process: DecisionProcess, theta: Array) -> Array:
    """J(θ) [], by a recursion backwards from the end; ``jax.grad`` of it is the exact gradient."""
    return jnp.asarray(process.start) @ values(process, theta)[1]


def values(process: DecisionProcess, theta: Array, gamma: Number = 1.0) -> tuple[Array, Array]:
    """(Q [S, A], V [S]) of the policy with discount factor γ."""
    move, reward, alive = (jnp.asarray(x) for x in (process.move, process.reward, 1.0 - process.terminal))
    chance, v = jax.nn.softmax(theta), jnp.zeros(len(process.start))
    q = jnp.zeros(process.shape)
    for _ in range(process.horizon):
        q = (move * (reward + (gamma * alive * v)[None, None])).sum(2)
        v = (chance * q).sum(1)
    return q, v


def expected_gradient(process: DecisionProcess, theta: Array, gamma: Number) -> Array:
    """E[Σ_t Q(s_t, a_t) ∇ log π(a_t|s_t)] [S, A] with Q discounted by γ, and with it that of every Ψ = Q - b(s).

    γ = 1 gives ∇J (Sutton et al. 2000, theorem 1); γ < 1 does not, as the decisions themselves are not discounted.
    """
    q, often = values(process, theta, gamma)[0], visits(process, theta)

    def weighted(theta: Array) -> Array:
        return (often[:, None] * jax.nn.softmax(theta) * q).sum()

    return jax.grad(weighted)(theta)


def visits(process: DecisionProcess, theta: Array) -> Array:
    """[S] expected number of decisions in each state in an episode."""
    move, alive = jnp.asarray(process.move), jnp.asarray(1.0 - process.terminal)
    onward = jnp.einsum("sa,sap->sp", jax.nn.softmax(theta), move) * alive[None]
    here = jnp.asarray(process.start)
    found = here
    for _ in range(process.horizon - 1):
        here = here @ onward
        found += here
    return found


def table_policy(process: DecisionProcess) -> Policy:
    """The softmax policy whose parameters are the table θ [S, A]; at first all actions are equally probable."""

    def apply(params: PyTree, memory: PyTree, state: PyTree) -> tuple[PyTree, Output]:
        return memory, Output(Categorical(params[state]), None)

    return Policy(lambda key: jnp.zeros(process.shape), lambda batch: (), apply)


def environment_of(process: DecisionProcess) -> DeviceEnv:
    """The process as an environment whose observation is the number of its state."""
    start, move, reward = (jnp.asarray(x, jnp.float32) for x in (process.start, process.move, process.reward))
    terminal = jnp.asarray(process.terminal)

    def draw(key: Key, chances: Array) -> Array:
        return jax.random.categorical(key, jnp.log(chances)).astype(jnp.int32)

    def reset(key: Key) -> tuple[Array, Array]:
        state = draw(key, start)
        return state, state

    def step(state: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        following = draw(key, move[state, action])
        return following, following, reward[state, action, following], terminal[following]

    states, actions = process.shape
    spec = EnvSpec(process.name, spaces.Discrete(states), spaces.Discrete(actions), process.horizon)
    return DeviceEnv(spec, reset, step)


def _lanes(name: str) -> DecisionProcess:
    """0, then 1 or 2, then 3 or 4, then the end (5): action 1 leads to the lower lane with probability 0.7."""
    move, reward = np.zeros((6, 2, 6)), np.zeros((6, 2, 6))
    for state in range(5):
        layer = (state + 1) // 2
        upper, lower = (5, 5) if layer == 2 else (2 * layer + 1, 2 * layer + 2)
        for action in range(2):
            move[state, action, upper] += 0.8 - 0.5 * action
            move[state, action, lower] += 0.2 + 0.5 * action
            reward[state, action] = 2.0 - 0.2 * action + 0.8 * (state in (2, 4))
    about = "Three moves, about 2 points each, more in the lower lane: a baseline takes away what all moves earn."
    return DecisionProcess(name, about, np.eye(6)[0], move, reward, np.arange(6) == 5, 3)


def _push_your_luck(name: str) -> DecisionProcess:
    """State k holds k + 1 points: action 0 takes them, action 1 goes on, and loses all of them one time in four."""
    move, reward = np.zeros((5, 2, 5)), np.zeros((5, 2, 5))
    for state in range(4):
        move[state, 0, 4], reward[state, 0, 4] = 1.0, state + 1.0
        move[state, 1, min(state + 1, 4)] += 0.75
        move[state, 1, 4] += 0.25
    reward[3, 1, 4] = 3.0  # there is nothing more to win: on from the last state a point is lost
    about = "Take the points, or go on for more and lose them one time in four: one late reward for all decisions."
    return DecisionProcess(name, about, np.eye(5)[0], move, reward, np.arange(5) == 4, 4)


def _late_reward(name: str) -> DecisionProcess:
    """The choice in state 0 is paid after three moves whose own rewards are noise, +1 or -1 whatever is done."""
    # states: 0; then (choice, step, sign of the noise before it): 1 + 6 (step - 1) … ; the last is the end
    states = 1 + 3 * 4 + 1
    move, reward = np.zeros((states, 2, states)), np.zeros((states, 2, states))

    def number(step: int, choice: int, sign: int) -> int:
        return 1 + 4 * (step - 1) + 2 * choice + sign

    for choice in range(2):
        for sign in range(2):
            move[0, choice, number(1, choice, sign)] = 0.5
            reward[0, choice, number(1, choice, sign)] = 2.0 * sign - 1.0
            for step in (1, 2):
                here = number(step, choice, sign)
                for following in range(2):
                    move[here, :, number(step + 1, choice, following)] = 0.5
                    reward[here, :, number(step + 1, choice, following)] = 2.0 * following - 1.0
            move[number(3, choice, sign), :, states - 1] = 1.0
            reward[number(3, choice, sign), :, states - 1] = float(choice)
    about = "The first choice is paid three noisy moves later: reward-to-go forgets earlier noise, Q forgets all of it."
    return DecisionProcess(name, about, np.eye(states)[0], move, reward, np.arange(states) == states - 1, 4)


PROCESSES: dict[str, Callable[[str], DecisionProcess]] = {
    "lanes": _lanes,
    "push-your-luck": _push_your_luck,
    "late-reward": _late_reward,
}
