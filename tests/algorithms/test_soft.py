"""SAC, TD3, DDPG and discrete SAC: targets and steps against hand computation and numerical integration, in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from scipy import integrate, special, stats

from logpi.algorithms.common.critics import Copy, Params
from logpi.algorithms.ddpg import DDPG, ddpg
from logpi.algorithms.qac import QAC, qac
from logpi.algorithms.sac import SAC, sac
from logpi.algorithms.sac_discrete import SACDiscrete, sac_discrete
from logpi.algorithms.td3 import TD3, td3
from logpi.errors import LogpiError
from logpi.nets.critics import deterministic_actor_critics, discrete_actor_critics, squashed_actor_critics
from logpi.nets.policy import example
from logpi.ops.distributions import Categorical, Deterministic, TanhGaussian
from logpi.types import Critics, EnvSpec, Output, Policy, Transitions

pytestmark = pytest.mark.usefixtures("x64")

SPEC = EnvSpec("Line-v0", spaces.Box(-9, 9, (1,)), spaces.Box(-2, 2, (1,)))
PHI = np.array([[0.3, -0.2, 0.7, 0.4], [-0.5, 0.6, -0.9, 0.1]])  # critics: weights of (o, a, a², 1)
OLD = np.array([[0.1, 0.4, -0.3, 0.2], [0.6, -0.1, 0.2, 0.5]])  # their slow copies
THETA = {"slope": np.array([0.8]), "log_std": np.array([-0.4])}
PLAIN = {"optimizer": "sgd", "learning_rate": 0.0, "qf_learning_rate": 0.0, "gamma": 0.9, "learning_starts": 0}
MOVE = Transitions(
    obs=np.array([[0.5], [-1.0], [0.2]]),
    action=np.array([[0.3], [-0.6], [0.9]]),
    reward=np.array([1.0, -0.5, 7.0]),
    discount=np.array([0.9, 0.0, 0.9]),  # γ; the second terminates, the third is void
    next_obs=np.array([[0.7], [0.1], [0.4]]),
    mask=np.array([1.0, 1.0, 0.0]),
    weight=np.ones(3),
)


def features(obs, action):
    return np.stack([obs, action, action**2, np.ones_like(obs)], -1)


def line(pi):
    """A policy of ``pi(params, obs)`` on a line, and critics that are linear in their parameters."""

    def q(params, obs, action):
        x = jnp.concatenate([obs, action, action**2, jnp.ones_like(obs)], -1)
        return jnp.einsum("bk,nk->nb", x, params)

    def apply(params, memory, obs):
        return memory, Output(pi(params, obs), None)

    theta = jax.tree.map(jnp.asarray, THETA)
    return Policy(
        lambda key: theta, lambda n: (), apply, lambda count: Critics(lambda key: jnp.asarray(PHI)[:count], q)
    )


def gaussian(params, obs):
    mean = obs * params["slope"][None]
    return TanhGaussian(mean, jnp.broadcast_to(params["log_std"], mean.shape))


def point(params, obs):
    return Deterministic(jnp.tanh(obs * params["slope"][None]))


def built(method, settings, policy, spec=SPEC, copied=OLD):
    """(method, learner) whose critics' slow copies are ``copied``."""
    algorithm = method(settings, policy, spec, example(spec.observation_space))
    learner = algorithm.init(jax.random.key(0))
    copy = Copy(jax.tree.map(jnp.asarray, copied), jnp.int32(1))
    return algorithm, learner._replace(extra=copy)


def learnt(algorithm, learner, key=0, move=MOVE):
    return jax.jit(algorithm.update)(learner, jax.tree.map(jnp.asarray, move), jax.random.key(key))[0]


def mean_step(algorithm, learner, keys, part):
    """The mean of ``part`` of the parameters over updates with other draws, and five deviations of that mean."""

    def one(key):
        return part(algorithm.update(learner, jax.tree.map(jnp.asarray, MOVE), key)[0].params)

    found = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), keys)))
    return found.mean(0), 5 * found.std(0) / np.sqrt(keys)


def log_density(action, mean, std):
    """log π of tanh of a normal: change of variables, by hand."""
    return stats.norm.logpdf(np.arctanh(action), mean, std) - np.log1p(-(action**2))


def expected(f, mean, std):
    """E[f(a)], a = tanh of a normal, by numerical integration."""
    return integrate.quad(lambda a: np.exp(log_density(a, mean, std)) * f(a), -1, 1, limit=200)[0]


def test_the_critics_of_sac_move_to_the_soft_target():
    """E[φ' - φ] = -β (Q_φ(o, a) - E[y]) ∇Q / N; E[y] = r + γ ∫ π (min Q̄ - α log π) by quadrature."""
    alpha, rate = 0.7, 0.05
    settings = SAC(**PLAIN | {"qf_learning_rate": rate}, ent_coef=alpha, auto_ent_coef=False, tau=0.25)
    algorithm, learner = built(sac, settings, line(gaussian))
    mean, std = 0.8 * 0.7, np.exp(-0.4)

    def soft(a):
        return (OLD @ features(np.float64(0.7), np.float64(a))).min() - alpha * log_density(a, mean, std)

    y = [1.0 + 0.9 * expected(soft, mean, std), -0.5]
    known = PHI.copy()
    for row in range(2):
        x = features(MOVE.obs[row, 0], MOVE.action[row, 0])
        known -= rate * (PHI @ x - y[row])[:, None] * x / 2
    found, near = mean_step(algorithm, learner, 20_000, lambda p: p.critics)
    assert (np.abs(found - known) < near + 1e-9).all()
    assert near.max() < 0.05 * np.abs(known - PHI).max()


def test_the_copies_follow_and_begin_with_the_critics():
    settings = SAC(**PLAIN | {"qf_learning_rate": 0.1}, tau=0.25)
    algorithm, learner = built(sac, settings, line(gaussian))
    after = learnt(algorithm, learner)
    np.testing.assert_allclose(after.extra.params, OLD + 0.25 * (after.params.critics - OLD))
    first = learner._replace(extra=learner.extra._replace(updates=jnp.int32(0)))
    own = learner._replace(extra=Copy(learner.params.critics, jnp.int32(1)))
    np.testing.assert_array_equal(learnt(algorithm, first).params.critics, learnt(algorithm, own).params.critics)


def test_the_actor_of_sac_descends_its_objective():
    """E[θ' - θ] = -α_θ ∇ mean_o ∫ π (α log π - min Q): the slope of the quadrature by central differences."""
    alpha, rate = 0.7, 0.05
    settings = SAC(**PLAIN | {"learning_rate": rate}, ent_coef=alpha, auto_ent_coef=False)
    algorithm, learner = built(sac, settings, line(gaussian))

    def objective(slope, log_std):
        total = 0.0
        for obs in MOVE.obs[:2, 0]:
            mean, std = slope * obs, np.exp(log_std)

            def cost(a, obs=obs, mean=mean, std=std):
                return alpha * log_density(a, mean, std) - (PHI @ features(obs, np.float64(a))).min()

            total += expected(cost, mean, std) / 2
        return total

    h = 1e-4
    slope = (objective(0.8 + h, -0.4) - objective(0.8 - h, -0.4)) / (2 * h)
    spread = (objective(0.8, -0.4 + h) - objective(0.8, -0.4 - h)) / (2 * h)
    found, near = mean_step(
        algorithm, learner, 40_000, lambda p: jnp.concatenate([p.actor["slope"], p.actor["log_std"]])
    )
    known = np.array([0.8, -0.4]) - rate * np.array([slope, spread])
    assert (np.abs(found - known) < near + 1e-6).all()
    assert (near < 0.2 * rate * np.abs([slope, spread])).all()


def test_the_temperature_moves_until_the_entropy_is_the_wanted_one():
    """d log α = -rate · α (H - H̄): colder where there is more entropy than wanted."""
    entropy = np.mean([expected(lambda a, m=m: -log_density(a, m, np.exp(-0.4)), m, np.exp(-0.4)) for m in (0.4, -0.8)])
    for wanted in (entropy - 0.5, entropy + 0.5):
        settings = SAC(**PLAIN | {"learning_rate": 0.1}, ent_coef=0.7, target_entropy=float(wanted))
        algorithm, learner = built(sac, settings, line(gaussian))
        found, near = mean_step(algorithm, learner, 4_000, lambda p: p.log_alpha)
        assert abs(found - (np.log(0.7) - 0.1 * 0.7 * (entropy - wanted))) < near + 1e-7
        assert near < 0.01
    fixed, learner = built(sac, dataclasses.replace(settings, auto_ent_coef=False), line(gaussian))
    assert learnt(fixed, learner).params.log_alpha == learner.params.log_alpha


def deterministic(method, settings, copied=OLD):
    copies = Params({"slope": np.array([0.5]), "log_std": np.zeros(1)}, copied)
    return built(method, settings, line(point), copied=copies)


@pytest.mark.parametrize(("method", "kind", "count"), [(td3, TD3, 2), (ddpg, DDPG, 1)])
def test_the_critics_of_td3_and_ddpg_move_to_the_target_by_hand(method, kind, count):
    """Without blur: y = r + γ min_i Q̄_i(o', tanh(½ o')) by the copied actor; the terminating move has none."""
    rate = 0.05
    algorithm, learner = deterministic(
        method, kind(**PLAIN | {"qf_learning_rate": rate}, target_noise=0.0), OLD[:count]
    )
    following = features(np.float64(0.7), np.tanh(0.5 * 0.7))
    y = [1.0 + 0.9 * (OLD[:count] @ following).min(), -0.5]
    known = PHI[:count].copy()
    for row in range(2):
        x = features(MOVE.obs[row, 0], MOVE.action[row, 0])
        known -= rate * 2 * (PHI[:count] @ x - y[row])[:, None] * x / 2
    np.testing.assert_allclose(learnt(algorithm, learner).params.critics, known, rtol=1e-6)


def test_the_blur_of_the_targets_action_is_clipped():
    """Blur so wide that each draw is at a clip: the target is one of two values."""
    settings = TD3(**PLAIN | {"qf_learning_rate": 1.0}, target_noise=1e6, target_noise_clip=0.25)
    algorithm, learner = deterministic(td3, settings)
    action = np.tanh(0.35)
    ends = [1.0 + 0.9 * (OLD @ features(np.float64(0.7), action + move)).min() for move in (-0.25, 0.25)]
    x = features(MOVE.obs[0, 0], MOVE.action[0, 0])
    one = MOVE._replace(mask=np.array([1.0, 0.0, 0.0]))
    known = {round(float((PHI[0] - 2 * (PHI[0] @ x - y) * x)[0]), 4) for y in ends}
    found = {round(float(learnt(algorithm, learner, k, one).params.critics[0, 0]), 4) for k in range(8)}
    assert found == known


def test_the_actor_of_td3_climbs_q_when_it_is_its_turn():
    """∇θ mean Q_1(o, tanh(θ o)) by hand, once in two updates; the slow copies move then too."""
    rate = 0.05
    settings = TD3(**PLAIN | {"learning_rate": rate}, target_noise=0.0, policy_delay=2)
    algorithm, learner = deterministic(td3, settings)
    slope = 0.0
    for obs in MOVE.obs[:2, 0]:
        a = np.tanh(0.8 * obs)
        slope += (PHI[0, 1] + 2 * PHI[0, 2] * a) * (1 - a**2) * obs / 2
    due = learnt(algorithm, learner)  # it has made one update
    np.testing.assert_allclose(due.params.actor["slope"], 0.8 + rate * slope, rtol=1e-6)
    np.testing.assert_allclose(due.extra.params.critics, OLD + 0.005 * (PHI - OLD))
    np.testing.assert_allclose(due.extra.params.actor["slope"], 0.5 + 0.005 * (due.params.actor["slope"] - 0.5))
    waits = learnt(algorithm, due)
    np.testing.assert_array_equal(waits.params.actor["slope"], due.params.actor["slope"])
    np.testing.assert_array_equal(waits.extra.params.critics, due.extra.params.critics)


def test_without_a_delay_the_actor_climbs_in_each_update():
    """Two updates in a row, each from where the last one left the actor: ddpg's schedule."""
    rate, theta = 0.05, 0.8
    algorithm, learner = deterministic(ddpg, DDPG(**PLAIN | {"learning_rate": rate}), OLD[:1])
    for _ in range(2):
        a = np.tanh(theta * MOVE.obs[:2, 0])
        theta += rate * ((PHI[0, 1] + 2 * PHI[0, 2] * a) * (1 - a**2) * MOVE.obs[:2, 0]).mean()
        learner = learnt(algorithm, learner)
        np.testing.assert_allclose(learner.params.actor["slope"], theta, rtol=1e-6)


TABLE = EnvSpec("Table-v0", spaces.Discrete(3), spaces.Discrete(2))


def tables(theta, q, copied):
    """(policy, copies) of tables: softmax of θ [S, A], critics [2, S, A]."""

    def apply(params, memory, obs):
        return memory, Output(Categorical(params[obs]), None)

    def critics(count):
        return Critics(lambda key: jnp.asarray(q), lambda params, obs: params[:, obs])

    return Policy(lambda key: jnp.asarray(theta), lambda n: (), apply, critics), copied


def test_discrete_sac_sums_over_actions_by_hand():
    rng = np.random.default_rng(2)
    theta, q, old = rng.normal(size=(3, 2)), rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3, 2))
    alpha, rate = 0.6, 0.1
    policy, copied = tables(theta, q, old)
    settings = SACDiscrete(
        **PLAIN | {"learning_rate": rate, "qf_learning_rate": rate}, ent_coef=alpha, target_entropy=0.5
    )
    algorithm, learner = built(sac_discrete, settings, policy, TABLE, copied)
    b = MOVE._replace(obs=np.array([0, 1, 2]), action=np.array([1, 0, 1]), next_obs=np.array([1, 2, 0]))
    after = learnt(algorithm, learner, move=b)
    pi = special.softmax(theta, 1)
    value = (pi * (old.min(0) - alpha * np.log(pi))).sum(1)
    phi = q.copy()
    for s, a, y in ((0, 1, 1.0 + 0.9 * value[1]), (1, 0, -0.5)):
        phi[:, s, a] -= rate * (q[:, s, a] - y) / 2
    np.testing.assert_allclose(after.params.critics, phi, rtol=1e-6)
    gain = phi.min(0) - alpha * np.log(pi)
    psi = gain - (pi * gain).sum(1, keepdims=True)  # its gradient is Σ_a π Ψ ∇ log π, an entropy bonus in Ψ
    known = theta + rate * pi * psi * np.array([0.5, 0.5, 0.0])[:, None]
    np.testing.assert_allclose(after.params.actor, known, rtol=1e-6)
    entropy = -(pi * np.log(pi)).sum(1)[:2].mean()
    np.testing.assert_allclose(
        after.params.log_alpha, np.log(alpha) - rate * alpha * (entropy - 0.5 * np.log(2)), rtol=1e-6
    )


UNBOUNDED = SPEC._replace(action_space=spaces.Box(-np.inf, np.inf, (1,)))
DISCRETE = SPEC._replace(action_space=spaces.Discrete(2))


@pytest.mark.parametrize(
    ("method", "settings", "nets", "spec", "instead"),
    [
        (sac, SAC(), squashed_actor_critics, DISCRETE, "sac_discrete, dqn or ppo"),
        (sac, SAC(), squashed_actor_critics, UNBOUNDED, "ppo, or bound them"),
        (td3, TD3(), deterministic_actor_critics, DISCRETE, "sac_discrete, dqn or ppo"),
        (sac, SAC(), squashed_actor_critics, SPEC._replace(action_space=spaces.MultiBinary(2)), "take ppo$"),
        (
            td3,
            TD3(),
            deterministic_actor_critics,
            SPEC._replace(action_space=spaces.MultiDiscrete([2, 2])),
            "take ppo$",
        ),
        (ddpg, DDPG(), deterministic_actor_critics, UNBOUNDED, "ppo, or bound them"),
        (sac_discrete, SACDiscrete(), discrete_actor_critics, SPEC, "sac, td3 or ppo"),
        (qac, QAC(), discrete_actor_critics, SPEC._replace(action_space=spaces.MultiDiscrete([2, 2])), "take ppo"),
    ],
)
def test_spaces_that_a_method_cannot_serve_are_refused_with_what_can(method, settings, nets, spec, instead):
    with pytest.raises(LogpiError, match=instead) as told:
        method(settings, nets(spec, method.network()), spec, example(spec.observation_space))
    assert str(spec.action_space) in str(told.value)


def test_a_policy_without_critics_is_told_what_it_lacks():
    with pytest.raises(LogpiError, match="the field critics"):
        sac(SAC(), line(gaussian)._replace(critics=None), SPEC, example(SPEC.observation_space))
    with pytest.raises(LogpiError, match=r"needs .*TanhGaussian"):
        built(sac, SAC(), line(point))[0].act(
            built(sac, SAC(), line(point))[1], (), jnp.ones((1, 1)), jax.random.key(0)
        )


def test_acting_is_random_at_first_then_by_noise_and_greedy_is_neither():
    settings = TD3(**PLAIN | {"learning_starts": 10}, noise="pink", action_noise=0.2)
    algorithm, learner = deterministic(td3, settings)
    obs, memory = jnp.full((500, 1), 0.5), algorithm.policy.memory(500)
    act = jax.jit(algorithm.act, static_argnames="greedy")
    at_first = act(learner, memory, obs, jax.random.key(0)).action
    assert stats.kstest(np.asarray(at_first[:, 0]), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    later = learner._replace(timesteps=jnp.int32(10))
    x, memories = [], memory
    for k in range(3):
        found = act(later, memories, obs, jax.random.key(k))
        memories = found.memory
        x.append(np.asarray(found.action[:, 0]) - np.tanh(0.4))
    assert abs(np.std(x[2]) - 0.2) < 0.03
    assert np.corrcoef(x[1], x[2])[0, 1] > 0.5
    greedy = act(later, memories, obs, jax.random.key(0), greedy=True)
    np.testing.assert_allclose(greedy.action, np.tanh(0.4))
