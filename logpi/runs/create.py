"""New run folders: the next free number, and what is written before the training begins.

Importing this module does not import JAX.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomli_w

from logpi.errors import LogpiError
from logpi.runs.cards import describe
from logpi.runs.files import atomic_write, json_text
from logpi.runs.folder import RunFolder


def create(
    root: str | Path,
    algo: str,
    env: str,
    config: Mapping[str, object],
    command: str | Sequence[str],
    seeds: Sequence[int],
    score: Mapping[str, object] | None = None,
    length: Mapping[str, object] | None = None,
    init_from: Mapping[str, object] | None = None,
) -> RunFolder:
    """Make ``root/<algo>/<env>_<n>`` with the next free n; two processes never get the same one.

    Args:
        root: usually ``runs``.
        algo: the algorithm's name.
        env: the environment's id; what cannot be in a folder's name becomes "-".
        config: the resolved config: str, int, float, bool, lists of these, and tables (mappings) of these.
        command: the command line, argument by argument, or what ``command.txt`` says of it.
        seeds: of all learners trained in this run.
        score: what its evaluations measure (``logpi.tasks.Score``).
        length: how long it is, and in what it is counted (``logpi.tasks.Length``).
        init_from: the agent that the run begins with: ``path``, ``env``, ``algo``, ``sha256`` of its weights.

    Raises:
        LogpiError: ``root`` cannot be written.
    """
    parent, name = folder_of(root, algo, env)
    measures = {"score": dict(score or {}), "length": dict(length or {})}
    manifest = {"algo": algo, "env": env, "seeds": list(seeds)} | measures | describe()
    manifest |= {"init_from": dict(init_from)} if init_from else {}
    as_toml, as_json = toml_text(config), json_text(manifest, indent=2)
    as_shell = command if isinstance(command, str) else shlex.join(command)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        run = RunFolder(_claim(parent, name))
    except OSError as error:
        raise LogpiError(
            f"cannot make a run folder in {parent}: {error.strerror or error}; "
            "choose a folder that you may write, or correct its permissions"
        ) from error
    try:
        for path, text in ((run.config_file, as_toml), (run.command_file, as_shell), (run.manifest_file, as_json)):
            atomic_write(path, f"{text.rstrip()}\n".encode("utf-8", errors="surrogateescape"))
    except BaseException:
        run.discard()
        raise
    return run


def folder_of(root: str | Path, algo: str, env: str) -> tuple[Path, str]:
    """The folder that holds the runs of a method in an environment, and their name without its number."""
    return Path(root) / _safe(algo), _safe(env)


def toml_text(table: Mapping[str, object]) -> str:
    """TOML of str, int, float, bool, lists and tables of these; None is left out, as TOML has no null.

    Raises:
        LogpiError: a value of another type.
    """

    def present(part: object, path: str) -> object:
        if isinstance(part, Mapping):
            return {name: present(value, f"{path}.{name}") for name, value in part.items() if value is not None}
        if isinstance(part, list | tuple):
            return [present(item, path) for item in part]
        if not isinstance(part, str | int | float):
            raise LogpiError(
                f"cannot write {path.removeprefix('.')} = {part!r} to config.toml: it is a {type(part).__name__}; "
                "allowed are str, int, float, bool, lists and tables of these"
            )
        return part

    plain = present(table, "")
    assert isinstance(plain, dict)
    return tomli_w.dumps(plain)


def _claim(parent: Path, name: str) -> Path:
    taken = [re.fullmatch(rf"{re.escape(name)}_(\d+)", path.name) for path in parent.iterdir()]
    number = max((int(match[1]) for match in taken if match), default=0)
    while True:
        number += 1
        with contextlib.suppress(FileExistsError):
            path = parent / f"{name}_{number}"
            path.mkdir()
            return path


def _safe(name: str) -> str:
    if ".py:" in name:  # path/file.py:Class: the folders before it say nothing
        name = name.replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "env"
