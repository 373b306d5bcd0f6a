"""Whether a network and a method fit an environment and each other, before anything is compiled or written.

A user's own network or method is traced with shapes alone: what does not fit is told in the terms of the contract
(``logpi.types``), not by an exception from the inside of JAX, or by numbers that were broadcast in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from logpi.config.settings import Network
from logpi.control.on_policy import acting, blank_trajectory, learn
from logpi.control.rollout import first_carry, rollout, start
from logpi.envs.make import vectorize
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy
from logpi.ops.normalization import init_statistics
from logpi.types import Act, Algorithm, DeviceEnv, EnvSpec, Key, Learner, Output, Policy, PyTree

BATCH = 3  # environments of a trial; no size of a space is likely to be the same


def _traced(what: str, f: Callable[..., PyTree], *arguments: PyTree, fault: str = "raised", advice: str = "") -> PyTree:
    """Shapes of what ``f`` returns; its exception as a message about ``what``."""
    try:
        return jax.eval_shape(f, *arguments)
    except LogpiError:
        raise
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise LogpiError(f"{what} {fault} {type(error).__name__}: {first}{advice}") from error


def check_device_env(env: DeviceEnv, algorithm: Algorithm, batch: int, name: str) -> None:
    """Trace a rollout of a user's own device environment, so that its mistakes are told before anything is made for it.

    Args:
        env: the environment.
        algorithm: that collects in it.
        batch: environments, B.
        name: what messages call it.

    Raises:
        LogpiError: it raises.
    """

    def collect(key: Key) -> PyTree:
        vector = vectorize(env)
        return rollout(vector, algorithm, algorithm.init(key), start(vector, algorithm, key, batch), key)

    advice = f". Find the cause with: logpi check-env {name}"
    _traced(f"environment {name}", collect, jax.random.key(0), fault="cannot be compiled:", advice=advice)


def check_policy(policy: Policy, spec: EnvSpec, name: str) -> None:
    """Refuse a network whose output is not what ``spec`` and ``logpi.Policy`` ask for.

    Args:
        policy: a network of the user's own.
        spec: spaces of the environment.
        name: what messages call the network.

    Raises:
        LogpiError: it raises, or a part of its output has another type or shape; the message names the part.
    """
    key = jax.random.key(0)
    obs = jax.tree.map(lambda x: jnp.zeros((BATCH, *x.shape), x.dtype), example(spec.observation_space))

    def found(policy: Policy) -> Callable[[], Any]:
        def run() -> Any:
            params, memory = policy.init(key), policy.memory(BATCH)
            _check_params(params, name)
            out = _output(policy.apply(params, memory, obs), memory, name)
            action = out.pi.sample(key)
            return out, action, out.pi.log_prob(action), out.pi.entropy(), out.pi.mode()

        return run

    out, action, log_prob, entropy, mode = _traced(name, found(policy))
    standard, wanted, *_ = jax.eval_shape(found(make_policy(spec, Network())))
    each = f"one number for each of the {BATCH} observations of a trial, [{BATCH}]"
    for part, x in (("value", out.value), ("pi.log_prob(action)", log_prob), ("pi.entropy()", entropy)):
        if x is not None and x.shape != (BATCH,):
            raise LogpiError(f"{name}: {part} has the shape {list(x.shape)}; wanted: {each}")
    for part, x in (("pi.sample(key)", action), ("pi.mode()", mode)):
        shapes, right = ([leaf.shape for leaf in jax.tree.leaves(tree)] for tree in (x, wanted))
        if shapes != right:
            raise LogpiError(f"{name}: {part} has the shapes {shapes}; actions of {spec.action_space} have {right}")
    if type(out.pi) is type(standard.pi):
        shapes, right = ([leaf.shape for leaf in jax.tree.leaves(tree)] for tree in (out.pi, standard.pi))
        if shapes != right:
            raise LogpiError(
                f"{name}: the arrays of its {type(out.pi).__name__} have the shapes {shapes}; for {spec.action_space} "
                f"they must be {right}"
            )


def _check_params(params: PyTree, name: str) -> None:
    """Refuse parameters without a gradient."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating):
            place = jax.tree_util.keystr(path) or "it"
            raise LogpiError(
                f"{name}: init(key) returns parameters of which {place} is {_called(leaf)}; wanted: arrays of floats"
            )


def _output(found: Any, memory: PyTree, name: str) -> Output:
    """The ``Output`` in what ``apply`` returned.

    Raises:
        LogpiError: there is none, its π is not a distribution, or the memory has another form than before.
    """
    pair = isinstance(found, tuple) and len(found) == 2 and not isinstance(found, Output)
    if not (pair and isinstance(found[1], Output)):
        what = _called(found[1] if pair else found)
        raise LogpiError(f"{name} returns {what} as its output; wanted: (memory, logpi.Output(pi, value))")
    after, out = found
    if not hasattr(out.pi, "log_prob"):
        raise LogpiError(
            f"{name}: pi is {_called(out.pi)}; wanted: a distribution, such as logpi.distributions.Categorical"
        )
    forms = [jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree) for tree in (memory, after)]
    if forms[0] != forms[1]:
        raise LogpiError(
            f"{name}: apply returns a memory of the form {forms[1]}; wanted: that of memory(batch), {forms[0]}"
        )
    return out


def _called(x: Any) -> str:
    """What a person calls a value of a trace."""
    if isinstance(x, jax.Array):
        return f"an array of {x.dtype.name} with the shape {list(x.shape)}"
    return f"a {type(x).__name__}"


def made(method: Callable[..., Any], settings: Any, policy: Policy, spec: EnvSpec, name: str) -> Algorithm:
    """The ``Algorithm`` that a method of the user's own builds.

    Raises:
        LogpiError: it raises, or returns something else.
    """
    try:
        found = method(settings, policy, spec, example(spec.observation_space))
    except LogpiError:
        raise
    except Exception as error:
        raise LogpiError(f"method {name} raised {type(error).__name__}: {error}") from error
    if not isinstance(found, Algorithm):
        raise LogpiError(f"method {name} returned a {type(found).__name__}; wanted: a logpi.Algorithm")
    return found


def check_method(algorithm: Algorithm, spec: EnvSpec, name: str) -> None:
    """Refuse a method that cannot act on B observations, or update on a trajectory of them.

    Args:
        algorithm: of the user's own method.
        spec: spaces of the environment.
        name: what messages call the method.

    Raises:
        LogpiError: a part of it raises, or an update changes the shape of what it learns.
    """
    key = jax.random.key(0)
    obs = example(spec.observation_space)
    shown = jax.tree.map(lambda x: jnp.zeros((BATCH, *x.shape), x.dtype), obs)
    if not (type(algorithm.n_steps) is int and algorithm.n_steps > 0):
        raise LogpiError(f"method {name}: n_steps is {algorithm.n_steps!r}; it must be a whole number of at least 1")
    learner = _traced(f"method {name}: init(key)", algorithm.init, key)
    if not isinstance(learner, Learner):
        raise LogpiError(f"method {name}: init(key) returns a {type(learner).__name__}; wanted: a logpi.Learner")
    forms: list[Any] = [jax.tree.structure(each) for each in (algorithm.hyper, learner.hyper)]
    if forms[0] != forms[1]:
        raise LogpiError(
            f"method {name}: hyper differs from what init(key) puts into the learner; give the same to both"
        )
    learner = learner._replace(statistics=jax.eval_shape(lambda: init_statistics(obs, BATCH, False, False)))
    carry = first_carry(algorithm, BATCH)._replace(obs=shown)
    words = f"method {name}: act(learner, memory, obs, key)"
    chosen = _traced(words, algorithm.act, acting(learner), carry.memory, shown, key)
    if not isinstance(chosen, Act):
        raise LogpiError(
            f"{words} returns a {type(chosen).__name__}; wanted: logpi.types.Act(action, log_prob, memory)"
        )
    if algorithm.experience is not None or algorithm.batch_size:
        return  # what it learns from has other sizes than a trial's
    trajectory = jax.eval_shape(lambda learner: blank_trajectory(algorithm, learner, carry, key), learner)

    def update(learner: Learner, trajectory: PyTree, key: Key) -> PyTree:
        found = algorithm.update(learner, trajectory, key)
        pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], Learner)
        if not (pair and isinstance(found[1], dict) and all(isinstance(each, str) for each in found[1])):
            raise LogpiError(f"method {name}: update returns something else than (learner, metrics by name)")
        return found

    checked = algorithm._replace(update=update)
    new, _ = _traced(
        f"method {name}: update(learner, trajectory, key)",
        lambda learner, trajectory: learn(checked, learner, trajectory, key),
        learner,
        trajectory,
    )
    before, after = (
        jax.tree.map(lambda x: (x.shape, x.dtype), (x.params, x.opt_state, x.extra)) for x in (learner, new)
    )
    if before != after:
        raise LogpiError(
            f"method {name}: update changes the structure, the shapes or the types of params, opt_state or extra"
        )
