"""``logpi bundle``: an agent with its card, score and video in one folder."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json, Target, newest_run, within
from logpi.cli.output import say, say_json, warn


def bundle(argv: list[str]) -> int:
    """Write an agent with its card, score and video into a folder that any machine loads."""

    def options(
        agent: Target = "", out: str = "", episodes: int | None = None, no_video: bool = False, json: Json = False
    ) -> tuple[str, str, int | None, bool, bool]:
        """Evaluate and film an agent, and write it with its card into a folder that any machine loads: weights as
        safetensors, the rest as JSON and text, the sum of each file.

        Args:
            out: Folder to write; by default <algo>-<environment> in the working folder
            episodes: Number of episodes, images or games of the evaluation, at least 1; by default 100, all, 200
            no_video: No video
        """
        return agent, out, episodes, no_video, json

    path, out, episodes, no_video, json = tyro.cli(options, args=argv, prog="logpi bundle", config=NO_OFF)
    within("--episodes", 1 if episodes is None else episodes, 1, 10**9)
    path = path or newest_run()
    import logpi.api.deploy as api
    from logpi.runs.files import size_text

    made = api.bundle(path, out or None, episodes=episodes, video=not no_video)
    for note in made.notes:
        warn(f"logpi bundle: {note}")
    if json:
        say_json({"agent": path, "path": made.path, "bytes": made.bytes, **made.measured._asdict()})
        return 0
    say(f"{made.path}  {size_text(made.bytes)}\n  {made.score}")
    return 0
