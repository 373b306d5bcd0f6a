"""The room of runs, asked as its page asks."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from disks import fill, small_disk
from pages import add_row, make_run, serving
from small import ROOT, SETTINGS

from logpi.page.server import PORT, listen


@pytest.fixture
def home(tmp_path):
    return tmp_path / "runs"


class Listener:
    """A stream of events."""

    def __init__(self, served, after=None):
        self._line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        self._line.request("GET", "/api/runs/events", headers=headers)
        self._answer = self._line.getresponse()
        assert self._answer.status == 200
        assert self._answer.getheader("content-type").startswith("text/event-stream")

    def next(self):
        """(number, value) of the next event."""
        number, data = None, None
        while data is None or self._last:
            self._last = self._answer.readline().decode().strip()
            name, _, value = self._last.partition(": ")
            if name == "id":
                number = int(value)
            if name == "data":
                data = json.loads(value)
        return number, data

    _last = ""

    def close(self):
        self._line.close()


def test_a_listener_hears_of_all_runs_then_of_changes(home, served):
    folder = make_run(home, final=False)
    listener = Listener(served)
    number, first = listener.next()
    assert (first["all"], [run["name"] for run in first["runs"]]) == (True, ["ppo/CartPole-v1_1"])
    assert first["runs"][0]["left"] == "nan", "JSON lacks NaN"
    add_row(folder, 20)
    later, second = listener.next()
    assert (second["runs"][0]["done"], second["gone"]) == (21_000, [])
    assert later == number + 1
    listener.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    served.get("/api/runs/list")
    again = Listener(served, after=later)  # a laptop that was closed meanwhile
    assert again.next()[1]["gone"] == ["ppo/CartPole-v1_1"], "what was missed comes first"
    again.close()
    other = Listener(served, after=10**6)  # of a server that is no longer there
    assert other.next()[1]["all"]
    other.close()


def test_a_stream_ends_with_the_server(tmp_path):
    with serving(tmp_path / "runs") as page:
        listener = Listener(page)
        listener.next()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    listener.close()


def test_curves_with_what_differs(home, served):
    make_run(home, rows=10)
    make_run(home, "ppo/CartPole-v1_2", rows=10, rate=0.1)
    query = "run=ppo/CartPole-v1_1&run=ppo/CartPole-v1_2"
    found = served.get(f"/api/runs/curves?{query}")
    assert [curve["label"] for curve in found["curves"]] == ["learning_rate 0.001", "learning_rate 0.1"]
    assert found["differing"] == {"learning_rate": ["0.001", "0.1"]}
    assert found["curves"][0]["x"] == [5000, 10000]
    assert "train/loss" in found["metrics"]
    loss = served.get(f"/api/runs/curves?{query}&metric=train/loss&by=seconds&points=5")["curves"][0]
    assert (loss["unit"], len(loss["x"])) == ("seconds", 5)


@pytest.mark.parametrize(
    "query", ["", "run=x", "run=ppo/CartPole-v1_1&by=hours", "run=ppo/CartPole-v1_1&points=x", "run=.&run=.."]
)
def test_bad_questions_have_an_answer(home, served, query):
    make_run(home)
    assert served.get(f"/api/runs/curves?{query}", 400)["error"]


def test_detail_of_a_run(home, served):
    make_run(home)
    served.get("/api/runs/list")
    found = served.get("/api/runs/detail?run=ppo/CartPole-v1_1")
    assert "learning_rate" in found["config"]
    assert found["command"] == "logpi train CartPole-v1 --seed 0\n"
    assert (found["moments"], found["checkpoint"], found["state"]["status"]) == ([], False, "finished")
    assert found["bytes"] > 1000


def test_stopping_what_does_not_run_says_so(home, served):
    make_run(home)
    assert served.post("/api/runs/stop", {"run": "ppo/CartPole-v1_1"}) == {"asked": None, "status": "finished"}
    assert "not inside" in served.post("/api/runs/stop", {"run": "../x"}, 400)["error"]


def ended(served, job):
    """The command ``job`` of the page once it has ended, as a listener hears of it."""
    listener, found = Listener(served), None
    while found is None:
        value = listener.next()[1]
        known = [value["job"]] if "job" in value else value.get("jobs", [])
        found = next((each for each in known if each["number"] == job["number"] and each["code"] is not None), None)
    listener.close()
    return found


@pytest.fixture
def quick_commands(monkeypatch):
    for name, value in {**SETTINGS, "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)


def test_a_command_that_fails_is_shown_as_what_it_is(served, quick_commands):
    job = served.post("/api/runs/start", {"env": "Nonsense-v9"})
    assert job["command"].startswith("logpi train Nonsense-v9 --log-dir=")
    found = ended(served, job)
    assert found["code"] == 1
    assert "unknown environment 'Nonsense-v9'" in found["lines"][-1]


def test_a_full_disk_is_shown_as_what_it_is(tmp_path, quick_commands):
    with small_disk(tmp_path / "small", 2**20) as small, serving(small / "runs") as page:
        job = page.post("/api/runs/start", {"env": "CartPole-v1", "total_timesteps": 2_000_000})
        give_up = time.monotonic() + 60
        while not any(run["done"] for run in page.get("/api/runs/list")["runs"]):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        fill(small / "ballast")
        found = ended(page, job)
        assert found["code"] == 1
        assert "No space left" in "\n".join(found["lines"])
        (state,) = page.get("/api/runs/list")["runs"]
        assert state["status"] in ("interrupted", "failed")


def test_names_that_can_be_started(served):
    found = served.get("/api/runs/names")
    tasks = {task["name"]: task for task in found["tasks"]}
    assert tasks["CartPole-v1"]["kind"] == "control"
    assert "ppo" in tasks["CartPole-v1"]["recipes"]
    assert {"connect-four", "ram/mnist"} <= tasks.keys()
    assert {"ppo", "alphazero"} <= {method["name"] for method in found["methods"]}


# ---- the command --------------------------------------------------------------------------------------------------


def test_logpi_ui_is_there_at_once_and_without_jax(tmp_path):
    program = [sys.executable, "-X", "importtime", "-m", "logpi", "ui", "--port", "0", "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    errors, folder = tmp_path / "errors", tmp_path / "here"
    folder.mkdir()
    began = time.monotonic()
    with (
        open(errors, "w") as file,
        subprocess.Popen(
            program, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=file, text=True
        ) as process,
    ):
        try:
            address = process.stdout.readline().split()[2]
            with urllib.request.urlopen(f"{address}/", timeout=10) as answer:
                assert b"logpi-token" in answer.read()
            with urllib.request.urlopen(f"{address}/api/runs/list", timeout=10) as answer:
                assert json.load(answer) == {"runs": []}
            seconds = time.monotonic() - began
        finally:
            process.terminate()
    modules = {line.rpartition("|")[2].strip() for line in errors.read_text().splitlines()}
    assert "logpi.page.server" in modules
    assert not modules & {"jax", "matplotlib", "gymnasium"}
    assert seconds < 10, "two seconds on a machine that does nothing else"
    assert list(folder.iterdir()) == [], "nothing is written"


def test_a_second_page_on_the_port_says_so(tmp_path, capsys):
    from logpi.cli.main import main

    with serving(tmp_path / "runs") as page:
        assert main(["ui", "--port", str(page.port), "--no-browser"]) == 1
        said = capsys.readouterr().err
        assert f"already open at http://127.0.0.1:{page.port} (runs in {tmp_path}/runs)" in said
        assert "--port" in said
    with listen(0) as other:
        port = other.getsockname()[1]
        assert main(["ui", "--port", str(port), "--no-browser"]) == 1
        assert f"port {port} cannot be used" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["ui", "--runs", str(tmp_path / "file")]) == 1
    assert PORT > 1024


def test_a_page_that_has_ended_leaves_its_port(tmp_path):
    with serving(tmp_path / "runs") as page:
        port = page.port
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1)
    listen(port).close()
