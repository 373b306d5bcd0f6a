"""The replay window: targets against a loop in NumPy, what is drawn from it, and symmetries of what is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.games.make import make_game
from logpi.games.window import Moves, Samples, empty, mirrored, push, sample

GAMES, ACTIONS, LONGEST = 5, 3, 7


def played(rows, seed=0, longest=LONGEST):
    """[rows, GAMES] moves of games of 1 to ``longest`` moves; what is observed is the number of row and column."""
    rng = np.random.default_rng(seed)
    ended = np.zeros((rows, GAMES), bool)
    for column in ended.T:
        column[np.cumsum(rng.integers(1, longest + 1, rows)).clip(max=rows) - 1] = True
        column[-1] = False
    number = np.broadcast_to(np.arange(rows)[:, None] * GAMES + np.arange(GAMES), (rows, GAMES))
    obs = np.stack([number // 100, number % 100], -1).reshape(rows, GAMES, 1, 1, 2)
    policy = rng.dirichlet(np.ones(ACTIONS), (rows, GAMES))
    policy[rng.random(policy.shape) < 0.3] = -1.0
    return Moves(
        obs.astype(np.float16),
        policy.astype(np.float16),
        rng.uniform(-1, 1, (rows, GAMES)).astype(np.float32),
        np.where(ended, rng.integers(-1, 2, (rows, GAMES)), 0).astype(np.float32),
        np.where(ended, 0.0, -1.0).astype(np.float32),
        rng.random((rows, GAMES)) < 0.7,
    )


def targets(moves, lam):
    """[rows, GAMES] λ-returns as sums over n-step returns, NaN where the game has not ended by the last of ``moves``.

    (1 - λ) Σ_n λ^(n-1) (-1)^n v(t + n) over the moves that follow, and the outcome with what is left of the weight.
    """
    found = np.full(moves.value.shape, np.nan)
    for row, column in np.ndindex(found.shape):
        ends = np.flatnonzero(moves.discount[row:, column] == 0)
        if len(ends):
            last = ends[0]
            mixed = sum(lam ** (n - 1) * (-1) ** n * moves.value[row + n, column] for n in range(1, last + 1))
            found[row, column] = (1 - lam) * mixed + (-lam) ** last * moves.reward[row + last, column]
    return found


def pushed(moves, count, rows, lam):
    """A window of ``rows`` rows after each ``count`` of the ``moves``."""
    step = jax.jit(lambda window, new: push(window, new, jnp.full(GAMES, 77.0), lam, LONGEST))
    window = empty(jax.tree.map(jnp.asarray, moves), rows)
    for start in range(0, len(moves.value), count):
        window = step(window, jax.tree.map(lambda x, start=start: x[start : start + count], moves))
        yield jax.device_get(window), start + count


@pytest.mark.parametrize("lam", [1.0, 0.7, 0.0])
@pytest.mark.parametrize(("count", "rows"), [(4, 24), (4, 8), (6, 12), (1, 9), (12, 12)], ids=str)
def test_targets_are_those_of_a_loop(count, rows, lam):
    """In rings that hold one, two or six chunks, while they fill and when they wrap; games are cut by every chunk."""
    moves = played(60)
    seen = 0
    for window, made in pushed(moves, count, rows, lam):
        kept = np.arange(max(0, made - rows), made)
        assert window.filled == len(kept)
        wanted = np.full((rows, GAMES), np.nan)
        wanted[kept % rows] = targets(jax.tree.map(lambda x, made=made: x[:made], moves), lam)[kept]
        known = ~np.isnan(wanted)
        np.testing.assert_array_equal(window.known, known)
        np.testing.assert_allclose(window.target[known], wanted[known], atol=1e-5)
        np.testing.assert_array_equal(window.moves.obs[kept % rows], moves.obs[kept])
        seen += known.sum()
    assert seen > 400


def test_the_loser_s_moves_are_worth_minus_one():
    """A game of five moves that the player of its last move wins, and one that is resigned at the third move."""
    reward = np.zeros((5, 2), np.float32)
    reward[4, 0], reward[2, 1] = 1.0, -1.0
    discount = np.where(reward != 0, 0.0, -1.0).astype(np.float32)
    blank = jax.tree.map(lambda x: jnp.asarray(x)[:5, :2], played(6))
    new = blank._replace(reward=jnp.asarray(reward), discount=jnp.asarray(discount))
    window = push(empty(new, 10), new, jnp.zeros(2), 1.0, 5)
    np.testing.assert_array_equal(window.target[:5, 0], [1, -1, 1, -1, 1])
    np.testing.assert_array_equal(window.target[:3, 1], [-1, 1, -1])
    np.testing.assert_array_equal(window.known[:5], (np.arange(5) < np.array([[5], [3]])).T)


def test_every_move_is_drawn_equally_often_and_only_the_known_ones_count():
    moves, rows, count = played(20), 12, 60_000
    *_, (window, made) = pushed(moves, 4, rows, 1.0)
    drawn = jax.jit(lambda key: sample(window, key, count))(jax.random.key(0))
    number = np.asarray(drawn.obs[:, 0, 0, 0] * 100 + drawn.obs[:, 0, 0, 1]).astype(int)
    row, column = number // GAMES, number % GAMES
    assert row.min() == made - rows, "what was overwritten is gone"
    times = np.bincount(number - row.min() * GAMES, minlength=rows * GAMES)
    expected = count / (rows * GAMES)
    assert len(times) == rows * GAMES
    assert ((times - expected) ** 2 / expected).sum() < 110, "chi-squared with 59 degrees of freedom, p < 1e-4"
    wanted = targets(moves, 1.0)[row, column]
    counts = ~np.isnan(wanted) & moves.learn[row, column]
    np.testing.assert_array_equal(drawn.weight, counts)
    np.testing.assert_array_equal(np.asarray(drawn.target)[counts], wanted[counts])
    policy = moves.policy[row, column]
    np.testing.assert_array_equal(drawn.legal, policy != -1)
    np.testing.assert_array_equal(drawn.policy, np.where(policy == -1, 0, policy))


def test_of_a_window_that_is_not_full_only_what_is_there_is_drawn():
    moves = played(4)
    window, _ = next(pushed(moves, 4, 24, 1.0))
    drawn = sample(window, jax.random.key(0), 500)
    number = np.asarray(drawn.obs[:, 0, 0, 0] * 100 + drawn.obs[:, 0, 0, 1]).astype(int)
    assert set(number) == set(range(4 * GAMES))
    unused = sample(empty(jax.tree.map(jnp.asarray, moves), 24), jax.random.key(0), 50)
    assert (np.asarray(unused.weight) == 0).all(), "nor is anything learnt from an empty one"


@pytest.fixture(scope="module", params=["tic-tac-toe", "connect-four", "othello"])
def positions(request):
    """(game, states [N, ...] after random moves, the same under each symmetry [S, N, ...], a legal move of each)."""
    game, rng = make_game(request.param), np.random.default_rng(0)
    undone = np.argsort(game.action_symmetries, axis=1)
    step, legal, ended = (jax.jit(f) for f in (game.step, game.legal, game.ended))
    sides = jax.jit(jax.vmap(game.step))
    found = []
    for length in (0, 1, 2, 3, 4, 4):
        state = game.init()
        moved = jax.tree.map(lambda x: jnp.stack([x] * len(undone)), state)
        for _ in range(length):
            action = rng.choice(np.flatnonzero(legal(state)))
            state, moved = step(state, jnp.int32(action)), sides(moved, jnp.asarray(undone[:, action]))
        assert not ended(state)
        found.append((state, moved, rng.choice(np.flatnonzero(legal(state)))))
    states, moved, action = zip(*found, strict=True)
    stack = jax.tree.map
    return game, stack(lambda *x: jnp.stack(x), *states), stack(lambda *x: jnp.stack(x, 1), *moved), np.array(action)


def samples_of(game, states, action):
    n = len(action)
    return Samples(
        jax.vmap(game.observe)(states),
        jax.nn.one_hot(action, game.actions),
        jax.vmap(game.legal)(states),
        jnp.arange(n) / n,
        jnp.arange(n) % 2.0,
    )


def test_a_mirrored_move_is_the_move_of_the_mirrored_game(positions):
    game, states, moved, action = positions
    samples = samples_of(game, states, action)
    for k, (cells, actions) in enumerate(zip(game.symmetries, game.action_symmetries, strict=True)):
        ours = mirrored(samples, jax.random.key(0), jnp.asarray(cells)[None], jnp.asarray(actions)[None])
        theirs = jax.tree.map(lambda x, k=k: x[k], moved)
        np.testing.assert_array_equal(ours.obs, jax.vmap(game.observe)(theirs))
        np.testing.assert_array_equal(ours.legal, jax.vmap(game.legal)(theirs))
        after = jax.vmap(game.step)(theirs, ours.policy.argmax(-1).astype(jnp.int32))
        straight = jax.vmap(game.observe)(jax.vmap(game.step)(states, jnp.asarray(action, jnp.int32)))
        planes = straight.reshape(len(action), -1, straight.shape[-1])[:, cells].reshape(straight.shape)
        np.testing.assert_array_equal(jax.vmap(game.observe)(after), planes)
        for name in ("target", "weight"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(samples, name))


def test_symmetries_are_drawn_equally_often_and_each_for_a_whole_sample(positions):
    game, states, moved, action = positions
    count = 4000
    last = jax.tree.map(lambda x: x[-1:], (states, action))
    samples = jax.tree.map(lambda x: jnp.repeat(x, count, 0), samples_of(game, *last))
    cells, actions = jnp.asarray(game.symmetries), jnp.asarray(game.action_symmetries)
    drawn = mirrored(samples, jax.random.key(0), cells, actions)
    boards = np.asarray(jax.vmap(game.observe)(jax.tree.map(lambda x: x[:, -1], moved)))
    undone = np.argsort(game.action_symmetries, axis=1)[:, action[-1]]
    same = (np.asarray(drawn.obs)[:, None] == boards[None]).all((2, 3, 4))  # [count, S]
    same &= np.asarray(drawn.policy.argmax(-1))[:, None] == undone[None]
    assert same.any(1).all(), "board and move under the same symmetry"
    share = same.mean(0) / same.sum(1).mean()
    assert abs(share * len(cells) - 1).max() < 0.35
