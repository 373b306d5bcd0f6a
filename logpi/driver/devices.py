"""What is done for the machine at hand: everything that knows of CPUs, caches or XLA flags is here.

``prepare`` must run before JAX starts its backend; nothing else in logpi assumes a CPU.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logpi.driver.process import Effort, Function, Jitted
from logpi.errors import MAIN_GUARD, LogpiError
from logpi.ops.collectives import DATA
from logpi.runs.cards import cores
from logpi.types import PyTree

if TYPE_CHECKING:
    from jax.sharding import Mesh


ROWS_A_CORE = 512  # a guess from 64 x 128 rollouts, where 1,024 a core gain and all-reduces cost tens of microseconds

EFFORTS: Mapping[Effort, Mapping[str, bool | int]] = {
    "full": {},
    "quick": {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False},  # half the time to compile
    "least": {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False},
}


def cache_folder() -> Path:
    """Where compiled programs are kept between processes: as ``LOGPI_CACHE`` or JAX's own variable says, or at home.

    Raises:
        RuntimeError: the user has no home.
    """
    if chosen := os.environ.get("LOGPI_CACHE"):
        return Path(chosen) / "xla"
    if chosen := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logpi" / "xla"


def prepare() -> None:
    """Set up XLA for small networks, and the persistent compilation cache (done without on a read-only home).

    On a CPU every core is a device of its own with one thread: small networks gain nothing from threads inside an
    operation. jaxlib 0.10 also waits for ever where a pool of two threads meets a batched QR decomposition (the
    orthogonal first weights of several seeds at once). A compilation cache that JAX has been given already stays.

    Raises:
        LogpiError: JAX does not start on this machine, or was told not to compile.
    """
    _refuse_unguarded()
    os.environ.setdefault("NPROC", "1")
    import jax

    if not os.environ.get("JAX_NUM_CPU_DEVICES"):
        with contextlib.suppress(RuntimeError):  # JAX is in use already: its choice stays
            jax.config.update("jax_num_cpu_devices", cores())
    config: Any = jax.config  # whose attributes JAX makes as it runs
    if config.jax_disable_jit:
        raise LogpiError("JAX_DISABLE_JIT is set, and logpi runs compiled programs alone; unset it")
    start()
    if config.jax_compilation_cache_dir and "LOGPI_CACHE" not in os.environ:
        return
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: a user without a home
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _refuse_unguarded() -> None:
    """End a worker that was spawned while it runs its parent's script: it would train too, and spawn workers itself.

    Raises:
        SystemExit: with the message in the first worker; the others end without a word.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):  # as ``multiprocessing`` itself asks before it starts a process
        raise SystemExit(f"logpi: not started in a worker process: {MAIN_GUARD}" if process.name.endswith("-0") else 1)


def start() -> None:
    """Start JAX's backend, which nothing can run without.

    Raises:
        LogpiError: it does not start, such as where JAX_PLATFORMS asks for a device that is not there.
    """
    import jax

    try:
        jax.devices()
    except Exception as error:  # RuntimeError, and AssertionError where a platform has no plug-in
        asked = os.environ.get("JAX_PLATFORMS")
        wanted = f"JAX_PLATFORMS={asked} asks for it" if asked else "no JAX_PLATFORMS is set"
        said = str(error) or "it found no device"
        raise LogpiError(
            f"JAX does not start: {said} ({wanted}); JAX_PLATFORMS=cpu runs on the CPU, `logpi doctor` tells more"
        ) from error


def options_of(effort: Effort) -> Mapping[str, bool | int]:
    """What XLA is told for a program that is compiled with the given effort; on other devices than CPUs nothing."""
    import jax

    return EFFORTS[effort] if jax.default_backend() == "cpu" else EFFORTS["full"]


class Spread(NamedTuple):
    """How a run lies on the devices: ``seeds`` learners dealt out to them, or one learner on ``num_devices``.

    Devices with learners of their own never wait for each other. Devices that share a learner have its environments,
    images or games dealt out to them (``logpi.ops.collectives`` has their sum).
    """

    seeds: int
    num_devices: int

    @property
    def used(self) -> int:
        """How many of the local devices it lies on."""
        import jax

        return math.gcd(self.seeds, jax.local_device_count()) if self.seeds > 1 else self.num_devices

    def jit(
        self,
        f: Function,
        mapped: Sequence[bool],
        takes: PyTree,
        gives: PyTree,
        donate: tuple[int, ...] = (),
        batched: bool = False,
    ) -> Jitted:
        """``f`` to be compiled.

        Args:
            f: function of one learner.
            mapped: for each argument, whether it has an entry per seed.
            takes: ``PartitionSpec`` trees of the arguments on devices that share a learner.
            gives: the same of the result.
            donate: numbers of the arguments whose arrays the result may take.
            batched: several seeds as one batch on a CPU too: of one after the other all that ``f`` gives is copied.
        """
        import jax
        from jax.sharding import PartitionSpec

        if self.seeds > 1:
            mesh = jax.sharding.Mesh(jax.local_devices()[: self.used], ("seed",))
            takes = tuple(PartitionSpec("seed") if flag else PartitionSpec() for flag in mapped)
            gives, f = PartitionSpec("seed"), _beside(f, mapped, batched)
        elif self.num_devices > 1:
            mesh = jax.sharding.Mesh(jax.local_devices()[: self.num_devices], (DATA,))
        else:
            return jax.jit(f, donate_argnums=donate)
        dealt = jax.shard_map(f, mesh=mesh, in_specs=takes, out_specs=gives, check_vma=False)
        placed, given = _places(mesh, takes), _places(mesh, gives)
        return jax.jit(dealt, in_shardings=placed, out_shardings=given, donate_argnums=donate)

    def once(self, f: Function, mapped: Sequence[bool], gives: PyTree) -> Jitted:
        """``f`` as one program, its result dealt out to the devices by ``gives``."""
        import jax

        if self.seeds > 1:
            return self.jit(f, mapped, (), gives)
        if self.num_devices == 1:
            return jax.jit(f)
        mesh = jax.sharding.Mesh(jax.local_devices()[: self.num_devices], (DATA,))
        return jax.jit(f, out_shardings=_places(mesh, gives))


def _beside(f: Function, mapped: Sequence[bool], batched: bool) -> Function:
    """``f`` for several seeds: on a CPU one after the other where it is not ``batched``, elsewhere all together.

    XLA's batched matrix products are slower on a CPU than as many single ones.
    """
    import jax

    if batched or jax.default_backend() != "cpu":
        return jax.vmap(f, in_axes=tuple(0 if flag else None for flag in mapped))

    def together(*args: PyTree) -> PyTree:
        def one(mine: PyTree) -> PyTree:
            rest = iter(mine)
            return f(*(next(rest) if flag else x for x, flag in zip(args, mapped, strict=True)))

        return jax.lax.map(one, tuple(x for x, flag in zip(args, mapped, strict=True) if flag))

    return together


def _places(mesh: Mesh, specs: PyTree) -> PyTree:
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    return jax.tree.map(lambda s: NamedSharding(mesh, s), specs, is_leaf=lambda s: isinstance(s, PartitionSpec))


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
