"""Rounds of many leaves: walkers part by the rule, and the tree stays one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

from logpi.games.rules.make import make_game
from logpi.games.search.leaves import grown_by_leaves, next_moves
from logpi.games.search.puct import PuctConstants, Terms, rule, terms
from logpi.games.search.tree import AtRoot, Edges, Expansion, Leaf, edges, empty, grown
from logpi.ops.distributions import ILLEGAL

FOUR = make_game("connect-four")
ROWS, WIDTH = 800, 16
CONSTANTS = PuctConstants(fpu_reduction=0.1)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def evaluate(state):
    """Positions of Connect Four with priors and values that are hashes of the board."""
    seed = (state.astype(jnp.uint32) * jnp.arange(1, 15, dtype=jnp.uint32).reshape(2, 7)).sum((1, 2))
    x = seed[:, None] * jnp.uint32(2654435761) + jnp.arange(8, dtype=jnp.uint32) * jnp.uint32(0x9E3779B1)
    for shift in (15, 13, 16):
        x = (x ^ (x >> shift)) * jnp.uint32(0x85EBCA6B)
    unit = (x >> 8).astype(jnp.float32) / 2**24
    ended = jax.vmap(FOUR.ended)(state)
    value = jnp.where(ended, jax.vmap(FOUR.outcome)(state), unit[:, 7] - 0.5)
    return Leaf(jnp.where(jax.vmap(FOUR.legal)(state), 4 * unit[:, :7], ILLEGAL), value, ended)


EXPANSION = Expansion(jax.vmap(FOUR.step), jax.jit(evaluate))


def planted(moves=""):
    state = FOUR.init()
    for move in moves:
        state = FOUR.step(state, jnp.int32(FOUR.parse(move)))
    return empty(jax.tree.map(lambda x: jnp.asarray(x)[None], state), (1, 7), ROWS - 1, 0)


@pytest.fixture(scope="module")
def grow():
    of, every = terms(CONSTANTS), jnp.ones(7, bool)
    return jax.jit(
        lambda tree, first, end, width: grown_by_leaves(tree, EXPANSION, of, every, first, end, width, FOUR.longest),
        static_argnums=3,
    )


def test_one_leaf_at_a_time_is_the_search_of_training(grow):
    score = rule(CONSTANTS)
    wanted = jax.jit(lambda tree: grown(tree, EXPANSION, 0, 300, AtRoot(lambda e, _: score(e)), score))(planted("443"))
    found = grow(grow(planted("443"), 0, 120, 1), 120, 300, 1)
    np.testing.assert_array_equal(found.child, wanted.child)
    np.testing.assert_array_equal(found.visits, wanted.visits)
    np.testing.assert_allclose(found.total, wanted.total, atol=1e-5)


@pytest.mark.parametrize("moves", ["", "171716", "4444442222"])
def test_a_tree_of_many_leaves_is_a_tree(grow, moves):
    """Visits and values of every node are those of its children and its own; every node is one position's, once."""
    tree = jax.device_get(grow(planted(moves), 0, 700, WIDTH))
    child, visits, total = tree.child[:, 0], tree.visits[:, 0], tree.total[:, 0]
    made = np.flatnonzero(visits)
    links = child[child > 0]
    assert len(set(links.tolist())) == len(links) == len(made) - 1
    assert visits[0] == 700
    for node in made:
        below = child[node][child[node] > 0]
        if tree.terminal[node, 0]:
            assert not len(below)
            assert total[node] == pytest.approx(visits[node] * tree.value[node, 0], abs=1e-3)
        else:
            assert visits[node] == 1 + visits[below].sum()
            assert total[node] == pytest.approx(tree.value[node, 0] + total[below].sum(), abs=1e-3)
    parents = np.repeat(np.arange(ROWS), 7)[child.ravel() > 0]
    moves = np.tile(np.arange(7), ROWS)[child.ravel() > 0]
    after = jax.vmap(FOUR.step)(jnp.asarray(tree.state[parents, 0]), jnp.asarray(moves, jnp.int32))
    np.testing.assert_array_equal(after, tree.state[links, 0])


def test_many_leaves_at_a_time_find_about_what_one_does(grow):
    one, many = (
        np.asarray(edges(grow(planted("44"), 0, 700, width), jnp.zeros(1, jnp.int32), 0).visits[0])
        for width in (1, WIDTH)
    )
    assert one.sum() == many.sum() == 699
    assert np.abs(one - many).sum() / 699 < 0.3, "values that are hashes are as hard to search as can be"


def test_walkers_in_one_node_part_by_the_rule():
    """Each chooses as if the moves of those before it had been visited and lost."""
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(1, 5)).astype(np.float32)).at[0, 3].set(ILLEGAL)
    visits = jnp.asarray([[4.0, 0.0, 9.0, 0.0, 1.0]])
    e = Edges(logits, visits, jnp.asarray([[0.3, 0.0, 0.2, 0.0, -0.5]]), jnp.asarray([0.1]))
    own = terms(CONSTANTS)(e)
    lost, wanted = np.zeros(5), []
    for _ in range(12):
        weighted = np.asarray(own.q[0]) * np.asarray(visits[0]) - lost
        q = np.where(lost > 0, weighted / np.maximum(visits[0] + lost, 1), own.q[0])
        chosen = np.where(e.legal[0], q + own.u[0] / (1 + visits[0] + lost), -np.inf).argmax()
        wanted.append((chosen, lost[chosen]))
        lost[chosen] += 1
    twelve = jax.tree.map(lambda x: jnp.repeat(x, 12, 0), (e, own))
    slot, before = next_moves(Edges(*twelve[0]), Terms(*twelve[1]), jnp.arange(12), jnp.int32(11))
    assert list(zip(slot.tolist(), before.tolist(), strict=True)) == wanted
    assert wanted[0][0] == rule(CONSTANTS)(e)[0].argmax()
    assert 3 not in slot.tolist()
