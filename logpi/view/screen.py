"""The machine's screen: whether there is one, opening a file on it, and drawing without it."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


def has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_file(path: str | Path) -> bool:
    """If there is a display, open a file with the system's viewer; returns whether it did."""
    if not has_display():
        return False
    if sys.platform == "win32":
        os.startfile(path)
        return True
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is None:
        return False
    silent = subprocess.DEVNULL
    subprocess.Popen([opener, str(path)], stdin=silent, stdout=silent, stderr=silent, start_new_session=True)
    return True


@contextlib.contextmanager
def headless() -> Iterator[None]:
    """Let SDL (pygame) and MuJoCo draw into memory. Viewers need SDL's setting unset again."""
    if sys.platform.startswith("linux") and "MUJOCO_GL" not in os.environ:
        choices = {"egl": "EGL", "osmesa": "OSMesa"}
        with brief_forks():
            found = [name for name, library in choices.items() if ctypes.util.find_library(library)]
        if found:
            os.environ["MUJOCO_GL"] = found[0]
    before = os.environ.get("SDL_VIDEODRIVER")
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SDL_VIDEODRIVER"]
        else:
            os.environ["SDL_VIDEODRIVER"] = before


@contextlib.contextmanager
def brief_forks() -> Iterator[None]:
    """Silence JAX's warning of forks: children started in this block run another program at once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
        yield
