"""README.md and docs/ as the tests read them: pages, fenced blocks, commands, programs and files."""

import ast
import re
import types
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`(\w+\.(?:py|toml))`:\s*\Z")  # the end of the text before a block that is a file


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    file: str  # name of the file that it is, or ""


class Command(NamedTuple):
    """A command line, and what the page shows of its output."""

    line: str
    shown: str


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """The fenced blocks of ``page``, in their order."""
    text, found = page.read_text(encoding="utf-8"), []
    for match in FENCE.finditer(text):
        named = FILE.search(text[: match.start()])
        found.append(Block(match[1], match[2], named[1] if named else ""))
    return found


def commands(block):
    """The commands of a ``console`` block (behind "$ "), or of a ``bash`` block (each line)."""
    text = block.text.replace("\\\n", " ")
    if block.language == "bash":
        return [Command(line, "") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if block.language != "console":
        return []
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [Command(*map(str.rstrip, part.partition("\n")[::2])) for part in parts]


def files():
    """Files that the pages show in full: name -> text."""
    return {block.file: block.text for page in PAGES for block in blocks(page) if block.file}


SIZES = {  # constants of the pages' programs: the largest value in a test
    **{"GENERATIONS": 2, "UPDATES": 3, "GRID": 3, "EPISODES": 400, "SEEDS": 2},
}


def sized(program):
    """The text of a program with the constants of ``SIZES`` at most as large."""
    pattern = re.compile(rf"^({'|'.join(SIZES)}) = ([\d_]+)", re.MULTILINE)
    return pattern.sub(lambda match: f"{match[1]} = {min(int(match[2]), SIZES[match[1]])}", program)


def definitions(name):
    """A new module of what a program of the pages defines, up to its last function or class; the rest is left out."""
    tree = ast.parse(files()[name])
    last = max(k for k, node in enumerate(tree.body) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    module = types.ModuleType(name.removesuffix(".py"))
    exec(compile(ast.Module(tree.body[: last + 1], []), name, "exec"), vars(module))
    return module
