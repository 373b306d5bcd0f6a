"""How long does the page of ``logpi ui`` take to answer a move of Connect Four?

    python bench/page_play.py [--simulations 800] [--moves 12]

An agent of Connect Four is trained for a moment, for the network of the recipe. The page's server runs in a process of
its own and is asked as the page asks: the board, then one move of the agent after the other. The first answer is
measured from an empty compilation cache and again, by another server, with that cache.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from page import Server
from report import BENCH, parser, publish, table

GAME = "connect-four"


def train(home: Path) -> None:
    """A run of the game's recipe that ends at once."""
    words = ["train", GAME, "--log-dir", str(home), "--total-timesteps", "1000", "--no-video", "--quiet"]
    asked = ["--eval-points", "1", "--eval-episodes", "2", "--final-episodes", "2"]
    environment = {**os.environ, "PYTHONPATH": str(BENCH.parent)}
    subprocess.run([sys.executable, "-m", "logpi", *words, *asked], check=True, env=environment)


class Game:
    """A game on the page."""

    def __init__(self, home: Path, simulations: int) -> None:
        self.server = Server(home)
        assert self.server.ask("GET", "/") == 200
        (token,) = re.findall(rb'logpi-token"\s+content="([^"]+)"', self.server.body)
        self.headers = {"X-Logpi-Token": token.decode(), "Content-Type": "application/json"}
        self.moves: list[int] = []
        players = self.asked("open")["players"]
        player = next(offer["text"] for offer in players if offer["searches"] and str(home) in offer["text"])
        self.agent = {"player": player, "simulations": simulations}

    def asked(self, what: str, **more: Any) -> dict[str, Any]:
        body = json.dumps({"game": GAME, "moves": self.moves, **more}).encode()
        assert self.server.ask("POST", f"/api/play/{what}", body, self.headers) == 200, self.server.body[:500]
        found: dict[str, Any] = json.loads(self.server.body)
        return found

    def first(self) -> float:
        """Seconds from the choice of the player to its first move on the board."""
        began = time.perf_counter()
        self.asked("prepare", **self.agent)
        self.move()
        return time.perf_counter() - began

    def move(self) -> float:
        """Seconds of one move of the agent, until the board shows it."""
        began = time.perf_counter()
        self.moves.append(self.asked("think", **self.agent)["action"])
        self.asked("board")
        return time.perf_counter() - began


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--simulations", type=int, default=800)
    options.add_argument("--moves", type=int, default=12)
    asked = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "runs")
        train(home)
        os.environ["LOGPI_CACHE"] = str(Path(folder, "cache"))
        for cache in ("empty", "full"):
            game = Game(home, asked.simulations)
            first, later = game.first(), [game.move() for _ in range(asked.moves)]
            game.server.end()
            rows.append([cache, f"{first:.1f} s", f"{statistics.median(later):.2f} s", f"{max(later):.2f} s"])
    told = f"Connect Four, the recipe's network, {asked.simulations} simulations a move."
    header = ["compilation cache", "first move", f"each of {asked.moves} more, median", "longest"]
    publish(asked.results, "page_play", "The page: a move of the agent", {}, [told, table(header, rows)])


if __name__ == "__main__":
    main()
