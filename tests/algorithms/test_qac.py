"""Actor-critic with a Q-function: its targets by hand, and its expected step against the exact ∇J."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from mdp import by_row, continuing, episodes, gradient, softmax, termination, trajectory, truncation, values

from logpi.algorithms.common.critics import Copy, decisions
from logpi.algorithms.qac import QAC, qac
from logpi.nets.policy import example
from logpi.ops.distributions import Categorical
from logpi.types import Critics, EnvSpec, Output, Policy, Trajectory, Transitions

EXACT = QAC(n_envs=1, learning_rate=1.0, qf_learning_rate=0.0, gamma=1.0, optimizer="sgd", qf_steps=1, tau=1.0)


def tabular(theta, q):
    """A softmax table as a policy, and a table of action values as its critic."""

    def critics(count):
        return Critics(lambda key: jnp.asarray(q)[None], lambda params, obs: params[:, obs])

    def apply(params, memory, obs):
        return memory, Output(Categorical(params[obs]), None)

    return Policy(lambda key: jnp.asarray(theta), lambda batch: (), apply, critics)


def table(theta, q, **settings):
    """(method, learner) on the tables."""
    states, moves = theta.shape
    spec = EnvSpec("Table-v0", spaces.Discrete(states), spaces.Discrete(moves))
    algorithm = qac(dataclasses.replace(EXACT, **settings), tabular(theta, q), spec, example(spec.observation_space))
    return algorithm, algorithm.init(jax.random.key(0))


def tables(mdp, seed=7):
    """Random (θ, Q_φ)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=mdp.reward.shape[:2]), rng.normal(size=mdp.reward.shape[:2])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("world", [termination, truncation, continuing])
def test_the_expected_step_differs_from_the_gradient_by_the_error_of_q_alone(world):
    """E[θ' - θ] = ∇J + E[Σ_t (Q_φ - Q^π)(s_t, a_t) ∇ log π], over all trajectories; the critic stands still."""
    mdp = world()
    theta, q = tables(mdp)
    pi = softmax(theta)
    algorithm, learner = table(theta, q)
    p, data = trajectory([[e] for e in episodes(mdp, pi)], pi, mdp.horizon)

    def change(column):
        alone = jax.tree.map(lambda x: x[:, None], column)
        moved = algorithm.update(learner, alone, jax.random.key(0))[0].params.actor - theta
        return moved * alone.mask.sum()  # the step is a mean over decisions, ∇J a sum over them

    columns = jax.tree.map(lambda x: jnp.moveaxis(jnp.asarray(x), 1, 0), data)
    expected = np.einsum("b,bij->ij", p, jax.jit(jax.vmap(change))(columns))
    exact, _ = values(mdp, pi)
    error = by_row(mdp, pi, q - exact).sum(0)
    np.testing.assert_allclose(expected, gradient(mdp, theta) + error, rtol=0, atol=1e-9)
    assert np.abs(error).max() > 0.1


@pytest.mark.usefixtures("x64")
def test_a_fresh_action_at_the_stored_observations_has_the_same_expected_step():
    """From a replay: E over the drawn actions of the step is Σ_s d(s) Σ_a π Ψ ∇ log π, d the replay's observations."""
    theta, q = tables(termination())
    pi = softmax(theta)
    algorithm, learner = table(theta, q, replay=True)
    obs = np.repeat(np.arange(3), [5, 3, 2])
    stored = np.bincount(obs, minlength=len(theta)) / len(obs)
    b = Transitions(obs, np.zeros(10, int), np.zeros(10), np.zeros(10), obs, np.ones(10), np.ones(10))
    b = jax.tree.map(jnp.asarray, b)

    def change(key):
        return algorithm.update(learner, b, key)[0].params.actor - theta

    steps = np.asarray(jax.jit(jax.vmap(change))(jax.random.split(jax.random.key(3), 20_000)))
    psi = q - (pi * q).sum(1, keepdims=True)
    known = stored[:, None] * pi * psi  # Σ_a π Ψ ∇ log π(a) of a softmax table, for each (s, a)
    np.testing.assert_allclose(steps.mean(0), known, atol=5 * steps.std(0).max() / np.sqrt(len(steps)))


def moves():
    """Five moves between three states: (obs, action, reward, discount, next, mask); the last is a void row."""
    return Transitions(
        obs=jnp.array([0, 1, 1, 2, 0]),
        action=jnp.array([1, 0, 1, 1, 0]),
        reward=jnp.array([0.5, -1.0, 2.0, 0.25, 9.0]),
        discount=jnp.array([0.9, 0.9, 0.0, 0.9, 0.9]),  # γ; the third move terminates, the fourth is cut by a clock
        next_obs=jnp.array([1, 2, 0, 1, 0]),
        mask=jnp.array([1.0, 1.0, 1.0, 1.0, 0.0]),
        weight=jnp.ones(5),
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("target", ["expected-sarsa", "q-learning"])
@pytest.mark.parametrize("replay", [True, False])
def test_the_critic_moves_to_the_target_by_hand(target, replay):
    """φ' = φ - β · 2 (Q - y) / N for each move; y asks π, or the best action, of the slow copy."""
    rng = np.random.default_rng(5)
    theta, q, old = rng.normal(size=(3, 3, 2))
    settings = {"target": target, "replay": replay, "gamma": 0.9, "learning_rate": 0.0, "qf_learning_rate": 0.1}
    algorithm, learner = table(theta, q, **settings, tau=0.25)
    learner = learner._replace(extra=Copy(jnp.asarray(old)[None], jnp.int32(3)))
    b, pi = moves(), softmax(theta)
    following = (pi * old).sum(1) if target == "expected-sarsa" else old.max(1)
    known = q.copy()
    for s, a, r, d, s2 in zip(*(np.asarray(x)[:4] for x in b[:5]), strict=True):
        known[s, a] -= 0.1 * 2 * (q[s, a] - (r + d * following[s2])) / 4
    learnt = algorithm.update(learner, b if replay else as_trajectory(b), jax.random.key(0))[0]
    np.testing.assert_allclose(learnt.params.critics[0], known, atol=1e-12)
    np.testing.assert_allclose(learnt.extra.params[0], old + 0.25 * (known - old), atol=1e-12)
    np.testing.assert_allclose(learnt.params.actor, theta, atol=1e-12)


def as_trajectory(b):
    """Moves that do not follow each other, a column each."""
    obs = jnp.stack([b.obs, b.next_obs])
    rows = (x[None] for x in (b.action, b.action * 0.0, b.reward, b.discount / 0.9, b.mask))
    return Trajectory(obs, *rows, memory=())


def test_a_trajectory_gives_each_move_with_what_followed():
    b = decisions(as_trajectory(moves()), 0.9)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), b, moves())


@pytest.mark.usefixtures("x64")
def test_truncation_bootstraps_and_termination_does_not():
    """The same move twice, once cut by the clock and once the end: their targets differ by γ V."""
    theta, q = np.zeros((2, 2)), np.array([[0.0, 0.0], [3.0, 5.0]])
    ends = moves()._replace(
        obs=jnp.array([0, 0]),
        action=jnp.array([0, 1]),
        reward=jnp.ones(2),
        discount=jnp.array([0.9, 0.0]),
        next_obs=jnp.array([1, 1]),
        mask=jnp.ones(2),
        weight=jnp.ones(2),
    )
    algorithm, learner = table(theta, q, replay=True, qf_learning_rate=1.0)
    learnt = algorithm.update(learner, ends, jax.random.key(0))[0]
    np.testing.assert_allclose(learnt.params.critics[0, 0], [1.0 + 0.9 * 4.0, 1.0])
