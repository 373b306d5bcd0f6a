"""A saved agent acts as the one that was trained, wherever it is loaded."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from small import Watcher, experiment, quick_compilation

from logpi import api
from logpi.config.settings import Network
from logpi.control.agent import Agent, load_agent, save_agent
from logpi.control.build import parts, process
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy
from logpi.ops.normalization import Moments, Statistics, init_statistics
from logpi.runs.create import create
from logpi.runs.lookup import agent_folder, agent_folders
from logpi.tasks import NOTHING, Own
from logpi.training import session
from logpi.types import EnvSpec, Learner

BOX = spaces.Box(-2.0, 2.0, (3,))
OBSERVATIONS = {
    "box": BOX,
    "float64": spaces.Box(-1.0, 1.0, (2, 2), np.float64),
    "image": spaces.Box(0, 255, (40, 36, 1), np.uint8),
    "discrete": spaces.Discrete(5),
    "multidiscrete": spaces.MultiDiscrete([3, 4]),
    "multibinary": spaces.MultiBinary(4),
    "dict": spaces.Dict({"b": spaces.Discrete(3), "a": BOX}),
    "tuple": spaces.Tuple((spaces.MultiBinary(2), BOX)),
}
ACTIONS = {
    "discrete": spaces.Discrete(4, start=3),
    "box": spaces.Box(np.float32([-1, 0]), np.float32([3, 1])),
    "multidiscrete": spaces.MultiDiscrete([2, 3], start=[1, 0]),
    "multibinary": spaces.MultiBinary(3),
}
PAIRS = [(name, "discrete") for name in OBSERVATIONS] + [("box", name) for name in ACTIONS if name != "discrete"]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def made(observation, action, network, moments=False):
    """An agent with random weights, far from uniform, and with normalisers that matter."""
    spec = EnvSpec("Own-v0", observation, action, 10)
    policy = make_policy(spec, network)
    params = jax.tree.map(lambda x: 2 * x, policy.init(jax.random.key(1)))
    statistics = init_statistics(example(observation), 1, moments, False)
    seen = [m if m == () else Moments(jnp.float32(9), m.mean + 0.7, m.m2 + 3.0) for m in statistics.obs]
    return Agent(spec, policy, params, Statistics(obs=tuple(seen)), {})


def reloaded(agent, folder, network):
    save_agent(folder, agent.learner, agent.spec, network, {"algo": "ppo", "policy": ""})
    return load_agent(folder)


def batch_of(space, n=6):
    space.seed(0)
    samples = [space.sample() for _ in range(n)]
    return samples, jax.tree.map(lambda *x: np.stack(x), *samples)


@pytest.mark.parametrize(("observation", "action"), PAIRS)
def test_a_loaded_agent_acts_alike(tmp_path, observation, action):
    network = Network(hidden=(8,))
    agent = made(OBSERVATIONS[observation], ACTIONS[action], network)
    copy = reloaded(agent, tmp_path, network)
    assert copy.spec == agent.spec
    samples, batch = batch_of(agent.spec.observation_space)
    for greedy in (True, False):
        agent.reset(seed=4)
        copy.reset(seed=4)
        first, second = (np.stack([agent.act(batch, greedy) for _ in range(5)]) for agent in (agent, copy))
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype == agent.spec.action_space.dtype
        assert all(agent.spec.action_space.contains(a) for row in first for a in row)
        assert greedy == (first == first[0]).all(), "sampled actions must vary, greedy ones must not"
    together = copy.act(batch)
    for obs, expected in zip(samples, together, strict=True):
        alone = copy.act(obs)
        np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-6)
        assert agent.spec.action_space.contains(alone)


def test_an_observation_may_come_in_any_mapping():
    agent = made(OBSERVATIONS["dict"], ACTIONS["discrete"], Network(hidden=(8,)))
    samples, batch = batch_of(agent.spec.observation_space)
    ordered = OrderedDict([("b", samples[0]["b"]), ("more", 3), ("a", samples[0]["a"].astype(np.float64).tolist())])
    assert agent.act(ordered) == agent.act(samples[0])
    np.testing.assert_array_equal(agent.act(OrderedDict(batch)), agent.act(batch))
    with pytest.raises(LogpiError, match=r"lacks a part.*does not fit.*give one observation, or a batch"):
        agent.act({"b": 1})


def test_integers_are_normalised(tmp_path):
    network = Network(hidden=(8,))
    agent = made(spaces.Box(0, 1000, (2,), np.int64), ACTIONS["discrete"], network, moments=True)
    assert [x.mean.shape for x in agent.learner.statistics.obs] == [(2,)]
    assert reloaded(agent, tmp_path, network).act([3, 700]) == agent.act(np.array([3, 700]))


def test_normalisers_travel_with_the_agent(tmp_path):
    network = Network(hidden=(8,))
    agent = made(OBSERVATIONS["dict"], ACTIONS["box"], network, moments=True)
    copy = reloaded(agent, tmp_path, network)
    _, batch = batch_of(agent.spec.observation_space)
    np.testing.assert_array_equal(copy.act(batch), agent.act(batch))
    plain = Agent(agent.spec, agent.policy, agent.learner.params, Statistics(), {})
    assert not np.allclose(plain.act(batch), agent.act(batch))


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_reset_forgets_the_episode(tmp_path, memory):
    network = Network(hidden=(8,), memory=memory, memory_size=4)
    agent = made(BOX, ACTIONS["box"], network)
    copy = reloaded(agent, tmp_path, network)
    samples, batch = batch_of(BOX)
    episode = np.stack([agent.act(obs) for obs in samples])
    again = np.stack([agent.act(obs) for obs in samples])
    assert not np.allclose(episode[0], again[0]), "the memory must matter"
    agent.reset()
    np.testing.assert_array_equal([agent.act(obs) for obs in samples], episode)
    np.testing.assert_array_equal([copy.act(obs) for obs in samples], episode)
    with pytest.raises(LogpiError, match=r"reset\(\)"):
        agent.act(batch)
    agent.reset()
    assert agent.act(batch).shape == (6, 2)


@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((2, 4)), 0.0, {"a": np.zeros(3)}, np.zeros((2, 2, 3)), []])
def test_an_observation_of_another_shape_is_refused(wrong):
    agent = made(BOX, ACTIONS["discrete"], Network(hidden=(8,)))
    with pytest.raises(LogpiError, match=r"observation.*does not fit.*Box.*give one observation, or a batch"):
        agent.act(wrong)


def test_a_policy_of_ones_own_is_asked_for(tmp_path):
    network = Network(hidden=(8,))
    agent = made(BOX, ACTIONS["discrete"], network)
    save_agent(tmp_path, agent.learner, agent.spec, None, {"policy": ""})
    with pytest.raises(LogpiError, match="policy="):
        load_agent(tmp_path)
    _, batch = batch_of(BOX)
    loaded = load_agent(tmp_path, Own(policy=make_policy(agent.spec, network)))
    np.testing.assert_array_equal(loaded.act(batch), agent.act(batch))


def test_the_agents_of_a_run(tmp_path):
    """``load`` takes a run (its best agent), or one of its folders; several seeds have one agent each."""
    chosen = experiment("CartPole-v1", "ppo", tmp_path, run={"seeds": 2, "seed": 7})
    folder = session.start(chosen, ["test"], Watcher()).folder
    cards = [load_agent(base / f"seed_{k}").facts for base in (folder.best, folder.last) for k in (7, 8)]
    assert all(card["algo"] == "ppo" and card["timesteps"] > 0 for card in cards)
    obs = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    best = [api.load(folder.best / f"seed_{k}").act(obs) for k in (7, 8)]
    np.testing.assert_array_equal(api.load(folder.path).act(obs), best[0])
    last = [api.load(folder.last / f"seed_{k}").learner.params for k in (7, 8)]
    assert not jax.tree.all(jax.tree.map(np.allclose, *last)), "two seeds learn two policies"
    assert agent_folder(folder.path) == folder.best / "seed_7"
    assert agent_folder(folder.last) == folder.last / "seed_7"
    assert agent_folders(folder.path) == [folder.best / "seed_7", folder.best / "seed_8"]
    assert agent_folders(folder.last / "seed_8") == [folder.last / "seed_8"]


def test_a_run_without_an_agent_says_how_to_go_on(tmp_path):
    folder = create(tmp_path, "ppo", "CartPole-v1", {}, ["test"], [0])
    with pytest.raises(LogpiError, match=r"no agent yet.*start again"):
        agent_folder(folder.path)
    folder.checkpoints.mkdir()
    (folder.checkpoints / "iteration_00000003.safetensors").write_bytes(b"")
    with pytest.raises(LogpiError, match=r"no agent yet.*logpi resume"):
        agent_folder(folder.path)


def test_the_seeds_of_a_run_are_in_the_order_of_their_numbers(tmp_path):
    for name in ("seed_10", "seed_9", "seed_mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "agent.json").write_text("{}")
    assert agent_folder(tmp_path) == tmp_path / "seed_9"
    assert agent_folders(tmp_path) == [tmp_path / "seed_9", tmp_path / "seed_10"]


def test_the_last_agent_is_the_one_that_was_trained(tmp_path):
    chosen = experiment("Pendulum-v1", "ppo", tmp_path, normalize_obs=True)
    folder = session.start(chosen, ["test"], Watcher()).folder
    built = parts(chosen, NOTHING)
    driver = Driver(process(chosen, built), [chosen.run.seed])
    learner: Learner = jax.tree.map(jnp.asarray, folder.latest_checkpoint(driver.kept.like(Progress())).tree.learner)
    agent = load_agent(folder.last)
    obs = jax.random.normal(jax.random.key(0), (20, 3))
    greedy = built.algorithm.act(learner, (), obs, jax.random.key(0), True).action
    np.testing.assert_allclose(agent.act(obs), 2 * np.clip(greedy, -1, 1), rtol=1e-5, atol=1e-7)
