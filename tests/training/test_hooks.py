"""Callbacks and loops over a run's events: what they hear, and that a run that is left goes on bit for bit."""

import json
import signal

import numpy as np
import pytest
from small import RUN, only_run, outcome, quick_compilation

import logpi
from logpi import own_code
from logpi.algorithms.ppo import PPO
from logpi.algorithms.sac import SAC
from logpi.config.changes import changeable, changed, in_force
from logpi.config.settings import fixed_settings
from logpi.errors import LogpiError
from logpi.methods import all_methods
from logpi.runs.checkpoint import read_meta
from logpi.runs.files import json_text
from logpi.runs.metrics import read_metrics, read_rows, without_clock

METHOD = {
    "n_envs": 4,
    "lr_schedule": "constant",
    "total_timesteps": 320,
    "n_steps": 16,
    "batch_size": 32,
    "n_epochs": 2,
    "hidden": [8],
}
RATE = "train/learning_rate"


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def asked(log_dir, **run):
    """Arguments of a tiny training."""
    return {
        "env": "CartPole-v1",
        "algo": "ppo",
        "quiet": True,
        "run": {**RUN, "log_dir": str(log_dir), **run},
        **METHOD,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing hears of."""
    return logpi.train(**asked(tmp_path_factory.mktemp("whole"))).folder


def test_a_loop_hears_of_every_row_and_leads_to_the_same_run(tmp_path, whole):
    training = logpi.training(**asked(tmp_path))
    events = list(training)
    assert outcome(training.outcome.folder) == outcome(whole)
    assert [event.timesteps for event in events] == read_metrics(whole.metrics)["time/total_timesteps"]
    assert [json_text(without_clock(event.metrics)) for event in events] == whole.metrics.read_text().splitlines()
    assert all(event.metrics["time/fps"] > 0 for event in events)
    assert [event.finished for event in events] == [False] * (len(events) - 1) + [True]
    assert training.folder == events[0].folder == training.outcome.folder.path
    assert not training.outcome.folder.changes_file.exists()


@pytest.mark.parametrize("row", [1, 3, 5])
def test_a_run_that_is_left_goes_on_bit_for_bit(tmp_path, whole, row):
    training = logpi.training(**asked(tmp_path))
    for number, event in enumerate(training, 1):
        if number == row:
            left = event.timesteps
            break
    folder = only_run(tmp_path)
    assert (folder.status, training.outcome, training.folder) == ("interrupted", None, folder.path)
    newest = read_meta(max(folder.checkpoints.glob("*.safetensors")))
    assert newest["timesteps"] == left, "it is saved where it was left"
    rest = list(logpi.resuming(folder.path, quiet=True))
    assert len(rest) == len(read_rows(whole.metrics)) - row
    assert outcome(folder) == outcome(whole)
    with pytest.raises(LogpiError, match="begun already"):
        next(iter(training))


def test_an_error_in_the_loop_passes_and_the_run_is_saved(tmp_path):
    def loop():
        for event in logpi.training(**asked(tmp_path, checkpoint_points=0)):
            1 / (event.timesteps < 100)

    with pytest.raises(ZeroDivisionError):
        loop()
    assert only_run(tmp_path).status == "interrupted"
    assert logpi.resume(only_run(tmp_path).path, quiet=True).timesteps >= 320


def changing(at, **settings):
    """A callback that changes settings at the row number ``at``."""
    heard = []

    def callback(event):
        heard.append(event)
        if len(heard) == at:
            event.change(**settings)

    return callback


def test_a_callback_changes_settings_from_the_next_iteration_on(tmp_path):
    folder = logpi.train(**asked(tmp_path), callback=changing(2, learning_rate=1e-5, ent_coef=0.5)).folder
    rates = read_metrics(folder.metrics)[RATE]
    np.testing.assert_allclose(rates[:2], rates[0])
    np.testing.assert_allclose(rates[2:], 1e-5)
    assert rates[0] > 1e-4
    assert json.loads(folder.changes_file.read_text()) == [
        {
            "timesteps": read_metrics(folder.metrics)["time/total_timesteps"][1],
            "method": {"learning_rate": 1e-5, "ent_coef": 0.5},
        }
    ]
    assert folder.config["method"]["learning_rate"] == pytest.approx(rates[0])


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_resumed_run_goes_on_with_what_was_changed(tmp_path, seeds):
    change = {"learning_rate": 1e-5, "gamma": 0.5}
    straight = logpi.train(**asked(tmp_path / "whole", seeds=seeds), callback=changing(2, **change)).folder
    for number, event in enumerate(logpi.training(**asked(tmp_path / "left", seeds=seeds, checkpoint_points=0)), 1):
        if number == 2:
            event.change(**change)
            break
    folder = only_run(tmp_path / "left")
    resumed = logpi.resume(folder.path, quiet=True).folder
    assert outcome(resumed)["metrics.jsonl"] == outcome(straight)["metrics.jsonl"]
    assert resumed.changes_file.read_bytes() == straight.changes_file.read_bytes()
    longer = logpi.resume(folder.path, quiet=True, total_timesteps=448).folder
    assert np.ravel(read_metrics(longer.metrics)[RATE][-1]) == pytest.approx(1e-5), "another length keeps the change"


def test_changes_that_a_checkpoint_does_not_know_are_made_again(tmp_path):
    logpi.train(**asked(tmp_path, checkpoint_points=0), callback=changing(4, gamma=0.5))
    folder = only_run(tmp_path)
    newest = max(folder.checkpoints.glob("*.safetensors"))
    newest.unlink()  # what is left is of the start
    folder.result_file.unlink()
    resumed = logpi.resume(folder.path, quiet=True)
    assert not resumed.folder.changes_file.exists()


def test_finish_ends_the_run_with_an_evaluation(tmp_path):
    outcome = logpi.train(**asked(tmp_path), callback=lambda event: event.finish())
    assert outcome.folder.result["ended_by"] == "finish"
    assert "the program asked for it" in outcome.text
    rows = read_rows(outcome.folder.metrics)
    assert len(rows) == 2, "the iteration after the first row is the last one"
    assert "eval/mean_reward" in rows[-1]
    assert outcome.folder.status == "finished"
    assert logpi.resume(outcome.folder.path, quiet=True, total_timesteps=320).timesteps >= 320


class Broken:
    def __call__(self, event):
        raise KeyError("no such column")


def test_a_callback_that_raises_is_named_and_the_run_is_saved(tmp_path, whole):
    with pytest.raises(
        LogpiError, match=r"the callback Broken raised KeyError at [\d,]+ timesteps.*logpi resume "
    ) as told:
        logpi.train(**asked(tmp_path, checkpoint_points=0), callback=Broken())
    folder = only_run(tmp_path)
    assert str(folder.path) in str(told.value)
    assert folder.status == "interrupted"
    logpi.resume(folder.path, quiet=True)
    assert outcome(folder)["metrics.jsonl"] == outcome(whole)["metrics.jsonl"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning_rat": 1e-3}, "learning_rat is unknown.*did you mean learning_rate"),
        ({"n_steps": 8}, "n_steps is decided when the run begins; a run may change learning_rate, gamma"),
        ({"total_timesteps": 8}, "total_timesteps is decided"),
        ({"gamma": 2.0}, "method.gamma is 2.0; it must be between 0 and 1"),
        ({"gamma": "much"}, "gamma is 'much'"),
    ],
)
def test_a_wrong_change_is_refused_where_it_is_asked_for(settings, said):
    names = changeable(PPO(), ["total_timesteps", "learning_rate", "gamma"], "total_timesteps")
    with pytest.raises(LogpiError, match=said):
        changed(PPO(), settings, names, {})


def test_what_would_do_nothing_is_refused():
    assert "ent_coef" not in changeable(SAC(), ["ent_coef", "tau"], "total_timesteps")
    fixed = SAC(auto_ent_coef=False)
    with pytest.raises(LogpiError, match="target_entropy would do nothing"):
        changed(fixed, {"target_entropy": -2.0}, ["target_entropy"], {})
    with pytest.raises(LogpiError, match="gamma would do nothing: no reason"):
        changed(fixed, {"gamma": 0.5}, ["gamma"], {"method.gamma": "no reason"})


def test_the_last_of_several_changes_is_in_force():
    changes = [{"timesteps": 1, "method": {"a": 1.0, "b": 2.0}}, {"timesteps": 2, "method": {"a": 3.0}}]
    assert in_force(changes) == {"a": 3.0, "b": 2.0}


KINDS = sorted({method.settings for method in all_methods()}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_settings_that_are_fixed_are_there(kind):
    assert fixed_settings(kind) <= kind.__dataclass_fields__.keys()


def test_bad_calls(tmp_path):
    with pytest.raises(LogpiError, match="callback is a int; allowed"):
        logpi.train(**asked(tmp_path), callback=1)
    with pytest.raises(LogpiError, match="callback is for logpi"):
        logpi.training(**asked(tmp_path), callback=print)
    with pytest.raises(LogpiError, match="no folder yet"):
        _ = logpi.training(**asked(tmp_path)).folder
    assert not list(tmp_path.iterdir())


def test_code_is_named_while_the_run_works_and_not_in_the_loop(tmp_path):
    before = set(own_code._named)
    for event in logpi.training(**asked(tmp_path), code=["mine.py"]):
        assert own_code._named == before
        event.finish()


def test_two_loops_beside_each_other_end_in_any_order(tmp_path, whole):
    handler = signal.getsignal(signal.SIGINT)
    first, second = (logpi.training(**asked(tmp_path / name)) for name in "ab")
    longer = iter(second)
    next(longer)
    for event, _ in zip(first, longer, strict=False):
        if event.timesteps > 100:
            break
    assert signal.getsignal(signal.SIGINT) is not handler
    assert list(longer)[-1].finished
    assert signal.getsignal(signal.SIGINT) is handler
    assert outcome(second.outcome.folder) == outcome(whole)
