"""The room of glimpses: a digit that is drawn or dropped, and where an agent looks at it."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from logpi.errors import LogpiError
from logpi.page.answers import body_of, json_answer
from logpi.page.asked import SEEDS, Kept, whole
from logpi.page.state import Page
from logpi.runs.cards import read_card
from logpi.runs.files import Json
from logpi.runs.lookup import agents_in, find_runs
from logpi.runs.shipped import shipped_agents

KEPT = 3  # agents
MOST_SIDE, MOST_GLIMPSES = 512, 64


class Room:
    """Agents that the next request will likely be about. They are used by one thread."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.agents: Kept[Any] = Kept(KEPT)

    def offers(self) -> dict[str, Path]:
        """The agents that take glimpses, by what they are called: those of runs, the newest first, then logpi's own."""
        found: dict[str, Path] = {}
        for info in reversed(find_runs(self.page.home)):
            for folder in [*agents_in(info.path / "best"), *agents_in(info.path / "last")][:1]:
                if glimpses_of(folder):
                    found[f"{info.path.parent.name}/{info.path.name}"] = folder
        for agent in shipped_agents():
            if glimpses_of(agent.path):
                found[f"logpi's own agent of {agent.name}"] = agent.path
        return found

    def agent(self, name: object) -> Any:
        """The agent called so."""
        import logpi.api as api

        offers = self.offers()
        if not isinstance(name, str) or name not in offers:
            there = ", ".join(offers) or "none yet; train one: logpi train ram/mnist"
            raise LogpiError(f"no agent {str(name)!r:.200} that takes glimpses here; allowed: {there}")
        found = self.agents.find(name)
        if found is None:
            found = api.load(offers[name])
            self.agents.put(name, found)
        return found

    def open(self, asked: Json) -> Json:
        """What must be known of an agent to draw for it; what it needs for a look is compiled."""
        agent = self.agent(asked.get("agent"))
        height, width, channels = agent.task.scene.height, agent.task.scene.width, agent.task.shape[2]
        for places in ("learned", "random"):
            agent.look(np.zeros((1, height, width, channels), np.uint8), places=places)
        return {
            "height": height,
            "width": width,
            "channels": channels,
            "classes": list(agent.classes),
            "n_glimpses": agent.config.n_glimpses,
            "patch": agent.net.patch,
            "scales": agent.net.scales,
            "light_on_dark": agent.light_on_dark,
            "is_canvas": (height, width) != tuple(agent.task.shape[:2]),
        }

    def sample(self, asked: Json) -> Json:
        """A test image of the agent's data, as a scene."""
        from logpi.ram.evaluation import judged_split, scenes_of

        agent, number = self.agent(asked.get("agent")), whole(asked, "number", range(10**6), 0)
        test, clutter = judged_split(agent, "test")
        scenes, labels = scenes_of(agent, test, clutter, number // 100)
        place = number % len(labels)
        return {"pixels": packed(scenes[place]), "label": agent.classes[int(labels[place])], "number": number}

    def look(self, asked: Json) -> Json:
        """A picture looked at, at learned places and at random ones."""
        import logpi.api as api

        agent, pixels = self.agent(asked.get("agent")), pixels_in(asked)
        seed = whole(asked, "seed", SEEDS, 0)
        count = whole(asked, "n_glimpses", range(1, MOST_GLIMPSES + 1)) if "n_glimpses" in asked else None
        flags = {name: asked.get(name) is True for name in ("invert", "autocontrast", "centre")}
        return {
            places: api.glimpses(agent, pixels, places=places, n_glimpses=count, seed=seed, **flags)[0].to_json()
            for places in ("learned", "random")
        }


def glimpses_of(folder: Path) -> int:
    """How many glimpses the agent in a folder takes of an image; 0 where it takes none or cannot be read."""
    try:
        method = read_card(folder).get("method", {})
    except LogpiError:
        return 0
    found = method.get("n_glimpses", 0) if isinstance(method, dict) else 0
    return found if isinstance(found, int) else 0


def pixels_in(asked: Json) -> NDArray[np.uint8]:
    """The picture of a request: [height, width, channels] bytes in base64, row by row."""
    shape = tuple(whole(asked, name, range(1, MOST_SIDE + 1)) for name in ("height", "width"))
    channels = whole(asked, "channels", range(1, 4), 1)
    text = asked.get("pixels")
    try:
        data = base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LogpiError(f"pixels: bytes in base64; {error}") from error
    if len(data) != shape[0] * shape[1] * channels:
        raise LogpiError(f"pixels: {len(data):,} bytes do not make a picture of {shape[0]}x{shape[1]}x{channels}")
    return np.frombuffer(data, np.uint8).reshape(*shape, channels)


def packed(pixels: NDArray[np.uint8]) -> str:
    """Pixels as a request has them."""
    return base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()


def routes(page: Page) -> list[BaseRoute]:
    """What the room answers."""
    room = Room(page)

    def route(name: str, answer: Any) -> Route:
        async def endpoint(request: Request) -> Response:
            return json_answer(await page.work(answer, await body_of(request)))

        return Route(f"/api/glimpses/{name}", endpoint, methods=["POST"])

    async def agents(request: Request) -> Response:
        return json_answer({"agents": list(await page.read(room.offers))})

    answers = {"open": room.open, "sample": room.sample, "look": room.look}
    return [Route("/api/glimpses/agents", agents), *(route(name, answer) for name, answer in answers.items())]
