"""Self-play: T searched moves of each of B parallel games; a game continues from one call to the next.

The moves can be made in pieces: ``play_moves`` makes those from ``begin`` to ``end`` and gives the same rows, bit for
bit, however the T moves are cut.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from logpi.games.random_moves import random_move, random_openings
from logpi.games.replay import UNKNOWN, Moves
from logpi.games.rules.game import Game
from logpi.games.search.guided import Exploration, SearchProblem, evaluate_leaf, permute_actions, search, terminal_value
from logpi.games.search.tree import Searched, Simulations
from logpi.games.settings import SelfPlaySettings
from logpi.ops.collectives import psum, where
from logpi.ops.draws import key_of, uniform, words
from logpi.types import Array, Key, Metrics, PyTree

Problem: TypeAlias = SearchProblem[SelfPlaySettings]


class Games(NamedTuple):
    """B games under way."""

    state: PyTree  # [B, ...]
    moves: Array  # [B] int32, made since the empty board
    no_resign: Array  # [B] bool: resignation is disabled, to measure the false-resignation rate
    would_resign: Array  # [B] int32: the player (1 or 2) who would have resigned in such a game, or 0
    no_resign_games: Array  # [B] int32: games finished on this board in which a player would have resigned
    false_resignations: Array  # [B] int32: of those, games that this player did not lose


class Counts(NamedTuple):
    """Sums over the games that ended on each of B boards, [B] int32."""

    games: Array
    moves: Array
    first_wins: Array
    draws: Array
    resigned: Array


class Played(NamedTuple):
    """The T moves of one iteration as they are made."""

    moves: Moves  # [T, B]
    counts: Counts
    new_games: Games  # [B] the games that begin where one ends


class Ending(NamedTuple):
    """What a move of each of B games brings to an end."""

    ended: Array  # [B] bool
    resigned: Array  # [B] bool
    reward: Array  # [B] for the player who moved
    would_resign: Array  # [B] int32 as ``Games.would_resign``, this move included


def search_moves(problem: Problem, games: Games, key: Key, cap: Array) -> tuple[Searched, Array]:
    """(search of each game's position, [B] bool whether it was a full one) in self-play; ``cap`` [] is a random word.

    Playout-cap randomisation (Wu 2019) draws once for all games: with one draw per game, the games of the small search
    would wait for the others.
    """
    h, count = problem.settings, len(games.moves)
    temperature = jnp.where(games.moves < h.temperature_plies, h.temperature, h.temperature_end)

    capped = uniform(cap) < h.playout_cap_probability if h.playout_cap_simulations else jnp.bool_(False)
    simulations = Simulations(h.simulations, h.playout_cap_simulations, capped)
    found = search(problem, games.state, key, simulations, Exploration(temperature, ~capped))
    return found._replace(tree=None), jnp.broadcast_to(~capped, count)


def reset_games(game: Game, key: Key, h: SelfPlaySettings, games: int) -> Games:
    """New games."""
    resign, opening = words(key, (games,), (2,))
    state, made = random_openings(game, key_of(opening), games, h.random_opening_fraction, h.random_opening_plies)
    no_resign = uniform(resign) < h.no_resign_fraction
    none = jnp.zeros(games, jnp.int32)
    return Games(state, made, no_resign, none, none, none)


def find_ending(problem: Problem, games: Games, state: PyTree, value: Array) -> Ending:
    """Which ``games`` end by a move to ``state``, by the rules or by resignation.

    Args:
        problem: rules and settings.
        games: before the move.
        state: [B, ...] after it.
        value: [B] of the search, for the player who moves.
    """
    game, h = problem.game, problem.settings
    over = jax.vmap(game.ended)(state)
    result = -jax.vmap(lambda state: terminal_value(game, state, h.score_utility_weight))(state)
    hopeless = value < -h.resign_threshold
    resigned = hopeless & ~games.no_resign & ~over
    first_time = (games.would_resign == 0) & hopeless & games.no_resign
    would_resign = jnp.where(first_time, mover(games), games.would_resign)
    # with score utility, the points by which a resigned game would have been lost are not known
    lost = jnp.where(h.score_utility_weight > 0, value, -1.0)
    reward = jnp.where(resigned, lost, jnp.where(over, result, 0.0))
    return Ending(over | resigned, resigned, reward, would_resign)


def mover(games: Games) -> Array:
    """[B] int32: the player to move, 1 or 2."""
    return 1 + games.moves % 2


def next_games(games: Games, state: PyTree, ending: Ending, new: Games, t: Array) -> Games:
    """``games`` after move ``t`` to ``state``; where one has ended, the ``new`` game of another board begins."""
    would_resign = ending.would_resign
    reward = jnp.where(mover(games) == would_resign, ending.reward, -ending.reward)  # of the player who would resign
    finished = ending.ended & (would_resign > 0)
    no_resign_games = games.no_resign_games + finished
    false_resignations = games.false_resignations + (finished & (reward >= 0))
    following = Games(state, games.moves + 1, games.no_resign, would_resign, no_resign_games, false_resignations)
    # another board's at each move: with its own, a board of short games would begin the same game several times
    begun = jax.tree.map(lambda x: jnp.roll(x, t, 0), new)
    begun = begun._replace(no_resign_games=no_resign_games, false_resignations=false_resignations)
    return where(ending.ended, begun, following)


def count_ended(counts: Counts, games: Games, ending: Ending) -> Counts:
    """``counts`` with the ``games`` that end by this move."""
    ended, reward = ending.ended, ending.reward
    first_wins = ended & (jnp.where(mover(games) == 1, reward, -reward) > 0)
    seen = (ended, jnp.where(ended, games.moves + 1, 0), first_wins, ended & (reward == 0), ending.resigned)
    return Counts(*(count + new for count, new in zip(counts, seen, strict=True)))


def play_move(problem: Problem, games: Games, key: Key, ownership: bool) -> tuple[PyTree, Ending, Moves]:
    """One move of each of B games: (states after it, endings, the rows [B, ...] of the replay)."""
    game, h = problem.game, problem.settings
    count = len(games.moves)
    search_words, cap, *random_words = words(key, (2,), (), (count,), (count,))
    found, learn = search_moves(problem, games, key_of(search_words), cap)
    # the false-resignation rate is that of games without random moves
    allowed = (games.moves < h.random_move_plies) & (games.would_resign == 0)
    action, was_random = random_move(found.action, found.legal, random_words, allowed, h.random_move_fraction)
    state = jax.vmap(game.step)(games.state, action)
    ending = find_ending(problem, games, state, found.value)
    owned = None
    if ownership and game.ownership is not None:
        mine = -jax.vmap(game.ownership)(state)
        owned = jnp.where(ending.resigned[:, None], jnp.int8(UNKNOWN), mine)
    row = Moves(
        jax.vmap(game.observe)(games.state).astype(jnp.float16),
        permute_actions(game, games.state, jnp.where(found.legal, found.policy, -1.0)).astype(jnp.float16),
        found.value,
        ending.reward,
        jnp.where(ending.ended, 0.0, -1.0),
        learn,
        was_random,
        owned,
    )
    return state, ending, row


def empty_rows(problem: Problem, games: Games, ownership: bool = False) -> Played:
    """Rows for ``settings.n_steps`` moves of each of ``games``, with final ownership where asked for.

    The shapes are those of ``play_move``, said here: to trace a search for them would take seconds.
    """
    game, batch = problem.game, len(games.moves)
    obs = jax.eval_shape(jax.vmap(game.observe), games.state)
    owned = jax.eval_shape(jax.vmap(game.ownership), games.state) if ownership and game.ownership else None

    def empty(shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
        return jnp.zeros((problem.settings.n_steps, *shape), dtype)

    moves = Moves(
        obs=empty(obs.shape, jnp.float16),
        policy=empty((batch, game.actions), jnp.float16),
        value=empty((batch,)),
        reward=empty((batch,)),
        discount=empty((batch,)),
        learn=empty((batch,), bool),
        random_move=empty((batch,), bool),
        ownership=None if owned is None else empty(owned.shape, owned.dtype),
    )
    none = jnp.zeros(batch, jnp.int32)
    return Played(moves, Counts(*(none,) * len(Counts._fields)), games)


def play_moves(
    problem: Problem, games: Games, rows: Played, key: Key, begin: Array | int, end: Array | int
) -> tuple[Games, Played]:
    """Moves ``begin`` to ``end`` - 1 of the iteration, of each of B games.

    Args:
        problem: rules, network and settings.
        games: under way.
        rows: of the moves before ``begin``; at 0 what they hold does not matter.
        key: of the iteration, the same for all its pieces.
        begin: first move, 0 to T.
        end: the move after the last one.
    """
    h, ownership = problem.settings, rows.moves.ownership is not None
    keys = jax.random.split(key, h.n_steps + 1)

    def restarted() -> tuple[Counts, Games]:
        new_games = reset_games(problem.game, keys[-1], h, len(games.moves))
        return jax.tree.map(jnp.zeros_like, rows.counts), new_games

    counts, new_games = jax.lax.cond(begin == 0, restarted, lambda: (rows.counts, rows.new_games))

    def move(t: Array, carry: tuple[Games, Played]) -> tuple[Games, Played]:
        games, (moves, counts, new_games) = carry
        state, ending, row = play_move(problem, games, keys[t], ownership)
        moves = jax.tree.map(lambda all_, one: all_.at[t].set(one), moves, row)
        counts = count_ended(counts, games, ending)
        return next_games(games, state, ending, new_games, t), Played(moves, counts, new_games)

    return jax.lax.fori_loop(begin, end, move, (games, Played(rows.moves, counts, new_games)))


def finish_rows(problem: Problem, games: Games, rows: Played) -> tuple[Array, Metrics]:
    """(value [B] of the positions after the last row, metrics) once all moves are made."""
    following = evaluate_leaf(problem, games.state).value
    # resignations are counted since the run's beginning: they are few
    resignations = {"would_resign": games.no_resign_games, "false": games.false_resignations}
    seen = jax.tree.map(lambda x: x.sum(), rows.counts._asdict() | resignations)
    n = jax.tree.map(lambda x: x.astype(jnp.float32), psum(seen))
    ended = jnp.maximum(n["games"], 1.0)
    return following, {
        "self_play/games": n["games"],
        "self_play/game_length": n["moves"] / ended,
        "self_play/first_player_wins": n["first_wins"] / ended,
        "self_play/draws": n["draws"] / ended,
        "self_play/resigned": n["resigned"] / ended,
        "self_play/no_resign_games": n["would_resign"],
        "self_play/false_resignation_rate": n["false"] / jnp.maximum(n["would_resign"], 1.0),
    }
