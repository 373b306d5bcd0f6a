"""Networks with action values: shapes, parameters of their own, and every kind of space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from logpi.errors import LogpiError
from logpi.nets.critics import (
    ActorCriticNetwork,
    deterministic_actor_critics,
    discrete_actor_critics,
    squashed_actor_critics,
)
from logpi.nets.policy import blank
from logpi.types import EnvSpec

SMALL = ActorCriticNetwork(hidden=(8,))
BOX, IMAGE = spaces.Box(-1, 1, (3,)), spaces.Box(0, 255, (40, 36, 1), np.uint8)
MASKED = spaces.Dict({"at": BOX, "action_mask": spaces.MultiBinary(4)})


def spec(observation, action):
    return EnvSpec("Test-v0", observation, action)


@pytest.mark.parametrize("observation", [BOX, spaces.Discrete(5), IMAGE], ids=["box", "discrete", "image"])
@pytest.mark.parametrize("make", [squashed_actor_critics, deterministic_actor_critics])
def test_continuous_actions_stay_in_their_bounds_and_each_critic_is_its_own(make, observation):
    policy = make(spec(observation, spaces.Box(-2, 3, (2,))), SMALL)
    critics, obs = policy.critics(3), jax.tree.map(lambda x: jnp.repeat(x + 1, 4, 0), blank(observation))
    params = critics.init(jax.random.key(0))
    _, out = policy.apply(policy.init(jax.random.key(1)), (), obs)
    action = out.pi.sample(jax.random.key(2))
    assert action.shape == (4, 2)
    assert (np.abs(action) <= 1).all()
    q = critics.apply(params, obs, action)
    assert q.shape == (3, 4)
    assert len(np.unique(np.asarray(q[:, 0]))) == 3


def test_discrete_actions_have_a_value_each_and_illegal_ones_no_probability():
    policy = discrete_actor_critics(spec(MASKED, spaces.Discrete(4)), SMALL)
    obs = {"at": jnp.ones((5, 3)), "action_mask": jnp.tile(jnp.array([1, 0, 1, 0], jnp.int8), (5, 1))}
    critics = policy.critics(2)
    assert critics.apply(critics.init(jax.random.key(0)), obs).shape == (2, 5, 4)
    _, out = policy.apply(policy.init(jax.random.key(1)), policy.memory(5), obs)
    np.testing.assert_allclose(jax.nn.softmax(out.pi.logits), [[0.5, 0, 0.5, 0]] * 5, atol=0.02)


def test_convolutions_need_images():
    with pytest.raises(LogpiError, match="choose torso mlp"):
        squashed_actor_critics(spec(BOX, BOX), ActorCriticNetwork(torso="cnn"))
