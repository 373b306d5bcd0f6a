"""What is done for the machine at hand: everything that knows of CPUs, caches or XLA flags is here.

``prepare`` must run before JAX starts its backend; nothing else in logpi assumes a CPU.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from logpi.ops.collectives import DATA

ROWS_A_CORE = 512  # a guess from 64 x 128 rollouts, where 1,024 a core gain and all-reduces cost tens of microseconds


QUICK = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}  # half the time to compile


def cache_folder() -> Path:
    """Where compiled programs are kept between processes (``LOGPI_CACHE`` chooses another place)."""
    if chosen := os.environ.get("LOGPI_CACHE"):
        return Path(chosen) / "xla"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logpi" / "xla"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare() -> None:
    """Set up XLA for small networks, and the persistent compilation cache (done without on a read-only home).

    On a CPU every core is a device of its own with one thread: small networks gain nothing from threads inside an
    operation. jaxlib 0.10 also waits for ever where a pool of two threads meets a batched QR decomposition (the
    orthogonal first weights of several seeds at once).
    """
    os.environ.setdefault("NPROC", "1")
    import jax

    if not os.environ.get("JAX_NUM_CPU_DEVICES"):
        with contextlib.suppress(RuntimeError):  # somebody has used JAX before us: what they chose stays
            jax.config.update("jax_num_cpu_devices", cores())
    folder = cache_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


class Program(NamedTuple):
    """A jitted function and the arguments (or their ``jax.ShapeDtypeStruct``) that it is compiled for."""

    function: Any
    arguments: Sequence[Any]
    hot: bool = True  # False: runs so seldom that quick compilation is worth more than quick code


def compile_all(programs: Sequence[Program]) -> list[Any]:
    """Trace the programs in turn and compile them side by side (XLA frees the GIL), the longest first.

    Compilation is nearly all that a newcomer waits for, and one program's compilation uses one core.
    """
    with ThreadPoolExecutor(max_workers=len(programs)) as pool:
        waiting = [pool.submit(_compile, p.function.lower(*p.arguments), p.hot) for p in programs]
        return [w.result() for w in waiting]


def _compile(lowered: Any, hot: bool) -> Any:
    import jax

    if not hot and jax.default_backend() == "cpu":
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # another XLA may not know these options
            return lowered.compile(compiler_options=QUICK)
    return lowered.compile()


def over_seeds(f: Callable[..., Any], count: int, *axes: int | None) -> Callable[..., Any]:
    """``f`` compiled for ``count`` seeds: arguments with axis 0 have one entry a seed, those with None are shared.

    The seeds are dealt out to the devices, which never wait for each other. On a CPU a device takes its seeds one
    after the other (XLA's batched matrix products are slower there than as many single ones), elsewhere all together.
    """
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    one_by_one = jax.default_backend() == "cpu"

    def together(*args: Any) -> Any:
        if not one_by_one:
            return jax.vmap(f, in_axes=axes)(*args)
        mapped = tuple(x for x, axis in zip(args, axes, strict=True) if axis == 0)

        def one(mine: Any) -> Any:
            rest = iter(mine)
            return f(*(next(rest) if axis == 0 else x for x, axis in zip(args, axes, strict=True)))

        return jax.lax.map(one, mapped)

    sharing = math.gcd(count, jax.local_device_count())
    mesh = Mesh(jax.local_devices()[:sharing], ("seed",))
    specs = tuple(PartitionSpec("seed") if axis == 0 else PartitionSpec() for axis in axes)
    dealt = jax.shard_map(together, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("seed"), check_vma=False)
    places = tuple(NamedSharding(mesh, spec) for spec in specs)
    return jax.jit(dealt, in_shardings=places, out_shardings=NamedSharding(mesh, PartitionSpec("seed")))


def sharing(environments: int, rows: int, units: int) -> int:
    """How many devices share one learner's ``environments``.

    ``rows`` is what one gradient is taken over, in ``units`` that cannot be divided further (a policy with a memory
    learns from whole columns). On a CPU, where a device is a core, the devices' meeting at each gradient must not
    cost more than it saves.
    """
    import jax

    least = ROWS_A_CORE if jax.default_backend() == "cpu" else 1
    counts = range(1, jax.local_device_count() + 1)
    return max(d for d in counts if d == 1 or (environments % d == 0 and units % d == 0 and rows >= least * d))


def shared_by(*counts: int) -> int:
    """The most devices that can share what there are ``counts`` of, each the same number."""
    import jax

    return max(d for d in range(1, jax.local_device_count() + 1) if all(n % d == 0 for n in counts))


def over_environments(f: Callable[..., Any], count: int, takes: Any, gives: Any) -> Callable[..., Any]:
    """``f`` compiled for ``count`` devices that share one learner's environments (``arrays.total`` is their sum).

    ``takes`` and ``gives`` are ``PartitionSpec`` trees of the arguments (a tuple) and of the result.
    """
    import jax

    if count == 1:
        return jax.jit(f)
    dealt = jax.shard_map(f, mesh=_mesh(count), in_specs=takes, out_specs=gives, check_vma=False)
    return jax.jit(dealt, in_shardings=_places(count, takes), out_shardings=_places(count, gives))


def once(f: Callable[..., Any], count: int, gives: Any) -> Callable[..., Any]:
    """``f`` compiled as one program, its result dealt out by ``gives`` to ``count`` devices as above."""
    import jax

    return jax.jit(f) if count == 1 else jax.jit(f, out_shardings=_places(count, gives))


def _mesh(count: int) -> Any:
    import jax

    return jax.sharding.Mesh(jax.local_devices()[:count], (DATA,))


def _places(count: int, specs: Any) -> Any:
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    mesh = _mesh(count)
    return jax.tree.map(lambda s: NamedSharding(mesh, s), specs, is_leaf=lambda s: isinstance(s, PartitionSpec))
