"""`logpi analyze` on recorded games of Connect Four, by a perfect solver.

    python bench/analyze_connect_four.py RUN [--games 200] [--simulations 800] [--players mcts:24 mcts:96] [--seed 0]

RUN is a run of Connect Four, or an agent's folder. Two players of plain search, after two random moves, play the games;
every move counts, those of the opening too. A move loses value where the solver's value after it (win, draw or loss) is
below the one before it. Of these moves, the share that `analyze` marks as a mistake or a blunder is the recall; of the
moves that it marks, the share that loses value is the precision. Thresholds other than the default are shown on the
same games: they are not chosen on them. Needs the extra `solver`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from report import parser, publish, table
from scipy import stats

from logpi.arena.analysis.api import analyze
from logpi.arena.analysis.judgement import MARKS, Judgement
from logpi.arena.match import play_match
from logpi.arena.players.make import make_player
from logpi.arena.players.solver import Solver
from logpi.arena.replay import replay
from logpi.driver import devices
from logpi.games.agent import load_game_agent
from logpi.games.evaluation.connect_four_labels import agreement, labelled
from logpi.games.records.record import Record
from logpi.games.rules.make import make_game
from logpi.runs.lookup import agent_folder

OPENING = 2  # random moves
GROUPS = ((0, 7), (8, 15), (16, 23), (24, 41))  # numbers of stones on the board


def games_of(args: argparse.Namespace) -> list[Record]:
    """The games, which the seed decides."""
    game = make_game("connect-four")
    players = [make_player(text, game, args.seed + k) for k, text in enumerate(args.players)]
    results = play_match(game, *players, games=args.games, plies=OPENING, seed=args.seed)
    return [Record(game.id, ("", ""), r.actions, r.outcome, r.plies) for r in results]


def losses(records: Sequence[Record]) -> list[np.ndarray[Any, Any]]:
    """[moves] of each game: how much of the value (win 1, draw 0, loss -1) each move loses by the solver: 0, 1 or 2."""
    solver, found = Solver(), []
    for record in records:
        lost = []
        for position, action in zip(replay(record)[:-1], record.actions, strict=True):
            scores = solver.scores(position.state)
            lost.append(int(np.sign(scores.max())) - int(np.sign(scores[action])))
        found.append(np.array(lost))
    return found


def share(right: int, of: int) -> str:
    """A share in per cent with its 95 % interval (Wilson)."""
    if not of:
        return "none"
    interval = stats.binomtest(right, of).proportion_ci(method="wilson")
    return f"{100 * right / of:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f}), {right} of {of}"


def row(name: str, lost: np.ndarray[Any, Any], marked: np.ndarray[Any, Any]) -> list[str]:
    """Recall and precision."""
    both = int((lost & marked).sum())
    return [name, share(both, int(lost.sum())), share(both, int(marked.sum()))]


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("run")
    asked.add_argument("--games", type=int, default=200)
    asked.add_argument("--simulations", type=int, default=800)
    asked.add_argument("--players", nargs=2, default=["mcts:24", "mcts:96"])
    asked.add_argument("--seed", type=int, default=0)
    args = asked.parse_args()
    devices.prepare()
    agent = load_game_agent(agent_folder(args.run))
    records = games_of(args)
    began = time.perf_counter()
    analyses = analyze(agent, records, simulations=args.simulations)
    seconds = time.perf_counter() - began
    judged: list[Judgement] = [one for its in analyses for one in its.positions if one.played is not None]
    lost = np.concatenate(losses(records)) > 0
    loss, turn = (np.array([getattr(one, name) for one in judged]) for name in ("loss", "turn"))
    least = {name: value for value, name in MARKS}["mistake"]
    marked = np.array([one.is_mistake for one in judged])
    thresholds = [row(f"{50 * t:.0f} %", lost, loss >= t) for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)]
    groups = [
        row(f"{low} to {high}", lost[at], marked[at]) for low, high in GROUPS for at in [(low <= turn) & (turn <= high)]
    ]
    test = labelled("test")
    moves = np.concatenate([np.asarray(agent.search(test.state[k : k + 512]).action) for k in range(0, 3072, 512)])
    known = agreement(moves, type(test)(*(field[: len(moves)] for field in test)))["decision"]
    header = ["", "recall, %", "precision, %"]
    publish(
        args.results,
        "analyze_connect_four",
        "Mistakes in Connect Four, by a perfect solver",
        {},
        [
            f"{len(records)} games of {args.players[0]} against {args.players[1]}, {len(judged):,} moves, of which "
            f"{int(lost.sum()):,} lose value; {args.simulations} simulations a position, {seconds:.0f} s in all. The "
            f"agent ({agent.facts['algo']}, {agent.facts['facts'].get('timesteps', 0):,} moves of training) keeps the "
            f"value in {100 * known['share']:.1f} % of labelled positions with {agent.config.eval_simulations} "
            "simulations.",
            table(header, [row(f"marked: {50 * least:.0f} % or more", lost, marked)]),
            "By stones on the board before the move:",
            table(header, groups),
            "By the loss from which a move would be marked, on the same games:",
            table(header, thresholds),
        ],
    )


if __name__ == "__main__":
    main()
