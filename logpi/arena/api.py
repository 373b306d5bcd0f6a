"""``play_tournament``: matches between players, and how strong each is; without flags and without printing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

from logpi.arena import folder as folders
from logpi.arena.match import Result
from logpi.arena.players.base import Player
from logpi.arena.players.make import SECONDS, make_player
from logpi.arena.report import Json, Report, report
from logpi.arena.tournament import Duel, SequentialTest, Settings, pairings, play_all
from logpi.errors import LogpiError
from logpi.games.records.files import append, suffix
from logpi.games.records.record import Record
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.own_code import name_code

MAX_GAP = 2  # places between snapshots that meet
SEEDS = 2**31  # seeds of players are smaller


class Watcher(Protocol):
    """Receiver of a tournament's progress."""

    def begin(self, games: int, longest: int) -> None:
        """``games`` at most will be played, of at most ``longest`` moves each."""
        ...

    def game(self, moves: int) -> None:
        """A game has ended, ``moves`` after its opening."""
        ...

    def moved(self, moves: int) -> None:
        """A player has made ``moves``, each in another game."""
        ...


class Silent:
    """A ``Watcher`` that shows nothing."""

    def begin(self, games: int, longest: int) -> None: ...

    def game(self, moves: int) -> None: ...

    def moved(self, moves: int) -> None: ...


class Tournament(NamedTuple):
    """Matches and their result."""

    game: str  # its id
    settings: Settings
    duels: list[Duel]  # every game
    report: Report  # scores and Elo of the players and matches
    folder: Path | None  # where games, result.json and elo.png are

    def to_json(self) -> Json:
        """All but the games themselves, as ``result.json`` has it."""
        return {
            "game": self.game,
            "openings": self.settings.plies,
            "seed": self.settings.seed,
            **self.report.to_json(),
            "folder": None if self.folder is None else str(self.folder),
        }


def play_tournament(
    game: str | Game,
    players: Sequence[str | Player],
    *,
    games: int = 100,
    openings: int = 4,
    seed: int = 0,
    test: SequentialTest | None = None,
    anchor: str = "",
    snapshots_of: str = "",
    snapshots: int = 8,
    seconds: float = SECONDS,
    parallel_games: int = 128,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
) -> Tournament:
    """Play every two of the players against each other, each opening with both colours, and rate them.

    Args:
        game: a name as ``make_game`` takes it, or the rules.
        players: two or more, as ``make_player`` takes them, or players, which are not closed.
        games: number of games per pair of players, even.
        openings: number of random plies with which each game begins.
        seed: seed of the openings and of the players' random choices.
        test: sequential test that ends a match as soon as it is decided.
        anchor: name of the player whose Elo is 0; by default the mean is 0.
        snapshots_of: run whose agents at its periodic evaluations play too, before the other players.
        snapshots: number of these agents; each meets the two before it and the two after it.
        seconds: time limit of an external engine's answer, in seconds.
        parallel_games: number of games of a match that are played in parallel.
        out: folder for games, ``result.json`` and ``elo.png``; "" for a new one in ``arena/``, None for no files.
        watcher: receives the progress.

    Raises:
        LogpiError: no such game, player or anchor, settings out of range, or the disk refuses.
    """
    if isinstance(game, str):
        name_code(game)
    rules = make_game(game) if isinstance(game, str) else game
    chosen = [*(folders.snapshots(snapshots_of, snapshots) if snapshots_of else ()), *players]
    settings = Settings(games, openings, seed, parallel_games, test)
    with contextlib.ExitStack() as closing:
        playing = [_player(one, rules, (seed + k) % SEEDS, seconds, closing) for k, one in enumerate(chosen)]
        names = [player.name for player in playing]
        if anchor and anchor not in names:
            raise LogpiError(f"the anchor {anchor!r} does not play; allowed: {', '.join(names)}")
        folder = None if out is None else folders.new_folder(rules.title, out)
        if folder is not None:
            closing.callback(folders.remove_if_empty, folder)
        duels = _play(rules, playing, settings, folder, watcher or Silent(), MAX_GAP if snapshots_of else 0)
    found = report(names, duels, names.index(anchor) if anchor else None, test)
    tournament = Tournament(rules.id, settings, duels, found, folder)
    if folder is not None:
        folders.save(folder, rules.title, tournament.to_json(), found, names if snapshots_of else None)
    return tournament


def _player(one: str | Player, game: Game, seed: int, seconds: float, closing: contextlib.ExitStack) -> Player:
    if not isinstance(one, str):
        return one
    player = make_player(one, game, seed, seconds)
    closing.callback(player.close)
    return player


def _play(
    game: Game, players: Sequence[Player], settings: Settings, folder: Path | None, watcher: Watcher, max_gap: int
) -> list[Duel]:
    """Play it all, and save every game as it ends."""
    path = None if folder is None else folder / f"games{suffix(game)}"
    watcher.begin(settings.games * len(pairings(len(players), max_gap)), game.longest)

    def on_game(a: int, b: int, result: Result) -> None:
        if path is not None:
            first, second = (players[k].name for k in ((a, b) if result.first == 0 else (b, a)))
            fields = (result.actions, result.outcome, result.plies, result.reason, result.note)
            append(path, Record(game.id, (first, second), *fields, date.today().isoformat(), margin=result.margin))
        watcher.game(len(result.actions) - result.plies)

    try:
        return play_all(game, players, settings, on_game, watcher.moved, max_gap)
    except KeyboardInterrupt as interrupt:
        what = "" if path is None else f"the games that were over are in {path}"
        raise KeyboardInterrupt(what) from interrupt
