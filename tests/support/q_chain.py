"""A probe of the off-policy contract, written as an outsider would: tabular Q-learning with replay (Watkins 1989).

Q(s, a) <- Q(s, a) + α (r + γ max_a' Q(s', a') - Q(s, a))
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from logpi.algorithms.common.learning import traced
from logpi.config.settings import ControlSettings, at_least, fraction, not_negative
from logpi.methods import method
from logpi.ops.collectives import psum
from logpi.ops.distributions import Categorical
from logpi.ops.normalization import Statistics
from logpi.types import Act, Algorithm, Experience, Learner, Output, Policy


class Chain:
    """States 0 to 4 in a row; action 1 goes up, 0 down; reward 1 where state 4 ends the episode."""

    observation_space = spaces.Box(0.0, 1.0, (5,), np.float32)
    action_space = spaces.Discrete(2)
    max_episode_steps = 20

    def reset(self, key):
        return jnp.int32(0), jax.nn.one_hot(0, 5)

    def step(self, position, action, key):
        position = jnp.clip(position + 2 * action - 1, 0, 4)
        over = position == 4
        return position, jax.nn.one_hot(position, 5), over.astype(jnp.float32), over


class States(Chain):
    """The same, seen as the number of the state."""

    observation_space = spaces.Discrete(5)

    def reset(self, key):
        return super().reset(key)[0], jnp.int32(0)

    def step(self, position, action, key):
        position, _, reward, over = super().step(position, action, key)
        return position, position, reward, over


@dataclasses.dataclass(frozen=True)
class QChain(ControlSettings):
    """Tabular Q-learning from a replay, for observations that are one-hot."""

    n_steps: int = at_least(1, 4)  # rows of one trajectory
    capacity: int = at_least(1, 1024)  # decisions that the replay holds
    batch_size: int = at_least(1, 32)  # decisions of one update
    updates: int = at_least(1, 4)  # after each trajectory
    learning_rate: float = not_negative(0.5)
    epsilon: float = fraction(1.0)  # fraction of random actions at first; it falls to a tenth at total_timesteps


@method(settings=QChain)
def q_chain(config, policy, spec, obs):
    """Tabular Q-learning."""
    states, actions = spec.observation_space.shape[0], int(spec.action_space.n)
    hyper = traced(config)

    def init_params(key):
        return {"q": jnp.zeros((states, actions))}

    def apply(params, memory, seen):
        q = seen @ params["q"]
        return memory, Output(Categorical(100.0 * q), q.max(-1))

    def init(key):
        return Learner(init_params(key), (), Statistics(), hyper, jnp.int32(0))

    def act(learner, memory, seen, key, greedy=False):
        q = seen @ learner.params["q"]
        best = q.argmax(-1)
        if greedy:
            return Act(best, None, memory)
        progress = learner.timesteps / learner.hyper.total_timesteps
        epsilon = learner.hyper.epsilon * jnp.maximum(1.0 - progress, 0.1)
        coin, which = jax.random.split(key)
        random = jax.random.randint(which, best.shape, 0, actions)
        action = jnp.where(jax.random.uniform(coin, best.shape) < epsilon, random, best)
        return Act(action, jnp.zeros(best.shape), memory)

    def update(learner, transitions, key):
        q, h = learner.params["q"], learner.hyper
        best = (transitions.next_obs @ q).max(-1)
        target = transitions.reward + transitions.discount * best
        state = transitions.obs.argmax(-1)
        error = transitions.mask * (target - q[state, transitions.action])
        total = psum(jnp.zeros_like(q).at[state, transitions.action].add(error))
        count = psum(jnp.zeros_like(q).at[state, transitions.action].add(transitions.mask))
        new = q + h.learning_rate * total / jnp.maximum(count, 1.0)
        return learner._replace(params={"q": new}), {"train/td_error": psum(jnp.abs(error).sum()) / config.batch_size}

    own = Policy(init_params, lambda batch: (), apply)
    experience = Experience(config.capacity, config.batch_size, config.updates)
    return Algorithm(init, act, update, own, hyper, config.n_steps, experience=experience)
