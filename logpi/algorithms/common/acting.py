"""What the methods share: acting, looking at a trajectory again, and one optimizer step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from logpi.config.settings import Settings
from logpi.errors import LogpiError
from logpi.ops.collectives import psum, where
from logpi.ops.normalization import Statistics, normalize_obs
from logpi.types import Act, Array, Key, Learner, Metrics, Output, Policy, PyTree, Trajectory

C = TypeVar("C", bound=Settings)


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


def make_act(policy: Policy) -> Any:
    """``act(learner, memory, obs, key, greedy=False) -> Act`` for B environments: sample π, or take its mode."""

    def act(learner: Learner, memory: PyTree, obs: PyTree, key: Key, greedy: bool = False) -> Act:
        memory, out = policy.apply(learner.params, memory, normalize_obs(learner.statistics, obs))
        action = out.pi.mode() if greedy else out.pi.sample(key)
        return Act(action, out.pi.log_prob(action), memory)

    return act


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


def look(policy: Policy, params: PyTree, statistics: Statistics, trajectory: Trajectory) -> tuple[Any, Array]:
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
    return transform(hyper).init(ravel_pytree(params)[0])


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
    vector, unflatten = ravel_pytree(gradient)
    vector, metrics = psum((vector, metrics))
    direction, opt_state = transform(hyper).update(vector, opt_state)
    return jax.tree.map(jnp.subtract, params, unflatten(step_size * direction)), opt_state, metrics


def remaining(learner: Learner, schedule: str) -> Array:
    """The schedule's factor now: 1 at the start; where it is linear, 0 at ``total_timesteps``."""
    if schedule == "constant":
        return jnp.ones(())
    return jnp.clip(1.0 - learner.timesteps / learner.hyper.total_timesteps, 0.0, 1.0)
