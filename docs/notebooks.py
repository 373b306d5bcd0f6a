"""Jupyter notebooks of the course, made from its pages: ``python docs/notebooks.py FOLDER``.

The site's build (``hooks.py``) puts the same files beside the pages. A program and a Python block become a cell (which
writes a file, where another program or a command of the page needs it); a command of logpi becomes a cell that runs it;
the picture that it drew is shown below it; the rest is Markdown.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COURSE = Path(__file__).parent / "course"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`(\w+\.py)`:\s*\Z")  # the end of the text before a block that is a file
PICTURE = re.compile(r"^!\[[^]]*\]\(\.\./pictures/course/([\w-]+)\.png\)\n", re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?!https?:)([^)#\s]+)")
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)", re.MULTILINE)
DRAWN = re.compile(r"`([\w./-]+\.png)`")


def pages() -> list[Path]:
    """The lessons, in their order: pages whose names begin with a number."""
    return sorted(COURSE.glob("[0-9]*.md"), key=lambda page: int(page.stem.partition("-")[0]))


def notebook(page: Path, site: str, repository: str) -> dict[str, Any]:
    """The notebook of a page, in Jupyter's format 4.5; relative links lead to the web addresses given."""
    cells = [
        {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source.strip("\n")}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        for number, (kind, source) in enumerate(_parts(page.read_text(encoding="utf-8"), site, repository))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _parts(text: str, site: str, repository: str) -> Iterator[tuple[str, str]]:
    """(kind, source) of each cell."""
    programs, at = "", 0
    for block in [*FENCE.finditer(text), None]:
        before = text[at : block.start() if block else len(text)]
        yield from _prose(before, programs, site, repository)
        if block is None:
            return
        at, language, body = block.end(), block[1], block[2]
        if language == "python":
            programs += body
            file = FILE.search(before)
            if file and re.search(rf"{file[1]}:|^from {file[1][:-3]} import", text, re.MULTILINE):
                body = f"%%writefile {file[1]}\n{body}"
            yield "code", body
        elif language in ("console", "bash"):
            lines = COMMAND.findall(body) if language == "console" else body.splitlines()
            commands = [line for line in lines if not line.startswith("python ")]  # its program is a cell already
            if commands:
                yield "code", "\n".join(f"!{line}" for line in commands)
        else:
            yield "markdown", block[0]


def _prose(text: str, programs: str, site: str, repository: str) -> Iterator[tuple[str, str]]:
    """Markdown, cut where a picture stands: what the reader's own command drew takes its place."""

    def outward(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs/course", link[1]))
        if target.startswith("docs/") and target.endswith(".md"):
            return site + re.sub(r"(index)?\.md$", "", target.removeprefix("docs/")).rstrip("/") + "/"
        return f"{repository}/blob/main/{target}"

    at = 0
    for picture in [*PICTURE.finditer(text), None]:
        prose = text[at : picture.start() if picture else len(text)]
        if outside := LINK.sub(outward, FILE.sub("", prose)).strip():
            yield "markdown", outside
        if picture is None:
            return
        at, file = picture.end(), drawn(picture[1], prose)
        if f'savefig("{file}"' not in programs:  # a program's figure is shown with its cell
            yield "code", f'from IPython.display import Image\n\nImage("{file}")'


def drawn(picture: str, before: str) -> str:
    """The file that a command draws as ``picture``: the last PNG that the text ``before`` names, or one of its name."""
    return [f"{picture}.png", *DRAWN.findall(before)][-1]


def pictures(page: Path) -> dict[str, str]:
    """For each picture of a page, the file that the page's commands draw."""
    text = page.read_text(encoding="utf-8")
    return {match[1]: drawn(match[1], FENCE.sub("", text[: match.start()])) for match in PICTURE.finditer(text)}


def text_of(page: Path, site: str, repository: str) -> str:
    """The notebook of a page as the text of its file."""
    return json.dumps(notebook(page, site, repository), ensure_ascii=False, indent=1) + "\n"


def main(folder: Path) -> None:
    settings = (Path(__file__).parents[1] / "mkdocs.yml").read_text(encoding="utf-8")
    site, repository = (re.search(rf"^ *{name}: (\S+)$", settings, re.MULTILINE) for name in ("site_url", "repository"))
    if site is None or repository is None:
        raise SystemExit("mkdocs.yml has no site_url, or no repository")
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages():
        path = folder / f"{page.stem}.ipynb"
        path.write_text(text_of(page, site[1], repository[1]), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python docs/notebooks.py FOLDER")
    main(Path(sys.argv[1]))
