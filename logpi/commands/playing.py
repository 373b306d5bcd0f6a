"""``logpi eval`` and ``logpi watch``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from logpi.errors import LogpiError

Target = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(help="a run, or an agent's folder (best/, last/); else the newest run in runs/", metavar="AGENT"),
]
NO_OFF = (tyro.conf.FlagCreatePairsOff,)


def eval(argv: list[str]) -> int:
    """Play greedy episodes with a trained agent."""

    def options(
        agent: Target = "", episodes: int = 100, seed: int = 10_000, sampled: bool = False, json: bool = False
    ) -> tuple[str, int, int, bool, bool]:
        """Play episodes of the agent's Gymnasium environment, full games with unnormalised rewards.

        Args:
            episodes: how many
            seed: of the first environment; training used others
            sampled: sample actions, instead of the most probable one
            json: print a JSON object
        """
        return agent, episodes, seed, sampled, json

    path, episodes, seed, sampled, as_json = tyro.cli(options, args=argv, prog="logpi eval", config=NO_OFF)
    from logpi import api, devices

    devices.prepare()
    path = path or newest_run()
    result = api.evaluate(api.load(path), episodes, seed, sampled)
    if as_json:
        print(json.dumps({"agent": path, **result}))
        return 0
    how = "sampled" if sampled else "greedy"
    print(
        f"{result['env']}: mean return {result['mean_reward']:.2f} ± {result['interval']:.2f} (95 % interval of the "
        f"mean; deviation {result['std_reward']:.2f}) over {episodes} {how} episodes on {result['on']}, seed {seed}"
    )
    return 0


def watch(argv: list[str]) -> int:
    """Film a trained agent, or a random one."""

    def options(
        target: Annotated[
            tyro.conf.Positional[str],
            tyro.conf.arg(help="a run or an agent's folder, else the newest run; with --random, an environment"),
        ] = "",
        episodes: int = 1,
        seed: int = 10_000,
        random: bool = False,
        sampled: bool = False,
        out: str = "",
        json: bool = False,
    ) -> Any:
        """Record a video and open it where there is a display.

        Args:
            episodes: how many to film
            seed: of the first reset
            random: a random agent in the environment TARGET
            sampled: sample actions, instead of the most probable one
            out: the video's path; else videos/ of the run, or here
            json: print a JSON object with the video's path
        """
        return target, episodes, seed, random, sampled, out, json

    target, episodes, seed, random, sampled, out, as_json = tyro.cli(
        options, args=argv, prog="logpi watch", config=NO_OFF
    )
    from logpi import api, devices
    from logpi.view.video import open_file

    devices.prepare()
    if random and not target:
        raise LogpiError("--random needs an environment: logpi watch CartPole-v1 --random")
    target = target or newest_run()
    if random:
        name = "".join(c if c.isalnum() else "-" for c in target)
        path = api.film_random(target, Path(out or f"random-{name}.mp4"), episodes, seed)
    else:
        agent = api.load(target)
        inside = Path(target) / "videos"
        path = Path(out) if out else (inside if inside.is_dir() else Path()) / f"watch-{seed}.mp4"
        path = api.film(agent, path, episodes, seed, sampled)
    if as_json:
        print(json.dumps({"video": str(path), "episodes": episodes, "seed": seed}))
    else:
        open_file(path)
    return 0


def newest_run() -> str:
    """The newest run in ``runs``.

    Raises:
        LogpiError: there is none.
    """
    from logpi.runs import find_runs

    found = find_runs()
    if not found:
        raise LogpiError("no run in runs/ to take; name one, or train: logpi train CartPole-v1")
    return str(found[-1].path)
