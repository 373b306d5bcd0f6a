"""Are the rules of the board games right, and how fast are they?

    python bench/rules.py [--pgx-python PATH] [--games 10000]

Random games are replayed move by move by OpenSpiel (tests/support/oracle.py). Then random play is timed, each game and
each contestant in a process of its own. Without --pgx-python there is no peer.
"""

import argparse
import os
import sys
import time
from typing import Any

from report import BENCH, PEERS, answer, parser, publish, spread, table, versions

sys.path.insert(0, str(BENCH.parent / "tests"))

CHUNK = 500  # games in memory at once
TIMED = ("tic-tac-toe", "connect-four", "othello", "hex-11x11")
QUIET = {"JAX_PLATFORMS": "cpu", "NPROC": "1"}


def checked(name: str, games: int) -> list[object]:
    """One row: games and moves that OpenSpiel confirms, the longest game, and seconds."""
    import oracle

    from logpi.games.rules.make import make_game

    game, begun = make_game(name), time.perf_counter()
    found, moves = [], []
    for seed in range(-(-games // CHUNK)):
        count = min(CHUNK, games - seed * CHUNK)
        played = oracle.play(game, count, seed)
        for n in range(count):
            wrong, length = oracle.disagreement(name, game, played, n)
            moves.append(length)
            if wrong is not None:
                found.append(wrong)
    for wrong in found[:3]:
        print(wrong, file=sys.stderr)
    seconds = f"{time.perf_counter() - begun:.0f}"
    return [name, f"{games:,}", f"{sum(moves):,}", max(moves), game.longest, len(found), seconds]


def timed(args: argparse.Namespace, name: str) -> list[object]:
    """One row: rates of random play, compile seconds and bytes a state, logpi and pgx in turns."""
    contestants = {"logpi": sys.executable} | ({"pgx": args.pgx_python} if args.pgx_python else {})
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in contestants}
    for _ in range(args.rounds):
        for who, python in contestants.items():
            found[who].append(answer(python, PEERS / "random_games.py", who, name, env=QUIET))
    row: list[object] = [name]
    for runs in found.values():
        row += [spread([run["rate"] / 1e6 for run in runs]), spread([run["compile"] for run in runs], ".1f")]
        row.append(runs[0]["bytes"])
    return row


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--games", type=int, default=10_000, help="random games of each kind against OpenSpiel")
    arguments.add_argument("--rounds", type=int, default=3, help="of the timing")
    arguments.add_argument("--pgx-python", metavar="PATH", help="interpreter of an environment with pgx")
    args = arguments.parse_args()
    os.environ.update(QUIET)
    rates = [timed(args, name) for name in TIMED]
    import oracle

    correct = [checked(name, args.games) for name in oracle.ORACLES]
    columns = ["", "M steps/s", "compile s", "bytes"]
    columns += ["pgx M steps/s", "compile s", "bytes"] if args.pgx_python else []
    parts = [
        "Random games replayed by OpenSpiel: board, legal moves, player to move, end and outcome at every move.",
        table(["", "games", "moves", "longest seen", "`longest`", "disagreements", "s"], correct),
        "Random play on one core, 256 games side by side, begun again as they end: the first legal action at or after "
        "a random one. Steps per second of CPU time; compile time of the whole program; bytes of one state.",
        table(columns, rates),
    ]
    software = {"OpenSpiel": versions(sys.executable, ["open-spiel"])}
    if args.pgx_python:
        software["pgx"] = versions(args.pgx_python, ["pgx", "jax"])
    publish(args.results, "rules", "Rules of the board games", software, parts)
    if any(row[5] for row in correct):
        raise SystemExit("the rules disagree with OpenSpiel")


if __name__ == "__main__":
    main()
