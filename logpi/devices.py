"""What is done for the machine at hand: everything that knows of CPUs, caches or XLA flags is here.

``prepare`` must run before JAX starts its backend; nothing else in logpi assumes a CPU.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Where compiled programs are kept between processes (``LOGPI_CACHE`` chooses another place)."""
    if chosen := os.environ.get("LOGPI_CACHE"):
        return Path(chosen) / "xla"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logpi" / "xla"


def prepare() -> None:
    """Turn on the persistent compilation cache. What cannot be had (a read-only home) is done without."""
    import jax

    folder = cache_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def compile_all(programs: Sequence[tuple[Any, Sequence[Any]]]) -> list[Any]:
    """Trace each jitted ``(function, arguments)`` in turn and compile them side by side (XLA frees the GIL).

    Compilation is nearly all that a newcomer waits for, and one program's compilation uses one core. Arguments may be
    ``jax.ShapeDtypeStruct``. Longest programs should come first.
    """
    with ThreadPoolExecutor(max_workers=len(programs)) as pool:
        waiting = [pool.submit(f.lower(*args).compile) for f, args in programs]
        return [w.result() for w in waiting]


def over_seeds(f: Callable[..., Any], *axes: int | None) -> Callable[..., Any]:
    """``f`` for many seeds at once: arguments with axis 0 have one entry a seed, those with None are shared."""
    import jax

    return jax.vmap(f, in_axes=axes)
