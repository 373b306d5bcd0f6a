"""Self-play: B games side by side, each move searched, T moves at a time; games go on from one call to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from logpi.config.settings import SelfPlaySettings
from logpi.games.replay import UNKNOWN, Moves
from logpi.games.rules.game import Game
from logpi.games.search.gumbel import gumbel
from logpi.games.search.puct import Searched, puct
from logpi.games.search.tree import Leaf
from logpi.ops.collectives import select, total
from logpi.ops.distributions import ILLEGAL
from logpi.types import Array, Key, Metrics, PyTree

# (params, obs [B, ...]) -> logits [B, A], value [B], whose each cell will be [B, cells] (or None)
Apply = Callable[[PyTree, Array], tuple[Array, Array, Array | None]]


class Games(NamedTuple):
    """B games under way."""

    state: PyTree  # [B, ...]
    moves: Array  # [B] int32, made since the empty board
    plays_on: Array  # [B] bool: never resigned, to measure what resignation costs
    gave_up: Array  # [B] int32: the player (1 or 2) who would have resigned in a game that is played on, or 0
    given_up: Array  # [B] int32: such games that have ended, of all that this board has had
    regretted: Array  # [B] int32: of those, games that were not lost after all


def worth(game: Game, state: PyTree, score_utility_weight: float | Array) -> Array:
    """Of an ended game, for the player to move, from -1 to 1: its outcome, and a share of it for the margin, if it has
    one, 2/π atan(points / 2√cells) (after Wu 2019's score utility): it tells better moves from worse in decided games.
    """
    outcome = game.outcome(state)
    if game.margin is None:
        return outcome
    points = game.margin(state)
    scaled = jnp.arctan(points / (2.0 * math.sqrt(math.prod(game.shape)))) * (2.0 / math.pi)
    return (1.0 - score_utility_weight) * outcome + score_utility_weight * scaled


def as_observed(game: Game, state: PyTree, of_actions: Array) -> Array:
    """What is said of the actions [B, A] of B positions, in the order of the observed board; and back."""
    if game.observed_action is None:
        return of_actions
    return jnp.take_along_axis(of_actions, jax.vmap(game.observed_action)(state), axis=1)


def assess(game: Game, apply: Apply, params: PyTree, state: PyTree, score_utility_weight: float | Array = 0.0) -> Leaf:
    """What rules and network say of B positions."""
    logits, value, _ = apply(params, jax.vmap(game.observe)(state))
    ended = jax.vmap(game.ended)(state)
    logits = jnp.where(jax.vmap(game.legal)(state), as_observed(game, state, logits), ILLEGAL)
    result = jax.vmap(lambda state: worth(game, state, score_utility_weight))(state)
    return Leaf(state, logits, jnp.where(ended, result, value), ended)


def think(
    game: Game,
    apply: Apply,
    params: PyTree,
    state: PyTree,
    key: Key,
    h: SelfPlaySettings,
    simulations: int,
    temperature: Array | None = None,
    noisy: bool = True,
) -> Searched:
    """Search B positions that have not ended. With a ``temperature`` [B] to explore; without, to play the best move.

    Where it explores without being ``noisy``, PUCT draws its move but leaves out noise and forced playouts.
    """

    def expand(state: PyTree, action: Array) -> Leaf:
        return assess(game, apply, params, jax.vmap(game.step)(state, action), h.score_utility_weight)

    root = assess(game, apply, params, state, h.score_utility_weight)
    explores = temperature is not None
    if (h.search if explores else h.play_search) == "gumbel":
        return gumbel(
            root,
            expand,
            key,
            simulations,
            max_considered_actions=h.max_considered_actions,
            scale=1.0 if explores else 0.0,
            c_visit=h.c_visit,
            c_scale=h.c_scale,
            rescale_values=h.rescale_values,
            max_children=h.max_children,
        )
    return puct(
        root,
        expand,
        key,
        simulations,
        jnp.zeros_like(root.value) if temperature is None else temperature,
        dirichlet_fraction=h.dirichlet_fraction if explores and noisy else 0.0,
        dirichlet_alpha=h.dirichlet_alpha,
        c_init=h.c_init,
        c_base=h.c_base,
        fpu_reduction=h.fpu_reduction,
        forced_playouts_k=h.forced_playouts_k if explores and noisy else 0.0,
        max_children=h.max_children,
    )


def any_legal(legal: Array, key: Key) -> Array:
    """[B] int32: one of the ``legal`` [B, A] moves each, uniformly."""
    return jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf)).astype(jnp.int32)


def openings(game: Game, key: Key, games: int, share: float | Array, most: int) -> tuple[PyTree, Array]:
    """(states [games, ...], moves made [games]): a ``share`` of them after 1 to ``most`` uniformly random moves."""
    share_key, count_key, move_key = jax.random.split(key, 3)
    state = jax.tree.map(lambda x: jnp.broadcast_to(x, (games, *jnp.shape(x))), game.init())
    count = jax.random.randint(count_key, (games,), 1, max(most, 1) + 1)
    count = jnp.where(jax.random.uniform(share_key, (games,)) < share, count, 0)

    def move(i: Array, carry: tuple[PyTree, Array]) -> tuple[PyTree, Array]:
        state, made = carry
        legal = jax.vmap(game.legal)(state)
        action = any_legal(legal, jax.random.fold_in(move_key, i))
        after = jax.vmap(game.step)(state, action)
        going = (i < count) & ~jax.vmap(game.ended)(after)  # a game that random moves would end begins before them
        return select(going, after, state), made + going

    return jax.lax.fori_loop(0, most, move, (state, jnp.zeros(games, jnp.int32)))


def stray(action: Array, legal: Array, key: Key, may: Array, epsilon: float | Array) -> tuple[Array, Array]:
    """(the moves that are made [B], whether they are others [B] bool) where the search chose ``action`` [B].

    What one side never chooses, the other never learns to answer: a share ``epsilon`` of the moves that ``may`` [B]
    stray is drawn at random.
    """
    whether_key, which_key = jax.random.split(key)
    drawn = any_legal(legal, which_key)
    strays = may & (jax.random.uniform(whether_key, action.shape) < epsilon) & (drawn != action)
    return jnp.where(strays, drawn, action), strays


def begin(game: Game, key: Key, h: SelfPlaySettings, games: int) -> Games:
    """New games."""
    opening_key, on_key = jax.random.split(key)
    state, made = openings(game, opening_key, games, h.random_opening_fraction, h.random_opening_plies)
    plays_on = jax.random.uniform(on_key, (games,)) < h.no_resign_fraction
    none = jnp.zeros(games, jnp.int32)
    return Games(state, made, plays_on, none, none, none)


def play(
    game: Game, apply: Apply, params: PyTree, h: SelfPlaySettings, games: Games, key: Key, with_area: bool = False
) -> tuple[Games, Moves, Array, Metrics]:
    """T = ``h.n_steps`` moves of each game: (games, moves [T, B], value of the positions that follow [B], metrics)."""
    count = len(games.moves)
    fresh_key, move_key = jax.random.split(key)
    fresh = begin(game, fresh_key, h, count)

    def search(state: PyTree, moves: Array, key: Key, coin: Key) -> tuple[Searched, Array]:
        temperature = jnp.where(moves < h.temperature_plies, h.temperature, h.temperature_end)

        def full(simulations: int, noisy: bool = True) -> Any:
            found = think(game, apply, params, state, key, h, simulations, temperature, noisy)
            return found._replace(tree=None)

        if not h.playout_cap_simulations:
            return full(h.simulations), jnp.ones(count, bool)
        # one coin for all games, so that no simulation is wasted on those that had the other side
        is_fast = jax.random.uniform(coin) < h.playout_cap_probability
        found = jax.lax.cond(is_fast, lambda: full(h.playout_cap_simulations, noisy=False), lambda: full(h.simulations))
        return found, jnp.broadcast_to(~is_fast, count)

    def area(state: PyTree, resigns: Array) -> Array | None:
        if game.ownership is None or not with_area:
            return None
        mine = -jax.vmap(game.ownership)(state)
        return jnp.where(resigns[:, None], jnp.int8(UNKNOWN), mine)

    def move(games: Games, now: tuple[Array, Key]) -> tuple[Games, tuple[Moves, Metrics]]:
        t, key = now
        search_key, coin, stray_key = jax.random.split(key, 3)
        found, learn = search(games.state, games.moves, search_key, coin)
        legal = jax.vmap(game.legal)(games.state)
        may = (games.moves < h.random_move_plies) & (games.gave_up == 0)  # what resignation costs is measured without
        action, strays = stray(found.action, legal, stray_key, may, h.random_move_fraction)
        state = jax.vmap(game.step)(games.state, action)
        over = jax.vmap(game.ended)(state)
        result = -jax.vmap(lambda state: worth(game, state, h.score_utility_weight))(state)  # for the player who moved
        hopeless = found.value < -h.resign_threshold
        resigns = hopeless & ~games.plays_on & ~over
        mover = 1 + games.moves % 2
        gave_up = jnp.where((games.gave_up == 0) & hopeless & games.plays_on, mover, games.gave_up)
        ended = over | resigns
        given = jnp.where(h.score_utility_weight > 0, found.value, -1.0)  # nobody knows by how many points it was lost
        reward = jnp.where(resigns, given, jnp.where(over, result, 0.0))
        row = Moves(
            jax.vmap(game.observe)(games.state).astype(jnp.float16),
            as_observed(game, games.state, jnp.where(legal, found.policy, -1.0)).astype(jnp.float16),
            found.value,
            reward,
            jnp.where(ended, 0.0, -1.0),
            learn,
            strays,
            area(state, resigns),
        )
        theirs = jnp.where(mover == gave_up, reward, -reward)  # the outcome for whoever would have resigned
        seen = {
            "games": ended,
            "moves": jnp.where(ended, games.moves + 1, 0),
            "first": ended & (jnp.where(mover == 1, reward, -reward) > 0),
            "drawn": ended & (reward == 0),
            "resigned": resigns,
        }
        given_up = games.given_up + (ended & (gave_up > 0))
        regretted = games.regretted + (ended & (gave_up > 0) & (theirs >= 0))
        following = Games(state, games.moves + 1, games.plays_on, gave_up, given_up, regretted)
        # another board's at each move: where games are short, a board would begin the same one again and again
        begun = jax.tree.map(lambda x: jnp.roll(x, t, 0), fresh)._replace(given_up=given_up, regretted=regretted)
        return select(ended, begun, following), (row, jax.tree.map(lambda x: x.sum(), seen))

    games, (moves, seen) = jax.lax.scan(move, games, (jnp.arange(h.n_steps), jax.random.split(move_key, h.n_steps)))
    following = assess(game, apply, params, games.state).value
    seen |= {"given_up": games.given_up, "regretted": games.regretted}  # since the beginning: they are few
    return games, moves, following, _metrics(jax.tree.map(lambda x: x.sum(), seen))


def _metrics(seen: dict[str, Array]) -> Metrics:
    """Means over the games that have just ended; of wrong resignations over all since the run's beginning."""
    n = jax.tree.map(lambda x: x.astype(jnp.float32), total(seen))
    games = jnp.maximum(n["games"], 1.0)
    return {
        "self_play/games": n["games"],
        "self_play/game_length": n["moves"] / games,
        "self_play/first_player_wins": n["first"] / games,
        "self_play/draws": n["drawn"] / games,
        "self_play/resigned": n["resigned"] / games,
        "self_play/no_resign_games": n["given_up"],
        "self_play/false_resignation_rate": n["regretted"] / jnp.maximum(n["given_up"], 1.0),
    }
