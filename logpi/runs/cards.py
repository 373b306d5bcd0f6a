"""Cards in JSON: ``manifest.json`` says which machine and code made a run, ``agent.json`` what an agent is.

Nothing in either is executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from logpi.errors import LogpiError
from logpi.runs.checkpoint import differences, load_tree, save_tree
from logpi.runs.files import Json, atomic_write, json_text, parse_json, read_text
from logpi.runs.sums import check_sums

if TYPE_CHECKING:
    from logpi.types import PyTree  # which imports JAX

# what a card with other contents than logpi writes leads to
ALTERED = (LookupError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError, RecursionError)
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
    atomic_write(folder / NAME, (json_text(entries, indent=2) + "\n").encode())


def read_card(folder: Path) -> Json:
    """The card of the agent in ``folder``; files of a bundle are compared with their sums.

    Raises:
        LogpiError: there is none, it is damaged, or of another format; a file of a bundle is not what its sum is of.
    """
    check_sums(folder, (NAME, WEIGHTS))
    try:
        card = parse_json(read_text(folder / NAME))
    except (OSError, ValueError) as error:
        raise LogpiError(f"no agent can be read from {folder}: {error}; give a run, or its best/ or last/") from error
    if "format_version" not in card:
        raise LogpiError(f"{folder}/{NAME} is incomplete or altered (no format_version); take another copy")
    version = card["format_version"]
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        step = "upgrade logpi" if newer else "train it again, or read it with the logpi that saved it"
        raise LogpiError(f"{folder}/{NAME} has format_version {version}; this logpi reads {FORMAT_VERSION}: {step}")
    return card


def origin_of(folder: Path) -> Json:
    """What the manifest of a run says of the agent in ``folder`` that it begins with; raises as ``read_card``."""
    card, weights = read_card(folder), (folder / WEIGHTS).read_bytes()
    names = {key: card.get(key) for key in ("env", "algo")}
    return {"path": str(folder), **names, "sha256": hashlib.sha256(weights).hexdigest()}


def task_in(folder: Path) -> str:
    """Kind of task that the agent in ``folder`` has learnt; raises as ``read_card``."""
    with reading(folder) as card:
        return str(card["task"])


def arrays_for(folder: Path, task: str, like: Mapping[str, PyTree], network: Mapping[str, object] | None) -> Json:
    """The arrays of the agent in ``folder``, for a run to begin with. No code that the agent names is imported.

    Args:
        folder: of the agent.
        task: kind of task of the run.
        like: the run's own arrays, or their shapes, under the names that ``save`` is given.
        network: settings of the run's network; None where it is the user's own.

    Raises:
        LogpiError: as ``read_card``; the agent has learnt another kind of task, or has another network.
    """
    card = read_card(folder)
    name = f"the agent in {folder} ({card.get('env')}, {card.get('algo')})"
    if card.get("task") != task:
        raise LogpiError(f"{name} cannot begin this run: its kind of task is {card.get('task')}, the run's is {task}")
    found = differences(folder / WEIGHTS, like)
    if not found:
        arrays: Json = load_tree(folder / WEIGHTS, like)[0]
        return arrays
    theirs, ours = card.get("network") or {}, json.loads(json.dumps(network or {}))
    other = [f"{key} is {its} there and {ours.get(key)} here" for key, its in theirs.items() if its != ours.get(key)]
    what = f"settings of the network: {', '.join(other)}" if other and ours else f"arrays: {'; '.join(found[:3])}"
    raise LogpiError(
        f"{name} cannot begin this run, whose network is another ({what}); take the same settings, an environment with "
        "the same spaces, or leave --from out"
    )


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[Json]:
    """The card of the agent in ``folder``; errors of the block that a damaged card causes become LogpiErrors.

    Raises:
        LogpiError: as ``read_card``; the card is incomplete or altered.
    """
    card = read_card(folder)
    try:
        for name in ("env", "algo"):
            if not isinstance(card.get(name, ""), str):
                raise TypeError(f"{name} is not a text")
        yield card
    except LogpiError as error:
        raise LogpiError(f"{folder}/{NAME}: {error}") from error
    except ALTERED as error:
        raise LogpiError(f"{folder}/{NAME} is incomplete or altered ({error!r}); take another copy") from error


STATUS = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
_PACKAGES = ("logpi", "jax", "jaxlib", "flax", "optax", "gymnasium", "numpy", "ale-py", "envpool")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> Json:
    """What decides the speed here, as far as it has a name: processor, cores, JAX's devices. Starts JAX's backend."""
    import jax

    devices = jax.devices()
    node = hashlib.sha256(platform.node().encode()).hexdigest()[:12]  # a run may be given away: not its name
    names = {"node": node, "processor": platform.machine(), "cores": cores()}
    return names | {"device": devices[0].device_kind, "count": len(devices)}


def describe(device: str | None = None) -> Json:
    """Versions, platform, JAX's devices, XLA_FLAGS, git commit of the working folder, and the time now.

    Starts JAX's backend, unless ``device`` says why there is none.
    """
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": _devices() if device is None else device,
        "machine": machine() if device is None else {},
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "git": _git(),
    }


def other_versions(manifest: Json, packages: Iterable[str]) -> list[str]:
    """What differs between a run's ``packages``, by its manifest, and those that are installed here, in words."""
    begun = manifest.get("versions")
    known = begun if isinstance(begun, dict) else {}
    now = {name: _version(name) for name in packages if known.get(name)}
    return [
        f"begun with {name} {known[name]}, goes on with {here}: its environments may differ"
        for name, here in now.items()
        if here != known[name]
    ]


def _devices() -> Json:
    import jax

    found = jax.devices()
    return {"platform": found[0].platform, "kind": found[0].device_kind, "count": len(found)}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git() -> Json | None:
    """Commit and whether tracked files differ from it; None outside a repository or without git.

    The working folder may be a stranger's, and a repository's own settings can name programs for git to run: none is.
    Whether files differ is not known (None) where such a program would have to filter them.
    """
    try:
        commit = _run_git("rev-parse", "HEAD")
        dirty = None if _filters() else bool(_run_git(*STATUS))
        return {"commit": commit, "dirty": dirty}
    except (OSError, subprocess.SubprocessError):
        return None


def _filters() -> bool:
    """Whether the repository's own settings name programs that git runs on the content of files."""
    try:
        found = _run_git("config", "--show-scope", "--get-regexp", r"^filter\..*\.(clean|process)$")
    except subprocess.CalledProcessError as error:
        return error.returncode != 1  # 1: there is none
    return any(line.split("\t")[0] in ("local", "worktree") for line in found.splitlines())


def _run_git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never", *arguments],
        env=os.environ | {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        timeout=2,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()
