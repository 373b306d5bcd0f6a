"""``logpi eval`` and ``logpi watch``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from logpi.cli.validation import SEEDS, within
from logpi.errors import LogpiError

Target = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(help="a run, or an agent's folder (best/, last/); else the newest run in runs/", metavar="AGENT"),
]
FILMED = 6  # images of a ram agent
FILM_SUFFIXES = (".mp4", ".gif")
NO_OFF = (tyro.conf.FlagCreatePairsOff,)


def eval(argv: list[str]) -> int:
    """Play greedy episodes with a trained agent."""

    def options(
        agent: Target = "",
        episodes: int | None = None,
        seed: int = 10_000,
        sampled: bool = False,
        passes: int = 10,
        split: Literal["test", "validation"] = "test",
        json: bool = False,
    ) -> Any:
        """Play episodes of the agent's Gymnasium environment, full games with unnormalised rewards; classify images; or
        play a board game well: positions with known answers (connect-four), games against plain search (all others).

        Args:
            episodes: how many: 100 by default, or every image
            seed: of the first environment; training used others
            sampled: sample actions, instead of the most probable one
            passes: over an image, whose class probabilities are averaged (ram)
            split: the images that are classified
            json: print a JSON object
        """
        return agent, episodes, seed, sampled, passes, split, json

    path, asked, seed, sampled, passes, split, as_json = tyro.cli(options, args=argv, prog="logpi eval", config=NO_OFF)
    from logpi import api
    from logpi.driver import devices
    from logpi.games.agent import is_game_agent
    from logpi.ram.agent import ImageAgent
    from logpi.runs.folder import agent_folder, siblings

    devices.prepare()
    path = path or newest_run()
    within("--episodes", 1 if asked is None else asked, 1, 10**9)
    within("--passes", passes, 1, 10**6)
    if is_game_agent(folder := agent_folder(path)):
        within("--seed", seed, *SEEDS)
        for name, given in (("--sampled", sampled), ("--passes", passes != 10), ("--split", split != "test")):
            if given:
                raise LogpiError(f"{name} is not for agents of board games, such as {path}; leave it out")
        return judge_player(folder, path, asked, seed, as_json)
    agent = api.load(folder)
    if len(together := siblings(folder)) > 1 and not as_json:
        print(f"{folder}, one of {len(together)} seeds ({together[0].name} to {together[-1].name}):")
    if isinstance(agent, ImageAgent):
        if seed != 10_000:
            raise LogpiError(f"--seed is not for agents that look at images, such as {path}: all are judged alike")
        return classify(agent, path, folder, asked, passes, sampled, split, as_json)
    episodes = 100 if asked is None else asked
    result = api.evaluate(agent, episodes, seed, sampled)
    if as_json:
        print(json.dumps({"agent": path, "folder": str(folder), **result}))
        return 0
    how = "sampled" if sampled else "greedy"
    print(
        f"{result['env']}: mean return {result['mean_reward']:.2f} ± {result['interval']:.2f} (95 % interval of the "
        f"mean; deviation {result['std_reward']:.2f}) over {episodes} {how} episodes on {result['on']}, seed {seed}"
    )
    return 0


def judge_player(folder: Path, path: str, asked: int | None, seed: int, as_json: bool) -> int:
    """Report how well an agent plays its board game."""
    from logpi.games.agent import load_game_agent
    from logpi.games.evaluation.judges import judge

    result = judge(load_game_agent(folder), 10**9 if asked is None else asked, seed)
    if as_json:
        print(json.dumps({"agent": path, "folder": str(folder), **result}))
    else:
        print(
            f"{result['game']}: {result['what']} {result['mean']:.4g} (95 % interval {result['low']:.4g} to "
            f"{result['high']:.4g}) of {result['count']}, {result['simulations']} simulations a move"
        )
    return 0


def classify(
    agent: Any, path: str, folder: Path, episodes: int | None, passes: int, sampled: bool, split: str, as_json: bool
) -> int:
    """Report a classifier's errors on the images of a split."""
    from logpi.config.settings import RAM
    from logpi.ram.evaluation import interval, judge

    found = judge(agent, 10**9 if episodes is None else episodes, passes, sampled, split)
    if as_json:
        which = {"agent": path, "folder": str(folder), "env": agent.facts["env"], "split": split, "sampled": sampled}
        print(json.dumps(which | found._asdict()))
        return 0

    def line(name: str, error: float) -> str:
        low, high = interval(error, found.images)
        return f"  {name:44} error {error:7.2%}   (95 % interval {low:.2%} to {high:.2%})"

    print(f"{agent.facts['env']}, {agent.facts['algo']}: {found.images:,} {split} images")
    glimpses = isinstance(agent.config, RAM)
    print(line("one pass, mean locations" if glimpses else "the whole image", found.one_pass))
    if glimpses:
        how = "sampled" if sampled else "mean"
        print(line(f"M = {found.passes} passes averaged, {how} locations", found.averaged))
    if found.stopping:
        print("  after glimpse 1, 2, …:  " + "  ".join(f"{error:.2%}" for error in found.after))
        print("  looking until sure:")
        for row in found.stopping:
            print(f"    {row['threshold']:<6g} {row['mean_glimpses']:5.2f} glimpses   error {row['error']:7.2%}")
    return 0


def watch(argv: list[str]) -> int:
    """Film a trained agent, or a random one."""

    def options(
        target: Annotated[
            tyro.conf.Positional[str],
            tyro.conf.arg(help="a run or an agent's folder, else the newest run; with --random, an environment"),
        ] = "",
        episodes: int | None = None,
        seed: int = 10_000,
        random: bool = False,
        sampled: bool = False,
        sheet: bool = False,
        out: str = "",
        json: bool = False,
    ) -> Any:
        """Record a video and open it where there is a display.

        Args:
            episodes: how many to film, 1 by default; for ram, images, 6 by default, 24 on a sheet
            seed: of the first reset; for ram, the number of the first test image too
            random: a random agent in the environment TARGET
            sampled: sample actions, instead of the most probable one
            sheet: for ram, no film but a sheet of glimpse paths and a map of where it looks
            out: the video, .mp4 or .gif, or a folder for it; else videos/ of the run (with --sheet the run), or here
            json: print a JSON object with the video's path
        """
        return target, episodes, seed, random, sampled, sheet, out, json

    target, episodes, seed, random, sampled, sheet, out, as_json = tyro.cli(
        options, args=argv, prog="logpi watch", config=NO_OFF
    )
    from logpi import api
    from logpi.driver import devices
    from logpi.ram.agent import ImageAgent
    from logpi.view.video import open_file

    devices.prepare()
    if random and not target:
        raise LogpiError("--random needs an environment: logpi watch CartPole-v1 --random")
    target = target or newest_run()
    within("--episodes", 1 if episodes is None else episodes, 1, 10**6)
    if out and not sheet and not Path(out).is_dir() and Path(out).suffix not in FILM_SUFFIXES:
        raise LogpiError(
            f"--out {out}; allowed: a folder that exists, or a file that ends in {' or '.join(FILM_SUFFIXES)}"
        )
    if random:
        if (Path(target) / "manifest.json").is_file():
            raise LogpiError(f"{target} is a run; --random films an environment: logpi watch CartPole-v1 --random")
        name = "".join(c if c.isalnum() else "-" for c in target)
        episodes = 1 if episodes is None else episodes
        path = api.film_random(target, _film_path(out, Path(), f"random-{name}.mp4"), episodes, seed)
    else:
        agent = api.load(target)
        inside = Path(target) / "videos"
        if sheet:
            beside = inside.parent if inside.is_dir() else Path()
            return draw_sheet(agent, target, Path(out) if out else beside, episodes, seed, sampled, as_json)
        if episodes is None:
            episodes = FILMED if isinstance(agent, ImageAgent) else 1
        path = _film_path(out, inside if inside.is_dir() else Path(), f"watch-{seed}.mp4")
        path = api.film(agent, path, episodes, seed, sampled)
    if as_json:
        print(json.dumps({"video": str(path), "episodes": episodes, "seed": seed}))
    else:
        open_file(path)
    return 0


def _film_path(out: str, usual: Path, name: str) -> Path:
    """Where a film goes: the file or into the folder that was asked for, or into the ``usual`` one."""
    folder = Path(out) if out else usual
    return folder / name if folder.is_dir() else folder


def draw_sheet(
    agent: Any, target: str, folder: Path, count: int | None, seed: int, sampled: bool, as_json: bool
) -> int:
    """Draw the glimpse paths and the heat map of a RAM agent."""
    from logpi.ram.agent import ImageAgent
    from logpi.ram.figures import ON_THE_SHEET, pictures
    from logpi.view.video import open_file

    if not isinstance(agent, ImageAgent):
        raise LogpiError(f"--sheet is of glimpses, and {target} has none; `logpi watch {target}` films it")
    drawn = pictures(agent, folder, seed, sampled, ON_THE_SHEET if count is None else count)
    if as_json:
        print(json.dumps({name: str(path) for name, path in drawn.items()}))
    else:
        for path in drawn.values():
            open_file(path)
    return 0


def newest_run() -> str:
    """The newest run in ``runs``.

    Raises:
        LogpiError: there is none.
    """
    from logpi.runs.folder import find_runs

    found = find_runs()
    if not found:
        raise LogpiError("no run in runs/ to take; name one, or train: logpi train CartPole-v1")
    return str(found[-1].path)
