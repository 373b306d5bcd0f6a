"""Videos of an agent, made without any display: MP4 (h264), or GIF where ffmpeg does not work."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from logpi.envs.frames import Frame, Shows, check_size, rgb
from logpi.errors import LogpiError
from logpi.runs.files import disk_error, sweep, temporary_name
from logpi.view.captions import captioned

if TYPE_CHECKING:
    import gymnasium
    from jaxtyping import PyTree

Caption = Callable[[int, int, float], str]  # (episode from 1, steps so far, return so far)
LONGEST = 2_000  # steps of an episode that are filmed at most, unless more are asked for
UNLIMITED = 500  # the same in an environment without a time limit: its episode may never end
CUT = "   (cut here)"  # behind the caption of an episode's last frame where it had not ended
_SHORTEST = 20  # milliseconds; viewers slow down GIFs with shorter frames


def episode_caption(episode: int, steps: int, episode_return: float) -> str:
    return f"episode {episode}   step {steps}   return {episode_return:,.1f}"


def render_episodes(
    env: str | Callable[..., gymnasium.Env],
    act: Callable[[PyTree], PyTree],
    path: str | Path,
    episodes: int,
    seed: int,
    caption: Caption | None = episode_caption,
    begin: Callable[[], None] | None = None,
    steps: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """Play episodes in one Gymnasium environment and film them.

    Args:
        env: a registered id, or a factory that accepts ``render_mode``.
        act: observation → action as ``env.step`` takes it.
        path: the video; ``.mp4`` becomes ``.gif`` where ffmpeg does not work.
        episodes: how many.
        seed: of the first reset; the later episodes continue its random stream.
        caption: text in a bar under each frame, or None.
        begin: called before each episode, such as ``Agent.reset``.
        steps: of an episode that are filmed at most; by default 2,000, or 500 where there is no time limit.
        tell: called with a sentence where an episode was cut.

    Returns:
        The path of the video that was written.

    Raises:
        LogpiError: the environment cannot be made or does not draw, every frame is of one colour, or the disk refuses.
        Exception: whatever the environment or ``act`` raises; what was filmed until then is written.
    """
    with _headless(), contextlib.closing(_make(env)) as made:
        fps = made.metadata.get("render_fps") or 30
        longest = _longest(made) if steps is None else steps
        return write_video(_play(made, act, episodes, seed, caption, begin, longest, tell), path, fps)


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


def open_file(path: str | Path) -> bool:
    """If there is a display, open a file with the system's viewer; returns whether it did."""
    if not has_display():
        return False
    if sys.platform == "win32":
        os.startfile(path)
        return True
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is None:
        return False
    silent = subprocess.DEVNULL
    subprocess.Popen([opener, str(path)], stdin=silent, stdout=silent, stderr=silent, start_new_session=True)
    return True


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
        with _brief_forks():
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


def _play(
    env: gymnasium.Env,
    act: Callable[[PyTree], PyTree],
    episodes: int,
    seed: int,
    caption: Caption | None,
    begin: Callable[[], None] | None,
    longest: int,
    tell: Callable[[str], None],
) -> Iterator[Frame]:
    cut, shows = False, Shows()
    for episode in range(1, episodes + 1):
        if begin:
            begin()
        obs, _ = env.reset(seed=seed if episode == 1 else None)
        episode_return, ended = 0.0, False
        yield _frame(env, shows, caption and caption(episode, 0, episode_return))
        for step in range(1, longest + 1):
            obs, reward, terminated, truncated, _ = env.step(act(obs))
            episode_return += float(reward)
            ended = bool(terminated or truncated)
            here = "" if ended or step < longest else CUT
            yield _frame(env, shows, caption and caption(episode, step, episode_return) + here)
            if ended:
                break
        cut = cut or not ended
    if not shows.anything:
        raise LogpiError(f"the film of {env} shows nothing: render() gave one colour only; draw the state in it")
    if cut:
        tell(f"the film shows the first {longest:,} steps of an episode, which had not ended")


def _longest(env: gymnasium.Env) -> int:
    """Steps of an episode that are filmed where no number was asked for."""
    limit = time_limit(env)
    return UNLIMITED if limit is None else min(limit, LONGEST)


def time_limit(env: gymnasium.Env) -> int | None:
    """Steps after which an episode is truncated; None where nothing says so."""
    from gymnasium import Wrapper

    layer: Any = env
    while isinstance(layer, Wrapper):
        known = getattr(layer, "_max_episode_steps", None)  # gymnasium.wrappers.TimeLimit
        if isinstance(known, int):
            return known
        layer = layer.env
    found = env.spec.max_episode_steps if env.spec is not None else None
    return found if isinstance(found, int) else None


def _frame(env: gymnasium.Env, shows: Shows, text: str | None) -> Frame:
    try:
        frame = rgb(env.render())
    except LogpiError as error:
        raise LogpiError(
            f'{env} cannot be filmed: {error}; add "rgb_array" to its metadata["render_modes"] and draw uint8 [H, W, 3]'
        ) from error
    shows.look(frame)
    return captioned(frame, text) if text else frame


def _make(env: str | Callable[..., gymnasium.Env]) -> gymnasium.Env:
    import gymnasium

    try:
        if isinstance(env, str):
            return gymnasium.make(env, render_mode="rgb_array")
        return env(render_mode="rgb_array")
    except (gymnasium.error.Error, ImportError) as error:
        raise LogpiError(
            f"cannot make {env} for a video: {error}; `logpi envs` lists the environments that are here"
        ) from error


@contextlib.contextmanager
def _brief_forks() -> Iterator[None]:
    """Silence JAX's warning of forks: children started in this block run another program at once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
        yield


@contextlib.contextmanager
def _headless() -> Iterator[None]:
    """Let SDL (pygame) and MuJoCo draw into memory. Viewers need SDL's setting unset again."""
    if sys.platform.startswith("linux") and "MUJOCO_GL" not in os.environ:
        choices = {"egl": "EGL", "osmesa": "OSMesa"}
        with _brief_forks():
            found = [name for name, library in choices.items() if ctypes.util.find_library(library)]
        if found:
            os.environ["MUJOCO_GL"] = found[0]
    before = os.environ.get("SDL_VIDEODRIVER")
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SDL_VIDEODRIVER"]
        else:
            os.environ["SDL_VIDEODRIVER"] = before


def has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
