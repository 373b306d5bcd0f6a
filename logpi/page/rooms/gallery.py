"""The room of environments: films of random and of trained agents side by side, spaces, rewards, scores, commands."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from logpi.errors import LogpiError
from logpi.page.answers import json_answer
from logpi.page.state import Page


class Room:
    """The entries, and the films that were made; used in the thread of ``Page.work`` but for the lock."""

    def __init__(self, page: Page) -> None:
        self._page, self._entries = page, dict[str, Any]()
        self.one = asyncio.Lock()  # one film is asked for at a time: other work comes between two of them

    def listed(self) -> list[dict[str, Any]]:
        """All entries, with what the folder of runs holds now."""
        from logpi.api.gallery import gallery

        found = gallery(self._page.home)
        self._entries = {entry.env: entry for entry in found}
        return [_named(self._page, entry.to_json()) for entry in found]

    def film(self, env: str, what: str) -> str:
        """The path of a film, which is made if need be."""
        from logpi.api.gallery import film_folder, film_of

        if not self._entries:
            self.listed()
        entry = self._entries.get(env)
        agent = next((each for each in entry.agents if each.what == what), None) if entry else None
        if entry is None or agent is None or not agent.filmed:
            raise LogpiError(f"the gallery has no film {what!r:.40} of {env!r:.80}")
        return str(film_of(entry, agent, film_folder()))


def _named(page: Page, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose agents have the names that the other rooms know, in place of paths."""
    for agent in entry["agents"]:
        path = agent.pop("path")
        if agent["what"] == "shipped":
            agent["agent"] = f"shipped:{entry['env']}"
        elif path is not None:
            agent["agent"] = path.relative_to(page.home).as_posix()
    return entry


def routes(page: Page) -> list[BaseRoute]:
    room = Room(page)

    async def listed(request: Request) -> Response:
        return json_answer({"entries": await page.work(room.listed)})

    async def film(request: Request) -> Response:
        env, what = (request.query_params.get(name, "") for name in ("env", "what"))
        async with room.one:
            path = await page.work(room.film, env, what)
        kind = "video/mp4" if path.endswith(".mp4") else "image/gif"
        return FileResponse(path, media_type=kind)

    return [Route("/api/gallery/list", listed), Route("/api/gallery/film", film)]
