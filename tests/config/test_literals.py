"""Values of the command line: what is meant is what comes, or a refusal."""

import tomllib

import pytest

from logpi.config.experiments import resolve
from logpi.config.literals import assignment, literal
from logpi.config.stored import experiment_from_table, experiment_to_table, read_file
from logpi.errors import LogpiError
from logpi.runs.create import toml_text

VALUES = {
    "False": False,
    "false": False,
    "FALSE": False,
    "true": True,
    "None": None,
    "none": None,
    "null": None,
    "-5.0": -5.0,
    "1e-3": 1e-3,
    "1_000": 1000,
    "[1, 2]": [1, 2],
    "(1, 2)": [1, 2],
    "{'a': (1, True)}": {"a": [1, True]},
    "{a = 1}": {"a": 1},
    "human": "human",
    "8x8": "8x8",
    "ALE/Pong-v5": "ALE/Pong-v5",
    "maps/a.txt": "maps/a.txt",
    "'two words'": "two words",
    '"False"': "False",
}


@pytest.mark.parametrize("text", VALUES)
def test_values(text):
    found = literal(text)
    assert found == VALUES[text]
    assert type(found) is type(VALUES[text])


@pytest.mark.parametrize("text", ["1e-3x", "[a, b]", "two words", "", "[1, None]", "2020-01-01", "1\nb = 2", "-", "(1"])
def test_what_is_neither_a_literal_nor_a_word_is_refused(text):
    with pytest.raises(LogpiError, match="is not a value; allowed: a literal of TOML or Python"):
        literal(text)


@pytest.mark.parametrize("text", ["gravity", "=3", "a b=3", "--x=3"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(LogpiError, match="NAME=VALUE"):
        assignment(text)


def test_a_run_keeps_its_arguments(tmp_path):
    """None too, which TOML lacks."""
    kwargs = dict(map(assignment, ["a=None", "b=False", "c=(1, 2)"]))
    experiment = resolve("FrozenLake-v1", "a2c", {"env_kwargs": kwargs})[0]
    text = toml_text(experiment_to_table(experiment))
    (tmp_path / "config.toml").write_text(text)
    for found in (experiment_from_table(tomllib.loads(text)).env_kwargs, read_file(tmp_path / "config.toml").sections):
        assert found.get("env_kwargs", found) == {"a": None, "b": False, "c": [1, 2]}
