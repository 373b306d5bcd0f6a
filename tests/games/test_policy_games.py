"""AlphaGo's second stage: its gradient is REINFORCE's, its games, its pool of opponents and its baselines."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from small import RUN, quick_compilation

from logpi.api.runs import train
from logpi.config.experiments import resolve
from logpi.driver.driver import Driver
from logpi.driver.process import Now, State
from logpi.driver.progress import Progress
from logpi.games import policy_games
from logpi.games import pool as pools
from logpi.games.agent import load_game_agent
from logpi.games.duels import begin, play, rounds
from logpi.games.methods.alphago_rl import baseline_of, loss
from logpi.games.network import PolicyValue
from logpi.games.rules.make import make_game
from logpi.games.settings import BoardNetwork
from logpi.methods import find_method
from logpi.ops import losses, psi
from logpi.ops.collectives import ravel
from logpi.runs.checkpoint import load_tree, save_tree
from logpi.tasks import NOTHING, task_of

TOE = make_game("tic-tac-toe")
NET = BoardNetwork(units=8, blocks=1, value_units=4)
SMALL = {"units": 8, "blocks": 1, "value_units": 4}
LEARN = {"n_games": 8, "pool_interval": 2, "pool_size": 3, "eval_opponent_simulations": 2}


@pytest.fixture(scope="module")
def network():
    made = PolicyValue(NET, TOE.actions)
    obs = TOE.observe(TOE.init())[None]
    params = [made.init(jax.random.key(k), obs) for k in range(2)]
    # not near the uniform policy, with values of some size
    return made, [jax.tree.map(lambda x: 3 * x, one) for one in params]


@pytest.fixture(scope="module")
def duels(network):
    made, (mine, theirs) = network

    def choose(params):
        return lambda obs: made.apply(params, obs)[0]

    whole = partial(play, TOE, choose(mine), choose(theirs))
    return jax.jit(whole)(begin(TOE, 16), jax.random.key(3), 0, rounds(TOE))


def test_every_game_is_played_by_the_rules_to_its_end(duels):
    """Each game replayed from the moves of both, which must be legal, and scored from the policy's side."""
    assert duels.over.all()
    stones = [jax.vmap(TOE.cells)(state) for state in duels.state]
    for half in (0, 1):
        for n in range(16):
            made = int(duels.moves.mask[:, half, n].sum())
            mine = duels.moves.action[:made, half, n]
            own = 1 + half  # the first player's stones are 1
            cells = np.asarray(stones[half][n]).ravel()
            assert sorted(np.asarray(mine).tolist()) == np.flatnonzero(cells == own).tolist()
            assert duels.moves.mask[:made, half, n].all()
            assert jnp.take_along_axis(duels.moves.legal[:made, half, n], mine[:, None], 1).all()
            lines = [cells[[0, 1, 2]], cells[[3, 4, 5]], cells[[6, 7, 8]], cells[[0, 3, 6]], cells[[1, 4, 7]]]
            lines += [cells[[2, 5, 8]], cells[[0, 4, 8]], cells[[2, 4, 6]]]
            winners = {int(line[0]) for line in lines if line[0] and (line == line[0]).all()}
            z = 0 if not winners else 1 if winners == {own} else -1
            assert duels.z[half, n] == z
            assert winners or (cells > 0).all()
    assert len(np.unique(np.asarray(duels.z))) == 3, "the games differ"


def test_rounds_in_pieces_are_the_same_games(network, duels):
    made, (mine, theirs) = network
    choose = [lambda obs, params=params: made.apply(params, obs)[0] for params in (mine, theirs)]
    piece = jax.jit(partial(play, TOE, *choose))
    found = begin(TOE, 16)
    for first, last in ((0, 1), (1, 4), (4, 5)):
        found = piece(found, jax.random.key(3), first, last)
    jax.tree.map(np.testing.assert_array_equal, found, duels)


@pytest.fixture(scope="module")
def method():
    def made(**more):
        tables = {"method": {**LEARN, **more}, "network": SMALL}
        return resolve("tic-tac-toe", "alphago_rl", tables)[0]

    return made


def gradient(work, params, duels, first, pieces=()):
    """What the update stage adds up, of the method of ``work``; ``pieces``: the rounds between which it is cut."""
    learner = work.init(jax.random.key(0))._replace(params=params)
    carry = pools.new_pool(first, 3)
    zero = jnp.zeros(1)
    sums = policy_games.Sums(jnp.zeros_like(ravel(params)[0])[None], *[zero] * 4)
    state = State(learner, carry, policy_games.Batch(duels, sums), {}, np.uint32(0))
    run = jax.jit(policy_games._update(work).run)
    for k, end in pairwise((0, *pieces, rounds(TOE))):
        state, _ = run(state, Now(jax.random.key(0), jnp.int32(k), jnp.int32(end), jnp.int32(7), ()))
    return state.batch.sums.gradient[0]


@pytest.mark.parametrize("baseline", ["zero", "value"])
def test_the_gradient_is_reinforces(network, duels, method, baseline):
    """Σ_i Σ_t ∇ log π (Ψ_t): Ψ is REINFORCE's total reward r(τ) of a trajectory whose last move is rewarded by z."""
    made, (mine, other) = network
    config = method(baseline=baseline, n_games=32)
    work = find_method("alphago_rl")(config.method, config.network, TOE)
    found = gradient(work, mine, duels, other)
    cut = gradient(work, mine, duels, other, (1, 2, 4))
    assert np.array_equal(found, cut), "not a bit depends on where a stop cuts the rounds"

    # the same games as trajectories [T, B]: one row for each move of the policy
    moves = jax.tree.map(lambda x: x.reshape(rounds(TOE), 32, *x.shape[3:]), duels.moves)
    z = duels.z.reshape(32)
    last = jnp.concatenate([moves.mask[1:], jnp.zeros((1, 32))]) == 0
    reward = jnp.where((moves.mask > 0) & last, z, 0.0)
    discount = jnp.where(last, 0.0, 1.0)
    weight = psi.total_reward(reward, discount, moves.mask)

    def objective(params):
        logits, _, _ = made.apply(params, moves.obs.reshape(-1, 3, 3, moves.obs.shape[-1]).astype(jnp.float32))
        logits = jnp.where(moves.legal, logits.reshape(rounds(TOE), 32, -1), -jnp.inf)
        log_pi = jnp.take_along_axis(jax.nn.log_softmax(logits), moves.action[..., None], 2)[..., 0]
        v = made.apply(other, moves.obs.reshape(-1, 3, 3, moves.obs.shape[-1]).astype(jnp.float32))[1]
        b = v.reshape(rounds(TOE), 32) if baseline == "value" else 0.0
        log_pi = jnp.where(moves.mask > 0, log_pi, 0.0)
        return losses.trajectory_mean(losses.policy_gradient(log_pi, weight - b), moves.mask)

    wanted = ravel(jax.grad(objective)(mine))[0]
    assert float(jnp.abs(wanted).max()) > 1e-3
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_the_baselines_are_0_and_the_value_of_the_beginning(network):
    made, (mine, _) = network
    obs = TOE.observe(TOE.step(TOE.init(), jnp.int32(4)))[None]
    assert baseline_of("zero")(made.apply, mine, obs).tolist() == [0.0]
    assert baseline_of("value")(made.apply, mine, obs)[0] == made.apply(mine, obs)[1][0] != 0.0


def test_a_move_is_weighted_by_psi_and_not_by_where_it_comes_from(network):
    made, (mine, _) = network
    obs = TOE.observe(TOE.init())[None]
    legal, action = jnp.ones((1, 9), bool), jnp.array([4])
    one = jax.grad(lambda p: loss(made.apply, p, obs, legal, action, jnp.array([1.0]))[0].sum())(mine)
    two = jax.grad(lambda p: loss(made.apply, p, obs, legal, action, jnp.array([-2.0]))[0].sum())(mine)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(-2 * a, b, atol=1e-6), one, two)


def test_the_pool_keeps_the_first_and_the_newest():
    pool = pools.new_pool({"w": jnp.array([0.0])}, 3)
    seen = []
    for k in range(1, 6):
        drawn = {float(pools.draw(pool, jnp.uint32(word))["w"][0]) for word in range(12)}
        seen.append(sorted(drawn))
        pool = pools.add(pool, {"w": jnp.array([float(k)])})
    assert seen == [[0.0], [0.0, 1.0], [0.0, 1.0, 2.0], [0.0, 2.0, 3.0], [0.0, 3.0, 4.0]]
    assert pools.first(pool)["w"] == 0.0


def test_opponents_are_drawn_with_the_same_probability():
    pool = pools.new_pool(jnp.float32(0.0), 4)
    for k in (1.0, 2.0):
        pool = pools.add(pool, jnp.float32(k))
    words = np.random.default_rng(0).integers(0, 2**32, 3000, dtype=np.uint32)
    drawn = np.asarray(jax.vmap(lambda word: pools.draw(pool, word))(jnp.asarray(words)))
    assert np.bincount(drawn.astype(int), minlength=4).tolist() == pytest.approx([1000, 1000, 1000, 0], abs=100)


@pytest.fixture
def driver(method, tmp_path):
    chosen = method(total_timesteps=1000, learning_rate=0.05)
    return Driver(task_of("tic-tac-toe").build(chosen, NOTHING).process(3), [3])


def test_the_schedule_of_the_pool_and_an_exact_resume(driver, tmp_path):
    """Every second iteration the policy joins; what is saved in the middle of one goes on bit for bit."""
    state, params, entries = driver.init(), [], []
    begun = jax.device_get(state.learner.params)
    for iteration in range(4):
        state, _, _ = driver.iterate(state, Progress(iteration=iteration))
        state = driver.fresh(state)
        params.append(jax.device_get(state.learner.params))
        entries.append(int(state.carry.added))
    assert entries == [1, 2, 2, 3]
    for place, wanted in enumerate((begun, params[1], params[3])):
        jax.tree.map(lambda x, y, k=place: np.testing.assert_array_equal(x[k], y), state.carry.params, wanted)
    state, now, stopped = driver.iterate(state, Progress(iteration=4), lambda what, done, total: True)
    assert stopped
    save_tree(tmp_path / "state", jax.device_get(driver.kept.saved(state, now)), {})
    again = driver.kept.restored(load_tree(tmp_path / "state", driver.kept.like(now))[0])
    (one, _, _), (other, _, _) = driver.iterate(state, now), driver.iterate(again, now)
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((one, other)))
    assert any((a != b).any() for a, b in zip(*map(jax.tree.leaves, (params[0], params[3])), strict=True))


def test_a_run_begins_with_a_policy_which_is_its_first_opponent(tmp_path):
    """Stage by stage from the files alone: the parameters that it begins with are also the pool's first."""
    with quick_compilation():
        run = {**RUN, "log_dir": str(tmp_path), "eval_points": 1, "eval_episodes": 2, "final_episodes": 2}
        tables = {"run": run, "network": SMALL}
        first = train("tic-tac-toe", "alphago_rl", **tables, **{**LEARN, "total_timesteps": 16})
        frozen = {**LEARN, "total_timesteps": 16, "learning_rate": 0.0, "final_learning_rate": 0.0}
        second = train("tic-tac-toe", "alphago_rl", init_from=first.folder.path, **tables, **frozen)
        one, two = (load_game_agent(folder) for folder in (first.folder.path / "best", second.folder.path / "last"))
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)
    arrays = load_file(max(second.folder.checkpoints.glob("*.safetensors")))
    pool = {name: array for name, array in arrays.items() if "carry" in name and "params" in name}
    assert pool
    kept = {array.tobytes() for array in map(np.asarray, jax.tree.leaves(one.params))}
    assert all(array[0].tobytes() in kept for array in pool.values())
