"""The replay: targets against a loop in NumPy, what is drawn from it, and symmetries of what is drawn."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import pytest
from small import quick_compilation

from logpi.games.learning import target
from logpi.games.replay import UNKNOWN, Moves, Samples, apply_symmetries, empty_replay, push, sample
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game
from logpi.ops.draws import words

GAMES, ACTIONS, LONGEST = 5, 3, 7
PUSH = jax.jit(
    lambda replay, new, following, lam: push(replay, new, LONGEST, lambda moves: target(moves, following, lam))
)
MIRRORED = jax.jit(apply_symmetries)


@partial(jax.jit, static_argnums=2)
def sampled(replay, key, count):
    """``count`` samples."""
    return sample(replay, words(key, (count,), (count,)))


def drawn(samples):
    """A random word for each sample."""
    return jax.random.bits(jax.random.key(0), samples.target.shape)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation(), jax.numpy_rank_promotion("raise"):
        yield


def played(rows, seed=0, longest=LONGEST):
    """[rows, GAMES] moves of games of 1 to ``longest`` moves; each observes its own number, from 1."""
    rng = np.random.default_rng(seed)
    ended = np.zeros((rows, GAMES), bool)
    for column in ended.T:
        column[np.cumsum(rng.integers(1, longest + 1, rows)).clip(max=rows) - 1] = True
        column[-1] = False
    number = 1 + np.broadcast_to(np.arange(rows)[:, None] * GAMES + np.arange(GAMES), (rows, GAMES))
    obs = np.stack([number // 100, number % 100], -1).reshape(rows, GAMES, 1, 1, 2)
    policy = rng.dirichlet(np.ones(ACTIONS), (rows, GAMES))
    policy[rng.random(policy.shape) < 0.2] = 0.0
    policy[rng.random(policy.shape) < 0.3] = -1.0
    return Moves(
        obs.astype(np.float16),
        policy.astype(np.float16),
        rng.uniform(-1, 1, (rows, GAMES)).astype(np.float32),
        np.where(ended, rng.integers(-1, 2, (rows, GAMES)), 0).astype(np.float32),
        np.where(ended, 0.0, -1.0).astype(np.float32),
        rng.random((rows, GAMES)) < 0.7,
        rng.random((rows, GAMES)) < 0.15,
        None,
    )


def numbers(samples):
    return np.asarray(samples.obs[:, 0, 0, 0] * 100 + samples.obs[:, 0, 0, 1]).astype(int)


def targets(moves, lam):
    """[rows, GAMES] λ-returns as sums over n-step returns, NaN where the game has not ended by the last of ``moves``.

    (1 - λ) Σ_n λ^(n-1) (-1)^n v(t + n) over the moves that follow, and the outcome with what is left of the weight; if
    a move strayed, the value before it in the outcome's place.
    """
    found = np.full(moves.value.shape, np.nan)
    for row, column in np.ndindex(found.shape):
        ends = np.flatnonzero(moves.discount[row:, column] == 0)
        if len(ends):
            last, worth, weight = ends[0], moves.reward[row + ends[0], column], lam ** ends[0]
            beyond = last + 1
            strayed = np.flatnonzero(moves.random_move[row : row + last + 1, column])
            if len(strayed):
                last = beyond = strayed[0]
                worth, weight = moves.value[row + last, column], lam ** max(last - 1, 0)
            mixed = sum(lam ** (n - 1) * (-1) ** n * moves.value[row + n, column] for n in range(1, beyond))
            found[row, column] = (1 - lam) * mixed + weight * (-1) ** last * worth
    return found


def pushed(moves, count, rows, lam):
    """A replay of ``rows`` rows after each ``count`` of the ``moves``."""
    replay = empty_replay(moves, rows)
    for start in range(0, len(moves.value), count):
        new = jax.tree.map(lambda x, start=start: x[start : start + count], moves)
        replay = PUSH(replay, new, np.full(GAMES, 77, np.float32), np.float32(lam))
        yield jax.device_get(replay), start + count


@pytest.mark.parametrize("lam", [1.0, 0.7, 0.0])
@pytest.mark.parametrize(("count", "rows"), [(4, 24), (4, 8), (6, 12), (1, 9), (12, 12)], ids=str)
def test_targets_are_those_of_a_loop(count, rows, lam):
    """In rings that hold one, two or six chunks, while they fill and when they wrap; games are cut by every chunk."""
    moves = played(60)
    seen = 0
    for replay, made in pushed(moves, count, rows, lam):
        kept = np.arange(max(0, made - rows), made)
        assert replay.filled == len(kept)
        wanted = np.full((rows, GAMES), np.nan)
        wanted[kept % rows] = targets(jax.tree.map(lambda x, made=made: x[:made], moves), lam)[kept]
        known = ~np.isnan(wanted)
        np.testing.assert_array_equal(replay.known, known)
        np.testing.assert_allclose(replay.target[known], wanted[known], atol=1e-5)
        np.testing.assert_array_equal(replay.moves.obs[kept % rows], moves.obs[kept])
        seen += known.sum()
    assert seen > 200


def test_the_loser_s_moves_are_worth_minus_one():
    """A game of five moves that the player of its last move wins, and one that is resigned at the third move."""
    reward = np.zeros((5, 2), np.float32)
    reward[4, 0], reward[2, 1] = 1.0, -1.0
    discount = np.where(reward != 0, 0.0, -1.0).astype(np.float32)
    blank = jax.tree.map(lambda x: x[:5, :2], played(6))
    new = blank._replace(reward=reward, discount=discount, random_move=np.zeros((5, 2), bool))
    replay = PUSH(empty_replay(new, 10), new, np.zeros(2, np.float32), 1.0)
    np.testing.assert_array_equal(replay.target[:5, 0], [1, -1, 1, -1, 1])
    np.testing.assert_array_equal(replay.target[:3, 1], [-1, 1, -1])
    np.testing.assert_array_equal(replay.known[:5], (np.arange(5) < np.array([[5], [3]])).T)


def test_every_move_is_drawn_equally_often_and_only_the_known_ones_count():
    moves, rows, count = played(20), 10, 60_000
    *_, (replay, made) = pushed(moves, 5, rows, 1.0)
    drawn = sampled(replay, jax.random.key(0), count)
    row, column = np.divmod(numbers(drawn) - 1, GAMES)
    assert row.min() == made - rows, "what was overwritten is gone"
    times = np.bincount((row - row.min()) * GAMES + column)
    expected = count / (rows * GAMES)
    assert len(times) == rows * GAMES
    assert ((times - expected) ** 2 / expected).sum() < 97, "chi-squared with 49 degrees of freedom, p < 1e-4"
    wanted = targets(moves, 1.0)[row, column]
    counts = ~np.isnan(wanted) & moves.learn[row, column]
    np.testing.assert_array_equal(drawn.weight, counts)
    np.testing.assert_array_equal(np.asarray(drawn.target)[counts], wanted[counts])
    policy = moves.policy[row, column]
    np.testing.assert_array_equal(drawn.legal, policy != -1)
    np.testing.assert_array_equal(drawn.policy, np.where(policy == -1, 0, policy))


def test_of_a_replay_that_is_not_full_only_what_is_there_is_drawn():
    moves = played(4)
    replay, _ = next(pushed(moves, 4, 24, 1.0))
    drawn = sampled(replay, jax.random.key(0), 500)
    assert set(numbers(drawn)) == set(range(1, 4 * GAMES + 1))
    unused = sampled(empty_replay(moves, 24), jax.random.key(0), 500)
    assert (np.asarray(unused.weight) == 0).all(), "nor is anything learnt from an empty one"


def test_moves_that_were_searched_briefly_are_not_even_drawn():
    moves = played(24)
    learn = np.broadcast_to(np.arange(24)[:, None] % 4 == 1, (24, GAMES))
    *_, (replay, _) = pushed(moves._replace(learn=learn), 4, 12, 1.0)
    rows = (numbers(sampled(replay, jax.random.key(0), 3000)) - 1) // GAMES
    assert set(rows) == {13, 17, 21}
    assert np.bincount(rows)[[13, 17, 21]].min() > 900


def test_the_area_at_the_end_is_every_move_s_in_the_view_of_its_player():
    """A game of four moves, one of three that is resigned, and one that has not ended."""
    moves = jax.tree.map(lambda x: x[:4, :3], played(6))
    ended = np.zeros((4, 3), bool)
    ended[3, 0], ended[2, 1] = True, True
    area = np.full((4, 3, 2), 5, np.int8)
    area[3, 0], area[2, 1] = (1, -1), (UNKNOWN, UNKNOWN)
    new = moves._replace(discount=np.where(ended, 0.0, -1.0).astype(np.float32), ownership=area)
    replay = PUSH(empty_replay(new, 8), new, np.zeros(3, np.float32), 1.0)
    np.testing.assert_array_equal(replay.moves.ownership[:4, 0], [[-1, 1], [1, -1], [-1, 1], [1, -1]])
    assert (abs(np.asarray(replay.moves.ownership)[:3, 1]) == UNKNOWN).all()
    assert not np.asarray(replay.known)[:4, 2].any()


def test_a_mirrored_area_is_that_of_the_mirrored_board():
    game = make_game("go-5x5")
    area = np.arange(25, dtype=np.float32)[None]
    board = np.zeros((1, 5, 5, 6), np.float32)
    board[0, ..., 0] = area.reshape(5, 5)
    one = Samples(board, np.eye(26, dtype=np.float32)[:1], np.ones((1, 26), bool), np.ones(1), np.ones(1), area)
    for cells, actions in zip(game.symmetries, game.action_symmetries, strict=True):
        turned = MIRRORED(one, drawn(one), cells[None], actions[None])
        np.testing.assert_array_equal(turned.ownership.reshape(5, 5), turned.obs[0, ..., 0])
        assert turned.policy[0].argmax() == np.flatnonzero(np.asarray(turned.ownership[0]) == 0)


class Positions(NamedTuple):
    """N positions after random moves, with a legal move each."""

    game: Game
    action: np.ndarray  # [N] as the observed board has it
    obs: np.ndarray  # [N, rows, columns, planes]
    legal: np.ndarray  # [N, A]
    moved_action: np.ndarray  # [S, N] the same in the games of transformed moves, one for each symmetry
    moved_obs: np.ndarray  # [S, N, ...]
    moved_legal: np.ndarray  # [S, N, A]

    @property
    def samples(self):
        n = len(self.action)
        policy = np.eye(self.game.actions, dtype=np.float32)[self.action]
        target, weight = np.arange(n, dtype=np.float32), np.arange(n) % np.float32(2)
        return Samples(self.obs, policy, self.legal, target, weight, None)

    @property
    def tables(self):
        planes = self.game.plane_symmetries
        if planes is None:
            planes = np.tile(np.arange(self.obs.shape[-1]), (len(self.game.symmetries), 1))
        return self.game.symmetries, self.game.action_symmetries, planes


@pytest.fixture(scope="module", params=["tic-tac-toe", "connect-four", "othello", "hex-4x4", "go-5x5"])
def positions(request):
    game, rng = make_game(request.param), np.random.default_rng(0)
    undone = np.argsort(game.action_symmetries, axis=1)
    observed = game.observed_action or (lambda state: np.arange(game.actions))
    says = jax.jit(jax.vmap(lambda s: (game.observe(s), game.legal(s)[observed(s)], game.ended(s), observed(s))))
    step = jax.jit(jax.vmap(game.step))
    state = jax.tree.map(lambda x: np.stack([x] * (1 + len(undone))), game.init())  # as it is, and transformed
    rows = []
    for _ in range(6):
        obs, legal, ended, seen = jax.device_get(says(state))
        assert not ended.any()
        action = seen[0, rng.choice(np.flatnonzero(legal[0]))]
        actions = np.array([action, *undone[:, action]], np.int32)
        where = np.take_along_axis(seen, actions[:, None], 1)[:, 0]
        rows.append((where[0], obs[0], legal[0], where[1:], obs[1:], legal[1:]))
        state = step(state, actions)
    action, obs, legal, *moved = zip(*rows, strict=True)
    return Positions(game, *map(np.stack, (action, obs, legal)), *(np.stack(x, 1) for x in moved))


def test_a_mirrored_move_is_the_move_of_the_mirrored_game(positions):
    for k, tables in enumerate(zip(*positions.tables, strict=True)):
        ours = MIRRORED(positions.samples, drawn(positions.samples), *(table[None] for table in tables))
        np.testing.assert_array_equal(ours.obs, positions.moved_obs[k])
        np.testing.assert_array_equal(ours.legal, positions.moved_legal[k])
        np.testing.assert_array_equal(ours.policy, np.eye(positions.game.actions)[positions.moved_action[k]])
        np.testing.assert_array_equal(ours.target, positions.samples.target)
        np.testing.assert_array_equal(ours.weight, positions.samples.weight)


def test_symmetries_are_drawn_equally_often_and_each_for_a_whole_sample(positions):
    count = 4000
    samples = jax.tree.map(lambda x: np.repeat(x[-1:], count, 0), positions.samples)
    found = jax.device_get(MIRRORED(samples, drawn(samples), *positions.tables))
    same = (found.obs[:, None] == positions.moved_obs[None, :, -1]).all((2, 3, 4))  # [count, S]
    same &= found.policy.argmax(-1)[:, None] == positions.moved_action[None, :, -1]
    same &= (found.legal[:, None] == positions.moved_legal[None, :, -1]).all(2)
    assert same.any(1).all(), "board, move and mask under the same symmetry"
    share = same.mean(0) / same.sum(1).mean()
    assert abs(share * same.shape[1] - 1).max() < 0.3
