"""``logpi gallery``: environments with films of their agents, as files that need no server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, LogDir
from logpi.cli.output import say, say_json, warn

ENVS = Annotated[
    tyro.conf.Positional[tuple[str, ...]],
    tyro.conf.arg(help="Environments, image tasks or games; by default those with a recipe or a run", metavar="ENV"),
]


def gallery(argv: list[str]) -> int:
    """Write the gallery."""

    def options(
        envs: ENVS = (), out: str = "gallery", log_dir: LogDir = "runs", no_films: bool = False, json: Json = False
    ) -> tuple[tuple[str, ...], str, str, bool, bool]:
        """Write a folder with one page of environments: films of a random and of the best agents, spaces, rewards,
        scores with intervals, and the commands that reproduce them. The page needs no server.

        Args:
            out: Folder to write
            no_films: No films, which take some seconds each; those made before are kept in the cache
        """
        return envs, out, log_dir, no_films, json

    envs, out, root, no_films, json = tyro.cli(options, args=argv, prog="logpi gallery", config=NO_OFF)
    from logpi.api.gallery import film_folder, films
    from logpi.api.gallery import gallery as found_in
    from logpi.view.site import write_site

    entries = found_in(root, envs or None)
    made: dict[tuple[str, str], Path] = {}
    if not no_films:
        tell = (lambda text: None) if json else (lambda text: warn(f"logpi gallery: {text}"))
        for entry, agent, film in films(entries, film_folder(), tell):
            if film is not None:
                made[entry.env, agent.what] = film
    page = write_site(Path(out), [entry.to_json() for entry in entries], made)
    if json:
        say_json({"page": page, "tasks": len(entries), "films": len(made)})
    else:
        say(f"{page}   {len(entries)} tasks, {len(made)} films")
    return 0
