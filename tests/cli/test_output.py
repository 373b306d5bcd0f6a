"""What verbs print: in any encoding, to a reader who leaves, as JSON for every program, and to no terminal's harm."""

import ast
import contextlib
import io
import json
import math
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from small import ROOT, flags, logpi, only_run, quick_compilation

from logpi.cli.main import VERBS, main
from logpi.cli.output import json_lines, say
from logpi.driver import devices
from logpi.errors import LogpiError, inert
from logpi.runs.create import create
from logpi.runs.files import json_text
from logpi.runs.metrics import MetricsWriter, read_rows

READING = [["algos"], ["envs"], ["doctor"], ["runs"], ["--help"], ["--version"]]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def test_verbs_print_in_one_way():
    """A ``print`` of its own fails in some encoding, and a ``json.dumps`` of its own prints NaN."""
    for path in (ROOT / "logpi" / "cli").glob("*.py"):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print", f"{path.name}: logpi.cli.output.say prints"
                assert not called.endswith(".dumps"), f"{path.name}: logpi.cli.output.say_json prints JSON"


@pytest.mark.parametrize("argv", READING, ids=" ".join)
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_encoding_that_lacks_characters(argv, encoding, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert main(argv) == 0
    assert written.getvalue().decode(encoding)


def test_errors_in_an_encoding_that_lacks_characters(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["train", "Kärtchen-v1"]) == 1
    sys.stderr.flush()
    assert written.getvalue().startswith(b"logpi train: unknown environment 'K?rtchen-v1'")


@contextlib.contextmanager
def unread():
    """Standard output is a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream):
        yield


def test_a_reader_who_leaves_a_list(capfd):
    with unread():
        assert main(["algos"]) == 0
    assert capfd.readouterr().err == ""


def test_a_reader_who_leaves_does_not_end_the_training(capfd, tmp_path):
    options = [flag for flag in flags("ppo", tmp_path) if flag != "--quiet"]
    with unread():
        assert main(["train", "CartPole-v1", *options]) == 0
    assert only_run(tmp_path).status == "finished"
    assert capfd.readouterr().err == "logpi: the output has no reader any more; training goes on without a display\n"


def test_a_run_that_cannot_go_on_without_its_reader_does_not_end_well(monkeypatch, capfd):
    def leaves(argv):
        raise BrokenPipeError

    monkeypatch.setattr("logpi.cli.resume.resume", leaves)
    assert main(["resume", "runs/ppo/CartPole-v1_1"]) == 1
    assert "ended before its end" in capfd.readouterr().err


def strict(text):
    """JSON as other programs read it."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_finite():
    value = {"a": math.nan, "b": [math.inf, (-math.inf, np.float32(0.5))], "c": np.arange(2), "d": Path("x"), "e": None}
    assert strict(json_text(value)) == {"a": "nan", "b": ["inf", ["-inf", 0.5]], "c": [0, 1], "d": "x", "e": None}


@pytest.mark.parametrize("argv", READING[:4], ids=" ".join)
def test_every_reading_verb_prints_one_line_of_json(argv, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = create("runs", "ppo", "CartPole-v1", {}, [], [0])
    with MetricsWriter(run.path, tensorboard=False) as writer:
        writer.write({"time/total_timesteps": 5, "rollout/ep_rew_mean": math.nan, "eval/mean_reward": math.inf})
    assert main([*argv, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    strict(line)


def test_verbs_that_take_json():
    """All but those whose answer is a run, a game or another program's."""
    for verb in VERBS.keys() - {"train", "resume", "play", "engine", "ui"}:
        source = (ROOT / "logpi" / "cli" / f"{verb.replace('-', '_')}.py").read_text()
        assert "json: " in source, verb


def test_names_do_nothing_to_a_terminal(capsys, tmp_path):
    name = "a\x1b[2J\x07\x9b1m\u202egpj\n\tb"
    assert inert(name) == "a\\x1b[2J\\x07\\x9b1m\\u202egpj\n\tb"
    assert "\x1b" not in str(LogpiError(name))
    say(name)
    assert "\x1b" not in capsys.readouterr().out
    create(tmp_path, "ppo", "CartPole-v1", {}, [], [0])
    path = tmp_path / "ppo" / "\x1b[31m_1"
    (tmp_path / "ppo" / "CartPole-v1_1").rename(path)
    for more in ([], ["--json"]):
        assert main(["runs", "--log-dir", str(tmp_path), *more]) == 0
        said = capsys.readouterr().out
        assert "[31m" in said
        assert "\x1b" not in said


@pytest.fixture(params=[RuntimeError("Unable to initialize backend 'cuda'"), AssertionError()], ids=["said", "unsaid"])
def no_device(monkeypatch, request):
    def fail(*_):
        raise request.param

    monkeypatch.setattr(jax, "devices", fail)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")


def test_jax_that_does_not_start(no_device, capfd):
    assert main(["train", "CartPole-v1"]) == 1
    said = capfd.readouterr().err
    assert said.startswith(("logpi train: JAX does not start: Unable to", "logpi train: JAX does not start: it found"))
    assert "JAX_PLATFORMS=cuda asks for it" in said
    assert said.count("\n") == 1
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["device"].startswith("JAX does not start")
    assert facts["versions"]["jax"]


def test_a_jax_that_does_not_compile_is_refused(capfd):
    jax.config.update("jax_disable_jit", True)
    try:
        assert main(["train", "CartPole-v1"]) == 1
    finally:
        jax.config.update("jax_disable_jit", False)
    assert "JAX_DISABLE_JIT is set" in capfd.readouterr().err


def test_a_cache_that_is_configured_stays(monkeypatch, tmp_path):
    monkeypatch.delenv("LOGPI_CACHE")
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    try:
        devices.prepare()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    assert devices.cache_folder() == tmp_path


def test_lines_of_json_have_standard_output_for_themselves(capfd):
    with json_lines() as tell:
        print("from Python")
        os.system("echo from elsewhere")
        tell({"loss": float("nan")})
    print("afterwards")
    found = capfd.readouterr()
    assert found.out == '{"loss": "nan"}\nafterwards\n'
    assert found.err.split("\n") == ["from Python", "from elsewhere", ""]


def test_lines_of_json_without_a_descriptor(capsys):
    with json_lines() as tell:
        print("from Python")
        tell(1)
    found = capsys.readouterr()
    assert (found.out, found.err) == ("1\n", "from Python\n")


def test_training_and_resuming_print_rows_and_the_outcome_as_lines_of_json(tmp_path):
    shown = [flag for flag in flags("ppo", tmp_path) if flag != "--quiet"]
    done = logpi("train", "CartPole-v1", "--json", *shown)
    assert done.returncode == 0, done.stderr
    *rows, end = map(json.loads, done.stdout.splitlines())
    folder = only_run(tmp_path)
    measured = read_rows(folder.metrics)
    assert [row["event"] for row in rows] == ["row"] * len(measured)
    assert [row["timesteps"] for row in rows] == [row["time/total_timesteps"] for row in measured]
    assert all(row["metrics"].keys() > set(known) for row, known in zip(rows, measured, strict=True))
    assert {name: end[name] for name in folder.result} == json.loads(folder.result_file.read_text())
    assert (end["event"], end["folder"]) == ("end", str(folder.path))
    assert "CartPole-v1 · ppo" in done.stderr
    more = logpi("resume", folder.path, "--total-timesteps", 448, "--json", "--quiet")
    assert more.returncode == 0, more.stderr
    *rows, end = map(json.loads, more.stdout.splitlines())
    after = read_rows(folder.metrics)[len(measured) :]
    assert [row["timesteps"] for row in rows] == [row["time/total_timesteps"] for row in after]
    assert end["timesteps"] >= 448
    assert more.stderr == ""
