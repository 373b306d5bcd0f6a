"""Self-play as a ``Process``: the stages play, store, update and, for AlphaGo Zero, gate."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from logpi.driver.process import (
    COLLECT,
    GATE,
    REPLICATED,
    SPREAD,
    SPREAD_ROWS,
    STORE,
    UPDATE,
    Effort,
    Now,
    Places,
    Process,
    State,
    Window,
)
from logpi.driver.stages import Evaluation, Stage
from logpi.games.batched_match import Match
from logpi.games.evaluation.evaluators import Evaluator, Evaluators
from logpi.games.replay import MoveReplay, Moves
from logpi.games.self_play import Counts, Games, Played
from logpi.games.self_play_method import SelfPlay, SelfPlayCarry
from logpi.types import Array, Key, Learner, Metrics, PyTree


class Batch(NamedTuple):
    """What the stages of one iteration hand on, and what their pieces have made so far."""

    rows: Played  # moves of self-play
    losses: Metrics  # [n_updates] of each update
    match: PyTree  # of the gate; () where there is none


_MOVES: PyTree = Moves(*(SPREAD_ROWS,) * len(Moves._fields))
_GAMES: PyTree = Games(*(SPREAD,) * len(Games._fields))
_CARRY: PyTree = SelfPlayCarry(_GAMES, MoveReplay(_MOVES, SPREAD_ROWS, SPREAD_ROWS, REPLICATED, REPLICATED))
_ROWS: PyTree = Played(_MOVES, Counts(*(SPREAD,) * len(Counts._fields)), _GAMES)


def self_play_process(
    method: SelfPlay, evaluators: Evaluators, rows: int, num_devices: int, effort: Effort = "full"
) -> Process:
    """The process of ``method``; ``rows`` are the moves of one iteration, ``effort`` is the compiler's."""

    def start(learner: Learner, key: Key) -> tuple[SelfPlayCarry, Batch]:
        carry = method.start(learner, key)
        match = method.gate.start(key) if method.gate else ()
        return carry, Batch(method.empty_rows(learner, carry.games), method.empty_losses(learner, carry.replay), match)

    stages = [_play(method, effort), _store(method), _update(method)]
    if method.gate is not None:
        stages.append(_gate(method, effort))
    return Process(
        init=method.init,
        start=start,
        stages=tuple(stages),
        evaluation=evaluation(evaluators, num_devices),
        acting=lambda learner: learner.extra.params,
        hyper=method.hyper,
        rows=rows,
        places=Places(carry=_CARRY, batch=Batch(_ROWS, REPLICATED, SPREAD if method.gate else REPLICATED)),
        num_devices=num_devices,
        window=Window(_filled_rows, _put, lambda carry: carry.replay.filled),
    )


def _filled_rows(carry: SelfPlayCarry) -> PyTree:
    """What the replay holds of each row."""
    return carry.replay.moves, carry.replay.target, carry.replay.known


def _put(carry: SelfPlayCarry, rows: PyTree) -> SelfPlayCarry:
    moves, target, known = rows
    return carry._replace(replay=carry.replay._replace(moves=moves, target=target, known=known))


def _play(method: SelfPlay, effort: Effort) -> Stage:
    """Moves of all games, in pieces of any number of moves."""

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        carry, batch = state.carry, state.batch
        games, rows = method.play(state.learner, carry.games, batch.rows, now.key, now.begin, now.end)
        return state._replace(carry=carry._replace(games=games), batch=batch._replace(rows=rows)), {}

    return Stage("self-play", run, ("carry", "batch"), COLLECT, units=method.n_moves, effort=effort)


def _store(method: SelfPlay) -> Stage:
    """The moves go into the replay: some ms of an iteration of seconds, so that effort is not worth its time."""

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        carry, metrics = method.store(state.learner, state.carry, state.batch.rows)
        return state._replace(carry=carry), metrics

    return Stage("store", run, ("carry",), STORE, effort="least")


def _update(method: SelfPlay) -> Stage:
    """Updates, in pieces of any number; the metrics of the last piece count.

    Nearly all of an update are products, which are the library's at any effort.
    """

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        replay, batch = state.carry.replay, state.batch
        learner, losses = method.update(state.learner, replay, batch.losses, now.key, now.begin, now.end)
        finished, metrics = method.finish_update(learner, replay, losses)
        timesteps = jnp.where(now.end == method.n_updates, finished.timesteps, learner.timesteps)
        return state._replace(
            learner=learner._replace(timesteps=timesteps), batch=batch._replace(losses=losses)
        ), metrics

    return Stage("update", run, ("learner", "batch"), UPDATE, units=method.n_updates, effort="quick")


def _gate(method: SelfPlay, effort: Effort) -> Stage:
    """The match for the player's place, in pieces of any number of plies."""
    gate = method.gate
    assert gate is not None

    def run(state: State, now: Now) -> tuple[State, Metrics]:
        match: Match = jax.lax.cond(now.begin == 0, lambda: gate.start(now.key), lambda: state.batch.match)
        match = gate.advance(state.learner, match, now.key, now.end)
        learner, decided = state.learner, gate.decide(state.learner, match).extra
        over = now.end == gate.plies
        player = jax.tree.map(lambda new, old: jnp.where(over, new, old), decided, learner.extra)
        return state._replace(learner=learner._replace(extra=player), batch=state.batch._replace(match=match)), {}

    return Stage("gate", run, ("learner", "batch"), GATE, gate.interval, gate.plies, effort)


def evaluation(evaluators: Evaluators, num_devices: int) -> Evaluation:
    """The measurement by evaluators that differ in their cases alone."""
    either = evaluators.validation

    def of(final: bool) -> Evaluator:
        return evaluators.test if final else evaluators.validation

    def result(play: PyTree) -> tuple[Array, Array, Array, Array]:
        score = either.scores(play)
        return score, jnp.ones_like(score), either.steps(play), either.done(play)

    def total(final: bool, asked: int) -> int:
        """As many as are asked for, and at most all there are; of games an even number."""
        return min(asked + asked % 2 if of(final).even else asked, of(final).cases)

    return Evaluation(
        begin=lambda params, given, now: either.begin(params, given, now.key),
        advance=lambda params, play, now, until: either.advance(params, play, now.key, until),
        result=result,
        cases=lambda final, number: of(final).group(number, num_devices),
        total=total,
        limit=either.limit,
        play=SPREAD,
        given=SPREAD,
    )
