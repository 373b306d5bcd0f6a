"""``logpi look``: pictures of the user's own, classified by a trained agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, within
from logpi.cli.output import say, say_json
from logpi.errors import LogpiError

AGENT = "Run, or an agent's folder (best/, last/), trained on images: ram/…"
PICTURES = "Image files: PNG, JPEG, BMP, GIF, WebP, TIFF, PGM or PPM, of any size"


def look(argv: list[str]) -> int:
    """Classify pictures of your own."""

    def options(
        agent: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=AGENT, metavar="AGENT")],
        pictures: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(help=PICTURES, metavar="PICTURE")],
        invert: bool = False,
        autocontrast: bool = False,
        passes: int = 1,
        out: str = "",
        no_drawing: bool = False,
        json: Json = False,
    ) -> tuple[str, tuple[str, ...], bool, bool, int, str, bool, bool]:
        """Classify pictures with a trained agent: each is scaled to the agent's images, its glimpses are drawn as PNG.

        Args:
            invert: Inverted pictures: black is taken for white
            autocontrast: Stretched levels: the darkest pixel of each picture becomes black, its brightest white
            passes: Number of passes over a picture whose class probabilities are averaged
            out: Folder of the PNG files; by default the working folder
            no_drawing: No PNG files
        """
        return agent, pictures, invert, autocontrast, passes, out, no_drawing, json

    agent, pictures, invert, autocontrast, passes, out, no_drawing, json = tyro.cli(
        options, args=argv, prog="logpi look", config=NO_OFF
    )
    within("--passes", passes, 1, 10**6)
    if not pictures:
        raise LogpiError(f"no picture to look at; name the agent and then pictures: logpi look RUN {agent}")
    if out and no_drawing:
        raise LogpiError("--out is where PNG files go, and --no-drawing draws none; leave one of them out")
    import logpi.api as api

    answer = api.look(agent, pictures, None if no_drawing else Path(out), invert, autocontrast, passes)
    if json:
        say_json({"agent": agent, **answer.facts})
    else:
        say("\n".join(answer.lines))
    return 0
