"""Random play of one board game, by logpi's rules or pgx's; prints one JSON line.

    python bench/peers/random_games.py logpi|pgx GAME

B games side by side in one program: a move is the first legal action at or after a random one, and a game that has
ended begins again. One repeat is STEPS moves of each game; CPU seconds of the process, median of the repeats.
"""

import json
import statistics
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

B, STEPS, REPEATS = 256, 500, 7


class Rules(NamedTuple):
    actions: int
    init: Any
    step: Any
    legal: Any
    ended: Any


def ours(name: str) -> Rules:
    from logpi.games.rules.make import make_game

    game = make_game(name)
    return Rules(game.actions, game.init, game.step, game.legal, game.ended)


def pgx_rules(name: str) -> Rules:
    import pgx

    env = pgx.make({"tic-tac-toe": "tic_tac_toe", "connect-four": "connect_four", "hex-11x11": "hex"}.get(name, name))
    start = env.init(jax.random.key(0))
    return Rules(
        env.num_actions, lambda: start, env.step, lambda s: s.legal_action_mask, lambda s: s.terminated | s.truncated
    )


def main() -> None:
    rules = {"logpi": ours, "pgx": pgx_rules}[sys.argv[1]](sys.argv[2])

    def move(state: Any, begin: jax.Array) -> tuple[Any, jax.Array]:
        distance = (jnp.arange(rules.actions) - begin) % rules.actions
        nearest = jnp.where(rules.legal(state), distance, rules.actions).min()
        after = rules.step(state, (begin + nearest) % rules.actions)
        ended = rules.ended(after)
        return jax.tree.map(lambda new, now: jnp.where(ended, new, now), rules.init(), after), ended

    def moves(states: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        begins = jax.random.randint(key, (STEPS, B), 0, rules.actions)
        states, ended = jax.lax.scan(lambda s, b: jax.vmap(move)(s, b), states, begins)
        return states, ended.sum()

    start = jax.tree.map(lambda x: jnp.broadcast_to(x, (B, *jnp.shape(x))), rules.init())
    begun = time.perf_counter()
    compiled = jax.jit(moves).lower(start, jax.random.key(0)).compile()
    compiling = time.perf_counter() - begun
    states, ended = compiled(start, jax.random.key(0))
    seconds, games = [], 0
    for repeat in range(REPEATS):
        begun = time.process_time()
        states, ended = compiled(states, jax.random.key(repeat + 1))
        games += int(ended)
        seconds.append(time.process_time() - begun)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(start)) // B
    rate = STEPS * B / statistics.median(seconds)
    print(json.dumps({"rate": rate, "compile": compiling, "bytes": size, "games": games}))


if __name__ == "__main__":
    main()
