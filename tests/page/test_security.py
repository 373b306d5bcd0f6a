"""Who may ask the page for what, and what a stranger's folder or request can do: nothing."""

import json
import os
import random
import socket
from urllib.parse import quote

import pytest
from pages import TOKEN, make_run, serving

from logpi.errors import LogpiError
from logpi.page.rooms.runs import train_command
from logpi.page.security import LONGEST_ADDRESS, MOST_BODY, POLICY, within
from logpi.runs.lookup import open_run

START = "/api/runs/start"


def content(folder):
    """Every file below ``folder`` with its bytes."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "[::2]", ""])
def test_other_names_of_this_machine_are_refused(served, host):
    status, _, body = served.ask("GET", "/", headers={"Host": host.format(port=served.port)})
    assert status == 403
    assert TOKEN.encode() not in body


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "localhost", "[::1]:{port}"])
def test_its_own_names_are_answered(served, host):
    assert served.ask("GET", "/", headers={"Host": host.format(port=served.port)})[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_other_origins_are_refused(served, origin):
    headers = {"Origin": origin.format(port=served.port), "X-Logpi-Token": TOKEN}
    assert served.ask("POST", START, {"env": "CartPole-v1"}, headers)[0] == 403
    assert served.ask("GET", "/", headers=headers)[0] == 403


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "ü"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_whatever_is_not_reading_needs_the_token(served, token, method):
    headers = {"X-Logpi-Token": token and token.encode("latin-1"), "Origin": served.address}
    status, _, body = served.ask(method, START, {"env": "CartPole-v1"}, headers)
    assert status == 403
    assert "token" in json.loads(body)["error"]


def test_the_start_page_carries_the_token_and_nothing_else_does(served):
    _, headers, body = served.ask("GET", "/")
    assert TOKEN.encode() in body
    assert headers["cache-control"] == "no-store"
    for path in ("/api/about", "/static/app.js", "/static/index.html", "/api/runs/list"):
        assert TOKEN.encode() not in served.ask("GET", path)[2], path


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/about", "/nothing", "/api/runs/detail?run=x"])
def test_every_answer_has_the_headers(served, path):
    _, headers, _ = served.ask("GET", path)
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_bodies_and_addresses_have_a_limit(served):
    headers = {"X-Logpi-Token": TOKEN}
    for length in (str(MOST_BODY + 1), "9" * 30, "-1", "x"):
        status = served.ask("POST", START, b"", {**headers, "Content-Length": length})[0]
        assert status in (400, 413), length
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        head = f"POST {START} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nX-Logpi-Token: {TOKEN}\r\n"
        line.sendall(f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(MOST_BODY // 0x10000 + 2):
                line.sendall(chunk)
            line.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # it has hung up already
        assert b" 413 " in line.recv(4096)
    assert served.ask("GET", "/api/about?" + "x" * LONGEST_ADDRESS)[0] == 414
    assert served.get("/api/about")["program"] == "logpi"


OUTSIDE = [
    "../secret",
    "ppo/../../secret",
    "/etc",
    "..",
    ".",
    "",
    "a\0b",
    "x" * 5000,
    "ppo/link",
    "ppo\\..\\..\\secret",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_do_not_leave_the_folder_of_runs(tmp_path, name):
    make_run(tmp_path / "runs")
    secret = make_run(tmp_path, "secret/x")
    (tmp_path / "runs" / "ppo" / "link").symlink_to(secret)
    with pytest.raises(LogpiError):
        open_run(within(tmp_path / "runs", name))


@pytest.mark.parametrize(
    "name", ["x" * 300, "ppo/" + "x" * 300, "a%00b", "%ff%fe", "ppo", "%2e%2e", "ppo/CartPole-v1_1/best"]
)
def test_a_name_that_no_run_has_is_refused_in_one_sentence(tmp_path, served, name):
    make_run(tmp_path / "runs")
    for path in ("detail", "curves"):
        assert served.get(f"/api/runs/{path}?run={name}", 400)["error"]
    for body in ({"run": name}, {"runs": [name, name]}):
        for path in ("stop", "resume", "compare"):
            assert served.post(f"/api/runs/{path}", body, 400)["error"]
    assert served.post("/api/watch/open", {"agent": name}, 400)["error"]


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd"]
)
def test_no_file_beside_the_static_ones_is_served(served, path):
    assert served.ask("GET", path)[0] == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"env": "evil.py:Env"},
        {"env": "module:Env-v0"},
        {"env": "--trust"},
        {"env": "/tmp/x.py"},
        {"env": ["CartPole-v1"]},
        {"env": ""},
        {"env": "CartPole-v1", "algo": "evil.py:method"},
        {"env": "CartPole-v1", "total_timesteps": "--trust"},
        {"env": "CartPole-v1", "seeds": "nan"},
        {"env": "CartPole-v1", "seed": -1},
        {"env": "CartPole-v1", "settings": {"code": "evil.py"}},
        {"env": "CartPole-v1", "settings": {"log_dir": "/etc"}},
        {"env": "CartPole-v1", "settings": {"policy": "evil.py:net"}},
        {"env": "CartPole-v1", "settings": {"--trust": True}},
        {"env": "CartPole-v1", "settings": {"learning_rate": {"a": 1}}},
        {"env": "CartPole-v1", "settings": ["code"]},
    ],
    ids=str,
)
def test_no_code_and_no_other_folder_can_be_named_in_a_training(tmp_path, asked):
    with pytest.raises(LogpiError):
        train_command(asked, tmp_path)


def test_a_training_is_asked_for_by_flags_with_their_values(tmp_path):
    settings = {"learning_rate": "1e-3", "video": False, "normalize_obs": True, "n_envs": "--trust"}
    asked = {"env": "CartPole-v1", "algo": "ppo", "total_timesteps": "2e4", "seeds": 2, "settings": settings}
    assert train_command(asked, tmp_path) == [
        *("train", "CartPole-v1", f"--log-dir={tmp_path}", "--algo=ppo", "--total-timesteps=20000", "--seeds=2"),
        *("--learning-rate=1e-3", "--no-video", "--normalize-obs", "--n-envs=--trust"),
    ]


def test_a_page_that_only_shows_changes_nothing(tmp_path):
    make_run(tmp_path / "runs")
    before = content(tmp_path)
    with serving(tmp_path / "runs", readonly=True) as page:
        for path in ("start", "stop", "resume", "compare"):
            said = page.post(f"/api/runs/{path}", {"env": "CartPole-v1", "run": "ppo/CartPole-v1_1"}, 403)
            assert "--readonly" in said["error"]
        assert len(page.get("/api/runs/list")["runs"]) == 1
    assert content(tmp_path) == before


# ---- requests and folders of a stranger ---------------------------------------------------------------------------

PATHS = ["/", "/api/about", "/static/app.js", "/api/runs/list", "/api/runs/detail", "/api/runs/curves"]
PATHS += ["/api/runs/start", "/api/runs/stop", "/api/runs/compare", "/api/runs/comparison/1", "/api/watch/agents"]
PATHS += ["/api/watch/step", "/api/watch/close", "/api/gallery/film", "/api/nothing/at/all"]
VALUES = ["ppo/CartPole-v1_1", "../..", "%00", "nan", "1e999", "-1", "<script>", "\u202e", "x" * 300, "seconds", ""]
JUNK = [None, True, 0, -1, 10**30, 1e308, "", "ppo/CartPole-v1_1", "../x", "\0", [], {}, [[[]]], {"a": {"b": []}}]
KEYS = ["run", "runs", "env", "algo", "settings", "session", "steps", "action", "agent", "at", "seed", "\ud800"]


def fuzzed(draw):
    """(method, path, headers, body) of a random request."""
    path = draw.choice(PATHS)
    if draw.random() < 0.3:
        path += draw.choice(["/", "//", "/..", "%2e%2e/", "/%ff", ";x", "/" + "a" * 50])
    if draw.random() < 0.6:
        names = ["run", "by", "metric", "points", "env", "what", "x"]
        pairs = [f"{draw.choice(names)}={draw.choice(VALUES)}" for _ in range(draw.randint(1, 5))]
        path += "?" + "&".join(pairs)
    headers = {"X-Logpi-Token": TOKEN} if draw.random() < 0.7 else {}
    if draw.random() < 0.2:
        headers[draw.choice(["Origin", "Content-Type", "Last-Event-ID", "Range", "Cookie"])] = draw.choice(VALUES)
    body = json.dumps({draw.choice(KEYS): draw.choice(JUNK) for _ in range(draw.randint(0, 4))}).encode()
    if draw.random() < 0.3:
        body = draw.choice([b"", b"{", b"[]", b"[" * 5000, b"\xff\xfe", os.urandom(50), b'{"a":' * 2000, b"null"])
    method = draw.choice(["GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "XYZ"])
    ascii_path = path.encode("utf-8", "surrogatepass").decode("latin-1").replace(" ", "%20")
    safe = {name: value.encode("ascii", "replace").decode() for name, value in headers.items()}
    return method, "".join(c if "!" <= c <= "~" else "%80" for c in ascii_path), safe, body


def test_random_requests_are_answered_without_a_fault_or_a_write(tmp_path, capfd):
    make_run(tmp_path / "runs", rows=5)
    before, draw = content(tmp_path), random.Random(0)
    with serving(tmp_path / "runs", readonly=True) as page:
        for number in range(400):
            method, path, headers, body = fuzzed(draw)
            status, _, said = page.ask(method, path, body if method != "GET" else None, headers)
            assert status < 500, (number, method, path, body, said)
            assert b"Traceback" not in said
        for raw in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"x" * 70_000):
            with socket.create_connection(("127.0.0.1", page.port), timeout=5) as line:
                line.sendall(raw)
        assert page.get("/api/about")["program"] == "logpi"
    assert content(tmp_path) == before
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "logpi ui:" not in said.err, "no fault of the server"


def hostile(root):
    """Run folders of a stranger."""
    script = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    make_run(root, "ppo/" + script.replace("/", "⁄"), env=script, rows=6)
    make_run(root, "ppo/percent%2e%2e", rows=6, score={"label": script, "percent": "yes", "low": "nan"})
    bad = make_run(root, "ppo/nan_1", rows=2)
    (bad / "metrics.jsonl").write_text('{"time/total_timesteps": "nan", "eval/mean_reward": ["inf", "-inf"]}\n' * 3)
    (make_run(root, "ppo/huge_1", rows=1) / "metrics.jsonl").write_bytes(b"")
    with open(root / "ppo" / "huge_1" / "metrics.jsonl", "wb") as file:
        file.truncate(2**32)
    pipes = make_run(root, "ppo/pipes_1", rows=1)
    for name in ("metrics.jsonl", "config.toml", "command.txt"):
        (pipes / name).unlink()
        os.mkfifo(pipes / name)
    (pipes / "best").symlink_to("/")
    (make_run(root, "ppo/deep_1", rows=1) / "config.toml").write_text("a = " + "[" * 5000)
    (root / "ppo" / "loop_1").symlink_to(root / "ppo" / "loop_1")
    surrogate = os.fsencode(root / "ppo") + b"/\xff\xfe_1"
    os.mkdir(surrogate)
    with open(surrogate + b"/manifest.json", "wb") as file:
        file.write((bad / "manifest.json").read_bytes())


def test_folders_of_a_stranger_are_shown_or_refused(tmp_path, capfd):
    root = tmp_path / "runs"
    make_run(root)
    hostile(root)
    with serving(root) as page:
        names = [run["name"] for run in page.get("/api/runs/list")["runs"]]
        assert "ppo/CartPole-v1_1" in names
        assert len(names) >= 7
        for name in names:
            query = quote(name.encode("utf-8", "surrogateescape"))
            for path in ("detail", "curves"):
                status, _, said = page.ask("GET", f"/api/runs/{path}?run={query}")
                assert status in (200, 400), (name, path, said)
                json.loads(said)
        page.get("/api/watch/agents")
    assert "Traceback" not in "".join(capfd.readouterr())
