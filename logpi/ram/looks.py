"""Pictures of a user's own, looked at by a trained agent: classes, probabilities, glimpses and warnings."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logpi.errors import one_line
from logpi.ram.agent import ImageAgent, Looked
from logpi.ram.data.pictures import Picture, pictures
from logpi.ram.evaluation import LOOK
from logpi.ram.scenes import group_size
from logpi.tasks import Answer, Facts, Pictures

COLUMNS = 8  # classes: with more of them a table shows the likeliest alone
LIKELIEST = 4
Probabilities = NDArray[np.float32]


def look(agent: ImageAgent, wanted: Pictures) -> Answer:
    """What ``agent`` says of pictures, each scaled to the images that it was trained on; as ``logpi.look``.

    Raises:
        LogpiError: a picture cannot be read, or the disk refuses.
    """
    canvas = (agent.task.scene.height, agent.task.scene.width)
    scenes = pictures(wanted.given, agent.task.shape, canvas, agent.light_on_dark, wanted.invert, wanted.autocontrast)
    found = list(scenes)
    looked, mean = _looked(agent, found, wanted.passes)
    drawn = _drawn(agent, found, looked, wanted.folder) if wanted.folder else [None] * len(found)
    said = [
        _facts(agent, picture, mean[b], looked.corner[:, b], path)
        for b, (picture, path) in enumerate(zip(found, drawn, strict=True))
    ]
    name = f"{agent.facts['env']}, {agent.facts['algo']}"
    facts = {
        "env": agent.facts["env"],
        "algo": agent.facts["algo"],
        "classes": list(agent.classes),
        "passes": wanted.passes,
        "pictures": said,
    }
    return Answer(facts, [name, *_table(said, mean, agent.classes)])


def _looked(agent: ImageAgent, found: list[Picture], passes: int) -> tuple[Looked, Probabilities]:
    """(the first pass over B pictures, class probabilities [B, K] averaged over all passes)."""
    size = group_size(agent.task.scene, agent.task.shape[2])
    parts, means = [], []
    for start in range(0, len(found), size):
        scenes = np.stack([picture.scene for picture in found[start : start + size]])
        each = [agent.look(scenes, LOOK + m) for m in range(1 if agent.config.sees_whole else passes)]
        parts.append(each[0])
        means.append(np.mean([one.probabilities[-1] for one in each], 0))
    probabilities, corners = ([getattr(part, name) for part in parts] for name in Looked._fields)
    return Looked(np.concatenate(probabilities, 1), np.concatenate(corners, 1)), np.concatenate(means)


def _facts(
    agent: ImageAgent, picture: Picture, probabilities: Probabilities, corner: NDArray[np.int32], drawn: Path | None
) -> Facts:
    glimpses: list[Any] = []
    if not agent.config.sees_whole:
        glimpses = (corner + agent.net.patch / 2).tolist()
    return {
        "picture": picture.name,
        "height": picture.size[0],
        "width": picture.size[1],
        "class": agent.classes[int(probabilities.argmax())],
        "probabilities": [float(p) for p in probabilities],
        "glimpses": glimpses,
        "warnings": picture.warnings,
        **({"drawn": str(drawn)} if drawn else {}),
    }


def _drawn(agent: ImageAgent, found: list[Picture], looked: Looked, folder: Path) -> list[Path]:
    """The PNG of each picture."""
    from logpi.view.looks import draw_look

    eye = None if agent.config.sees_whole else (agent.net.patch, agent.net.scales)
    paths = [folder / name for name in _names(found)]
    for b, (picture, path) in enumerate(zip(found, paths, strict=True)):
        places = looked.corner[:, b]
        draw_look(picture.scene, picture.name, looked.probabilities[:, b], places, eye, agent.classes, path)
    return paths


def _names(found: list[Picture]) -> Iterator[str]:
    """File names, all different: pictures of two folders may be called alike."""
    taken: collections.Counter[str] = collections.Counter()
    for picture in found:
        stem = Path(picture.name).stem.replace(" ", "-") or "picture"
        taken[stem] += 1
        yield f"{stem}-look.png" if taken[stem] == 1 else f"{stem}-{taken[stem]}-look.png"


def _table(said: list[Facts], mean: Probabilities, classes: tuple[str, ...]) -> list[str]:
    """A row for each picture: its class and the probabilities of all classes, or of the likeliest."""
    few = len(classes) <= COLUMNS
    head = ["picture", "class", *(classes if few else ["probability", "then"])]
    rows = [head]
    for facts, row in zip(said, mean, strict=True):
        shares = [f"{p:.1%}" for p in row]
        best, *others = np.argsort(-row, kind="stable")[:LIKELIEST].tolist()
        then = ", ".join(f"{classes[k]} {shares[k]}" for k in others)
        rows.append([facts["picture"], classes[best], *(shares if few else [shares[best], then])])
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    left = 2 if few else len(head)  # numbers stand at the right of their columns
    lines = []
    about: list[Facts | None] = [None, *said]
    for row, found in zip(rows, about, strict=True):
        cells = [c.ljust(w) if k < left else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
        if found:
            lines += [f"  {one_line(found['picture'])}: {text}" for text in found["warnings"]]
            lines += [f"  drawn in {one_line(found['drawn'])}"] if "drawn" in found else []
    return lines
