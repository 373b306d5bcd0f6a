"""The room of variance: clouds of gradient estimates, and what a step along one of them does to J."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from logpi.errors import LogpiError
from logpi.page.answers import body_of, json_answer
from logpi.page.asked import SEEDS, Kept, number, whole
from logpi.page.state import Page
from logpi.runs.files import Json

if TYPE_CHECKING:
    from logpi.control.variance.cloud import Clouds, GradientLab

LABS, CLOUDS = 4, 8  # that are kept
MOST = 20_000  # trajectories of a request
SHOWN = 400  # estimates of a rung that are drawn


class Room:
    """Laboratories and clouds that the next request will likely be about. They are used by one thread."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.labs: Kept[GradientLab] = Kept(LABS)
        self.clouds: Kept[tuple[GradientLab, Clouds]] = Kept(CLOUDS)
        self.measured = 0

    def worlds(self, asked: Json) -> Json:
        """The decision processes and environments that there are."""
        from logpi.control.variance.processes import PROCESSES, decision_process
        from logpi.envs.classic import CLASSIC

        small = [{"name": name, "about": decision_process(name).about, "exact": True} for name in PROCESSES]
        about = "A small network; J and its gradient are means over many episodes."
        return {"worlds": [*small, *({"name": name, "about": about, "exact": False} for name in CLASSIC)]}

    def lab(self, name: object) -> GradientLab:
        """The laboratory of a process or an environment."""
        from logpi.control.variance.cloud import GradientLab

        if not isinstance(name, str):
            raise LogpiError("world: the name of a decision process or an environment")
        found = self.labs.find(name)
        if found is None:
            found = GradientLab(name)
            self.labs.put(name, found)
        return found

    def measure(self, asked: Json) -> Json:
        """Clouds of all rungs."""
        lab = self.lab(asked.get("world"))
        found = lab.clouds(
            asked.get("theta"),
            gamma=number(asked, "gamma", 0.99),
            gae_lambda=number(asked, "gae_lambda", 0.95),
            batch=whole(asked, "batch", range(2, 251), 10),
            trajectories=whole(asked, "trajectories", range(20, MOST + 1), 2_000),
            seed=whole(asked, "seed", SEEDS, 0),
        )
        self.measured += 1
        self.clouds.put(self.measured, (lab, found))
        facts = found.to_json()
        for cloud in facts["clouds"]:
            cloud["points"] = cloud["points"][:SHOWN]
        return {**facts, "number": self.measured, "about": lab.world.about}

    def step(self, asked: Json) -> Json:
        """A step from the policy of clouds that were measured."""
        kept = self.clouds.find(asked.get("number"))
        if kept is None:
            raise LogpiError("these clouds are no longer kept; measure them again")
        lab, found = kept
        # J of an environment takes episodes: fewer ways are drawn
        few = {} if found.exact else {"shown": 8, "points": 5}
        rate, seed = number(asked, "learning_rate", 1.0), whole(asked, "seed", SEEDS, 0)
        return lab.step(found, str(asked.get("rung")), rate, seed=seed, **few).to_json()


def routes(page: Page) -> list[BaseRoute]:
    """What the room answers."""
    room = Room(page)

    def route(name: str, answer: Any) -> Route:
        async def endpoint(request: Request) -> Response:
            return json_answer(await page.work(answer, await body_of(request)))

        return Route(f"/api/variance/{name}", endpoint, methods=["POST"])

    answers = {"worlds": room.worlds, "clouds": room.measure, "step": room.step}
    return [route(name, answer) for name, answer in answers.items()]
