"""``logpi pull``: a bundle from the Hugging Face hub."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import say, say_json

REPO = Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="Repository of the hub, OWNER/NAME", metavar="REPO")]


def pull(argv: list[str]) -> int:
    """Fetch a bundle from the Hugging Face hub."""

    def options(repo: REPO, out: str = "", revision: str = "", json: Json = False) -> tuple[str, str, str, bool]:
        """Fetch a bundle from the Hugging Face hub into a folder.

        Args:
            out: Folder to write; by default NAME in the working folder
            revision: Branch, tag or commit; by default the newest
        """
        return repo, out, revision, json

    repo, out, revision, json = tyro.cli(options, args=argv, prog="logpi pull", config=NO_OFF)
    import logpi.api.deploy as api

    path = api.pull(repo, out or None, revision=revision or None)
    if json:
        say_json({"repo": repo, "path": path})
    else:
        say(path)
    return 0
