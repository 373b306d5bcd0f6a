"""``agent.json``, the card beside an agent's weights: its kind and settings, as data that is never executed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from logpi.errors import LogpiError
from logpi.runs.checkpoint import save_tree
from logpi.runs.files import Json as Card
from logpi.runs.files import atomic_write

if TYPE_CHECKING:
    from logpi.types import PyTree

FORMAT_VERSION = 3  # 1 and 2 have settings by other names
NAME = "agent.json"
WEIGHTS = "agent.safetensors"


def save(folder: Path, task: str, arrays: Mapping[str, PyTree], card: Mapping[str, object]) -> None:
    """Write the weights and the card of an agent into ``folder``, each atomically.

    Args:
        folder: made where it is not there.
        task: kind of task that the agent has learnt (``logpi.tasks.KINDS``).
        arrays: pytrees of arrays by name.
        card: further entries of ``agent.json``, as JSON has them.

    Raises:
        LogpiError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_tree(folder / WEIGHTS, arrays, {})
    entries = {"format_version": FORMAT_VERSION, "task": task, **card}
    atomic_write(folder / NAME, (json.dumps(entries, indent=2) + "\n").encode())


def read_card(folder: Path) -> Card:
    """The card of the agent in ``folder``.

    Raises:
        LogpiError: there is none, it is damaged, or of another format.
    """
    try:
        card: Card = json.loads((folder / NAME).read_text(encoding="utf-8"))
        version = card["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogpiError(f"no agent can be read from {folder}: {error}; give a run, or its best/ or last/") from error
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        step = "upgrade logpi" if newer else "train it again, or read it with the logpi that saved it"
        raise LogpiError(f"{folder}/{NAME} has format_version {version}; this logpi reads {FORMAT_VERSION}: {step}")
    return card


def task_in(folder: Path) -> str:
    """Kind of task that the agent in ``folder`` has learnt; raises as ``read_card``."""
    with reading(folder) as card:
        return str(card["task"])


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[Card]:
    """The card of the agent in ``folder``; errors of the block that a damaged card causes become LogpiErrors.

    Raises:
        LogpiError: as ``read_card``; the card is incomplete or altered.
    """
    card = read_card(folder)
    try:
        yield card
    except LogpiError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise LogpiError(f"{folder}/{NAME} is incomplete or altered ({error!r}); take another copy") from error
