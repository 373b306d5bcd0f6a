"""Every game of an agent walked through: a perfect one cannot be beaten, a careless one can."""

import functools

import jax.numpy as jnp
import numpy as np

from logpi.games.evaluation.walk import BATCH, Rules, walk, walking
from logpi.games.rules.make import make_game
from logpi.games.rules.tic_tac_toe import LINES
from logpi.games.search.tree import Searched
from logpi.games.search.uct import uct
from logpi.tasks import Verdict

TOE = make_game("tic-tac-toe")


@functools.cache
def value(mover, other):
    """Of tic-tac-toe for the player to move, by exhaustive search."""
    if any(other & int(line) == int(line) for line in LINES):
        return -1
    free = [a for a in range(9) if not (mover | other) >> a & 1]
    return max((-value(other, mover | 1 << a) for a in free), default=0)


def perfect(states):
    """The first best move in each position."""
    chosen = []
    for mover, other in np.asarray(states).tolist():
        values = {a: -value(other, mover | 1 << a) for a in range(9) if not (mover | other) >> a & 1}
        chosen.append(max(values, key=values.get))
    return jnp.asarray(chosen, jnp.int32)


def positions(choose):
    """The positions in which the agent is to move, and the games that it loses, by following every game in Python."""
    seen, lost = set(), set()

    def agent(mover, other):
        if (mover, other) in seen:
            return
        seen.add((mover, other))
        (action,) = np.asarray(choose(np.array([[mover, other]]))).tolist()
        opponent(other, mover | 1 << action)

    def opponent(mover, other):
        if any(other & int(line) == int(line) for line in LINES) or mover | other == 0o777:
            return
        for a in range(9):
            if not (mover | other) >> a & 1:
                after = mover | 1 << a
                if any(after & int(line) == int(line) for line in LINES):
                    lost.add((other, after))
                elif other | after != 0o777:
                    agent(other, after)

    agent(0, 0)
    opponent(0, 0)
    return len(seen), len(lost)


def test_a_perfect_player_cannot_be_beaten():
    found = walk(Rules(TOE), perfect)
    assert (found.positions, found.lost) == (positions(perfect)[0], 0)
    assert found.positions > BATCH, "more than one piece"


def test_the_first_legal_move_loses():
    def first(states):
        states = np.asarray(states)
        return jnp.asarray([next(a for a in range(9) if not (x | y) >> a & 1) for x, y in states.tolist()], jnp.int32)

    found = walk(Rules(TOE), first)
    assert found == positions(first)
    assert found.lost > 0


def test_what_is_said_of_an_agent():
    def search(params, states, key, simulations):
        return Searched(uct(TOE, states, key, simulations)[0], *[None] * 4)

    ((line,), unbeatable) = walking(TOE, search, (), 1)(())
    assert line.startswith("it can be beaten: in ")
    assert "every play of an opponent was walked through" in line
    assert not unbeatable
    assert walk(Rules(TOE), perfect).verdict().unbeatable
    assert walking(make_game("connect-four"), search, (), 1)(()) == Verdict(), "too long to be walked through"
