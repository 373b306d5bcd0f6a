"""The lessons as documents: what each has, and the notebook that is made from it."""

import ast
import itertools
import json
import re

import notebooks
import pytest
from manual import ROOT, blocks, commands
from PIL import Image

SITE, REPOSITORY = "https://example.org/", "https://example.org/code"
LESSONS = notebooks.pages()
LARGEST = 200_000  # bytes of a picture
lessons = pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)


@lessons
def test_a_lesson_has_a_command_a_picture_an_equation_its_function_and_an_exercise(page):
    text = page.read_text("utf-8")
    assert any(commands(block) for block in blocks(page))
    (picture,) = re.findall(r"!\[[^]]+\]\(\.\./(pictures/course/[\w-]+\.png)\)", text)
    file = ROOT / "docs" / picture
    assert file.stat().st_size < LARGEST
    with Image.open(file) as image:
        assert image.width <= 2000
    assert re.search(r"^ {4}\S", text, re.MULTILINE), "an equation is an indented block"
    assert "](../../logpi/" in text
    *_, exercise = text.split("\n## ")
    assert exercise.startswith("Exercise\n")
    (solution,) = re.findall(r"`(tests/docs/course/test_course_\w+\.py)`", exercise)
    assert (ROOT / solution).exists()


def test_lessons_are_counted_from_0_and_listed_in_the_course_and_in_the_index():
    assert [int(page.stem.partition("-")[0]) for page in LESSONS] == list(range(len(LESSONS)))
    for page in LESSONS:
        title = page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in (page.parent / "index.md").read_text("utf-8")
        assert f"[{title}](course/{page.name})" in (ROOT / "docs" / "index.md").read_text("utf-8")


def test_each_lesson_leads_to_the_next():
    for page, following in itertools.pairwise(LESSONS):
        title = following.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        assert page.read_text("utf-8").endswith(f"\nNext: [{title}]({following.name})\n")


@lessons
def test_a_notebook_has_the_programs_and_commands_of_its_lesson(page):
    text = notebooks.text_of(page, SITE, REPOSITORY)
    cells = json.loads(text)["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    shown = [source for source in code if not source.startswith(("!", "from IPython"))]
    programs = [source.partition("\n")[2] if source.startswith("%%writefile ") else source for source in shown]
    assert programs == [block.text.strip("\n") for block in blocks(page) if block.language == "python"]
    for program in programs:
        ast.parse(program)
    joined = "\n".join(code).replace("\\\n", " ")
    run = [line[1:] for line in joined.splitlines() if line.startswith("!")]
    lines = [command.line for block in blocks(page) for command in commands(block)]
    assert [line.split() for line in run] == [line.split() for line in lines if not line.startswith("python ")]
    prose = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    assert "![" not in prose
    assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)#]+)", prose))
    for cell in cells:
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | (
            {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        )


def test_the_program_writes_a_notebook_for_each_lesson(tmp_path, capsys):
    notebooks.main(tmp_path / "notebooks")
    written = sorted(path.stem for path in (tmp_path / "notebooks").iterdir())
    assert written == sorted(page.stem for page in LESSONS)
    assert len(capsys.readouterr().out.splitlines()) == len(LESSONS)
