"""Expert records of Go: games between levels of GNU Go, both colours, from varied openings, as SGF.

    python bench/expert_records.py --out DIR [--game go-9x9] [--games 2000] [--levels 1 2 3 4 5] [--seed 0]

Needs the program gnugo (Debian: apt install gnugo). A file of DIR is a match: ten openings of two to ten random moves,
each played with both colours by two levels; level, length and openings are drawn from the seed and the match's number.
A second start goes on with the match that is missing; the same command gives the same games.

Training on them: logpi train go-9x9 --algo alphago --records DIR
"""

import argparse
import contextlib
import os
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

from logpi.arena.match import Result, play_match
from logpi.arena.players.base import Player
from logpi.arena.players.make import make_player
from logpi.driver import devices
from logpi.errors import LogpiError
from logpi.games.records.files import append
from logpi.games.records.record import Record
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game

A_MATCH = 20  # games
PLIES = (2, 11)  # random moves of an opening: from, and below


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the records")
    asked.add_argument("--game", default="go-9x9", help="go-NxN")
    asked.add_argument("--games", type=int, default=2000, help="number of games, a multiple of 20")
    asked.add_argument("--levels", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="levels of GNU Go, 0 to 10")
    asked.add_argument("--seed", type=int, default=0, help="seed of levels, openings and GNU Go's choices")
    options = asked.parse_args()
    devices.prepare()
    try:
        game, began, made = make_game(options.game), time.monotonic(), 0
        for number in range(-(-options.games // A_MATCH)):
            path = options.out / f"match-{number:05}.sgf"
            if path.exists():
                continue
            made += play(game, path, options.levels, options.seed, number)
            pace = (time.monotonic() - began) / made
            print(f"{path}: {(number + 1) * A_MATCH:,} of {options.games:,} games, {pace:.2f} s a game", flush=True)
    except LogpiError as error:
        print(f"expert_records: {error}", file=sys.stderr)
        return 1
    return 0


def play(game: Game, path: Path, levels: list[int], seed: int, number: int) -> int:
    """Play match ``number`` into ``path``, which appears once it is over; returns the number of games."""
    drawn = np.random.default_rng((seed, number))
    # two different ones, if there are: a level that plays itself plays the same game with both colours
    pair = [f"gnugo:{level}" for level in drawn.choice(levels, 2, replace=len(levels) < 2)]
    plies, openings, *seeds = (int(drawn.integers(*PLIES)), *drawn.integers(0, 2**31 - 1, 3).tolist())
    with contextlib.ExitStack() as stack:
        players = [make_player(name, game, own) for name, own in zip(pair, seeds, strict=True)]
        for player in players:
            stack.callback(player.close)
        results = play_match(game, *players, games=A_MATCH, plies=plies, seed=openings, parallel_games=1)
    begun = path.with_suffix(".part")
    begun.unlink(missing_ok=True)
    for result in results:
        append(begun, recorded(game, players, result))
    os.replace(begun, path)
    return len(results)


def recorded(game: Game, players: list[Player], result: Result) -> Record:
    """The record of one game."""
    first, second = players[result.first], players[1 - result.first]
    fields = (result.actions, result.outcome, result.plies, result.reason, result.note)
    return Record(game.id, (first.name, second.name), *fields, date.today().isoformat(), margin=result.margin)


if __name__ == "__main__":
    sys.exit(main())
