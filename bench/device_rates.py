"""Limits of a device, timed through JAX: matrix products, a copy, a loop's step, a call; and the Nature CNN on it."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

REPEATS = 3  # of which the median counts
LAYERS = ((20 * 20, 8 * 8 * 4, 32), (9 * 9, 4 * 4 * 32, 64), (7 * 7, 3 * 3 * 64, 64), (1, 7 * 7 * 64, 512))  # m, k, n
PRODUCTS = {  # name: dtype, precision. JAX's default for float32 is tf32 where a GPU has it
    "float32, full precision": ("float32", "highest"),
    "float32, JAX's default": ("float32", "default"),
    "bfloat16": ("bfloat16", "default"),
}
COPY, LOOP, CALL = "copy: bytes read and written", "steps of a loop, one small operation each", "calls of a program"
LIMITS = (*PRODUCTS, COPY, LOOP, CALL)
Row = dict[str, Any]


def rates(work: Callable[[int], float], seconds: float) -> Row:
    """Median, least and greatest rate of ``work(count)``, which returns how much it did, after one call to warm up."""
    work(1)
    began = time.perf_counter()
    work(1)
    once = time.perf_counter() - began
    count, measured = max(1, int(seconds / REPEATS / once)), []
    for _ in range(REPEATS):
        began = time.perf_counter()
        amount = work(count)
        measured.append(amount / (time.perf_counter() - began))
    return {"rate": statistics.median(measured), "low": min(measured), "high": max(measured)}


def calls(f: Callable[..., Any], *arguments: Any, amount: float, seconds: float) -> Row:
    """The rate of a compiled ``f``, each of whose calls does ``amount``; the last of many is waited for."""
    import jax

    def work(count: int) -> float:
        result = None
        for _ in range(count):
            result = f(*arguments)
        jax.block_until_ready(result)
        return count * amount

    return rates(work, seconds)


def limits(name: str, seconds: float, small: bool) -> Row:
    """One of the rates that bound everything else."""
    import jax
    import jax.numpy as jnp

    if name in PRODUCTS:
        dtype, precision = PRODUCTS[name]
        side, chain = (256, 2) if small else (8192, 8)
        x, w = (jax.random.normal(jax.random.key(i), (side, side), dtype) for i in range(2))
        w = w / math.sqrt(side)
        chained = jax.jit(lambda x, w: jax.lax.fori_loop(0, chain, lambda _, y: jnp.dot(y, w, precision=precision), x))
        return {"unit": "FLOP/s", **calls(chained, x, w, amount=2.0 * side**3 * chain, seconds=seconds)}
    if name == COPY:
        x = jax.random.normal(jax.random.key(0), (2**20 if small else 2**28,))
        return {"unit": "byte/s", **calls(jax.jit(lambda x: x + 1), x, amount=2.0 * x.nbytes, seconds=seconds)}
    x = jax.random.normal(jax.random.key(0), (128,))
    count = 1000 if name == LOOP else 1
    looped = jax.jit(lambda x: jax.lax.fori_loop(0, count, lambda _, y: jnp.tanh(y), x))
    return {"unit": "1/s", **calls(looped, x, amount=count, seconds=seconds)}


def cnn(size: tuple[str, int], seconds: float) -> Row:
    """The Nature CNN on 84x84x4 pixels: its forward pass, or gradient steps in a loop as an update has them."""
    import jax
    import jax.numpy as jnp

    from logpi.nets.torsos import NatureCNN

    what, batch = size
    net, steps = NatureCNN(), 1 if what == "forward" else 8
    pixels = jax.random.randint(jax.random.key(0), (batch, 84, 84, 4), 0, 256).astype(jnp.uint8)
    params = net.init(jax.random.key(1), jnp.zeros((1, 84, 84, 4)))

    def forward(params: Any, pixels: Any) -> Any:
        return net.apply(params, pixels.astype(jnp.float32) / 255)

    def descend(_: int, params: Any) -> Any:
        slope = jax.grad(lambda p: jnp.square(forward(p, pixels)).mean())(params)
        return jax.tree.map(lambda x, g: x - 1e-6 * g, params, slope)

    f = jax.jit(forward if what == "forward" else lambda p, _: jax.lax.fori_loop(0, steps, descend, p))
    began = time.perf_counter()
    jax.block_until_ready(f(params, pixels))
    ready = time.perf_counter() - began
    products = [2 * m * k * n for m, k, n in LAYERS]  # a gradient multiplies thrice, but not for the pixels' own
    flops = sum(products) if what == "forward" else 3 * sum(products) - products[0]
    found = calls(f, params, pixels, amount=steps * batch, seconds=seconds)
    return {"unit": "images/s", **found, "flops": flops, "bytes": 84 * 84 * 4, "ready_seconds": round(ready, 2)}


def device() -> Row:
    """The device's name, its memory in use at most so far in this process, and the platform."""
    import jax

    found = jax.local_devices()[0]
    stats = found.memory_stats() or {}
    peak = stats.get("peak_bytes_in_use")
    return {
        "device": found.device_kind,
        "platform": " ".join(str(found.client.platform_version).split()),
        "memory_gib": round(stats["bytes_limit"] / 2**30, 1) if "bytes_limit" in stats else None,
        "peak_gib": None if peak is None else round(peak / 2**30, 2),
    }
