"""Moments of a training of which an agent is saved. Importing this module does not import JAX."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from logpi.errors import LogpiError
from logpi.runs.cards import NAME
from logpi.runs.checkpoint import read_meta
from logpi.runs.files import parse_json, read_text
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import agents_in

_CARD = 2**22  # bytes of an agent's card that are read


class Moment(NamedTuple):
    """An agent as it was at one moment of its run; of several seeds the first one's."""

    what: str  # "best", "last", "stage" or "checkpoint"
    timesteps: int  # learnt from
    done: float  # the same in what the run is counted in: steps, moves, images
    path: Path  # folder of the agent, or file of the checkpoint


def moments_of(run: RunFolder) -> list[Moment]:
    """All of them, the earliest first; where several are of the same moment, the best agent before the others.

    What cannot be read is left out.
    """
    each = max(run.length.get("each", 1), 1)
    stages = [path for path in run.stages.glob("*") if path.name.isdecimal()] if run.stages.is_dir() else []
    places = {"best": [run.best], "stage": sorted(stages), "last": [run.last]}
    found = []
    for what, folders in places.items():
        for folder in folders:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
                path = agents_in(folder)[0]
                card = parse_json(read_text(path / NAME, _CARD))
                steps = int(card.get("facts", {}).get("timesteps", card.get("timesteps", 0)))
                found.append(Moment(what, steps, steps / each, path))
    for path in run.saved().values():
        with contextlib.suppress(LogpiError, OSError, ValueError, TypeError):
            steps = int(read_meta(path).get("timesteps", 0))
            found.append(Moment("checkpoint", steps, steps / each, path))
    kept = {moment.timesteps: moment for moment in reversed(found)}
    return sorted(kept.values(), key=lambda moment: moment.timesteps)


def nearest(run: RunFolder, timesteps: float) -> Moment:
    """The moment that is nearest to ``timesteps``; of two at the same distance the earlier one.

    Raises:
        LogpiError: no agent is saved yet.
    """
    found = moments_of(run)
    if not found:
        raise LogpiError(f"{run.path} has no agent yet; wait for its first checkpoint")
    return min(found, key=lambda moment: (abs(moment.timesteps - timesteps), moment.timesteps))
