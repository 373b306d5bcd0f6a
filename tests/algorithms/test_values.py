"""The value methods against hand computation and dynamic programming: targets, updates, and what they converge to."""

import dataclasses
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from logpi.algorithms.common.values import epsilon
from logpi.algorithms.dqn import DQN, dqn, returns, target_of
from logpi.algorithms.pqn import PQN, pqn
from logpi.algorithms.q_learning import QLearning, q_learning
from logpi.control.replay import empty_replay, push, transitions
from logpi.errors import LogpiError
from logpi.nets.q import QNetwork, Table, make_q, make_table
from logpi.ops.distributions import ILLEGAL, Categorical, EpsilonGreedy
from logpi.types import EnvSpec, Output, Policy, Trajectory, Transitions

GAMMA = 0.9
STATES, ACTIONS = 4, 2
SPEC = EnvSpec("chain", spaces.Box(0.0, 1.0, (STATES,), np.float32), spaces.Discrete(ACTIONS), 20)
TABLE = EnvSpec("chain", spaces.Discrete(STATES), spaces.Discrete(ACTIONS), 20)
KEY = jax.random.key(0)


def linear(initial=0.0):
    """Q is linear in the observation: a table, where observations are one-hot."""

    def apply(params, memory, obs):
        return memory, Output(EpsilonGreedy(obs @ params["q"], jnp.zeros(())), None)

    return Policy(lambda key: {"q": jnp.full((STATES, ACTIONS), initial)}, lambda batch: (), apply)


def chain(state, action):
    """(next state, reward, terminated): action 1 goes up, 0 down; state 3 is the end."""
    following = min(max(state + 2 * action - 1, 0), 3)
    return following, 1.0 + state if following == 3 else -0.1 * action, following == 3


def optimal():
    """Q* of the chain by value iteration in float64."""
    q = np.zeros((STATES, ACTIONS))
    for _ in range(500):
        for s, a in product(range(3), range(ACTIONS)):
            following, reward, over = chain(s, a)
            q[s, a] = reward + (0.0 if over else GAMMA * q[following].max())
    return q


def made(build, settings, policy, spec=SPEC):
    algorithm = build(settings, policy, spec, jax.ShapeDtypeStruct((STATES,), jnp.float32))
    learner = algorithm.init(KEY)
    return algorithm, learner._replace(hyper=jax.tree.map(jnp.asarray, learner.hyper))


def batch(n=6, seed=0):
    """Random decisions from a replay; the last terminates, and the first is void."""
    chance = np.random.default_rng(seed)
    hot = jnp.asarray(np.eye(STATES, dtype=np.float32)[chance.integers(0, STATES, (2, n))])
    number = jnp.asarray(chance.normal(size=(2, n)), jnp.float32)
    discount, mask = jnp.full(n, GAMMA).at[-1].set(0.0), jnp.ones(n).at[0].set(0.0)
    action = jnp.asarray(chance.integers(0, ACTIONS, n), jnp.int32)
    return Transitions(hot[0], action, number[0], discount, hot[1], mask, 0.5 + jnp.abs(number[1]))


def with_values(learner, seed=1):
    """``learner`` with random values, and others in its target network."""
    q, old = jnp.asarray(np.random.default_rng(seed).normal(size=(2, STATES, ACTIONS)), jnp.float32)
    extra = learner.extra._replace(params={"q": old}, updates=jnp.int32(3))
    return learner._replace(params={"q": q}, extra=extra), np.asarray(q), np.asarray(old)


@pytest.mark.parametrize("double", [False, True])
def test_a_target_is_the_reward_and_the_discounted_value_by_the_older_network(double):
    _, learner = made(dqn, DQN(gamma=GAMMA, target_update_interval=100), linear())
    learner, q, old = with_values(learner)
    b = batch()
    found = returns(linear(), double, learner, {"q": jnp.asarray(old)}, b)
    following = np.argmax(b.next_obs, -1)
    best = q[following].argmax(-1) if double else old[following].argmax(-1)
    expected = b.reward + np.asarray(b.discount) * old[following, best]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[-1] == b.reward[-1], "nothing is bootstrapped behind a termination"


def test_one_update_is_the_clipped_and_weighed_error_by_hand():
    settings = DQN(gamma=GAMMA, optimizer="sgd", learning_rate=0.3, target_update_interval=100, max_grad_norm=np.inf)
    algorithm, learner = made(dqn, settings, linear())
    learner, q, old = with_values(learner)
    b = batch()
    new, metrics = algorithm.update(learner, b, KEY)
    state, following, action = np.argmax(b.obs, -1), np.argmax(b.next_obs, -1), np.asarray(b.action)
    error = np.asarray(b.reward + b.discount * old[following].max(-1) - q[state, action])
    assert np.abs(error).max() > 1, "some errors are clipped"
    expected = np.array(q)
    step = 0.3 * np.asarray(b.mask) * np.asarray(b.weight) * np.clip(error, -1, 1) / b.mask.sum()
    np.add.at(expected, (state, action), step)
    np.testing.assert_allclose(new.params["q"], expected, atol=1e-6)
    np.testing.assert_allclose(metrics["train/td_error"], (np.abs(error) * b.mask).sum() / b.mask.sum(), rtol=1e-5)
    np.testing.assert_array_equal(new.extra.params["q"], old)
    assert new.extra.updates == 4


def test_the_priority_is_the_error_before_the_update():
    settings = DQN(gamma=GAMMA, prioritized=True, priority_alpha=0.5, target_update_interval=100)
    algorithm, learner = made(dqn, settings, linear())
    learner, q, old = with_values(learner)
    b = batch()
    state, following = np.argmax(b.obs, -1), np.argmax(b.next_obs, -1)
    error = np.asarray(b.reward + b.discount * old[following].max(-1) - q[state, np.asarray(b.action)])
    priority = algorithm.experience.priority
    np.testing.assert_allclose(priority.of(learner, b), (np.abs(error) + 1e-6) ** 0.5, rtol=1e-5)
    betas = [float(priority.beta(learner._replace(timesteps=jnp.int32(t)))) for t in (0, 50_000, 100_000)]
    assert betas == pytest.approx([0.4, 0.7, 1.0])


@pytest.mark.parametrize(("updates", "tau", "share"), [(0, 0.25, 1.0), (3, 0.25, 0.0), (4, 0.25, 0.25), (4, 1.0, 1.0)])
def test_the_target_network_is_replaced_at_intervals(updates, tau, share):
    _, learner = made(dqn, DQN(target_update_interval=4, tau=tau), linear())
    learner, q, old = with_values(learner)
    learner = learner._replace(extra=learner.extra._replace(updates=jnp.int32(updates)))
    np.testing.assert_allclose(target_of(learner, 4)["q"], share * q + (1 - share) * old, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"double": True}, {"n_step": 3}, {"tau": 0.5, "target_update_interval": 5}])
def test_a_linear_network_on_the_whole_of_a_decision_process_converges_to_the_optimal_values(settings):
    n = settings.get("n_step", 1)
    usual = {"gamma": GAMMA, "optimizer": "sgd", "learning_rate": 3.0, "target_update_interval": 20}
    algorithm, learner = made(dqn, DQN(**{**usual, "max_grad_norm": np.inf, **settings}), linear())
    trajectory = every_decision(n)
    replay = push(empty_replay(trajectory, 2 * len(trajectory.mask)), trajectory)
    pairs = jnp.arange(3 * ACTIONS)
    whole = transitions(replay, jnp.zeros_like(pairs), pairs, GAMMA, n)
    assert whole.mask.all()

    def step(learner, _):
        return algorithm.update(learner, whole, KEY)[0], None

    learner = jax.jit(lambda learner: jax.lax.scan(step, learner, None, 2_000)[0])(learner)
    np.testing.assert_allclose(learner.params["q"][:3], optimal()[:3], atol=1e-4)


def every_decision(n):
    """A column for each state and action: that decision, then the best ones, and void rows behind the end."""
    q, columns = optimal(), list(product(range(3), range(ACTIONS)))
    shape = (n + 1, len(columns))
    obs = np.zeros((n + 2, len(columns), STATES), np.float32)
    action, reward = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    discount, mask = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    for b, (state, chosen) in enumerate(columns):
        over = False
        for t in range(n + 1):
            obs[t, b, state] = 1
            if t == n or over:
                continue
            following, reward[t, b], over = chain(state, chosen)
            action[t, b], mask[t, b], discount[t, b] = chosen, 1, 1 - over
            state, chosen = following, int(q[following].argmax())
        obs[n + 1, b, state] = 1
    return Trajectory(*map(jnp.asarray, (obs, action)), None, *map(jnp.asarray, (reward, discount, mask)), ())


def rollout(T=5, B=3, seed=0):
    """A random trajectory with a termination in one column and a truncation in another, one-hot."""
    chance = np.random.default_rng(seed)
    obs = np.eye(STATES, dtype=np.float32)[chance.integers(0, STATES, (T + 1, B))]
    mask, discount = np.ones((T, B), np.float32), np.ones((T, B), np.float32)
    discount[1, 0], mask[2, 0], mask[3, 1] = 0, 0, 0
    action = chance.integers(0, ACTIONS, (T, B)).astype(np.int32)
    reward = chance.normal(size=(T, B)).astype(np.float32) * mask
    return Trajectory(*map(jnp.asarray, (obs, action)), None, *map(jnp.asarray, (reward, discount, mask)), ())


def test_q_learning_makes_its_updates_one_after_another_by_hand():
    settings = QLearning(gamma=GAMMA, learning_rate=0.5, rate_decay=0.5)
    algorithm, learner = made(q_learning, settings, make_table(TABLE, Table(initial_value=0.3)), TABLE)
    hot = rollout(T=30)
    t = hot._replace(obs=hot.obs.argmax(-1))
    new, _ = algorithm.update(learner, t, KEY)
    q, n = np.full((STATES, ACTIONS), 0.3), np.zeros((STATES, ACTIONS))
    for row, column in product(range(30), range(3)):
        s, a, following = int(t.obs[row, column]), int(t.action[row, column]), int(t.obs[row + 1, column])
        if t.mask[row, column]:
            n[s, a] += 1
            target = t.reward[row, column] + GAMMA * t.discount[row, column] * q[following].max()
            q[s, a] += 0.5 * n[s, a] ** -0.5 * (target - q[s, a])
    np.testing.assert_allclose(new.params["q"], q, rtol=1e-5)
    np.testing.assert_array_equal(new.extra, n)


@pytest.mark.parametrize("lam", [0.0, 0.7])
def test_a_target_of_pqn_is_the_lambda_return_by_hand(lam):
    settings = PQN(n_envs=3, n_steps=5, batch_size=15, n_epochs=1, gamma=GAMMA, q_lambda=lam)
    algorithm, learner = made(pqn, settings, linear())
    q = np.random.default_rng(1).normal(size=(STATES, ACTIONS)).astype(np.float32)
    t = rollout()
    found, _ = algorithm.steps(1).begin(learner._replace(params={"q": jnp.asarray(q)}), t, KEY).rows
    best = q[np.argmax(t.obs, -1)].max(-1)
    for b in range(3):
        g = best[5, b]
        for row in reversed(range(5)):
            ends = row < 4 and t.mask[row + 1, b] == 0  # the next row is void: nothing of it enters
            trace = 0.0 if ends else lam
            g = t.reward[row, b] + GAMMA * t.discount[row, b] * ((1 - trace) * best[row + 1, b] + trace * g)
            if t.mask[row, b]:
                assert found[row, b] == pytest.approx(float(g), rel=1e-5)
    assert found[1, 0] == t.reward[1, 0], "nothing is bootstrapped behind a termination"
    assert found[2, 1] == pytest.approx(float(t.reward[2, 1] + GAMMA * best[3, 1])), "a truncation is bootstrapped"


def test_pqn_with_one_minibatch_and_no_trace_takes_dqns_step_without_an_older_network():
    """Errors are below 1, where Huber's loss is half the square."""
    shared = {"gamma": GAMMA, "optimizer": "sgd", "learning_rate": 0.3}
    parallel, learner = made(pqn, PQN(n_envs=3, n_steps=5, batch_size=15, n_epochs=1, q_lambda=0.0, **shared), linear())
    parent, target = made(dqn, DQN(target_update_interval=1, **shared), linear())
    q = {"q": 0.1 * jnp.asarray(np.random.default_rng(1).normal(size=(STATES, ACTIONS)), jnp.float32)}
    t = rollout()
    t = t._replace(reward=0.1 * t.reward)
    replay = push(empty_replay(t, 10), t)
    row, env = (jnp.asarray(x.reshape(-1)) for x in np.mgrid[0:5, 0:3])
    # the observation of the row that is not there yet
    replay = replay._replace(rows=replay.rows._replace(obs=replay.rows.obs.at[5].set(t.obs[5])))
    new, _ = parallel.update(learner._replace(params=q), t, KEY)
    theirs, _ = parent.update(target._replace(params=q), transitions(replay, row, env, GAMMA, 1), KEY)
    assert float(jnp.abs(new.params["q"] - q["q"]).max()) > 1e-3
    np.testing.assert_allclose(new.params["q"], theirs.params["q"], atol=1e-6)
    traced = learner._replace(params=q, hyper=dataclasses.replace(learner.hyper, q_lambda=jnp.float32(0.9)))
    assert float(jnp.abs(parallel.update(traced, t, KEY)[0].params["q"] - new.params["q"]).max()) > 1e-4


def test_acting_is_epsilon_greedy_by_the_timesteps_and_greedy_in_evaluations():
    settings = DQN(
        total_timesteps=1000, exploration_initial_eps=0.8, exploration_final_eps=0.2, exploration_fraction=0.5
    )
    algorithm, learner = made(dqn, settings, linear())
    learner = learner._replace(params={"q": jnp.asarray([[0.0, 1.0]] * STATES)})
    at = [learner._replace(timesteps=jnp.int32(t)) for t in (0, 250, 500, 1000)]
    assert [float(epsilon(x)) for x in at] == pytest.approx([0.8, 0.5, 0.2, 0.2])
    obs = jnp.ones((20_000, STATES)) / STATES
    for now, expected in zip(at, (0.8, 0.5, 0.2, 0.2), strict=True):
        worse = 1 - algorithm.act(now, (), obs, KEY).action.mean()
        assert abs(worse - expected / 2) < 0.02
        assert algorithm.act(now, (), obs, KEY, greedy=True).action.all()


def test_illegal_actions_are_never_taken():
    pi = EpsilonGreedy(jnp.asarray([[1.0, ILLEGAL, 0.5]] * 1000), jnp.float32(0.6))
    drawn = np.asarray(pi.sample(KEY))
    assert set(drawn.tolist()) == {0, 2}
    np.testing.assert_allclose(pi.probabilities()[0], [0.7, 0.0, 0.3], rtol=1e-6)
    np.testing.assert_allclose(
        pi.log_prob(jnp.asarray(drawn))[:5], np.log(np.where(drawn[:5] == 0, 0.7, 0.3)), rtol=1e-5
    )
    assert pi.entropy()[0] == pytest.approx(-(0.7 * np.log(0.7) + 0.3 * np.log(0.3)), rel=1e-5)


def test_dueling_streams_are_a_value_and_advantages_around_their_mean():
    policy = make_q(SPEC, QNetwork(hidden=(8, 8), dueling=True))
    params = policy.init(KEY)
    assert {"value", "advantage", "value_stream", "advantage_stream"} < set(params)
    raised = jax.tree.map(lambda x: x, params)
    raised["advantage"]["bias"] = params["advantage"]["bias"] + 5.0
    obs = jnp.eye(STATES)
    first, second = (policy.apply(p, (), obs)[1].pi.values for p in (params, raised))
    np.testing.assert_allclose(first, second, atol=1e-5, err_msg="a number added to all advantages changes nothing")


@pytest.mark.parametrize(
    ("space", "advice"),
    [(spaces.Box(-1, 1, (2,)), "take sac or ppo"), (spaces.MultiDiscrete([2, 3]), "take ppo")],
)
@pytest.mark.parametrize("make", [make_q, make_table])
def test_actions_that_are_not_discrete_are_refused(make, space, advice):
    with pytest.raises(LogpiError, match=f"the actions of chain are .*{advice}$"):
        make(TABLE._replace(action_space=space))


def test_a_table_needs_discrete_observations():
    with pytest.raises(LogpiError, match="take dqn"):
        make_table(SPEC)


def test_a_network_without_action_values_is_refused():
    policy = Policy(lambda key: {}, lambda batch: (), lambda p, m, obs: (m, Output(Categorical(obs[..., :2]), None)))
    algorithm, learner = made(dqn, DQN(), policy)
    with pytest.raises(LogpiError, match="this method needs action values"):
        algorithm.update(learner, batch(), KEY)
