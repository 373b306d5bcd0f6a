"""Learning from a window: the gradient against one written down anew, symmetries, schedules, devices, matches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

from logpi.games.methods.alphazero import AlphaZero
from logpi.games.settings import BoardNetwork
from logpi.games.methods.alphazero import alphazero
from logpi.games.batched_match import versus
from logpi.games.network import PolicyValue
from logpi.games.process import GamePrograms, Judges
from logpi.games.rules.make import make_game

NET = BoardNetwork(units=16, blocks=1, value_units=8)
PLAIN = AlphaZero(
    n_games=8,
    n_steps=4,
    simulations=2,
    batch_size=32,
    replay_ratio=1.0,
    replay_size=96,
    optimizer="sgd",
    max_grad_norm=np.inf,
    learning_rate=0.1,
    final_learning_rate=0.1,
    weight_decay=0.0,
    symmetries=False,
    total_timesteps=1000,
)
TOE, FOUR = make_game("tic-tac-toe"), make_game("connect-four")
TARGET = -0.75
NOTHING = Judges(None, None)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def replayed(game, moves):
    state = game.init()
    for move in moves.split():
        state = game.step(state, jnp.int32(game.parse(move)))
    return jax.device_get((game.observe(state), game.legal(state)))


def lesson(game, moves):
    """(observation, policy, legal) of the position after ``moves``: the last but one legal action is thrice as good."""
    obs, legal = replayed(game, moves)
    policy = np.where(legal, 1.0, 0.0)
    policy[np.flatnonzero(legal)[-2]] = 3.0
    return obs, policy / policy.sum(), legal


def window_of(system, learner, game, moves, known):
    """A window in which only ``known`` [games] columns are known, and hold one position, worth ``TARGET``, throughout.

    In the others stands what would spoil everything.
    """
    window = jax.tree.map(
        lambda x: np.zeros(x.shape, x.dtype), jax.eval_shape(system.begin, learner, jax.random.key(0)).window
    )
    rows = len(window.target)
    obs, policy, legal = lesson(game, moves)
    return window._replace(
        moves=window.moves._replace(
            obs=np.broadcast_to(
                np.where(known[:, None, None, None], obs, 1e3).astype(np.float16), window.moves.obs.shape
            ),
            policy=np.broadcast_to(
                np.where(known[:, None], np.where(legal, policy, -1), 1).astype(np.float16), window.moves.policy.shape
            ),
            learn=np.ones_like(window.moves.learn),
        ),
        target=np.broadcast_to(np.where(known, TARGET, 1e4).astype(np.float32), window.target.shape),
        known=np.broadcast_to(known, window.known.shape),
        filled=np.int32(rows),
    )


def losses(game, params, obs, policy, legal):
    """(cross-entropy, squared error, entropy) of one position."""
    logits, value, *_ = PolicyValue(NET, game.actions).apply(params, jnp.asarray(obs, jnp.float32)[None])
    log_p = jax.nn.log_softmax(logits[0][legal])
    return -(policy[legal] * log_p).sum(), (value[0] - TARGET) ** 2, -(jnp.exp(log_p) * log_p).sum()


class Taught:
    """One learner that has had one update on tic-tac-toe after a1, b2, c3."""

    game, moves = TOE, "a1 b2 c3"

    def __init__(self):
        self.system = alphazero(PLAIN, NET, self.game)
        self.learner = self.system.init(jax.random.key(0))
        self.known = np.arange(PLAIN.n_games) < 3
        self.window = window_of(self.system, self.learner, self.game, self.moves, self.known)
        self.train = jax.jit(self.system.train)

    def after(self, timesteps=0, known=True, **hyper):
        hyper = dataclasses.replace(self.learner.hyper, **{k: np.float32(v) for k, v in hyper.items()})
        learner = self.learner._replace(hyper=hyper, timesteps=jnp.int32(timesteps))
        window = self.window if known else self.window._replace(known=np.zeros_like(self.window.known))
        return jax.device_get(self.train(learner, window, jax.random.key(1)))


@pytest.fixture(scope="module")
def taught():
    return Taught()


def wanted(taught, vf_coef):
    """(parameters after a step down the gradient of the loss of the one position, its losses)."""
    what = lesson(taught.game, taught.moves)

    def loss(params):
        policy, value, entropy = losses(taught.game, params, *what)
        return policy + vf_coef * value, (policy, value, entropy)

    gradient, parts = jax.grad(loss, has_aux=True)(taught.learner.params)
    return jax.tree.map(lambda x, g: x - 0.1 * g, taught.learner.params, gradient), parts


def assert_close(ours, theirs):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=2e-5), ours, theirs)


@pytest.mark.parametrize("vf_coef", [1.0, 0.25])
def test_a_step_goes_down_the_loss_of_what_is_known(taught, vf_coef):
    learner, metrics = taught.after(vf_coef=vf_coef)
    params, (policy, value, entropy) = wanted(taught, vf_coef)
    assert_close(learner.params, params)
    moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), learner.params, jax.device_get(taught.learner.params))
    assert max(jax.tree.leaves(moved)) > 0.01
    for name, one in (("policy_loss", policy), ("value_loss", value), ("entropy", entropy)):
        np.testing.assert_allclose(metrics[f"train/{name}"], one, rtol=2e-3, err_msg=name)
    assert metrics["train/replay_size"] == 3 * len(taught.window.known)
    assert learner.timesteps == PLAIN.n_games * PLAIN.n_steps


def test_from_nothing_known_nothing_is_learnt(taught):
    learner, metrics = taught.after(known=False)
    jax.tree.map(np.testing.assert_array_equal, learner.params, jax.device_get(taught.learner.params))
    assert metrics["train/policy_loss"] == 0
    assert metrics["train/replay_size"] == 0


def test_the_agent_is_a_moving_average_and_parameters_decay(taught):
    old = jax.device_get(taught.learner.params)
    plain, _ = taught.after()
    learner, _ = taught.after(ema_decay=0.75, weight_decay=0.5)
    assert_close(learner.params, jax.tree.map(lambda x: x * (1 - 0.1 * 0.5), plain.params))
    assert_close(learner.extra.params, jax.tree.map(lambda x, y: 0.75 * x + 0.25 * y, old, learner.params))


def test_the_learning_rate_falls_along_half_a_cosine(taught):
    for timesteps, rate in ((0, 0.3), (250, 0.2 + 0.1 * np.sqrt(0.5)), (500, 0.2), (1000, 0.1), (5000, 0.1)):
        _, metrics = taught.after(timesteps, learning_rate=0.3, final_learning_rate=0.1)
        np.testing.assert_allclose(metrics["train/learning_rate"], rate, rtol=1e-5)


def test_each_position_is_learnt_under_one_of_its_symmetries():
    """One sample a batch: its loss is that of the position or of its mirror image, each about as often."""
    config = dataclasses.replace(PLAIN, n_games=1, n_steps=1, batch_size=1, replay_size=1, symmetries=True)
    system = alphazero(config, NET, FOUR)
    learner = system.init(jax.random.key(0))
    params = jax.tree.map(lambda x: x + 0.3 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), learner.params)
    learner = learner._replace(params=params)  # a head that begins near 0 would think the same of both
    moves = "1 2 1 2 1"
    window = window_of(system, learner, FOUR, moves, np.ones(1, bool))
    train = jax.jit(system.train)
    obs, policy, legal = lesson(FOUR, moves)
    straight = float(losses(FOUR, learner.params, obs, policy, legal)[0])
    turned = float(losses(FOUR, learner.params, obs[:, ::-1], policy[::-1], legal[::-1])[0])
    assert abs(straight - turned) > 0.05
    found = np.array([train(learner, window, jax.random.key(k))[1]["train/policy_loss"] for k in range(40)])
    is_straight, is_turned = np.abs(found - straight) < 0.02, np.abs(found - turned) < 0.02
    assert (is_straight | is_turned).all()
    assert 10 <= is_straight.sum() <= 30


@pytest.mark.parametrize(("n_steps", "window", "rows"), [(4, 8 * 20, 20), (5, 8 * 21, 25), (5, 1, 10), (16, 1, 16)])
def test_the_window_holds_whole_iterations_and_at_least_the_longest_game(n_steps, window, rows):
    system = alphazero(dataclasses.replace(PLAIN, n_steps=n_steps, replay_size=window), NET, TOE)
    learner = jax.eval_shape(system.init, jax.random.key(0))
    assert jax.eval_shape(system.begin, learner, jax.random.key(0)).window.target.shape == (rows, PLAIN.n_games)


@pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
def test_two_devices_share_the_games_and_learn_one_network(taught):
    """All that is known lies with one of them; the gradient is that of all games together."""
    config = dataclasses.replace(PLAIN, random_opening_fraction=1.0, random_opening_plies=6)
    made = GamePrograms(alphazero(config, NET, TOE, 2), NOTHING, 0, 2, 1)
    learner = made._learner(np.uint32(0), made._hyper)
    carry = made._begin(learner, np.uint32(0))
    after, metrics = made._play(learner, carry, np.uint32(0), np.int32(0))
    assert after.games.moves.shape == (8,)
    for games in (carry.games, after.games):
        halves = np.split(np.asarray(games.state), 2)
        assert not np.array_equal(*halves), "each plays games of its own"
    ended = (np.asarray(after.window.moves.discount)[:4] == 0).sum()
    assert metrics["self_play/games"] == ended > 0
    learner = learner._replace(params=taught.learner.params)
    trained, metrics = made._train(learner, taught.window, np.uint32(0), np.int32(0))
    params, (policy, *_) = wanted(taught, 1.0)
    assert_close(trained.params, params)
    np.testing.assert_allclose(metrics["train/policy_loss"], policy, rtol=2e-3)
    assert metrics["train/replay_size"] == 3 * len(taught.window.known)
    assert trained.timesteps == PLAIN.n_games * PLAIN.n_steps
    for leaf in jax.tree.leaves(trained):
        first, second = (np.asarray(shard.data) for shard in leaf.addressable_shards)
        np.testing.assert_array_equal(first, second)


def test_a_match_gives_each_side_the_first_move_of_each_opening():
    """One takes the first free cell, the other the last: who moves first makes a line, by a loop in Python."""
    openings = ["", "b2", "a1 b1", "b2 a1 c3", "a2 b2 c2 a1"]
    states = jax.device_get([replayed_state(moves) for moves in openings])

    def lowest(state, key):
        return jax.vmap(TOE.legal)(state).argmax(-1)

    def highest(state, key):
        return 8 - jax.vmap(TOE.legal)(state)[:, ::-1].argmax(-1)

    results = jax.jit(lambda start: versus(TOE, lowest, highest, start, jax.random.key(0)))(np.stack(states))
    wanted = [by_hand(state, first) for state in states for first in (0, 1)]
    np.testing.assert_array_equal(results, wanted)
    assert {-1, 1} <= set(wanted)


def test_nobody_is_asked_about_a_game_that_is_over():
    """A chooser that would be thrown off by any ended position among its batch."""
    states = np.stack(jax.device_get([replayed_state(m) for m in ("", "a1 a2 b1 b2", "a1 a2 b1 b2 c3 a3")]))

    def choose(state, key):
        first = jax.vmap(TOE.legal)(state).argmax(-1)
        return jnp.where(jax.vmap(TOE.ended)(state).any(), jnp.roll(first, 1) + 1, first)

    def calm(state, key):
        return jax.vmap(TOE.legal)(state).argmax(-1)

    found, wanted = (jax.jit(lambda s, f=f: versus(TOE, f, f, s, jax.random.key(0)))(states) for f in (choose, calm))
    np.testing.assert_array_equal(found, wanted)


def replayed_state(moves):
    state = TOE.init()
    for move in moves.split():
        state = TOE.step(state, jnp.int32(TOE.parse(move)))
    return state


def by_hand(state, turn):
    """The result for side 0, who takes the first free cell; side ``turn`` is to move."""
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    owner = [turn if state[0] >> c & 1 else 1 - turn if state[1] >> c & 1 else None for c in range(9)]
    while None in owner:
        free = [c for c in range(9) if owner[c] is None]
        owner[free[0] if turn == 0 else free[-1]] = turn
        if any(all(owner[c] == turn for c in line) for line in lines):
            return 1 if turn == 0 else -1
        turn = 1 - turn
    return 0
