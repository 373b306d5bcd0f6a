"""What moves what in the recurrent attention model: each blocked gradient, and each that must flow."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.config import RAM, Glimpsing
from logpi.glimpse import network, ram

NET = Glimpsing(patch=4, scales=2, sensor_size=8, glimpse_size=12, core_size=16, location_size=8, baseline_size=6)
CONFIG = RAM(n_glimpses=4)
CLASSES = 3
IMAGES = jnp.floor(jax.random.uniform(jax.random.key(0), (32, 14, 14, 1)) * 256)
LABEL = jnp.arange(32) % CLASSES
KEY = jax.random.key(7)
STD = jnp.float32(0.2)
LOSSES = {"class": "train/classification_loss", "place": "train/policy_gradient_loss", "b": "train/value_loss"}


def params_of(net=NET):
    params = network.init(jax.random.key(1), net, net.scales * net.patch**2, CLASSES)
    return jax.tree.map(lambda x: x + 0.05 * jax.random.normal(jax.random.key(x.size), x.shape), params)


PARAMS = params_of()


def gradient(which, params=PARAMS, config=CONFIG, net=NET):
    """Of one term of the loss, by part: the largest absolute entry."""

    def loss(p):
        return ram.hybrid_loss(p, config, net, IMAGES, LABEL, KEY, STD)[1][LOSSES[which]]

    return jax.jit(jax.grad(loss))(params)


def largest(tree):
    return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize("core", ["rectifier", "lstm"])
@pytest.mark.parametrize("lam", [1.0, 0.5])
def test_each_term_moves_its_own_part_only(core, lam):
    net = dataclasses.replace(NET, core=core)
    config = dataclasses.replace(CONFIG, gae_lambda=lam)
    params = params_of(net)
    moved = {
        which: {part for part, tree in gradient(which, params, config, net).items() if largest(tree) > 0}
        for which in LOSSES
    }
    assert moved == {"class": {"glimpse", "core", "action"}, "place": {"location"}, "b": {"baseline"}}


def test_the_loss_is_the_sum_of_its_terms():
    loss, metrics = ram.hybrid_loss(PARAMS, CONFIG, NET, IMAGES, LABEL, KEY, STD)
    np.testing.assert_allclose(loss, sum(metrics[name] for name in LOSSES.values()), rtol=1e-6)


def by_hand(params, config, std=STD):
    """REINFORCE's gradient of the location network, summed place by place from the definition."""
    glances = ram.glance(params, config, NET, IMAGES, KEY, std)
    logits = network.action_network(params["action"], glances.core[-1])
    reward = jax.nn.log_softmax(logits)[jnp.arange(32), LABEL]
    reward = jnp.maximum(reward, ram.WORST) if config.reward == "log-probability" else jnp.exp(reward)
    noise = jax.random.normal(jax.random.split(KEY)[1], (config.n_glimpses, 32, 2))
    steps = config.n_glimpses - 1
    b = jnp.stack([network.baseline(params["baseline"], glances.core[t], LABEL) for t in range(steps)])
    weight = reward[None] - b
    weight = (weight - weight.mean()) / weight.std()

    def of_place(location, t, i):
        mean = network.location_network(location, glances.core[t, i])
        drawn = network.location_network(params["location"], glances.core[t, i]) + std * noise[t, i]
        return -weight[t, i] * -0.5 * jnp.square((drawn - mean) / std).sum() / (steps * 32)

    total = jax.tree.map(jnp.zeros_like, params["location"])
    for t in range(steps):
        over = jax.vmap(jax.grad(of_place), (None, None, 0))(params["location"], t, jnp.arange(32))
        total = jax.tree.map(lambda x, y: x + y.sum(0), total, over)
    return total


def test_the_places_gradient_is_reinforce_by_definition():
    config = dataclasses.replace(CONFIG, gae_lambda=1.0)
    found = gradient("place", config=config)["location"]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=1e-6), found, by_hand(PARAMS, config))


def test_more_glimpses_than_the_settings_say():
    longer = ram.glance(PARAMS, CONFIG, NET, IMAGES, KEY, 0.0, n_glimpses=6)
    assert longer.corner.shape == (6, 32, 2)
    shorter = ram.glance(PARAMS, CONFIG, NET, IMAGES, KEY, 0.0)
    assert jnp.array_equal(longer.corner[:4], shorter.corner), "at the mean places, the first ones are the same"


def test_the_place_drawn_after_the_last_glimpse_takes_no_part(monkeypatch):
    real = ram.glance

    def with_last(shift):
        """Loss and gradient, where the last draw's log-probability is another function of the location network."""

        def changed(params, *rest):
            glances = real(params, *rest)
            moved = shift * sum(x.sum() for x in jax.tree.leaves(params["location"]))
            return glances._replace(log_prob=glances.log_prob.at[-1].add(moved))

        monkeypatch.setattr(ram, "glance", changed)
        return jax.value_and_grad(lambda p: ram.hybrid_loss(p, CONFIG, NET, IMAGES, LABEL, KEY, STD)[0])(PARAMS)

    jax.tree.map(np.testing.assert_array_equal, with_last(0.0), with_last(100.0))


def test_the_density_is_of_the_place_as_drawn_though_the_retina_clips_it():
    far = jnp.float32(5.0)  # nearly every place falls outside
    glances = ram.glance(PARAMS, CONFIG, NET, IMAGES, KEY, far)
    at_edge = (glances.corner == -2) | (glances.corner == 12)
    assert at_edge[1:].mean() > 0.7, "places are clipped to the image"
    noise = jax.random.normal(jax.random.split(KEY)[1], (4, 32, 2))
    wanted = (-0.5 * jnp.square(noise) - jnp.log(far) - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)
    np.testing.assert_allclose(glances.log_prob, wanted, rtol=1e-4)


def test_without_reward_the_classifiers_gradient_remains(monkeypatch):
    """The theme's claim: where the reward is always what the baseline says, RAM is a classifier and nothing else."""
    monkeypatch.setattr(ram, "reward_of", lambda kind, log_likelihood, correct: jnp.zeros_like(correct))
    known = PARAMS | {"baseline": jax.tree.map(jnp.zeros_like, PARAMS["baseline"])}

    def supervised(params):
        core = ram.glance(params, CONFIG, NET, IMAGES, KEY, STD).core[-1]
        return -jax.nn.log_softmax(network.action_network(params["action"], core))[jnp.arange(32), LABEL].mean()

    whole = jax.grad(lambda p: ram.hybrid_loss(p, CONFIG, NET, IMAGES, LABEL, KEY, STD)[0])(known)
    alone = jax.grad(supervised)(known)
    assert largest(alone["core"]) > 1e-4
    assert largest(whole["location"]) == 0
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), whole, alone)


def test_the_advantage_is_the_paper_s_at_lambda_1_and_one_step_at_0():
    b, reward = jnp.array([[0.1], [0.4], [0.3]]), jnp.array([1.0])
    np.testing.assert_allclose(ram.advantage(b, reward, 1.0)[:, 0], [0.9, 0.6, 0.7], atol=1e-6)
    np.testing.assert_allclose(ram.advantage(b, reward, 0.0)[:, 0], [0.3, -0.1, 0.7], atol=1e-6)


@pytest.mark.parametrize("lam", [1.0, 0.5])
def test_a_baseline_of_the_label_adds_no_bias_at_lambda_1(lam):
    """What b adds to the expected gradient at a place: b_t nothing, but at λ < 1 b_{t+1}, which the place decides."""
    at, noise = jnp.array([0.1, -0.2]), jax.random.normal(jax.random.key(4), (200_000, 2))
    drawn, score = at[None] + STD * noise, noise / STD  # ∇ log π with respect to the mean
    b = jnp.stack([jnp.full(len(drawn), 0.7), 0.3 + drawn[:, 0]])  # [T-1, N]: known before the draw, and after it
    added = (ram.advantage(b, jnp.zeros(len(drawn)), lam)[0][:, None] * score).mean(0)
    tolerance = 5 / STD / len(drawn) ** 0.5
    assert abs(added[1]) < tolerance
    assert abs(added[0] - (1 - lam)) < tolerance, "(1 - λ) times the slope of b along the place"


def test_the_baselines_places():
    def corners(where, seed=0):
        config = dataclasses.replace(CONFIG, where=where)
        return ram.glance(PARAMS, config, NET, IMAGES, jax.random.key(seed), STD).corner

    assert jnp.all(corners("centre") == 5)
    grid = corners("grid")
    assert jnp.all(grid == grid[:, :1]), "whatever the image"
    assert np.asarray(grid[:, 0]).tolist() == [[2, 2], [2, 8], [8, 2], [8, 8]]
    random = corners("random")
    assert len(np.unique(np.asarray(random).reshape(-1, 2), axis=0)) > 60
    assert not jnp.array_equal(random, corners("random", 1))


def test_the_first_place_is_within_its_bounds_and_the_mean_is_looked_at_without_noise():
    config = dataclasses.replace(CONFIG, start=0.0)
    one, two = (ram.glance(PARAMS, config, NET, IMAGES, jax.random.key(k), 0.0) for k in (0, 1))
    assert jnp.all(one.corner[0] == 5)
    assert jnp.array_equal(one.corner, two.corner), "no noise: the same places whatever the key"


def test_rewards():
    log_likelihood, correct = jnp.log(jnp.array([0.9, 0.001])), jnp.array([1.0, 0.0])
    np.testing.assert_allclose(ram.reward_of("probability", log_likelihood, correct), [0.9, 0.001], rtol=1e-5)
    np.testing.assert_allclose(ram.reward_of("correct", log_likelihood, correct), [1, 0])
    np.testing.assert_allclose(
        ram.reward_of("log-probability", log_likelihood, correct), [np.log(0.9), ram.WORST], 1e-6
    )
