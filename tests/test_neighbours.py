"""Files of one's own that import modules beside them: each folder has its own, and trust covers them."""

import importlib
import py_compile
import sys
import textwrap
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from logpi import neighbours, own_code
from logpi.envs.load import load_own
from logpi.errors import LogpiError
from logpi.neighbours import imported
from logpi.own_code import import_file, load_attribute, name_code


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A record of its own; the command names nothing unless a test says so."""
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])  # as the command has it
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
    assert list(imported(folder / "main.py")) == [folder / "main.py"]


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
    assert list(imported(folder / "main.py")) == [folder / "main.py", folder / "helper.py"]
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
    monkeypatch.delitem(sys.modules, "walks")
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


def test_trust_shows_every_file_of_many(tmp_path, capsys):
    folder = write(tmp_path, main="import pack\nVALUE = 1\n", pack_in___init__="")
    for number in range(20):
        (folder / "pack" / f"m{number}.py").write_text("")
    own_code.trust_code(f"{folder / 'main.py'}:VALUE")
    import_file(str(folder / "main.py"), "VALUE")
    shown = capsys.readouterr().err
    assert shown.count("SHA-256") == shown.count("\n") == 22
    assert all(str(folder / "pack" / f"m{number}.py") in shown for number in range(20))


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


@pytest.mark.parametrize("of", ["main", "helper", "pack_in___init__", "pack_in_sub"])
def test_bytecode_that_lies_beside_the_source_does_not_run(tmp_path, of):
    """Python takes bytecode of this kind without a look at the source."""
    folder = write(tmp_path / "own", main="import helper, pack.sub\nVALUE = 1\n", helper="", pack_in___init__="")
    write(folder, pack_in_sub="", other=f"open({str(tmp_path / 'ran')!r}, 'w').close()\nVALUE = 2\n")
    place = importlib.util.cache_from_source(str(folder / f"{of.replace('_in_', '/')}.py"))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(folder / "other.py"), place, doraise=True, invalidation_mode=mode)
    assert value(folder / "main.py") == 1
    assert not (tmp_path / "ran").exists()


def test_bytecode_of_a_module_in_the_working_folder_does_not_run(tmp_path, monkeypatch):
    folder = write(tmp_path / "here", walks_of_bytes="VALUE = 1\n", other="VALUE = 2\n")
    place = importlib.util.cache_from_source(str(folder / "walks_of_bytes.py"))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(folder / "other.py"), place, doraise=True, invalidation_mode=mode)
    monkeypatch.chdir(folder)
    with own_code.command(["walks_of_bytes:Walk-v0"]):
        assert own_code.import_module("walks_of_bytes").VALUE == 1


def put_compiled(folder, name, suffix):
    folder.mkdir(parents=True, exist_ok=True)
    if suffix != ".pyc":
        (folder / f"{name}{suffix}").write_bytes(b"no library")
        return
    (folder / "source.txt").write_text("raise SystemExit('it ran')\n")
    py_compile.compile(str(folder / "source.txt"), str(folder / f"{name}.pyc"), doraise=True)


@pytest.mark.parametrize("suffix", [".pyc", EXTENSION_SUFFIXES[0]])
@pytest.mark.parametrize(
    "text", ["import compiled", "import pack.compiled", "from pack import compiled", "import sp.compiled"]
)
def test_what_is_not_source_is_refused(tmp_path, text, suffix):
    folder = write(tmp_path, main=f"{text}\nVALUE = 1\n", pack_in___init__="", sp_in_other="")
    for place in (folder, folder / "pack", folder / "sp"):
        put_compiled(place, "compiled", suffix)
    with pytest.raises(LogpiError, match="only Python source that was checked is imported beside a file of one's own"):
        value(folder / "main.py")


@pytest.mark.parametrize("suffix", [".pyc", EXTENSION_SUFFIXES[0]])
def test_what_is_not_source_is_refused_in_the_working_folder(tmp_path, monkeypatch, suffix):
    put_compiled(tmp_path, "compiled_walks", suffix)
    monkeypatch.chdir(tmp_path)
    with own_code.command(["compiled_walks:Walk-v0"]), pytest.raises(LogpiError, match="only Python source"):
        load_own("compiled_walks:Walk-v0")


@pytest.mark.parametrize("main", ["import spaced.deep.mod as mod", "from spaced.deep import mod"])
def test_a_package_without_its_first_file_is_checked(tmp_path, main):
    folder = write(tmp_path, main=f"{main}\nVALUE = 1\n", spaced_in_deep_in_mod="import helper\n", helper="")
    assert set(imported(folder / "main.py")) == {
        folder / "main.py",
        folder / "spaced" / "deep" / "mod.py",
        folder / "helper.py",
    }
    assert value(folder / "main.py") == 1
    write(folder, spaced_in_deep_in_mod="raise SystemExit('it ran')\n")
    with pytest.raises(LogpiError, match="has changed since"):
        load_attribute(f"{folder / 'main.py'}:VALUE")


def test_a_mere_word_makes_no_package_of_a_folder(tmp_path):
    folder = write(tmp_path, main="PLACE = 'data'\nVALUE = 1\n", data_in_tool="")
    assert list(imported(folder / "main.py")) == [folder / "main.py"]


def test_a_linked_folder_of_a_package_is_checked(tmp_path):
    folder = write(tmp_path / "own", main="from pack.far import mod\nVALUE = mod.NAME\n", pack_in___init__="")
    write(tmp_path / "far", mod="NAME = 1\n", __init__="")
    (folder / "pack" / "far").symlink_to(tmp_path / "far")
    (folder / "pack" / "circle").symlink_to(folder / "pack")
    assert value(folder / "main.py") == 1
    write(tmp_path / "far", mod="raise SystemExit('it ran')\n")
    with pytest.raises(LogpiError, match="has changed since") as refused:
        load_attribute(f"{folder / 'main.py'}:VALUE")
    assert str(folder / "pack" / "far" / "mod.py") in str(refused.value)


def test_a_neighbour_that_no_text_names_is_not_imported(tmp_path):
    text = "import importlib\nVALUE = 1\nimportlib.import_module('_'.join(['hidden', 'one']))\n"
    folder = write(tmp_path, main=text, hidden_one="raise SystemExit('it ran')\n")
    with pytest.raises(LogpiError, match="raised ModuleNotFoundError"):
        value(folder / "main.py")


def test_no_folder_is_added_to_the_path(tmp_path):
    """An optional package that is absent, which logpi asks for, is not a file beside a file that is trusted."""
    before = list(sys.path)
    folder = write(tmp_path, main="VALUE = 1\n", absent_package="raise SystemExit('it ran')\n")
    assert value(folder / "main.py") == 1
    assert sys.path == before
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("absent_package")


@pytest.mark.parametrize("how", ["PYTHONPATH", ".pth", "finder"])
def test_a_neighbour_takes_no_place_of_a_package_outside_of_python_s_folders(tmp_path, monkeypatch, how):
    """PYTHONPATH, and the two ways in which ``pip install -e`` leaves a package where it is."""
    folder = write(
        tmp_path / "own", main="import put_there\nVALUE = put_there.NAME\n", put_there="NAME = 'neighbour'\n"
    )
    there = write(tmp_path / "there", put_there="NAME = 'package'\n")
    if how == "finder":

        def find(name, path=None, target=None):
            file = there / f"{name}.py"
            return importlib.util.spec_from_file_location(name, file) if name == "put_there" else None

        finder = type("Finder", (), {"__module__": "__editable___put_there_finder", "find_spec": staticmethod(find)})
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    else:
        monkeypatch.setattr(sys, "path", [*sys.path, str(there)])
    if how == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", str(there))
    if how == ".pth":
        (write(tmp_path / "site") / "put.pth").write_text(f"{there}\n")
        monkeypatch.setattr(neighbours, "installed_places", lambda: [str(tmp_path / "site")])
    assert list(imported(folder / "main.py")) == [folder / "main.py"]
    assert value(folder / "main.py") == "package"
    monkeypatch.delitem(sys.modules, "put_there")


def test_a_neighbour_whose_folder_is_on_pythonpath_is_still_checked(tmp_path, monkeypatch):
    folder = write(tmp_path, main="import near_by\nVALUE = near_by.NAME\n", near_by="NAME = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    assert list(imported(folder / "main.py")) == [folder / "main.py", folder / "near_by.py"]
