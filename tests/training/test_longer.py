"""A run goes on with another length: what it has learnt stays, what depends on the length follows the new one."""

import json
import re

import pytest
from small import Killed, Watcher, experiment, flags, only_run, outcome, quick_compilation, resume

from logpi import api
from logpi.cli.main import main
from logpi.cli.resume import resume as resume_verb
from logpi.config.experiments import resolve
from logpi.config.lengths import going_on, lengthened
from logpi.config.stored import HISTORY, experiment_from_table, read_file
from logpi.errors import LogpiError
from logpi.runs.metrics import read_metrics, read_rows
from logpi.training import session
from logpi.training.session import Earlier

CONSTANT = {"lr_schedule": "constant", "clip_schedule": "constant"}  # the recipe's are linear


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def trained(log_dir, **options):
    """The folder of a finished run of 320 steps, or of another length."""
    chosen = experiment("CartPole-v1", "ppo", log_dir, **{**CONSTANT, **options})
    return session.start(chosen, ["logpi", "train"], Watcher()).folder


def longer(folder, total, view=None):
    """Train the run in ``folder`` to ``total`` steps."""
    before = experiment_from_table(folder.config)
    after = lengthened(before, {"total_timesteps": total})
    return session.resume(
        folder, after, view or Watcher(), before=before and Earlier(before, folder.config.get(HISTORY, []))
    )


def test_a_finished_run_learns_on_as_if_it_had_been_longer(tmp_path):
    folder, watcher = trained(tmp_path / "short"), Watcher()
    rows, first = read_rows(folder.metrics), json.loads((folder.path / "result.json").read_text())
    done = longer(folder, 640, watcher)
    whole = trained(tmp_path / "long", total_timesteps=640)
    assert (folder.last / "agent.safetensors").read_bytes() == (whole.last / "agent.safetensors").read_bytes()
    assert done.timesteps == read_rows(whole.metrics)[-1]["time/total_timesteps"] >= 640
    assert read_rows(folder.metrics)[: len(rows)] == rows
    assert folder.status == "finished"

    (was,) = folder.config["history"]
    assert (was["total_timesteps"], was["timesteps"]) == (320.0, first["timesteps"])
    assert was["mean_reward"] == first["mean_reward"]
    assert folder.config["method"]["total_timesteps"] == folder.manifest["length"]["timesteps"] == 640
    assert experiment_from_table(folder.config).method == experiment_from_table(whole.config).method
    assert read_file(folder.path / "config.toml").sections["method"]["total_timesteps"] == 640
    commands = (folder.path / "command.txt").read_text().splitlines()
    assert commands == ["logpi train", f"logpi resume {folder.path} --total-timesteps 640"]
    assert any(f"going on from {first['timesteps']} to 640 steps (the length was 320)" in note for note in watcher.told)

    longer(folder, 700)
    assert [entry["total_timesteps"] for entry in folder.config["history"]] == [320.0, 640.0]


def test_schedules_follow_the_new_length(tmp_path):
    folder, watcher = trained(tmp_path, lr_schedule="linear", learning_rate=1.0), Watcher()
    before = len(read_rows(folder.metrics))
    longer(folder, 640, watcher)
    rates = read_metrics(folder.metrics)["train/learning_rate"]
    timesteps = [0, *read_metrics(folder.metrics)["time/total_timesteps"]]
    for number, rate in enumerate(rates):
        assert rate == pytest.approx(1 - timesteps[number] / (320 if number < before else 640), abs=1e-5)
    assert any(
        "lr_schedule=linear follows the new length: it continues at 5" in note and "instead of 1" in note
        for note in watcher.told
    )


def test_an_interrupted_run_gets_another_length_and_is_resumed_exactly(tmp_path):
    whole = trained(tmp_path / "whole", run={"eval_points": 4})
    longer(whole, 640)
    cut = trained(tmp_path / "cut", run={"eval_points": 4})
    rows = len(read_rows(cut.metrics))
    with pytest.raises(Killed):
        longer(cut, 640, Watcher(kill_at=rows // 2))
    assert cut.status == "interrupted"
    resume(cut)
    assert outcome(cut) == outcome(whole)
    with pytest.raises(Killed):
        longer(cut, 960, Watcher(kill_at=1))
    assert longer(cut, 800).timesteps < 960


def test_a_run_ends_early_and_goes_on(tmp_path):
    run = {"eval_points": 4, "stop_at": 1.0}
    folder, watcher = trained(tmp_path / "score", total_timesteps=640, run=run), Watcher()
    result = json.loads((folder.path / "result.json").read_text())
    assert (folder.status, result["ended_by"]) == ("finished", "stop_at")
    assert 160 <= (done := result["timesteps"]) < 240, "at the first of four evaluations"
    with pytest.raises(LogpiError, match="has finished"):
        resume(folder)
    (folder.path / "result.json").unlink()
    resume(folder, watcher)
    assert watcher.rows == 0
    assert json.loads((folder.path / "result.json").read_text()) == result

    assert longer(folder, 640, watcher).timesteps >= 640
    assert json.loads((folder.path / "result.json").read_text())["ended_by"] == "total_timesteps"
    assert folder.config["run"]["stop_at"] == float("inf")
    (was,) = folder.config["history"]
    assert (was["total_timesteps"], was["stop_at"], was["timesteps"]) == (640.0, 1.0, done)
    assert any(note == f"going on from {done} to 640 steps" for note in watcher.told)
    whole = trained(tmp_path / "whole", total_timesteps=640, run={"eval_points": 4})
    assert folder.metrics.read_bytes() == whole.metrics.read_bytes()


def test_a_run_ends_after_its_minutes_and_says_so(tmp_path):
    options = flags("ppo", tmp_path, run={"minutes": 1e-6}, total_timesteps=640)
    assert main(["train", "CartPole-v1", *options]) == 0
    folder = only_run(tmp_path)
    result = json.loads((folder.path / "result.json").read_text())
    assert result["ended_by"] == "minutes"
    assert (first := result["timesteps"]) <= 64, "one iteration"
    assert "eval/mean_reward" in read_rows(folder.metrics)[-1]
    found = api.resume(folder.path, minutes=1e-6, quiet=True)
    assert first < found.timesteps <= 128
    assert "ended early: its 1e-06 minutes were over" in found.text
    command = (folder.path / "command.txt").read_text().splitlines()[-1]
    assert command.endswith("--total-timesteps 640 --minutes 9.9999999999999995e-07")
    assert api.resume(folder.path, stop_at=1.0, quiet=True).timesteps > 300
    with pytest.raises(LogpiError, match=r"run\.minutes is 0\.0; it must be greater than 0"):
        api.resume(folder.path, minutes=0, quiet=True)


def test_a_resumed_run_has_what_is_left_of_its_minutes(tmp_path):
    folder, timing = trained_and_cut(tmp_path), "timing.jsonl"
    rows = read_rows(folder.path / timing)
    spent = [row["time/time_spent"] for row in rows]
    assert spent == sorted(spent), "of one command: its own clock"
    # as if the first command had taken all but a moment of an hour
    late = "".join(json.dumps({**row, "time/time_spent": 60 * 60 - 1e-6}) + "\n" for row in rows)
    (folder.path / timing).write_text(late)
    resume(folder)
    result = json.loads((folder.path / "result.json").read_text())
    assert (result["ended_by"], result["timesteps"] < 640) == ("minutes", True)
    longer(folder, 640)
    last = read_rows(folder.path / timing)[-1]
    assert last["time/time_spent"] == last["time/time_elapsed"], "a new limit counts from its command on"
    assert json.loads((folder.path / "result.json").read_text())["ended_by"] == "total_timesteps"


def trained_and_cut(tmp_path):
    """A run with an hour, killed at its third row."""
    chosen = experiment("CartPole-v1", "ppo", tmp_path, total_timesteps=640, run={"minutes": 60.0})
    with pytest.raises(Killed):
        session.start(chosen, ["test"], Watcher(kill_at=3))
    return only_run(tmp_path)


def test_a_budget_that_is_overshot_is_said(tmp_path):
    assert main(["train", "CartPole-v1", *flags("ppo", tmp_path, total_timesteps=100)]) == 0
    found = api.resume(only_run(tmp_path).path, total_timesteps=140, quiet=True)
    assert re.search(r"that is \d+% more than the 140 steps asked for: an iteration takes up to 64,", found.text)
    assert "more than" not in api.resume(only_run(tmp_path).path, total_timesteps=1280, quiet=True).text


def test_lengths_that_a_run_cannot_have(tmp_path):
    folder = trained(tmp_path)
    config = (folder.path / "config.toml").read_bytes()
    for total in (100, 320):
        with pytest.raises(LogpiError, match=r"has learnt from 3\d\d steps already; total_timesteps must be greater"):
            api.resume(folder.path, total_timesteps=total, quiet=True)
    with pytest.raises(LogpiError, match="total_images=700: the length of CartPole-v1 is its total_timesteps"):
        resume_verb([str(folder.path), "--total-images", "700"])
    with pytest.raises(LogpiError, match=r"method\.total_timesteps is nan; it must be above 0"):
        resume_verb([str(folder.path), "--total-timesteps", "nan"])
    assert (folder.path / "config.toml").read_bytes() == config
    assert only_run(tmp_path).status == "finished"


@pytest.mark.parametrize(
    ("env", "setting", "words"),
    [
        (
            "CartPole-v1",
            "total_timesteps",
            r"from 50 to 200 steps \(the length was 100\); no schedule depends on the length",
        ),
        (
            "connect-four",
            "total_timesteps",
            r"50 to 200 moves .*cosine.*: it continues at 25% instead of 50%",
        ),
        ("ram/mnist", "total_images", r"from 50 to 200 images .*half a cosine.*: it continues at 25%"),
    ],
)
def test_what_follows_a_new_length_is_told(env, setting, words):
    method = {setting: 100.0, **(CONSTANT if env == "CartPole-v1" else {})}
    before = resolve(env, None, {"method": method})[0]
    after = lengthened(before, {setting: 200})
    each = int(after.method.total_timesteps) // 200
    assert re.search(words, going_on(before, after, 50 * each))
