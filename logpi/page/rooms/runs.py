"""The room of runs: all of them live, their curves, what differs, and starting, stopping and going on with one."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from logpi.errors import LogpiError, inert
from logpi.page.answers import body_of, json_answer
from logpi.page.events import Feed
from logpi.page.jobs import Jobs
from logpi.page.security import within, writing
from logpi.page.state import Page
from logpi.runs.files import read_text, size_of
from logpi.runs.folder import RunFolder
from logpi.runs.following import Following
from logpi.runs.history import Histories
from logpi.runs.lookup import open_run
from logpi.runs.manage import stop
from logpi.runs.moments import moments_of
from logpi.tasks import kind_of

EVERY = 1.0  # seconds between two looks at the folders, while anyone listens
MOST_RUNS = 40  # whose curves are asked for at once
COMPARISONS = "comparisons"  # folder within that of the runs
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,99}")  # of environments and methods that the page starts: no file
SETTING = re.compile(r"[a-z][a-z0-9_]{0,40}")
REFUSED = {"code", "trust", "config", "policy", "from", "init_from", "log_dir", "tracker", "json", "quiet", "help"}
REFUSED |= {"env_kwargs", "wrapper", "frame_stack", "algo", "seeds", "seed", "total_timesteps", "total_images"}
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


class Room:
    """What the room knows between two requests."""

    def __init__(self, page: Page) -> None:
        self.page, self.feed = page, Feed()
        self.following = Following(page.home)
        self.histories, self.lock = Histories(), threading.Lock()
        self.jobs = Jobs(lambda job: self.feed.publish({"job": job}))
        self._look = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Look at the folders once, and tell of what has changed."""
        async with self._look:
            changed, gone = await self.page.read(self.following.refresh)
            if changed or gone:
                self.feed.publish({"runs": [state._asdict() for state in changed.values()], "gone": gone})

    def follow(self) -> None:
        """Look at the folders for as long as anyone listens."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        idle = 0
        while idle < 3 and not self.page.closing.is_set():
            await asyncio.sleep(EVERY)
            idle = 0 if self.feed.listeners else idle + 1
            if self.feed.listeners:
                with contextlib.suppress(OSError):  # a disk that is not there for a moment
                    await self.look()

    def whole(self) -> dict[str, Any]:
        """All that a new listener is told."""
        states = [state._asdict() for state in self.following.states.values()]
        return {"all": True, "runs": states, "gone": [], "jobs": self.jobs.to_json()}

    def run(self, name: object) -> RunFolder:
        """The run that a request names.

        Raises:
            LogpiError: it is not a run in the page's folder.
        """
        return open_run(within(self.page.home, name))

    def names(self, request: Request) -> list[str]:
        """The runs of a query, ``run=NAME`` each."""
        names = list(dict.fromkeys(request.query_params.getlist("run")))
        if not 1 <= len(names) <= MOST_RUNS:
            raise LogpiError(f"{len(names)} runs are named; allowed: 1 to {MOST_RUNS}")
        return names

    # ---- what is shown -------------------------------------------------------------------------------------------

    def curves(self, names: Sequence[str], metric: str | None, by: str, points: int) -> dict[str, Any]:
        """Learning curves and what differs in the settings of runs."""
        from logpi.view.curves import config_of, expected_of
        from logpi.view.labels import differing
        from logpi.view.series import learning_curves, metric_names

        folders = [self.run(name) for name in names]
        paths = [folder.path for folder in folders]
        with self.lock:  # one thread at a time adds to what was read
            series = learning_curves(paths, metric, by=by, points=points, histories=self.histories)
            metrics = metric_names(paths, histories=self.histories)
        known = dict(zip(map(str, paths), names, strict=True))
        curves = [each._asdict() | {"runs": [known[path] for path in each.runs]} for each in series]
        saved = {
            name: [_moment(each) for each in moments_of(folder)] for name, folder in zip(names, folders, strict=True)
        }
        expected = expected_of(folders) or (None, None)
        differences = differing([config_of(folder) for folder in folders]) if len(folders) > 1 else {}
        kinds = {name: _kind(config_of(folder)["env"]) for name, folder in zip(names, folders, strict=True)}
        facts = {"kinds": kinds, "expected": expected}
        return {"curves": curves, "metrics": metrics, "differing": differences, "moments": saved, **facts}

    def detail(self, name: str) -> dict[str, Any]:
        """One run in full."""
        folder = self.run(name)
        state = self.following.states.get(name)
        texts = {"config": folder.config_file, "command": folder.command_file}
        found: dict[str, Any] = {key: _text(path) for key, path in texts.items()}
        manifest = folder.manifest
        machine = {key: manifest.get(key) for key in ("versions", "platform", "device", "git", "seeds")}
        with contextlib.suppress(LogpiError):
            found["result"] = folder.result if folder.result_file.exists() else None
        return {
            **found,
            "name": name,
            "state": None if state is None else state._asdict(),
            "machine": machine,
            "kind": _kind(str(manifest.get("env", ""))),
            "bytes": size_of(folder.path),
            "moments": [_moment(each) for each in moments_of(folder)],
            "checkpoint": folder.has_checkpoint,
        }


def _kind(env: str) -> str:
    """Kind of task, which decides the room that shows an agent; "" where it cannot be told."""
    try:
        return kind_of(env)
    except LogpiError:
        return ""


def _text(path: Path) -> str:
    try:
        return inert(read_text(path, 2**18))
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"


def _moment(saved: Any) -> dict[str, Any]:
    return {"what": saved.what, "timesteps": saved.timesteps, "done": saved.done}


# ---- commands -----------------------------------------------------------------------------------------------------


def train_command(asked: dict[str, Any], home: Path) -> list[str]:
    """The arguments of ``logpi`` for a training that a person asks for.

    Raises:
        LogpiError: a name is one of code, or a setting cannot be given here.
    """
    env, algo = asked.get("env"), asked.get("algo") or ""
    for what, name in (("environment", env), *([("method", algo)] if algo != "" else [])):
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise LogpiError(
                f"the {what} {name!r:.80} cannot be started from the page; allowed: a name of `logpi envs` or "
                "`logpi algos`. Code of your own is named on the command line"
            )
    command = ["train", str(env), f"--log-dir={home}"] + ([f"--algo={algo}"] if algo else [])
    for name in ("total_timesteps", "total_images", "seeds", "seed"):
        if asked.get(name) not in (None, ""):
            command.append(f"--{name.replace('_', '-')}={_number(name, asked[name])}")
    settings = asked.get("settings", {})
    if not isinstance(settings, dict):
        raise LogpiError("settings is not an object of names and values")
    for name, value in settings.items():
        if not SETTING.fullmatch(name) or name in REFUSED:
            raise LogpiError(f"the setting {name!r:.40} cannot be given here; `logpi train --help` lists settings")
        if isinstance(value, bool):
            command.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
        elif isinstance(value, int | float | str) and len(str(value)) <= 200:
            command.append(f"--{name.replace('_', '-')}={value}")
        else:
            raise LogpiError(f"the setting {name} is {value!r:.40}; allowed: a number, a word, true or false")
    return command


def _number(name: str, value: object) -> int:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise LogpiError(f"{name} is {value!r:.40}; allowed: a whole number") from error
    if not math.isfinite(found) or found != int(found) or not 0 <= found <= 1e15:
        raise LogpiError(f"{name} is {value!r:.40}; allowed: a whole number of at least 0")
    return int(found)


def _resume_command(run: RunFolder, asked: dict[str, Any]) -> list[str]:
    command = ["resume", str(run.path)]
    for name in ("total_timesteps", "total_images"):
        if asked.get(name) not in (None, ""):
            command.append(f"--{name.replace('_', '-')}={_number(name, asked[name])}")
    return command


def _compare_command(runs: Sequence[RunFolder], home: Path) -> tuple[list[str], str]:
    """(the arguments of ``logpi`` for a comparison, the name of its folder)."""
    if len(runs) < 2:
        raise LogpiError("a comparison needs two runs or more: mark them in the list")
    taken = [int(path.name) for path in (home / COMPARISONS).glob("*") if path.name.isdecimal()]
    name = str(max(taken, default=0) + 1)
    return ["compare", *(str(run.path) for run in runs), f"--out={home / COMPARISONS / name}"], name


# ---- routes ---------------------------------------------------------------------------------------------------------


def routes(page: Page) -> list[BaseRoute]:
    room = Room(page)
    return [*_reading(page, room), *_writing(page, room)]


def _reading(page: Page, room: Room) -> list[BaseRoute]:
    """What shows and changes nothing."""

    async def listed(request: Request) -> Response:
        await room.look()
        return json_answer({"runs": [state._asdict() for state in room.following.states.values()]})

    async def events(request: Request) -> Response:
        await room.look()
        room.follow()
        return room.feed.stream(request, page, room.whole)

    async def curves(request: Request) -> Response:
        asked = request.query_params
        points = asked.get("points", "600")
        if not points.isdecimal():
            raise LogpiError(f"points is {points!r:.40}; allowed: a whole number")
        arguments = (room.names(request), asked.get("metric") or None, asked.get("by", "steps"), int(points[:9]))
        return json_answer(await page.read(room.curves, *arguments))

    async def detail(request: Request) -> Response:
        return json_answer(await page.read(room.detail, room.names(request)[0]))

    async def names(request: Request) -> Response:
        return json_answer(await page.work(_names))

    async def comparison(request: Request) -> Response:
        name = request.path_params["number"]
        path = page.home / COMPARISONS / str(name) / "comparison.html"
        text = await page.read(_page_of, path)
        return HTMLResponse(text, headers={"Content-Security-Policy": PAGE_POLICY})

    return [
        Route("/api/runs/list", listed),
        Route("/api/runs/events", events),
        Route("/api/runs/curves", curves),
        Route("/api/runs/detail", detail),
        Route("/api/runs/names", names),
        Route("/api/runs/comparison/{number:int}", comparison),
    ]


def _writing(page: Page, room: Room) -> list[BaseRoute]:
    """What starts, ends or changes something."""

    async def start(request: Request) -> Response:
        job = room.jobs.start(*train_command(await body_of(request), page.home))
        return json_answer(job.to_json())

    async def resume(request: Request) -> Response:
        asked = await body_of(request)
        job = room.jobs.start(*_resume_command(room.run(asked.get("run")), asked))
        return json_answer(job.to_json())

    async def end(request: Request) -> Response:
        run = room.run((await body_of(request)).get("run"))
        found = await asyncio.to_thread(stop, run.path)
        await room.look()
        return json_answer({"asked": found.asked, "status": found.status})

    async def interrupt(request: Request) -> Response:
        job = room.jobs.get((await body_of(request)).get("number"))
        job.interrupt()
        return json_answer(job.to_json())

    async def compare(request: Request) -> Response:
        asked = (await body_of(request)).get("runs")
        if not isinstance(asked, list) or len(asked) > MOST_RUNS:
            raise LogpiError("runs is not a list of names of runs")
        arguments, name = _compare_command([room.run(each) for each in asked], page.home)
        return json_answer(room.jobs.start(*arguments).to_json() | {"comparison": name})

    def writes(path: str, endpoint: Any) -> Route:
        return Route(f"/api/runs/{path}", writing(page, endpoint), methods=["POST"])

    return [
        writes("start", start),
        writes("resume", resume),
        writes("stop", end),
        writes("compare", compare),
        writes("interrupt", interrupt),
    ]


def _page_of(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, ValueError) as error:
        raise LogpiError(f"the comparison has no page yet: {error}") from error


def _names() -> dict[str, Any]:
    """Environments, tasks and games that the page can start, with the methods of each."""
    from logpi.config.experiments import environments
    from logpi.methods import all_methods

    found = [info for info in environments() if NAME.fullmatch(info.env)]
    return {
        "tasks": [{"name": info.env, "kind": info.task, "recipes": list(info.recipes)} for info in found],
        "methods": [{"name": m.name, "about": m.about, "task": m.task} for m in all_methods()],
    }
