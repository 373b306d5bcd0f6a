"""Which decisions of a replay an update learns from: all alike, or in proportion to a priority.

A ``Sampler`` is a few pure functions around a state that lies in the carry beside the ring.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from logpi.control.replay import Replay, transitions
from logpi.driver.process import REPLICATED, SPREAD
from logpi.ops import draws, sum_tree
from logpi.ops.collectives import pmax
from logpi.ops.normalization import normalize_reward
from logpi.ops.sum_tree import SumTree
from logpi.types import Array, Experience, Learner, Priority, PyTree, Transitions


class Sampler(NamedTuple):
    """A way to choose decisions."""

    empty: Callable[[Replay], PyTree]  # the state beside an empty ring
    stored: Callable[[PyTree, Replay, int], PyTree]  # (state, ring after a push, rows that it wrote) -> state
    # (state, learner, ring, random words [N, 2]) -> (leaves [N], decisions)
    draw: Callable[[PyTree, Learner, Replay, Array], tuple[Array, Transitions]]
    # (state, leaves, decisions, the learner before the update on them) -> state
    learnt: Callable[[PyTree, Array, Transitions, Learner], PyTree]
    places: PyTree  # how the state lies on the devices


def sampler(experience: Experience) -> Sampler:
    """The way that a method asks for."""
    n, frames, priority = experience.n, experience.frames, experience.priority
    return uniform(n, frames) if priority is None else prioritised(n, priority, frames)


def uniform(n: int, frames: int = 1) -> Sampler:
    """Each decision with the same probability, but those of the ``n`` newest rows and of the ``frames - 1`` oldest.

    What followed the first, and the frames before the others, are not in the ring.

    Before there are more rows all masks are 0.
    """

    def draw(state: PyTree, learner: Learner, replay: Replay, drawn: Array) -> tuple[Array, Transitions]:
        size, n_envs = replay.rows.reward.shape
        known = replay.filled - n - (frames - 1)
        back = n + 1 + draws.below(drawn[:, 0], jnp.maximum(known, 1))  # 1: the newest row
        row, env = (replay.head - back) % size, draws.below(drawn[:, 1], n_envs)
        found = _decisions(replay, row, env, learner, n, frames)
        return row * n_envs + env, found._replace(mask=jnp.where(known > 0, found.mask, 0.0))

    return Sampler(
        empty=lambda replay: (),
        stored=lambda state, replay, count: state,
        draw=draw,
        learnt=lambda state, leaf, drawn, learner: state,
        places=REPLICATED,
    )


def _decisions(replay: Replay, row: Array, env: Array, learner: Learner, n: int, frames: int) -> Transitions:
    """What the learner learns from: rewards are scaled one by one, by the statistics of now."""
    scaled = functools.partial(normalize_reward, learner.statistics)
    return transitions(replay, row, env, learner.hyper.gamma, n, frames, scaled)


class Priorities(NamedTuple):
    """Priorities p^α of all decisions, leaf row * B + env; each device has its own."""

    tree: SumTree  # 0 where a decision cannot be drawn
    highest: Array  # [1] of all so far: what new decisions get, so that each is drawn soon


def prioritised(n: int, priority: Priority, frames: int = 1) -> Sampler:
    """Each decision with the probability P(i) = p_i^α / Σ_k p_k^α (Schaul et al. 2016, eq. 1).

    The draws are stratified: one from each of N equal shares of the sum. A loss is weighed by (P(i) / min_j P(j))^-β,
    which is w_i / max_j w_j (§3.4) over the batch. Void rows, the ``n`` newest and the
    ``frames - 1`` oldest are never drawn.
    """

    def empty(replay: Replay) -> Priorities:
        return Priorities(sum_tree.empty(replay.rows.reward.size), jnp.ones(1))

    def stored(state: Priorities, replay: Replay, count: int) -> Priorities:
        size, n_envs = replay.rows.reward.shape
        # the n rows before the push are known now, the n newest not yet, and the oldest have lost frames before them
        written = jnp.arange(n + count + frames - 1)
        row = (replay.head - count - n + written) % size
        leaf = row[:, None] * n_envs + jnp.arange(n_envs)[None]
        found = jnp.where(written[:, None] < count, state.highest[0] * replay.rows.mask[row], 0.0)
        return state._replace(tree=sum_tree.put(state.tree, leaf.reshape(-1), found.reshape(-1)))

    def draw(state: Priorities, learner: Learner, replay: Replay, drawn: Array) -> tuple[Array, Transitions]:
        share = (jnp.arange(len(drawn)) + draws.uniform(drawn[:, 0])) / len(drawn)
        leaf = sum_tree.find(state.tree, share * sum_tree.total(state.tree))
        row, env = jnp.divmod(leaf, replay.rows.reward.shape[1])
        found = _decisions(replay, row, env, learner, n, frames)
        known = state.tree[0][leaf] > 0
        chance = jnp.where(known, state.tree[0][leaf] / sum_tree.total(state.tree), 1.0)
        weight = jnp.where(known, chance ** -priority.beta(learner), 0.0)
        weight = weight / jnp.maximum(pmax(weight.max()), 1.0)
        return leaf, found._replace(mask=jnp.where(known, found.mask, 0.0), weight=weight)

    def learnt(state: Priorities, leaf: Array, drawn: Transitions, learner: Learner) -> Priorities:
        new = jnp.where(state.tree[0][leaf] > 0, priority.of(learner, drawn), 0.0)
        return Priorities(sum_tree.put(state.tree, leaf, new), jnp.maximum(state.highest, new.max()[None]))

    return Sampler(empty, stored, draw, learnt, SPREAD)
