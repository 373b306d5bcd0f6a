"""Episodes step by step, agents of earlier moments, keys, and the gallery."""

import itertools
import json
import math

import gymnasium
import jax
import numpy as np
import pytest
from small import Watcher, experiment, quick_compilation

import logpi
from logpi.api import gallery as module
from logpi.cli.main import main
from logpi.envs.keys import KNOWN, controls_of
from logpi.errors import LogpiError
from logpi.ops.normalization import normalize_obs
from logpi.runs.folder import RunFolder
from logpi.training import session
from logpi.view.site import write_site


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run with its checkpoints."""
    root = tmp_path_factory.mktemp("runs")
    return session.start(experiment("CartPole-v1", "ppo", root, total_timesteps=1000), ["test"], Watcher()).folder


def test_an_episode_is_that_of_an_evaluation():
    with logpi.watch_episode("CartPole-v1", seed=3) as episode:
        shots = [episode.begin()]
        while not shots[-1].over:
            shots.append(episode.step())
    (whole,) = logpi.evaluate("CartPole-v1", 1, seed=3).facts["returns"]
    assert shots[-1].total == whole
    assert [shot.step for shot in shots] == list(range(len(shots)))
    assert (shots[-1].truncated, shots[-1].terminated) == (True, False), "500 steps are the time limit"
    assert shots[0].picture.shape == (400, 600, 3)
    assert shots[0].picture.dtype == np.uint8
    assert (shots[0].by, shots[1].by) == ("", "agent")
    assert all(a.said.action == b.action for a, b in itertools.pairwise(shots))


def test_what_the_agent_says_is_its_networks_output():
    agent = logpi.load("CartPole-v1")
    obs, _ = gymnasium.make("CartPole-v1").reset(seed=5)
    _, out = agent.policy.apply(agent.learner.params, (), normalize_obs(agent.learner.statistics, obs[None]))
    with logpi.watch_episode(agent, seed=5) as episode:
        said = episode.begin().said
    np.testing.assert_allclose(said.probabilities, jax.nn.softmax(out.pi.logits[0]), rtol=1e-4)
    assert said.value == pytest.approx(float(out.value[0]), rel=1e-4)
    assert said.spread is None


def test_a_continuous_action_has_a_spread():
    with logpi.watch_episode("Pendulum-v1") as episode:
        said = episode.begin().said
        ((low, middle, high),) = said.spread
        assert -2 <= low <= middle <= high <= 2
        assert said.probabilities is None
        assert episode.step([1.5]).action == pytest.approx([1.5])


def test_a_person_acts_and_hands_back():
    with logpi.watch_episode("CartPole-v1") as episode:
        with pytest.raises(LogpiError, match="no episode is under way"):
            episode.step()
        shot = episode.begin()
        while not shot.over:
            shot = episode.step(0)
        assert (shot.by, shot.terminated) == ("person", True)
        assert shot.total < 20, "who only pushes left falls"
        with pytest.raises(LogpiError, match="no episode is under way"):
            episode.step()
        assert episode.begin().step == 0
        assert episode.step().by == "agent"
        for action in (2, -1, 0.5 + 1j, "left", [0, 1], {}, 10**30, math.nan):
            with pytest.raises(LogpiError, match="is not in"):
                episode.step(action)


def test_a_recurrent_agent_remembers_as_when_it_acts_alone(tmp_path):
    asked = experiment("CartPole-v1", "ppo", tmp_path, network={"memory": "gru"}, total_timesteps=400)
    agent = logpi.load(session.start(asked, ["test"], Watcher()).folder.path)
    with logpi.watch_episode(agent, seed=1) as episode:
        shots = [episode.begin()]
        while not shots[-1].over:
            shots.append(episode.step())
    env, total = gymnasium.make("CartPole-v1"), 0.0
    obs, _ = env.reset(seed=1)
    agent.reset()
    over = False
    while not over:
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs))
        total, over = total + reward, terminated or truncated
    assert shots[-1].total == total


def test_agents_of_games_and_of_device_environments_say_why_not():
    with pytest.raises(LogpiError, match="is not an environment"):
        logpi.watch_episode("tic-tac-toe")


# ---- moments of a training -----------------------------------------------------------------------------------------


def test_moments_are_the_saved_agents(run):
    moments = logpi.list_moments(run)
    assert [moment.timesteps for moment in moments] == sorted({moment.timesteps for moment in moments})
    assert {moment.what for moment in moments} <= {"best", "last", "checkpoint"}
    last = moments[-1]
    assert last.timesteps == json.loads((run.last / "agent.json").read_text())["timesteps"]
    for moment in moments:
        agent = logpi.load_moment(run.path, moment.timesteps + 0.4)
        assert agent.facts["timesteps"] == moment.timesteps
    newest = logpi.load_moment(run.path, 1e9)
    for ours, theirs in zip(
        jax.tree.leaves(newest.learner.params), jax.tree.leaves(logpi.load(run.last).learner.params), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_run_without_an_agent_has_no_moment(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    assert logpi.list_moments(RunFolder(tmp_path)) == []
    with pytest.raises(LogpiError, match="has no agent yet"):
        logpi.load_moment(tmp_path, 0)


# ---- keys ---------------------------------------------------------------------------------------------------------

IDS = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "LunarLander-v3"]
IDS += ["LunarLanderContinuous-v3", "FrozenLake-v1", "CliffWalking-v1", "Taxi-v4", "Blackjack-v1"]


@pytest.mark.parametrize("name", IDS)
def test_every_key_is_an_action_of_its_environment(name):
    env = gymnasium.make(name)
    controls = controls_of(name, env.action_space)
    assert any(controls is known for known in KNOWN.values()), name
    actions = [action for _, action in controls.keys] + [controls.idle] * (controls.idle is not None)
    for action in actions:
        given = action if isinstance(action, int) else np.array(action, env.action_space.dtype)
        assert env.action_space.contains(given), (name, action)


def test_other_actions_have_numbers_or_arrows():
    discrete = controls_of("Own-v0", gymnasium.spaces.Discrete(3))
    assert [held for held, _ in discrete.keys] == [("1",), ("2",), ("3",)]
    box = controls_of("Own-v0", gymnasium.spaces.Box(np.array([-1, 0, -np.inf]), np.array([1, 4, np.inf])))
    assert box.idle[:2] == [0.0, 2.0]
    assert {held[0]: action[:2] for held, action in box.keys}["ArrowUp"] == [0.0, 4.0]
    atari = controls_of("ALE/Pong-v5", gymnasium.spaces.Discrete(3), ["NOOP", "RIGHT", "RIGHTFIRE"])
    assert [(sorted(held), action) for held, action in atari.keys] == [(["ArrowRight"], 1), ([" ", "ArrowRight"], 2)]
    assert atari.idle == 0
    assert controls_of("Own-v0", gymnasium.spaces.MultiBinary(2)).keys == ()


# ---- gallery ------------------------------------------------------------------------------------------------------


def test_the_gallery_knows_spaces_rewards_and_the_best_agents(run):
    entries = {entry.env: entry for entry in logpi.gallery(run.path.parents[1])}
    cartpole = entries["CartPole-v1"]
    assert (cartpole.action, cartpole.limit, cartpole.kind) == ("Discrete(2)", 500, "control")
    assert "+1" in cartpole.reward
    assert [agent.what for agent in cartpole.agents] == ["random", "local", "shipped"]
    local, shipped = cartpole.agents[1:]
    assert (local.path, local.command) == (run.path, "test")
    assert shipped.low <= shipped.score <= shipped.high
    assert {"ppo", "a2c", "dqn"} <= {method["algo"] for method in cartpole.methods}
    assert entries["tic-tac-toe"].kind == "games"
    assert {"MountainCar-v0", "ram/mnist"} <= entries.keys(), "what has a recipe is there"
    json.dumps([entry.to_json() for entry in entries.values()], default=str)


def test_a_film_is_made_once_for_each_agent(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FILMED", 5)
    (entry,) = logpi.gallery(run.path.parents[1], ["CartPole-v1"])
    paths = {agent.what: module.film_of(entry, agent, tmp_path) for agent in entry.agents}
    assert len(set(paths.values())) == 3
    monkeypatch.setattr(module, "film", None)
    monkeypatch.setattr(module, "film_random", None)
    assert {agent.what: module.film_of(entry, agent, tmp_path) for agent in entry.agents} == paths


def test_the_site_is_plain_files(run, tmp_path, capsys):
    out = tmp_path / "site"
    argv = ["gallery", "CartPole-v1", "tic-tac-toe", "--out", str(out), "--log-dir", str(run.path.parents[1])]
    assert main([*argv, "--no-films", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(out / "index.html"), "tasks": 2, "films": 0}
    text = (out / "index.html").read_text("utf-8")
    assert "Discrete(2)" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    film = tmp_path / "a.mp4"
    film.write_bytes(b"film")
    entry = logpi.gallery(tmp_path, ["CartPole-v1"])[0].to_json()
    evil = "<img src=x onerror=alert(1)>"
    entry |= {"note": evil, "agents": [entry["agents"][0] | {"label": evil}]}
    page = write_site(out, [entry], {("CartPole-v1", "random"): film}).read_text("utf-8")
    assert evil not in page
    assert "src='films/a.mp4'" in page
    assert (out / "films" / "a.mp4").read_bytes() == b"film"
