"""The page of ``logpi ui`` for tests: its server in a thread, requests to it, and a browser that looks at it."""

import contextlib
import http.client
import json
import math
import shutil
import threading
import time

import pytest

from logpi.page.server import HOST, listen, make_app, make_server
from logpi.runs.files import json_text

TOKEN = "the-secret-of-this-test"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Served:
    """A page that is being served."""

    def __init__(self, port, app):
        self.port, self.app = port, app
        self.address = f"http://{HOST}:{port}"

    def ask(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, body) of one request; ``body`` is bytes, or what becomes JSON."""
        given = {"Host": f"{HOST}:{self.port}", **(headers or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, data, {name: value for name, value in given.items() if value is not None})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def get(self, path, code=200, **headers):
        """The JSON at ``path``."""
        status, _, body = self.ask("GET", path, headers=headers)
        assert status == code, (path, status, body[:500])
        return json.loads(body)

    def post(self, path, body, code=200, token=TOKEN):
        """The JSON that the server answers."""
        headers = {"X-Logpi-Token": token, "Content-Type": "application/json"}
        status, _, answer = self.ask("POST", path, body, headers)
        assert status == code, (path, status, answer[:500])
        return json.loads(answer)


@contextlib.contextmanager
def serving(home, readonly=False):
    """A page of the runs in ``home``."""
    with listen(0) as listening:
        app = make_app(home, readonly=readonly, token=TOKEN)
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            give_up = time.monotonic() + 20
            while not server.started:
                assert time.monotonic() < give_up
                assert thread.is_alive()
                time.sleep(0.01)
            yield Served(listening.getsockname()[1], app)
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive(), "the server ends"


def chromium():
    """Headless Chromium, for as long as a test wants it; a test that has none is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="it needs the package playwright")
    if CHROMIUM is None:
        pytest.skip("it needs Chromium: no chromium, chromium-browser or google-chrome on the path")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextlib.contextmanager
def looking(browser, served, **options):
    """A window of ``browser`` on the page: an error in its console, or a request to another machine, fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
    window = context.new_page()
    faults = []
    window.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    window.on("pageerror", lambda error: faults.append(str(error)))
    near = (f"{served.address}/", "data:", f"blob:{served.address}/")
    window.on("request", lambda asked: None if asked.url.startswith(near) else faults.append(f"asked {asked.url}"))
    window.faults = faults
    try:
        yield window
        assert faults == []
    finally:
        context.close()


def axe(window):
    """Violations of WCAG A and AA that axe-core finds in the window, in words."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(window, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']][:5]} "
        f"{fault['nodes'][0].get('failureSummary', '')}"
        for fault in found.response["violations"]
    ]


CONFIG = """format_version = 2
env = {env}
algo = {algo}
policy = ""

[run]
seed = {seed}
seeds = 1

[method]
learning_rate = {rate}

[network]
hidden = [8]
"""


def make_run(root, name="ppo/CartPole-v1_1", rows=20, seed=0, rate=0.001, env="CartPole-v1", final=True, **facts):
    """A run folder without agents, as ``logpi.training`` would leave it; ``facts`` go into its manifest."""
    folder = root / name
    folder.mkdir(parents=True)
    algo = name.partition("/")[0]
    score = {"label": "mean return of an episode", "percent": False, "low": 0, "high": 500}
    length = {"timesteps": 1000 * rows, "unit": "steps", "each": 1}
    manifest = {"algo": algo, "env": env, "seeds": [seed], "score": score, "length": length}
    manifest |= {"started": "2026-11-28T21:48:43+00:00", **facts}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "config.toml").write_text(CONFIG.format(env=json.dumps(env), algo=json.dumps(algo), seed=seed, rate=rate))
    (folder / "command.txt").write_text(f"logpi train {env} --seed {seed}\n")
    for row in range(rows):
        add_row(folder, row, seed)
    if final:
        result = {"timesteps": 1000 * rows, "episodes": 100, "mean_reward": [400.0 + seed], "std_reward": [20.0]}
        (folder / "result.json").write_text(json.dumps(result))
    return folder


def add_row(folder, row, seed=0):
    """Append a row as a training would."""
    steps, spent = 1000 * (row + 1), 1.0 + 0.1 * row
    values = {"time/total_timesteps": steps, "time/iterations": row + 1, "train/loss": math.exp(-row / 10)}
    values["rollout/ep_rew_mean"] = math.nan if row == 0 else 20.0 * row + seed
    if row % 5 == 4:
        values["eval/mean_reward"] = 21.0 * row + seed
    clock = {"time/total_timesteps": steps, "time/time_elapsed": spent, "time/time_spent": spent}
    clock |= {"time/seconds/compile": 1.0, "time/seconds/collect": 0.06 * row, "time/seconds/update": 0.04 * row}
    for file, line in (("metrics.jsonl", values), ("timing.jsonl", clock)):
        with open(folder / file, "a") as out:
            out.write(json_text(line) + "\n")
