"""What moves what in the recurrent attention model: each blocked gradient, and each that must flow."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from small import quick_compilation

from logpi.ops.collectives import DATA
from logpi.ram import learning, network, ram
from logpi.ram.learning import ImageTask
from logpi.ram.methods.ram import RAM
from logpi.ram.methods.ram import ram as ram_method
from logpi.ram.retina import corner_of, glimpse, integral, location_of
from logpi.ram.scenes import Scene
from logpi.ram.settings import RamNetwork

NET = RamNetwork(patch=4, scales=2, sensor_size=8, glimpse_size=12, core_size=16, location_size=8, baseline_size=6)
CONFIG = RAM(n_glimpses=4)
CLASSES = 3
IMAGES = jnp.floor(jax.random.uniform(jax.random.key(0), (32, 14, 14, 1)) * 256)
LABEL = jnp.arange(32) % CLASSES
EYE = ram.eye_before(NET, IMAGES, 4)
KEY = jax.random.key(7)
STD = jnp.float32(0.2)
KEYS = jax.random.split(jax.random.key(11), 1000)
LOSSES = {
    "class": "train/classification_loss",
    "early": "train/early_classification_loss",
    "place": "train/policy_gradient_loss",
    "b": "train/value_loss",
}
PAPER = dataclasses.replace(CONFIG, advantage_estimator="return", glimpse_coef=0.0)


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
        return {which: metrics[name] for which, name in LOSSES.items() if name in metrics}

    return jax.jit(jax.jacrev(terms))(params)


def gradient(which, params=PARAMS, config=CONFIG, net=NET):
    return gradients(params, config, net)[which]


def largest(tree):
    return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize("core", ["rectifier", "lstm"])
@pytest.mark.parametrize("credit", ["antithetic", "return"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_each_term_moves_its_own_part_only(core, credit, share):
    net = dataclasses.replace(NET, core=core)
    config = dataclasses.replace(CONFIG, advantage_estimator=credit, core_grad_scale=share)
    params = params_of(net)
    moved = {
        which: {part for part, tree in parts.items() if largest(tree) > 0}
        for which, parts in gradients(params, config, net).items()
    }
    read = {"glimpse", "core"}
    wanted = {
        "class": read | {"action"},
        "early": read | {"action"},
        "place": {"location"} | (read if share else set()),
        "b": {"baseline"},
    }
    if credit == "antithetic":
        del wanted["b"]  # it needs none
    assert moved == wanted


def test_a_share_of_the_places_gradient_goes_on_into_the_core():
    whole, half = (gradient("place", config=dataclasses.replace(CONFIG, core_grad_scale=x)) for x in (1.0, 0.5))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-7)
    jax.tree.map(close, half["location"], whole["location"])
    # what reaches h_t is halved at every h_t; it then goes back in time undiminished
    jax.tree.map(close, half["core"], jax.tree.map(lambda x: x / 2, whole["core"]))


@pytest.mark.parametrize("credit", ["antithetic", "return"])
@pytest.mark.parametrize("glimpse_coef", [0.0, 0.3])
def test_the_loss_is_the_sum_of_its_terms(glimpse_coef, credit):
    config = dataclasses.replace(CONFIG, glimpse_coef=glimpse_coef, advantage_estimator=credit)
    loss, metrics = ram.hybrid_loss(PARAMS, config, NET, IMAGES, LABEL, KEY, STD)
    weights = {"class": 1, "early": glimpse_coef, "place": 1, "b": 1}
    terms = [weights[k] * metrics[name] for k, name in LOSSES.items() if name in metrics]
    np.testing.assert_allclose(loss, sum(terms), rtol=1e-6)
    assert len(terms) == 2 + (credit == "return") + (glimpse_coef > 0)


@pytest.mark.parametrize("credit", ["antithetic", "return"])
def test_devices_hold_shares_of_one_loss(credit):
    """What two devices add up is the mean over both halves of the batch."""
    config = dataclasses.replace(CONFIG, advantage_estimator=credit)

    def half(i):
        of = slice(16 * i, 16 * i + 16)
        return ram.hybrid_loss(PARAMS, config, NET, IMAGES[of], LABEL[of], KEY, STD)[0]

    halves = (IMAGES.reshape(2, 16, *IMAGES.shape[1:]), LABEL.reshape(2, 16))
    shares = jax.vmap(lambda x, y: ram.hybrid_loss(PARAMS, config, NET, x, y, KEY, STD)[0], axis_name=DATA)(*halves)
    np.testing.assert_allclose(shares.sum(), (half(0) + half(1)) / 2, rtol=1e-5)


def rewards(config, core):
    """Of each image, from h [B, H]."""
    every = jax.nn.log_softmax(network.action_network(PARAMS["action"], core))
    known = every[jnp.arange(32), LABEL]
    of_kind = {
        "log-probability": jnp.maximum(known, ram.WORST),
        "probability": jnp.exp(known),
        "correct": (every.argmax(-1) == LABEL) * 1.0,
    }
    return of_kind[config.reward]


def paper_weights(config, glances, noise, std):
    """Σ λ^k δ_{t+k}, δ_t = b_{t+1} - b_t, the last R - b_{T-1}; R - b_t where λ is 1."""
    b = [network.baseline(PARAMS["baseline"], glances.core[t], LABEL) for t in range(config.n_glimpses - 1)]
    after = [*b[1:], rewards(config, glances.core[-1])]
    weights, later = [], 0.0
    for now, then in zip(reversed(b), reversed(after), strict=True):
        later = then - now + config.gae_lambda * later
        weights.append(later)
    return jnp.stack(weights[::-1])


@jax.jit
def at_the_mirror(image, core, noise, std):
    """h of one image after a glimpse whose noise has the other sign, and whether that lay outside the image."""
    place = network.location_network(PARAMS["location"], core) - std * noise
    corner = corner_of(jnp.clip(place, -1, 1)[None], (14, 14), NET.patch)
    patches = glimpse(integral(image[None]), corner, NET.patch, NET.scales).reshape(1, -1) / 255
    seen = network.glimpse_network(PARAMS["glimpse"], NET, patches, location_of(corner, (14, 14), NET.patch))
    return network.core_network(PARAMS["core"], NET, core[None], seen)[1][0], (jnp.abs(place) > 1).any()


def mirror_weights(config, glances, noise, std):
    """Half of what the next glimpse gains over the mirrored one, image by image."""
    weights, outside = [], []
    for t in range(config.n_glimpses - 1):
        found = [at_the_mirror(IMAGES[i], glances.core[t, i], noise[t, i], std) for i in range(32)]
        other = jnp.stack([h for h, _ in found])
        outside += [bool(out) for _, out in found]
        weights.append((rewards(config, glances.core[t + 1]) - rewards(config, other)) / 2)
    assert std < 1 or np.mean(outside) > 0.3, "the retina clips many of the mirrored places"
    return jnp.stack(weights)


CREDITS = [
    ({"advantage_estimator": "return"}, paper_weights, STD),
    ({"advantage_estimator": "return", "gae_lambda": 0.5, "normalize_advantage": True}, paper_weights, STD),
    ({"advantage_estimator": "return", "reward": "correct"}, paper_weights, STD),
    ({"advantage_estimator": "antithetic"}, mirror_weights, STD),
    ({"advantage_estimator": "antithetic", "normalize_advantage": True, "reward": "probability"}, mirror_weights, STD),
    ({"advantage_estimator": "antithetic"}, mirror_weights, jnp.float32(1.5)),
]


@pytest.mark.parametrize(("settings", "weights", "std"), CREDITS, ids=lambda x: str(x) if isinstance(x, dict) else "")
def test_the_places_gradient_is_reinforce_by_definition(settings, weights, std):
    """-mean A ∇ log π(l_{t+1} | h_t), through h_t too, of places that stay what they were."""
    config = dataclasses.replace(CONFIG, **settings)
    glances = ram.glance(PARAMS, config, NET, EYE, KEY, std)
    noise = jax.random.normal(jax.random.split(KEY)[1], (3, 32, 2))
    weight = weights(config, glances, noise, std)
    if config.normalize_advantage:
        weight = (weight - weight.mean()) / weight.std()
    sums = integral(IMAGES)

    def of_places(params):
        memory, total = network.first_memory(NET, 32), 0.0
        for t in range(3):
            patches = glimpse(sums, glances.corner[t], NET.patch, NET.scales).reshape(32, -1) / 255
            where = location_of(glances.corner[t], (14, 14), NET.patch)
            seen = network.glimpse_network(params["glimpse"], NET, patches, where)
            memory, h = network.core_network(params["core"], NET, memory, seen)
            mean = network.location_network(params["location"], h)
            total += (weight[t] * -0.5 * jnp.square((glances.drawn[t] - mean) / std).sum(-1)).sum()
        return -total / (3 * 32)

    wanted = jax.jit(jax.grad(of_places))(PARAMS)
    loss = lambda p: ram.hybrid_loss(p, config, NET, IMAGES, LABEL, KEY, std)[1][LOSSES["place"]]  # noqa: E731
    found = jax.jit(jax.grad(loss))(PARAMS)
    assert min(largest(wanted[part]) for part in ("glimpse", "core", "location")) > 1e-4
    for part in ("glimpse", "core", "location"):
        close = functools.partial(np.testing.assert_allclose, rtol=2e-3, atol=2e-6)
        jax.tree.map(close, found[part], wanted[part])


def test_the_mirrored_glimpse_of_an_lstm_begins_from_both_its_memories():
    net = dataclasses.replace(NET, core="lstm")
    params = params_of(net)
    glances = ram.glance(params, CONFIG, net, EYE, KEY, STD)
    # where the noise is turned, the mirror is the place that was drawn
    turned = glances._replace(drawn=2 * glances.mean - glances.drawn)
    np.testing.assert_allclose(ram.mirrored(params, net, EYE, turned), glances.core[1:], rtol=1e-5, atol=1e-6)
    assert not np.allclose(ram.mirrored(params, net, EYE, glances), glances.core[1:], atol=1e-3)


def test_among_many_classes_a_fresh_agent_is_not_beyond_the_lowest_reward():
    assert ram.worst(10) == ram.WORST
    assert ram.worst(100) < -np.log(100)


def test_the_mirror_has_reinforces_expectation_and_less_variance():
    """With two glimpses the one place's reward is the last: both credits estimate one gradient, the core's too.

    One image, the first glimpse in its middle, and a baseline that knows the mean reward: nothing but the place makes
    a difference, so that a thousand gradients tell one expectation from its double.
    """
    images, label = jnp.repeat(IMAGES[:1], 32, 0), jnp.zeros(32, jnp.int32)
    common = dataclasses.replace(CONFIG, n_glimpses=2, init_location_range=0.0)
    core = ram.glance(PARAMS, common, NET, ram.eye_before(NET, images, 2), KEY, STD).core[-1]
    log_likelihood = jax.nn.log_softmax(network.action_network(PARAMS["action"], core))
    params = PARAMS | {"baseline": jax.tree.map(jnp.zeros_like, PARAMS["baseline"])}
    params["baseline"]["value"]["b"] += ram.reward_of(common.reward, log_likelihood, label).mean()

    def samples(credit):
        config = dataclasses.replace(common, advantage_estimator=credit)

        def one(key):
            loss = lambda p: ram.hybrid_loss(p, config, NET, images, label, key, STD)[1][LOSSES["place"]]  # noqa: E731
            moved = jax.grad(loss)(params)
            return ravel_pytree([moved["location"], moved["core"]])[0]

        return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=50))(KEYS))

    mirror, reinforce = samples("antithetic"), samples("return")

    def apart(times):
        """Along the gradient, in standard errors."""
        a, b = times * mirror @ mirror.mean(0), reinforce @ mirror.mean(0)
        return abs(a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / len(KEYS))

    assert apart(1) < 4
    assert apart(2) > 20
    assert mirror.var(0).sum() < 0.8 * reinforce.var(0).sum()


@pytest.mark.parametrize("credit", ["antithetic", "return"])
@pytest.mark.parametrize("where", ["random", "grid", "centre"])
def test_places_that_are_given_are_not_learnt(credit, where):
    config = dataclasses.replace(CONFIG, advantage_estimator=credit, location_policy=where)
    found = gradients(PARAMS, config)
    assert set(found) == {"class", "early"}
    assert max(largest(term["location"]) for term in found.values()) == 0
    assert largest(found["class"]["core"]) > 0


@pytest.mark.parametrize("credit", ["antithetic", "return"])
def test_one_glimpse_has_nothing_to_choose(credit):
    config = dataclasses.replace(CONFIG, advantage_estimator=credit, n_glimpses=1)
    loss, metrics = ram.hybrid_loss(PARAMS, config, NET, IMAGES, LABEL, KEY, STD)
    assert LOSSES["place"] not in metrics
    assert loss == metrics[LOSSES["class"]]


def test_the_copies_of_an_image_are_looked_at_at_places_of_their_own(monkeypatch):
    seen = {}

    def loss(params, config, net, images, label, key, std):
        places = ram.glance(params, config, net, ram.eye_before(net, images, 4), key, std).corner
        jax.debug.callback(
            lambda *x: seen.update(zip(("images", "label", "places"), x, strict=True)), images, label, places
        )
        return real(params, config, net, images, label, key, std)

    real = ram.hybrid_loss
    monkeypatch.setattr(ram, "hybrid_loss", loss)
    config = dataclasses.replace(CONFIG, mc_samples=3, batch_size=8)
    method = ram_method(config, NET, ImageTask((14, 14, 1), Scene(20, 20), CLASSES))
    data = IMAGES.astype(jnp.uint8)
    learner, _ = jax.jit(method.update)(method.init(KEY), data, LABEL, jnp.arange(8) + 3, KEY)
    jax.effects_barrier()
    assert learner.timesteps == 8 * 4, "an image counts once"
    assert seen["images"].shape == (24, 20, 20, 1)
    assert seen["label"].tolist() == np.repeat(LABEL[3:11], 3).tolist()
    for i in range(8):
        copies = seen["images"][3 * i : 3 * i + 3]
        assert (copies == copies[:1]).all(), "one scene"
        assert len(np.unique(seen["places"][:, 3 * i : 3 * i + 3].reshape(-1, 2), axis=0)) > 4, "several places"


@pytest.mark.parametrize("name", ["rotation", "scaling", "shear", "shift", None])
def test_images_are_changed_unless_all_changes_have_size_0(name, monkeypatch):
    called = []
    monkeypatch.setattr(learning, "augment", lambda key, images, how: called.append(how) or images)
    still = dict.fromkeys(("rotation", "scaling", "shear", "shift"), 0.0)
    config = dataclasses.replace(CONFIG, batch_size=8, **(still | ({name: 0.1} if name else {})))
    method = ram_method(config, NET, ImageTask((14, 14, 1), Scene(14, 14), CLASSES))
    data = IMAGES.astype(jnp.uint8)
    jax.eval_shape(method.update, method.init(KEY), data, LABEL, jnp.arange(8), KEY)
    assert len(called) == (name is not None)


def test_the_location_network_may_learn_at_a_rate_of_its_own():
    def moved(rate):
        config = dataclasses.replace(CONFIG, batch_size=8, warmup=0.0, location_lr_scale=rate)
        method = ram_method(config, NET, ImageTask((14, 14, 1), Scene(14, 14), CLASSES))
        before = method.init(KEY)
        after, _ = jax.jit(method.update)(before, IMAGES.astype(jnp.uint8), LABEL, jnp.arange(8), KEY)
        return jax.tree.map(lambda x, y: y - x, before.params, after.params)

    whole, slow = moved(1.0), moved(0.25)
    close = functools.partial(np.testing.assert_allclose, rtol=2e-2, atol=1e-6)
    jax.tree.map(lambda x, y: close(x, y / 4), slow["location"], whole["location"])
    jax.tree.map(close, slow["core"], whole["core"])
    assert largest(whole["location"]) > 1e-4


@pytest.mark.parametrize(
    ("seen", "std", "rate", "pieces"),
    [
        (0, 0.3, 0.01 * 0.1, 0.0),  # the first of ten updates of the warm-up; no clutter yet
        (250, 0.25, 0.01 * 0.5 * (1 + np.cos(np.pi / 4)), 2.0),  # half of the way to all four pieces
        (500, 0.2, 0.01 * 0.5, 8.0),  # more than there are: all
        (1000, 0.1, 0.0, 8.0),
        (1500, 0.1, 0.0, 8.0),
    ],
)
def test_schedules(seen, std, rate, pieces, monkeypatch):
    config = RAM(n_glimpses=2, total_images=1000, batch_size=10, warmup=100.0, learning_rate=0.01, curriculum=0.5)
    config = dataclasses.replace(config, std_start=0.3, std_end=0.1)

    def loss(params, config, net, scenes, label, key, std):
        told = {"std": std, "pieces": scenes.mean(), "train/accuracy": jnp.zeros(())}
        return sum(x.sum() for x in jax.tree.leaves(params)), told

    monkeypatch.setattr(ram, "hybrid_loss", loss)
    monkeypatch.setattr(
        learning, "compose", lambda key, images, clutter, scene, pieces: jnp.full((10, 8, 8, 1), pieces)
    )
    method = ram_method(config, NET, ImageTask((8, 8, 1), Scene(8, 8, num_distractors=4), CLASSES))
    learner = method.init(KEY)._replace(timesteps=jnp.int32(seen * 2))
    images = jnp.zeros((10, 8, 8, 1), jnp.uint8)
    after, told = method.update(learner, images, jnp.zeros(10, jnp.int32), jnp.arange(10), KEY)
    found = [told[name] for name in ("std", "train/learning_rate", "pieces")]
    np.testing.assert_allclose(found, [std, rate, pieces], rtol=1e-5, atol=1e-8)
    assert int(after.timesteps) == (seen + 10) * 2
    keep = (1 + seen / 10) / (10 + seen / 10)
    average = keep * learner.extra["action"]["w"] + (1 - keep) * after.params["action"]["w"]
    np.testing.assert_allclose(after.extra["action"]["w"], average, rtol=1e-5, atol=1e-7)


def test_seeds_may_be_vectorized():
    """As on a GPU; on CPUs the seeds of one program take turns."""
    method = ram_method(CONFIG, NET, ImageTask((14, 14, 1), Scene(14, 14), CLASSES))
    keys, images = jax.random.split(KEY, 2), IMAGES.astype(jnp.uint8)
    learners = jax.vmap(method.init)(keys)
    update = lambda learner, key: method.update(learner, images, LABEL, jnp.arange(32), key)[0].params  # noqa: E731
    together = jax.jit(jax.vmap(update))(learners, keys)
    alone = jax.jit(lambda *x: jax.lax.map(lambda y: update(*y), x))(learners, keys)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), together, alone)


def test_more_glimpses_than_the_settings_say():
    longer = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, 0.0, n_glimpses=6)
    assert longer.corner.shape == (6, 32, 2)
    shorter = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, 0.0)
    assert jnp.array_equal(longer.corner[:4], shorter.corner), "at the mean places, the first ones are the same"


def test_no_place_is_drawn_after_the_last_glimpse(monkeypatch):
    """The location network is asked after the glimpses before it only; the gradient by hand above has as many terms."""
    asked, real = [], network.location_network
    monkeypatch.setattr(network, "location_network", lambda params, h: asked.append(h) or real(params, h))
    with jax.disable_jit():
        glances = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, STD)
    assert jnp.array_equal(jnp.stack(asked), glances.core[:-1])
    assert {len(x) for x in (glances.mean, glances.drawn, glances.log_prob, glances.memory)} == {3}


def test_the_density_is_of_the_place_as_drawn_though_the_retina_clips_it():
    far = jnp.float32(5.0)  # nearly every place falls outside
    glances = ram.glance(PARAMS, CONFIG, NET, EYE, KEY, far)
    at_edge = (glances.corner == -2) | (glances.corner == 12)
    assert at_edge[1:].mean() > 0.7, "places are clipped to the image"
    noise = jax.random.normal(jax.random.split(KEY)[1], (3, 32, 2))
    wanted = (-0.5 * jnp.square(noise) - jnp.log(far) - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)
    np.testing.assert_allclose(glances.log_prob, wanted, rtol=1e-4)


@pytest.mark.parametrize("credit", ["antithetic", "return"])
def test_without_reward_the_classifiers_gradient_remains(credit, monkeypatch):
    """The theme's claim: where the reward is always what the baseline says, RAM is a classifier and nothing else."""
    monkeypatch.setattr(ram, "reward_of", lambda kind, log_likelihood, label: 0 * log_likelihood[..., 0])
    known = PARAMS | {"baseline": jax.tree.map(jnp.zeros_like, PARAMS["baseline"])}
    config = dataclasses.replace(PAPER, advantage_estimator=credit)

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
        config = dataclasses.replace(CONFIG, location_policy=where)
        return ram.glance(PARAMS, config, NET, EYE, jax.random.key(seed), STD).corner

    assert jnp.all(corners("centre") == 5)
    grid = corners("grid")
    assert jnp.all(grid == grid[:, :1]), "whatever the image"
    assert np.asarray(grid[:, 0]).tolist() == [[2, 2], [2, 8], [8, 2], [8, 8]]
    for steps, rows in ((3, [2, 1]), (7, [2, 3, 2]), (8, [3, 2, 3]), (9, [3, 3, 3])):
        places = np.asarray(ram.lattice(steps))
        assert np.unique(places[:, 0], return_counts=True)[1].tolist() == rows
        np.testing.assert_allclose(places.mean(0), [1 / 9 * -1.5 if steps == 3 else 0, 0], atol=1e-6)
    random = corners("random")
    assert len(np.unique(np.asarray(random).reshape(-1, 2), axis=0)) > 60
    assert not jnp.array_equal(random, corners("random", 1))


def test_the_first_place_is_within_its_bounds_and_the_mean_is_looked_at_without_noise():
    config = dataclasses.replace(CONFIG, init_location_range=0.0)
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
