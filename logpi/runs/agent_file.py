"""``agent.json`` beside an agent's weights: what it is and with which settings it learnt. Nothing in it is executed."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logpi.config.experiments import from_table, to_table
from logpi.config.settings import ALGORITHMS, NETWORKS, Experiment
from logpi.errors import LogpiError
from logpi.runs.checkpoint import save_tree
from logpi.runs.files import atomic_write
from logpi.types import PyTree

NAME = "agent.json"
WEIGHTS = "agent.safetensors"


def kind_of(folder: Path) -> str | None:
    """What kind of agent ``folder`` holds, by its card; None of an environment's, and where there is no card."""
    try:
        kind = json.loads((folder / NAME).read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        return None
    return kind if isinstance(kind, str) else None


def save(
    folder: Path, params: PyTree, version: int, kind: str, experiment: Experiment, more: Mapping[str, Any]
) -> None:
    """Write ``params`` and the card of an agent of ``experiment`` into ``folder``, each atomically.

    Args:
        folder: made where it is not there.
        params: pytree of arrays.
        version: of the format; ``reading`` refuses a newer one than it is asked for.
        kind: what ``kind_of`` will say.
        experiment: whose environment, algorithm and settings the card names.
        more: further entries of the card, as JSON has them.

    Raises:
        LogpiError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_tree(folder / WEIGHTS, {"params": params}, {})
    card = {
        "format_version": version,
        "kind": kind,
        "env": experiment.env,
        "algo": experiment.algo,
        "method": _settings(experiment.method),
        "network": _settings(experiment.network),
        **more,
    }
    atomic_write(folder / NAME, (json.dumps(card, indent=2) + "\n").encode())


def _settings(config: Any) -> dict[str, Any]:
    """As plain values, without defaults that are infinite: JSON has no infinity."""
    usual = type(config)()
    return {k: v for k, v in to_table(config).items() if v != math.inf or getattr(usual, k) != math.inf}


@contextlib.contextmanager
def reading(folder: Path, newest: int) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """(card, method, network) of the agent in ``folder``; what does not fit together in the block is told as damage.

    Args:
        folder: what ``save`` wrote into.
        newest: the newest format that can be read.

    Raises:
        LogpiError: there is no card, it is incomplete or altered, or its format is newer than ``newest``.
    """
    try:
        card = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if card["format_version"] > newest:
            raise LogpiError(f"the agent in {folder} was saved by a newer logpi; upgrade logpi")
        algo = card["algo"]
        yield (
            card,
            from_table(ALGORITHMS[algo], card["method"], "method"),
            from_table(NETWORKS[algo], card["network"], "network"),
        )
    except LogpiError:
        raise
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LogpiError(f"{folder}/{NAME} is incomplete or altered ({error!r}); take another copy") from error
