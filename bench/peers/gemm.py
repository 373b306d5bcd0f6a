"""The machine's float32 matrix-product rate under JAX, in GFLOP/s, on one core and on all.

    python bench/peers/gemm.py

Two sizes: (2048, 2048) x (2048, 2048), the ceiling; (2048, 64) x (64, 64), one layer of the
benchmark's nets on a minibatch. Products are chained inside one program, so dispatch is not counted.
Prints one JSON line, best of the repeats (the rate when nothing else runs). Pinning to a core needs Linux.
"""

import argparse
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

SIZES = {
    "2048x2048x2048": (2048, 2048, 4),
    "2048x64x64": (2048, 64, 1000),
}  # rows, width, products in the chain


def rates(cores: list[int], repeats: int) -> dict[str, float]:
    """GFLOP/s by size on these cores only; JAX sizes its pool at import, so it is imported after pinning."""
    os.sched_setaffinity(0, cores)
    import jax
    import jax.numpy as jnp

    result = {}
    for name, (rows, width, chain) in SIZES.items():
        x = jax.random.normal(jax.random.PRNGKey(0), (rows, width))
        w = jax.random.normal(jax.random.PRNGKey(1), (width, width)) / jnp.sqrt(width)

        @jax.jit
        def products(x: jax.Array, w: jax.Array, chain: int = chain) -> jax.Array:
            return jax.lax.fori_loop(0, chain, lambda _, y: y @ w, x)

        jax.block_until_ready(products(x, w))
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            jax.block_until_ready(products(x, w))
            seconds.append(time.perf_counter() - begin)
        result[name] = round(2 * rows * width * width * chain / min(seconds) / 1e9, 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=8)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    result: dict[str, object] = {"cores": len(cores)}
    for name, chosen in {"one_core": cores[:1], "all_cores": cores}.items():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            result[name] = pool.submit(rates, chosen, args.repeats).result()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
