"""What MkDocs does not do by itself, called by it while it builds the site (``mkdocs.yml``).

- The navigation is the list of pages in ``index.md``: a page is added in one place.
- ``api.md`` and ``settings.md`` are filled from ``logpi.__all__`` and from the settings' fields.
- Each lesson of the course gets a notebook (``notebooks.py``), and a link to it.
- The changelog is the ``CHANGELOG.md`` of the repository; links to other files of it lead to its web page.
- ``llms.txt`` and the pages' Markdown are put beside them (https://llmstxt.org).
"""

from __future__ import annotations

import dataclasses
import inspect
import posixpath
import re
import shutil
import typing
from pathlib import Path
from typing import Any

import notebooks
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CHANGELOG = "changelog.md"
SECTION = re.compile(r"^## (.+)$")
ENTRY = re.compile(r"^- \[(.+?)\]\((\S+?)\): (.+)$")
LINK = re.compile(r"(\]\()(\.\./[^)#\s]+)(#[^)\s]*)?(?=\))")
MARKER = re.compile(r"^<!-- made from the code: (\w+) -->$", re.MULTILINE)


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """The index: section -> (title, page, what it is about)."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in (DOCS / "index.md").read_text(encoding="utf-8").replace("\n  ", " ").splitlines():
        if heading := SECTION.match(line):
            found[heading[1]] = []
        elif entry := ENTRY.match(line):
            title, page, about = entry.groups()
            found[next(reversed(found))].append((title, page.replace("../CHANGELOG.md", CHANGELOG), about))
    return {name: pages for name, pages in found.items() if pages}


def on_config(config: MkDocsConfig) -> None:
    pages = {name: [{title: page} for title, page, _ in entries] for name, entries in sections().items()}
    config.nav = [{"Start": "index.md"}, *({name: entries} for name, entries in pages.items())]


def on_files(files: Files, config: MkDocsConfig) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, CHANGELOG, content=changelog))
    for page in notebooks.pages():
        text = notebooks.text_of(page, config.site_url or "", config.extra["repository"])
        files.append(File.generated(config, f"course/{page.stem}.ipynb", content=text))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    made = MARKER.sub(lambda marker: MAKERS[marker[1]](), markdown)
    here = posixpath.dirname(f"docs/{page.file.src_uri}")
    if page.file.src_uri == CHANGELOG:
        return re.sub(r"\]\(docs/", "](", made)

    def outward(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[2]))
        if target.startswith("docs/"):
            return link[0]
        if target == "CHANGELOG.md":
            return link[1] + posixpath.relpath(f"docs/{CHANGELOG}", here)
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{link[1]}{config.extra['repository']}/{kind}/main/{target}{link[3] or ''}"

    lesson = Path(page.file.src_uri)
    if lesson.parent.name == "course" and lesson.stem != "index":
        title, _, rest = made.partition("\n")
        made = f"{title}\n\n[Notebook]({lesson.stem}.ipynb){{: download }}\n{rest}"
    return LINK.sub(outward, made)


def on_post_build(config: MkDocsConfig) -> None:
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(llms(config), encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        target = site / page.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, target)
    shutil.copyfile(ROOT / "CHANGELOG.md", site / CHANGELOG)


def llms(config: MkDocsConfig) -> str:
    """``llms.txt``: what logpi is, and a link to the Markdown of each page."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}."]
    for name, entries in sections().items():
        lines += ["", f"## {name}", ""]
        lines += [f"- [{title}]({config.site_url}{page}): {about}" for title, page, about in entries]
    return "\n".join(lines) + "\n"


def api() -> str:
    """A heading for each public name, and what mkdocstrings puts under it."""
    import logpi

    parts = []
    for name in logpi.__all__:
        found = getattr(logpi, name)
        target = found.__name__ if inspect.ismodule(found) else f"{found.__module__}.{found.__qualname__}"
        parts.append(f"::: {target}\n    options:\n      heading: logpi.{name}\n      toc_label: {name}\n")
    return "\n".join(parts)


def settings() -> str:
    """A table of the settings of a run, and of each method and each network."""
    from logpi.config.settings import Run
    from logpi.methods import all_methods

    methods = all_methods()
    parts = ["## Every run: `[run]`", table(Run)]
    for method in methods:
        parts += [f"## {method.name}: `[method]`", method.about, table(method.settings)]
    networks = {method.network: [m.name for m in methods if m.network is method.network] for method in methods}
    for network, names in networks.items():
        parts += [f"## Network of {', '.join(names)}: `[network]`", (network.__doc__ or "").strip(), table(network)]
    return "\n\n".join(parts)


def table(kind: type[Any]) -> str:
    """The fields of a settings class, one a row."""
    from logpi.config.help import help_of
    from logpi.config.settings import range_of

    hints = typing.get_type_hints(kind)
    lines = ["| setting | default | allowed | what it is |", "|---|---|---|---|"]
    for field in dataclasses.fields(kind):
        wanted = range_of(kind, field.name)
        allowed = wanted.text if wanted else allowed_by(hints[field.name])
        lines.append(f"| `{field.name}` | `{shown(field.default)}` | {allowed} | {help_of(kind, field.name)} |")
    return "\n".join(lines)


def allowed_by(hint: Any) -> str:
    """The values of a type, in words."""
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(hint))
    return {bool: "`true`, `false`", str: "text"}.get(hint, "")


def shown(value: Any) -> str:
    """A default as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{list(value)}" if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else f"{value}"


MAKERS = {"api": api, "settings": settings}
