"""Comparisons that train their runs: interrupted and gone on with, seeds that do not fit, seeds that end in NaN."""

import json

import pytest
from small import Killed, quick_compilation, settings

import logpi
from logpi.cli.main import main
from logpi.comparison.folder import read_plan, trained
from logpi.errors import LogpiError
from logpi.runs.metrics import MetricsWriter
from logpi.training import estimate

ENVS = ["CartPole-v1", "Pendulum-v1"]
NUMBERS = "comparison.json"


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def tiny(**more):
    """Settings of every run, the same for a2c and ppo."""
    tables = settings("a2c", "")
    run = {name: value for name, value in tables["run"].items() if name != "log_dir"}
    return {**run, **tables["network"], **tables["method"], "checkpoint_points": 4, **more}


def compared(out, **options):
    asked = {"envs": ENVS, "algos": ["a2c", "other=a2c gamma=0.5"], "seeds": 3, "resamples": 200}
    return logpi.compare(out=out, **{**asked, **tiny(), **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A comparison that nothing interrupted."""
    return compared(tmp_path_factory.mktemp("whole") / "out")


def test_a_comparison_trains_every_cell_all_seeds_at_once(whole):
    runs = trained(whole.folder, read_plan(whole.folder))
    assert [label for label, _ in runs] == ["a2c", "other"] * 2
    assert all(run.manifest["seeds"] == [0, 1, 2] and run.status == "finished" for _, run in runs)
    assert {run.config["method"]["gamma"] for label, run in runs if label == "other"} == {0.5}
    assert whole.facts["labels"] == ["a2c", "other"]
    assert whole.facts["pooled"]["environments"] == ENVS
    assert not whole.failures


def test_a_killed_comparison_ends_with_the_same_numbers(whole, tmp_path, monkeypatch):
    """Killed in the middle of the third of four runs, and again a run's length later."""
    each = len(trained(whole.folder, read_plan(whole.folder))[0][1].metrics.read_text().splitlines())
    write, rows = MetricsWriter.write, []

    def killing(writer, row):
        rows.append(row)
        if len(rows) in (2 * each + 3, 3 * each + 3):
            raise Killed
        write(writer, row)

    monkeypatch.setattr(MetricsWriter, "write", killing)
    for _ in range(2):
        with pytest.raises(Killed):
            compared(tmp_path / "out")
    begun = trained(tmp_path / "out", read_plan(tmp_path / "out"))
    assert [run.status for _, run in begun].count("finished") in (2, 3)
    again = logpi.compare(out=tmp_path / "out")  # the plan is in the folder
    assert (again.folder / NUMBERS).read_bytes() == (whole.folder / NUMBERS).read_bytes()
    assert (again.folder / "comparison.md").read_bytes() == (whole.folder / "comparison.md").read_bytes()
    assert [run.metrics.read_bytes() for _, run in trained(again.folder, read_plan(again.folder))] == [
        run.metrics.read_bytes() for _, run in trained(whole.folder, read_plan(whole.folder))
    ]


def test_a_finished_comparison_trains_nothing_again(whole, monkeypatch):
    def no_training(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(MetricsWriter, "write", no_training)
    again = compared(whole.folder)
    assert again.facts == whole.facts


def test_a_comparison_is_interrupted_by_a_stop(tmp_path, monkeypatch):
    from logpi.training.signals import Stop

    monkeypatch.setattr(Stop, "__bool__", lambda self: True)
    with pytest.raises(
        KeyboardInterrupt, match=r"a2c in CartPole-v1 is not finished; `logpi compare --out .*` goes on"
    ):
        compared(tmp_path / "out")


def test_seeds_that_do_not_fit_at_once_are_trained_in_halves(whole, tmp_path, monkeypatch):
    room = estimate.room

    def by_seeds(driver, experiment, keeps):
        limit = estimate.memory_limit()
        return room(driver, experiment, keeps)._replace(memory=limit + 1 if experiment.run.seeds > 2 else 0)

    monkeypatch.setattr(estimate, "room", by_seeds)
    found = compared(tmp_path / "out", envs=ENVS[:1])
    runs = trained(found.folder, read_plan(found.folder))
    assert [run.manifest["seeds"] for _, run in runs] == [[0], [1, 2]] * 2
    monkeypatch.setattr(estimate, "room", room)  # a second start keeps to what the first one did
    assert compared(tmp_path / "out", envs=ENVS[:1]).facts == found.facts
    scores, expected = found.facts["seeds"][ENVS[0]]["a2c"], whole.facts["seeds"][ENVS[0]]["a2c"]
    assert scores["seeds"] == expected["seeds"]


def test_a_seed_that_ends_in_nan_costs_no_other_seed(tmp_path):
    """With such a learning rate every seed ends in NaN: each is found, named, and counted as the lowest."""
    told = []
    found = compared(tmp_path / "out", envs=ENVS[:1], algos=["a2c", "wild=a2c learning_rate=1e38"], tell=told.append)
    seeds = found.facts["seeds"][ENVS[0]]["wild"]
    assert seeds["counted_as_lowest"] == [0, 1, 2]
    assert sum("wild" in text and "ended in NaN or infinity" in text for text in told) == 5, "3, 1, 2, 1 and 1 seeds"
    assert sum("it counts as the lowest score" in text for text in found.facts["remarks"]) == 3
    assert found.facts["per_environment"][ENVS[0]]["wild"]["n"] == 3
    assert not found.failures
    assert compared(tmp_path / "out", envs=ENVS[:1], algos=["a2c", "wild=a2c learning_rate=1e38"]).facts == found.facts


def test_a_cell_that_cannot_be_trained_is_named_and_the_others_are_trained(tmp_path, monkeypatch):
    import logpi.api.runs

    train = logpi.api.runs.train

    def failing(env, *args, **options):
        if env == "Pendulum-v1":
            raise LogpiError("the engine broke")
        return train(env, *args, **options)

    monkeypatch.setattr(logpi.api.runs, "train", failing)
    found = compared(tmp_path / "out")
    assert found.failures == [f"{label}, Pendulum-v1, seeds 0 to 2: the engine broke" for label in ("a2c", "other")]
    assert set(found.facts["seeds"]) == {"CartPole-v1"}
    assert "No winner is named: a2c, Pendulum-v1" in found.verdict


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"algos": ["a2c", "ppo total_timesteps=99"]},
            r"CartPole-v1: budgets differ \(a2c 320, ppo total_timesteps=99 99\)",
        ),
        ({"algos": ["a2x"]}, "a2x"),
        ({"algos": ["a2c", "a2c"]}, "two methods are called 'a2c'"),
        ({"algos": ["a2c gamma"]}, "'gamma' is not an assignment"),
        ({"algos": ["a2c gama=0.9"]}, "did you mean gamma"),
        ({"algos": ["a2c 'x"]}, r"write \[LABEL=\]ALGO"),
        ({"algos": []}, "envs and algos belong together"),
        ({"envs": ["CartPole-v1", "CartPole-v1"]}, "named twice"),
        ({"envs": ["CartPole"]}, "CartPole-v1"),
        ({"envs": ["CartPole-v1", "NoSuch-v3"]}, "a2c in NoSuch-v3: unknown environment 'NoSuch-v3'"),
        (
            {"algos": ["a2c", "dqn"], "envs": ["Pendulum-v1"]},
            r"dqn in Pendulum-v1: .*one number for each of a Discrete space",
        ),
        ({"seeds": 0}, "seeds is 0; it must be at least 1"),
        ({"log_dir": "x"}, "log_dir is not a setting of a single run here"),
        ({"references": {"CartPole-v1": [1, 1]}}, "reference of CartPole-v1"),
        ({"references": {"Acrobot-v1": [1, 2]}}, "a reference names Acrobot-v1, which is not compared"),
        ({"algos": ["a2c gamma=0.9 gamma=0.8"]}, r"gamma is given twice, as 0\.9 and as 0\.8"),
        ({"envs": [], "algos": [], "runs": ["nowhere"]}, "nowhere is not a run folder"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_anything_is_trained(tmp_path, options, message):
    with pytest.raises(LogpiError, match=message):
        compared(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_jax_is_prepared_before_anything_is_built(tmp_path, monkeypatch):
    """What a check builds starts JAX, and a device for each core has to be asked for before that."""

    def prepared():
        raise LogpiError("prepared")

    monkeypatch.setattr("logpi.api.compare.devices.prepare", prepared)
    monkeypatch.setattr("logpi.api.compare.check_name", lambda env: pytest.fail("something is built already"))
    with pytest.raises(LogpiError, match="prepared"):
        compared(tmp_path / "out")


def test_a_file_in_the_folders_place_is_left_alone(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(LogpiError, match=r"out is a file, and the comparison is written into a folder: choose another"):
        compared(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_keeps_to_its_plan(whole, tmp_path):
    with pytest.raises(LogpiError, match=r"holds a comparison with seeds 3, not 4: choose another folder with --out"):
        compared(whole.folder, seeds=4)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(LogpiError, match="holds other things than a comparison"):
        compared(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"], "no lock is left there"
    (whole.folder.parent / "bad").mkdir()
    (whole.folder.parent / "bad" / "comparison.toml").write_text("seeds = 'many'")
    with pytest.raises(LogpiError, match="cannot read"):
        logpi.compare(out=whole.folder.parent / "bad")


def test_the_command(whole, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "--out", str(whole.folder)]) == 0
    said = capsys.readouterr().out
    assert whole.verdict in said
    assert said.splitlines()[-1] == f"page    {whole.page}"
    assert (
        main(["compare", str(whole.folder), "--json", "--reference", "CartPole-v1=20,400", "--resamples", "200"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["environments"]["CartPole-v1"]["reference"]["high"] == 400
    assert (tmp_path / "comparison" / "comparison.html").exists()
    assert main(["compare", "--reference", "CartPole-v1=20"]) == 1
    assert "write ENV=RANDOM,GOOD" in capsys.readouterr().err
    assert main(["compare", "--reference", "CartPole-v1=20,400", "CartPole-v1=20,500"]) == 1
    assert "--reference names CartPole-v1 twice" in capsys.readouterr().err
    assert main(["compare", str(whole.folder), "--reference", "Acrobot-v1=20,400", "--resamples", "200"]) == 0
    assert "Acrobot-v1: the reference that was given changes nothing" in capsys.readouterr().out
    assert main(["compare", "--set", "seed=3"]) == 1
    assert "--seed decides it" in capsys.readouterr().err


def test_a_comparison_in_a_notebook(whole):
    assert "<iframe" in whole._repr_html_()
    assert repr(whole).startswith("Comparison(")
