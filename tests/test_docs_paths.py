"""Names in the documentation exist: files and modules of logpi, links between pages, and settings in the glossary."""

import dataclasses
import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

from logpi.config.settings import Run
from logpi.methods import all_methods

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PATH = re.compile(r"(?<![\w./~-])(?:logpi|tests|bench)/[\w./*-]*\w")
DOTTED = re.compile(r"(?<![\w./\"-])logpi(?:\.[A-Za-z_]\w*)+")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def resolve(dotted: str) -> object:
    """The module or attribute that ``dotted`` names; raises AttributeError where there is none."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[count:], module)
    raise AttributeError(dotted)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_names_and_links_exist(page):
    text = page.read_text(encoding="utf-8")
    missing = [path for path in PATH.findall(text) if not any(ROOT.glob(path))]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    for name in set(DOTTED.findall(text)):
        try:
            resolve(name)
        except AttributeError:
            missing.append(name)
    assert not missing


def test_glossary_names_settings_and_modules():
    kinds = {kind for method in all_methods() for kind in (method.settings, method.network)} | {Run}
    settings = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    rows = [line.split("|") for line in (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines()]
    carriers = [name for row in rows if len(row) == 5 for name in re.findall(r"`([^`]+)`", row[3])]
    assert len(carriers) > 40
    assert [name for name in carriers if name not in settings and not name.startswith("logpi.")] == []


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:] if page.name != "index.md"]
    assert [page for page in pages if f"]({page})" not in index] == []
