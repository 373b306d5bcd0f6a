"""Masks, memory and Dict observations together learn a task that none of them alone can.

``probe/doors-v0`` pays 1 to a policy that sees the mask and both parts, and remembers; 1/2 to one without memory or
without a part, and 1/27 to one without the mask.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from small import quick_compilation

from logpi.algorithms.a2c import A2C, a2c
from logpi.algorithms.ppo import PPO, ppo
from logpi.config.settings import Network
from logpi.control.evaluation import evaluate_device
from logpi.control.on_policy import Sizes, acting, init, learn
from logpi.control.rollout import rollout, start
from logpi.envs.make import vectorize
from logpi.envs.probes import doors
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy

ITERATIONS, FEW, B = 220, 20, 32  # no training at all would take a policy beyond its bound
NET = Network(hidden=(16,), memory="gru", memory_size=16)
SETTINGS = {
    "ppo": (ppo, PPO(n_envs=B, n_steps=12, batch_size=96, n_epochs=2, gamma=0.95, learning_rate=5e-3)),
    "a2c": (a2c, A2C(n_envs=B, n_steps=12, gamma=0.95, gae_lambda=0.95, learning_rate=5e-3, optimizer="adam")),
}


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    with quick_compilation():
        yield


def without(env, *parts):
    """The environment without some parts of its observation."""
    space = env.observation_space
    kept = [name for name in space.spaces if name not in parts]

    def shown(obs):
        return {name: obs[name] for name in kept}

    def reset(key):
        state, obs = env.reset(key)
        return state, shown(obs)

    def step(state, action, key):
        state, obs, *rest = env.step(state, action, key)
        return state, shown(obs), *rest

    spec = env.spec._replace(observation_space=spaces.Dict({name: space[name] for name in kept}))
    return env._replace(spec=spec, reset=reset, step=step)


@functools.cache
def score(algo, network=NET, left_out=(), joint=False, iterations=ITERATIONS):
    """Mean return of 400 greedy episodes after training."""
    method, settings = SETTINGS[algo]
    env = without(doors(joint=joint), *left_out)
    vector, policy = vectorize(env), make_policy(env.spec, network)
    obs = example(env.observation_space)
    algorithm = method(dataclasses.replace(settings, ent_coef=0.02), policy, env.spec, obs)
    sizes = Sizes(B, 1, 1, False, False, "quick")

    @jax.jit
    def run(key):
        learner = init(algorithm, obs, sizes)(key)
        carry = start(vector, algorithm, key, B)

        def iteration(made, key):
            learner, carry = made
            carry, trajectory = rollout(vector, algorithm, acting(learner), carry, key)
            return (learn(algorithm, learner, trajectory, key)[0], carry), None

        keys = jax.random.split(jax.random.fold_in(key, 1), iterations)
        (learner, _), _ = jax.lax.scan(iteration, (learner, carry), keys)
        last = jax.random.fold_in(key, 2)
        return evaluate_device(vector, policy, algorithm.act, acting(learner), last, 400)[0].mean()

    return float(run(jax.random.key(0)))


@pytest.mark.parametrize(("algo", "joint"), [("a2c", False), ("ppo", True)])
def test_together_they_solve_it(algo, joint):
    """One choice of several, and ``joint`` two choices at once."""
    assert score(algo, joint=joint) >= 0.97


@pytest.mark.parametrize(
    ("missing", "network", "left_out", "most"),
    [
        ("memory", Network(hidden=(16,)), (), 1 / 2),
        ("the part flip", NET, ("flip",), 1 / 2),
        ("the mask", NET, ("action_mask",), 3.0**-3),
    ],
)
def test_without_one_of_them_it_is_not_solved(missing, network, left_out, most):
    assert score("ppo", network, left_out, iterations=FEW) <= most + 0.08, (
        missing
    )  # three standard errors of 400 episodes


def test_the_rules_of_the_doors():
    env = doors(moves=1, number=2)
    paid = {}
    for seed in range(40):
        first, obs = env.reset(jax.random.key(seed))
        cue = int(obs["cue"][0] > 0)
        assert obs["flip"] == 0
        door = int(obs["action_mask"].argmax()) // 2
        assert obs["action_mask"].tolist() == [int(k // 2 == door) for k in range(4)]
        *_, reward, over = env.step(first, jnp.int32(2 * (1 - door)), jax.random.key(9))
        assert (float(reward), bool(over)) == (0.0, True)  # a closed door
        state, obs, reward, over = env.step(first, jnp.int32(2 * door), jax.random.key(seed))
        assert (float(reward), bool(over), float(obs["cue"][0])) == (0.0, False, 0.0)
        door, flip = int(obs["action_mask"].argmax()) // 2, int(obs["flip"]) - 1
        for word in range(2):
            *_, reward, over = env.step(state, jnp.int32(2 * door + word), jax.random.key(0))
            assert over
            paid.setdefault((cue, flip, word), set()).add(float(reward))
    assert paid == {(c, f, w): {float(w == c ^ f)} for c in range(2) for f in range(2) for w in range(2)}
    assert doors(joint=True).action_space == spaces.MultiDiscrete([3, 2])
    assert np.array_equal(doors(joint=True).reset(jax.random.key(0))[1]["action_mask"][3:], [1, 1])
    with pytest.raises(LogpiError, match="0 moves and 3 doors"):
        doors(moves=0)
