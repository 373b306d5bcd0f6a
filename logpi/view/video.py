"""Videos from frames: MP4 (h264), or GIF where ffmpeg does not work."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from logpi.envs.frames import Frame, check_size
from logpi.errors import LogpiError
from logpi.runs.files import disk_error, sweep, temporary_name
from logpi.view.screen import brief_forks

if TYPE_CHECKING:
    pass

_SHORTEST = 20  # milliseconds; viewers slow down GIFs with shorter frames


def write_video(frames: Iterable[Frame], path: str | Path, fps: float) -> Path:
    """Write frames as they come, each held in memory only once; returns the path, with its actual suffix.

    Args:
        frames: uint8 [H, W, 3], all of the first one's size. Should the iterable raise, or give another size, what it
            gave before is written, and then the exception goes on.
        path: ``.mp4`` or ``.gif``; odd sizes are padded by a row or a column, as h264 wants.
        fps: frames per second.

    Raises:
        LogpiError: there is no frame, frames differ in size, or the disk refuses.
    """
    path = Path(path)
    stream = _Stream(frames)
    if stream.first is None:
        stream.reraise()
        raise LogpiError(f"cannot write {path}: there is no frame; play at least one episode")
    as_gif = path.suffix == ".gif" or not ffmpeg_works()
    write, suffix = (_write_gif, ".gif") if as_gif else (_write_mp4, ".mp4")
    path = path.with_suffix(suffix)
    temporary, there = temporary_name(path, suffix), path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        write(stream, temporary, fps)
        os.replace(temporary, path)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not there:
            with contextlib.suppress(OSError):
                path.parent.rmdir()  # refuses where the film is
    stream.reraise()
    return path


class _Stream:
    """Frames of a source; an exception of the source, or another size, ends them and is kept in ``error``."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self.error: Exception | None = None
        self._frames = iter(frames)
        self.first: Frame | None = None
        self.first = self._next()

    def __iter__(self) -> Iterator[Frame]:
        frame = self.first
        while frame is not None:
            yield frame
            frame = self._next()

    def _next(self) -> Frame | None:
        try:
            frame = next(self._frames, None)
            if frame is not None and self.first is not None:
                check_size(frame, self.first)
        except Exception as error:
            self.error = error
            return None
        return frame

    def reraise(self) -> None:
        if self.error is not None:
            raise self.error


def _write_mp4(frames: _Stream, path: Path, fps: float) -> None:
    import imageio_ffmpeg

    assert frames.first is not None
    height, width = frames.first.shape[:2]
    pad = ((0, height % 2), (0, width % 2), (0, 0))
    size = (width + width % 2, height + height % 2)
    options: dict[str, object] = {"codec": "libx264", "pix_fmt_out": "yuv420p", "macro_block_size": 1}
    # the index goes first, so that a browser starts before it has everything
    options["output_params"] = ["-movflags", "+faststart"]
    writer: Generator[None, Frame | None, None] = imageio_ffmpeg.write_frames(str(path), size, fps=fps, **options)
    with contextlib.closing(writer):
        with brief_forks():
            writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(np.pad(frame, pad, mode="edge")))


def _write_gif(frames: _Stream, path: Path, fps: float) -> None:
    from PIL import Image

    images = (Image.fromarray(frame) for frame in frames)
    duration = max(_SHORTEST, round(1000 / fps))
    next(images).save(path, save_all=True, append_images=images, duration=duration, loop=0, optimize=False)


def ffmpeg_works() -> bool:
    """Whether ffmpeg encodes two small frames: tested before the first real frame."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe.mp4"
            _write_mp4(_Stream(np.zeros((2, 32, 32, 3), np.uint8)), path, 10)
            return path.stat().st_size > 0
    except (ImportError, OSError, RuntimeError):
        return False
