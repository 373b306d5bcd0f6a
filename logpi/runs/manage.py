"""What is done to runs from outside of their training. Importing this module does not import JAX."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime

from logpi.runs.files import Json, atomic_write
from logpi.runs.folder import RunFolder, toml_text


def outcome_so_far(run: RunFolder) -> Json:
    """The time now, and the mean scores of each seed's final evaluation where the run has finished."""
    found: Json = {"date": datetime.now().astimezone().isoformat(timespec="seconds")}
    with contextlib.suppress(OSError, ValueError, KeyError):
        result = json.loads((run.path / "result.json").read_text(encoding="utf-8"))
        found["mean_reward"] = result["mean_reward"]
    return found


def reopen(run: RunFolder, config: Mapping[str, object], command: Sequence[str]) -> None:
    """Let a run go on with another ``config``; hold its lock.

    Only after the config is written does the run stop being finished: a kill in between loses nothing.

    Args:
        run: the run.
        config: what ``config.toml`` holds from now on.
        command: that asked for it; ``command.txt`` gets a line.

    Raises:
        LogpiError: the disk refuses.
    """
    commands = run.path / "command.txt"
    known = commands.read_text(encoding="utf-8", errors="surrogateescape") if commands.exists() else ""
    atomic_write(run.path / "config.toml", toml_text(config).encode())
    atomic_write(commands, (known + shlex.join(command) + "\n").encode("utf-8", errors="surrogateescape"))
    (run.path / "result.json").unlink(missing_ok=True)
