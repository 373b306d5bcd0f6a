"""What the benchmarks of engines share: small agents, and an engine in a process of its own that is spoken to by lines.

It knows nothing of logpi's own clients, so that a fault that both sides have in common shows.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

START = 600.0  # seconds to compile
NETWORKS = {
    "trivial": {"torso": "mlp", "units": 16, "blocks": 1, "value_units": 8},
    "tower": {"torso": "tower", "units": 32, "blocks": 4},
}


def make_agent(folder: Path, game: str, network: str) -> Path:
    """The folder of an untrained agent of ``game`` with one of ``NETWORKS``; made where it is not there yet."""
    import jax

    from logpi.config.experiments import resolve
    from logpi.games.agent import save_game_agent
    from logpi.games.rules.make import make_game
    from logpi.methods import method_of

    place = folder / f"{game}-{network}"
    if not (place / "agent.json").exists():
        experiment = resolve(game, None, {"network": NETWORKS[network]})[0]
        system = method_of(experiment.algo, None)(experiment.method, experiment.network, make_game(game))
        params = system.init(jax.random.key(0)).params
        save_game_agent(place, params, experiment, {"algo": experiment.algo, "timesteps": 0})
    return place


def command(agent: Path, *options: object) -> list[str]:
    """The engine's command."""
    return [sys.executable, "-m", "logpi", "engine", str(agent), *map(str, options)]


class FaultError(Exception):
    """The engine has died, hangs, or says what it must not."""


class Session:
    """A running engine."""

    def __init__(self, words: Sequence[str]) -> None:
        """Start the command ``words``."""
        self.words = words
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ}
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))
        self._lines.put(None)

    def say(self, *lines: str | bytes) -> None:
        """Send lines at once."""
        assert self._process.stdin is not None
        text = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
        try:
            self._process.stdin.write(text)
            self._process.stdin.flush()
        except OSError as error:
            raise FaultError(f"it has died, exit code {self._process.wait()}") from error

    def until(self, start: str, seconds: float = 30.0) -> list[str]:
        """The lines up to the first that begins with ``start``, that one included.

        Raises:
            FaultError: there is none in so many seconds.
        """
        found, deadline = list[str](), time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise FaultError(f"no {start!r} in {seconds:g} s after {found[-3:]}") from None
            if line is None:
                raise FaultError(f"it has died, exit code {self._process.wait()}")
            found.append(line)
            if line.startswith(start):
                return found

    def rest(self) -> list[str]:
        """What it has said and nobody has read."""
        found = list[str]()
        with contextlib.suppress(queue.Empty):
            while (line := self._lines.get_nowait()) is not None:
                found.append(line)
        return found

    def greet(self, hello: str) -> None:
        """Greet by "uci" or "usi", and wait until it is ready."""
        self.say(hello)
        self.until(f"{hello}ok", START)
        self.say("isready")
        self.until("readyok", START)

    def ask(self, text: str, seconds: float = 30.0) -> str:
        """The answer to a command of GTP, without the sign of success; FaultError where it is a failure."""
        answer = self.reply(text, seconds)
        if not answer.startswith("="):
            raise FaultError(f"{text}: {answer}")
        return answer[1:].strip()

    def reply(self, text: str, seconds: float = 30.0) -> str:
        """The answer to a command of GTP."""
        self.say(text)
        found, deadline = list[str](), time.monotonic() + seconds
        while not found or found[-1]:
            found += self.until("", max(0.001, deadline - time.monotonic()))
            if found == [""]:
                found = []
        return "\n".join(found[:-1])

    def close(self) -> None:
        """Ask it to leave; kill it where it does not."""
        with contextlib.suppress(FaultError):
            self.say("quit")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise FaultError("it does not leave when it is told to quit") from None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
