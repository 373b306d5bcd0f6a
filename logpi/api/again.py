"""A run that a larger work needs: begun, gone on with, or there already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from logpi.api.runs import resume
from logpi.errors import NotFiniteError
from logpi.runs.folder import MANIFEST, RunFolder


def run_in(place: Path) -> RunFolder | None:
    """The only run whose ``log_dir`` is ``place``; None where it was not begun."""
    found = sorted(place.glob(f"*/*/{MANIFEST}"))
    return RunFolder(found[0].parent) if found else None


def brought_to_its_end(place: Path, begin: Callable[[], object]) -> RunFolder:
    """The finished run in ``place``: ``begin`` makes it, or it goes on from its newest checkpoint.

    Raises:
        NotFiniteError: a number of it became NaN or infinite, now or earlier.
        LogpiError, KeyboardInterrupt: as ``logpi.train`` and ``logpi.resume``.
    """
    run = run_in(place)
    if run is not None and run.failure:
        raise NotFiniteError(run.failure)
    if run is not None and not (run.has_checkpoint or run.status == "finished"):
        run.discard()  # killed before anything was saved
        run = None
    if run is None:
        begin()
    elif run.status != "finished":
        resume(run.path, quiet=True)
    made = run_in(place)
    assert made is not None
    return made
