"""Behaviour cloning: the decisions of an expert, recorded and learnt; the clone's score beside the expert's."""

import contextlib

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import stand_ins
from gymnasium import spaces
from small import Killed, Watcher, experiment, only_run, outcome, quick_compilation, resume

import logpi.api as api
from logpi.algorithms.bc import BC, bc
from logpi.config.settings import Network
from logpi.control.records import read
from logpi.envs.spaces import from_env, to_env
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy
from logpi.training import session
from logpi.types import Decisions, EnvSpec

SET = "tests/cartpole-v0"


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    with quick_compilation():
        yield


@pytest.fixture(params=["stand-in", "real"])
def store(request, monkeypatch, tmp_path):
    """Minari with an empty store, or a module of its interface."""
    if request.param == "stand-in":
        return stand_ins.minari(monkeypatch)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    pytest.importorskip("h5py")
    return pytest.importorskip("minari")


@pytest.mark.parametrize(
    ("space", "action"),
    [
        (spaces.Discrete(3, start=2), [0, 2]),
        (spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[1, 0], [0, 2]]), [[1, 2, 3, 4], [0, 0, 0, 0]]),
        (spaces.MultiBinary((2, 2)), [[0, 1, 1, 0]]),
        (spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0])), [[0.5, -1.0], [-0.25, 1.0]]),
        (spaces.Box(-np.inf, np.inf, (2,)), [[7.0, -9.0]]),
    ],
)
def test_an_action_of_the_environment_leads_back_to_the_policys(space, action):
    drawn = np.array(action, np.float32 if isinstance(space, spaces.Box) else np.int32)
    back = from_env(space, to_env(space, drawn))
    np.testing.assert_allclose(back, drawn, atol=1e-6)
    assert back.dtype == (np.int8 if isinstance(space, spaces.MultiBinary) else drawn.dtype)


def test_the_loss_is_the_negative_log_likelihood():
    spec = EnvSpec("own", spaces.Box(-1, 1, (2,)), spaces.Discrete(3))
    policy = make_policy(spec, Network(hidden=(4,)))
    method = bc(BC(batch_size=3, optimizer="sgd", learning_rate=0.1), policy, spec, example(spec.observation_space))
    learner = method.init(jax.random.key(0))
    batch = Decisions(jnp.array([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]]), jnp.array([2, 0, 1]))

    def likelihood(params):
        return policy.apply(params, (), batch.obs)[1].pi.log_prob(batch.action).mean()

    after, metrics = method.update(learner, batch, jax.random.key(1))
    assert metrics["train/loss"] == pytest.approx(-float(likelihood(learner.params)), rel=1e-6)
    wanted = jax.tree.map(lambda p, g: p + 0.1 * g, learner.params, jax.grad(likelihood)(learner.params))
    for ours, theirs in zip(jax.tree.leaves(after.params), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_clone_scores_what_the_expert_does(store, tmp_path):
    """CartPole's trained agent, 500 points, from six of its episodes, in which drawn actions show how to recover."""
    expert = api.evaluate("CartPole-v1", 6, seed=7, sampled=True, record=SET)
    assert min(expert.facts["lengths"]) == 500
    method = {"dataset": SET, "total_timesteps": 512_000, "batch_size": 256, "gradient_steps": 100}
    method |= {"learning_rate": 2e-3, "lr_schedule": "linear"}
    asked = experiment("CartPole-v1", "bc", tmp_path, run={"eval_points": 0}, network={"hidden": [64, 64]}, **method)
    watcher = Watcher()
    session.start(asked, ["test"], watcher)
    said = [*watcher.notes, *watcher.told]
    assert any("learns from 3,000 decisions in 6 episodes" in text for text in said), said
    clone = api.evaluate(only_run(tmp_path).path, 20)
    assert clone.score >= 0.95 * expert.score


def test_continuous_actions_and_normalized_observations(store, tmp_path):
    """The clone of a clone: what is learnt of Pendulum's agent moves as it does."""
    api.evaluate("Pendulum-v1", 2, record="tests/pendulum-v0")
    spec = api.load("Pendulum-v1").spec
    found = read("tests/pendulum-v0", spec).decisions
    assert found.action.shape == (400, 1)
    assert np.abs(found.action).max() <= 1
    asked = experiment("Pendulum-v1", "bc", tmp_path, dataset="tests/pendulum-v0", normalize_obs=True)
    session.start(asked, ["test"], Watcher())
    clone = api.load(only_run(tmp_path).path)
    (moments,) = clone.learner.statistics.obs
    np.testing.assert_allclose(moments.mean, found.obs.mean(0), atol=1e-5)
    np.testing.assert_allclose(moments.std, found.obs.std(0), rtol=1e-3)


def test_a_run_that_is_killed_goes_on_bit_for_bit(monkeypatch, tmp_path):
    stand_ins.minari(monkeypatch)
    api.evaluate("CartPole-v1", 1, record=SET)

    def folder(name, kill_at=None):
        asked = experiment("CartPole-v1", "bc", tmp_path / name, dataset=SET)
        with pytest.raises(Killed) if kill_at else contextlib.nullcontext():
            session.start(asked, ["test"], Watcher(kill_at))
        return only_run(tmp_path / name)

    whole, killed = folder("whole"), folder("killed", kill_at=2)
    resume(killed)
    assert outcome(killed) == outcome(whole)


def test_what_cannot_be_learnt_from(monkeypatch, tmp_path):
    stand_ins.minari(monkeypatch)
    spec = api.load("CartPole-v1").spec
    with pytest.raises(LogpiError, match=r"needs the id of a data set.*logpi eval AGENT --record NAME-v0"):
        read("", spec)
    with pytest.raises(LogpiError, match=r"cannot read the data set other-v0.*on this machine there are: none"):
        read("other-v0", spec)
    api.evaluate("CartPole-v1", 1, record=SET)
    with pytest.raises(LogpiError, match=r"has the observations Box.*take another one"):
        read(SET, api.load("Pendulum-v1").spec)
    with pytest.raises(LogpiError, match="is there already; take another version"):
        api.evaluate("CartPole-v1", 1, record=SET)
    with pytest.raises(LogpiError, match="the id of a data set is NAME-v0"):
        api.evaluate("CartPole-v1", 1, record="no version")
    with pytest.raises(LogpiError, match="--record is not for agents of board games"):
        api.evaluate("tic-tac-toe", 1, record=SET)
    with pytest.raises(LogpiError, match="choose memory none"):
        session.start(
            experiment("CartPole-v1", "bc", tmp_path, dataset=SET, network={"memory": "gru"}), ["test"], Watcher()
        )


def test_without_minari_its_extra_is_named(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("logpi.control.records.import_module", absent)
    with pytest.raises(LogpiError, match=r"pip install 'logpi\[minari\]'"):
        read("some-v0", EnvSpec("own", spaces.Box(-1, 1, (2,)), spaces.Discrete(3)))


def test_a_device_environment_alone_is_not_recorded(monkeypatch, tmp_path):
    stand_ins.minari(monkeypatch)
    session.start(experiment("probe/bandit-v0", "ppo", tmp_path), ["test"], Watcher())
    with pytest.raises(LogpiError, match="is a device environment; episodes are recorded in one of Gymnasium's form"):
        api.evaluate(only_run(tmp_path).path, 1, record=SET)


def test_recording_leaves_the_environment_as_it_is(monkeypatch):
    """The recorded observations are Gymnasium's own, one more than there are actions."""
    stand_ins.minari(monkeypatch)
    api.evaluate("CartPole-v1", 1, seed=3, record=SET)
    import minari

    (episode,) = minari.load_dataset(SET).episodes
    first, _ = gymnasium.make("CartPole-v1").reset(seed=3)
    np.testing.assert_array_equal(episode.observations[0], first)
    assert len(episode.observations) == len(episode.actions) + 1
