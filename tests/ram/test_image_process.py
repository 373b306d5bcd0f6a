"""Learning from images through the driver: it learns, resumes bit for bit, trains seeds together, refuses bad data."""

import dataclasses
import json
import signal
import time

import jax
import numpy as np
import pytest
from PIL import Image
from small import Killed, Watcher, logpi, only_run, outcome, quick_compilation, resume, start

from logpi import api
from logpi.config.experiments import resolve
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.errors import LogpiError
from logpi.ram.agent import load_image_agent, splits
from logpi.ram.data import datasets
from logpi.ram.evaluation import judge, stop_when_sure
from logpi.ram.figures import pictures
from logpi.ram.methods.ram import RAM
from logpi.runs.checkpoint import save_tree
from logpi.tasks import NOTHING, task_of
from logpi.training import session
from logpi.view.glimpses import seen_so_far, squares

RUN = {"video": False, "tensorboard": False, "eval_episodes": 60, "final_episodes": 60, "eval_points": 3}
CONVOLVING = {"kernel": 5, "stride": 3}
GLIMPSING = {"patch": 4, "scales": 2, "sensor_size": 16, "glimpse_size": 16, "core_size": 16, "location_size": 8}
STILL = {"rotation": 0.0, "scaling": 0.0, "shear": 0.0, "shift": 0.0}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def corners(tmp_path_factory):
    """Three classes: in which corner of 12x12 pixels, but the bottom right one, a noisy square is bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(360) % 3
    images = rng.integers(0, 60, (360, 12, 12)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = [(1, 1), (1, 7), (7, 1)][label]
        image[row : row + 4, column : column + 4] += 150
    path = tmp_path_factory.mktemp("data") / "corners.npz"
    np.savez(path, images=images, labels=labels)
    return path


def experiment(data, log_dir, algo="ram", run=None, network=None, **method):
    tables = {
        "run": {**RUN, "log_dir": str(log_dir), **(run or {})},
        "network": {
            **(GLIMPSING if algo == "ram" else CONVOLVING if network != {"net": "fc"} else {}),
            **(network or {}),
        },
        "method": {"data": str(data), "total_images": 800, "n_updates": 5, "batch_size": 20, **STILL, **method},
    }
    if algo == "ram":
        tables["method"] = {"n_glimpses": 3, "warmup": 100.0, **tables["method"]}
    return resolve("ram/own", algo, tables)[0]


def work(chosen):
    return task_of(chosen.env).build(chosen, NOTHING)


@pytest.mark.parametrize(
    ("algo", "options"),
    [
        ("ram", {}),
        ("ram", {"network": {"core": "lstm"}, "location_policy": "random"}),
        ("ram", {"run": {"seeds": 2, "seed": 5}}),
        (
            "ram",
            {"canvas": 20, "num_distractors": 2, "distractor_size": 4, "batch_size": 64, "total_images": 2560},
        ),  # shared by two devices
        ("classifier", {"network": {"net": "conv"}}),
    ],
    ids=["ram", "lstm", "seeds", "shared", "conv"],
)
def test_a_killed_run_resumes_exactly(corners, tmp_path, algo, options):
    watcher = Watcher()
    whole = session.start(experiment(corners, tmp_path / "whole", algo, **options), ["test"], watcher).folder
    assert watcher.rows >= 4
    with pytest.raises(Killed):
        session.start(experiment(corners, tmp_path / "cut", algo, **options), ["test"], Watcher(kill_at=4))
    folder = only_run(tmp_path / "cut")
    assert folder.status == "interrupted"
    again = Watcher()
    resume(folder, again)
    assert 0 < again.rows < watcher.rows
    assert outcome(folder) == outcome(whole)


def test_kill_9_costs_only_what_was_not_saved(corners, tmp_path):
    def flags(log_dir):
        more = ["--quiet", "--no-video", "--no-tensorboard", "--checkpoint-points", 10_000, "--log-dir", log_dir]
        sizes = ["--total-images", 8_000, "--n-updates", 5, "--batch-size", 20, "--n-glimpses", 3]
        return ["train", "ram/own", "--data", corners, *more, *sizes]

    whole = logpi(*flags(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    running = start(*flags(tmp_path / "cut"))
    while not list(tmp_path.glob("cut/*/*/checkpoints/iteration_000000[2-9]*")):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    folder = only_run(tmp_path / "cut")
    assert folder.status == "interrupted"
    done = logpi("resume", folder.path, "--quiet")
    assert done.returncode == 0, done.stderr
    assert outcome(folder) == outcome(only_run(tmp_path / "whole"))


def test_one_seed_learns_the_same_alone_and_beside_others(corners, tmp_path):
    five = session.start(experiment(corners, tmp_path / "a", run={"seeds": 5, "seed": 3}), ["test"], Watcher()).folder
    alone = session.start(experiment(corners, tmp_path / "b", run={"seed": 5}), ["test"], Watcher()).folder
    beside, single = (load_image_agent(folder).params for folder in (five.last / "seed_5", alone.last))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4), beside, single)
    other = load_image_agent(five.last / "seed_4").params
    assert not jax.tree.all(jax.tree.map(np.allclose, other, single))


def test_of_every_class_an_image_is_learnt_from():
    labels = np.repeat(np.arange(20, dtype=np.int32), [1, 1, 2, 2, *[3] * 16])
    images = datasets.Images(
        "few", np.zeros((len(labels), 4, 4, 1), np.uint8), labels, *[None] * 2, tuple(map(str, range(20)))
    )
    every = splits(images, RAM(validation_size=100))
    assert set(every.train.labels) == set(range(20))
    assert len(every.validation.labels) == len(labels) // 6
    both = np.sort(np.concatenate([every.train.labels, every.validation.labels]))
    np.testing.assert_array_equal(both, labels)


def test_the_validation_digits_stay_the_same_ones():
    """NumPy may change its streams: then agents that were trained before would be judged on what they learnt from."""
    count = 60_000
    images = datasets.Images("numbers", np.arange(count), np.zeros(count, np.int32), *[None] * 2, ("0",))
    kept = splits(images, RAM(validation_size=5000)).validation.images
    assert (len(kept), kept[:5].tolist(), kept.sum()) == (5000, [4013, 23840, 29603, 43011, 58703], 149_360_895)


@pytest.mark.parametrize("test_folder", [False, True])
def test_the_first_test_images_of_a_folder_are_of_every_class(tmp_path, test_folder):
    """A folder comes class by class: the sheet of 24 images showed circles alone."""
    count = 0
    for part in ("train", "test") if test_folder else (".",):
        for name in ("circle", "square", "star"):
            (tmp_path / part / name).mkdir(parents=True)
            for _ in range(60):
                count += 1
                level = np.full((4, 4), count % 256, np.uint8)
                Image.fromarray(level).save(tmp_path / part / name / f"{count}.png")
    images = datasets.load(tmp_path)
    first, again = (splits(images, RAM(data=str(tmp_path))).test for _ in range(2))
    assert set(first.labels[:12].tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(first.images, again.images)

    def pairs(pixels, labels):
        return sorted(zip(pixels[:, 0, 0, 0].tolist(), labels.tolist(), strict=True))

    assert pairs(*first) == pairs(images.test_images, images.test_labels)


def test_the_published_test_images_keep_their_order():
    digits = datasets.load("mnist")
    np.testing.assert_array_equal(splits(digits, RAM()).test.labels, digits.test_labels)


def test_dark_images_are_told_of(tmp_path):
    grey, labels = np.arange(60 * 64).reshape(60, 8, 8).astype(np.uint8), np.arange(60) % 3
    for name, images, notes in (("dark", grey % 17, 2), ("light", grey, 1)):
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
        found = work(experiment(tmp_path / f"{name}.npz", tmp_path, batch_size=10)).notes
        assert len(found) == notes
        assert ("the brightest training pixel is 16 of 255" in found[-1]) == (notes == 2)


def test_images_of_nothing_but_the_two_darkest_levels_are_judged_and_shown(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "dark.npz", images=rng.integers(0, 2, (60, 12, 12)).astype(np.uint8), labels=np.arange(60) % 3)
    folder = session.start(experiment(tmp_path / "dark.npz", tmp_path / "runs", batch_size=10), ["test"], Watcher())
    agent = load_image_agent(folder.folder.last)
    assert judge(agent, 5, passes=1).images == 5
    assert set(pictures(agent, tmp_path)) == {"glimpses", "heat map"}


def test_data_that_has_changed_is_noticed(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 8, 8)).astype(np.uint8), np.arange(60) % 3
    path = tmp_path / "some.npz"
    np.savez(path, images=images, labels=labels)
    with pytest.raises(Killed):
        session.start(experiment(path, tmp_path / "runs", batch_size=10), ["test"], Watcher(kill_at=4))
    folder = only_run(tmp_path / "runs")
    np.savez(path, images=images, labels=(labels + 1) % 3)
    with pytest.raises(LogpiError, match=r"some\.npz are not those that this run began with"):
        resume(folder)
    with pytest.raises(LogpiError, match="not those that this agent was trained on"):
        judge(load_image_agent(folder.last), 10)
    np.savez(path, images=images, labels=labels)
    resume(folder)
    assert judge(load_image_agent(folder.last), 5).images == 5


def test_data_is_found_from_any_folder(corners, tmp_path, monkeypatch):
    monkeypatch.chdir(corners.parent)
    chosen = experiment(corners.name, tmp_path / "runs")
    assert chosen.method.data == str(corners)
    assert resolve("ram/own", None, {"method": {"data": "fashion-mnist"}})[0].method.data == "fashion-mnist"
    folder = session.start(chosen, ["test"], Watcher()).folder
    monkeypatch.chdir(tmp_path)
    assert judge(load_image_agent(folder.last), 10).images == 10


@pytest.mark.parametrize("algo", ["ram", "classifier"])
def test_images_may_be_oblong_and_in_colour(tmp_path, algo):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = rng.integers(0, 60, (90, 10, 17, 3)).astype(np.uint8)
    images[np.arange(90), :, :, labels] += 150  # the brightest of the three colours
    np.savez(tmp_path / "colours.npz", images=images, labels=labels)
    more = {
        "total_images": 12_000,
        "n_updates": 40,
        "ema_decay": 0.9,
        "canvas": 20,
        "num_distractors": 1,
        "distractor_size": 4,
    }
    outcome = session.start(experiment(tmp_path / "colours.npz", tmp_path / "runs", algo, **more), ["test"], Watcher())
    assert outcome.scores.mean() > 0.9
    agent = load_image_agent(outcome.folder.last)
    assert agent.task.shape == (10, 17, 3)
    if algo == "ram":
        drawn = pictures(agent, tmp_path)
        assert set(drawn) == {"glimpses", "heat map"}


def test_the_agent_is_a_moving_average_and_that_is_what_is_saved(corners, tmp_path):
    made = work(experiment(corners, tmp_path, ema_decay=0.5))
    driver = Driver(made.process(0), [0])
    before = driver.init().learner
    learner = driver.iterate(driver.init(), Progress(), timed=False)[0].learner
    made.save_agent(tmp_path / "agent", driver.process.acting(learner), {})
    kept = load_image_agent(tmp_path / "agent").params
    jax.tree.map(np.testing.assert_array_equal, kept | {"baseline": learner.extra["baseline"]}, learner.extra)
    assert not np.allclose(learner.extra["action"]["w"], learner.params["action"]["w"])
    jax.tree.map(np.testing.assert_array_equal, before.extra, before.params)


def test_one_image_a_class_is_too_few():
    images = datasets.Images(
        "few", np.zeros((3, 4, 4, 1), np.uint8), np.arange(3, dtype=np.int32), *[None] * 2, tuple("abc")
    )
    with pytest.raises(LogpiError, match="one training image a class"):
        splits(images, RAM(data="few.npz"))


def test_a_batch_is_dealt_out_to_the_devices(corners, tmp_path):
    assert work(experiment(corners, tmp_path, batch_size=64)).num_devices == 2
    assert work(experiment(corners, tmp_path, batch_size=63)).num_devices == 1
    assert work(experiment(corners, tmp_path, batch_size=8)).num_devices == 1, "not worth it"
    assert work(experiment(corners, tmp_path, batch_size=8, mc_samples=8)).num_devices == 2


@pytest.mark.parametrize(
    ("algo", "network"), [("ram", {}), ("classifier", {"net": "fc"}), ("classifier", {"net": "conv"})]
)
def test_it_learns(corners, tmp_path, algo, network):
    more = {"total_images": 24_000, "n_updates": 40, "ema_decay": 0.9}
    chosen = experiment(corners, tmp_path, algo, network=network, run={"final_episodes": 1000}, **more)
    scores = session.start(chosen, ["test"], Watcher()).scores
    assert scores.shape == (1, 60), "one in six images is a test image"
    assert scores.mean() > 0.9


@pytest.fixture(scope="module")
def agent(corners, tmp_path_factory):
    chosen = experiment(corners, tmp_path_factory.mktemp("run"), total_images=4000)
    return load_image_agent(session.start(chosen, ["test"], Watcher()).folder.last)


def test_there_is_something_to_judge(agent):
    assert judge(agent, 1000, passes=3).images == 60, "all there are"
    with pytest.raises(LogpiError, match="at least 1"):
        judge(agent, 0)
    with pytest.raises(LogpiError, match="allowed: test, validation"):
        judge(agent, 10, split="train")


def test_what_is_no_picture_is_not_looked_at(agent):
    scenes = np.full((2, 12, 12, 1), 100.0)
    assert agent.look(scenes, n_glimpses=5).probabilities.shape == (5, 2, 3)
    assert np.isfinite(agent.look(0 * scenes).probabilities).all(), "a black one is one"
    assert np.isfinite(agent.look(np.minimum(scenes, 1).astype(np.uint8)).probabilities).all(), "a dark one too"
    for wrong, words in ((-scenes, "from -100"), (3 * scenes, "to 300")):
        with pytest.raises(LogpiError, match=words):
            agent.look(wrong)
    with pytest.raises(LogpiError, match="nan"):
        agent.look(np.where(np.arange(12)[None, :, None, None] == 3, np.nan, scenes))
    with pytest.raises(LogpiError, match=r"shape \[2, 12, 12, 3\].*allowed: \[12, 12\], \[12, 12, 1\]"):
        agent.look(np.zeros((2, 12, 12, 3)))
    with pytest.raises(LogpiError, match="-1 glimpses"):
        agent.look(scenes, n_glimpses=-1)


def test_true_is_white_as_it_is_in_training_data(agent):
    shown = np.random.default_rng(0).random((4, 12, 12, 1)) < 0.3
    white = agent.look(np.where(shown, 255, 0)).probabilities
    np.testing.assert_array_equal(agent.look(shown).probabilities, white)
    assert not np.allclose(agent.look(shown.astype(np.uint8)).probabilities, white), "whole levels: dark"
    assert np.isfinite(agent.look(np.zeros_like(shown)).probabilities).all()
    np.testing.assert_array_equal(agent.look(shown.astype(np.float32)).probabilities, white)


def test_one_image_or_a_batch_is_acted_on(agent):
    scenes = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 1), np.uint8)
    classes, looked = agent.act(scenes), agent.look(scenes)
    assert classes.tolist() == looked.probabilities[-1].argmax(-1).tolist()
    for same in (scenes[..., 0], scenes / 255, scenes.astype(float)):
        np.testing.assert_array_equal(agent.act(same), classes)
    alone = agent.look(scenes[0, ..., 0])
    assert (alone.probabilities.shape, alone.corner.shape) == ((3, 3), (3, 2))
    assert isinstance(agent.act(scenes[0]), int)


def test_no_images_and_half_a_glimpse_are_refused(agent):
    with pytest.raises(LogpiError, match="no images"):
        agent.look(np.zeros((0, 12, 12, 1), np.uint8))
    dark = np.zeros((2, 12, 12, 1), np.uint8)
    with pytest.raises(LogpiError, match=r"2\.5 glimpses were asked for; take a whole number"):
        agent.look(dark, n_glimpses=2.5)
    assert len(agent.look(dark, n_glimpses=np.int64(2)).probabilities) == 2


def test_stopping_when_sure():
    probabilities = np.array([[[0.6, 0.4], [0.9, 0.1]], [[0.1, 0.9], [0.2, 0.8]]])  # [T, N, K]
    label = np.array([1, 0])
    assert stop_when_sure(probabilities, label, 0.5) == {"threshold": 0.5, "mean_glimpses": 1.0, "error": 0.5}
    assert stop_when_sure(probabilities, label, 0.8) == {"threshold": 0.8, "mean_glimpses": 1.5, "error": 0.0}
    assert stop_when_sure(probabilities, label, 0.99) == {"threshold": 0.99, "mean_glimpses": 2.0, "error": 0.5}


def test_what_has_been_seen():
    scene = np.random.default_rng(1).integers(0, 256, (16, 16, 1)).astype(np.float32)
    assert squares(np.array([6, 6]), 4, 2) == [(6, 6, 4), (4, 4, 8)]
    seen = seen_so_far(scene, np.array([[6, 6]]), 4, 2)
    np.testing.assert_allclose(seen[6:10, 6:10], scene[6:10, 6:10] / 255)
    np.testing.assert_allclose(seen[4, 4], scene[4:6, 4:6].mean() / 255)
    assert np.isnan(seen).sum() == 16 * 16 - 8 * 8
    edge = seen_so_far(scene, np.array([[-2, 14]]), 4, 1)
    np.testing.assert_allclose(edge[:2, 14:], scene[:2, 14:] / 255)
    assert np.isfinite(edge).sum() == 4
    assert np.isnan(seen_so_far(scene, np.array([[-40, 90]]), 4, 1)).all()


def test_a_classifier_of_whole_images_has_no_film(corners, tmp_path):
    chosen = experiment(corners, tmp_path, "classifier", network={"net": "fc"})
    seeing = load_image_agent(session.start(chosen, ["test"], Watcher()).folder.last)
    with pytest.raises(LogpiError, match="no glimpses"):
        api.film(seeing, tmp_path / "film.mp4")
    assert judge(seeing, 100).passes == 1


def bad(tmp_path, **arrays):
    good = {"images": np.zeros((30, 8, 8), np.uint8), "labels": np.arange(30) % 3}
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: x for name, x in (good | arrays).items() if x is not None})
    return path


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"labels": None}, "labels"),
        ({"labels": np.arange(30) - 1}, "-1"),
        ({"labels": np.where(np.arange(30) % 3 == 1, 2, np.arange(30) % 3)}, "no .*image|empty"),
        ({"images": np.full((30, 8, 8), np.nan, np.float32)}, "NaN|nan"),
    ],
    ids=["no labels", "negative", "empty class", "NaN"],
)
def test_bad_data_is_refused_before_anything_is_made(tmp_path, arrays, words):
    path = bad(tmp_path, **arrays)
    with pytest.raises(LogpiError, match=words) as refused:
        session.start(experiment(path, tmp_path / "runs"), ["test"], Watcher())
    assert "bad.npz" in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_a_broken_picture_among_many(tmp_path):
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for k in range(20):
            Image.new("L", (8, 8), 10 * k).save(tmp_path / "data" / label / f"{k}.png")
    (tmp_path / "data" / "dog" / "7.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(LogpiError, match=r"dog.7\.png"):
        session.start(experiment(tmp_path / "data", tmp_path / "runs"), ["test"], Watcher())
    assert not (tmp_path / "runs").exists()


def test_settings_that_do_not_fit(corners, tmp_path):
    def refused(words, *arguments, **options):
        with pytest.raises(LogpiError, match=words):
            session.start(experiment(corners, tmp_path / "runs", *arguments, **options), ["test"], Watcher())

    refused("canvas is 10", canvas=10)
    with pytest.raises(LogpiError, match="env_kwargs gravity"):
        work(dataclasses.replace(experiment(corners, tmp_path), env_kwargs={"gravity": 1}))
    refused("gae_lambda is 0.5, but advantage_estimator antithetic", gae_lambda=0.5)
    refused("distractor_size is 13", num_distractors=1, distractor_size=13)
    refused(r"coarsest patch 64 pixels wide.*12x12.*up to 48", network={"patch": 8, "scales": 4})
    refused("up to 48", network={"patch": 8, "scales": 10**9})
    refused("kernel is 13, but convolution 1 of 1 gets only 12", "classifier", network={"net": "conv", "kernel": 13})
    refused("convolution 2 of 2 gets only 3 pixels", "classifier", network={"net": "conv", "channels": (8, 16)})
    with pytest.raises(LogpiError, match="images to classify, which ppo does not learn"):
        resolve("ram/mnist", "ppo")
    with pytest.raises(LogpiError, match="not one of its tasks: ram/mnist"):
        resolve("CartPole-v1", "ram")
    with pytest.raises(LogpiError, match="did you mean ram/cluttered"):
        resolve("ram/clutered", "ram")
    with pytest.raises(LogpiError, match="--data"):
        work(resolve("ram/own", None)[0])
    with pytest.raises(LogpiError, match="n_glimpses"):
        resolve("ram/mnist", None, {"method": {"n_glimpse": 3}})
    with pytest.raises(LogpiError, match=r"n_glimpses is 0"):
        resolve("ram/mnist", None, {"method": {"n_glimpses": 0}})
    assert not (tmp_path / "runs").exists()


def test_an_altered_agent_is_refused(agent, tmp_path, corners):
    chosen = experiment(corners, tmp_path)
    folder = session.start(chosen, ["test"], Watcher()).folder.last
    text = (folder / "agent.json").read_text()
    assert "Infinity" not in text, "any reader of JSON must be able to read it"
    card = json.loads(text)
    (folder / "agent.json").write_text(json.dumps(card | {"classes": ["one"]}))
    with pytest.raises(LogpiError):
        load_image_agent(folder)
    (folder / "agent.json").write_text("{}")
    with pytest.raises(LogpiError, match=r"agent\.json"):
        load_image_agent(folder)


def test_an_agent_holds_what_it_takes_to_look_and_nothing_else(tmp_path, corners):
    folder = session.start(experiment(corners, tmp_path), ["test"], Watcher()).folder.last
    before = load_image_agent(folder)
    assert "baseline" not in before.params
    begun = session.start(
        dataclasses.replace(experiment(corners, tmp_path, learning_rate=0.0), init_from=str(folder)),
        ["test"],
        Watcher(),
    ).folder
    after = load_image_agent(begun.last).params
    jax.tree.map(lambda new, old: np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-6), after, before.params)
    save_tree(folder / "agent.safetensors", {"params": before.params | {"more": np.zeros(2)}}, {})
    with pytest.raises(LogpiError, match=r"not expected.*more"):
        load_image_agent(folder)
    save_tree(folder / "agent.safetensors", {"params": before.params}, {})
    jax.tree.map(np.testing.assert_array_equal, load_image_agent(folder).params, before.params)
    card = json.loads((folder / "agent.json").read_text())
    (folder / "agent.json").write_text(json.dumps(card | {"format_version": 2}))
    with pytest.raises(LogpiError, match="format_version 2; this logpi reads 3: train it again"):
        load_image_agent(folder)


def test_eval_and_watch_on_the_command_line(corners, tmp_path):
    folder = session.start(experiment(corners, tmp_path), ["test"], Watcher()).folder
    done = logpi("eval", folder.path, "--passes", 2, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["images"] == 60
    assert found["passes"] == 2
    done = logpi("watch", folder.path, "--sheet", "--out", tmp_path / "drawn", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "drawn" / "glimpses.png").exists()
