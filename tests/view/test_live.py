"""The display: cheap, honest about speed, and plain where there is no terminal."""

import io
import math

import pytest
from rich.console import Console

from logpi.tasks import Length
from logpi.view import live as module
from logpi.view.live import clock, live, short, sparkline


@pytest.fixture
def now(monkeypatch):
    class Clock:
        seconds = 100.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.seconds)
    return Clock


def play(now, updates, seconds, **options):
    """Updates of 100 moves each, ``seconds`` apart; returns what was shown."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=options.pop("encoding", "utf-8"), newline="\n")
    console = Console(file=file, width=120, force_terminal=options.pop("terminal", False), _environ={})
    with live(Length(100 * updates), "CartPole-v1 · ppo", "475 to 500", console=console, **options) as view:
        view.note("compiling … (once)")
        for i in range(1, updates + 1):
            now.seconds += seconds
            reward = [math.nan, math.nan] if i == 1 else [i - 1.0, i + 1.0]
            view.update(100 * i, {"rollout/ep_rew_mean": reward}, {"environment": 1.0 * i, "update": 3.0 * i})
        view.done("saved")
    file.flush()
    return file.buffer.getvalue().decode(file.encoding)


def test_plain_lines_are_few_and_include_the_first_and_the_last(now):
    lines = play(now, updates=101, seconds=0.1).splitlines()
    assert lines[:3] == [
        "CartPole-v1 · ppo  expected 475 to 500",
        "compiling … (once)",
        "100 / 10,100 steps  0%",
    ]
    assert lines[-3] == "10,100 / 10,100 steps  100%  1k steps/s  0:00 left  return 101"
    assert lines[-2:] == ["time: environment 25%  update 75%", "saved"]
    assert 3 <= len(lines[2:-2]) <= 4, "10 seconds at one line in 5"
    assert not any("\x1b" in line for line in lines)


def test_time_left_follows_the_present_speed(now):
    file = io.StringIO()
    with live(Length(10_000), "t", console=Console(file=file)) as view:
        for timesteps, seconds in [(0, 60), (100, 1000), (1100, 10), (2000, 9)]:
            now.seconds += seconds
            view.update(timesteps, {}, {})
    assert "2,000 / 10,000 steps  20%  100 steps/s  1:20 left" in file.getvalue()


def test_images_are_counted_once_however_often_they_are_looked_at(now):
    file = io.StringIO()
    with live(Length(70_000, "images", 7), "t", console=Console(file=file)) as view:
        for timesteps in (7_000, 14_000):
            now.seconds += 10
            view.update(timesteps, {}, {})
    assert "2,000 / 10,000 images  20%  100 images/s  1:20 left" in file.getvalue()


def test_what_learns_from_images_shows_an_accuracy(now):
    file = io.StringIO()
    with live(Length(100), "t", console=Console(file=file)) as view:
        view.update(100, {"rollout/ep_rew_mean": 0.5, "train/accuracy": 0.5, "eval/mean_reward": 0.25}, {})
    assert "accuracy 0.500  evaluation 0.250" in file.getvalue()
    assert "return" not in file.getvalue()


def test_terminal_redraws_at_most_eight_times_a_second(now, monkeypatch):
    drawn = []
    refresh = module.Live.refresh
    monkeypatch.setattr(module.Live, "refresh", lambda self: (drawn.append(1), refresh(self)))
    shown = play(now, updates=1000, seconds=0.001, terminal=True)
    assert 8 <= len(drawn) <= 14
    for text in ("compiling … (once)", "100,000 / 100,000 steps", "▁", "█", "environment 25%", "475 to 500"):
        assert text in shown
    assert shown.rstrip().endswith("saved")


def test_quiet_shows_nothing(now):
    assert play(now, updates=3, seconds=9, quiet=True) == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_ascii_terminals(now, terminal):
    assert "ppo" in play(now, updates=3, seconds=9, encoding="ascii", terminal=terminal)


def test_a_crash_inside_leaves_the_terminal_usable():
    file = io.StringIO()
    with pytest.raises(RuntimeError), live(Length(1), "t", console=Console(file=file, force_terminal=True)):
        raise RuntimeError
    assert file.getvalue().rstrip().endswith("\x1b[?25h"), "the cursor is back"


def test_texts():
    assert [short(n) for n in (0, 7.4321, 950, 999.7, 1500, 2000, 12_500, 153_600, 999_999, 2e6, 1.25e9, 3e13)] == (
        ["0", "7.43", "950", "1k", "1.5k", "2k", "12.5k", "154k", "1M", "2M", "1.25G", "30000G"]
    )
    assert [clock(s) for s in (0, 7.4, 750, 3723)] == ["0:00", "0:07", "12:30", "1:02:03"]
    assert sparkline([0.0, 3.5, 7.0]) == "▁▅█"
    assert sparkline([2.0, 2.0]) == "▁▁"


def test_what_is_told_stays_above_the_display_and_passing_work_goes():
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=True, _environ={})
    with live(Length(100), "CartPole-v1 · ppo", console=console) as view:
        view.tell("about 0:04 here")
        view.note("compiling")
        view.working("evaluate", 0, 5)
        view.done("saved")
    frames = file.getvalue().split("\x1b[2K")
    assert sum("about 0:04 here" in frame for frame in frames) == 1, "it is printed once, and not redrawn"
    assert "evaluate: 0 of 5" not in frames[-1]
    assert "compiling" not in frames[-1]
