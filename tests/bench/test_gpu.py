"""The benchmark for GPUs, at tiny sizes on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    import gpu

    return gpu


def run(folder, *flags):
    command = [sys.executable, BENCH / "gpu.py", "--small", "--seconds", "0.1", "--results", folder, *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "gpu.json").read_text())["rows"], (folder / "gpu.md").read_text()


def test_every_kind_of_part_is_measured_on_the_cpu(tmp_path, gpu):
    rows, text = run(tmp_path, "--only", "ppo", "ram", "cnn")
    assert [row.get("error") for row in rows] == [None] * len(rows)
    assert {row["part"] for row in rows} == {"limits", "ppo", "ram", "cnn"}
    assert all(0 < row["low"] <= row["rate"] <= row["high"] for row in rows)
    assert all(row["flops"] > 0 and row["bytes"] > 0 for row in rows if row["part"] != "limits")
    assert text.startswith("# One device: cpu")
    assert all(gpu.NAMES[part] in text for part in ("ppo", "ram", "cnn"))


def test_what_no_longer_fits_is_left_out_and_named(tmp_path):
    rows, text = run(tmp_path, "--budget", "0")
    assert {row["part"] for row in rows} == {"limits", "ppo", "connect-four", "go", "ram", "cnn"}
    assert all(row["error"] == "left out: no time in the budget" for row in rows)
    assert "left out" in text


def test_a_process_that_is_cut_off_keeps_what_it_has_measured(gpu):
    first = {"part": "ppo", "size": "64 environments", "rate": 2.0, "low": 1.0, "high": 3.0, "unit": "steps/s"}
    rows = gpu.completed(["ppo"], False, ["a warning", json.dumps(first), '{"part": "p'], "cut off: 9 s were spent")
    assert rows[0] == first
    assert rows[1] == {"part": "ppo", "size": "256 environments", "error": "cut off: 9 s were spent"}
    assert {row["error"] for row in rows[2:]} == {"left out: no time in the budget"}


def test_rates_are_given_as_ratios_and_as_shares_of_the_device(gpu):
    def row(part, size, rate, unit="steps/s", **facts):
        return {"part": part, "size": size, "rate": rate, "low": rate, "high": rate, "unit": unit, **facts}

    rows = [
        row("limits", gpu.PRODUCT, 1e6, "FLOP/s"),
        row("limits", gpu.COPY, 1e5, "byte/s"),
        row("ppo", "64 environments", 1000.0, flops=100, bytes=10, stages={"update": 1.0}),
        row("ppo", "256 environments", 4000.0, flops=100, bytes=10),
        row("purejaxrl", "256 environments", 1000.0, flops=100, bytes=10),
        {"part": "go", "size": "256 games", "error": "no memory"},
    ]
    lines = [[cell.strip() for cell in line.split("|")] for line in gpu.parts_table(rows).splitlines()[2:]]
    assert lines[0][4:9] == ["1.00", "", "10 %", "10 %", "update 100%"]
    assert lines[1][4:8] == ["4.00", "4.00", "40 %", "40 %"]
    assert lines[3][3] == "no memory"


@pytest.mark.parametrize(("game", "torso"), [("connect-four", "mlp"), ("go-9x9", "tower")])
def test_a_boards_network_costs_what_its_layers_do(game, torso, gpu):
    import logpi_gpu

    units, blocks = 64, 2
    experiment = logpi_gpu.resolved(game, "alphazero", {}, {"torso": torso, "units": units, "blocks": blocks})
    cells = 81 if torso == "tower" else 1
    layers = 2 * cells * 2 * blocks * units**2 * (9 if torso == "tower" else 1)  # of the blocks alone
    assert 0.6 * layers < logpi_gpu.board_flops(experiment) < 1.8 * layers
