"""What a run will take on this machine, told before it starts: time, memory and disk. All figures are rough."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from logpi.config.experiments import promised
from logpi.config.settings import Experiment
from logpi.config.stored import experiment_from_table
from logpi.driver.budget import points
from logpi.driver.driver import Driver
from logpi.driver.in_turn import Trainer
from logpi.driver.kept import cut_shapes
from logpi.driver.process import State
from logpi.driver.progress import Progress
from logpi.errors import LogpiError, TooLargeError
from logpi.runs.cards import cores, machine
from logpi.runs.create import folder_of
from logpi.runs.files import size_text
from logpi.runs.folder import RunFolder
from logpi.runs.metrics import STEPS, Row, mean, read_rows
from logpi.tasks import task_of
from logpi.types import PyTree
from logpi.view.live import clock

RECIPES_RATE = 65.0  # GFLOP/s of ``products`` on one core of the machine that the recipes' seconds were measured on
MEMORY = "time/memory"  # column of timing.jsonl: bytes that the process has taken at most so far
LOOKED_AT = 5  # earlier runs
ROW = 1_000  # bytes of a row in all files of metrics
PICTURES = 1_000_000  # bytes of curve and film
PROCESS = 250_000_000  # bytes of a process that has imported JAX, where the system does not tell
PROGRAMS = 100_000_000  # bytes that the smallest programs and their compilation take
LESS = "lower --buffer-size, --replay-size, --n-envs or --seeds, whichever this run has"


class Room(NamedTuple):
    """Bytes that a run takes."""

    memory: int  # of this process, at least: large programs take more while they are compiled
    arrays: int  # of that on the devices
    devices: int  # that they lie on
    checkpoint: int  # the largest one
    disk: int  # of the run folder, at most


class Pace(NamedTuple):
    """Seconds that a run will take, and why it is believed."""

    seconds: float
    source: str
    memory: float = 0.0  # bytes that it took; 0 where that is not known


def bytes_of(tree: PyTree) -> int:
    """Bytes of the arrays in a tree, or of their shapes."""
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree) if hasattr(x.dtype, "itemsize"))


def room(driver: Trainer, experiment: Experiment, keeps_stages: bool) -> Room:
    """What the arrays of a run and its files take."""
    run, process = experiment.run, driver.process
    agents = 2 + keeps_stages * (points(run) + 1)
    rows = min(run.log_points, math.ceil(experiment.method.total_timesteps / process.rows))
    arrays, files, checkpoint = bytes_of(process.data), rows * ROW * run.seeds + PICTURES, 0
    for part in driver.parts:
        kept = part.kept.like(Progress())
        checkpoint += bytes_of(_at_the_end(kept, part, experiment.method.total_timesteps))
        files += agents * bytes_of(jax.eval_shape(process.acting, part.kept.shapes.learner))
        arrays += bytes_of(part.kept.shapes)
    memory, devices = used() + PROGRAMS + arrays, max(part.spread.used for part in driver.parts)
    return Room(memory, arrays, devices, checkpoint, (run.keep_checkpoints + 1) * checkpoint + files)


def used() -> int:
    """Bytes that this process has taken at most so far."""
    try:
        import resource
    except ImportError:  # Windows
        return PROCESS
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _at_the_end(state: State, driver: Driver, total: float) -> State:
    """Shapes of a checkpoint at the end of a run: a replay may not be full by then."""
    window = driver.process.window
    if window is None:
        return state
    axis = state.seed.ndim
    size, columns = jax.tree.leaves(window.rows(state.carry))[0].shape[axis : axis + 2]
    return cut_shapes(window, state, min(size, math.ceil(total / columns)), axis)


def device_limit(devices: int) -> int | None:
    """Bytes that arrays can have on the first ``devices`` local devices; None where those have no memory of their own.

    JAX takes a share of an accelerator's memory, three quarters unless it is told otherwise.
    """
    limits = [(device.memory_stats() or {}).get("bytes_limit", 0) for device in jax.local_devices()[:devices]]
    return sum(limits) if all(limits) else None


def memory_limit() -> int:
    """Bytes that a process can have on this machine, or in its container, where that has less."""
    known = []
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):
        known.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(known, default=sys.maxsize)


def check_memory(found: Room, advice: str = LESS) -> None:
    """Refuse a run whose arrays do not fit, as with a large replay: the system would kill it, hours later perhaps.

    Raises:
        TooLargeError: with what it takes, and what there is, and ``advice``.
    """
    own = device_limit(found.devices)
    takes, limit = (found.memory, memory_limit()) if own is None else (found.arrays, own)
    if takes > limit:
        where = "" if own is None else f" on {found.devices} device{'s' * (found.devices > 1)}"
        raise TooLargeError(
            f"this run takes at least {size_text(takes)} of memory{where}, and there are {size_text(limit)}: {advice}"
        )


def check_disk(found: Room, log_dir: str) -> str:
    """A warning where the disk of ``log_dir`` is short of room for a run, "" where it is not.

    Raises:
        LogpiError: not even the checkpoints' first pair fits: a new one is written before the old one goes.
    """
    folder = next(parent for parent in (Path(log_dir).absolute(), *Path(log_dir).absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    less = "take another --log-dir, or lower --replay-size, --n-envs or --keep-checkpoints, whichever this run has"
    have = f"{folder} has {size_text(free)} left"
    if free < 2 * found.checkpoint:
        raise LogpiError(f"a checkpoint of this run takes up to {size_text(found.checkpoint)}, and {have}: {less}")
    return f"this run may take {size_text(found.disk)} on the disk, and {have}: {less}" if free < found.disk else ""


def pace(experiment: Experiment) -> Pace | None:
    """The time that a run will take by earlier runs here, or by its recipe; None where neither says anything."""
    total = experiment.method.total_timesteps
    for folder in _earlier(experiment):
        with contextlib.suppress(LogpiError, KeyError, TypeError, ValueError):
            theirs = experiment_from_table(folder.config)
            if folder.manifest.get("machine") == machine() and _alike(theirs, experiment):
                rows = read_rows(folder.path / "timing.jsonl")
                seconds = projected(rows, total)
                if seconds is not None:
                    memory = max(mean(row.get(MEMORY, 0.0)) for row in rows)
                    return Pace(seconds, f"as {folder.path} took", memory)
    recipe = promised(experiment)
    if recipe is None or math.isnan(recipe.seconds) or jax.default_backend() != "cpu":
        return None
    horizon = task_of(experiment.env).horizon
    usual = recipe.tables.get("method", {}).get(horizon, getattr(type(experiment.method)(), horizon))
    share = getattr(experiment.method, horizon) / usual
    seconds = recipe.seconds * share * experiment.run.seeds * crowding() * RECIPES_RATE / products()
    return Pace(seconds, "compilation apart; by the recipe's figure, the speed of a core and the load")


def projected(rows: list[Row], total: float) -> float | None:
    """Seconds to ``total`` timesteps at the pace of the newest process that wrote ``rows`` of a clock.

    What that process took before its first move (compilation above all) counts too. None where it wrote too few rows.
    """
    seconds = [mean(row["time/time_elapsed"]) for row in rows]
    first = max((i for i in range(1, len(rows)) if seconds[i] < seconds[i - 1]), default=0)  # each has its own clock
    if len(rows) - first < 2:
        return None
    steps = [0.0, *(mean(row[STEPS]) for row in rows)]
    each = (seconds[-1] - seconds[first]) / (steps[-1] - steps[first + 1])
    start = seconds[first] - each * (steps[first + 1] - steps[first])
    return max(0.0, start) + each * total


def products(count: int = 40, repeats: int = 9) -> float:
    """GFLOP/s of this machine in products of 64x64 matrices, which one core does; it takes some milliseconds."""
    size = 64  # larger ones are dealt out to several threads
    matrix = np.full((size, size), 0.5, np.float32)
    out, times = np.empty_like(matrix), []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(count):
            np.matmul(matrix, matrix, out=out)
        times.append(time.perf_counter() - began)
    return 2 * size**3 * count / statistics.median(times) / 1e9


def crowding() -> float:
    """How many times as long work takes as on an idle machine, by the last minute's load; 1 where it is unknown."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        return 1.0
    return max(1.0, (load + 1) / cores())


def told(found: Room, expected: Pace | None) -> str:
    """The estimate for people."""
    takes = f"about {clock(expected.seconds)} here ({expected.source}), " if expected else ""
    known = expected is not None and expected.memory > 0
    memory = f"about {size_text(expected.memory)}" if expected and known else f"at least {size_text(found.memory)}"
    return f"{takes}{memory} of memory and at most {size_text(found.disk)} of disk"


def _earlier(experiment: Experiment) -> list[RunFolder]:
    """The newest runs of the same method and environment in the same place."""
    parent, name = folder_of(experiment.run.log_dir, experiment.algo, experiment.env)
    found = [(re.fullmatch(rf"{re.escape(name)}_(\d+)", path.name), path) for path in parent.glob("*")]
    numbered = sorted(((int(match[1]), path) for match, path in found if match), reverse=True)
    return [RunFolder(path) for _, path in numbered[:LOOKED_AT]]


def _alike(theirs: Experiment, ours: Experiment) -> bool:
    """Whether two runs do the same work but for their length and their seeds' numbers."""

    def work(experiment: Experiment) -> tuple[object, ...]:
        horizon, run = task_of(experiment.env).horizon, experiment.run
        method = {name: value for name, value in vars(experiment.method).items() if name != horizon}
        evaluated = (run.seeds, run.eval_episodes, run.eval_points, run.vectorization)
        return (method, experiment.network, experiment.env_kwargs, experiment.wrappers, experiment.policy, *evaluated)

    return work(theirs) == work(ours)
