"""Methods by name: those that come with logpi, and those of a file."""

import dataclasses
import subprocess
import sys

import pytest

from logpi.cli.train import parse_train
from logpi.config.experiments import resolve
from logpi.config.stored import experiment_from_table, experiment_to_table
from logpi.errors import LogpiError
from logpi.methods import Method, all_methods, brought, find_method, method, method_names
from logpi.own_code import name_code

OWN = '''
import dataclasses

from logpi.algorithms.a2c import A2C, a2c
from logpi.config.settings import fraction
from logpi.methods import method


@dataclasses.dataclass(frozen=True)
class Settings(A2C):
    """A2C of my own."""

    boldness: float = fraction(0.25)  # share of nothing
    n_steps: int = 4


@method(settings=Settings, parent="a2c")
def bold(config, policy, spec, obs):
    return a2c(config, policy, spec, obs)


@method(settings=dict)
def loose(config, policy, spec, obs):
    return a2c(config, policy, spec, obs)


def plain(config, policy, spec, obs):
    return a2c(config, policy, spec, obs)
'''


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    name_code(str(file))
    return file


def test_each_file_of_a_methods_package_is_a_method():
    found = all_methods()
    assert sorted(m.name for m in found) == sorted(method_names())
    for i, m in enumerate(found):
        assert find_method(m.name) == m
        assert m.parent is None or m.parent in [other.name for other in found[:i]], "parents come first"
        assert m.about
        assert isinstance(m, Method)


def test_a_method_of_a_file(own, monkeypatch):
    monkeypatch.chdir(own.parent)
    experiment, _ = resolve("CartPole-v1", "own.py:bold", {"method": {"boldness": 0.5}})
    assert experiment.algo == f"{own}:bold"
    assert (experiment.method.boldness, experiment.method.n_steps, experiment.method.gamma) == (0.5, 4, 0.99)
    monkeypatch.chdir("/")
    assert experiment_from_table(experiment_to_table(experiment)) == experiment
    given, *_ = parse_train(["--normalize-obs", "CartPole-v1", "--algo", f"{own}:bold", "--boldness", "1"])
    assert (given.algo, given.method.boldness, given.method.normalize_obs) == (f"{own}:bold", 1.0, True)
    with pytest.raises(LogpiError, match=r"boldness is 2\.0; it must be between 0 and 1"):
        parse_train(["CartPole-v1", "--algo", f"{own}:bold", "--boldness", "2"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pp", r"unknown algorithm 'pp'; allowed: .*ppo.*; did you mean ppo"),
        ("own.py", r"'own\.py' names a file; add the method's name in it, own\.py:NAME"),
        ("nowhere.py:bold", r"no such file: .*nowhere\.py"),
        ("{own}:shy", "has no 'shy'; it has: .*bold"),
        ("{own}:plain", "plain is a function; wanted: a function with the decorator"),
        ("{own}:loose", "its settings are .*dict.*; write a class with dataclass"),
    ],
)
def test_what_is_no_method(own, name, message):
    with pytest.raises(LogpiError, match=message):
        find_method(name.format(own=own))


def test_another_format_of_a_run_is_refused():
    table = experiment_to_table(resolve("CartPole-v1", "ppo")[0])
    del table["method"]["gamma"]
    assert experiment_from_table(table).method.gamma == 0.99, "a setting that is missing has its default"
    for version, message in ((1, "start again with `logpi train`"), (3, "upgrade logpi")):
        with pytest.raises(LogpiError, match=f"format_version {version}, this logpi reads 2: .*{message}"):
            experiment_from_table(table | {"format_version": version})
    table.pop("format_version")
    with pytest.raises(LogpiError, match="start again with `logpi train`"):
        experiment_from_table(table)


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import logpi.config.experiments, logpi.methods, logpi.tasks", ("jax", "gymnasium", "logpi.envs")),
        (
            "from logpi.cli.train import parse_train; parse_train(['CartPole-v1'])",
            ("logpi.games", "logpi.ram", "logpi.algorithms.a2c"),
        ),
    ],
)
def test_only_what_is_needed_is_imported(code, absent):
    check = f"import sys; {code}; print([name for name in {absent!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_run_keeps_the_absolute_path_of_its_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for experiment in (
        resolve("ram/own", None, {"method": {"data": "mine.npz"}})[0],
        parse_train(["ram/own", "--data", "mine.npz"])[0],
    ):
        assert experiment.method.data == str(tmp_path / "mine.npz")
    assert parse_train(["ram/mnist"])[0].method.data == "mnist"


def test_a_decorator_without_settings_says_how_it_is_written():
    with pytest.raises(LogpiError, match=r"settings is a function; write @logpi\.method\(settings=CLASS\)"):
        method(lambda config, policy, spec, obs: None)


@pytest.mark.parametrize("name", method_names())
def test_a_method_that_changes_a_shipped_one_has_the_settings_that_a_run_needs(name):
    shipped = find_method(name)
    mine = dataclasses.replace(shipped, name="mine")
    assert brought(mine) == ("mine", mine)
