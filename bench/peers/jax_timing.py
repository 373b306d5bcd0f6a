"""Flags and timing shared by the two JAX peers: compile apart, then the median of repeated whole runs."""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

if not hasattr(jax, "tree_map"):
    jax.tree_map = jax.tree.map  # gymnax 0.0.8 still calls it by the name that JAX removed


def parse(doc: str | None, source: bool = False) -> argparse.Namespace:
    """The sizes of the run; `source` adds the peer's checkout as a required flag."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if source:
        parser.add_argument("--source", required=True, metavar="PATH", help="checkout of the peer's repository")
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--num-steps", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=1, help="seeds trained together by vmap")
    parser.add_argument("--updates", type=int, default=150, help="PPO iterations in one run")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def measure(train: Callable[[Any], Any], args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """Compile `train(key)`, warm up once, time whole runs; also returns the last run's output."""
    function = train if args.seeds == 1 else jax.vmap(train)
    keys = [
        jax.random.PRNGKey(i) if args.seeds == 1 else jax.random.split(jax.random.PRNGKey(i), args.seeds)
        for i in range(args.repeats + 1)
    ]
    begin = time.perf_counter()
    compiled = jax.jit(function).lower(keys[0]).compile()
    compile_seconds = time.perf_counter() - begin
    out = jax.block_until_ready(compiled(keys[0]))
    seconds = []
    for key in keys[1:]:
        out = None  # frees the last run's metrics, which grow with the run
        begin = time.perf_counter()
        out = jax.block_until_ready(compiled(key))
        seconds.append(time.perf_counter() - begin)
    steps = args.updates * args.num_envs * args.num_steps * args.seeds
    return {
        "num_envs": args.num_envs,
        "num_steps": args.num_steps,
        "seeds": args.seeds,
        "updates": args.updates,
        "device": jax.devices()[0].platform,
        "compile_seconds": round(compile_seconds, 3),
        "run_seconds": round(statistics.median(seconds), 4),
        "steps_per_second": round(steps / statistics.median(seconds)),
        "repeats": [round(steps / s) for s in seconds],
    }, out
