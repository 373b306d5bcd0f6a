"""Tree search: against mctx, on trees worked out by hand, and what would show a wrong sign, mask or discount."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mctx
import numpy as np
import pytest

from logpi.games.rules.make import make_game
from logpi.games.search.gumbel import GumbelConstants, considered_visits, gumbel
from logpi.games.search.puct import DirichletNoise, PuctConstants, by_visits, dirichlet, pruned, puct, rule
from logpi.games.search.top_k import best
from logpi.games.search.tree import Edges, Expansion, Leaf, Simulations
from logpi.games.search.uct import uct
from logpi.ops.distributions import ILLEGAL

B, SIMULATIONS, CONSIDERED = 32, 60, 6


class Hashed(NamedTuple):
    """A game without end whose priors, values and masks are hashes of the moves made."""

    actions: int
    ending: float = 0.0  # share of the positions that end the game
    allowed: float = 0.7  # share of the moves that are legal

    def leaf(self, state):
        def uniform(salt, count=None):
            """[B] or [B, count] in [0, 1)."""
            column = jnp.arange(count or 1, dtype=jnp.uint32)[None] + jnp.uint32(1000 * salt)
            x = (state.astype(jnp.uint32)[:, None] * jnp.uint32(2654435761)) ^ (column * jnp.uint32(0x9E3779B1))
            for shift in (15, 13, 16):
                x = (x ^ (x >> shift)) * jnp.uint32(0x85EBCA6B)
            values = (x >> 8).astype(jnp.float32) / 2**24
            return values if count else values[:, 0]

        terminal = uniform(0) < self.ending
        value = jnp.where(terminal, jnp.sign(uniform(1) - 0.5), uniform(2) * 2 - 1)
        always = jnp.arange(self.actions)[None] == state[:, None] % self.actions
        legal = (uniform(3, self.actions) < self.allowed) | always
        logits = jnp.where(legal, 3 * uniform(4, self.actions), ILLEGAL)
        return Leaf(logits, value, terminal)

    def step(self, state, action):
        return (state * 1_000_003 + action * 7919 + 17) & 0xFFFFFF

    def start(self):
        return jnp.arange(B, dtype=jnp.int32) * 3 + 1

    def root(self):
        return self.evaluate(self.start())

    def evaluate(self, state):
        """As ``leaf``, but no search begins at an end."""
        leaf = self.leaf(state)
        begins = (state < 3 * B + 1) & (state % 3 == 1)
        return leaf._replace(terminal=leaf.terminal & ~begins)

    @property
    def expansion(self):
        return Expansion(self.step, self.evaluate)

    def recurrent(self, params, key, action, state):
        state = self.step(state, action)
        leaf = self.evaluate(state)
        # mctx goes on behind an end of the game: reward and discount 0 make that worthless
        return mctx.RecurrentFnOutput(
            reward=jnp.where(leaf.terminal, -leaf.value, 0.0),
            discount=jnp.where(leaf.terminal, 0.0, -1.0),
            prior_logits=leaf.logits,
            value=leaf.value,
        ), state

    def mctx_root(self):
        root = self.root()
        return mctx.RootFnOutput(prior_logits=root.logits, value=root.value, embedding=self.start()), root.logits < -1e8


GAMES = [Hashed(7), Hashed(7, 0.3), Hashed(4, 0.5), Hashed(40, 0.1)]


@pytest.mark.parametrize("game", [Hashed(7, 0.0, 1.0), Hashed(4, 0.5, 1.0), Hashed(40, 0.1, 1.0)], ids=str)
def test_puct_visits_what_mctx_visits(game):
    """Where all moves are legal: below the root mctx may follow an illegal move, whose Q of 0 can be the largest."""
    root, invalid = game.mctx_root()
    with jax.numpy_rank_promotion("allow"):
        theirs = jax.jit(
            lambda: mctx.muzero_policy(
                None,
                jax.random.key(0),
                root,
                game.recurrent,
                SIMULATIONS,
                invalid_actions=invalid,
                dirichlet_fraction=0.0,
                temperature=0.0,
                qtransform=lambda tree, node: tree.qvalues(node),
            )
        )()
    ours = jax.jit(
        lambda: puct(game.start(), game.expansion, jax.random.key(0), Simulations(SIMULATIONS), jnp.zeros(B))
    )()
    np.testing.assert_array_equal(ours.visits, theirs.search_tree.summary().visit_counts)
    np.testing.assert_allclose(ours.policy, theirs.action_weights, atol=1e-6)
    np.testing.assert_allclose(ours.value, theirs.search_tree.summary().value, atol=1e-5)


@pytest.mark.parametrize("game", GAMES, ids=str)
def test_gumbel_acts_and_visits_as_mctx(game):
    """mctx splits its key once before it draws the same noise."""
    root, invalid = game.mctx_root()
    key = jax.random.key(5)
    with jax.numpy_rank_promotion("allow"):
        theirs = jax.jit(
            lambda: mctx.gumbel_muzero_policy(
                None,
                key,
                root,
                game.recurrent,
                SIMULATIONS,
                invalid_actions=invalid,
                max_num_considered_actions=CONSIDERED,
            )
        )()
    _, noise_key = jax.random.split(key)
    ours = jax.jit(
        lambda: gumbel(game.start(), game.expansion, noise_key, Simulations(SIMULATIONS), GumbelConstants(CONSIDERED))
    )()
    np.testing.assert_array_equal(ours.visits, theirs.search_tree.summary().visit_counts)
    np.testing.assert_array_equal(ours.action, theirs.action)
    np.testing.assert_allclose(ours.policy, theirs.action_weights, atol=1e-5)
    legal = ~np.asarray(invalid)
    assert legal[np.arange(B), np.asarray(ours.action)].all()
    assert (np.asarray(ours.visits)[~legal] == 0).all()
    assert (np.asarray(ours.policy)[~legal] == 0).all()


def test_keeping_every_legal_move_changes_nothing_but_their_order():
    game, key = Hashed(40, 0.1), jax.random.key(1)
    most = 39  # of 40 actions some position has 39 legal ones at most
    assert int((game.root().logits > -1e8).sum(-1).max()) <= most
    searches = (
        lambda kept: gumbel(game.start(), game.expansion, key, Simulations(40), GumbelConstants(8, max_children=kept)),
        lambda kept: puct(
            game.start(), game.expansion, key, Simulations(40), jnp.zeros(B), PuctConstants(max_children=kept)
        ),
    )
    for search in searches:
        whole, few = (jax.jit(partial(search, kept))() for kept in (0, most))
        np.testing.assert_array_equal(whole.visits, few.visits)
        np.testing.assert_array_equal(whole.action, few.action)
        np.testing.assert_allclose(whole.policy, few.policy, atol=1e-6)


def test_of_few_kept_moves_only_those_of_the_largest_prior_are_visited():
    game, key = Hashed(40), jax.random.key(1)
    found = puct(game.start(), game.expansion, key, Simulations(60), jnp.zeros(B), PuctConstants(max_children=4))
    rank = np.argsort(np.argsort(-np.asarray(game.root().logits), 1), 1)
    assert (np.asarray(found.visits)[rank >= 4] == 0).all()
    assert ((np.asarray(found.visits)[rank < 4] > 0).sum() > 3 * B).all()
    assert (np.asarray(found.visits).sum(1) == 60).all()


@pytest.mark.parametrize(("a", "k"), [(7, 3), (200, 5), (4672, 32), (1000, 1)])
def test_the_best_moves_are_those_of_a_full_sort(a, k):
    scores = jax.random.normal(jax.random.key(a), (9, a))
    values, where = best(scores, k)
    order = np.argsort(-np.asarray(scores), axis=1)[:, :k]
    np.testing.assert_array_equal(where, order)
    np.testing.assert_array_equal(values, np.take_along_axis(np.asarray(scores), order, 1))


def two_moves(values, ends=()):
    """A game of two moves a position, states numbered as a heap (0; 1, 2; 3, 4, …), with these values for the mover."""
    value = jnp.asarray([values.get(n, 0.0) for n in range(64)])
    terminal = jnp.asarray([n in ends for n in range(64)])

    def leaf(state):
        return Leaf(jnp.zeros((len(state), 2)), value[state], terminal[state])

    return jnp.zeros(1, jnp.int32), Expansion(lambda state, action: 2 * state + 1 + action, leaf)


def test_what_fills_the_last_block_is_never_a_move():
    """Fewer legal moves than are kept, the best of them in a last block that is not full."""
    scores = np.full((3, 1225), ILLEGAL, np.float32)
    scores[:, [3, 700, 1224]] = [1.0, 2.0, 3.0]
    values, where = best(jnp.asarray(scores), 32)
    assert (np.asarray(where) < 1225).all()
    np.testing.assert_array_equal(where[:, :3], [[1224, 700, 3]] * 3)
    np.testing.assert_array_equal(values[:, :3], [[3.0, 2.0, 1.0]] * 3)


@pytest.mark.parametrize("considered", [4, 5, 16])
def test_halving_spends_on_no_more_moves_than_are_kept(considered):
    """Of four kept moves the first two get as much as the others together, or more; none is starved."""
    game = Hashed(40, allowed=1.0)
    found = gumbel(
        game.start(), game.expansion, jax.random.key(0), Simulations(16), GumbelConstants(considered, max_children=4)
    )
    visits = np.sort(np.asarray(found.visits), -1)[:, ::-1]
    np.testing.assert_array_equal(visits[:, :5], [[6, 6, 2, 2, 0]] * B)


def test_who_is_behind_does_not_try_every_move_before_any_twice():
    """Every move is bad, the first one the least: with Q = 0 for the others none gets a second visit."""

    def leaf(state):
        # below the root, of the player who is ahead
        value = jnp.where(state == 0, -0.5, jnp.where(state == 1, 0.3, 0.5))
        logits = jnp.broadcast_to(-0.01 * jnp.arange(40.0), (len(state), 40))
        return Leaf(logits, value, jnp.zeros(len(state), bool))

    def visits(reduction):
        found = puct(
            jnp.zeros(1, jnp.int32),
            Expansion(lambda state, action: state + 1 + action, leaf),
            jax.random.key(0),
            Simulations(24),
            jnp.zeros(1),
            PuctConstants(fpu_reduction=reduction),
        )
        return np.asarray(found.visits[0])

    assert visits(-1.0).max() == 1
    assert visits(0.0).max() > 2
    assert visits(0.0).argmax() == 0, "the likeliest move"
    assert (visits(0.3) > 0).sum() < (visits(0.0) > 0).sum() < (visits(-1.0) > 0).sum()


def test_random_games_of_a_search_are_independent():
    """From positions that are alike, trees of their own: values differ, and their mean is a longer search's."""
    game = make_game("tic-tac-toe")
    state = jax.tree.map(lambda x: jnp.broadcast_to(x, (256, *x.shape)), game.init())
    value = np.asarray(uct(game, state, jax.random.key(0), 9)[1])  # the root's and one of each move
    # ten independent games, each ±1 or 0 with variance of about 0.85
    assert 0.7 < value.std() / np.sqrt(0.85 / 10) < 1.3
    alone = jax.tree.map(lambda x: x[:1], state)
    np.testing.assert_allclose(uct(game, alone, jax.random.key(0), 9)[1], value[:1], atol=1e-6)


def test_visits_and_values_worked_out_by_hand():
    """c = log((1+N+19652)/19652) + 1.25 is 1.25 here to four digits; U = 1.25 · 0.5 · √N(s) / (1 + N(s, a)).

    1: N=1, U = .625, .625: the first, a; its value for its mover is -0.4, so Q(a) = 0.4.
    2: N=2, U = .884 √: a .4 + .442 = .842, b .884: b; its mover's value 0.2, so Q(b) = -0.2.
    3: N=3, a .4 + .541, b -.2 + .541: a; below, 3 is worth 1 to the root's player (who moves there), so for a's mover
       -1; W(a) = 0.4 + 1 = 1.4, Q = 0.7.
    4: N=4, a .7 + .417, b -.2 + .625: a; there N=2, Q(3) for a's mover is -1: -1 + .442 < .884: 4, worth -0.6 to
       the root's player: W(a) = 1.4 - 0.6 = 0.8.
    """
    state, game = two_moves({0: 0.1, 1: -0.4, 2: 0.2, 3: 1.0, 4: -0.6})
    found = puct(state, game, jax.random.key(0), Simulations(4), jnp.zeros(1))
    np.testing.assert_array_equal(found.visits, [[3, 1]])
    np.testing.assert_allclose(found.value, [(0.1 + 0.4 - 0.2 + 1.0 - 0.6) / 5], atol=1e-6)
    np.testing.assert_allclose(found.tree.total[:, 0], [0.7, 0.8, -0.2, 1.0, -0.6], atol=1e-6)
    np.testing.assert_array_equal(found.tree.visits[:, 0], [5, 3, 1, 1, 1])


@pytest.mark.parametrize(
    ("simulations", "reduction", "visits"),
    [(2, 0.28, [3, 1, 1]), (2, 0.30, [3, 2, 1]), (3, 0.70, [4, 3, 1, 1]), (3, 0.78, [4, 3, 2, 1])],
)
def test_moves_without_a_visit_are_worth_their_nodes_mean_less_the_reduction(simulations, reduction, visits):
    """The same tree, by hand: the mean of a node counts its own value once and its moves' values by their visits.

    2: N=2, a .4 + .442 = .842, b (.1 + .4)/2 - r + .884: b up to r = .292.
    3: below a (value -.4 for its mover), after 3 (Q = -1): 3 -1 + .442 = -.558, 4 (-.4 - 1)/2 - r + .884 = .184 - r:
       4 up to r = .742, then 3 once more.
    """
    state, game = two_moves({0: 0.1, 1: -0.4, 2: 0.2, 3: 1.0, 4: -0.6})
    found = puct(
        state, game, jax.random.key(0), Simulations(simulations), jnp.zeros(1), PuctConstants(fpu_reduction=reduction)
    )
    np.testing.assert_array_equal(np.sort(found.tree.visits[:, 0])[::-1], visits)


def test_an_end_of_the_game_counts_each_time_it_is_reached_and_is_not_passed():
    """State 2 is lost for its mover: the root's player wins by the second move, and should find nothing else."""
    state, game = two_moves({2: -1.0, 5: 1.0, 6: 1.0}, ends={2})
    found = puct(state, game, jax.random.key(0), Simulations(50), jnp.zeros(1))
    assert found.action[0] == 1
    assert found.visits[0, 1] > 35
    second = int(found.tree.child[0, 0, 1])
    assert (found.tree.child[second] == 0).all(), "nothing grows behind the end"
    np.testing.assert_allclose(found.tree.total[second], found.tree.visits[second], atol=1e-5)


def test_a_trap_one_move_deeper_is_seen():
    """By the first move the other player can win at once (state 3 is lost for the root's player)."""
    state, game = two_moves({1: 0.0, 3: -1.0}, ends={3})
    for search in (
        partial(puct, temperature=jnp.zeros(1)),
        partial(gumbel, constants=GumbelConstants(noise_scale=0.0)),
    ):
        found = search(state, game, jax.random.key(0), Simulations(32))
        assert found.action[0] == 1
        assert found.policy[0, 1] > 0.5


@pytest.mark.parametrize(
    "search", [partial(puct, temperature=jnp.ones(B), constants=PuctConstants(DirichletNoise(0.25, 1.0))), gumbel]
)
def test_a_tree_does_not_depend_on_its_neighbours(search):
    """The searches that finish early must not be moved on by those that go deeper."""
    game = Hashed(7, 0.3)

    own = game.start()
    mixed = jnp.where(jnp.arange(B) % 2 == 0, own, own[::-1])
    whole, half = (
        jax.jit(lambda state=state: search(state, game.expansion, jax.random.key(3), Simulations(40)))()
        for state in (own, mixed)
    )
    np.testing.assert_array_equal(whole.visits[::2], half.visits[::2])
    np.testing.assert_array_equal(whole.action[::2], half.action[::2])


@pytest.mark.parametrize("kept", [0, 4])
@pytest.mark.parametrize("use_other", [True, False])
def test_a_search_of_the_other_number_of_simulations_is_one_with_that_many(use_other, kept):
    """Decided while it runs: the same moves, policy and visits as of a search that is made for that number alone."""
    game, key = Hashed(7, 0.3), jax.random.key(3)
    noise, constants = DirichletNoise(0.25, 0.3, jnp.bool_(not use_other)), PuctConstants(max_children=kept)
    searches = (
        lambda leaves, noise: gumbel(game.start(), game.expansion, key, leaves, GumbelConstants(4, max_children=kept)),
        lambda leaves, noise: puct(
            game.start(), game.expansion, key, leaves, jnp.ones(B), constants._replace(noise=noise)
        ),
    )
    for search in searches:
        found = jax.jit(lambda other, search=search: search(Simulations(40, 12, other), noise))(jnp.bool_(use_other))
        alone = jax.jit(
            lambda search=search: search(Simulations(12), None) if use_other else search(Simulations(40), noise)
        )()
        for a, b in zip(found[:4], alone[:4], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_root_noise_is_a_dirichlet_draw_over_the_legal_moves():
    legal = jnp.asarray(np.random.default_rng(0).random((4000, 10)) < 0.5) | (jnp.arange(10) == 0)[None]
    for alpha in (0.03, 0.3, 1.0):
        eta = np.asarray(dirichlet(jax.random.key(0), alpha, legal))
        assert (eta[~np.asarray(legal)] == 0).all()
        np.testing.assert_allclose(eta.sum(1), 1, atol=1e-5)
        five = eta[np.asarray(legal).sum(1) == 5, 0]
        assert abs(five.mean() - 0.2) < 0.03
        wanted = (1 / 5) * (4 / 5) / (5 * alpha + 1)  # variance of one component of Dirichlet(alpha) over 5 moves
        assert abs(five.var() / wanted - 1) < 0.15


def test_noise_moves_the_root_and_nothing_else():
    game = Hashed(7)
    calm = puct(game.start(), game.expansion, jax.random.key(2), Simulations(50), jnp.zeros(B))
    moved = puct(
        game.start(),
        game.expansion,
        jax.random.key(2),
        Simulations(50),
        jnp.zeros(B),
        PuctConstants(DirichletNoise(0.25, 0.3)),
    )
    assert (np.asarray(calm.visits) != np.asarray(moved.visits)).any(1).mean() > 0.9
    legal = np.asarray(game.root().logits) > -1e8
    assert (np.asarray(moved.visits)[~legal] == 0).all()
    np.testing.assert_allclose(  # a node has the prior of the network, whatever the noise
        moved.tree.logits[1], game.leaf(moved.tree.state[1]).logits, atol=1e-6
    )


def test_temperature_draws_by_powers_of_the_visits():
    visits = jnp.broadcast_to(jnp.asarray([[1.0, 2.0, 0.0, 4.0]]), (20_000, 4))
    for temperature, shares in ((1.0, [1, 2, 0, 4]), (0.5, [1, 4, 0, 16]), (0.0, [0, 0, 0, 1])):
        drawn = np.asarray(
            by_visits(jax.random.bits(jax.random.key(0), visits.shape), visits, jnp.full(20_000, temperature))
        )
        wanted = np.asarray(shares) / sum(shares)
        np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, wanted, atol=0.015)


def test_sequential_halving_spends_evenly():
    """8 moves and 24 simulations: three rounds of 8, on 8, then 4, then 2 moves."""
    table = np.asarray(considered_visits(8, Simulations(24)))
    assert table[8].tolist() == [0] * 8 + [1] * 4 + [2] * 4 + [3] * 2 + [4] * 2 + [5] * 2 + [6] * 2
    assert table[1].tolist() == list(range(24))
    assert table[5].tolist()[:5] == [0] * 5


@pytest.mark.parametrize(
    ("moves", "answer"),
    [("4 1 4 1 4", "4"), ("1 4 2 4 7 4", "4"), ("1 4 2 4 7 4 7", "4")],
    ids=["block", "stack", "win"],
)
def test_connect_four_tactics(moves, answer):
    """The player to move must stop four in a row, or make it."""
    game = make_game("connect-four")
    state = game.init()
    for move in moves.split():
        state = game.step(state, jnp.int32(game.parse(move)))
    action, _ = jax.jit(lambda: uct(game, state[None], jax.random.key(0), 2000))()
    assert game.name(int(action[0])) == answer


def test_what_was_forced_is_pruned_by_hand():
    """U = 1.25 · 1/3 · √16 / (1 + N) = 1.667 / (1 + N): the best move's score is .5 + .152 = .652.

    n_forced = √(2 · 1/3 · 15) = 3. b reaches .652 at one visit (-1 + .833 < .652): 3 - 3 are left to take, but one
    has to stay, and a single one is taken too. c (.4) would need 6 visits to fall to .652: it keeps its 2.
    """
    e = Edges(jnp.zeros((1, 3)), jnp.array([[10.0, 3.0, 2.0]]), jnp.array([[0.5, -1.0, 0.4]]), jnp.zeros(1))
    score = rule(PuctConstants())
    np.testing.assert_array_equal(pruned(e, score, 2.0), [[10, 0, 2]])
    np.testing.assert_array_equal(pruned(e, score, 0.0), e.visits)
    b_better = e._replace(q=jnp.array([[0.5, 0.0, 0.4]]))  # at two visits .556 < .652, at one .833
    np.testing.assert_array_equal(pruned(b_better, score, 2.0), [[10, 2, 2]])


def test_forced_playouts_leave_the_policy_as_it_was():
    """Each visited move has its √(k P N) visits (Wu 2019); what was forced is taken off the policy again."""
    game = Hashed(40)
    key, k = jax.random.key(4), 2.0
    constants = PuctConstants(DirichletNoise(0.25, 0.3))
    plain = puct(game.start(), game.expansion, key, Simulations(200), jnp.zeros(B), constants)
    forced = puct(
        game.start(), game.expansion, key, Simulations(200), jnp.zeros(B), constants._replace(forced_playouts_k=k)
    )
    prior = np.exp(np.asarray(forced.tree.logits[0]))
    visits = np.asarray(forced.visits)
    wanted = np.sqrt(k * prior * 200)
    assert (visits[visits > 0] >= np.floor(wanted)[visits > 0] - 1).all()
    np.testing.assert_allclose(forced.policy.sum(1), 1, atol=1e-5)
    raw = visits / visits.sum(1, keepdims=True)
    best = visits.argmax(1)
    rows = np.arange(B)
    assert (np.asarray(forced.policy)[rows, best] >= raw[rows, best] - 1e-6).all(), "pruning takes from the others"
    far = [np.abs(p - np.asarray(plain.policy)).sum(1).mean() for p in (np.asarray(forced.policy), raw)]
    assert far[0] < far[1], "the pruned policy is nearer to the one without forcing"
