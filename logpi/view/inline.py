"""Pictures and films inside a notebook: one piece of HTML that holds them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from logpi.errors import inert

LARGEST = 16 * 2**20  # bytes of a file that a notebook is made to keep
IMAGES = {".png": "image/png", ".gif": "image/gif"}
FILMS = {".mp4": "video/mp4"}


def html(text: str, pictures: Mapping[str, Path]) -> str:
    """``text``, and the files of ``pictures`` (what is drawn -> file) shown below it; large ones by their path.

    Whatever the names in a text are, nothing of it becomes HTML.
    """
    return "\n".join([f"<pre>{escape(inert(text))}</pre>", *(_shown(what, path) for what, path in pictures.items())])


def _shown(what: str, path: Path) -> str:
    kind = IMAGES.get(path.suffix) or FILMS.get(path.suffix)
    try:
        data = path.read_bytes() if kind and path.stat().st_size <= LARGEST else None
    except OSError:
        data = None
    if data is None:
        return f"<p>{escape(inert(f'{what}: {path}'))}</p>"
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    if path.suffix in FILMS:
        return f'<video controls muted loop title="{escape(inert(what))}" src="{source}"></video>'
    return f'<img alt="{escape(inert(what))}" src="{source}">'
