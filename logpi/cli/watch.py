"""``logpi watch``: a video of a trained or a random agent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro

from logpi.cli.options import NO_OFF, SEEDS, FrameStack, Wrapper, newest_run, within
from logpi.cli.output import say, say_json, warn
from logpi.config.wrappers import split
from logpi.errors import LogpiError
from logpi.runs.files import refuse_traps

FILM_SUFFIXES = (".mp4", ".gif")
TARGET = "Run, agent's folder or name of `logpi agents`; by default the newest run; with --random an environment"


class Wanted(NamedTuple):
    """Arguments of ``logpi watch``."""

    target: str
    episodes: int | None
    seed: int
    random: bool
    sampled: bool
    sheet: bool
    steps: int | None
    around: Mapping[str, Any]  # wrappers and frame_stack, as far as they are asked for
    out: str
    json: bool


def watch(argv: list[str]) -> int:
    """Film a trained agent, or a random one."""

    def options(
        target: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=TARGET, metavar="TARGET")] = "",
        episodes: int | None = None,
        seed: int = 10_000,
        random: bool = False,
        sampled: bool = False,
        sheet: bool = False,
        steps: int | None = None,
        wrapper: Wrapper = (),
        frame_stack: FrameStack = None,
        out: str = "",
        json: bool = False,
    ) -> Wanted:
        """Record a video of an agent, and open it where there is a display.

        Args:
            episodes: Number of episodes, at least 1; 1 by default; of ram, images: 6 by default, 24 on a sheet
            seed: Seed of the first episode, 0 to 2147483647; of ram also the index of the first test image
            random: Random agent in the environment TARGET
            sampled: Sampled actions instead of the most probable ones
            sheet: Two pictures in place of a video (ram): glimpse paths and a heat map of places
            steps: Maximum number of filmed steps per episode; by default 2,000, or 500 without a time limit
            out: Video file (.mp4 or .gif) or folder; by default in the run, or the working folder
            json: Output of the paths as a JSON object; nothing is opened
        """
        return Wanted(target, episodes, seed, random, sampled, sheet, steps, asked, out, json)

    argv, asked = split(argv)
    wanted = tyro.cli(options, args=argv, prog="logpi watch", config=NO_OFF)
    if asked and not wanted.random:
        flag = f"--{next(iter(asked)).rstrip('s').replace('_', '-')}"
        raise LogpiError(f"{flag} is for --random; an agent is filmed within the wrappers that it was trained in")
    if wanted.random and not wanted.target:
        raise LogpiError("--random needs an environment: logpi watch CartPole-v1 --random")
    within("--episodes", 1 if wanted.episodes is None else wanted.episodes, 1, 10**6)
    within("--seed", wanted.seed, *SEEDS)
    within("--steps", 1 if wanted.steps is None else wanted.steps, 1, 10**6)
    if wanted.sheet and wanted.steps is not None:
        raise LogpiError("--steps cuts videos, and --sheet draws none; leave one of them out")
    if wanted.out and not wanted.sheet and not Path(wanted.out).is_dir() and not wanted.out.endswith(FILM_SUFFIXES):
        raise LogpiError(
            f"--out {wanted.out}; allowed: a folder that exists, or a file that ends in {' or '.join(FILM_SUFFIXES)}"
        )
    make = filmed_random if wanted.random else filmed
    made, episodes = make(wanted if wanted.random else wanted._replace(target=wanted.target or newest_run()))
    if wanted.json:
        asked = {} if wanted.sheet else {"episodes": episodes, "seed": wanted.seed}
        say_json(made | asked)
        return 0
    from logpi.view.screen import open_file

    for path in made.values():
        say(path)
        open_file(path)
    return 0


def filmed_random(wanted: Wanted) -> tuple[dict[str, Path], int]:
    """(path of the video of a random agent, number of episodes)."""
    import logpi.api as api
    from logpi.runs.folder import RunFolder

    target = wanted.target
    if os.path.isfile(RunFolder(Path(target)).manifest_file):
        raise LogpiError(f"{target} is a run; --random films an environment: logpi watch CartPole-v1 --random")
    name = "".join(c if c.isalnum() else "-" for c in target)
    path = _film_path(wanted.out, Path(), f"random-{name}.mp4")
    episodes = wanted.episodes or 1
    made = api.film_random(target, path, episodes, wanted.seed, wanted.steps, _tell, **wanted.around)
    return {"video": made}, episodes


def filmed(wanted: Wanted) -> tuple[dict[str, Path], int]:
    """(paths of the video, or of the sheet's pictures, of a trained agent; number of episodes or images of a video)."""
    import logpi.api as api
    from logpi.runs.folder import RunFolder
    from logpi.tasks import record

    run = RunFolder(Path(wanted.target))
    is_run = os.path.isfile(run.manifest_file)
    if is_run:
        refuse_traps(run.path)
    agent = api.load(wanted.target)
    if wanted.sheet:
        beside = run.path if is_run else Path()
        return api.sheet(agent, wanted.out or beside, wanted.episodes, wanted.seed, wanted.sampled), 0
    path = _film_path(wanted.out, run.videos if is_run else Path(), f"watch-{wanted.seed}.mp4")
    episodes = wanted.episodes or record(agent.kind).filmed
    made = api.film(agent, path, episodes, wanted.seed, wanted.sampled, wanted.steps, _tell)
    return {"video": made}, episodes


def _tell(text: str) -> None:
    warn(f"logpi watch: {text}; --steps N films more of it")


def _film_path(out: str, usual: Path, name: str) -> Path:
    """The path of a video: ``out`` as a file or folder, else ``name`` in the folder ``usual``, which need not exist."""
    return Path(out) if out and not Path(out).is_dir() else Path(out or usual) / name
