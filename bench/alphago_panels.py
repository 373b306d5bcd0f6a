"""What `alphago.py` measures of AlphaGo's stages, each as a function of agents and records."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from logpi.arena.match import pair_counts, play_match
from logpi.arena.players.mcts import AgentPlayer
from logpi.games.agent import GameAgent
from logpi.games.evaluation.rating import mean_score
from logpi.games.methods.alphago import top_1
from logpi.games.methods.alphago_value import error
from logpi.games.records.positions import positions
from logpi.games.records.recorded import Recorded, begin, position_count
from logpi.games.rules.game import Game
from logpi.games.search.rollouts import by_policy
from logpi.games.search.uct import evenly, playout
from logpi.games.supervised import per_game
from logpi.ops.collectives import where
from logpi.types import Array, PyTree

CHUNK = 256  # positions at once
Json = dict[str, Any]
Score = Callable[[Any, PyTree, Any], Array]  # (network, params, samples) -> [N]


def mean_of(agent: GameAgent, games: Recorded, score: Score, most: int) -> Json:
    """The mean of a score over at most ``most`` positions of the first games, with an interval over games."""
    moves = np.asarray(games.length - games.first)
    used = moves[: max(1, int((np.cumsum(moves) <= most).sum()))]
    count = int(used.sum())
    chunk = jax.jit(lambda at: score(agent.apply, agent.params, positions(agent.game, games, at)))
    found = [np.asarray(chunk(jnp.minimum(k + jnp.arange(CHUNK), count - 1))) for k in range(0, count, CHUNK)]
    mean, half = per_game(np.concatenate(found)[:count], used)
    return {"mean": mean, "half": half, "games": len(used), "positions": count}


def accuracy(agent: GameAgent, games: Recorded, most: int) -> Json:
    """Top-1 accuracy."""
    return mean_of(agent, games, top_1, most)


def value_error(agent: GameAgent, games: Recorded, most: int) -> Json:
    """Mean squared error of the value."""
    return mean_of(agent, games, error, most)


def match(a: GameAgent, b: GameAgent, simulations: tuple[int, int], games: int, plies: int, seed: int) -> Json:
    """Points of ``a`` against ``b``, a draw ½, each opening with both colours."""
    players = [AgentPlayer(agent, name, n, seed) for agent, name, n in zip((a, b), "ab", simulations, strict=True)]
    began = time.perf_counter()
    results = play_match(a.game, *players, games=games, plies=plies, seed=seed)
    share = mean_score(pair_counts(results))
    won, drawn = (sum(result.score == points for result in results) for points in (1, 0.5))
    found = {"games": len(results), "won": won, "drawn": drawn, "points": share.value}
    return found | {"low": share.low, "high": share.high, "seconds": time.perf_counter() - began}


def states_at(game: Game, games: Recorded, which: np.ndarray[Any, Any], ply: np.ndarray[Any, Any]) -> PyTree:
    """The positions [N, ...] of games after ``ply`` moves."""

    @jax.jit
    def played(which: Array, ply: Array) -> PyTree:
        moves = jnp.asarray(games.actions)[which]

        def move(t: Array, state: PyTree) -> PyTree:
            return where(t < ply, jax.vmap(game.step)(state, moves[:, t]), state)

        return jax.lax.fori_loop(0, ply.max(), move, begin(games, which))

    return played(jnp.asarray(which), jnp.asarray(ply))


def error_by_move(
    value: GameAgent, policies: dict[str, GameAgent | None], games: Recorded, count: int, rollouts: int, width: int
) -> Json:
    """Squared error of the value network, and of the mean of rollouts by policies, by groups of ``width`` moves.

    ``count`` positions are drawn, one of a game at a time, where a game is long enough; of a policy that is None every
    legal move has the same probability. The paper's figure 2b.
    """
    rng, game = np.random.default_rng(0), value.game
    known = np.flatnonzero(~np.isnan(np.asarray(games.outcome)))
    which = known[np.arange(count) % len(known)]
    ply = (rng.random(count) * np.asarray(games.length)[which]).astype(np.int32)
    z = np.asarray(games.outcome)[which] * np.where(ply % 2 == 0, 1.0, -1.0)
    state = states_at(game, games, which, ply)
    guesses = {"value network": np.asarray(jax.jit(lambda s: _values(value, s))(state))}
    for name, agent in policies.items():
        choose = evenly if agent is None else by_policy(game, agent.apply, agent.params)
        play = jax.jit(lambda keys, state, choose=choose: playout(game, state, keys, choose)[0])
        keys = jax.random.split(jax.random.key(1), (rollouts, count))
        guesses[name] = np.mean([np.asarray(play(one, state)) for one in keys], axis=0)
    groups = [(low, low + width) for low in range(0, int(ply.max()) + 1, width)]
    found: Json = {"groups": [f"{low}-{high - 1}" for low, high in groups], "positions": []}
    inside = [(low <= ply) & (ply < high) for low, high in groups]
    found["positions"] = [int(at.sum()) for at in inside]
    for name, guess in guesses.items():
        found[name] = [float(np.mean((z - guess)[at] ** 2)) if at.any() else None for at in inside]
    return found | {"rollouts": rollouts}


def _values(agent: GameAgent, state: PyTree) -> Array:
    return agent.apply(agent.params, jax.vmap(agent.game.observe)(state))[1]


def speed(policy: GameAgent, fast: GameAgent, batch: int) -> Json:
    """Seconds of a move of a rollout by each policy, the rules included, and of the networks alone."""
    game = policy.game
    start = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (batch, *jnp.shape(x))), game.init())
    obs = jax.vmap(game.observe)(start)
    found: Json = {"batch": batch}
    for name, agent in (("policy", policy), ("rollout", fast)):
        alone = jax.jit(lambda obs, agent=agent: agent.apply(agent.params, obs)[0])
        found[name] = _seconds(lambda alone=alone: alone(obs)) / batch
    play = jax.jit(lambda keys: playout(game, start, keys, by_policy(game, fast.apply, fast.params))[0])
    keys = jax.random.split(jax.random.key(0), batch)
    return found | {"rollouts a second": batch / _seconds(lambda: play(keys))}


def _seconds(run: Callable[[], Array]) -> float:
    """The median time of a call."""
    jax.block_until_ready(run())
    times = []
    for _ in range(5):
        began = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def interval(found: Json) -> str:
    """Points in per cent with their interval."""
    return f"{100 * found['points']:.1f} ({100 * found['low']:.1f} to {100 * found['high']:.1f})"


def plus_minus(found: Json, scale: float = 1.0, form: str = ".3f") -> str:
    """A mean with half of its interval."""
    return f"{scale * found['mean']:{form}} ± {scale * found['half']:{form}}"


def positions_in(games: Recorded) -> int:
    """Positions in which a player chose a move."""
    return int(position_count(games))
