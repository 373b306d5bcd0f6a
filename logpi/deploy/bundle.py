"""A bundle: the folder of an agent with a card, scores and a video, whole and checked by ``SHA256SUMS``.

agent.json  agent.safetensors      the agent, as any run has it
README.md  results.json            its card and its score
config.toml  replay.mp4            the settings it was trained with, and a video, where there are any
SHA256SUMS                         what each file is
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from logpi.deploy.card import Subject, readme, results
from logpi.errors import LogpiError
from logpi.runs.cards import NAME, WEIGHTS
from logpi.runs.files import disk_error, json_text
from logpi.runs.sums import write_sums

FILES = {
    NAME: "what the agent is: environment, method, spaces, network",
    WEIGHTS: "its weights and normalisers",
    "results.json": "its score",
    "config.toml": "the settings that it was trained with, for `logpi train --config`",
    "replay.mp4": "a video of an episode",
    "replay.gif": "a video of an episode",
}
OWN_PATHS = ("log_dir", "init_from")  # settings that name folders of the machine


def write_bundle(
    out: Path,
    agent: Path,
    subject: Subject,
    date: str,
    config: str,
    film: Callable[[Path], Path | None],
) -> None:
    """Write the bundle ``out``: whole, or not at all.

    Args:
        out: a folder that does not exist.
        agent: folder of the agent.
        subject: what the card says, without files.
        date: of the evaluation, ISO 8601.
        config: content of ``config.toml``; "" where it is not known.
        film: writes a video into a path, and gives where it is; None where there is none.

    Raises:
        LogpiError: ``out`` exists, or the disk refuses.
    """
    check_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            for name in (NAME, WEIGHTS):
                shutil.copyfile(agent / name, made / name)
            film(made / "replay.mp4")
            if config:
                (made / "config.toml").write_text(config, encoding="utf-8")
            (made / "results.json").write_text(json_text(results(subject, date), indent=2) + "\n", encoding="utf-8")
            there = {name: what for name, what in FILES.items() if (made / name).is_file()}
            (made / "README.md").write_text(readme(subject._replace(files=there)), encoding="utf-8")
            write_sums(made, [*there, "README.md"])
            made.chmod(0o777 & ~umask())
            os.rename(made, out)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise disk_error(out, error) from error


def check_free(out: Path) -> None:
    """Refuse to write where something is; raises LogpiError."""
    if os.path.lexists(out):
        raise LogpiError(f"{out} exists already; name another folder with --out, or remove it")


def without_paths(config: Mapping[str, object]) -> dict[str, object]:
    """Settings of a run without folders of the machine that it was trained on."""
    kept = {key: part for key, part in config.items() if key not in OWN_PATHS}
    run = kept.get("run")
    if isinstance(run, Mapping):
        kept["run"] = {key: value for key, value in run.items() if key not in OWN_PATHS}
    return kept


def umask() -> int:
    """Which permissions new files do not get; a temporary folder is its owner's alone."""
    found = os.umask(0)
    os.umask(found)
    return found
