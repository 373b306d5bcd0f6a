"""The few types that every part of logpi speaks, with the shape and time index of each field.

Arrays are time-major. Row ``t`` is one *decision*: ``reward[t]`` and ``discount[t]`` belong to the move from
``obs[t]`` to ``obs[t+1]``; there are T rows and T+1 observations. There is no ``done``:

* ``discount[t]`` is 0 where the environment *terminated* on that move, and 1 otherwise; truncation leaves it 1
  (the method multiplies by its own γ; a game in which the turn passes to the opponent has -1).
* ``mask[t]`` is 0 where ``obs[t]`` closes an episode: the action there is void, the environment only resets.

This is Gymnasium's *next-step autoreset*: ``obs[t+1]`` is the true final observation of a truncated episode, and
the row after it is void. See ``docs/boundary.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import jax
import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Float, Int
from jaxtyping import PyTree as PyTree

Array = jax.Array
AnyArray = jax.Array | np.ndarray  # NumPy on the host, JAX on devices
Key = jax.Array
Space: TypeAlias = spaces.Space[PyTree]  # an element is an array, or a tree of arrays
Metrics = dict[str, Float[Array, ""]]
Number = float | Float[Array, ""]  # a setting: fixed, or an array so that changing it compiles nothing
Rows = Float[Array, "T *B"]  # one number for each decision of a trajectory
Values = Float[Array, "T+1 *B"]  # one for each of its observations, such as V


class EnvSpec(NamedTuple):
    """What a policy must know of an environment. Spaces are those of one environment, unbatched."""

    id: str
    observation_space: Space
    action_space: Space
    max_episode_steps: int | None = None  # time limit in moves; reaching it truncates


class Step(NamedTuple):
    """What a vector of B environments shows after a reset or a move.

    After a reset ``reward`` is 0 and both flags are False.
    """

    obs: PyTree  # [B, ...]
    reward: Float[AnyArray, " B"]
    terminated: Bool[AnyArray, " B"]  # the task ended; the value of ``obs`` is 0
    truncated: Bool[AnyArray, " B"]  # the time limit was reached; the value of ``obs`` is whatever it is


class DeviceEnv(NamedTuple):
    """One environment as pure functions of arrays, unbatched; no autoreset, no time limit inside.

    ``reset(key) -> (state, obs)``; ``step(state, action, key) -> (state, obs, reward, terminated)``.
    ``state`` is any pytree of arrays. The time limit of ``spec`` is applied by ``logpi.envs.make.vectorize``.
    """

    spec: EnvSpec
    reset: Callable[[Key], tuple[PyTree, PyTree]]
    step: Callable[[PyTree, Array, Key], tuple[PyTree, PyTree, Array, Array]]

    @property
    def observation_space(self) -> Space:
        return self.spec.observation_space

    @property
    def action_space(self) -> Space:
        return self.spec.action_space

    @property
    def max_episode_steps(self) -> int | None:
        return self.spec.max_episode_steps


class DeviceVector(NamedTuple):
    """B device environments with next-step autoreset: ``reset(key, B)`` and ``step(state, action)``.

    Both return ``(state, Step)``; ``state`` carries each environment's own key, clock and pending reset.
    """

    spec: EnvSpec
    reset: Callable[[Key, int], tuple[PyTree, Step]]
    step: Callable[[PyTree, PyTree], tuple[PyTree, Step]]


class HostVector(Protocol):
    """B stateful environments behind the same contract, stepped from Python; arrays are NumPy's.

    ``start`` is what the policy acts on next. Where the underlying vector resets within the step that ends an
    episode, ``start`` differs from the final observation in the returned ``Step``; where it resets in the next
    step, they are the same array.
    """

    spec: EnvSpec
    num_envs: int
    start: PyTree  # [B, ...]

    @property
    def resets_within_step(self) -> bool: ...

    def reset(self, seed: int | None = None) -> Step: ...

    def send(self, action: PyTree) -> None: ...

    def recv(self) -> Step: ...

    def close(self) -> None: ...


class Trajectory(NamedTuple):
    """T rows of B columns, as collected by ``logpi.control.rollout``; what every on-policy algorithm learns from."""

    obs: PyTree  # [T+1, B, ...]
    action: PyTree  # [T, B, ...] as drawn, before clipping or scaling to the environment's bounds
    log_prob: Float[Array, "T B"] | None  # of ``action`` under the policy that acted; None where no method asks for it
    reward: Float[Array, "T B"]
    discount: Float[Array, "T B"]  # 0 where terminated, else 1
    mask: Float[Array, "T B"]  # 0 where the row is void, else 1
    memory: PyTree  # recurrent memory before row 0, [B, ...]; () without memory


class Distribution(Protocol):
    """A distribution over actions, one for each of a batch ``*B`` of decisions (``logpi.ops.distributions``)."""

    def sample(self, key: Key) -> Array: ...
    def log_prob(self, action: Array) -> Float[Array, "*B"]: ...
    def entropy(self) -> Float[Array, "*B"]: ...
    def mode(self) -> Array: ...


class Output(NamedTuple):
    """What a network says of a batch of observations."""

    pi: Distribution  # over actions
    value: Float[Array, "*B"] | None  # None without a value head


class Critics(NamedTuple):
    """N action-value functions Q_1 … Q_N of one shape as pure functions, each with parameters of its own."""

    init: Callable[[Key], PyTree]
    apply: Callable[..., Array]  # (params, obs, action) -> [N, *B]; of discrete actions (params, obs) -> [N, *B, n]


class Policy(NamedTuple):
    """A network as pure functions; any network library fits.

    ``apply(params, memory, obs)`` accepts any leading batch shape of ``obs`` when there is no memory, and exactly
    [B, ...] when there is. ``memory(B)`` is the memory at the start of an episode. ``critics(N)`` builds N action-value
    functions beside the policy; methods that learn them need it.
    """

    init: Callable[[Key], PyTree]
    memory: Callable[[int], PyTree]
    apply: Callable[[PyTree, PyTree, PyTree], tuple[PyTree, Output]]
    critics: Callable[[int], Critics] | None = None


class Act(NamedTuple):
    """One decision for each of B environments."""

    action: PyTree  # [B, ...] as the distribution drew it; ``envs.spaces.to_env`` makes the environment's own
    log_prob: Float[Array, " B"] | None  # None where the method does not learn from it
    memory: PyTree  # [B, ...]


class Learner(NamedTuple):
    """Everything that learning changes, one pytree of arrays: what a checkpoint holds and ``vmap`` maps over."""

    params: PyTree
    opt_state: PyTree
    statistics: PyTree  # observation and reward normalisers (logpi.ops.normalization), the driver's
    hyper: PyTree  # the algorithm's settings; its float fields are arrays, so that changing one compiles nothing
    timesteps: Int[Array, ""]  # environment moves learnt from so far, counted by the driver
    extra: PyTree = ()  # what only this method keeps: a moving-average baseline, a replay buffer, …


class Transitions(NamedTuple):
    """N decisions from a replay, each with the n rewards that followed it (``Experience.n``)."""

    obs: PyTree  # [N, ...]
    action: PyTree  # [N, ...] as drawn
    reward: Float[Array, " N"]  # Σ_{k<m} γ^k r_{t+k}, m = n, or fewer where the episode ended before
    discount: Float[Array, " N"]  # γ^m, what the value of ``next_obs`` counts; 0 where the environment terminated
    next_obs: PyTree  # [N, ...] the true observation m moves later, final at a truncation
    mask: Float[Array, " N"]  # 0 where there is nothing to learn, else 1
    weight: Float[Array, " N"]  # importance of the decision's loss; 1 where all decisions are equally probable


class Priority(NamedTuple):
    """Prioritised replay (Schaul et al. 2016, §3): what makes a decision probable, and the correction for it."""

    of: Callable[[Learner, Transitions], Float[Array, " N"]]  # p_i^α > 0, by the learner that an update begins with
    beta: Callable[[Learner], Float[Array, ""]]  # exponent β of the importance weights


class Experience(NamedTuple):
    """How an off-policy method reuses what it collects."""

    capacity: int  # decisions that the replay holds at least
    batch_size: int  # decisions of one update
    updates: int  # after each trajectory
    warmup: int = 0  # decisions that are collected before the first update
    n: int = 1  # rewards of a sampled decision before the value of what follows: n-step returns
    priority: Priority | None = None  # None: every decision of the replay is equally probable
    frames: int = 1  # newest frames of which an observation is a stack, along its first axis; each is stored once

    def passes(self, collected: int) -> int:
        """How often a decision is learnt from, about, where a trajectory has ``collected`` of them."""
        return max(1, self.updates * self.batch_size // collected)


class Decisions(NamedTuple):
    """N decisions of another agent, such as an expert."""

    obs: PyTree  # [N, ...] what it saw
    action: PyTree  # [N, ...] as the policy would have drawn it


class Records(NamedTuple):
    """From which recorded decisions a method learns instead of collecting."""

    dataset: str  # id of a Minari data set
    batch_size: int  # decisions of one update
    updates: int  # of an iteration


class Begun(NamedTuple):
    """An update that is under way: what its steps share."""

    rows: PyTree  # arrays dealt out to the devices along their second axis: targets of the value [T, B], …
    rest: PyTree  # arrays that are the same on every device
    metrics: Metrics  # of the update as a whole


class Steps(NamedTuple):
    """An update as equal steps, so that a long one can be made in pieces and interrupted between them.

    ``begin(learner, trajectory, key) -> Begun``; ``step(learner, trajectory, begun, k) -> (learner, begun, metrics)``
    is step k of ``number``. The metrics of the update are those of ``Begun`` and the means of the steps'.
    """

    number: int
    begin: Callable[[Learner, Trajectory, Key], Begun]
    step: Callable[[Learner, Trajectory, Begun, Int[Array, ""]], tuple[Learner, Begun, Metrics]]


class Algorithm(NamedTuple):
    """A method on trajectories: three pure functions, and what collecting for it must know.

    ``init`` leaves ``statistics`` empty. ``update`` takes a ``Trajectory`` whose rewards are already normalised (with
    ``experience``: ``Transitions`` sampled from the replay, ``logpi.control.replay``; with ``records``: ``Decisions``
    sampled from a data set, ``logpi.control.records``). It returns the learner with new
    ``params``, ``opt_state`` and ``extra``: statistics and timesteps are counted for every method in one place
    (``logpi.control.on_policy``).
    """

    init: Callable[[Key], Learner]
    act: Callable[..., Act]  # (learner without opt_state and extra, memory, obs, key, greedy=False)
    update: Callable[[Learner, PyTree, Key], tuple[Learner, Metrics]]
    policy: Policy
    hyper: PyTree  # the settings, as ``init`` puts them into the learner
    n_steps: int  # T, rows of one trajectory
    whole_episodes: bool = False  # start each trajectory from a reset and mask what follows the first episode
    batch_size: int = 0  # decisions that one gradient is taken over; 0: all of the trajectory
    passes: int = 1  # over one trajectory
    # (parts into which the environments of a device may be cut) -> ``update`` cut into steps; None: it is not cut
    steps: Callable[[int], Steps] | None = None
    experience: Experience | None = None  # None: each trajectory is learnt from once, then forgotten
    records: Records | None = None  # None: it collects in the environment
