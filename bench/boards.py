"""A trained player of a board game against players from outside: one match after another, and the table of them all.

    python bench/boards.py RUN --opponent openspiel-mcts:1000 --opponent rhino:1 [--simulations 800] [--games 100]
    python bench/boards.py --report

Opponents are written as for ``logpi arena``; ``first`` is the run's own first stage. Each opening of random moves is
played by both sides. A match is kept as soon as it ends, so an interrupted measurement goes on where it was.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

from report import command_of, commit, machine, parser, publish, table

from logpi.arena.match import PLAYED_OUT, Result, pair_counts, play_match
from logpi.arena.players.make import make_player
from logpi.arena.players.mcts import AgentPlayer
from logpi.driver import devices
from logpi.games.agent import GameAgent, load_game_agent
from logpi.games.evaluation.rating import elo_difference, mean_score
from logpi.runs.files import atomic_write

ASKED = ("opponent", "moves", "simulations", "plies", "games")  # what tells one match from another


def against(agent: GameAgent, run: Path, opponent: str, args: argparse.Namespace) -> dict[str, Any]:
    """One match."""
    text = f"{min((run / 'stages').iterdir())}:{args.simulations}" if opponent == "first" else opponent
    other = make_player(text, agent.game, seed=0)
    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        print(f"{opponent}: {sum(r.score for r in results):g} of {len(results)}", flush=True)

    began = time.perf_counter()
    try:
        player = AgentPlayer(agent, "agent", args.simulations)
        results = play_match(
            agent.game, player, other, args.games, plies=args.plies, parallel_games=args.games, on_game=tell
        )
    finally:
        other.close()
    counts = pair_counts(results)
    share, elo = mean_score(counts), elo_difference(counts)
    return {
        "opponent": opponent,
        "moves": agent.facts["facts"]["timesteps"],  # a run that is cut has gone on since
        "simulations": args.simulations,
        "games": len(results),
        "plies": args.plies,
        "won": sum(r.score == 1 for r in results),
        "drawn": sum(r.score == 0.5 for r in results),
        "points": share.value,
        "low": share.low,
        "high": share.high,
        "elo": [value if math.isfinite(value) else None for value in elo],
        "forfeits": sum(r.reason != PLAYED_OUT for r in results),
        "forfeited_by_agent": sum(r.reason != PLAYED_OUT and r.score == 0 for r in results),
        "notes": sorted({f"{r.reason}: {r.note}" for r in results if r.reason != PLAYED_OUT}),
        "seconds": time.perf_counter() - began,
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
    }


def started(run: Path) -> str:
    """What tells one run from another."""
    moment: str = json.loads((run / "manifest.json").read_text())["started"]
    return moment


def begin(run: Path, agent: GameAgent) -> dict[str, Any]:
    """What is said of the run itself."""
    timing = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    seconds = [row["time/time_elapsed"] for row in timing]
    # a resumed run's clock begins anew: each piece's last reading counts
    pieces = [a for a, b in zip(seconds, [*seconds[1:], 0.0], strict=True) if b < a]
    return {
        "env": agent.game.id,
        "started": started(run),
        "cores": json.loads((run / "manifest.json").read_text())["device"]["count"],
        "minutes": sum(pieces) / 60,
        "machine": machine(),
        "command": command_of(run),
        "method": agent.facts["method"],
        "network": agent.facts["network"],
        "matches": [],
    }


def report(results: Path) -> None:
    """One row a match."""
    rows, commands = [], []
    for path in sorted((results / "boards").glob("*.json")):
        outcome = json.loads(path.read_text())
        commands.append(f"* {path.stem}: `{outcome['command']}`")
        for match in outcome["matches"]:
            rows.append(
                [
                    path.stem,
                    f"{outcome['cores']} x {outcome['minutes']:.0f}",
                    f"{match['moves']:,.0f}",
                    match["opponent"],
                    match["simulations"],
                    f"{match['won']} + {match['drawn']} drawn of {match['games']}",
                    f"{100 * match['points']:.1f} ({100 * match['low']:.1f} to {100 * match['high']:.1f})",
                    match["forfeits"],
                    match["date"],
                ]
            )
    header = ["run", "cores x minutes", "moves", "opponent", "simulations", "won", "points %", "forfeits", "date"]
    publish(results, "boards", "Board games by outside yardsticks", {}, [table(header, rows), "\n".join(commands)])


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("run", type=Path, nargs="?")
    arguments.add_argument("--report", action="store_true", help="play nothing")
    arguments.add_argument("--name", default="", help="of the outcome's file; else the run folder's")
    arguments.add_argument("--opponent", action="append", default=[])
    arguments.add_argument("--simulations", type=int, default=800)
    arguments.add_argument("--games", type=int, default=100)
    arguments.add_argument("--plies", type=int, default=2, help="random moves that begin each game")
    args = arguments.parse_args()
    devices.prepare()
    if not args.report:
        if args.run is None:
            arguments.error("give a run's folder, or --report")
        agent = load_game_agent(args.run / "last")
        path = args.results / "boards" / f"{args.name or args.run.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        outcome = json.loads(path.read_text()) if path.exists() else begin(args.run, agent)
        if outcome["started"] != started(args.run):
            arguments.error(f"{path} has the matches of another run; give another --name, or take it away")
        for opponent in args.opponent:
            asked = (opponent, agent.facts["facts"]["timesteps"], args.simulations, args.plies, args.games)
            if any(tuple(m[name] for name in ASKED) == asked for m in outcome["matches"]):
                continue
            outcome["matches"].append(against(agent, args.run, opponent, args))
            atomic_write(path, (json.dumps(outcome, indent=1) + "\n").encode())
    report(args.results)


if __name__ == "__main__":
    main()
