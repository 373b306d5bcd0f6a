"""How quick and how light is the page of ``logpi ui``, and what do random requests do to it?

    python bench/page.py

100 run folders with 10,000 rows each are made in a temporary folder. The server runs in a process of its own, whose
CPU time and resident memory are read from /proc. Times are of the first request after the start (cold) and of the next
ones. 50 streams of events are open while two runs get a row each second. 10,000 random requests follow.
"""

import contextlib
import http.client
import json
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from report import BENCH, parser, publish, table

sys.path.insert(0, str(BENCH.parent / "tests" / "support"))
sys.path.insert(0, str(BENCH.parent / "tests" / "page"))

ROWS, RUNS, STREAMS = 10_000, 100, 50
MIB = 2**20


def make_runs(root: Path, rows: int, runs: int) -> None:
    """Run folders with 18 columns of metrics, as PPO writes them."""
    names = [f"train/column_{k}" for k in range(14)]
    draw = random.Random(0)
    for run in range(runs):
        folder = root / "ppo" / f"CartPole-v1_{run + 1}"
        folder.mkdir(parents=True)
        manifest = {"algo": "ppo", "env": "CartPole-v1", "seeds": [run], "started": "2026-11-28T21:48:43+00:00"}
        manifest |= {"score": {"label": "mean return", "low": 0, "high": 500}, "length": {"timesteps": rows * 10}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "config.toml").write_text(f'env = "CartPole-v1"\nalgo = "ppo"\n[run]\nseed = {run}\n[method]\n')
        (folder / "command.txt").write_text("logpi train CartPole-v1\n")
        with open(folder / "metrics.jsonl", "w") as lines, open(folder / "timing.jsonl", "w") as clock:
            for row in range(rows):
                lines.write(line_of(row, names, draw, every=max(rows // 20, 1)))
                clock.write(clock_of(row))


def line_of(row: int, names: list[str], draw: random.Random, every: int) -> str:
    values = {"time/total_timesteps": 10 * (row + 1), "time/iterations": row + 1}
    values |= {name: draw.random() for name in names}
    values["rollout/ep_rew_mean"] = min(500.0, 0.05 * row) + draw.gauss(0, 5)
    if row % every == 0:
        values["eval/mean_reward"] = min(500.0, 0.05 * row)
    return json.dumps(values) + "\n"


def clock_of(row: int) -> str:
    seconds = 1.0 + 0.01 * row
    values = {"time/total_timesteps": 10 * (row + 1), "time/time_elapsed": seconds, "time/time_spent": seconds}
    return json.dumps(values) + "\n"


class Server:
    """``logpi ui`` in a process of its own."""

    def __init__(self, home: Path, *flags: str) -> None:
        program = [sys.executable, "-m", "logpi", "ui", "--runs", str(home), "--port", "0", "--no-browser", *flags]
        self.began = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(BENCH.parent)}
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().split()[2].rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        """The status of an answer, which is read to its end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            self.body = answer.read()
            return answer.status

    def seconds(self, path: str) -> float:
        """Time of one answer."""
        began = time.perf_counter()
        assert self.ask("GET", path) == 200, self.body[:300]
        return time.perf_counter() - began

    def several(self, paths: list[str]) -> str:
        """Times of answers, and the CPU time of one, which other work on the machine does not lengthen."""
        before = self.cpu()
        taken = [self.seconds(path) for path in paths]
        cpu = (self.cpu() - before) / len(paths)
        return f"{statistics.median(taken):.3f} s, at most {max(taken):.3f} s; CPU {cpu:.3f} s"

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident memory in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MIB

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def listening(server: Server, count: int) -> list[socket.socket]:
    """Open streams of events."""
    found = []
    for _ in range(count):
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(f"GET /api/runs/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        found.append(line)
    return found


def live(server: Server, root: Path, seconds: float, streams: int) -> tuple[float, list[float], int]:
    """(share of a core, resident MiB every ten seconds, bytes received) while two runs get a row each second."""
    names, draw = [f"train/column_{k}" for k in range(14)], random.Random(1)
    lines = listening(server, streams)
    drain(lines, 3.0)
    began, before, row, received, memory = time.perf_counter(), server.cpu(), ROWS, 0, [server.memory()]
    while (passed := time.perf_counter() - began) < seconds:
        for run in (1, 2):
            folder = root / "ppo" / f"CartPole-v1_{run}"
            with open(folder / "metrics.jsonl", "a") as file:
                file.write(line_of(row, names, draw, 10**9))
            with open(folder / "timing.jsonl", "a") as file:
                file.write(clock_of(row))
        row += 1
        received += drain(lines, 1.0)
        if passed > 10 * len(memory):
            memory.append(server.memory())
    share = (server.cpu() - before) / (time.perf_counter() - began)
    for line in lines:
        line.close()
    return share, [*memory, server.memory()], received


def drain(lines: list[socket.socket], seconds: float) -> int:
    """Read what comes for some seconds; returns its bytes."""
    total, until = 0, time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        for line in select.select(lines, [], [], left)[0]:
            total += len(line.recv(2**20))
    return total


def fuzz(home: Path, count: int) -> dict[int, int]:
    """Answers to random requests by status; a fault of the server, or a changed file, ends the benchmark."""
    from test_security import fuzzed

    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    server, draw, found = Server(home, "--readonly"), random.Random(7), dict[int, int]()
    try:
        for _ in range(count):
            method, path, headers, body = fuzzed(draw)
            status = server.ask(method, path, body if method != "GET" else None, headers)
            assert status < 500, (method, path, body, server.body)
            found[status] = found.get(status, 0) + 1
    finally:
        server.end()
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    return dict(sorted(found.items()))


def measured(home: Path, seconds: float) -> tuple[list[list[str]], list[float]]:
    """Rows of the table, and the memory over the time of live updates."""
    server = Server(home)
    try:
        assert server.ask("GET", "/") == 200
        opened = time.perf_counter() - server.began
        rows = [["start page after the command", f"{opened:.2f} s"], ["memory then", f"{server.memory():.0f} MiB"]]
        rows.append([f"list of {RUNS} runs, first", server.several(["/api/runs/list"])])
        rows.append(["list again", server.several(["/api/runs/list"] * 10)])
        runs = [f"/api/runs/curves?run={quote(f'ppo/CartPole-v1_{k}')}" for k in range(3, 33)]
        rows.append(["a curve of a run, first", server.several(runs[:10])])
        rows.append(["again", server.several(runs[:10])])
        rows.append(["of another run, by seconds", server.several([f"{path}&by=seconds" for path in runs[10:20]])])
        rows.append(["another metric", server.several([f"{path}&metric=train/column_3" for path in runs[:10]])])
        share, memory, received = live(server, home, seconds, STREAMS)
        rows.append([f"CPU with {STREAMS} streams", f"{100 * share:.1f} % of a core over {seconds:.0f} s"])
        rows.append(["received by the streams", f"{received / MIB:.1f} MiB"])
        rows.append(["memory, first and last", f"{memory[0]:.0f} and {memory[-1]:.0f} MiB"])
        return rows, memory
    finally:
        server.end()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=120.0, help="of live updates")
    options.add_argument("--requests", type=int, default=10_000, help="random ones")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "runs"
        make_runs(home, ROWS, RUNS)
        rows, memory = measured(home, asked.seconds)
        began = time.perf_counter()
        statuses = fuzz(home, asked.requests)
        took = time.perf_counter() - began
    shown = ", ".join(f"{count:,} of {status}" for status, count in statuses.items())
    rows.append([f"{asked.requests:,} random requests", f"{shown} in {took:.0f} s; no fault, no file changed"])
    about = f"{RUNS} run folders with {ROWS:,} rows of 18 columns each."
    told = (
        f"Resident memory during live updates, {len(memory)} readings ten seconds apart: "
        f"{min(memory):.0f} to {max(memory):.0f} MiB."
    )
    publish(asked.results, "page", "The page", {}, [about, table(["what", "measured"], rows), told])


if __name__ == "__main__":
    main()
