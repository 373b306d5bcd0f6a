"""The pure functions of a self-play method, made from rules, network and settings.

An iteration plays T moves of every game (``logpi.games.self_play``), pushes them into the replay and makes some updates
(``logpi.games.learning``). Moves, updates and the plies of a gating match can each be made in pieces, from ``begin`` to
``end``, with the same result, bit for bit, however they are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.algorithms.common.learning import init_optimizer, traced
from logpi.driver.process import Effort, Process
from logpi.games.batched_match import Match
from logpi.games.evaluation.evaluators import Evaluators
from logpi.games.learning import NextPlayer, Player, learning_rate, loss, target, update
from logpi.games.method import Material
from logpi.games.network import PolicyValue
from logpi.games.replay import MoveReplay, Samples, empty_replay, push, sample, symmetric
from logpi.games.rules.game import Game
from logpi.games.search.guided import Evaluate, SearchFn, SearchProblem, evaluate_leaf, search
from logpi.games.search.tree import Searched, Simulations
from logpi.games.self_play import Games, Played, empty_rows, finish_rows, play_moves, reset_games
from logpi.games.settings import BoardNetwork, SelfPlaySettings
from logpi.ops.collectives import after, per_device_key, psum
from logpi.ops.draws import words
from logpi.ops.normalization import Statistics
from logpi.types import Array, Key, Learner, Metrics, PyTree

BRIEF = 1e7  # simulations of a run: a shorter one does not earn back the slower compilation


class SelfPlayCarry(NamedTuple):
    """What goes on from one iteration to the next."""

    games: Games
    replay: MoveReplay


class Gate(NamedTuple):
    """A match of the newest network against the player's, which decides whether it replaces the player."""

    interval: int  # iterations between two matches
    plies: int  # of the longest match
    metrics: tuple[str, ...]  # names in ``Player.match``
    start: Callable[[Key], Match]
    advance: Callable[[Learner, Match, Key, Array | int], Match]  # (…, until): at most ``until`` plies since the start
    decide: Callable[[Learner, Match], Learner]  # once the match is over


class SelfPlay(NamedTuple):
    """A method that learns a game from self-play, as pure functions of one device's part of the games.

    ``begin`` and ``end`` count moves (0 to ``n_moves``), updates (0 to ``n_updates``) and plies (0 to ``n_plies``).
    """

    init: Callable[[Key], Learner]
    start: Callable[[Learner, Key], SelfPlayCarry]
    empty_rows: Callable[[Learner, Games], Played]
    play: Callable[[Learner, Games, Played, Key, Array | int, Array | int], tuple[Games, Played]]  # (…, begin, end)
    store: Callable[[Learner, SelfPlayCarry, Played], tuple[SelfPlayCarry, Metrics]]  # once all moves are made
    empty_losses: Callable[[Learner, MoveReplay], Metrics]
    update: Callable[[Learner, MoveReplay, Metrics, Key, Array | int, Array | int], tuple[Learner, Metrics]]
    finish_update: Callable[[Learner, MoveReplay, Metrics], tuple[Learner, Metrics]]  # once all updates are made
    gate: Gate | None
    search: SearchFn  # of the agent: (params, states [B, ...], key, simulations)
    network: PolicyValue
    hyper: SelfPlaySettings  # its float fields are arrays
    n_moves: int
    n_updates: int
    n_plies: int  # 0 where there is no gate
    leaf: Evaluate = evaluate_leaf

    def material(self) -> Material:
        """Nothing but its own games."""
        return Material()

    def process(self, evaluators: Evaluators, data: PyTree, num_devices: int) -> Process:
        """The process of the method; ``data`` is that of ``material``."""
        from logpi.games.process import self_play_process

        h = self.hyper
        effort: Effort = "quick" if h.total_timesteps * h.simulations < BRIEF else "full"
        return self_play_process(self, evaluators, h.n_games * h.n_steps, num_devices, effort)

    def closing(self, data: PyTree, shapes: PyTree) -> Callable[[PyTree], list[str]]:
        """It has nothing to say of a trained agent."""
        return lambda params: []


class Shared(NamedTuple):
    """What the functions below share."""

    game: Game
    network: PolicyValue
    config: SelfPlaySettings
    hyper: SelfPlaySettings
    next_player: NextPlayer
    games: int  # of this device
    batch: int  # samples of this device in one update
    replay_rows: int
    n_updates: int

    def problem(self, params: PyTree, settings: SelfPlaySettings) -> SearchProblem[SelfPlaySettings]:
        """The search by ``params``."""
        return SearchProblem(self.game, self.network.apply, params, settings)


def make_self_play(
    config: SelfPlaySettings,
    net: BoardNetwork,
    game: Game,
    num_devices: int,
    next_player: NextPlayer,
    make_gate: Callable[[SearchFn], Gate] | None = None,
) -> SelfPlay:
    """A method on one of ``num_devices`` devices, which hold the same learner and each its part of the games.

    Args:
        config: settings.
        net: settings of the network.
        game: the rules.
        num_devices: devices that share the learner.
        next_player: the player's parameters after an update. The player plays the games and is the agent that is kept.
        make_gate: (search of the agent) -> the match that is played every ``gating_interval`` iterations.

    Raises:
        ValueError: ``ownership_coef`` in a game that turns the observed board.
    """
    ownership = game.ownership is not None and config.ownership_coef > 0
    if ownership and game.observed_action is not None:
        raise ValueError(f"{game.id} turns the observed board, but not its ownership: ownership_coef must be 0")
    parts = Shared(
        game,
        PolicyValue(net, game.actions, ownership),
        config,
        traced(config),
        next_player,
        config.n_games // num_devices,
        config.batch_size // num_devices,
        replay_rows(config, game),
        updates_per_iteration(config),
    )
    find = partial(agent_search, parts)
    gate = make_gate(find) if make_gate else None
    return SelfPlay(
        partial(init, parts, gate.metrics if gate else ()),
        partial(start, parts),
        partial(rows_of, parts),
        partial(play, parts),
        partial(store, parts),
        partial(empty_losses, parts),
        partial(update_steps, parts),
        partial(finish_update, parts),
        gate,
        find,
        parts.network,
        parts.hyper,
        config.n_steps,
        parts.n_updates,
        gate.plies if gate else 0,
    )


def replay_rows(config: SelfPlaySettings, game: Game) -> int:
    """Played of the replay: whole iterations, and at least the longest game."""
    return -(-max(int(config.replay_size) // config.n_games, game.longest) // config.n_steps) * config.n_steps


def updates_per_iteration(config: SelfPlaySettings) -> int:
    """Number of updates so that each move of a full search is sampled ``replay_ratio`` times on average."""
    full = 1.0 - config.playout_cap_probability if config.playout_cap_simulations else 1.0  # fraction of the moves
    moves = config.n_games * config.n_steps
    return max(1, round(config.replay_ratio * full * moves / config.batch_size))


def init(parts: Shared, match: tuple[str, ...], key: Key) -> Learner:
    """A new learner; ``match`` names the metrics of the gate."""
    game, hyper = parts.game, parts.hyper
    obs = jax.vmap(game.observe)(jax.tree.map(lambda x: jnp.asarray(x)[None], game.init()))
    params = parts.network.init(key, obs)
    player = Player(params, {name: jnp.zeros(()) for name in match})
    return Learner(params, init_optimizer(hyper, params), Statistics(), hyper, jnp.int32(0), player)


def start(parts: Shared, learner: Learner, key: Key) -> SelfPlayCarry:
    """New games and an empty replay."""
    games = reset_games(parts.game, per_device_key(key), learner.hyper, parts.games)
    shapes = jax.eval_shape(partial(rows_of, parts), learner, games)
    return SelfPlayCarry(games, empty_replay(shapes.moves, parts.replay_rows))


def rows_of(parts: Shared, learner: Learner, games: Games) -> Played:
    """Room for the moves of one iteration."""
    return empty_rows(parts.problem(learner.extra.params, learner.hyper), games, parts.network.ownership)


def play(
    parts: Shared, learner: Learner, games: Games, rows: Played, key: Key, begin: Array | int, end: Array | int
) -> tuple[Games, Played]:
    """Moves ``begin`` to ``end`` - 1 of an iteration."""
    return play_moves(parts.problem(learner.extra.params, learner.hyper), games, rows, per_device_key(key), begin, end)


def store(parts: Shared, learner: Learner, carry: SelfPlayCarry, rows: Played) -> tuple[SelfPlayCarry, Metrics]:
    """The replay with the ``rows`` of a whole iteration."""
    h: SelfPlaySettings = learner.hyper
    following, metrics = finish_rows(parts.problem(learner.extra.params, h), carry.games, rows)
    replay = push(carry.replay, rows.moves, parts.game.longest, lambda moves: target(moves, following, h.td_lambda))
    return carry._replace(replay=replay), metrics


def draw(parts: Shared, replay: MoveReplay, key: Key) -> Samples:
    """The batch of one update."""
    *which, symmetry = words(key, *((parts.batch,),) * 3)
    samples = sample(replay, which)
    return symmetric(parts.game, samples, symmetry) if parts.config.symmetries else samples


def update_once(parts: Shared, learner: Learner, replay: MoveReplay, key: Key) -> tuple[Learner, Metrics]:
    """One update."""
    return update(parts.network.apply, parts.next_player, learner, draw(parts, replay, per_device_key(key)))


def empty_losses(parts: Shared, learner: Learner, replay: MoveReplay) -> Metrics:
    """Room for the metrics [n_updates] of the updates of one iteration."""

    def one(learner: Learner, replay: MoveReplay) -> tuple[Array, Metrics]:
        return loss(parts.network.apply, learner.params, draw(parts, replay, jax.random.key(0)), learner.hyper)

    _, metrics = jax.eval_shape(one, learner, replay)
    return jax.tree.map(lambda x: jnp.zeros((parts.n_updates, *x.shape), x.dtype), metrics)


def update_steps(
    parts: Shared, learner: Learner, replay: MoveReplay, losses: Metrics, key: Key, begin: Array | int, end: Array | int
) -> tuple[Learner, Metrics]:
    """Updates ``begin`` to ``end`` - 1 of an iteration: (learner, losses of the updates so far)."""
    keys = jax.random.split(key, parts.n_updates)

    def step(i: Array, carry: tuple[Learner, Metrics]) -> tuple[Learner, Metrics]:
        learner, losses = carry
        learner, metrics = update_once(parts, learner, replay, keys[i])
        return learner, jax.tree.map(lambda row, x: row.at[i].set(x), losses, metrics)

    return jax.lax.fori_loop(begin, end, step, (learner, losses))


def finish_update(parts: Shared, learner: Learner, replay: MoveReplay, losses: Metrics) -> tuple[Learner, Metrics]:
    """(learner after the iteration, metrics: means over its updates)."""
    moves = jnp.int32(parts.games * parts.config.n_steps)
    made, known = psum(after((moves, replay.known.sum()), losses))
    return learner._replace(timesteps=learner.timesteps + made), jax.tree.map(jnp.mean, losses) | {
        "train/learning_rate": learning_rate(learner.hyper, learner.timesteps),
        "train/replay_size": known.astype(jnp.float32),
        **learner.extra.match,
    }


def agent_search(parts: Shared, params: PyTree, state: PyTree, key: Key, simulations: int) -> Searched:
    """Search for the best move."""
    return search(parts.problem(params, parts.config), state, key, Simulations(simulations))
