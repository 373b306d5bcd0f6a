"""A run that fails or is interrupted before its first checkpoint leaves no folder behind."""

import numpy as np
import pytest
from small import Watcher, experiment, quick_compilation

from logpi.driver.driver import Driver
from logpi.errors import LogpiError
from logpi.training import session
from logpi.view import video


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), "before the first checkpoint: nothing was saved"),
        (LogpiError("broken"), "^broken$"),
        (MemoryError("full"), "^full$"),
    ],
)
def test_before_the_first_checkpoint(tmp_path, monkeypatch, error, words):
    def fail(self, watch):
        raise error

    monkeypatch.setattr(Driver, "init", fail)
    watcher = Watcher()
    with pytest.raises(type(error), match=words):
        session.start(experiment("CartPole-v1", "ppo", tmp_path), ["test"], watcher)
    assert any("run folder" in note for note in watcher.told)
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_fails_leaves_neither_a_hidden_file_nor_an_empty_folder(tmp_path, monkeypatch):
    def interrupted(stream, path, fps):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    for name in ("_write_mp4", "_write_gif"):
        monkeypatch.setattr(video, name, interrupted)
    monkeypatch.setattr(video, "ffmpeg_works", lambda: True)
    for path in (tmp_path / "videos" / "best.mp4", tmp_path / "films" / "best.gif"):
        with pytest.raises(KeyboardInterrupt):
            video.write_video(np.zeros((2, 32, 32, 3), np.uint8), path, 10)
    assert list(tmp_path.iterdir()) == []
