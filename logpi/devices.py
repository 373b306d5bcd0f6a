"""What is done for the machine at hand: everything that knows of CPUs, caches or XLA flags is here."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where compiled programs are kept between processes."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LOGPI_CACHE") or Path(root) / "logpi") / "xla"
