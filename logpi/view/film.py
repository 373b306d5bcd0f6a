"""Films of an agent's episodes in Gymnasium's environments: playing, captions, and where a long episode is cut."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from logpi.envs.frames import Frame, Shows, rgb
from logpi.envs.limits import time_limit
from logpi.errors import LogpiError
from logpi.view.captions import captioned
from logpi.view.screen import headless
from logpi.view.video import write_video

if TYPE_CHECKING:
    import gymnasium
    from jaxtyping import PyTree

Caption = Callable[[int, int, float], str]  # (episode from 1, steps so far, return so far)
LONGEST = 2_000  # steps of an episode that are filmed at most, unless more are asked for
UNLIMITED = 500  # the same in an environment without a time limit: its episode may never end
CUT = "   (cut here)"  # behind the caption of an episode's last frame where it had not ended


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
    with headless(), contextlib.closing(_make(env)) as made:
        fps = made.metadata.get("render_fps") or 30
        longest = _longest(made) if steps is None else steps
        return write_video(_play(made, act, episodes, seed, caption, begin, longest, tell), path, fps)


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


def _frame(env: gymnasium.Env, shows: Shows, text: str | None) -> Frame:
    try:
        frame = rgb(env.render())
    except LogpiError as error:
        raise LogpiError(
            f'{env} cannot be filmed: {error}; add "rgb_array" to its metadata["render_modes"] and draw uint8 [H, W, 3]'
        ) from error
    shows.add(frame)
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
