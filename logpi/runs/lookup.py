"""Finding runs and their agents by path or name. Importing this module does not import JAX."""

from __future__ import annotations

import contextlib
import difflib
import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from logpi.errors import LogpiError
from logpi.runs.files import size_of
from logpi.runs.folder import MANIFEST, SEED, RunFolder, length_in, score_in
from logpi.runs.metrics import Row, last_values
from logpi.runs.shipped import shipped_folder


class RunInfo(NamedTuple):
    """One line of ``logpi runs``."""

    path: Path
    algo: str
    env: str
    status: str  # "running", "finished" or "interrupted"
    started: str  # ISO 8601 with time zone
    percent: bool  # whether scores are fractions that people read in per cent
    unit: str  # in which its length is counted: steps, moves or images
    each: int  # timesteps of one
    metrics: Row  # the last value of each name
    bytes: int  # on the disk


def open_run(path: str | Path, root: str | Path = "runs") -> RunFolder:
    """The run at ``path``, or at ``root/path``.

    Raises:
        LogpiError: it is not a run folder; the message names runs with a similar name.
    """
    for folder in (Path(path), Path(root) / path):
        if os.path.isfile(folder / MANIFEST):  # False of a name that no file can have
            return RunFolder(folder)
    known = [str(info.path) for info in find_runs(root)]
    close = difflib.get_close_matches(str(path), known, n=3, cutoff=0.4) or known[-3:]
    near = f"nearby: {', '.join(close)}" if close else f"there is no run in {root}: `logpi train` makes one"
    raise LogpiError(f"{path} is not a run folder (it has no manifest.json); {near}; `logpi runs` lists all")


def find_runs(root: str | Path = "runs") -> list[RunInfo]:
    """All runs under ``root``, oldest first; a folder whose manifest cannot be read is left out."""
    found = []
    for path in Path(root).glob("*/*/manifest.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, OverflowError):
            found.append(_info(RunFolder(path.parent)))
    return [info for _, info in sorted(found, key=lambda pair: (pair[0], str(pair[1].path)))]


def _info(run: RunFolder) -> tuple[float, RunInfo]:
    """(start in seconds since 1970, what ``logpi runs`` says of a run); ValueError or KeyError for no good manifest."""
    facts, last = run.manifest, Row()
    algo, env, started = (facts[name] for name in ("algo", "env", "started"))
    if not all(isinstance(text, str) for text in (algo, env, started)):
        raise ValueError("algo, env and started are texts")
    length = length_in(facts)
    with contextlib.suppress(OSError, ValueError):  # what cannot be read is not shown
        last = last_values(run.metrics)
    percent = score_in(facts).get("percent", False)
    unit, each = length.get("unit", "steps"), max(length.get("each", 1), 1)
    info = RunInfo(run.path, algo, env, run.status, started, percent, unit, each, last, size_of(run.path))
    return datetime.fromisoformat(started).timestamp(), info


def agent_folder(path: str | Path) -> Path:
    """The folder of the agent of a run (its best, in periodic evaluation), or of ``path`` itself.

    Of several seeds it is the first one's.

    Raises:
        LogpiError: nothing that can be loaded is there.
    """
    return agent_folders(path)[0]


def agent_folders(path: str | Path) -> list[Path]:
    """The folders of the agents of all seeds of a run, in their order; raises as ``agent_folder``.

    The name of a task stands for the agent that comes with logpi, unless a file, folder or run is called so.
    """
    if found := agents_in(Path(path)):
        return found
    if not _is_there(path) and (comes_with := shipped_folder(str(path))):
        return [comes_with]
    run = open_run(path)
    found = agents_in(run.best) or agents_in(run.last)
    if not found:
        begun = f"or `logpi resume {path}`" if run.has_checkpoint else "or start again with `logpi train`"
        raise LogpiError(f"{path} has no agent yet; wait for its first checkpoint, {begun}")
    return found


def _is_there(path: str | Path, root: str | Path = "runs") -> bool:
    """Whether something at ``path``, or at ``root/path``, has this name."""
    return any(os.path.lexists(place) for place in (Path(path), Path(root) / path))


def agents_in(folder: Path) -> list[Path]:
    """``folder`` itself where it is an agent's, else those of its seeds, in their order."""
    if not os.path.isdir(folder):  # or of a name that no folder can have
        return []
    if (folder / "agent.json").exists():
        return [folder]
    seeds = [p.parent for p in folder.glob(f"{SEED}*/agent.json") if p.parent.name.removeprefix(SEED).isdigit()]
    return sorted(seeds, key=lambda p: int(p.name.removeprefix(SEED)))
