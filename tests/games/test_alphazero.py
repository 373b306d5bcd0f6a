"""Learning from a replay: the gradient against one written down anew, symmetries, schedules, devices, matches, cuts."""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.games.batched_match import advance_match, results, start_match, versus
from logpi.games.evaluation.evaluators import Evaluators, by_answers, by_games, evaluate
from logpi.games.methods.alphazero import AlphaZero, alphazero
from logpi.games.network import PolicyValue
from logpi.games.process import self_play_process
from logpi.games.rules.make import make_game
from logpi.games.settings import BoardNetwork

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


def replay_of(method, learner, game, moves, known):
    """A replay in which only ``known`` [games] columns are known, and hold one position, worth ``TARGET``, throughout.

    In the others stands what would spoil everything.
    """
    replay = jax.tree.map(
        lambda x: np.zeros(x.shape, x.dtype), jax.eval_shape(method.start, learner, jax.random.key(0)).replay
    )
    rows = len(replay.target)
    obs, policy, legal = lesson(game, moves)
    return replay._replace(
        moves=replay.moves._replace(
            obs=np.broadcast_to(
                np.where(known[:, None, None, None], obs, 1e3).astype(np.float16), replay.moves.obs.shape
            ),
            policy=np.broadcast_to(
                np.where(known[:, None], np.where(legal, policy, -1), 1).astype(np.float16), replay.moves.policy.shape
            ),
            learn=np.ones_like(replay.moves.learn),
        ),
        target=np.broadcast_to(np.where(known, TARGET, 1e4).astype(np.float32), replay.target.shape),
        known=np.broadcast_to(known, replay.known.shape),
        filled=np.int32(rows),
    )


def train(method, learner, replay, key, cuts=()):
    """(learner, metrics) after the updates of an iteration, in pieces between the ``cuts``."""
    losses = method.empty_losses(learner, replay)
    for begin, end in itertools.pairwise((0, *cuts, method.n_updates)):
        learner, losses = method.update(learner, replay, losses, key, begin, end)
    return method.finish_update(learner, replay, losses)


def losses(game, params, obs, policy, legal):
    """(cross-entropy, squared error, entropy) of one position."""
    logits, value, *_ = PolicyValue(NET, game.actions).apply(params, jnp.asarray(obs, jnp.float32)[None])
    log_p = jax.nn.log_softmax(logits[0][legal])
    return -(policy[legal] * log_p).sum(), (value[0] - TARGET) ** 2, -(jnp.exp(log_p) * log_p).sum()


class Taught:
    """One learner that has had one update on tic-tac-toe after a1, b2, c3."""

    game, moves = TOE, "a1 b2 c3"

    def __init__(self):
        self.method = alphazero(PLAIN, NET, self.game)
        self.learner = self.method.init(jax.random.key(0))
        self.known = np.arange(PLAIN.n_games) < 3
        self.replay = replay_of(self.method, self.learner, self.game, self.moves, self.known)
        self.train = jax.jit(partial(train, self.method))

    def after(self, timesteps=0, known=True, **hyper):
        hyper = dataclasses.replace(self.learner.hyper, **{k: np.float32(v) for k, v in hyper.items()})
        learner = self.learner._replace(hyper=hyper, timesteps=jnp.int32(timesteps))
        replay = self.replay if known else self.replay._replace(known=np.zeros_like(self.replay.known))
        return jax.device_get(self.train(learner, replay, jax.random.key(1)))


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
    assert metrics["train/replay_size"] == 3 * len(taught.replay.known)
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
    method = alphazero(config, NET, FOUR)
    learner = method.init(jax.random.key(0))
    params = jax.tree.map(lambda x: x + 0.3 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), learner.params)
    learner = learner._replace(params=params)  # a head that begins near 0 would think the same of both
    moves = "1 2 1 2 1"
    replay = replay_of(method, learner, FOUR, moves, np.ones(1, bool))
    learn = jax.jit(partial(train, method))
    obs, policy, legal = lesson(FOUR, moves)
    straight = float(losses(FOUR, learner.params, obs, policy, legal)[0])
    turned = float(losses(FOUR, learner.params, obs[:, ::-1], policy[::-1], legal[::-1])[0])
    assert abs(straight - turned) > 0.05
    found = np.array([learn(learner, replay, jax.random.key(k))[1]["train/policy_loss"] for k in range(40)])
    is_straight, is_turned = np.abs(found - straight) < 0.02, np.abs(found - turned) < 0.02
    assert (is_straight | is_turned).all()
    assert 10 <= is_straight.sum() <= 30


@pytest.mark.parametrize(("n_steps", "replay", "rows"), [(4, 8 * 20, 20), (5, 8 * 21, 25), (5, 1, 10), (16, 1, 16)])
def test_the_replay_holds_whole_iterations_and_at_least_the_longest_game(n_steps, replay, rows):
    method = alphazero(dataclasses.replace(PLAIN, n_steps=n_steps, replay_size=replay), NET, TOE)
    learner = jax.eval_shape(method.init, jax.random.key(0))
    assert jax.eval_shape(method.start, learner, jax.random.key(0)).replay.target.shape == (rows, PLAIN.n_games)


@pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
def test_two_devices_share_the_games_and_learn_one_network(taught):
    """All that is known lies with one of them; the gradient is that of all games together."""
    config = dataclasses.replace(PLAIN, random_opening_fraction=1.0, random_opening_plies=6)
    method = alphazero(config, NET, TOE, 2)
    evaluator = by_games(TOE, method.search, 1, 1, parallel_games=2)
    driver = Driver(self_play_process(method, Evaluators(evaluator, evaluator), 32, 2), [0])
    begun = driver.init()
    first = np.asarray(begun.carry.games.state)
    state, _, _ = driver.iterate(begun, Progress())
    games, metrics = state.carry.games, jax.device_get(state.metrics)
    assert games.moves.shape == (8,)
    for boards in (first, np.asarray(games.state)):
        assert not np.array_equal(*np.split(boards, 2)), "each plays games of its own"
    ended = (np.asarray(state.carry.replay.moves.discount)[:4] == 0).sum()
    assert metrics["self_play/games"] == ended > 0
    begun = driver.init()
    learner = begun.learner._replace(params=jax.device_get(taught.learner.params))
    carry = begun.carry._replace(replay=taught.replay)
    state, _, _ = driver.iterate(begun._replace(learner=learner, carry=carry), Progress(stage=2))
    trained, metrics = state.learner, jax.device_get(state.metrics)
    params, (policy, *_) = wanted(taught, 1.0)
    assert_close(trained.params, params)
    np.testing.assert_allclose(metrics["train/policy_loss"], policy, rtol=2e-3)
    assert metrics["train/replay_size"] == 3 * len(taught.replay.known)
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


@pytest.mark.parametrize("cuts", [(1,), (3, 4), (0, 5), (1, 2, 3, 4)], ids=str)
def test_any_cut_of_the_updates_learns_the_same(taught, cuts, updates):
    whole, learner, replay, piece = updates
    losses = updates_of(taught).empty_losses(learner, replay)
    for begin, end in itertools.pairwise((0, *cuts, 5)):
        learner, losses = piece(learner, losses, begin, end)
    jax.tree.map(np.testing.assert_array_equal, (learner, losses), whole)


def updates_of(taught):
    """AlphaZero with five updates an iteration."""
    return alphazero(dataclasses.replace(PLAIN, replay_ratio=5.0, symmetries=True), NET, taught.game)


@pytest.fixture(scope="module")
def updates(taught):
    method, key = updates_of(taught), jax.random.key(2)
    assert method.n_updates == 5
    learner, replay = method.init(jax.random.key(0)), jax.tree.map(jnp.asarray, taught.replay)
    piece = jax.jit(lambda learner, losses, *span: method.update(learner, replay, losses, key, *span))
    return piece(learner, method.empty_losses(learner, replay), 0, 5), learner, replay, piece


def any_move(state, key):
    return jax.random.categorical(key, jnp.where(jax.vmap(TOE.legal)(state), 0.0, -jnp.inf))


@pytest.mark.parametrize("cuts", [(1,), (4, 5), range(1, 12)], ids=str)
def test_any_cut_of_a_match_ends_in_the_same_results(cuts):
    states = np.stack(jax.device_get([replayed_state(moves) for moves in ("", "b2", "a1 b1", "b2 a1 c3")]))
    key = jax.random.key(0)
    wanted = jax.jit(lambda states: versus(TOE, any_move, any_move, states, key))(states)
    piece = jax.jit(lambda match, until: advance_match(TOE, any_move, any_move, match, key, until))
    match = start_match(states)
    for until in (*cuts, TOE.longest):
        match = piece(match, until)
        assert match.plies.max() <= until
    np.testing.assert_array_equal(results(match), wanted)
    assert len(set(np.asarray(wanted).tolist())) > 1


def test_evaluations_in_pieces_score_the_same(taught):
    method, params = taught.method, taught.learner.params
    states = jnp.stack([replayed_state("a1 b2"), replayed_state("b2 a1 c3")])
    for evaluator in (
        by_games(TOE, method.search, 2, 2, parallel_games=8),
        by_answers(method.search, states, np.ones((2, 9), bool), 2),
    ):
        cases, key = evaluator.group(0, 1), jax.random.key(1)
        wanted = jax.jit(partial(evaluate, evaluator))(params, cases, key)
        first, later = jax.random.split(key)
        advance, play = jax.jit(evaluator.advance), evaluator.begin(params, cases, first)
        assert not evaluator.done(play).any()
        for until in range(1, evaluator.limit + 1):
            play = advance(params, play, later, until)
        assert evaluator.done(play).all()
        assert evaluator.steps(play)[0] <= evaluator.limit
        np.testing.assert_array_equal(evaluator.scores(play), wanted)
