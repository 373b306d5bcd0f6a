"""Files of one's own that import modules beside them: each folder has its own, and trust covers them."""

import sys
import textwrap

import pytest

from logpi import own_code
from logpi.errors import LogpiError
from logpi.neighbours import imported
from logpi.own_code import import_file, load_attribute, name_code


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A record of its own; the command names nothing unless a test says so."""
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    with own_code.command():
        yield


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        file = folder / f"{name.replace('_in_', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return folder


def value(file, name="VALUE"):
    """An attribute of a file that this command names."""
    with own_code.command([str(file)]):
        return load_attribute(f"{file}:{name}")


def test_two_folders_have_modules_of_the_same_name(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, main="from helper import VALUE\n", helper="import deeper\nVALUE = deeper.NAME\n")
        write(tmp_path / name, deeper=f"NAME = {name!r}\n")
    assert [value(tmp_path / name / "main.py") for name in ("a", "b", "a")] == ["a", "b", "a"]


def test_an_import_that_waits_for_a_call_is_of_the_same_folder(tmp_path):
    for name in ("a", "b"):
        write(
            tmp_path / name,
            main="def VALUE():\n    import helper\n    return helper.NAME\n",
            helper=f"NAME = {name!r}\n",
        )
    first, second = (value(tmp_path / name / "main.py") for name in ("a", "b"))
    assert (first(), second()) == ("a", "b")


def test_a_package_beside_a_file(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, main="import pack.sub as s\nfrom pack.sub import NAME\nVALUE = NAME + s.NAME\n")
        write(
            tmp_path / name,
            pack_in___init__="",
            pack_in_sub="from . import other\nimport tool\nNAME = other.X + tool.X\n",
        )
        write(tmp_path / name, pack_in_other=f"X = {name!r}\n", tool=f"X = {name!r}.upper()\n")
    assert [value(tmp_path / name / "main.py") for name in ("a", "b")] == ["aAaA", "bBbB"]


def test_two_files_of_a_folder_share_a_neighbour(tmp_path):
    folder = write(tmp_path, one="import helper\nVALUE = helper.Thing\n", two="import helper\nVALUE = helper.Thing\n")
    write(folder, helper="class Thing:\n    pass\n")
    assert value(folder / "one.py") is value(folder / "two.py")


def test_a_neighbour_takes_no_package_s_place(tmp_path):
    folder = write(tmp_path, main="import numpy, queue\nVALUE = numpy.ones, queue.Queue\n", numpy="", queue="")
    assert len(value(folder / "main.py")) == 2
    assert imported(folder / "main.py") == [folder / "main.py"]


def test_a_module_that_the_program_has_imported_is_that_one(tmp_path, monkeypatch):
    folder = write(tmp_path, main="import beside_it\nVALUE = beside_it\n", beside_it="")
    monkeypatch.syspath_prepend(str(folder))
    import beside_it

    assert value(folder / "main.py") is beside_it
    monkeypatch.delitem(sys.modules, "beside_it")


def test_a_neighbour_that_has_changed_is_imported_anew(tmp_path):
    folder = write(tmp_path, main="from helper import VALUE\n", helper="VALUE = 1\n")
    assert value(folder / "main.py") == 1
    write(folder, helper="VALUE = 22\n")
    assert value(folder / "main.py") == 22


def test_what_a_file_imports_of_its_folder(tmp_path):
    write(tmp_path, main="import helper, os\ntry:\n    import far\nexcept ImportError:\n    pass\n", other="")
    write(tmp_path, helper="import main\nREGISTER = 'told:Env'\n", told="", pack_in___init__="", pack_in_deep_in_sub="")
    write(tmp_path, far="from pack import x\n")
    found = [file.relative_to(tmp_path).as_posix() for file in imported(tmp_path / "main.py")]
    assert found[0] == "main.py"
    assert set(found) >= {"helper.py", "told.py", "far.py", "pack/__init__.py", "pack/deep/sub.py"}
    assert "other.py" not in found


@pytest.mark.parametrize("text", ["def broken(:\n", "\0", "x = " + "(" * 5000])
def test_a_neighbour_that_cannot_be_read_hides_nothing(tmp_path, text):
    folder = write(tmp_path, main="import helper\nVALUE = 1\n")
    (folder / "helper.py").write_text(text)
    assert imported(folder / "main.py") == [folder / "main.py", folder / "helper.py"]
    with pytest.raises(LogpiError, match=r"importing .*main\.py raised"):
        value(folder / "main.py")


@pytest.mark.parametrize("changed", ["main", "helper", "deeper"])
def test_a_neighbour_that_has_changed_is_not_trusted(tmp_path, changed):
    marks = {name: f"open({str(tmp_path / name)!r}, 'w').close()\n" for name in ("main", "helper", "deeper")}
    folder = write(tmp_path / "own", main="import helper\nVALUE = 1\n", helper="import deeper\n", deeper="")
    assert value(folder / "main.py") == 1
    assert load_attribute(f"{folder / 'main.py'}:VALUE") == 1, "it was named before, and nothing has changed"
    file = folder / f"{changed}.py"
    file.write_text(file.read_text() + marks[changed])
    with pytest.raises(LogpiError, match="has changed since") as refused:
        load_attribute(f"{folder / 'main.py'}:VALUE")
    assert str(file) in str(refused.value)
    assert not (tmp_path / changed).exists(), "nothing of it ran"
    assert value(folder / "main.py") == 1
    assert (tmp_path / changed).exists()


def test_a_neighbour_of_a_module_in_the_working_folder_is_not_trusted_once_changed(tmp_path, monkeypatch):
    folder = write(tmp_path / "here", walks="import steps_of_it\n", steps_of_it="")
    monkeypatch.chdir(folder)
    with own_code.command(["walks:Walk-v0"]):
        own_code.import_module("walks")
    for name in ("walks", "steps_of_it"):
        monkeypatch.delitem(sys.modules, name)
    sys.path.remove(str(folder))
    write(folder, steps_of_it="raise SystemExit('it ran')\n")
    with pytest.raises(LogpiError, match=r"steps_of_it\.py is named by a run or an agent"):
        own_code.import_module("walks")


def test_trust_shows_every_file(tmp_path, capsys):
    folder = write(tmp_path, main="import helper\nVALUE = 1\n", helper="")
    own_code.trust_code(f"{folder / 'main.py'}:VALUE")
    import_file(str(folder / "main.py"), "VALUE")
    shown = capsys.readouterr().err
    assert shown.count("SHA-256") == 2
    assert str(folder / "helper.py") in shown


def test_a_message_does_not_list_a_hundred_files(tmp_path):
    folder = write(tmp_path, main="import pack\n", pack_in___init__="")
    for number in range(20):
        (folder / "pack" / f"m{number}.py").write_text("")
    with pytest.raises(LogpiError, match="and 16 more files") as refused:
        load_attribute(f"{folder / 'main.py'}:VALUE")
    assert len(str(refused.value)) < 1500
    name_code(str(folder / "main.py"))
    with pytest.raises(LogpiError, match="has no 'VALUE'"):
        load_attribute(f"{folder / 'main.py'}:VALUE")
