"""The exact figures of every rung's gradient estimate on an enumerable decision process: nothing is sampled.

    tr Cov(g) = Σ_τ p(τ) ‖g(τ) - E[g]‖²

over all trajectories; over all pairs of them where an estimate is made of a batch of two. Gradients come from the
table's scores, not from automatic differentiation.
"""

from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from mdp import MDP, episodes, estimates, gradient, softmax, trajectory, values

from logpi.control.variance.rungs import Baselines, Nets
from logpi.ops import psi
from logpi.ops.distributions import Categorical
from logpi.types import DeviceEnv, EnvSpec, Output, Policy

PAIR = 2  # trajectories of a batch


class Case(NamedTuple):
    """A decision process, a policy, and baselines that are plainly not those of the policy."""

    mdp: MDP
    theta: np.ndarray  # [S, A]
    value: np.ndarray  # [S]
    action_value: np.ndarray  # [S, A]
    average: float
    gamma: float = 0.9
    gae_lambda: float = 0.7

    @property
    def gradient(self):
        """∇J of the undiscounted return up to the horizon."""
        return gradient(self.mdp, self.theta)

    @property
    def baselines(self):
        params = {"value": jnp.asarray(self.value), "action_value": jnp.asarray(self.action_value)}
        return Baselines(params, jnp.asarray(self.average))

    @property
    def policy(self):
        return tabular(self.theta)


NETS = Nets(lambda key: {}, lambda params, s: params["value"][s], lambda params, s: params["action_value"][s])


def case(mdp, seed=7, error=0.5):
    """A case with a random policy, whose V and Q are wrong by about ``error``."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=mdp.reward.shape[:2])
    q, v = values(mdp, softmax(theta), 0.9)
    wrong = v[0] + error * rng.normal(size=len(v[0])), q[0] + error * rng.normal(size=q[0].shape)
    return Case(mdp, theta, *wrong, average=float(v[0].mean()))


def tabular(theta):
    """A softmax table as a ``Policy``."""

    def apply(params, memory, state):
        return memory, Output(Categorical(params[state]), None)

    return Policy(lambda key: jnp.asarray(theta), lambda batch: (), apply)


def environment(mdp):
    """``mdp`` as a device environment whose observation is the state; its clock stops after ``mdp.horizon`` moves."""
    start, move, reward = (jnp.asarray(x, jnp.float32) for x in (mdp.start, mdp.move, mdp.reward))
    terminal = jnp.asarray(mdp.terminal)

    def draw(key, chances):
        return jax.random.categorical(key, jnp.log(chances)).astype(jnp.int32)

    def reset(key):
        state = draw(key, start)
        return state, state

    def step(state, action, key):
        following = draw(key, move[state, action])
        return following, following, reward[state, action, following], terminal[following]

    states, actions = mdp.reward.shape[:2]
    spec = EnvSpec("Table-v0", spaces.Discrete(states), spaces.Discrete(actions), mdp.horizon)
    return DeviceEnv(spec, reset, step)


def exact(case):
    """rung -> {"variance", "ratio", "snr", "cosine", "bias"}, as ``logpi.control.variance.measure.Figures`` has."""
    pi = softmax(case.theta)
    p, data = trajectory([[e] for e in episodes(case.mdp, pi)], pi, case.mdp.horizon)
    pairs = np.array(list(product(range(len(p)), repeat=PAIR)))
    chance, size = p[pairs].prod(1), len(p)
    both = [x[:, pairs] for x in (data.reward, data.discount, data.mask)]  # [T, N², 2]

    def of_pairs(rung):
        r, d, m = (jnp.asarray(x) for x in both)
        go = psi.reward_to_go(r, case.gamma * d, m)
        return np.asarray(jax.vmap(rung, 1, 1)(go, m))

    alone = {name: np.asarray(weight)[:, pairs] for name, weight in _alone(case, data).items()}
    alone |= {"batch-mean": of_pairs(psi.minus_batch_mean), "leave-one-out": of_pairs(psi.minus_leave_one_out)}
    columns = (
        data._replace(obs=data.obs[:, pairs[:, 0]], action=data.action[:, pairs[:, 0]], mask=data.mask[:, pairs[:, 0]]),
        data._replace(obs=data.obs[:, pairs[:, 1]], action=data.action[:, pairs[:, 1]], mask=data.mask[:, pairs[:, 1]]),
    )
    truth, slope = case.gradient.reshape(-1), {}
    for name, weight in alone.items():
        single = [estimates(column, pi, weight[..., i]).reshape(size**2, -1) for i, column in enumerate(columns)]
        slope[name] = _figures(chance, *single, truth, name in ("batch-mean", "leave-one-out"))
    for figures in slope.values():
        figures["ratio"] = figures["variance"] / slope["value"]["variance"]
    return slope


def _alone(case, data):
    """Ψ [T, N] of the rungs that look at one trajectory."""
    r, d, m = (jnp.asarray(x) for x in (data.reward, data.discount, data.mask))
    value, gd = jnp.asarray(case.value)[data.obs], case.gamma * d
    chance = jnp.asarray(softmax(case.theta))[data.obs[:-1]]
    q = jnp.asarray(case.action_value)[data.obs[:-1]]
    return {
        "total-reward": psi.total_reward(r, d, m),
        "reward-to-go": psi.reward_to_go(r, d, m),
        "discounted": psi.reward_to_go(r, gd, m),
        "moving-average": psi.minus_constant(psi.reward_to_go(r, gd, m), case.average),
        "value": psi.minus_value(r, gd, m, value),
        "gae": psi.gae(r, gd, m, value, case.gae_lambda),
        "q-minus-v": psi.action_advantage(q, chance, jnp.asarray(data.action)),
    }


def _figures(chance, first, second, truth, batched):
    mean = (first + second) / PAIR
    unit, size = (mean, PAIR) if batched else (first, 1)
    centre = chance @ unit
    variance = size * float(chance @ np.square(unit - centre).sum(1))
    length = np.linalg.norm(truth)
    norms = np.linalg.norm(mean, axis=1)
    cosine = np.divide(mean @ truth / length, norms, out=np.zeros_like(norms), where=norms > 0)
    return {
        "variance": variance,
        "snr": float(np.linalg.norm(centre) / np.sqrt(variance)),
        "cosine": float(chance @ cosine),
        "bias": float(np.linalg.norm(centre - truth) / length),
    }
