"""What moves what in the recurrent attention model: each blocked gradient, and each that must flow."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from small import quick_compilation

from logpi.config import RAM, Glimpsing
from logpi.glimpse import network, ram
from logpi.glimpse.methods import Task, make_method
from logpi.glimpse.retina import corner_of, glimpse, integral, location_of
from logpi.glimpse.scenes import Scene

NET = Glimpsing(patch=4, scales=2, sensor_size=8, glimpse_size=12, core_size=16, location_size=8, baseline_size=6)
CONFIG = RAM(n_glimpses=4)
CLASSES = 3
IMAGES = jnp.floor(jax.random.uniform(jax.random.key(0), (32, 14, 14, 1)) * 256)
LABEL = jnp.arange(32) % CLASSES
EYE = ram.eye(NET, IMAGES, 4)
KEY = jax.random.key(7)
STD = jnp.float32(0.2)
KEYS = jax.random.split(jax.random.key(11), 2000)
LOSSES = {
    "class": "train/classification_loss",
    "early": "train/early_classification_loss",
    "place": "train/policy_gradient_loss",
    "b": "train/value_loss",
}
PAPER = dataclasses.replace(CONFIG, credit="return", glimpse_coef=0.0)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def params_of(net=NET):
    params = network.init(jax.random.key(1), net, net.scales * net.patch**2, CLASSES)
    return jax.tree.map(lambda x: x + 0.05 * jax.random.normal(jax.random.key(x.size), x.shape), params)


PARAMS = params_of()


def gradients(params, config=CONFIG, net=NET):
    """Of each term of the loss, by part."""

    def terms(p):
        metrics = ram.hybrid_loss(p, config, net, IMAGES, LABEL, KEY, STD)[1]
        return {which: metrics[name] for which, name in LOSSES.items()}

    return jax.jit(jax.jacrev(terms))(params)


def gradient(which, params=PARAMS, config=CONFIG, net=NET):
    return gradients(params, config, net)[which]


def largest(tree):
    return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize("core", ["rectifier", "lstm"])
@pytest.mark.parametrize("credit", ["mirror", "return"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_each_term_moves_its_own_part_only(core, credit, share):
    net = dataclasses.replace(NET, core=core)
    config = dataclasses.replace(CONFIG, credit=credit, core_gradient=share, gae_lambda=0.5)
    params = params_of(net)
    moved = {
        which: {part for part, tree in parts.items() if largest(tree) > 0}
        for which, parts in gradients(params, config, net).items()
    }
    read = {"glimpse", "core"}
    assert moved == {
        "class": read | {"action"},
        "early": read | {"action"},
        "place": {"location"} | (read if share else set()),
        "b": {"baseline"},
    }


def test_a_share_of_the_places_gradient_goes_on_into_the_core():
    whole, half = (gradient("place", config=dataclasses.replace(CONFIG, core_gradient=x)) for x in (1.0, 0.5))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-7)
    jax.tree.map(close, half["location"], whole["location"])
    # what reaches h_t is halved at every h_t; it then goes back in time undiminished
    jax.tree.map(close, half["core"], jax.tree.map(lambda x: x / 2, whole["core"]))


@pytest.mark.parametrize("glimpse_coef", [0.0, 0.3])
def test_the_loss_is_the_sum_of_its_terms(glimpse_coef):
    config = dataclasses.replace(CONFIG, glimpse_coef=glimpse_coef)
    loss, metrics = ram.hybrid_loss(PARAMS, config, NET, IMAGES, LABEL, KEY, STD)
    weights = {"class": 1, "early": glimpse_coef, "place": 1, "b": 1}
    np.testing.assert_allclose(loss, sum(weights[k] * metrics[name] for k, name in LOSSES.items()), rtol=1e-6)


def log_likelihoods(core):
    """Of each image's label, from h [B, H]."""
    return jax.nn.log_softmax(network.action_network(PARAMS["action"], core))[jnp.arange(32), LABEL]


def rewards(config, core):
    known = log_likelihoods(core)
    return jnp.maximum(known, ram.WORST) if config.reward == "log-probability" else jnp.exp(known)


def paper_weights(config, glances, noise):
    """R - b_t."""
    b = [network.baseline(PARAMS["baseline"], glances.core[t], LABEL) for t in range(config.n_glimpses - 1)]
    return rewards(config, glances.core[-1])[None] - jnp.stack(b)


@jax.jit
def at_the_mirror(image, core, noise):
    """h of one image after a glimpse whose noise has the other sign."""
    place = jnp.clip(network.location_network(PARAMS["location"], core) - STD * noise, -1, 1)
    corner = corner_of(place[None], (14, 14), NET.patch)
    patches = glimpse(integral(image[None]), corner, NET.patch, NET.scales).reshape(1, -1) / 255
    seen = network.glimpse_network(PARAMS["glimpse"], NET, patches, location_of(corner, (14, 14), NET.patch))
    return network.core_network(PARAMS["core"], NET, core[None], seen)[1][0]


def mirror_weights(config, glances, noise):
    """Half of what the next glimpse gains over the mirrored one, image by image."""
    weights = []
    for t in range(config.n_glimpses - 1):
        other = jnp.stack([at_the_mirror(IMAGES[i], glances.core[t, i], noise[t, i]) for i in range(32)])
        weights.append((rewards(config, glances.core[t + 1]) - rewards(config, other)) / 2)
    return jnp.stack(weights)


@pytest.mark.parametrize("reward", ["log-probability", "probability"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("credit", "weights"), [("return", paper_weights), ("mirror", mirror_weights)])
def test_the_places_gradient_is_reinforce_by_definition(credit, weights, normalize, reward):
    """Summed place by place."""
    config = dataclasses.replace(CONFIG, credit=credit, normalize_advantage=normalize, reward=reward)
    glances = ram.glance(PARAMS, config, NET, EYE, KEY, STD)
    noise = jax.random.normal(jax.random.split(KEY)[1], (4, 32, 2))
    weight = weights(config, glances, noise)
    if normalize:
        weight = (weight - weight.mean()) / weight.std()

    def of_place(location, t, i):
        mean = network.location_network(location, glances.core[t, i])
        drawn = network.location_network(PARAMS["location"], glances.core[t, i]) + STD * noise[t, i]
        return -weight[t, i] * -0.5 * jnp.square((drawn - mean) / STD).sum() / (3 * 32)

    wanted = jax.tree.map(jnp.zeros_like, PARAMS["location"])
    for t in range(3):
        over = jax.vmap(jax.grad(of_place), (None, None, 0))(PARAMS["location"], t, jnp.arange(32))
        wanted = jax.tree.map(lambda x, y: x + y.sum(0), wanted, over)
    found = gradient("place", config=config)["location"]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=1e-6), found, wanted)


def test_the_mirror_has_reinforces_expectation_and_less_variance():
    """With two glimpses the one place's reward is the last: both credits estimate one gradient, the core's too."""

    def samples(credit):
        config = dataclasses.replace(CONFIG, credit=credit, n_glimpses=2)

        def one(key):
            loss = lambda p: ram.hybrid_loss(p, config, NET, IMAGES, LABEL, key, STD)[1][LOSSES["place"]]  # noqa: E731
            moved = jax.grad(loss)(PARAMS)
            return ravel_pytree([moved["location"], moved["core"]])[0]

        return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=50))(KEYS))

    mirror, reinforce = samples("mirror"), samples("return")
    error = np.sqrt((mirror.var(0) + reinforce.var(0)) / len(KEYS))
    apart = (mirror.mean(0) - reinforce.mean(0))[error > 0] / error[error > 0]
    assert abs(np.square(apart).mean() - 1) < 0.5, "as far apart as their standard errors say"
    assert np.linalg.norm(mirror.mean(0)) > 5 * np.sqrt(mirror.var(0).sum() / len(KEYS)), "and not for being 0"
    assert mirror.var(0).sum() < 0.2 * reinforce.var(0).sum()


@pytest.mark.parametrize("credit", ["mirror", "return"])
@pytest.mark.parametrize("where", ["random", "grid", "centre"])
def test_places_that_are_given_are_not_learnt(credit, where):
    config = dataclasses.replace(CONFIG, credit=credit, where=where)
    found = gradients(PARAMS, config)
    assert largest(found["place"]) == 0
    assert largest(found["class"]["core"]) > 0


@pytest.mark.parametrize("credit", ["mirror", "return"])
def test_one_glimpse_has_nothing_to_choose(credit):
    config = dataclasses.replace(CONFIG, credit=credit, n_glimpses=1)
    loss, metrics = ram.hybrid_loss(PARAMS, config, NET, IMAGES, LABEL, KEY, STD)
    assert metrics[LOSSES["place"]] == 0
    assert loss == metrics[LOSSES["class"]]


def test_the_copies_of_an_image_are_looked_at_at_places_of_their_own(monkeypatch):
    seen = {}

    def loss(params, config, net, images, label, key, std):
        places = ram.glance(params, config, net, ram.eye(net, images, 4), key, std).corner
        jax.debug.callback(
            lambda *x: seen.update(zip(("images", "label", "places"), x, strict=True)), images, label, places
        )
        return real(params, config, net, images, label, key, std)

    real = ram.hybrid_loss
    monkeypatch.setattr(ram, "hybrid_loss", loss)
    config = dataclasses.replace(CONFIG, copies=3, batch_size=8)
    method = make_method(config, NET, Task((14, 14, 1), Scene(20, 20), CLASSES))
    data = IMAGES.astype(jnp.uint8)
    jax.jit(method.update)(method.init(KEY), data, LABEL, jnp.arange(8) + 3, KEY)
    jax.effects_barrier()
    assert seen["images"].shape == (24, 20, 20, 1)
    assert seen["label"].tolist() == np.repeat(LABEL[3:11], 3).tolist()
    for i in range(8):
        copies = seen["images"][3 * i : 3 * i + 3]
        assert (copies == copies[:1]).all(), "one scene"
        assert len(np.unique(seen["places"][:, 3 * i : 3 * i + 3].reshape(-1, 2), axis=0)) > 4, "several places"


def test_more_glimpses_than_the_settings_say():
    longer = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, 0.0, n_glimpses=6)
    assert longer.corner.shape == (6, 32, 2)
    shorter = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, 0.0)
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
    glances = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, far)
    at_edge = (glances.corner == -2) | (glances.corner == 12)
    assert at_edge[1:].mean() > 0.7, "places are clipped to the image"
    noise = jax.random.normal(jax.random.split(KEY)[1], (4, 32, 2))
    wanted = (-0.5 * jnp.square(noise) - jnp.log(far) - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)
    np.testing.assert_allclose(glances.log_prob, wanted, rtol=1e-4)


@pytest.mark.parametrize("credit", ["mirror", "return"])
def test_without_reward_the_classifiers_gradient_remains(credit, monkeypatch):
    """The theme's claim: where the reward is always what the baseline says, RAM is a classifier and nothing else."""
    monkeypatch.setattr(ram, "reward_of", lambda kind, log_likelihood, label: 0 * log_likelihood[..., 0])
    known = PARAMS | {"baseline": jax.tree.map(jnp.zeros_like, PARAMS["baseline"])}
    config = dataclasses.replace(PAPER, credit=credit)

    def supervised(params):
        core = ram.glance(params, CONFIG, NET, EYE, KEY, STD).core[-1]
        return -jax.nn.log_softmax(network.action_network(params["action"], core))[jnp.arange(32), LABEL].mean()

    whole = jax.grad(lambda p: ram.hybrid_loss(p, config, NET, IMAGES, LABEL, KEY, STD)[0])(known)
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
        return ram.glance(PARAMS, config, NET, EYE, jax.random.key(seed), STD).corner

    assert jnp.all(corners("centre") == 5)
    grid = corners("grid")
    assert jnp.all(grid == grid[:, :1]), "whatever the image"
    assert np.asarray(grid[:, 0]).tolist() == [[2, 2], [2, 8], [8, 2], [8, 8]]
    random = corners("random")
    assert len(np.unique(np.asarray(random).reshape(-1, 2), axis=0)) > 60
    assert not jnp.array_equal(random, corners("random", 1))


def test_the_first_place_is_within_its_bounds_and_the_mean_is_looked_at_without_noise():
    config = dataclasses.replace(CONFIG, start=0.0)
    one, two = (ram.glance(PARAMS, config, NET, EYE, jax.random.key(k), 0.0) for k in (0, 1))
    assert jnp.all(one.corner[0] == 5)
    assert jnp.array_equal(one.corner, two.corner), "no noise: the same places whatever the key"


def test_rewards():
    likelihood = jnp.log(jnp.array([[0.9, 0.06, 0.04], [0.599, 0.4, 0.001]]))
    label = jnp.array([0, 2])
    np.testing.assert_allclose(ram.reward_of("probability", likelihood, label), [0.9, 0.001], rtol=1e-5)
    np.testing.assert_allclose(ram.reward_of("correct", likelihood, label), [1, 0])
    np.testing.assert_allclose(ram.reward_of("log-probability", likelihood, label), [np.log(0.9), ram.WORST], 1e-6)
    several = ram.reward_of("probability", jnp.stack([likelihood, likelihood[::-1]]), label)
    np.testing.assert_allclose(several, [[0.9, 0.001], [0.599, 0.04]], rtol=1e-5)
