"""What KataGo's gains are worth in Go 7x7 at equal minutes: variants of the recipe of 9x9 against the recipe itself.

    python bench/go_choices.py --work DIR [--minutes 5] [--seeds 2] [--games 128] [--only base …]

Each variant trains for the same time on one core, at a constant learning rate. Its last agent then meets that of the
recipe with the same seed, 64 simulations a move, each opening of two random moves played by both sides. Runs and
outcomes are kept in DIR: a second start goes on.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from report import publish, table
from selfplay_choices import choices_parser, file_name, on_one_core, trained

from logpi.arena.match import pair_counts, play_match
from logpi.arena.players.mcts import AgentPlayer
from logpi.games.agent import load_game_agent
from logpi.games.evaluation.rating import mean_score

GAME, SIMULATIONS, PLIES = "go-7x7", 64, 2
RECIPE = [
    *[
        "--simulations",
        "32",
        "--playout-cap-simulations",
        "6",
        "--playout-cap-probability",
        "0.6",
        "--max-considered-actions",
        "12",
    ],
    *[
        "--td-lambda",
        "0.98",
        "--random-opening-fraction",
        "0.8",
        "--random-opening-plies",
        "42",
        "--replay-size",
        "150000",
    ],
    *["--batch-size", "256", "--torso", "tower", "--units", "32", "--blocks", "4"],
    *["--score-utility-weight", "0.3", "--ownership-coef", "1"],
]
VARIANTS: dict[str, tuple[str, list[str]]] = {
    "base": ("Go 9x9's recipe: playout cap 6 and 32, margin 0.3, ownership", []),
    "no ownership": ("ownership and score are not learnt", ["--ownership-coef", "0"]),
    "no margin": ("the outcome alone is the value", ["--score-utility-weight", "0"]),
    "no playout cap": (
        "as many simulations on average, all moves learnt from",
        ["--simulations", "16", "--playout-cap-simulations", "0"],
    ),
}


def run_of(args: argparse.Namespace, name: str, seed: int) -> tuple[Path, dict[str, Any]]:
    """The run, trained if it has not been."""
    kept = args.work / f"{file_name(name)}-{args.minutes:g}-{seed}.json"
    if not kept.exists():
        run, last = trained(GAME, kept.with_suffix(""), [*RECIPE, *VARIANTS[name][1]], seed, args.minutes)
        kept.write_text(json.dumps({"run": str(run), "last": last}))
    outcome = json.loads(kept.read_text())
    return Path(outcome["run"]), outcome["last"]


def match(args: argparse.Namespace, name: str, seed: int) -> tuple[int, ...]:
    """How many pairs of games gave 0, 1/2, … 2 points against the recipe's agent."""
    kept = args.work / f"{file_name(name)}-{args.minutes:g}-{seed}-{args.games}-match.json"
    if not kept.exists():
        agents = [load_game_agent(run_of(args, who, seed)[0] / "last") for who in (name, "base")]
        players = [AgentPlayer(agent, who, SIMULATIONS) for agent, who in zip(agents, (name, "base"), strict=True)]
        results = play_match(agents[0].game, *players, args.games, plies=PLIES, seed=seed, parallel_games=args.games)
        kept.write_text(json.dumps(pair_counts(results)))
    return tuple(json.loads(kept.read_text()))


def main() -> None:
    arguments = choices_parser(__doc__, VARIANTS, minutes=5.0, seeds=2)
    arguments.add_argument("--games", type=int, default=128)
    args = arguments.parse_args()
    on_one_core(args.core)
    rows = []
    for name in args.only:
        moves = np.mean([run_of(args, name, seed)[1]["time/total_timesteps"] for seed in range(args.seeds)])
        row = [name, VARIANTS[name][0], f"{moves:,.0f}"]
        if name != "base":
            pairs = np.array([match(args, name, seed) for seed in range(args.seeds)])
            each = [f"{100 * mean_score(tuple(counts)).value:.0f}" for counts in pairs]
            share = mean_score(tuple(pairs.sum(0)))
            row += [f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})", ", ".join(each)]
        rows.append(row if name != "base" else [*row, "", ""])
    header = ["variant", "what it changes", "moves", "points % against base", "seed by seed"]
    title = f"Choices of self-play: Go 7x7, {args.minutes:g} minutes of one core, {args.seeds} seeds"
    publish(args.results, "go_choices", title, {}, [table(header, rows)])


if __name__ == "__main__":
    main()
