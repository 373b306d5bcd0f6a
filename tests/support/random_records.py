"""Records of random games, many at once."""

import jax
import jax.numpy as jnp
import numpy as np

from logpi.games.records.record import Record


def random_records(game, number, most, seed=0):
    """``number`` records of random games that end at their own end or after ``most`` moves."""
    rng, rows = np.random.default_rng(seed), np.arange(number)
    facts = jax.jit(jax.vmap(lambda state: (game.ended(state), game.outcome(state), game.legal(state))))
    step = jax.jit(jax.vmap(game.step))
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (number, *jnp.shape(x))), game.init())
    actions, outcomes = [[] for _ in rows], [None for _ in rows]
    going = np.ones(number, bool)
    for made in range(most + 1):
        over, result, legal = map(np.asarray, facts(states))
        for n in np.flatnonzero(going & over):
            outcomes[n] = float(result[n]) if made % 2 == 0 else -float(result[n])
        going &= ~over
        if not going.any() or made == most:
            break
        chosen = np.where(legal, rng.random(legal.shape), -1.0).argmax(1).astype(np.int32)
        for n in np.flatnonzero(going):
            actions[n].append(int(chosen[n]))
        states = step(states, jnp.asarray(chosen))
    reasons = ["unfinished" if outcome is None else "played out" for outcome in outcomes]
    return [
        Record(game.id, (f"a{n}", f"b{n}"), tuple(actions[n]), outcomes[n], reason=reasons[n], date="2026-01-31")
        for n in rows
    ]
