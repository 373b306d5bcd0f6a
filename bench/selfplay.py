"""Connect Four self-play end to end: simulations/s and positions/s against games side by side, simulations and cores.

    python bench/selfplay.py --torch-python torch/bin/python --azg alpha-zero-general [--seconds 5] [--repeats 3]

The programs are those that training runs: search (Gumbel), rules and the network (residual MLP, three blocks of 256)
play 16 moves of every game, then learn from the window, each move four times on average. Clocked apart: playing alone,
and both. Untrained networks on both sides: games of the same kind. The peer plays alpha-zero-general's own self-play,
one position at a time, without learning (`peers/azg_connect_four.py`). Wall clock; a simulation is one leaf of a tree.
Two cores are compared with one at as many games a core (with as many in all, each core would have half the batch), by
medians of the repeats, in turn; all other settings are clocked once.

`--own …` is what the script calls itself: it prints one JSON line.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from report import PEERS, answer, commit, parser, publish, settle, table, versions

GAMES = (64, 128, 256, 512, 1024)
SIMULATIONS = (16, 32, 64, 128)
USUAL = (256, 32)  # games and simulations by which the goals are judged
WANTED = {"simulations": 60_000, "peer": 50, "cores": 1.7}


def own(games: int, simulations: int, cores: int, seconds: float) -> dict[str, Any]:
    """Rates of playing alone, and with learning, in this process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    from logpi.driver import devices

    devices.prepare()
    import jax

    from logpi.driver.driver import Driver
    from logpi.driver.progress import Progress
    from logpi.games.evaluation.evaluators import Evaluators, by_games
    from logpi.games.methods.alphazero import AlphaZero, alphazero
    from logpi.games.process import self_play_process
    from logpi.games.rules.make import make_game
    from logpi.games.settings import BoardNetwork

    config = AlphaZero(n_games=games, simulations=simulations, search="gumbel", playout_cap_simulations=0)
    game, net = make_game("connect-four"), BoardNetwork(torso="mlp", units=256, blocks=3)
    method = alphazero(config, net, game, cores)
    evaluator = by_games(game, method.search, simulations=1, opponent_simulations=1, parallel_games=2)
    rows = games * config.n_steps
    driver = Driver(self_play_process(method, Evaluators(evaluator, evaluator), rows, cores), [0])
    state, _, _ = driver.iterate(driver.init(), Progress())
    settle(driver)
    before, iteration = dict(driver.seconds), 0
    begun, used = time.perf_counter(), time.process_time()
    playing = learning = 0.0
    while playing + learning < seconds:
        iteration += 1
        state, _, _ = driver.iterate(state._replace(metrics={}), Progress(iteration))
        playing, storing, updating = (driver.seconds[name] - before[name] for name in ("self-play", "store", "update"))
        learning = storing + updating
    share = (time.process_time() - used) / (time.perf_counter() - begun) / cores
    positions = iteration * rows
    return {
        "share_of_core": share,
        "playing": positions / playing,
        "both": positions / (playing + learning),
        "compile": driver.seconds["compile"],
        "parameters": sum(x.size for x in jax.tree.leaves(state.learner.params)),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--torch-python", metavar="PYTHON")
    arguments.add_argument("--azg", type=Path, metavar="DIR", help="a clone of suragnair/alpha-zero-general")
    arguments.add_argument("--seconds", type=float, default=5.0, help="of one measurement, at least")
    arguments.add_argument("--repeats", type=int, default=3, help="of what two cores are compared by")
    arguments.add_argument("--games", type=int, nargs="+", default=GAMES)
    arguments.add_argument("--simulations", type=int, nargs="+", default=SIMULATIONS)
    arguments.add_argument("--cores", type=int, nargs="+", default=(1, 2))
    arguments.add_argument("--own", nargs=3, type=int, help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.own:
        print(json.dumps(own(*args.own, args.seconds)))
        return
    peers: dict[int, Any] = {}
    ours: dict[tuple[int, int, int], Any] = {}
    for simulations in args.simulations:
        if args.torch_python:
            flags = ("--source", args.azg, "--simulations", simulations, "--seconds", 2 * args.seconds)
            peers[simulations] = answer(args.torch_python, PEERS / "azg_connect_four.py", *flags)
        repeats: dict[tuple[int, int, int], list[dict[str, Any]]] = {}
        for repeat, games, cores in itertools.product(range(args.repeats), args.games, args.cores):
            if repeat and (games, simulations) != (cores * USUAL[0], USUAL[1]):
                continue
            flags = ("--seconds", args.seconds, "--own", games, simulations, cores)
            found = answer(sys.executable, Path(__file__), *flags)
            repeats.setdefault((games, simulations, cores), []).append(found)
        ours |= {setting: medians(found) for setting, found in repeats.items()}
    software = {}
    if peers:
        software["alpha-zero-general"] = f"commit {commit(args.azg)}; {versions(args.torch_python, ('torch', 'numpy'))}"
    alone = [found["share_of_core"] for (_, _, cores), found in ours.items() if cores == 1]
    shares = [*alone, *(peer["share_of_core"] for peer in peers.values())]
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    if shares:
        about += f" On one core the processes had {min(shares):.0%} to {max(shares):.0%} of it."
    parts = [goals(ours, peers), everything(ours, args), *([beside(ours, peers)] if peers else []), about]
    publish(args.results, "selfplay", "Self-play of Connect Four", software, parts)


def medians(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each number of several repeats."""
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def goals(ours: dict[tuple[int, int, int], Any], peers: dict[int, Any]) -> str:
    """What was wanted, of the usual setting, where it was measured."""
    games, simulations = USUAL
    one, two = (ours.get((cores * games, simulations, cores)) for cores in (1, 2))
    rows: list[list[object]] = []
    if one:
        rate = simulations * one["playing"]
        rows.append(["simulations/s a core, playing", f"{rate:,.0f}", f"{WANTED['simulations']:,}"])
    if one and simulations in peers:
        ratio = one["playing"] / peers[simulations]["positions_per_second"]
        rows.append(["positions/s, over alpha-zero-general's", f"{ratio:.0f}", WANTED["peer"]])
    if one and two:
        rows.append(["two cores over one, playing", f"{two['playing'] / one['playing']:.2f}", WANTED["cores"]])
        rows.append(["two cores over one, with learning", f"{two['both'] / one['both']:.2f}", ""])
    return table([f"{games} games a core, {simulations} simulations a move", "measured", "wanted"], rows)


def everything(ours: dict[tuple[int, int, int], Any], args: argparse.Namespace) -> str:
    """The table of all settings."""
    rows = []
    for simulations, games in itertools.product(args.simulations, args.games):
        row: list[object] = [simulations, games]
        for cores in args.cores:
            found = ours[games, simulations, cores]
            row += [f"{simulations * found['playing'] / 1e3:,.1f}", f"{found['playing']:,.0f}"]
            row += [f"{simulations * found['both'] / 1e3:,.1f}", f"{found['both']:,.0f}"]
        rows.append(row)
    header = ["simulations", "games"]
    for cores in args.cores:
        name = "one core" if cores == 1 else f"{cores} cores"
        header += [f"{name}: k simulations/s", "positions/s", "with learning: k simulations/s", "positions/s"]
    return table(header, rows)


def beside(ours: dict[tuple[int, int, int], Any], peers: dict[int, Any]) -> str:
    """The table of the peer's rates, and of ours at the usual number of games."""
    rows = []
    for simulations, peer in peers.items():
        row: list[object] = [simulations, f"{peer['positions_per_second']:.1f}"]
        row += [f"{simulations * peer['positions_per_second'] / 1e3:.2f}", peer["games"], f"{peer['moves_a_game']:.0f}"]
        if found := ours.get((USUAL[0], simulations, 1)):
            row += [f"{found[what] / peer['positions_per_second']:.0f}" for what in ("playing", "both")]
            row.append(f"{found['parameters']:,.0f} and {peer['parameters']:,}")
        rows.append(row)
    header = ["simulations", "alpha-zero-general: positions/s", "k simulations/s", "its games", "moves a game"]
    header += [f"logpi, {USUAL[0]} games, over it: playing", "with learning", "parameters, logpi's and its"]
    return table(header[: max(map(len, rows))], rows)


if __name__ == "__main__":
    main()
