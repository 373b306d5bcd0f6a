"""What the methods share: acting, looking at a trajectory again, one optimizer step, and minibatches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from logpi.config.settings import Settings
from logpi.errors import LogpiError
from logpi.ops import losses, psi
from logpi.ops.collectives import after, psum, ravel, where
from logpi.ops.draws import words
from logpi.ops.normalization import Statistics, normalize_obs
from logpi.types import Act, Algorithm, Array, EnvSpec, Key, Learner, Metrics, Output, Policy, PyTree, Steps, Trajectory

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")
MOST_ROWS = 10_000  # of a trajectory that holds one episode


def traced(config: C) -> C:
    """``config`` as a pytree whose float fields are arrays (see ``logpi.config.settings``)."""
    kind = type(config)
    fields = dataclasses.fields(kind)
    floats = [f.name for f in fields if f.type in ("float", float)]
    if kind not in _REGISTERED:
        rest = [f.name for f in fields if f.name not in floats]
        jax.tree_util.register_dataclass(kind, data_fields=floats, meta_fields=rest)
        _REGISTERED.add(kind)
    values: dict[str, Any] = {name: np.float32(getattr(config, name)) for name in floats}
    return dataclasses.replace(config, **values)


_REGISTERED: set[type[Any]] = set()


ACTS_BY = "acts_by"  # the attribute of an ``act`` that says whose it is


def make_act(policy: Policy) -> Any:
    """``act(learner, memory, obs, key, greedy=False) -> Act`` for B environments: sample π, or take its mode."""

    def act(learner: Learner, memory: PyTree, obs: PyTree, key: Key, greedy: bool = False) -> Act:
        memory, out = policy.apply(learner.params, memory, normalize_obs(learner.statistics, obs))
        action = out.pi.mode() if greedy else out.pi.sample(key)
        return Act(action, out.pi.log_prob(action), memory)

    setattr(act, ACTS_BY, policy)
    return act


def acts_by(algorithm: Algorithm, policy: Policy) -> bool:
    """Whether an agent of ``algorithm`` needs nothing but ``policy`` to act: its network, and ``make_act``'s way."""
    return algorithm.policy is policy and getattr(algorithm.act, ACTS_BY, None) is policy


def whole_rows(spec: EnvSpec, n_steps: int) -> int:
    """Rows of a trajectory that holds one episode: the time limit, or ``n_steps`` where there is none to speak of.

    Every trajectory is padded to that many rows, so a limit of a million would be a million rows for episodes of ten.
    """
    limit = spec.max_episode_steps
    return n_steps if limit is None or limit > MOST_ROWS else limit


def unroll(policy: Policy, params: PyTree, statistics: Statistics, obs: PyTree, mask: Array, memory: PyTree) -> Output:
    """The network's output at ``obs`` [L, B, ...]; recurrent memory is cleared behind each void row.

    ``mask`` [>= L-1, B] are the rows' masks and ``memory`` [B, ...] the memory before row 0. Without memory any
    leading shape of ``obs`` does.
    """
    obs = normalize_obs(statistics, obs)
    if not jax.tree.leaves(memory):
        return policy.apply(params, memory, obs)[1]
    length = jax.tree.leaves(obs)[0].shape[0]
    fresh = policy.memory(mask.shape[1])

    def row(memory: PyTree, x: tuple[PyTree, Array]) -> tuple[PyTree, Output]:
        obs_t, after_void = x
        return policy.apply(params, where(after_void, fresh, memory), obs_t)

    # row 0's memory is already the right one: the rollout cleared it
    after_void = jnp.concatenate([jnp.ones_like(mask[:1]), mask[: length - 1]]) == 0
    return jax.lax.scan(row, memory, (obs, after_void))[1]


def forward(policy: Policy, params: PyTree, statistics: Statistics, trajectory: Trajectory) -> tuple[Any, Array]:
    """(π at each decision [T, B], V at all T+1 observations) of a network with a value head."""
    out = unroll(policy, params, statistics, trajectory.obs, trajectory.mask, trajectory.memory)
    return jax.tree.map(lambda x: x[:-1], out.pi), value_of(out)


def value_of(out: Output) -> Array:
    """The network's value.

    Raises:
        LogpiError: it has none.
    """
    if out.value is None:
        raise LogpiError("this method needs a policy with a value head: let its Output carry a value")
    return out.value


def weigh(own_psi: psi.Advantage, reward: Array, *rest: Array) -> Array:
    """Ψ [T, B] by a function of the user's own.

    Raises:
        LogpiError: it returns another shape, which would be broadcast in silence.
    """
    found = own_psi(reward, *rest)
    if found.shape != reward.shape:
        raise LogpiError(
            f"own_psi returned the shape {list(found.shape)}; wanted: one weight for each decision, like the rewards "
            f"[T, B] = {list(reward.shape)}"
        )
    return found


def transform(hyper: Settings) -> optax.GradientTransformation:
    """Gradient clipping and the optimizer's direction, on all parameters as one flat vector."""
    direction = {
        "adam": optax.scale_by_adam(eps=1e-5),
        "sgd": optax.identity(),
        "rmsprop": optax.scale_by_rms(decay=0.99, eps=1e-5, eps_in_sqrt=False),
    }[hyper.optimizer]
    return optax.chain(optax.clip_by_global_norm(hyper.max_grad_norm), direction)


def init_optimizer(hyper: Settings, params: PyTree) -> PyTree:
    """The optimizer's first state."""
    return transform(hyper).init(ravel(params)[0])


def improve(
    loss: Callable[[PyTree], tuple[Array, Metrics]],
    hyper: Settings,
    params: PyTree,
    opt_state: PyTree,
    step_size: Array,
) -> tuple[PyTree, PyTree, Metrics]:
    """One optimizer step down ``loss(params) -> (scalar, metrics)``: (params, opt_state, metrics).

    Loss and metrics are this device's shares (``losses.decision_mean``), which are added up here. The optimizer works
    on one flat vector: a dozen small tensors would be a dozen small programs, to compile and to run. The parameters
    themselves are not copied into one.
    """
    gradient, metrics = jax.grad(loss, has_aux=True)(params)
    vector, unflatten = ravel(gradient)
    vector, metrics = psum((vector, metrics))
    params, opt_state = descend(unflatten(vector), hyper, params, opt_state, step_size)
    return params, opt_state, metrics


def descend(
    gradient: PyTree, hyper: Settings, params: PyTree, opt_state: PyTree, step_size: Array
) -> tuple[PyTree, PyTree]:
    """(params, opt_state) after one optimizer step down ``gradient``, which all devices share."""
    vector, unflatten = ravel(gradient)
    direction, opt_state = transform(hyper).update(vector, opt_state)
    return jax.tree.map(jnp.subtract, params, unflatten(step_size * direction)), opt_state


def remaining(learner: Learner, schedule: str) -> Array:
    """The schedule's factor now: 1 at the start; where it is linear, 0 at ``total_timesteps``."""
    if schedule == "constant":
        return jnp.ones(())
    return jnp.clip(1.0 - learner.timesteps / learner.hyper.total_timesteps, 0.0, 1.0)


class MinibatchRows(NamedTuple):
    """Decisions to learn from: leading shape [N], or [T, N] (columns) where the policy has a memory."""

    obs: PyTree
    action: PyTree
    log_prob: Array
    mask: Array
    weight: Array  # of each decision in its minibatch's means (losses.decision_weights)
    memory: PyTree  # before row 0, [N, ...]; () without memory
    advantage: Array
    target: Array


class Minibatches(NamedTuple):
    """K minibatches of a rollout: [K, N], or with a memory [K, N, T] where ``order`` tells columns."""

    order: Array  # [K, N] int32: which decisions, or columns
    advantage: Array
    weight: Array


def minibatch_count(n_steps: int, n_envs: int, batch_size: int, recurrent: bool) -> int:
    """Minibatches of a rollout; LogpiError where ``batch_size`` does not divide it."""
    total = n_steps * n_envs
    unit = n_steps if recurrent else 1
    if total % batch_size or batch_size % unit:
        allowed = [d * unit for d in range(1, total // unit + 1) if (total // unit) % d == 0]
        raise LogpiError(
            f"batch_size={batch_size} does not divide the rollout of n_steps x n_envs = {n_steps} x {n_envs} = {total} "
            f"decisions{' into whole columns of n_steps' if recurrent else ''}; allowed: "
            f"{', '.join(map(str, allowed[-8:]))}"
        )
    return total // batch_size


def shuffled(
    trajectory: Trajectory, psi_t: Array, key: Key, epochs: int, count: int, normalize_advantage: bool
) -> Minibatches:
    """A rollout in ``epochs`` random orders, each cut into ``count`` minibatches.

    Weights, and the mean and deviation of ``psi_t`` [T, B] where it is normalised, are each minibatch's own.
    """
    recurrent = bool(jax.tree.leaves(trajectory.memory))
    items = trajectory.mask.shape[1] if recurrent else trajectory.mask.size

    def cut(x: Array) -> Array:  # [K, N], or [K, T, N]
        return jnp.moveaxis(jnp.take(x, order, 1), 1, 0) if recurrent else jnp.take(x.reshape(-1), order, 0)

    order = jax.lax.map(permutation, words(key, (epochs, items))[0]).reshape(epochs * count, -1)
    mask, advantage = cut(trajectory.mask), cut(psi_t)
    within = tuple(range(1, mask.ndim))
    if normalize_advantage:
        advantage = losses.standardize(advantage, mask, within)
    weight = losses.decision_weights(mask, within)
    return Minibatches(order, jnp.moveaxis(advantage, -1, 1), jnp.moveaxis(weight, -1, 1))


def minibatch(trajectory: Trajectory, target: Array, batches: Minibatches, k: Array) -> MinibatchRows:
    """Minibatch number ``k`` of a rollout; ``target`` is [T, B]."""
    order, advantage, weight = jax.tree.map(lambda x: x[k], batches)
    obs, action, log_prob, _, _, mask, memory = trajectory
    decisions = (obs, action, log_prob, mask, target)
    if not jax.tree.leaves(memory):
        # row T of the observations lies behind the decisions, where no index reaches
        flat = jax.tree.map(lambda x: jnp.take(x.reshape(-1, *x.shape[2:]), order, axis=0), decisions)
        obs, action, log_prob, mask, target = flat
        return MinibatchRows(obs, action, log_prob, mask, weight, (), advantage, target)
    columns = jax.tree.map(lambda x: jnp.take(x[: target.shape[0]], order, axis=1), decisions)
    obs, action, log_prob, mask, target = columns
    memory = jax.tree.map(lambda x: jnp.take(x, order, axis=0), memory)
    return MinibatchRows(obs, action, log_prob, mask, weight.T, memory, advantage.T, target)


def whole(steps: Steps) -> Callable[[Learner, Trajectory, Key], tuple[Learner, Metrics]]:
    """All of ``steps`` as one ``Algorithm.update``; of ``Begun`` they change ``rest`` alone."""

    def update(learner: Learner, trajectory: Trajectory, key: Key) -> tuple[Learner, Metrics]:
        begun = steps.begin(learner, trajectory, key)
        learner = learner._replace(params=after(learner.params, begun.metrics))

        def step(carry: tuple[Learner, PyTree], k: Array) -> tuple[tuple[Learner, PyTree], Metrics]:
            learner, after, metrics = steps.step(carry[0], trajectory, begun._replace(rest=carry[1]), k)
            return (learner, after.rest), metrics

        (learner, _), metrics = jax.lax.scan(step, (learner, begun.rest), jnp.arange(steps.number))
        return learner, jax.tree.map(jnp.mean, metrics) | begun.metrics

    return update


def permutation(drawn: Array) -> Array:
    """A random order of n items, int32 [n], by random words [n]: items sorted by them.

    Up to n = 2^16 an item stands in the low bits of its own word: a sort of single words is several times cheaper on
    CPUs than one of pairs. At least 16 random bits remain; ties keep their order, which is harmless for minibatches.
    """
    n = len(drawn)
    items, bits = jnp.arange(n, dtype=jnp.uint32), max(n - 1, 1).bit_length()
    if bits > 16:
        return jax.lax.sort((drawn, items.astype(jnp.int32)), num_keys=1)[1]
    low = jnp.uint32((1 << bits) - 1)
    return (jnp.sort((drawn & ~low) | items) & low).astype(jnp.int32)
