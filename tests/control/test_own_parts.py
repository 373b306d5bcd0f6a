"""A network or a method that does not fit is refused by shapes alone, before a run folder is made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from logpi.algorithms.ppo import PPO, ppo
from logpi.config.settings import Network
from logpi.control.fit import check_method, check_policy, made
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy
from logpi.ops.distributions import Categorical
from logpi.types import EnvSpec, Output, Policy

SPEC = EnvSpec("toy", spaces.Box(-1.0, 1.0, (4,), np.float32), spaces.Discrete(2), 100)
GOOD = make_policy(SPEC, Network(hidden=(8,)))


def linear(choices=2, value=lambda x: x.sum(-1)):
    """A network with one matrix."""
    return Policy(
        lambda key: {"w": jax.random.normal(key, (4, choices))},
        lambda batch: (),
        lambda params, memory, obs: (memory, Output(Categorical(obs @ params["w"]), value(obs))),
    )


def test_good_ones_pass():
    check_policy(GOOD, SPEC, "policy")
    check_policy(linear(), SPEC, "policy")
    check_policy(linear(value=lambda x: None), SPEC, "policy")
    check_policy(make_policy(SPEC, Network(memory="gru")), SPEC, "policy")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (linear(choices=5), r"Categorical have the shapes \[\(3, 5\)\].*must be \[\(3, 2\)\]"),
        (linear(value=lambda x: x.sum(-1, keepdims=True)), r"value has the shape \[3, 1\]"),
        (linear()._replace(apply=lambda params, memory, obs: (memory, obs)), "as its output; wanted"),
        (
            linear()._replace(apply=lambda p, m, obs: linear().apply(p, m, obs)[1]),
            "policy returns a Output as its output",
        ),
        (linear()._replace(apply=lambda p, m, obs: obs), r"an array of float32 with the shape \[3, 4\] as its output"),
        (linear()._replace(apply=lambda p, m, obs: (m, Output(obs, obs[:, 0]))), "pi is an array of .*a distribution"),
        (linear()._replace(init=lambda key: {"w": jnp.zeros((4, 2), int)}), r"\['w'\] is an array of int32"),
        (linear()._replace(init=lambda key: {"w": jnp.zeros((4, 2)), "n": 3}), r"\['n'\] is (a int|an array of int32)"),
        (
            linear()._replace(
                memory=lambda batch: jnp.zeros((batch, 1)), apply=lambda p, m, obs: linear().apply(p, m[0], obs)
            ),
            "a memory of the form",
        ),
        (linear()._replace(init=lambda key: {"w": jnp.zeros((9, 2))}), "policy raised TypeError"),
    ],
)
def test_a_network_that_does_not_fit_is_told_by_its_part(policy, message):
    with pytest.raises(LogpiError, match=message):
        check_policy(policy, SPEC, "policy")


def method(**own):
    """PPO with parts of its own."""
    return ppo(PPO(n_envs=3, n_steps=4, batch_size=6), GOOD, SPEC, example(SPEC.observation_space), **own)


def test_a_method_is_tried_on_shapes():
    whole = method()._replace(batch_size=0)
    check_method(whole, SPEC, "mine")
    with pytest.raises(LogpiError, match=r"mine: update\(learner, trajectory, key\) raised KeyError"):
        check_method(whole._replace(update=lambda *_: {}["no"]), SPEC, "mine")
    with pytest.raises(LogpiError, match="changes the structure"):
        check_method(
            whole._replace(update=lambda learner, *_: (learner._replace(extra=jnp.zeros(2)), {})), SPEC, "mine"
        )
    with pytest.raises(LogpiError, match=r"act\(learner, memory, obs, key\) raised ZeroDivisionError"):
        check_method(whole._replace(act=lambda *_: 1 / 0), SPEC, "mine")


def test_a_weight_of_another_shape_is_not_broadcast():
    algorithm = method(own_psi=lambda reward, *_: reward[0])._replace(batch_size=0)
    with pytest.raises(LogpiError, match=r"own_psi returned the shape \[3\]; wanted.*\[4, 3\]"):
        check_method(algorithm, SPEC, "mine")


def test_what_a_method_raises_or_returns_instead_is_told():
    with pytest.raises(LogpiError, match="method mine raised KeyError"):
        made(lambda *_: {}["no"], PPO(), GOOD, SPEC, "mine")
    with pytest.raises(LogpiError, match="returned a NoneType; wanted"):
        made(lambda *_: None, PPO(), GOOD, SPEC, "mine")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"n_steps": 0}, "n_steps is 0; it must be a whole number"),
        ({"n_steps": 8.0}, r"n_steps is 8\.0"),
        ({"init": GOOD.init}, r"init\(key\) returns a \w+; wanted: a logpi.Learner"),
        ({"hyper": None}, "hyper differs from what init"),
        ({"act": lambda *_: 3}, r"returns a \w+; wanted: logpi.types.Act"),
        ({"update": lambda learner, *_: learner}, "update returns something else than"),
        ({"update": lambda learner, *_: (learner, None)}, "update returns something else than"),
        ({"update": lambda learner, *_: (learner, {3: jnp.zeros(())})}, "update returns something else than"),
        (
            {"update": lambda learner, *_: (jax.tree.map(lambda x: x.astype(jnp.float16), learner), {})},
            "or the types of",
        ),
    ],
)
def test_a_part_of_a_method_that_is_something_else(part, message):
    with pytest.raises(LogpiError, match=message):
        check_method(method()._replace(batch_size=0, **part), SPEC, "mine")
