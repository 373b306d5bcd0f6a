"""An agent that looks, judged and shown: what is printed and drawn is what the agent did."""

import json

import imageio.v3 as iio
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from small import Watcher, quick_compilation

from logpi import api
from logpi.cli.eval import eval
from logpi.cli.main import main
from logpi.cli.plot import plot
from logpi.cli.runs import runs
from logpi.cli.watch import watch
from logpi.config.experiments import resolve
from logpi.config.stored import recipe_for
from logpi.driver.driver import Driver
from logpi.errors import LogpiError
from logpi.ram.agent import load_image_agent, splits
from logpi.ram.data import datasets
from logpi.ram.evaluation import LOOK, interval, judge, judged_split, scenes_of
from logpi.ram.figures import looking, pictures
from logpi.ram.methods.ram import ram
from logpi.ram.process import image_process
from logpi.ram.scenes import Scene, group_size
from logpi.runs.metrics import read_metrics
from logpi.tasks import Pictures, record, task_of
from logpi.training import session
from logpi.training.outcome import Trained, report
from logpi.view import glimpses
from logpi.view.glimpses import coverage, film_glimpses, glimpse_sheet, seen_so_far, squares
from logpi.view.looks import draw_look
from logpi.view.panels import Axis, dress

COUNT = 60  # test images: one in six


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 3 glimpses over a canvas with clutter, in three classes that noise hides."""
    base = tmp_path_factory.mktemp("views")
    rng = np.random.default_rng(0)
    labels = np.arange(6 * COUNT) % 3
    images = rng.integers(0, 120, (6 * COUNT, 12, 12)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] += 60
    np.savez(base / "bars.npz", images=images, labels=labels)
    settings = {"total_images": 2000, "n_updates": 5, "batch_size": 20, "warmup": 100.0, "n_glimpses": 3}
    tables = {
        "run": {"video": False, "tensorboard": False, "eval_points": 2, "log_dir": str(base)}
        | {"eval_episodes": COUNT, "final_episodes": COUNT},
        "network": {"patch": 4, "scales": 2, "core_size": 16, "sensor_size": 16, "glimpse_size": 16},
        "method": {
            "data": str(base / "bars.npz"),
            "canvas": 16,
            "num_distractors": 2,
            "distractor_size": 4,
            **settings,
        },
    }
    with quick_compilation():
        yield session.start(resolve("ram/own", "ram", tables)[0], ["test"], Watcher())


@pytest.fixture(scope="module")
def agent(run):
    return load_image_agent(run.folder.last)


def by_hand(agent, seed, sampled=False):
    """Probabilities [T, N, K] and labels [N] of the test images."""
    test, clutter = judged_split(agent, "test")
    scenes, labels = scenes_of(agent, test, clutter, 0)
    return agent.look(scenes, seed, sampled).probabilities[:, :COUNT], labels[:COUNT]


def test_the_error_of_one_pass_is_a_count(agent):
    probabilities, labels = by_hand(agent, LOOK)
    wrong = [sum(int(p.argmax() != y) for p, y in zip(step, labels, strict=True)) / COUNT for step in probabilities]
    found = judge(agent, COUNT, passes=1)
    assert 0 < wrong[-1] < 1, "an agent that errs sometimes"
    assert found.after == pytest.approx(wrong)
    assert found.one_pass == pytest.approx(wrong[-1])


@pytest.mark.parametrize("sampled", [False, True])
def test_the_averaged_error_is_of_the_mean_probabilities(agent, sampled):
    passes = [by_hand(agent, LOOK + 1000 * m, sampled)[0][-1] for m in (1, 2, 3)]
    labels = by_hand(agent, LOOK)[1]
    assert not np.allclose(passes[0], passes[1]), "other first places"
    expected = np.mean((sum(passes) / 3).argmax(-1) != labels)
    assert judge(agent, COUNT, passes=3, sampled=sampled).averaged == pytest.approx(expected)


@pytest.mark.parametrize("devices", [1, 2])
def test_groups_of_images_are_the_same_ones_everywhere(agent, devices, monkeypatch):
    """Also where there are several, the last one is not full, and two devices judge one each."""
    monkeypatch.setattr("logpi.ram.scenes.GROUP", 16)

    def sums(params, scenes, key, std, n_glimpses):
        return jax.nn.one_hot(scenes.sum((1, 2, 3)).astype(jnp.int32) % 3, 3)[None], None

    images = datasets.load(agent.config.data)
    method = ram(agent.config, agent.net, agent.task)
    method = method._replace(look=sums, update=lambda learner, *_: (learner, {}))
    driver = Driver(image_process(method, agent.task, splits(images, agent.config), 20, 1, devices), [0])
    scores = driver.evaluate(driver.init(), 0, COUNT, final=True).score
    groups = [scenes_of(agent, *judged_split(agent, "test"), group) for group in range(4)]
    expected = np.concatenate([scenes.sum((1, 2, 3)).astype(int) % 3 == labels for scenes, labels in groups])
    assert 0 < expected[:COUNT].mean() < 1
    np.testing.assert_array_equal(scores, expected[:COUNT])
    looked = [agent.look(scenes, LOOK + k).probabilities[-1] for k, (scenes, _) in enumerate(groups)]
    wrong = np.concatenate(looked).argmax(-1) != np.concatenate([labels for _, labels in groups])
    assert judge(agent, COUNT, passes=1).one_pass == pytest.approx(wrong[:COUNT].mean())
    some = looking(agent, 10, seed=COUNT + 12)  # the thirteenth and those after it, in two groups
    np.testing.assert_array_equal(some.scenes, np.concatenate([scenes for scenes, _ in groups])[12:22])
    np.testing.assert_array_equal(some.label, np.concatenate([labels for _, labels in groups])[12:22])


def test_large_images_are_judged_fewer_at_a_time():
    assert group_size(Scene(100, 100), 1) == 500
    assert group_size(Scene(1024, 1024), 3) == 2
    assert group_size(Scene(4096, 4096), 3) == 1


def test_looking_longer_costs_more_glimpses_and_ends_at_the_full_error(agent):
    found = judge(agent, COUNT, passes=1)
    glimpses = [row["mean_glimpses"] for row in found.stopping]
    assert glimpses == sorted(glimpses)
    assert all(1 <= n <= 3 for n in glimpses)
    probabilities, labels = by_hand(agent, LOOK)
    row = next(row for row in found.stopping if row["threshold"] == 0.5)
    stops = [next((t for t in range(2) if p[t].max() >= 0.5), 2) for p in probabilities.swapaxes(0, 1)]
    assert row["mean_glimpses"] == pytest.approx(np.mean(stops) + 1)
    said = [probabilities[t, n].argmax() for n, t in enumerate(stops)]
    assert row["error"] == pytest.approx(np.mean(said != labels))


def test_wilsons_interval():
    assert interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_the_film_shows_each_glimpse_a_second_and_the_finest_patch_as_it_is(agent, tmp_path):
    some = looking(agent, 2)
    frames = iio.imread(film_glimpses(some, tmp_path / "film.mp4"))
    assert len(frames) == 2 * (2 + 2 + 4), "two a second; the last glimpse stays on twice as long"
    top, left = np.maximum(some.corner[0, 0], 0)
    bottom, right = np.minimum(some.corner[0, 0] + 4, 16)
    inside = slice(top, bottom), slice(left, right)
    seen = seen_so_far(some.scenes[0], some.corner[:1, 0], 4, 2)
    np.testing.assert_allclose(seen[inside], some.scenes[0][inside] / 255)
    assert np.isnan(seen).any(), "what it has not looked at stays hidden"


def test_a_moment_of_the_film_shows_what_the_agent_did(agent):
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure

    some, figure, b, t = looking(agent, 3), Figure(), 2, 1
    glimpses._draw_moment(figure, some, b, t)
    whole, seen, bars = figure.axes
    drawn = [(r.get_y() + 0.5, r.get_x() + 0.5, r.get_height(), r.get_width()) for r in whole.patches]
    assert drawn == [(top, left, side, side) for top, left, side in squares(some.corner[t, b], 4, 2)]
    centres = some.corner[: t + 1, b] + 4 / 2 - 0.5
    np.testing.assert_allclose(whole.lines[0].get_xydata(), centres[:, ::-1])
    np.testing.assert_allclose(whole.images[0].get_array()[..., 0], some.scenes[b][..., 0] / 255)
    assert whole.get_title("left") == f"image 3, label {some.label[b]}"
    hidden = np.isnan(seen_so_far(some.scenes[b], some.corner[: t + 1, b], 4, 2)).any(-1)
    blue = seen.images[0].get_array()[..., 2] - seen.images[0].get_array()[..., 0] > 0.1
    np.testing.assert_array_equal(blue, hidden)
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], some.probabilities[t, b])
    said = some.probabilities[t, b].argmax()
    right = glimpses.RIGHT if said == some.label[b] else glimpses.WRONG
    assert to_hex(bars.patches[said].get_facecolor()).upper() == right
    assert bars.get_title("left").startswith(f"says {said}, ")


def test_coverage_is_a_share_of_the_images():
    corner = np.array([[0, 1], [-1, 1], [3, 4]])
    share = np.zeros((4, 5))
    share[0:2, 1:3] += 1
    share[0:1, 1:3] += 1
    share[3:4, 4:5] += 1
    np.testing.assert_allclose(coverage(corner, 2, 4, 5), share / 3)


def test_the_pictures_mark_what_was_said(agent, tmp_path):
    for path in pictures(agent, tmp_path).values():
        picture = iio.imread(path)[..., :3]
        assert picture.std() > 10
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert {p.name for p in tmp_path.iterdir()} == {"glimpses.png", "heatmap.png"}


def test_watch_films_six_images_and_puts_the_sheet_into_the_run(run, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(api, "film", lambda agent, path, episodes, *_: asked.append(episodes) or path)
    drawn = []

    def draw(agent, folder, *settings):
        drawn.append(settings)
        return {"glimpses": folder / "drawn"}

    monkeypatch.setattr("logpi.ram.figures.pictures", draw)
    folder = run.folder.path
    assert watch([str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"video": str(folder / "videos" / "watch-10000.mp4"), "episodes": 6, "seed": 10_000}
    assert watch([str(folder), "--episodes", "2", "--json"]) == 0
    assert asked == [6, 2]
    capsys.readouterr()
    assert watch([str(folder), "--sheet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"glimpses": str(folder / "drawn")}
    assert watch([str(folder), "--sheet", "--episodes", "5", "--sampled", "--seed", "3", "--json"]) == 0
    assert drawn == [(10_000, False, 24), (3, True, 5)]


def test_eval_prints_both_protocols(run, agent, capsys):
    found = judge(agent, COUNT, passes=2)
    assert eval([str(run.folder.last), "--passes", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"{COUNT} test images" in printed
    for name, error in (("one pass, mean locations", found.one_pass), ("M = 2 passes averaged", found.averaged)):
        (line,) = (line for line in printed.splitlines() if name in line)
        assert f"{error:.2%}" in line


def test_accuracies_are_named_and_shown_as_such(run, agent, tmp_path, capsys, monkeypatch):
    folder = run.folder.path
    assert runs(["--log-dir", str(folder.parent.parent)]) == 0
    (share,) = read_metrics(run.folder.metrics)["eval/mean_reward"][-1:]
    assert f"{100 * share:.2f} %" in capsys.readouterr().out
    seen = []
    monkeypatch.setattr("logpi.view.plots.dress", lambda *given: seen.append(given[2]) or dress(*given))
    assert plot([str(folder), "--out", str(tmp_path / "one.png")]) == 0
    assert seen == [Axis("accuracy", True, 0, 1, "images")]


def test_a_seed_of_an_evaluation_of_images_is_refused(run):
    with pytest.raises(LogpiError, match="--seed is not for images"):
        eval([str(run.folder.last), "--seed", "3"])


def test_there_is_an_image_to_look_at(agent):
    with pytest.raises(LogpiError, match="at least 1"):
        looking(agent, 0)


def test_a_finished_training_states_an_error(run):
    recipe = recipe_for("ram/mnist", "ram")._replace(low=0.985, high=0.992)
    done = Trained(run.folder, np.array([[0.0] * 30 + [1.0] * 970]), 12_000)
    experiment = resolve("ram/mnist", None, {"method": {"n_glimpses": 6}})[0]
    said = "\n".join(report(done, experiment, recipe.band, 1.0, {}))
    assert "error 3.00 % (95 % interval 2.11 to 4.25 %; 1,000 test images, one pass)" in said
    assert "above the 0.8 to 1.5 % that this recipe reaches" in said
    assert "2,000 images in" in said
    assert f"next    logpi watch {run.folder.path}" in said
    expected = task_of("ram/mnist").expected({"total_images": 12_000_000.0}, recipe.band)
    assert expected == "error 0.8 to 1.5 % after 12,000,000 images"
    assert recipe._replace(low=None, high=None).band is None
    assert "that this recipe reaches" not in "\n".join(report(done, experiment, None, 1.0, {}))
    seeing = resolve("ram/mnist", "classifier")[0]
    assert f"next    logpi eval {run.folder.path}" in report(done, seeing, None, 1.0, {})[-1]


@pytest.fixture
def photos(tmp_path):
    """Two pictures of the first and the third class, of another size than the agent's, one of them inverted."""
    for name, label in (("top", 0), ("bottom", 2)):
        picture = np.full((60, 48), 60, np.uint8)
        picture[20 * label : 20 * label + 20] += 60
        Image.fromarray(255 - picture if label else picture).convert("RGB").save(tmp_path / f"{name}.png")
    return [tmp_path / "top.png", tmp_path / "bottom.png"]


def test_pictures_of_ones_own_are_looked_at(run, agent, photos, tmp_path, capsys):
    out = tmp_path / "new"
    assert main(["look", str(run.folder.last), *map(str, photos), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["env"], said["algo"], said["classes"], said["passes"]) == ("ram/own", "ram", ["0", "1", "2"], 1)
    for found, path in zip(said["pictures"], photos, strict=True):
        assert (found["picture"], found["height"], found["width"]) == (str(path), 60, 48)
        assert sum(found["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert found["class"] == said["classes"][int(np.argmax(found["probabilities"]))]
        assert np.shape(found["glimpses"]) == (3, 2)
        assert found["drawn"] == str(out / f"{path.stem}-look.png")
        picture = iio.imread(found["drawn"])[..., :3]
        assert picture.std() > 10
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert main(["look", str(run.folder.last), *map(str, photos), "--no-drawing"]) == 0
    head, table, *rows = capsys.readouterr().out.splitlines()
    assert (head, table.split()) == ("ram/own, ram", ["picture", "class", "0", "1", "2"])
    assert rows[0].split()[:2] == [str(photos[0]), said["pictures"][0]["class"]]
    assert rows[0].split()[2] == f"{said['pictures'][0]['probabilities'][0]:.1%}"


def test_a_picture_is_seen_as_the_agent_would_see_it(agent, photos):
    scenes = np.concatenate([seen_by_hand(path) for path in photos])
    facts = api.look(agent, photos, passes=3).facts
    assert facts["passes"] == 3
    assert not any("drawn" in found for found in facts["pictures"])
    passes = [agent.look(scenes, LOOK + m) for m in range(3)]
    for b, found in enumerate(facts["pictures"]):
        mean = np.mean([one.probabilities[-1, b] for one in passes], 0)
        np.testing.assert_allclose(found["probabilities"], mean, rtol=1e-5)
        np.testing.assert_allclose(found["glimpses"], passes[0].corner[:, b] + 2)


def seen_by_hand(path):
    """The scene [1, 16, 16] of a picture: 12x10 pixels of 12x12 on a canvas of 16x16."""
    image = np.asarray(Image.open(path).convert("L").resize((10, 12), Image.Resampling.BILINEAR))
    scene = np.zeros((1, 16, 16), np.uint8)
    edge = np.asarray(Image.open(path).convert("L"))
    scene[0, 2:14, 2:14] = np.median(np.concatenate([edge[0], edge[-1], edge[:, 0], edge[:, -1]]))
    scene[0, 2:14, 3:13] = image
    return scene


def test_looking_is_refused_where_there_is_nothing_to_look_at(run, capsys):
    for arguments, message in (
        (["digit.png"], "name the agent and then pictures: logpi look RUN digit.png"),
        ([str(run.folder.last), "nowhere.png"], "no picture at nowhere.png"),
        ([str(run.folder.last), "a.png", "--passes", "0"], "--passes 0; allowed: 1"),
        ([str(run.folder.last), "a.png", "--out", "x", "--no-drawing"], "leave one of them out"),
    ):
        assert main(["look", *arguments]) == 1
        assert message in capsys.readouterr().err


def test_only_agents_of_images_look():
    class Player:
        facts = {"env": "CartPole-v1"}  # noqa: RUF012

    for kind in ("control", "games"):
        with pytest.raises(LogpiError, match="an agent of CartPole-v1 does not classify pictures; agents of ram/"):
            record(kind).look(Player(), Pictures("a.png"))


def test_long_class_names_stay_inside_their_pictures(agent, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(glimpses, "save", lambda figure, path: kept.append(figure) or path)
    names = [f"a class with a very long name, number {number}" for number in range(3)]
    for count in (1, 4):
        glimpse_sheet(looking(agent, count)._replace(classes=names), tmp_path / "s.png")
        figure = kept.pop()
        assert len(figure.axes) == count, "no empty columns"
        figure.canvas.draw()
        for axes in figure.axes:
            title = axes.title if axes.get_title() else axes._left_title
            assert title.get_window_extent().x1 <= axes.get_window_extent().x1 + 8
            assert title.get_text().rstrip("!").endswith(("0", "1", "2")), "told apart"


def test_pictures_that_are_called_alike_are_all_drawn(agent, photos, tmp_path):
    facts = api.look(agent, [photos[0], photos[0]], tmp_path).facts
    assert [found["drawn"] for found in facts["pictures"]] == [
        str(tmp_path / name) for name in ("top-look.png", "top-2-look.png")
    ]


def test_a_network_that_sees_everything_looks_too(tmp_path):
    sheet = tmp_path / "whole.png"
    draw_look(
        np.zeros((9, 9, 3), np.uint8), "a.png", np.full((1, 40), 1 / 40), np.zeros((1, 2)), None, list("x" * 40), sheet
    )
    assert iio.imread(sheet).std() > 10
