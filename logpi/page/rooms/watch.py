"""The room to watch and to take over: an agent in its environment, frame by frame, or by a person's keys."""

from __future__ import annotations

import base64
import io
import secrets
import time
from collections import OrderedDict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from logpi.errors import LogpiError
from logpi.page.agents import SHIPPED, listed, place_of
from logpi.page.answers import body_of, json_answer
from logpi.page.state import Page
from logpi.runs.following import Following

MOST = 4  # episodes under way; another one ends the one that was used least recently
MOST_STEPS = 100  # of one request
MOST_WIDTH = 720  # pixels of a picture; larger ones are made smaller


class Sessions:
    """Episodes under way, by a name that only their page knows. Used in the thread of ``Page.work`` alone."""

    def __init__(self, page: Page) -> None:
        self._page, self._open = page, OrderedDict[str, Any]()

    def open(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin to watch an agent."""
        from logpi.api.agents import load
        from logpi.api.episodes import load_moment, watch_episode

        began = time.perf_counter()
        place, at = place_of(self._page.home, asked.get("agent")), asked.get("at")
        seed = asked.get("seed", 10_000)
        if at in (None, "") or str(asked.get("agent")).startswith(SHIPPED):
            agent: Any = load(place)
        else:
            agent = load_moment(place, _number(at))
        episode = watch_episode(agent, seed, bool(asked.get("sampled", False)))
        try:
            first = _shown(episode.begin())
        except BaseException:
            episode.close()
            raise
        name = secrets.token_urlsafe(12)
        self._open[name] = episode
        while len(self._open) > MOST:
            self._open.popitem(last=False)[1].close()
        controls = episode.controls
        return {
            "session": name,
            "fps": episode.fps,
            "facts": {key: agent.facts.get(key) for key in ("env", "algo", "timesteps")},
            "actions": list(controls.names),
            "keys": [[list(held), action] for held, action in controls.keys],
            "idle": controls.idle,
            "waits": controls.waits,
            "seconds": time.perf_counter() - began,
            "shots": [first],
        }

    def step(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take steps: by the agent, or by a person's action."""
        episode = self._named(asked.get("session"))
        count = asked.get("steps", 1)
        if not (isinstance(count, int) and 1 <= count <= MOST_STEPS):
            raise LogpiError(f"steps is {count!r:.40}; allowed: 1 to {MOST_STEPS}")
        shots = []
        for _ in range(count):
            shots.append(episode.step(asked.get("action")))
            if shots[-1].over:
                break
        return {"shots": [_shown(shot) for shot in shots]}

    def begin(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin the next episode."""
        return {"shots": [_shown(self._named(asked.get("session")).begin())]}

    def close(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End a session."""
        episode = self._open.pop(str(asked.get("session")), None)
        if episode is not None:
            episode.close()
        return {}

    def _named(self, name: object) -> Any:
        if not isinstance(name, str) or name not in self._open:
            raise LogpiError("this episode is no longer there: too many were begun, or the page was started again")
        self._open.move_to_end(name)
        return self._open[name]


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise LogpiError(f"at is {value!r:.40}; allowed: a number of timesteps") from error


def _shown(shot: Any) -> dict[str, Any]:
    """A moment as the browser gets it."""
    return shot._asdict() | {"said": shot.said.to_json(), "picture": picture(shot.picture), "over": shot.over}


def picture(frame: Any) -> str:
    """A frame as the address of a PNG that holds it."""
    from PIL import Image

    image = Image.fromarray(frame)
    if image.width > MOST_WIDTH:
        image = image.resize((MOST_WIDTH, image.height * MOST_WIDTH // image.width))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def routes(page: Page) -> list[BaseRoute]:
    sessions, following = Sessions(page), Following(page.home)

    async def agents(request: Request) -> Response:
        return json_answer({"agents": await page.read(listed, following)})

    def working(act: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            return json_answer(await page.work(act, await body_of(request)))

        return endpoint

    acts = {"open": sessions.open, "step": sessions.step, "begin": sessions.begin, "close": sessions.close}
    return [
        Route("/api/watch/agents", agents),
        *(Route(f"/api/watch/{name}", working(act), methods=["POST"]) for name, act in acts.items()),
    ]
