"""Steps/s of pgx's Go under uniformly random legal play, finished games replaced by new ones: one JSON line.

python bench/peers/go_pgx.py --size 9 --batch 64 --moves 100 --repeats 3
"""

import argparse
import json
import os
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "1")  # one thread, as CPU time is what is measured

import jax
import jax.numpy as jnp
import pgx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--size", "--batch", "--moves", "--repeats"):
        parser.add_argument(flag, type=int, required=True)
    args = parser.parse_args()
    env = pgx.make(f"go_{args.size}x{args.size}")

    def move(state, key):
        points = state.legal_action_mask.at[-1].set(False)
        drawn = jax.random.categorical(key, jnp.where(points, 0.0, -1e9))
        after = env.step(state, jnp.where(points.any(), drawn, env.num_actions - 1))
        fresh = env.init(key)
        return jax.tree.map(lambda new, old: jnp.where(after.terminated, new, old), fresh, after)

    def run(state, key):
        def step(state, key):
            return jax.vmap(move)(state, jax.random.split(key, args.batch)), None

        return jax.lax.scan(step, state, jax.random.split(key, args.moves))[0]

    state = jax.vmap(env.init)(jax.random.split(jax.random.key(0), args.batch))
    begin = time.process_time()
    compiled = jax.jit(run, donate_argnums=0).lower(state, jax.random.key(0)).compile()
    compile_seconds = time.process_time() - begin
    rates = []
    for k in range(args.repeats):
        begin = time.process_time()
        state = jax.block_until_ready(compiled(state, jax.random.key(k)))
        rates.append(args.batch * args.moves / (time.process_time() - begin))
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) // args.batch
    print(json.dumps({"rates": rates, "compile": compile_seconds, "bytes": size}))


if __name__ == "__main__":
    main()
