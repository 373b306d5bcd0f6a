"""Trained agents for other programs and machines: ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from logpi.api.agents import agent_of
from logpi.deploy.onnx import write_onnx
from logpi.errors import LogpiError
from logpi.runs.folder import RunFolder
from logpi.tasks import Agent, record
from logpi.training.outcome import Outcome


class Written(NamedTuple):
    """A file that was written."""

    path: Path
    bytes: int
    lines: list[str]  # its inputs and outputs for people: name, type, shape


def export(agent: Agent | str | Path | Outcome | RunFolder, onnx: str | Path) -> Written:
    """Write how an agent acts as an ONNX model, which other programs run without logpi, JAX and Python.

    All that the agent does to an observation and to its action is inside. ``docs/deploy.md`` lists the inputs and
    outputs of each kind of agent. The model's answers are compared with the agent's before it is written.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        onnx: the file, ``.onnx``; one that exists is replaced.

    Raises:
        LogpiError: the extra ``onnx`` is not installed, the agent's network uses an operation that ONNX lacks, the
            file has another ending, or the disk refuses.
    """
    path = Path(onnx)
    if path.suffix != ".onnx":
        raise LogpiError(f"{path} does not end in .onnx; name a file such as agent.onnx")
    found = agent_of(agent)
    facts: dict[str, str] = {key: str(found.facts[key]) for key in ("env", "algo") if key in found.facts}
    lines = write_onnx(record(found.kind).export(found), path, facts | {"made_by": "logpi"})
    return Written(path, path.stat().st_size, lines)
