"""Go's rules: steps/s of random play against pgx's, and random games move by move against open_spiel's.

    python bench/rules_go.py --pgx-python pgx/bin/python [--rounds 3]

A step is the mask of legal moves, a uniformly random one of the points it allows (the pass, where there is none), the
move and, where the game has ended, the empty board. Seconds are the CPU time of one thread. A round of logpi's is as
long as the longest game, because the search for repetitions grows with the game. The games against open_spiel pass with
a probability of 2 %; `tests/support/go_reference.py` says what has to agree.

`--own …` is what the script calls itself: it prints one JSON line.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from report import BENCH, PEERS, answer, parser, publish, spread, table, versions

SPEED = [(9, 64), (9, 256), (19, 64), (19, 256)]  # size, batch
GAMES = [(5, 10_000), (9, 10_000), (13, 500), (19, 200)]  # size, random games against open_spiel
PGX_MOVES = 40  # its cost does not grow with the game, and 19x19 would take minutes
CHUNK, KOMI = 2_500, 0.5


def speed(size: int, batch: int, rounds: int) -> dict[str, Any]:
    """Steps/s of logpi, round by round; seconds to compile; bytes of a state."""
    import jax
    import jax.numpy as jnp

    from logpi.games.rules.go import go

    game = go(size)

    def move(state: Any, key: jax.Array) -> Any:
        points = game.legal(state).at[-1].set(False)
        drawn = jax.random.categorical(key, jnp.where(points, 0.0, -1e9))
        after = game.step(state, jnp.where(points.any(), drawn, game.actions - 1).astype(jnp.int32))
        ended = game.ended(after)
        return jax.tree.map(lambda new, old: jnp.where(ended, new, old), game.init(), after)

    def run(state: Any, key: jax.Array) -> Any:
        def step(state: Any, key: jax.Array) -> tuple[Any, None]:
            return jax.vmap(move)(state, jax.random.split(key, batch)), None

        return jax.lax.scan(step, state, jax.random.split(key, game.longest))[0]

    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), game.init())
    begin = time.process_time()
    compiled = jax.jit(run, donate_argnums=0).lower(state, jax.random.key(0)).compile()
    compile_seconds = time.process_time() - begin
    rates = []
    for k in range(rounds):
        begin = time.process_time()
        state = jax.block_until_ready(compiled(state, jax.random.key(k)))
        rates.append(batch * game.longest / (time.process_time() - begin))
    size_of_state = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) // batch
    return {"rates": rates, "compile": compile_seconds, "bytes": size_of_state}


def agreement(size: int, games: int) -> dict[str, int]:
    """What met in random games that agree with open_spiel; AssertionError at the first that does not."""
    sys.path.insert(0, str(BENCH.parent / "tests"))
    import go_reference

    from logpi.games.rules.go import go

    found: Counter[str] = Counter()
    for seed in range(0, games, CHUNK):
        seen = go_reference.record(go(size, KOMI), seed, min(CHUNK, games - seed))
        found.update(go_reference.against_open_spiel(seen, size, KOMI))
    return {"games": games, **found}


def own(what: str, *numbers: int) -> dict[str, Any]:
    """One measurement, in this process."""
    from logpi.driver import devices

    devices.prepare()
    return speed(*numbers) if what == "speed" else agreement(*numbers)


def speeds(args: argparse.Namespace) -> str:
    """The table of steps/s, pgx beside logpi where its interpreter is given."""
    rows = []
    for size, batch in SPEED:
        with tempfile.TemporaryDirectory() as cache:
            flags = ("--own", "speed", size, batch, args.rounds)
            ours = answer(sys.executable, Path(__file__), *flags, env={"LOGPI_CACHE": cache, "NPROC": "1"})
        row = [f"{size}x{size}", batch, spread(ours["rates"], ",.0f"), f"{ours['compile']:.1f}", ours["bytes"]]
        if args.pgx_python:
            sizes = ("--size", size, "--batch", batch, "--moves", PGX_MOVES, "--repeats", args.rounds)
            theirs = answer(args.pgx_python, PEERS / "go_pgx.py", *sizes)
            ratio = sorted(ours["rates"])[args.rounds // 2] / sorted(theirs["rates"])[args.rounds // 2]
            row += [spread(theirs["rates"], ",.0f"), theirs["bytes"], f"{ratio:.1f}"]
        rows.append(row)
    header = ["board", "batch", "logpi steps/s", "compile, s", "bytes/state", "pgx steps/s", "bytes/state", "ratio"]
    return table(header[: len(rows[0])], rows)


def agreements() -> str:
    """The table of games that agree with open_spiel."""
    rows = []
    for size, games in GAMES:
        found = answer(sys.executable, Path(__file__), "--own", "agreement", size, games)
        keys = ("games", "positions", "superko", "two passes", "cap", "first wins")
        rows.append([f"{size}x{size}", *(f"{found[key]:,}" for key in keys)])
    header = ["board", "games", "positions", "moves only superko forbids", "by two passes", "by the cap", "first wins"]
    return table(header, rows)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--pgx-python", help="interpreter of an environment with pgx and jax")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--own", nargs="+", help=argparse.SUPPRESS)
    args = flags.parse_args()
    if args.own:
        print(json.dumps(own(args.own[0], *map(int, args.own[1:]))))
        return
    software = {"open_spiel": versions(sys.executable, ["open-spiel"])}
    if args.pgx_python:
        software["pgx"] = versions(args.pgx_python, ["pgx", "jax"])
    parts = ["Steps/s: median of the rounds (least to greatest), CPU time of one thread.", speeds(args)]
    parts += ["Random games that agree in every mask, board, end and result with open_spiel:", agreements()]
    publish(args.results, "rules_go", "The rules of Go", software, parts)


if __name__ == "__main__":
    main()
