"""A Connect Four agent by outside yardsticks: a perfect solver, and plain Monte-Carlo tree search of OpenSpiel's.

    python bench/connect_four.py RUN [--simulations 800] [--games 200] [--perfect 100] [--name NAME]
    python bench/connect_four.py --peer torch/bin/python --azg alpha-zero-general [--minutes 30] [--core 1]
    python bench/connect_four.py --report

Measured of the *last* agent of a run: the share of value-keeping moves on the 3,076 test positions where the choice
matters (64 simulations a move, the network alone, and more simulations); a match against UCT with 1,000 rollouts,
colours balanced, each opening of four random moves played by both sides; games moved first from the empty board against
the perfect player, whose ties are broken at random. The curve is the run's own, on the validation positions. Needs the
extras `solver` and `test` (open_spiel). ``--peer``: alpha-zero-general learns for as many minutes, by its own loop and
settings on one core (`peers/azg_learning.py`), judged with as many simulations on 500 of the test positions.
"""

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from report import PEERS, answer, command_of, commit, machine, parser, publish, table

from logpi.arena.match import pair_counts, play_match
from logpi.arena.players.base import Referee, begin
from logpi.arena.players.make import make_player
from logpi.arena.players.mcts import AgentPlayer
from logpi.driver import devices
from logpi.games.agent import GameAgent, load_game_agent
from logpi.games.evaluation.connect_four_labels import agreement, labelled
from logpi.games.evaluation.rating import mean_score
from logpi.games.rules.make import make_game
from logpi.runs.files import atomic_write

ROLLOUTS = 1000
PEER_POSITIONS = 500  # it searches one at a time
GROUP = 769  # positions searched at once: a quarter of the test set


def agreements(agent: GameAgent) -> dict[str, Any]:
    """By simulations a move; 0 is the network's likeliest move."""
    positions = labelled("test")
    positions = type(positions)(*(field[positions.decision] for field in positions))
    count = len(positions.state)

    def chosen(simulations: int) -> np.ndarray[Any, Any]:
        found = []
        for start in range(0, count, GROUP):
            which = np.arange(start, start + GROUP) % count
            states = positions.state[which]
            if simulations:
                found.append(np.asarray(agent.search(states, simulations).action))
            else:
                found.append(agent.evaluate(states)[0].argmax(-1))
        return np.concatenate(found)[:count]

    return {str(n): agreement(chosen(n), positions)["decision"] for n in (0, 64, 256, 800)}


def against_perfect(agent: GameAgent, search: str, simulations: int, games: int) -> dict[str, Any]:
    """Games from the empty board, all of them moved first by the agent, by PUCT or Gumbel search without noise."""
    game = make_game("connect-four")
    referee, solver = Referee(game), make_player("solver", game, seed=0)
    config = dataclasses.replace(agent.config, play_search=search)
    player = AgentPlayer(GameAgent(game, config, agent.net, agent.params, agent.facts), "agent", simulations)
    live, results = [begin(game)] * games, []
    for ply in range(game.longest):
        answers = (player if ply % 2 == 0 else solver).choose(live)
        after = [referee.play(p, t.action) for p, t in zip(live, answers, strict=True)]
        ended = [referee.result(p) for p in after]
        results += [r for r in ended if r is not None]
        live = [p for p, r in zip(after, ended, strict=True) if r is None]
        if not live:
            break
    won, drawn = sum(r == 1 for r in results), sum(r == 0 for r in results)
    return {"search": search, "games": len(results), "won": won, "drawn": drawn, "simulations": simulations}


def against_uct(agent: GameAgent, simulations: int, games: int) -> dict[str, Any]:
    """The share of the points against OpenSpiel's MCTS."""
    game = make_game("connect-four")
    player = AgentPlayer(agent, "agent", simulations)
    results = play_match(game, player, make_player(f"openspiel-mcts:{ROLLOUTS}", game, seed=0), games, plies=4)
    share = mean_score(pair_counts(results))
    return {
        "games": games,
        "won": sum(r.score == 1 for r in results),
        "drawn": sum(r.score == 0.5 for r in results),
        "points": share.value,
        "low": share.low,
        "high": share.high,
        "simulations": simulations,
    }


def curve(run: Path) -> list[dict[str, float]]:
    """Validation by minutes of the run, whose clock begins anew in each of its pieces."""
    seconds, before, last = {}, 0.0, 0.0
    for r in _rows(run / "timing.jsonl"):
        if r["time/time_elapsed"] < last:
            before += last
        last = r["time/time_elapsed"]
        seconds[r["time/total_timesteps"]] = before + last
    return [
        {
            "minutes": seconds[r["time/total_timesteps"]] / 60,
            "moves": r["time/total_timesteps"],
            "share": r["eval/mean_reward"],
        }
        for r in _rows(run / "metrics.jsonl")
        if "eval/mean_reward" in r
    ]


def peer(args: argparse.Namespace) -> None:
    """Let alpha-zero-general learn, on one core."""
    import jax

    positions, folder = labelled("test"), args.results / "connect_four" / "peers"
    which = np.random.default_rng(0).permutation(np.flatnonzero(positions.decision))[:PEER_POSITIONS]
    mine, theirs = np.moveaxis(np.asarray(jax.vmap(make_game("connect-four").observe)(positions.state[which])), -1, 0)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file, out = Path(scratch) / "positions.npz", Path(scratch) / "curve.json"
        np.savez(file, board=(mine - theirs).astype(np.int8), keeping=positions.keeping[which])
        os.sched_setaffinity(0, {args.core})
        found = answer(
            args.peer,
            PEERS / "azg_learning.py",
            *("--source", args.azg, "--positions", file, "--minutes", args.minutes, "--out", out),
        )
    found |= {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "commit": commit(args.azg)}
    atomic_write(folder / "alpha-zero-general.json", (json.dumps(found, indent=1) + "\n").encode())


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, of one run."""
    agent = load_game_agent(args.run / "last")
    return {
        "agreement": agreements(agent),
        "uct": [against_uct(agent, n, args.games) for n in (64, args.simulations)],
        "perfect": [against_perfect(agent, search, args.simulations, args.perfect) for search in ("puct", "gumbel")],
        "curve": curve(args.run),
        "machine": machine(),
        "cores": json.loads((args.run / "manifest.json").read_text())["device"]["count"],
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": command_of(args.run),
        "method": agent.facts["method"],
        "network": agent.facts["network"],
    }


def report(results: Path) -> None:
    """The table of all outcomes, and their curves in one picture."""
    kept, peers = (sorted((results / "connect_four").glob(files)) for files in ("*.json", "peers/*.json"))
    draw(kept, peers, results / "connect_four" / "curve.png")
    rows = [row(path.stem, json.loads(path.read_text())) for path in kept]
    beside = [sentence(path.stem, json.loads(path.read_text())) for path in peers]
    header = [
        "run",
        "cores x minutes",
        "moves",
        "network %",
        "64 %",
        "800 %",
        "UCT, 64 %",
        "UCT, 800 %",
        "perfect, 800",
    ]
    commands = "\n".join(f"* {p.stem}: `{json.loads(p.read_text())['command']}`" for p in kept)
    publish(results, "connect_four", "Connect Four by outside yardsticks", {}, [table(header, rows), commands, *beside])


def row(name: str, outcome: dict[str, Any]) -> list[str]:
    """The table's line of a run."""
    share, (few, many), perfect = outcome["agreement"], outcome["uct"], outcome["perfect"]
    end = outcome["curve"][-1]
    return [
        name,
        f"{outcome['cores']} x {end['minutes']:.0f}",
        f"{end['moves']:,.0f}",
        *(
            f"{100 * share[n]['share']:.1f} ({100 * share[n]['low']:.1f} to {100 * share[n]['high']:.1f})"
            for n in ("0", "64", "800")
        ),
        *(f"{100 * m['points']:.1f} ({100 * m['low']:.1f} to {100 * m['high']:.1f})" for m in (few, many)),
        ", ".join(f"{m['search']} {m['won']} + {m['drawn']} drawn of {m['games']}" for m in perfect),
    ]


def sentence(name: str, found: dict[str, Any]) -> str:
    """What another library reached."""
    first, last = found["curve"][0], found["curve"][-1]
    return (
        f"* {name}, {last['minutes']:.0f} minutes of one core, {last['moves']:,} moves: "
        f"{100 * last['share']:.1f} % of {found['positions']} test positions with {found['simulations']} simulations, "
        f"{100 * first['share']:.1f} % before it had learnt (commit {found['commit']}; {found['date']}; "
        f"{found['machine']})"
    )


def draw(runs: Sequence[Path], peers: Sequence[Path], picture: Path) -> None:
    """The learning curves of all outcomes."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for line, paths in (("-", runs), ("--", peers)):
        for path in paths:
            found = json.loads(path.read_text())
            cores = found.get("cores", 1)
            minutes, shares = ([point[name] for point in found["curve"]] for name in ("minutes", "share"))
            label = f"{path.stem}, {cores} core{'s' * (cores > 1)}"
            axes.plot(minutes, [100 * share for share in shares], line, label=label)
    axes.set(
        xlabel="minutes",
        ylabel="value-keeping moves, % (validation, 64 simulations)",
        title="Connect Four from nothing",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="center right")
    figure.savefig(picture, dpi=120)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("run", type=Path, nargs="?")
    arguments.add_argument("--report", action="store_true", help="measure nothing")
    arguments.add_argument("--peer", metavar="PYTHON", help="with torch: let alpha-zero-general learn")
    arguments.add_argument("--azg", type=Path, metavar="DIR", help="a clone of suragnair/alpha-zero-general")
    arguments.add_argument("--minutes", type=float, default=30.0, help="of the peer")
    arguments.add_argument("--core", type=int, default=0, help="the peer's")
    arguments.add_argument("--name", default="", help="of the outcome's file; else the run folder's")
    arguments.add_argument("--simulations", type=int, default=800)
    arguments.add_argument("--games", type=int, default=200, help="against UCT")
    arguments.add_argument("--perfect", type=int, default=100, help="against the perfect player")
    args = arguments.parse_args()
    devices.prepare()
    if args.peer:
        peer(args)
    elif not args.report:
        if args.run is None:
            arguments.error("give a run's folder, or --report")
        outcome = measure(args)
        folder = args.results / "connect_four"
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / f"{args.name or args.run.name}.json", (json.dumps(outcome, indent=1) + "\n").encode())
    report(args.results)


if __name__ == "__main__":
    main()
