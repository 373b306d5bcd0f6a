"""``logpi push``: a bundle to the Hugging Face hub."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import say, say_json

BUNDLE = Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="Folder that `logpi bundle` wrote", metavar="BUNDLE")]
REPO = Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="Repository of the hub, OWNER/NAME", metavar="REPO")]


def push(argv: list[str]) -> int:
    """Send a bundle to the Hugging Face hub."""

    def options(bundle: BUNDLE, repo: REPO, private: bool = False, json: Json = False) -> tuple[str, str, bool, bool]:
        """Send a bundle to the Hugging Face hub, as one commit. The token is huggingface_hub's own: HF_TOKEN, or
        `hf auth login`.

        Args:
            private: New repositories are seen by their owner alone
        """
        return bundle, repo, private, json

    bundle, repo, private, json = tyro.cli(options, args=argv, prog="logpi push", config=NO_OFF)
    import logpi.api.deploy as api

    page = api.push(bundle, repo, private=private)
    if json:
        say_json({"bundle": bundle, "page": page})
    else:
        say(page)
    return 0
