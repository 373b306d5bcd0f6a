"""Trained agents that come with logpi: bundles (``logpi.deploy.bundle``), called by their task. No JAX is imported."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from logpi.runs.cards import NAME, reading
from logpi.runs.files import Json, parse_json, read_text, size_of

FOLDER = Path(__file__).parents[1] / "shipped"
RESULTS = "results.json"


class ShippedAgent(NamedTuple):
    """One line of ``logpi agents``."""

    name: str  # of its environment, image task or game; commands and ``logpi.load`` take it in place of a path
    path: Path
    algo: str
    results: Json  # its score, with interval, seed and how it was trained
    bytes: int


def shipped_agents() -> list[ShippedAgent]:
    """All of them, by name.

    Raises:
        LogpiError: a file of the installation is damaged.
    """
    return [_read(path.parent) for path in sorted(FOLDER.glob(f"*/{NAME}"))]


def shipped_folder(name: str) -> Path | None:
    """The folder of the agent that comes with logpi for the task called ``name``; None where there is none."""
    known = {path.parent.name: path.parent for path in FOLDER.glob(f"*/{NAME}")}
    return known.get(folder_name(name))


def folder_name(name: str) -> str:
    """The name of a task as that of a folder."""
    return name.replace("/", "-")


def _read(folder: Path) -> ShippedAgent:
    with reading(folder) as card:
        results = parse_json(read_text(folder / RESULTS))
        return ShippedAgent(str(card["env"]), folder, str(card["algo"]), results, size_of(folder))
