"""Sweeps: configurations side by side, killed and gone on with, and recipes that keep their promise."""

import contextlib
import itertools
import json
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from small import Killed, quick_compilation

import logpi
from logpi.cli.main import main
from logpi.config.experiments import promised, resolve
from logpi.config.stored import read_file
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.errors import LogpiError, TooLargeError
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import find_runs
from logpi.sweeps import group as group_module
from logpi.sweeps import search
from logpi.sweeps.folder import read_ledger
from logpi.sweeps.group import groups_of
from logpi.sweeps.result import band
from logpi.tasks import NOTHING, Score, task_of

SPACE = {"learning_rate": {"log": [1e-4, 1e-2]}, "ent_coef": {"uniform": [0, 0.1]}, "n_epochs": [1, 2]}
TINY = {"n_envs": 4, "n_steps": 16, "batch_size": 32, "total_timesteps": 320, "hidden": [8], "eval_episodes": 4}
FILES = ("ledger.jsonl", "recipe.toml", "sweep.md", "sweep.toml")


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def swept(out, **options):
    asked = {
        "space": SPACE,
        "configurations": 4,
        "halving": 2,
        "rounds": 2,
        "retrain": 2,
        "checkpoint_points": 5,
        "final_episodes": 4,
    }
    return logpi.sweep("CartPole-v1", "ppo", out=out, **{**asked, **TINY, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep that nothing interrupted."""
    return swept(tmp_path_factory.mktemp("whole") / "out")


def experiments(*settings, algo="ppo", env="CartPole-v1", seeds=1):
    tables = {"method": {name: value for name, value in TINY.items() if name not in ("hidden", "eval_episodes")}}
    tables |= {"network": {"hidden": [8]}, "run": {"eval_episodes": 4, "eval_points": 0, "seeds": seeds}}
    return {number: resolve(env, algo, tables, {"method": own})[0] for number, own in enumerate(settings)}


def test_the_best_go_on_and_the_last_round_decides(whole):
    ledger = read_ledger(whole.folder)
    assert sorted(ledger) == sorted([*((number, 0) for number in range(4)), *(key for key in ledger if key[1] == 1)])
    first = {number: ledger[number, 0].score for number in range(4)}
    last = {number: reached.score for (number, level), reached in ledger.items() if level == 1}
    assert len(last) == 2
    assert min(first[number] for number in last) >= max(score for k, score in first.items() if k not in last)
    assert [row.score for row in whole.rows[:2]] == sorted(last.values(), reverse=True)
    assert all(len(reached.returns) == 1 and 0 < reached.returns[0] < 500 for reached in ledger.values())
    assert all(160 <= ledger[number, 0].timesteps < 320 <= ledger[k, 1].timesteps for number in range(4) for k in last)
    assert not (whole.folder / "groups").exists()


def test_the_recipe_is_what_train_takes_and_promises_its_band(whole, tmp_path, capsys):
    given = read_file(whole.recipe)
    assert given.recipe.band == whole.band
    assert given.sections["method"].items() >= whole.best.items()
    assert given.sections["method"]["total_timesteps"] == 320
    asked = resolve(given.env, given.algo, given.sections)[0]
    assert promised(asked, given.recipe) is given.recipe
    assert promised(resolve(given.env, given.algo, given.sections, {"method": {"gamma": 0.5}})[0], given.recipe) is None
    (again,) = find_runs(whole.folder / "runs")
    scores = RunFolder(again.path).result["mean_reward"]
    assert RunFolder(again.path).result["seeds"] == [1, 2]  # none that the settings were chosen by
    assert whole.band == band(scores, Score("mean return of an episode", False, 0, 500))
    argv = ["train", "--config", str(whole.recipe), "--quiet", "--no-video", "--log-dir", str(tmp_path)]
    assert main(argv) == 0
    (run,) = find_runs(tmp_path)
    expected = RunFolder(run.path).score
    assert (expected["expected_low"], expected["expected_high"]) == whole.band


@pytest.mark.parametrize("kills", [(0, 3, 5), (1, 2, 4)])
def test_a_killed_sweep_ends_with_the_same_files(whole, tmp_path, monkeypatch, kills):
    save, saves = RunFolder.save_checkpoint, itertools.count()

    def killing(folder, *arguments, **options):
        if "groups" in folder.path.parts and (number := next(saves)) in kills:
            if number % 2:
                save(folder, *arguments, **options)
            raise Killed
        return save(folder, *arguments, **options)

    monkeypatch.setattr(RunFolder, "save_checkpoint", killing)
    for _ in kills:
        with pytest.raises(Killed):
            swept(tmp_path)
    logpi.sweep(out=tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_an_interrupted_sweep_says_how_it_goes_on(whole, tmp_path, monkeypatch):
    calls = itertools.count(1)

    @contextlib.contextmanager
    def impatient(tell, acknowledge):
        stop = type("Stop", (), {"watch": lambda self, *work: next(calls) % 15 == 0})
        yield stop()

    with monkeypatch.context() as patch:
        patch.setattr("logpi.api.sweep.stop_on_signal", impatient)
        with pytest.raises(KeyboardInterrupt, match=f"`logpi sweep --out {tmp_path}` goes on"):
            swept(tmp_path)
    assert main(["sweep", "--out", str(tmp_path), "--quiet"]) == 0
    assert (tmp_path / "ledger.jsonl").read_bytes() == (whole.folder / "ledger.jsonl").read_bytes()


def test_configurations_are_in_one_program_where_their_shapes_allow():
    rates = [{"learning_rate": rate, "gamma": 0.9} for rate in (1e-3, 1e-2)]
    groups = groups_of(experiments(*rates, {"n_epochs": 3}, {"n_epochs": 3, "clip_range": 0.1}, {"n_steps": 32}))
    assert [group.numbers for group in groups] == [[0, 1], [2, 3], [4]]


def test_each_learns_as_it_would_alone():
    """Beside each other the compiler may sum in another order; nothing else differs."""
    settings = [{"learning_rate": 1e-3}, {"learning_rate": 1e-2, "gamma": 0.5}, {"ent_coef": 0.1}]
    found = experiments(*settings, seeds=2)
    (group,) = groups_of(found)

    def after(driver):
        state, _, _ = driver.iterate(driver.init(), Progress())
        return state.learner.params

    together = after(group.driver([0, 1, 2]))
    for number, experiment in found.items():
        alone = after(Driver(task_of(experiment.env).build(experiment, NOTHING).process(0), [0, 1]))
        mine = jax.tree.map(lambda x, k=number: x[2 * k : 2 * k + 2], together)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5), alone, mine)
    different = jax.tree.map(lambda x: float(np.abs(np.asarray(x[0]) - np.asarray(x[2])).max()), together)
    assert max(jax.tree.leaves(different)) > 1e-3


def test_a_configuration_that_diverges_costs_no_other(tmp_path):
    space = {"learning_rate": [1e-3, 1e30]}
    found = swept(tmp_path, space=space, halving=0, retrain=0)
    lost = [row for row in found.rows if math.isnan(row.score)]
    assert {row.settings["learning_rate"] for row in lost} == {1e30}
    assert {row.settings["learning_rate"] for row in found.rows if row not in lost} == {1e-3}
    assert found.best == {"learning_rate": 1e-3}
    assert "NaN or infinite" in found.text
    assert found.band is None
    with pytest.raises(LogpiError, match="the numbers of every configuration became NaN"):
        swept(tmp_path / "none", space={"learning_rate": [1e30]}, halving=0)


def test_what_does_not_fit_into_memory_trains_in_halves(monkeypatch):
    def refusing(found):
        if found.memory > 2.5:
            raise TooLargeError("too large")

    monkeypatch.setattr(group_module.estimate, "check_memory", refusing)
    monkeypatch.setattr(group_module.estimate, "room", lambda driver, *_: SimpleNamespace(memory=len(driver._seed)))
    (first, second, third) = groups_of(experiments(*[{"learning_rate": 10.0**-k} for k in range(1, 6)]))
    assert [first.numbers, second.numbers, third.numbers] == [[0, 1], [2], [3, 4]]


def test_environments_on_the_host_train_one_after_the_other(tmp_path):
    small = {"n_envs": 2, "n_steps": 8, "total_timesteps": 64, "hidden": [8], "eval_episodes": 1}
    asked = {"space": {"learning_rate": [1e-3, 1e-2]}, "configurations": 2, "seeds": 2, "retrain": 0}
    found = logpi.sweep("MountainCar-v0", "a2c", out=tmp_path, **asked, **small)
    assert [len(row.reached[0].scores) for row in found.rows] == [2, 2]


def test_a_band_is_a_prediction_of_one_further_run():
    """Student's interval with n = 5: t = 2.776, s = 10: 100 ± 2.776 · 10 · √1.2."""
    scores = np.array([100 - 10 * math.sqrt(2), 100, 100 + 10 * math.sqrt(2), 100, 100])
    assert scores.std(ddof=1) == pytest.approx(10)
    assert band(scores, Score("")) == pytest.approx((69.59, 130.4), abs=0.01)
    assert band([500.0] * 3, Score("", False, 0, 500)) == (475, 500)
    rng = np.random.default_rng(0)
    draws = rng.normal(10, 5, (2000, 6))
    inside = [low <= x[5] <= high for x in draws for low, high in [band(x[:5], Score(""))]]
    assert abs(np.mean(inside) - 0.95) < 5 * math.sqrt(0.95 * 0.05 / len(draws))


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.toml").write_text(
        'env = "CartPole-v1"\nalgo = "ppo"\n[network]\nhidden = [8]\n[space]\nlearning_rate = {log = [1e-4, 1e-2]}\n'
    )
    common = [f"{name}={value}" for name, value in TINY.items() if name != "hidden"]
    argv = ["sweep", "--config", "space.toml", "--set", *common, "--configurations", "3", "--retrain", "0", "--json"]
    assert main([*argv, "--space", "gamma=[0.9, 0.99]"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["configurations"] == 3
    assert set(said["settings"]) == {"learning_rate", "gamma"}
    assert main(["sweep", "--quiet"]) == 0
    assert "next    logpi train --config sweep/recipe.toml" in capsys.readouterr().out
    assert main([*argv, "--space", "gamma=[0.9]", "gamma=[0.8]"]) == 1
    assert "gamma is given twice, as [0.9] and as [0.8]; leave one out" in capsys.readouterr().err
    assert main([*argv, "--space", "gamma=[0.9, 0.98]"]) == 1
    assert "choose another folder with --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"configurations": 0}, "configurations is 0; it must be at least 1"),
        ({"retrain": 1}, "retrain is 1; allowed: 0"),
        ({"halving": 1}, "halving is 1; allowed: 0"),
        ({"space": {}}, "needs settings to search"),
        ({"space": {"log_points": [1, 2]}}, "space.log_points: only settings of the method and its network"),
        ({"space": {"total_timesteps": [1, 2]}}, "space.total_timesteps: only settings"),
        ({"space": {"gama": [0.9, 1]}}, "unknown setting gama; did you mean gamma"),
        ({"space": {"n_steps": [16]}}, "n_steps is given twice"),
        ({"space": {"n_epochs": {"uniform": [1, 4]}}}, "it must be a int"),
        ({"space": {"gamma": [0.9, 1.5]}}, "method.gamma is 1.5; it must be between 0 and 1"),
        ({"stop_at": 100}, "stop_at is a setting of a single run"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_trained(tmp_path, options, said):
    with pytest.raises(LogpiError) as error:
        swept(tmp_path / "sweep", **options)
    assert said in str(error.value)
    assert not (tmp_path / "sweep").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(LogpiError, match="holds other things than a sweep"):
        swept(tmp_path)
    with pytest.raises(LogpiError, match="nothing to search"):
        logpi.sweep(out=tmp_path)


@pytest.mark.parametrize(
    "text", ["nothing", "{}", '{"configuration": 0, "round": 0, "timesteps": 1, "scores": ["high"]}', "[1]"]
)
def test_a_ledger_that_was_altered_is_refused(whole, tmp_path, text):
    (tmp_path / "sweep.toml").write_bytes((whole.folder / "sweep.toml").read_bytes())
    (tmp_path / "ledger.jsonl").write_text(f"{text}\n")
    with pytest.raises(LogpiError, match=r"cannot read .*ledger.jsonl: .*; restore it, or choose another --out"):
        logpi.sweep(out=tmp_path)


@pytest.mark.parametrize("text", ["space = 1", "nothing", 'unknown = "1"', "seeds = 1.5"])
def test_a_plan_that_was_altered_is_refused(tmp_path, text):
    (tmp_path / "sweep.toml").write_text(f"{text}\n")
    with pytest.raises(LogpiError, match=r"cannot read .*sweep.toml: .*; restore it, or choose another --out"):
        logpi.sweep(out=tmp_path)


def test_a_sweep_with_optuna_goes_on_as_any_other(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    asked = {"sampler": "optuna", "batch": 2, "halving": 0, "retrain": 0, "space": {"gamma": {"uniform": [0.9, 0.99]}}}
    whole = swept(tmp_path / "whole", **asked)
    assert len(whole.rows) == 4
    write, ledgers = search.write_ledger, itertools.count()

    def killing(*arguments):
        write(*arguments)
        if next(ledgers) == 0:  # after the first batch
            raise Killed

    monkeypatch.setattr(search, "write_ledger", killing)
    with pytest.raises(Killed):
        swept(tmp_path / "cut", **asked)
    logpi.sweep(out=tmp_path / "cut")
    for name in FILES:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
