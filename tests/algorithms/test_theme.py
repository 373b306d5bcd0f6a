"""Where two methods are said to be the same, they are: one update of each, compared parameter by parameter."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from mdp import continuing, episodes, gradient, objective, softmax, termination, trajectory, truncation

from logpi.algorithms.a2c import A2C, a2c
from logpi.algorithms.actor_critic import ActorCritic, actor_critic
from logpi.algorithms.ppo import PPO, ppo
from logpi.algorithms.reinforce import Reinforce, reinforce
from logpi.config.settings import ControlSettings, Network
from logpi.control.on_policy import learn
from logpi.nets.policy import example, make_policy
from logpi.ops.distributions import Categorical
from logpi.ops.normalization import init_statistics
from logpi.types import EnvSpec, Output, Policy, Trajectory

T, B = 12, 4
PLACE = spaces.Box(-1, 1, (3,))
ACTIONS = {
    "discrete": (spaces.Discrete(3), Network(hidden=(8,))),
    "box": (spaces.Box(-1, 1, (2,)), Network(hidden=(8,), log_std_init=-0.5)),
    "squashed": (spaces.Box(-1, 1, (1,)), Network(hidden=(8,), squash=True)),
    "multi-discrete": (spaces.MultiDiscrete([2, 3]), Network(hidden=(8,))),
    "shared": (spaces.Discrete(3), Network(hidden=(8,), shared=True)),
    "recurrent": (spaces.Discrete(3), Network(hidden=(8,), memory="gru", memory_size=4)),
}
COMMON = {
    "n_envs": B,
    "learning_rate": 0.5,
    "gamma": 0.9,
    "max_grad_norm": 0.5,
    "optimizer": "sgd",
    "normalize_reward": True,
    "normalize_obs": True,
}


def setting(name):
    """(policy, spec, shapes of an observation) of a small environment."""
    actions, network = ACTIONS[name]
    spec = EnvSpec("Test-v0", PLACE, actions, max_episode_steps=T)
    return make_policy(spec, network), spec, example(PLACE)


def build(method, config, name):
    return method(config, *setting(name))


def acted(algorithm, learner, whole=False):
    """A random trajectory whose actions and log_probs are the learner's own; boundaries of every kind."""
    rng = np.random.default_rng(3)
    obs = rng.normal(size=(T + 1, B, 3)).astype(np.float32)
    reward = rng.normal(size=(T, B)).astype(np.float32) + 1
    discount, mask = np.ones((T, B), np.float32), np.ones((T, B), np.float32)
    discount[4, 0] = 0.0  # a termination, and its void row
    mask[5, 0] = mask[8, 1] = 0.0  # a truncation in column 1
    mask[0, 2] = 0.0 if not whole else 1.0  # an episode that the last rollout saw end
    if whole:
        mask[6:, 0] = mask[9:, 1] = 0.0
    memory = algorithm.policy.memory(B)
    first, actions, log_probs = memory, [], []
    act = jax.jit(algorithm.act)
    for t in range(T):
        said = act(learner, memory, obs[t], jax.random.key(t))
        fresh = algorithm.policy.memory(B)
        void = (mask[t] == 0)[:, None]
        memory = jax.tree.map(lambda a, b, void=void: jnp.where(void, a, b), fresh, said.memory)
        actions.append(said.action)
        log_probs.append(said.log_prob)
    rows = Trajectory(obs, jnp.stack(actions), jnp.stack(log_probs), reward * mask, discount, mask, first)
    return jax.tree.map(jnp.asarray, rows)


def learnt(algorithm, learner, data):
    """The learner after one update, with all that methods have in common."""
    return jax.jit(functools.partial(learn, algorithm))(learner, data, jax.random.key(9))[0]


def updated(algorithm, learner, data):
    return learnt(algorithm, learner, data).params


def start(algorithm):
    """A learner whose policy head is no longer nearly zero, so that gradients are not either."""
    learner = algorithm.init(jax.random.key(0))
    noise = jax.random.normal(jax.random.key(1), (200,))
    params = jax.tree.map(lambda x: x + 0.3 * noise[: x.size].reshape(x.shape), learner.params)
    return learner._replace(params=params, statistics=init_statistics(example(PLACE), B, True, True))


def step(before, after):
    return jax.tree.map(lambda a, b: np.asarray(b - a), before, after)


def same(a, b, tolerance=2e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=tolerance), a, b)


def moved(a, b):
    assert max(jax.tree.leaves(jax.tree.map(lambda x, y: np.abs(x - y).max(), a, b))) > 5e-4


def actor_part(tree):
    return {name: tree[name] for name in ("actor", "pi", "log_std") if name in tree}


@pytest.mark.parametrize(
    ("name", "optimizer", "clip_range"),
    [
        *((name, "sgd", 1e6) for name in ACTIONS),
        ("discrete", "rmsprop", 1e6),
        ("discrete", "adam", 1e6),
        ("discrete", "sgd", 0.2),  # where π = π_old the clip has no say
    ],
)
def test_ppo_with_one_pass_and_one_minibatch_is_a2c(name, optimizer, clip_range):
    shared = COMMON | {"n_steps": T, "gae_lambda": 0.8, "ent_coef": 0.03, "vf_coef": 0.7, "optimizer": optimizer}
    shared |= {"normalize_advantage": False, "learning_rate": 0.5 if optimizer == "sgd" else 1e-3}
    parent = build(a2c, A2C(**shared), name)
    child = build(ppo, PPO(**shared, batch_size=T * B, n_epochs=1, clip_range=clip_range), name)
    first, second = start(parent), start(child)
    data = acted(parent, first)
    a, b = updated(parent, first, data), updated(child, second, data)
    same(a, b)
    moved(a, first.params)


@pytest.mark.parametrize("change", [{"n_epochs": 2}, {"batch_size": T}, {"normalize_advantage": True}])
def test_ppo_with_more_than_that_is_not(change):
    shared = COMMON | {"n_steps": T, "gae_lambda": 0.8, "normalize_advantage": False}
    parent = build(a2c, A2C(**shared), "discrete")
    settings = PPO(**shared, batch_size=T * B, n_epochs=1, clip_range=1e6)
    child = build(ppo, dataclasses.replace(settings, **change), "discrete")
    data = acted(parent, start(parent))
    moved(updated(parent, start(parent), data), updated(child, start(child), data))


@pytest.mark.parametrize("name", ["discrete", "box", "squashed", "multi-discrete"])
def test_actor_critic_without_a_value_is_reinforce_on_discounted_rewards(name):
    child = build(actor_critic, ActorCritic(**COMMON, vf_learning_rate=0.1), name)
    parent = build(reinforce, Reinforce(**COMMON, rung="discounted"), name)

    def mute(learner):
        silent = jax.tree.map(jnp.zeros_like, learner.params["value"])
        return learner._replace(params={**learner.params, "value": silent})

    first, second = mute(start(child)), mute(start(parent))
    data = acted(child, first, whole=True)
    a, b = updated(child, first, data), updated(parent, second, data)
    same(actor_part(a), actor_part(b))
    moved(actor_part(a), actor_part(first.params))


@pytest.mark.parametrize("name", ["discrete", "box"])
def test_actor_critic_is_reinforce_with_a_learned_baseline(name):
    """The critic's step alone differs: a mean over trajectories, not over decisions, of the same error."""
    settings = COMMON | {"max_grad_norm": np.inf, "vf_learning_rate": 0.25}
    child, parent = build(actor_critic, ActorCritic(**settings), name), build(reinforce, Reinforce(**settings), name)
    first, second = start(child), start(parent)
    data = acted(child, first, whole=True)
    a, b = step(first.params, updated(child, first, data)), step(second.params, updated(parent, second, data))
    same(actor_part(a), actor_part(b))
    decisions = float(data.mask.sum()) / B
    for part in ("critic", "value"):
        same(a[part], jax.tree.map(lambda x: x * decisions, b[part]), 2e-5)
    moved(a, jax.tree.map(np.zeros_like, a))


def test_a2c_with_lambda_one_is_actor_critic_by_the_decision():
    """On whole episodes: the actor's step per decision instead of per trajectory, the critic's times c_v."""
    settings = COMMON | {"max_grad_norm": np.inf}
    child = build(a2c, A2C(**settings, n_steps=T, gae_lambda=1.0, vf_coef=0.5), "discrete")
    parent = build(actor_critic, ActorCritic(**settings, vf_learning_rate=0.5), "discrete")
    first, second = start(child), start(parent)
    data = acted(child, first, whole=True)
    a, b = step(first.params, updated(child, first, data)), step(second.params, updated(parent, second, data))
    decisions = float(data.mask.sum()) / B
    same(jax.tree.map(lambda x: x * decisions, actor_part(a)), actor_part(b), 2e-5)
    for part in ("critic", "value"):
        same(jax.tree.map(lambda x: x * decisions / 0.5, a[part]), b[part], 2e-5)
    moved(b, jax.tree.map(np.zeros_like, b))


@pytest.mark.parametrize("name", ["box", "recurrent"])
def test_what_stands_in_void_rows_changes_no_update(name):
    for method, config in (
        (reinforce, Reinforce(**COMMON)),
        (actor_critic, ActorCritic(**COMMON)),
        (a2c, A2C(**COMMON, n_steps=T, gae_lambda=0.8)),
        (ppo, PPO(**COMMON, n_steps=T, batch_size=2 * T, n_epochs=2)),
    ):
        algorithm = build(method, config, name)
        learner = start(algorithm)
        data = acted(algorithm, learner, whole=algorithm.whole_episodes)
        void = data.mask == 0
        spoilt = data._replace(
            action=jnp.where(void.reshape(T, B, *[1] * (data.action.ndim - 2)), data.action[-1, -1], data.action),
            log_prob=jnp.where(void, -3.0, data.log_prob),
            reward=jnp.where(void, 77.0, data.reward),
            discount=jnp.where(void, 0.0, data.discount),
        )
        ours, theirs = learnt(algorithm, learner, data), learnt(algorithm, learner, spoilt)
        same((ours.params, ours.statistics), (theirs.params, theirs.statistics))


@pytest.mark.parametrize(("method", "config"), [(reinforce, Reinforce), (actor_critic, ActorCritic)])
def test_a_trajectory_of_whole_episodes_carries_no_return_over_from_the_one_before(method, config):
    """Each starts from a reset, so the same rewards twice have the deviation that they have once."""
    algorithm = build(method, config(**COMMON), "discrete")
    learner = start(algorithm)
    data = acted(algorithm, learner, whole=True)  # two of its columns are cut in mid-episode
    once = learnt(algorithm, learner, data)
    twice = learnt(algorithm, once, data)
    np.testing.assert_allclose(twice.statistics.reward.std, once.statistics.reward.std, rtol=1e-5)


def tabular(theta, value):
    """A softmax table as a ``Policy``, with a value table beside it."""

    def init(key):
        return {"theta": jnp.asarray(theta), "value": jnp.asarray(value)}

    def apply(params, memory, obs):
        return memory, Output(Categorical(params["theta"][obs]), params["value"][obs])

    return Policy(init, lambda batch: (), apply)


EXACT = ControlSettings(n_envs=1, learning_rate=1.0, gamma=1.0, optimizer="sgd")
UNBIASED = [
    (reinforce, Reinforce, {"rung": "total-reward", "gamma": 0.5}),  # these two rungs know no γ
    (reinforce, Reinforce, {"rung": "reward-to-go", "gamma": 0.5}),
    (reinforce, Reinforce, {"rung": "moving-average"}),
    (reinforce, Reinforce, {"rung": "leave-one-out"}),
    (reinforce, Reinforce, {"rung": "value"}),
    (actor_critic, ActorCritic, {}),
]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("world", [termination, truncation, continuing])
@pytest.mark.parametrize(("method", "config", "more"), UNBIASED, ids=lambda x: str(x) if isinstance(x, dict) else "")
def test_the_expected_update_of_a_method_is_the_exact_gradient(method, config, more, world):
    """E[θ' - θ] = α ∇J over all trajectories; V, right or wrong, changes it only where it stands beyond the cut."""
    mdp = world()
    rng = np.random.default_rng(11)
    theta, value = rng.normal(size=mdp.reward.shape[:2]), rng.normal(size=len(mdp.start))
    states, moves = theta.shape
    spec = EnvSpec("Table-v0", spaces.Discrete(states), spaces.Discrete(moves), max_episode_steps=mdp.horizon)
    settings = config(**{**dataclasses.asdict(EXACT), **more})
    algorithm = method(settings, tabular(theta, value), spec, example(spec.observation_space))
    learner = algorithm.init(jax.random.key(0))
    if more.get("rung") == "moving-average":
        learner = learner._replace(extra={"sum": jnp.asarray(35.0), "count": jnp.asarray(10.0)})
    p, data = trajectory([[e] for e in episodes(mdp, softmax(theta))], softmax(theta), mdp.horizon)

    def change(column):
        alone = jax.tree.map(lambda x: x[:, None], column)
        return algorithm.update(learner, alone, jax.random.key(0))[0].params["theta"] - theta

    columns = jax.tree.map(lambda x: jnp.moveaxis(jnp.asarray(x), 1, 0), data)
    expected = np.einsum("b,bij->ij", p, jax.jit(jax.vmap(change))(columns))
    beyond = value if method is actor_critic or more["rung"] == "value" else None
    exact = gradient(mdp, theta, 1.0, beyond)
    np.testing.assert_allclose(expected, exact, rtol=0, atol=1e-9)
    uphill = objective(mdp, theta + 1e-3 * expected, 1.0, beyond)
    assert uphill > objective(mdp, theta, 1.0, beyond)
