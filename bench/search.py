"""Tree search alone against mctx: the same trivial network and rules, one core, simulations/s.

    python bench/search.py [--rounds 5] [--simulations 32]

A state is one number, its value a hash of it, its logits the same random numbers times that value; every move is legal
and no game ends, so that nearly all that is measured is the search. Each setting has a process of its own, in which the
two searches are compiled and then take turns. Where nothing is truncated, the root's visits (Gumbel: the moves played
too) are compared tree by tree. Gumbel's noise is the same draw on both sides; Dirichlet's is drawn, but weighed by 0.

`--own …` is what the script calls itself: it prints one JSON line.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import answer, parser, publish, spread, table, versions

ACTIONS = {7: (0,), 362: (0,), 4672: (0, 32)}  # A: what a node keeps, 0 for all
BATCHES = (64, 256)
SEARCHES = ("puct", "gumbel")
QUIET = {"JAX_PLATFORMS": "cpu", "NPROC": "1"}
WANTED = {(7, 0): 1.5, (362, 0): 3.0, (4672, 32): 50.0}  # of the ratio
Search = Callable[[Any, Any], tuple[Any, Any]]  # (states [B], key) -> (moves played [B], root's visits [B, A])


def trivial(actions: int) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """(model: states [B] -> (logits [B, A], value [B]), step: (states, actions) -> states)."""
    import jax
    import jax.numpy as jnp

    base = jax.random.normal(jax.random.key(0), (actions,))

    def model(state: Any) -> Any:
        hashed = state.astype(jnp.uint32)
        for shift in (15, 13, 16):
            hashed = (hashed ^ (hashed >> shift)) * jnp.uint32(0x85EBCA6B)
        unit = (hashed >> 8).astype(jnp.float32) / 2**23 - 1
        return base[None] * unit[:, None], 0.5 * unit

    return model, lambda state, action: state * 31 + action + 7


def logpi_search(search: str, actions: int, simulations: int, kept: int) -> Search:
    """As self-play searches."""
    import jax.numpy as jnp

    from logpi.games.search.gumbel import GumbelConstants, gumbel
    from logpi.games.search.puct import DirichletNoise, PuctConstants, puct
    from logpi.games.search.tree import Expansion, Leaf, Simulations

    model, step = trivial(actions)

    def leaf(state: Any) -> Leaf:
        return Leaf(*model(state), jnp.zeros(len(state), bool))

    expansion, leaves = Expansion(step, leaf), Simulations(simulations)

    def run(state: Any, key: Any) -> tuple[Any, Any]:
        if search == "puct":
            # the noise is weighed by 0, but drawn, as mctx does
            constants = PuctConstants(DirichletNoise(0.0, 1.0), max_children=kept)
            found = puct(state, expansion, key, leaves, jnp.zeros(len(state)), constants)
        else:
            found = gumbel(state, expansion, key, leaves, GumbelConstants(max_children=kept))
        return found.action, found.visits

    return run


def mctx_search(search: str, actions: int, simulations: int) -> Search:
    """mctx's policies, with their defaults but for what the papers' PUCT has not: noise, rescaled values."""
    import jax.numpy as jnp
    import mctx

    model, step = trivial(actions)

    def recurrent(params: Any, key: Any, action: Any, state: Any) -> Any:
        state = step(state, action)
        logits, value = model(state)
        still = jnp.zeros(len(state))
        return mctx.RecurrentFnOutput(reward=still, discount=still - 1, prior_logits=logits, value=value), state

    def run(state: Any, key: Any) -> tuple[Any, Any]:
        logits, value = model(state)
        root = mctx.RootFnOutput(prior_logits=logits, value=value, embedding=state)
        if search == "puct":
            options = {"dirichlet_fraction": 0.0, "temperature": 0.0, "qtransform": lambda t, i: t.qvalues(i)}
            found: Any = mctx.muzero_policy(None, key, root, recurrent, simulations, **options)
        else:
            found = mctx.gumbel_muzero_policy(None, key, root, recurrent, simulations)
        return found.action, found.search_tree.summary().visit_counts

    return run


def own(args: argparse.Namespace) -> dict[str, Any]:
    """Simulations per second of CPU time, round by round, of both; trees of equal visits, of all."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    from logpi.driver import devices

    devices.prepare()
    import jax
    import jax.numpy as jnp
    import numpy as np

    search, actions, batch, kept = args.own[0], *map(int, args.own[1:])
    key = jax.random.key(5)
    _, noise_key = jax.random.split(key)  # as mctx does before it draws Gumbel noise
    state = jnp.arange(batch, dtype=jnp.int32) * 3 + 1
    searches = {
        "logpi": (logpi_search(search, actions, args.simulations, kept), noise_key),
        "mctx": (mctx_search(search, actions, args.simulations), key),
    }
    programs, found, result = {}, {}, {}
    for name, (run, its_key) in searches.items():
        begun = time.process_time()
        programs[name] = jax.jit(run).lower(state, its_key).compile()
        result[f"{name} compile"] = time.process_time() - begun
        found[name] = jax.tree.map(np.asarray, programs[name](state, its_key))
    rates: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(args.rounds):
        for name, (_, its_key) in searches.items():
            begun, runs = time.process_time(), 0
            while runs == 0 or time.process_time() - begun < args.seconds:
                jax.block_until_ready(programs[name](state, its_key))
                runs += 1
            rates[name].append(runs * batch * args.simulations / (time.process_time() - begun))
    (our_move, ours), (their_move, theirs) = found["logpi"], found["mctx"]
    # of moves visited equally often PUCT plays any, Gumbel always the same
    equal = (ours == theirs).all(1) & ((our_move == their_move) | (search == "puct"))
    return {**result, **rates, "equal": int(equal.sum())}


def row(search: str, actions: int, batch: int, kept: int, found: dict[str, Any]) -> list[object]:
    """The table's; the ratio is of medians."""
    ours, theirs = (statistics.median(found[name]) for name in ("logpi", "mctx"))
    return [
        *(search, f"{actions:,}", kept or "all", batch),
        *(spread([rate / 1e3 for rate in found[name]], ",.1f") for name in ("logpi", "mctx")),
        *(f"{ours / theirs:.2f}", WANTED.get((actions, kept), "")),
        "" if kept else f"{found['equal']} of {batch}",
        *(f"{found[f'{name} compile']:.1f}" for name in ("logpi", "mctx")),
    ]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--simulations", type=int, default=32)
    arguments.add_argument("--seconds", type=float, default=1.0, help="of one turn, at least")
    arguments.add_argument("--own", nargs=4, metavar=("SEARCH", "ACTIONS", "BATCH", "KEPT"), help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.own:
        print(json.dumps(own(args)))
        return
    rows, unequal = [], 0
    with tempfile.TemporaryDirectory() as cache:
        for actions, keeps in ACTIONS.items():
            for search, batch, kept in itertools.product(SEARCHES, BATCHES, keeps):
                flags = ["--rounds", args.rounds, "--simulations", args.simulations, "--seconds", args.seconds]
                flags += ["--own", search, actions, batch, kept]
                found = answer(sys.executable, Path(__file__), *flags, env={"LOGPI_CACHE": cache, **QUIET})
                rows.append(row(search, actions, batch, kept, found))
                unequal += 0 if kept else batch - found["equal"]
    header = [
        "search",
        "actions",
        "kept",
        "batch",
        "logpi, k simulations/s",
        "mctx, k simulations/s",
        "ratio",
        "wanted",
    ]
    header += ["equal trees", "logpi compile, s", "mctx compile, s"]
    about = (
        f"Thousands of simulations per second of CPU time on one core, {args.simulations} a search: median (least to "
        f"greatest) of {args.rounds} turns of {args.seconds:g} s. kept: moves that logpi's nodes keep, mctx's all. "
        "Equal trees: those whose root has the same visits (Gumbel: and move). " + (__doc__ or "").split("\n\n")[2]
    )
    software = {"mctx": versions(sys.executable, ["mctx"])}
    publish(args.results, "search", "Tree search", software, [table(header, rows), about.replace("\n", " ")])
    if unequal:
        raise SystemExit(f"{unequal} trees differ from mctx's")


if __name__ == "__main__":
    main()
