"""Videos come out readable, without a display, with and without ffmpeg, and also of a crash."""

import functools
import os
import sys
from typing import ClassVar

import gymnasium
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from logpi.errors import LogpiError
from logpi.view import film, screen, video
from logpi.view.film import render_episodes
from logpi.view.screen import open_file
from logpi.view.video import write_video


@pytest.fixture(autouse=True)
def _no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


def frames(count, shape=(33, 47, 3)):
    return [np.full(shape, 40 * i, np.uint8) for i in range(count)]


def read(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    width, height = meta["size"]
    return meta, [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]


class Crash(gymnasium.Env):
    """Draws a grey frame a step, each brighter, and raises at the third."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = gymnasium.spaces.Discrete(9)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        self.steps += 1
        if self.steps == 3:
            raise RuntimeError("boom")
        return self.steps, 1.0, False, False, {}

    def render(self):
        return np.full((64, 64, 3), 90 * self.steps, np.uint8)


def test_mp4_is_h264_and_padded_to_even_sizes(tmp_path):
    path = write_video(iter(frames(5)), tmp_path / "new" / "a.mp4", 10)
    meta, shown = read(path)
    assert path == tmp_path / "new" / "a.mp4"
    assert meta["codec"] == "h264"
    assert meta["pix_fmt"].startswith("yuv420p")
    assert (meta["size"], meta["fps"]) == ((48, 34), 10.0)
    assert [round(frame.mean() / 40) for frame in shown] == [0, 1, 2, 3, 4]
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("exe", ["/nonexistent/ffmpeg", sys.executable])
def test_gif_where_ffmpeg_does_not_work(tmp_path, monkeypatch, exe):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", exe)
    path = write_video(iter(frames(5)), tmp_path / "a.mp4", 10)
    assert path == tmp_path / "a.gif"
    with Image.open(path) as image:
        assert (image.n_frames, image.size, image.info["duration"]) == (5, (47, 33), 100)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize("ffmpeg", [True, False])
def test_what_was_filmed_before_a_crash_is_written(tmp_path, monkeypatch, ffmpeg):
    monkeypatch.setattr(video, "ffmpeg_works", lambda: ffmpeg)
    with pytest.raises(RuntimeError, match="boom"):
        render_episodes(Crash, lambda obs: 0, tmp_path / "a.mp4", episodes=1, seed=0, caption=None)
    (path,) = tmp_path.iterdir()
    if ffmpeg:
        assert len(read(path)[1]) == 3
    else:
        with Image.open(path) as image:
            assert image.n_frames == 3


def test_no_frames(tmp_path):
    with pytest.raises(LogpiError, match="no frame"):
        write_video([], tmp_path / "a.mp4", 10)
    with pytest.raises(ZeroDivisionError):
        write_video((1 // 0 for _ in range(3)), tmp_path / "a.mp4", 10)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogpiError, match="cannot write"):
        write_video(frames(2), tmp_path / "file" / "a.mp4", 10)


def test_cartpole_with_a_caption(tmp_path):
    seen, captions = [], []

    def act(obs):
        seen.append(obs)
        return 0

    def caption(episode, steps, episode_return):
        captions.append((episode, steps, episode_return))
        return film.episode_caption(*captions[-1])

    path = render_episodes("CartPole-v1", act, tmp_path / "a.mp4", episodes=2, seed=7, caption=caption)
    meta, shown = read(path)
    assert meta["fps"] == 50.0
    assert len(shown) == len(captions) == len(seen) + 2, "each episode also shows its first and its last state"
    assert captions[0] == (1, 0, 0.0)
    assert captions[-1][0] == 2
    assert captions[-1][1] == captions[-1][2] > 5
    assert meta["size"] == (600, 440), "the picture has 600x400, and a bar under it"
    assert shown[0][5:40].mean() > 250, "nothing covers the picture"
    assert shown[0][400:].mean() < 60, "the caption is in the bar"
    first = gymnasium.make("CartPole-v1").reset(seed=7)[0]
    np.testing.assert_array_equal(seen[0], first)
    assert "SDL_VIDEODRIVER" not in os.environ


def test_environments_that_cannot_be_filmed(tmp_path):
    with pytest.raises(LogpiError, match=r"cannot make Nope-v0.*logpi envs"):
        render_episodes("Nope-v0", lambda obs: 0, tmp_path / "a.mp4", 1, 0)

    class Dark(Crash):
        def render(self):
            return None

    with pytest.raises(LogpiError, match=r"render\(\) gave NoneType"):
        render_episodes(Dark, lambda obs: 0, tmp_path / "a.mp4", 1, 0)


class Draws(Crash):
    """Draws what the test says, for two moves."""

    def __init__(self, draws, render_mode=None):
        super().__init__()
        self.draws = draws

    def step(self, action):
        self.steps += 1
        return self.steps, 1.0, self.steps == 2, False, {}

    def render(self):
        return self.draws(self.steps)


def film_of(draws, path):
    made = functools.partial(Draws, draws)
    return render_episodes(made, lambda obs: 0, path / "a.mp4", episodes=1, seed=0, caption=None)


GREY = {  # the same pictures of grey 0, 80, 160
    "floats": lambda t: np.full((40, 60, 3), 80 * t / 255, np.float32),
    "alpha": lambda t: np.full((40, 60, 4), 80 * t, np.uint8),
    "flat": lambda t: np.full((40, 60), 80 * t, np.uint8),
    "integers": lambda t: np.full((40, 60, 1), 80 * t, np.int64),
}


@pytest.mark.parametrize("draws", GREY.values(), ids=GREY)
def test_pictures_of_other_kinds_are_shown_as_they_are_meant(tmp_path, draws):
    meta, shown = read(film_of(draws, tmp_path))
    assert meta["size"] == (60, 40)
    assert [round(frame.mean() / 20) for frame in shown] == [0, 4, 8]


@pytest.mark.parametrize(
    ("draws", "words"),
    [
        (lambda t: np.full((40, 60, 3), 300 * t), r"int64\[40, 60, 3\] from 300 to 300: of int64 values from 0 to 255"),
        (lambda t: np.full((40, 60, 3), np.nan), "float64.* from nan to nan"),
        (lambda t: np.zeros((40, 60, 2)), r"float64\[40, 60, 2\]"),
        (lambda t: np.zeros((40 + 4 * t, 60, 3), np.uint8), "60 x 44 pixels came after frames of 60 x 40"),
        (lambda t: np.zeros((40, 60, 3), np.uint8), "shows nothing"),
        (lambda t: [[0, 0, 0]], r"render\(\) gave list"),
    ],
    ids=["range", "nan", "channels", "growing", "black", "list"],
)
def test_a_film_that_would_not_show_the_episode_is_refused(tmp_path, draws, words):
    with pytest.raises(LogpiError, match=words):
        film_of(draws, tmp_path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_open_file_needs_a_display(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(screen.subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr(screen.shutil, "which", lambda name: f"/bin/{name}")
    assert not open_file(tmp_path / "a.mp4")
    assert not started
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_file(tmp_path / "a.mp4")
    assert started == [["/bin/xdg-open", str(tmp_path / "a.mp4")]]


class Endless(gymnasium.Env):
    """Never ends by itself; as in many games, the return grows."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = gymnasium.spaces.Discrete(9)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        pass

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 0, 1.0, False, False, {}

    def render(self):
        return np.arange(16 * 240 * 3, dtype=np.uint8).reshape(16, 240, 3)


def limited(steps):
    return lambda render_mode: gymnasium.wrappers.TimeLimit(Endless(render_mode), steps)


@pytest.mark.parametrize(
    ("env", "asked", "filmed", "cut"),
    [
        (Endless, None, film.UNLIMITED, True),
        (Endless, 7, 7, True),
        (limited(30), None, 30, False),
        (limited(10**6), None, film.LONGEST, True),
        (limited(30), 40, 30, False),
    ],
)
def test_a_film_of_what_does_not_end_is_cut_and_says_so(tmp_path, monkeypatch, env, asked, filmed, cut):
    """An environment without a time limit was filmed for 20,000 steps."""
    drawn, told = [], []
    monkeypatch.setattr(film, "write_video", lambda frames, path, fps: drawn.extend(frames) or path)
    captions = []
    monkeypatch.setattr(film, "captioned", lambda frame, text: captions.append(text) or frame)
    render_episodes(env, lambda obs: 0, tmp_path / "a.mp4", 1, 0, steps=asked, tell=told.append)
    assert len(drawn) == filmed + 1
    assert told == ([f"the film shows the first {filmed:,} steps of an episode, which had not ended"] if cut else [])
    assert captions[-1].endswith(film.CUT) == cut
    assert not any(text.endswith(film.CUT) for text in captions[:-1])
