"""Agents that the page can show: those that come with logpi, and those of the runs in its folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from logpi.errors import LogpiError
from logpi.page.security import within
from logpi.runs.folder import MANIFEST, RunFolder
from logpi.runs.following import Following
from logpi.runs.moments import moments_of
from logpi.runs.shipped import shipped_agents, shipped_folder

SHIPPED = "shipped:"  # before the name of an agent that comes with logpi


def listed(following: Following) -> list[dict[str, Any]]:
    """All of them: those that come with logpi, then those of runs, the newest first. Reads files; no JAX."""
    found: list[dict[str, Any]] = [
        {
            "agent": f"{SHIPPED}{agent.name}",
            "env": agent.name,
            "algo": agent.algo,
            "label": f"{agent.name}, {agent.algo}, comes with logpi",
            "what": "shipped",
            "score": agent.results.get("mean_reward"),
            "interval": agent.results.get("interval"),
            "moments": [],
        }
        for agent in shipped_agents()
    ]
    following.refresh()
    for state in reversed(following.states.values()):
        with contextlib.suppress(LogpiError, OSError):
            moments = moments_of(RunFolder(following.root / state.name))
            if moments:
                found.append(
                    {
                        "agent": state.name,
                        "env": state.env,
                        "algo": state.algo,
                        "label": f"{state.env}, {state.algo}, {state.name}",
                        "what": "run",
                        "score": state.score,
                        "interval": [state.score - state.half, state.score + state.half],
                        "moments": [{"what": m.what, "timesteps": m.timesteps, "done": m.done} for m in moments],
                    }
                )
    return found


def place_of(home: Path, name: object) -> Path:
    """The folder of an agent that comes with logpi, or of a run.

    Raises:
        LogpiError: nothing has that name.
    """
    if isinstance(name, str) and name.startswith(SHIPPED):
        known = shipped_folder(name.removeprefix(SHIPPED))
        if known is None:
            raise LogpiError(f"no agent {name!r:.80} comes with logpi; `logpi agents` lists them")
        return known
    found = within(home, name)
    if not os.path.isfile(found / MANIFEST):
        raise LogpiError(f"{name!r:.80} is not a run in {home}")
    return found
