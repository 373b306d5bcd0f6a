"""What a run will take, told before it starts: from its own arrays, earlier runs here, or its recipe."""

import dataclasses
import os
import re
import shutil
from collections import namedtuple

import numpy as np
import pytest
from small import Watcher, experiment, quick_compilation

from logpi.config.experiments import resolve
from logpi.driver.driver import Driver
from logpi.errors import LogpiError
from logpi.runs.files import size_of
from logpi.tasks import Own, task_of
from logpi.training import estimate, session

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def clock_rows(*pairs):
    return [{"time/total_timesteps": steps, "time/time_elapsed": seconds} for steps, seconds in pairs]


@pytest.mark.parametrize(
    ("rows", "total", "seconds"),
    [
        ([(100, 7.0), (200, 9.0), (300, 11.0)], 1000, 25.0),
        ([(100, 7.0), (200, 9.0), (300, 4.0), (400, 6.0)], 1000, 22.0),
        ([(100, 1.0), (200, 9.0)], 1000, 80.0),
        ([(100, 7.0)], 1000, None),
        ([(100, 7.0), (200, 3.0)], 1000, None),
        ([], 1000, None),
    ],
)
def test_the_pace_of_an_earlier_run(rows, total, seconds):
    assert estimate.projected(clock_rows(*rows), total) == seconds


def test_a_run_is_told_by_an_earlier_one_and_else_by_its_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "products", lambda: estimate.RECIPES_RATE / 2)
    monkeypatch.setattr(estimate.os, "getloadavg", lambda: (2 * os.cpu_count() - 1.0, 0.0, 0.0))
    chosen, recipe = resolve(
        "CartPole-v1", None, {"run": {"log_dir": str(tmp_path)}, "method": {"total_timesteps": 3e4}}
    )
    assert recipe.tables["method"]["total_timesteps"] == 60_000
    found = estimate.pace(chosen)
    assert found.seconds == pytest.approx(2 * recipe.seconds)  # half as long, on busy cores half as fast
    assert "recipe" in found.source

    untold = recipe._replace(seconds=float("nan"))  # a recipe need not say how long it takes
    with monkeypatch.context() as patch:
        patch.setattr(estimate, "promised", lambda experiment: untold)
        assert estimate.pace(chosen) is None

    own, watcher = experiment("CartPole-v1", "ppo", tmp_path), Watcher()
    assert estimate.pace(own) is None
    folder = session.start(own, ["test"], watcher).folder
    assert any(note.startswith("at least ") and " of memory and at most" in note for note in watcher.told)
    watcher = Watcher()
    longer = dataclasses.replace(own, method=dataclasses.replace(own.method, total_timesteps=640.0))
    session.start(longer, ["test"], watcher)
    (said,) = (note for note in watcher.told if note.startswith("about"))
    takes = rf"about \d+:\d\d here \(as {re.escape(str(folder.path))} took\)"
    pattern = rf"{takes}, about .*B of memory and at most .*B of disk"
    assert re.fullmatch(pattern, said)
    other = dataclasses.replace(own, network=dataclasses.replace(own.network, hidden=(9,)))
    assert estimate.pace(other) is None
    monkeypatch.setattr(estimate, "machine", lambda: {"node": "elsewhere"})
    assert estimate.pace(longer) is None


def room_of(chosen):
    work = task_of(chosen.env).build(chosen, Own())
    return estimate.room(Driver(work.process(0), [0]), chosen, work.keeps_stages)


def test_room_is_what_the_files_take(tmp_path):
    chosen = experiment("CartPole-v1", "ppo", tmp_path, run={"checkpoint_points": 10})
    found = room_of(chosen)
    folder = session.start(chosen, ["test"], Watcher()).folder
    newest = max(path.stat().st_size for path in folder.checkpoints.iterdir())
    assert found.checkpoint < newest < found.checkpoint + 20_000, "a header with names and hashes comes to it"
    assert size_of(folder.path) < found.disk
    assert found.memory > 1e8


def test_a_replay_takes_what_will_be_filled():
    tables = {"method": {"n_games": 8, "n_steps": 8, "replay_size": 1e5, "total_timesteps": 1000.0}}
    brief, _ = resolve("hex-5x5", None, tables)
    full = dataclasses.replace(brief, method=dataclasses.replace(brief.method, total_timesteps=1e6))
    few, many = room_of(brief), room_of(full)
    row = 8 * 25 * 2 * np.float16().nbytes  # the least that the observation of each game's board takes
    assert many.checkpoint - few.checkpoint > (1e5 / 8 - 1000 / 8 - 1) * row
    assert few.checkpoint < 0.2 * many.checkpoint


def test_a_disk_that_is_too_small_is_refused_before_a_folder_is_made(tmp_path, monkeypatch):
    chosen, watcher = experiment("CartPole-v1", "ppo", tmp_path / "runs"), Watcher()
    found = room_of(chosen)
    assert estimate.check_disk(found, str(tmp_path / "not" / "yet")) == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 2 * found.checkpoint - 1))
    with pytest.raises(LogpiError, match=r"a checkpoint of this run takes up to \d.*B, and .* left: take another"):
        session.start(chosen, ["test"], watcher)
    assert not (tmp_path / "runs").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, found.disk - 1))
    session.start(chosen, ["test"], watcher)
    assert any("this run may take" in note for note in watcher.told)


def test_the_speed_of_a_core_is_measured_quickly():
    assert 0.01 < estimate.products(count=2, repeats=3) < 1e4
