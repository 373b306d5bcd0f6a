"""``make_player("random", game)``: the one door to everything that plays. Another kind is one more entry in KINDS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from logpi.arena.players.base import Player, RandomPlayer
from logpi.errors import LogpiError
from logpi.games.rules.game import Game

SECONDS = 60.0  # for each answer of an engine


class Asked(NamedTuple):
    """What a player is made of."""

    game: Game
    argument: str  # what follows the colon
    name: str
    seed: int
    seconds: float  # for each answer of an engine


class Kind(NamedTuple):
    """One kind of player."""

    form: str  # how it is written
    make: Callable[[Asked], Player]


def make_player(text: str, game: Game, seed: int = 0, seconds: float = SECONDS) -> Player:
    """The player of ``game`` that ``text`` names, optionally as ``name=text``.

    Args:
        text: kind and argument, such as ``random``, ``mcts:400``, ``gnugo:1`` or ``RUN:SIMULATIONS``.
        game: rules.
        seed: seed of its random choices.
        seconds: time limit of an engine's answer, in seconds.

    Raises:
        LogpiError: no such player (with what is allowed), or not of this game, or not installed.
    """
    named = re.fullmatch(r"([A-Za-z0-9_.+-]+)=(.+)", text, re.DOTALL)
    name, wanted = (named[1], named[2]) if named else (text, text)
    kind, _, argument = wanted.partition(":")
    if kind in KINDS:
        player = KINDS[kind].make(Asked(game, argument, name, seed, seconds))
    else:
        player = _trained(Asked(game, wanted, name, seed, seconds))
    player.name = name
    return player


def _trained(asked: Asked) -> Player:
    """An agent from a run or an agent's folder, optionally with ``:SIMULATIONS`` behind it."""
    from logpi.arena.players.mcts import AgentPlayer
    from logpi.games.agent import load_game_agent
    from logpi.runs.lookup import agent_folder

    path, _, count = (
        asked.argument.rpartition(":") if re.search(r":[0-9]+$", asked.argument) else (asked.argument, "", "")
    )
    try:
        folder = agent_folder(path)
    except LogpiError as error:
        forms = ", ".join(kind.form for kind in KINDS.values())
        raise LogpiError(
            f"unknown player {asked.argument!r}; allowed: {forms}, RUN[:SIMULATIONS]; as a run: {error}"
        ) from error
    agent = load_game_agent(folder)
    if agent.game.id != asked.game.id:
        raise LogpiError(f"{path} plays {agent.game.id}, not {asked.game.id}")
    simulations = _count(asked._replace(argument=count), "RUN:SIMULATIONS", range(1, 10**6)) if count else 0
    return AgentPlayer(agent, asked.name, simulations, asked.seed)


def _mcts(asked: Asked) -> Player:
    from logpi.arena.players.mcts import PlainPlayer

    return PlainPlayer(asked.game, _count(asked, "mcts:N", range(2, 10**6)), asked.seed)


def _random(asked: Asked) -> Player:
    _no_argument(asked, "random")
    return RandomPlayer(asked.game, asked.seed)


def _solver(asked: Asked) -> Player:
    from logpi.arena.players.solver import SolverPlayer

    _no_argument(asked, "solver")
    if not asked.game.protocols.bitbully:
        raise LogpiError(f"solver plays connect-four alone, not {asked.game.id}")
    return SolverPlayer(asked.seed)


def _openspiel_mcts(asked: Asked) -> Player:
    from logpi.arena.players.open_spiel import OpenSpielMCTS

    return OpenSpielMCTS(asked.game, _count(asked, "openspiel-mcts:N", range(2, 10**9)), asked.seed)


def _gtp(asked: Asked) -> Player:
    from logpi.arena.players.gtp import GtpPlayer

    return GtpPlayer(asked.game, asked.argument, asked.name, asked.seconds)


def _chess_like(protocol: str) -> Callable[[Asked], Player]:
    """What makes players of engines that speak ``protocol``, UCI or USI."""

    def made(asked: Asked) -> Player:
        from logpi.arena.players.uci import UciPlayer

        if asked.game.protocols.engine != protocol:
            raise LogpiError(f"{protocol}: engines do not play {asked.game.id}; it is played {_spoken(asked.game)}")
        return UciPlayer(asked.game, asked.argument, asked.name, asked.seconds)

    return made


def _spoken(game: Game) -> str:
    """Over which protocol engines play a game."""
    return f"over {game.protocols.engine or ('gtp' if game.protocols.gtp else 'none')}"


def _gnugo(asked: Asked) -> Player:
    """GNU Go as our rules have it: it takes dead stones off before it passes, for at the end all count as alive."""
    _engine_plays(asked.game, "gnugo", "go", "go-NxN")
    level = _count(asked, "gnugo:LEVEL", range(11))
    assert asked.game.protocols.gtp is not None
    rules = f"--chinese-rules --{asked.game.protocols.gtp.superko}-superko --capture-all-dead"
    return _gtp(asked._replace(argument=f"gnugo --mode gtp --level {level} --seed {asked.seed + 1} {rules}"))


def _rhino(asked: Asked) -> Player:
    _engine_plays(asked.game, "rhino", "othello", "othello")
    return _gtp(asked._replace(argument=f"gtp-rhino --level {_count(asked, 'rhino:LEVEL', range(1, 6))}"))


def _engine_plays(game: Game, engine: str, rules: str, allowed: str) -> None:
    """LogpiError where ``game`` is not the one whose ``rules`` an engine knows."""
    if game.protocols.gtp is None or game.protocols.gtp.game != rules:
        raise LogpiError(f"{engine} plays {allowed} alone, not {game.id}")


def _count(asked: Asked, form: str, allowed: range) -> int:
    """The argument as a number."""
    if not re.fullmatch(r"[0-9]{1,9}", asked.argument) or int(asked.argument) not in allowed:
        raise LogpiError(
            f"{asked.name!r}: give {form} a whole number from {allowed[0]} to {allowed[-1]}, not {asked.argument!r}"
        )
    return int(asked.argument)


def _no_argument(asked: Asked, kind: str) -> None:
    if asked.argument:
        raise LogpiError(f"{kind} takes no argument, {asked.argument!r} was given; write {kind}")


KINDS = {
    "random": Kind("random", _random),
    "mcts": Kind("mcts:SIMULATIONS", _mcts),
    "solver": Kind("solver (connect-four)", _solver),
    "openspiel-mcts": Kind("openspiel-mcts:SIMULATIONS", _openspiel_mcts),
    "gnugo": Kind("gnugo:LEVEL (go)", _gnugo),
    "rhino": Kind("rhino:LEVEL (othello)", _rhino),
    "gtp": Kind("'gtp:COMMAND' (an engine of go, othello or hex)", _gtp),
    "uci": Kind("'uci:[SETTING …] COMMAND' (an engine of chess)", _chess_like("uci")),
    "usi": Kind("'usi:[SETTING …] COMMAND' (an engine of shogi)", _chess_like("usi")),
}
