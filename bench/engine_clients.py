"""Do the engines keep to their protocols and their clocks under real clients?

    python bench/engine_clients.py --work engine-work [--only PART …] [--blitz-games 200] [--searches 1000]

Engines with untrained networks are driven by python-chess, by cshogi's client, by a referee of GTP with GNU Go, and by
lines that are interrupted, timed or damaged. Each part's outcome is kept in --work: a second start makes the missing
ones alone. A fault ends the script with an error.
"""

import argparse
import functools
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_parts as parts
import engine_programs as programs
from engine_session import make_agent
from report import parser, publish, table, versions

Rows = list[list[object]]


def stops(args: argparse.Namespace, network: str) -> Rows:
    """One row: searches, and milliseconds from stop to answer: median, 99th percentile and most."""
    found = parts.interrupted(make_agent(args.work, "chess", network), args.searches)
    figures = statistics.median(found), found[int(0.99 * len(found))], found[-1]
    return [[network, len(found), *(f"{1000 * seconds:.1f}" for seconds in figures)]]


def damaged(args: argparse.Namespace, protocol: str, game: str) -> Rows:
    agent = make_agent(args.work, game, "trivial")
    return [parts.fuzzed(protocol, agent, args.lines, (args.work / "mark").resolve())]


def controls(args: argparse.Namespace) -> Rows:
    return parts.grid({game: make_agent(args.work, game, "trivial") for game in ("chess", "shogi")}, args.most_moves)


def others(args: argparse.Namespace) -> Rows:
    found, agent = [], make_agent(args.work, "shogi", "trivial")
    for opponent in ("", programs.program("fairy-stockfish")):
        if opponent or not found:
            found.append(programs.cshogi_client(agent, args.games, opponent, args.work.resolve()))
    return found


def blitz(args: argparse.Namespace) -> Rows:
    opponent = programs.program("stockfish", "fairy-stockfish")
    return [programs.blitz(make_agent(args.work, "chess", "trivial"), args.blitz_games, opponent)]


DAMAGE = (
    "Damaged lines: words of the protocol in any order, valid lines with other letters, noise, orders to a shell, "
    "very long lines. Every 250 lines the engine was asked whether it lives; the slowest answer in seconds; the "
    "move that it played afterwards."
)


PARTS: dict[str, tuple[str, list[str], Callable[[argparse.Namespace], Rows]]] = {
    "python-chess": (
        "python-chess (`chess.engine`) drives the engine of chess.",
        ["asked for", "times", "wrong"],
        lambda args: programs.python_chess(make_agent(args.work, "chess", "trivial"), args.games),
    ),
    "blitz": (
        "Games of 1 s + 0.1 s by python-chess, colours in turn, against an engine at its weakest level with 200 nodes "
        "a move. Time is the client's, from its call to the move; moves and least time left are our engine's.",
        ["against", "games", "moves", "ends", "least s left", "s"],
        blitz,
    ),
    **{
        f"stops-{network}": (
            "From `stop` to `bestmove`, in milliseconds, of searches of chess interrupted at random moments.",
            ["network", "searches", "median", "99th percentile", "most"],
            functools.partial(stops, network=network),
        )
        for network in ("trivial", "tower")
    },
    "controls": (
        "Games against random moves with clocks: seconds used, their share of all that the engine was given until its "
        "last move, and the least time that was left when a move arrived.",
        ["game", "time", "moves", "s used", "share", "least ms left", "flag fell"],
        controls,
    ),
    "movetimes": (
        "`go movetime`: milliseconds until the move arrived.",
        ["seconds", "moves", "median", "most", "late"],
        lambda args: parts.movetimes(make_agent(args.work, "chess", "trivial"), 40),
    ),
    **{
        f"damage-{protocol}": (
            DAMAGE if protocol == "uci" else "The same.",
            ["protocol", "lines", "asked", "slowest s", "move"],
            functools.partial(damaged, protocol=protocol, game=game),
        )
        for protocol, game in (("uci", "chess"), ("usi", "shogi"), ("gtp", "go-9x9"))
    },
    "cshogi": (
        "cshogi's client drives the engine of shogi, 0.1 s a move, colours in turn; Fairy-Stockfish has 200 nodes.",
        ["against", "games", "moves", "ends", "slowest ms"],
        others,
    ),
    "gnugo": (
        "A referee that knows GTP alone lets the engine of Go 9x9 (50 simulations a move) play GNU Go at level 1. The "
        "scores differ where GNU Go takes stones for dead that stand on the board.",
        ["games", "moves", "ends"],
        lambda args: [programs.gnugo(make_agent(args.work, "go-9x9", "trivial"), args.games, 50)],
    ),
    "sabaki": (
        "Sabaki's commands in its order, and whether each answer was good and ended with exactly two line breaks.",
        ["command", "answer", "good"],
        lambda args: programs.sabaki(make_agent(args.work, "go-9x9", "trivial")),
    ),
}


def outcome(args: argparse.Namespace, name: str) -> Any:
    """The rows of a part, which is made unless it is kept."""
    path = args.work / f"{name}.json"
    if not path.exists() and (not args.only or name in args.only):
        print(f"{name} …", file=sys.stderr, flush=True)
        path.write_text(json.dumps(PARTS[name][2](args)))
    return json.loads(path.read_text()) if path.exists() else None


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, required=True, help="where agents and outcomes are kept")
    arguments.add_argument("--only", nargs="*", choices=[*PARTS], help="parts to make")
    arguments.add_argument("--games", type=int, default=10, help="of python-chess, cshogi and GNU Go")
    arguments.add_argument("--blitz-games", type=int, default=200)
    arguments.add_argument("--searches", type=int, default=1000, help="that are interrupted, with each network")
    arguments.add_argument("--most-moves", type=int, default=80, help="of a game with a clock")
    arguments.add_argument("--lines", type=int, default=10_000, help="damaged ones of each protocol")
    args = arguments.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    shown = list[str]()
    for name, (text, head, _) in PARTS.items():
        rows = outcome(args, name)
        if rows is not None:
            shown += [f"## {name}", text, table(head, rows)]
    software = {"clients": versions(sys.executable, ["chess", "cshogi"])}
    publish(args.results, "engine_clients", "Engines under real clients", software, shown)


if __name__ == "__main__":
    main()
