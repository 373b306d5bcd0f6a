"""The manifest of a run: the machine and the code that made it, so that it can be repeated."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime
from importlib import metadata

from logpi.runs.files import Json

_PACKAGES = ("logpi", "jax", "jaxlib", "flax", "optax", "gymnasium", "numpy")


def describe() -> Json:
    """Versions, platform, JAX's devices, XLA_FLAGS, git commit of the working folder, and the time now.

    Starts JAX's backend.
    """
    import jax

    devices = jax.devices()
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "git": _git(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git() -> Json | None:
    """Commit and whether tracked files differ from it; None outside a repository or without git."""
    try:
        commit = _run_git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_run_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _run_git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True, stdin=subprocess.DEVNULL)
    return done.stdout.strip()
