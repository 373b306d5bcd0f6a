"""The site: built without a warning, whole, and without anything from other hosts."""

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from manual import ROOT

import logpi
from logpi import methods
from logpi.config import stored
from logpi.config.help import help_of
from logpi.config.settings import Run
from logpi.runs import cards, checkpoint

CHANGES = ["Breaking changes", "New features", "Bug fixes", "Deprecations", "Documentation", "Others"]


class Resources(HTMLParser):
    """What a browser fetches to show a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev", "alternate", "edit"):
            self.found.append(given.get("href"))
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.found.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    return folder


def html_of(page, site):
    """The built page of a Markdown file in docs/."""
    path = page.relative_to(ROOT / "docs").with_suffix("")
    return site / (path.parent if path.name == "index" else path) / "index.html"


def test_every_page_is_there_and_fetches_nothing_from_other_hosts(site):
    pages = sorted((ROOT / "docs").rglob("*.md"))
    for page in pages:
        text = html_of(page, site).read_text("utf-8")
        resources = Resources()
        resources.feed(text)
        assert [address for address in resources.found if re.match(r"(https?:)?//", address)] == [], page
        body = text[text.index("<article") : text.index("</article>")]
        assert not re.search(r"<p>[^<]*\n[-*] ", body), "a list needs an empty line before it"
        assert "|---" not in body, "a table needs an empty line before it"
        assert "<!-- made from the code" not in body
    assert len(pages) > 25


def test_the_reference_of_the_api_has_every_public_name_and_its_docstring(site):
    text = (site / "api" / "index.html").read_text("utf-8")
    for name in logpi.__all__:
        found = getattr(logpi, name)
        path = found.__name__ if inspect.ismodule(found) else f"{found.__module__}.{found.__qualname__}"
        assert f'id="{path}"' in text, name
        assert inspect.getdoc(found), name
    assert "weight of" in text


def test_the_reference_of_the_settings_has_every_setting(site):
    text = (site / "settings" / "index.html").read_text("utf-8")
    kinds = {kind for method in methods.all_methods() for kind in (method.settings, method.network)} | {Run}
    for kind in kinds:
        for name in (field.name for field in dataclasses.fields(kind)):
            assert f"<td><code>{name}</code></td>" in text
            assert help_of(kind, name)[:20].replace("&", "&amp;") in text, name


def test_llms_txt_lists_every_page(site):
    lines = (site / "llms.txt").read_text("utf-8").splitlines()
    assert lines[0] == "# logpi"
    assert lines[2].startswith("> ")
    links = [re.fullmatch(r"- \[[^]]+\]\((\S+)\): .+", line) for line in lines[3:] if line and line[:3] != "## "]
    assert all(links), "headings and links alone"
    address = re.search(r"^site_url: (\S+)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)[1]
    listed = {link[1].removeprefix(address) for link in links}
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert listed == pages - {"index.md"} | {"changelog.md"}
    assert all((site / page).exists() for page in listed), "the Markdown of a page is beside it"


def test_the_changelog_has_the_present_version_and_known_headings():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (\S+) \((.+)\)$", text, re.MULTILINE)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert versions[0][0] == re.search(r'^version = "(.+)"$', project, re.MULTILINE)[1]
    assert all(date == "unreleased" or re.fullmatch(r"\d{4}-\d\d-\d\d", date) for _, date in versions)
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(headings) <= set(CHANGES)
    assert sorted(headings, key=CHANGES.index) == headings or len(versions) > 1


@pytest.mark.parametrize(
    ("file", "module"), [("agent.json", cards), ("config.toml", stored), ("checkpoints", checkpoint)]
)
def test_the_page_on_stability_says_which_formats_are_read(file, module):
    rows = (ROOT / "docs" / "stability.md").read_text("utf-8").splitlines()
    (row,) = [
        row.split("|") for row in rows if row.startswith("|") and file in row.split("|")[1] and len(row.split("|")) == 6
    ]
    assert [row[2].strip(), row[3].strip()] == [str(module.FORMAT_VERSION)] * 2


def test_figures_with_an_interval_are_those_that_were_measured():
    measured = "\n".join(path.read_text("utf-8") for path in (ROOT / "bench" / "results").glob("*.md"))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("ram*.md"), *(ROOT / "docs").glob("alphazero*.md")):
        for figure in re.findall(r"\d+\.\d+ ± \d+\.\d+", page.read_text("utf-8")):
            assert figure in measured, f"{page.name}: {figure}"
