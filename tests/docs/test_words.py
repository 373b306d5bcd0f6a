"""Words: help, messages, docstrings and pages in the field's terms, and no claim that the code contradicts."""

import dataclasses
import inspect
import io
import re
import tokenize

import pytest
from manual import PAGES, ROOT, name_of

import logpi
from logpi.cli.main import VERBS, main
from logpi.config.help import flag_help, help_of
from logpi.config.settings import Run, range_of
from logpi.config.values import ALIASES
from logpi.methods import all_methods

SETTINGS = sorted(
    {kind for m in all_methods() for kind in (m.settings, m.network)} | {Run}, key=lambda kind: kind.__name__
)
# words of no paper and no manual, and "is no move" for "is not a move"
PRIVATE = re.compile(
    r"\b([Mm]end(s|ed|ing)?|([Ss]ome|[Nn]o)body|[Ww]hoever|[Ss]o many)\b"
    r"|(?<!here )\b(is|are) no(?:ne)?\b(?! longer| more| limit|:)"
)
FRAGMENT = ("Of", "To", "By", "Among", "Over", "That", "Which", "Whether", "If", "How", "Use", "Set", "The", "A", "An")
FLAG = re.compile(r"(?:-h, )?(--[a-z][\w-]*|[A-Z]{2,}(?= |$))(.*?)(?: {2,}|$)(.*)")


def sentences():
    """(what it belongs to, the help of one setting's flag), for every setting of every class."""
    for kind in SETTINGS:
        for field in dataclasses.fields(kind):
            yield pytest.param(kind, field.name, id=f"{kind.__name__}.{field.name}")


@pytest.mark.parametrize(("kind", "name"), list(sentences()))
def test_the_help_of_a_setting_says_what_it_is_and_which_values_it_takes(kind, name):
    text = help_of(kind, name) or ""
    words = text.split()
    assert 3 <= len(words) <= 25, text
    assert text[0].isupper(), text
    assert words[0] not in FRAGMENT, text
    assert not text.endswith("."), "the range follows as a sentence of its own"
    assert not PRIVATE.search(text), text
    wanted = range_of(kind, name)
    assert wanted is None or flag_help(kind, name).endswith(f". Range: {wanted.text}")


@pytest.fixture
def flags(monkeypatch, capsys):
    """The flags of a command with their help, from what ``--help`` prints: {"--seed": "Seed of … (default: 0)"}."""
    monkeypatch.setenv("COLUMNS", "100")

    def found(*argv):
        with pytest.raises(SystemExit) as end:
            main([*argv, "--help"])
        assert end.value.code == 0
        said, last = dict[str, str](), ""
        for line in capsys.readouterr().out.splitlines():
            text = line.strip("│ ")  # the box is drawn where the encoding has one
            inside = line[:1] in ("│", " ")
            if inside and line[2:3] != " " and (flag := FLAG.match(text)):
                last = flag[1]
                said[last] = flag[3]
            elif inside and text and last:
                said[last] = f"{said[last]} {text}".strip()
            else:
                last = ""
        del said["--help"]
        return said

    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_of_a_command_has_help_and_stands_on_its_page(verb, flags):
    found = flags(verb)
    assert found, "the text of --help is read"
    page = (ROOT / "docs" / "verbs" / f"{verb}.md").read_text("utf-8")
    for flag, text in found.items():
        about = re.sub(r" ?\((default|required|repeatable)[^)]*\)$", "", text)
        assert len(about.split()) >= 2, flag
        assert about[0].isupper(), (flag, about)
        assert about.split()[0] not in FRAGMENT, (flag, about)
        assert not PRIVATE.search(about), (flag, about)
        if verb != "train" and flag.startswith("--"):
            name = flag.removeprefix("--no-") if f"--{flag.removeprefix('--no-')}" in page else flag.removeprefix("--")
            assert f"--{name}" in page, f"{flag} is missing in docs/verbs/{verb}.md"


@pytest.mark.parametrize("method", [method.name for method in all_methods()])
def test_help_of_train_has_every_setting_of_a_method(method, flags):
    env = {"control": "CartPole-v1", "ram": "ram/mnist", "games": "connect-four"}
    (chosen,) = [m for m in all_methods() if m.name == method]
    found = flags("train", env[chosen.task], "--algo", method)
    for kind in (chosen.settings, chosen.network, Run):
        for field in dataclasses.fields(kind):
            shown = " ".join(text for flag, text in found.items() if flag[2:].replace("-", "_") == field.name)
            assert help_of(kind, field.name) in shown, field.name


def sources():
    return sorted((ROOT / "logpi").rglob("*.py"))


def prose(path):
    """(line number, text) of each string and comment of a module."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield token.start[0], token.string


def test_no_private_words_in_code_and_pages():
    texts = [(path, number, text) for path in sources() for number, text in prose(path)]
    for path in [*PAGES, ROOT / "CHANGELOG.md"]:
        texts += [(path, *line) for line in enumerate(path.read_text("utf-8").splitlines(), 1)]
    found = [(path.relative_to(ROOT).as_posix(), number, PRIVATE.search(text)) for path, number, text in texts]
    assert [(path, number, match[0]) for path, number, match in found if match] == []


def public():
    """Public names with a docstring: functions and classes of ``logpi``, and the functions of its public modules."""
    for name in logpi.__all__:
        thing = getattr(logpi, name)
        members = vars(thing).items() if inspect.ismodule(thing) else [(name, thing)]
        for key, value in members:
            mine = getattr(value, "__module__", "").startswith("logpi")
            if mine and not key.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
                yield f"{name}.{key}" if inspect.ismodule(thing) else name, value


def test_public_docstrings_say_what_arguments_are():
    """An argument's line begins with what it is; every argument of a long list has one."""
    names = dict(public())
    assert len(names) > 50
    for name, value in names.items():
        text = inspect.getdoc(value) or ""
        assert text, name
        described = dict(re.findall(r"^    (\*{0,2}\w+): (.+)$", text.partition("Args:")[2], re.MULTILINE))
        for argument, about in described.items():
            assert about.split()[0].capitalize() not in FRAGMENT[:9], f"{name}({argument}): {about}"
        if described and inspect.isfunction(value):
            missing = set(inspect.signature(value).parameters) - {key.strip("*") for key in described}
            assert not missing, f"{name}: {missing}"


def test_messages_that_the_page_on_images_lists_are_in_the_code():
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "logpi" / "ram" / "data").glob("*.py"))
    joined = re.sub(r'"\n\s+f?"', "", code)
    table = (ROOT / "docs" / "glimpse-data.md").read_text("utf-8").partition("## What is refused")[2]
    messages = re.findall(r"`([^`]+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if row[:3] == "| `"))
    assert len(messages) > 20
    for message in messages:
        pairs = re.findall(r"(?=\b([a-z]+ [a-z]+)\b)", message)  # names and numbers differ: two words in a row do not
        about_a_place = re.search(r"\[\d", message)
        assert about_a_place or not pairs or any(pair in joined for pair in pairs), message


def test_flags_that_pages_name_exist(flags):
    """Each ``--flag`` in a page is one of some command, or of the programs that a page calls."""
    known = {flag for verb in VERBS for flag in flags(verb)} | {"--code", "--trust", "--help", "--version"}
    known |= {flag for verb in ("delete", "prune", "archive") for flag in flags("runs", verb)}
    known |= {f"--{name.replace('_', '-')}" for name in ALIASES}
    for kind in SETTINGS:
        known |= {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(kind)}
    outside = {"docs/coming-from.md", "docs/verbs/arena.md", "docs/extend.md"}  # flags of peers, engines, an own method
    for page in PAGES:
        if name_of(page) in outside:
            continue
        for flag in set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text("utf-8"))):
            assert flag in known or flag.replace("--no-", "--") in known, f"{name_of(page)}: {flag}"


def test_the_table_of_peers_names_settings_that_exist():
    """The second column of ``coming-from.md`` is logpi's."""
    known = {field.name for kind in SETTINGS for field in dataclasses.fields(kind)}
    known |= {
        flag.replace("-", "_") for flag in ("algo", "episodes", "seeds", "record", "save", "no-video", "frame-stack")
    }
    for row in (ROOT / "docs" / "coming-from.md").read_text("utf-8").splitlines():
        cells = row.split(" | ")
        if len(cells) == 3:
            for name in re.findall(r"`(?:--)?([a-z]+_[a-z_]+|[a-z]+-[a-z-]+)(?:[ =][\w.]+)?`", cells[1]):
                assert name.replace("-", "_") in known | {"action_mask", "actor_critic", "go_9x9"}, (name, row)
