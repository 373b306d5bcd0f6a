"""Learning curves of run folders. Importing this module does not import JAX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from logpi.runs.folder import RunFolder
from logpi.runs.lookup import open_run
from logpi.runs.metrics import read_metrics
from logpi.view.plots import compare, learning_curve


def plot(
    runs: Sequence[str | Path], out: str | Path | None = None, title: str | None = None, root: str | Path = "runs"
) -> Path:
    """Draw the learning curve of one run, or compare several; runs that differ only in the seed are one curve.

    Args:
        runs: run folders, or their names in ``root``.
        out: the PNG; by default curve.png of the run, or compare.png in the working folder.
        title: title of the picture.
        root: folder in which runs are looked for by name.

    Returns:
        The PNG's path.

    Raises:
        LogpiError: no such run, or one without a row of metrics.
    """
    folders = [open_run(path, root) for path in runs]
    groups: dict[str, list[RunFolder]] = {}
    settings: dict[str, object] = {}
    for folder in folders:
        config = folder.config
        label = f"{config['env']}, {config['algo']}"
        ours = [config[part] for part in ("method", "network", "env_kwargs")]
        if settings.setdefault(label, ours) != ours:  # the same method with other settings is another curve
            label = f"{label}, {folder.path.name}"
        groups.setdefault(label, []).append(folder)
    read = {label: [read_metrics(folder.metrics) for folder in group] for label, group in groups.items()}
    measured = " or ".join(sorted({folder.score_label for folder in folders}))
    if len(read) > 1:
        return compare(read, out or "compare.png", title or "comparison", measured)
    ((label, metrics),) = read.items()
    usual = folders[0].curve if len(folders) == 1 else "compare.png"
    return learning_curve(metrics, out or usual, title or label, what=measured)
