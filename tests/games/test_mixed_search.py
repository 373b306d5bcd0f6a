"""AlphaGo's rollout policy, and the search that mixes its rollouts with a value network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

import logpi
from logpi.arena.engine.thinker import Limits, Thinker
from logpi.arena.players.base import begin
from logpi.arena.players.make import make_player
from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.games.agent import load_game_agent, save_game_agent
from logpi.games.methods.alphago import alphago
from logpi.games.methods.alphago import loss as supervised_loss
from logpi.games.methods.alphago_search import AlphaGoSearch, alphago_search
from logpi.games.network import PolicyValue
from logpi.games.patterns import AROUND, pattern
from logpi.games.replay import Samples
from logpi.games.rules.make import make_game
from logpi.games.search.guided import SearchProblem, evaluate_leaf
from logpi.games.search.rollouts import keys_of, rollout
from logpi.games.settings import BoardNetwork
from logpi.ops.draws import by_weight

SMALL = {"units": 8, "blocks": 1, "value_units": 4}
NET, LINEAR = BoardNetwork(**SMALL), BoardNetwork(torso="patterns")
GAME = make_game("tic-tac-toe")


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def after(*moves, game=GAME):
    state = game.init()
    for move in moves:
        state = game.step(state, jnp.int32(move))
    return state


def stacked(*states):
    return jax.tree.map(lambda *rows: jnp.stack(rows), *states)


def test_an_entry_is_drawn_by_its_weight():
    words = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    words[:2] = 0, 2**32 - 1
    drawn = np.asarray(by_weight(jnp.asarray(words), jnp.tile(jnp.array([0.0, 1.0, 0.0, 3.0, 0.0]), (20_000, 1))))
    assert set(drawn) == {1, 3}
    assert (drawn == 3).mean() == pytest.approx(0.75, abs=0.015)


def test_the_number_of_a_pattern_is_that_of_its_neighbours():
    obs = np.zeros((1, 3, 3, 2), np.float32)
    obs[0, 0, 1, 0] = obs[0, 2, 2, 1] = 1  # the mover's above the middle, the other's below on the right
    found = np.asarray(pattern(jnp.asarray(obs)))[0]

    def code(r, c):
        inside = 0 <= r < 3 and 0 <= c < 3
        return int(obs[0, r, c] @ [1, 2]) if inside else 3

    for r in range(3):
        for c in range(3):
            wanted = sum(code(r + i - 1, c + j - 1) * 4**k for k, (i, j) in enumerate(AROUND))
            assert found[r, c] == wanted


def test_patterns_are_learnt_that_no_single_point_tells():
    """The expert plays where exactly one of two neighbours is a stone of his: no sum over points says that."""
    rng = np.random.default_rng(0)
    obs = np.zeros((256, 5, 5, 2), np.float32)
    stones = rng.random((256, 5, 5)) < 0.5
    obs[..., 0] = stones
    left, right = stones[:, 2, 1], stones[:, 2, 3]
    move = np.where(left ^ right, 12, 0)
    samples = Samples(
        jnp.asarray(obs), jax.nn.one_hot(move, 25), jnp.ones((256, 25), bool), jnp.zeros(256), jnp.ones(256), None
    )
    network = PolicyValue(LINEAR, 25)
    params = network.init(jax.random.key(0), samples.obs)

    @jax.jit
    def step(params):
        (_, seen), gradient = jax.value_and_grad(
            lambda p: supervised_loss(network.apply, p, samples, None), has_aux=True
        )(params)
        return jax.tree.map(lambda p, g: p - 4.0 * g, params, gradient), seen["train/accuracy"]

    for _ in range(400):
        params, accuracy = step(params)
    assert accuracy > 0.9


@pytest.mark.parametrize("name", ["connect-four", "othello"])
def test_every_game_has_a_linear_policy(name):
    game = make_game(name)
    network = PolicyValue(LINEAR, game.actions)

    @jax.jit
    def found():
        obs = game.observe(game.init())[None]
        return network.apply(network.init(jax.random.key(0), obs), obs)

    logits, value, owned = found()
    assert (logits.shape, value.shape, owned) == ((1, game.actions), (1,), None)


def first_point(params, obs):
    """Both sides take the first free point."""
    return jnp.tile(-10.0 * jnp.arange(9.0), (len(obs), 1)), None, None


def test_a_rollout_follows_its_policy_and_is_seen_by_the_player_to_move():
    # 0 1 2 in turn: the first player has 0, 2, 4 and then 6, which is the diagonal 2 4 6
    states = stacked(after(), after(0), after(0, 1), after(0, 4, 1, 5))
    found = rollout(GAME, first_point, None, states)
    assert found.tolist() == [1, -1, 1, 1]


def test_the_random_numbers_of_a_rollout_are_its_positions():
    states = stacked(after(), after(0), after(1), after(0, 1), after(0, 2), after(0, 1, 2))
    keys = np.asarray(jax.random.key_data(keys_of(states)))
    assert len({tuple(key) for key in keys}) == 6
    turned = jax.tree.map(lambda x: x[::-1], states)
    assert np.array_equal(np.asarray(jax.random.key_data(keys_of(turned))), keys[::-1])


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Agents of three networks with parameters drawn at random: (folders by part, parameters by part)."""
    place, params = tmp_path_factory.mktemp("parts"), {}
    for k, (part, net) in enumerate({"policy": SMALL, "value": SMALL, "rollout": {"torso": "patterns"}}.items()):
        experiment = resolve(GAME.id, "alphago", {"network": net})[0]
        system = alphago(experiment.method, experiment.network, GAME)
        rng = np.random.default_rng(k)
        params[part] = jax.tree.map(
            lambda x, rng=rng: x + rng.standard_normal(x.shape, np.float32), system.init(jax.random.key(k)).params
        )
        save_game_agent(place / part, params[part], experiment, {"algo": "alphago", "timesteps": 0})
    return {part: place / part for part in params}, params


def combined(three, out, **options):
    folders, _ = three
    return logpi.combine(folders["policy"], folders["value"], folders["rollout"], out, **options)


def test_a_leaf_is_worth_the_value_network_and_the_rollout_in_the_papers_proportion(three):
    _, params = three
    states = stacked(after(), after(0), after(0, 3, 1, 4, 2), after(0, 1, 2, 4, 3, 5, 7, 6))  # won, one point left
    policy, value, linear = (PolicyValue(net, 9) for net in (NET, NET, LINEAR))
    z = rollout(GAME, linear.apply, params["rollout"], states)
    v = evaluate_leaf(SearchProblem(GAME, value.apply, params["value"], AlphaGoSearch()), states).value
    prior = evaluate_leaf(SearchProblem(GAME, policy.apply, params["policy"], AlphaGoSearch()), states).logits
    assert (z[2], v[2]) == (-1, -1), "the outcome of a game that is over"
    for weight in (0.0, 0.25, 0.5, 1.0):
        system = alphago_search(AlphaGoSearch(mixing=weight), NET, GAME)
        problem = SearchProblem(GAME, system.network.apply, params, system.config, system.leaf)
        found = system.leaf(problem, states)
        np.testing.assert_allclose(found.value, (1 - weight) * v + weight * z, atol=1e-6)
        np.testing.assert_allclose(found.logits, prior, rtol=1e-5)
        assert found.terminal.tolist() == [False, False, True, False]


def test_a_combined_agent_plays_and_keeps_its_mixing(three, tmp_path):
    folder = combined(three, tmp_path / "player", mixing=0.25)
    agent = load_game_agent(folder)
    assert (agent.facts["algo"], agent.config.mixing) == ("alphago_search", 0.25)
    position = begin(GAME)
    (answer,) = make_player(f"{folder}:12", GAME).choose([position])
    thought = Thinker(agent, room=64, leaves=1).think(position, Limits(nodes=12), lambda t: None, lambda: False)
    assert thought.lines[0].actions[0] == answer.action, "the engine grows the tree that the arena grows"
    assert {line.actions[0]: line.visits for line in thought.lines}.items() <= answer.visits.items()


def test_what_does_not_fit_is_refused(three, tmp_path):
    folders, params = three
    with pytest.raises(LogpiError, match=r"method\.mixing is 1\.5"):
        combined(three, tmp_path / "a", mixing=1.5)
    with pytest.raises(LogpiError, match="the torso mlp, which is not fast"):
        logpi.combine(folders["policy"], folders["value"], folders["value"], tmp_path / "a")
    with pytest.raises(LogpiError, match="units is 256 there and 8 here"):
        logpi.combine(folders["policy"], folders["rollout"], folders["rollout"], tmp_path / "a")
    with pytest.raises(LogpiError, match="give another --out"):
        combined(three, tmp_path)
    experiment = resolve("connect-four", "alphago", {"network": {"torso": "patterns"}})[0]
    system = alphago(experiment.method, experiment.network, make_game("connect-four"))
    save_game_agent(tmp_path / "other", system.init(jax.random.key(0)).params, experiment, {"algo": "alphago"})
    with pytest.raises(LogpiError, match="the rollout plays connect-four, and the policy tic-tac-toe"):
        logpi.combine(folders["policy"], folders["value"], tmp_path / "other", tmp_path / "a")
    with pytest.raises(LogpiError, match="learns nothing"):
        logpi.train("tic-tac-toe", "alphago_search", quiet=True, log_dir=str(tmp_path))
    assert dataclasses.asdict(load_game_agent(folders["policy"]).net) == dataclasses.asdict(NET)
    assert params
