"""The agents that come with logpi are as good as their cards say, and are there without training."""

import json
import math

import pytest
from small import quick_compilation

import logpi
import logpi.view.screen
from logpi import LogpiError
from logpi.cli.main import main
from logpi.runs.files import size_of
from logpi.runs.lookup import agent_folder
from logpi.runs.shipped import FOLDER, folder_name, shipped_folder
from logpi.runs.sums import NAME
from logpi.tasks import Question, record

AGENTS = logpi.list_agents()
FEW = {"ram": 500, "games": 10}  # cases of a test, by kind of task; of all others 20
SEED = 500  # of episodes and games that no card is about


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)


def test_they_are_few_and_small():
    assert {"CartPole-v1", "Acrobot-v1", "Pendulum-v1", "tic-tac-toe", "ram/mnist"} <= {agent.name for agent in AGENTS}
    assert size_of(FOLDER) < 30e6


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_an_agent_has_a_card_and_a_recipe(agent):
    assert agent.path.name == folder_name(agent.name)
    assert {"README.md", "config.toml", NAME} <= {path.name for path in agent.path.iterdir()}
    assert {"seeds", "minutes", "machine", "length", "versions"} <= agent.results["training"].keys()
    low, high = agent.results["interval"]
    assert low <= agent.results["mean_reward"] <= high
    assert agent.results["n_eval_episodes"] >= 100
    text = "".join(path.read_text() for path in agent.path.iterdir() if path.suffix in (".md", ".json", ".toml"))
    assert "/home" not in text
    assert "/root" not in text


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_an_agent_reaches_its_cards_band(agent):
    """On other cases than the card's; the band is as wide as so few of them need it to be."""
    loaded = logpi.load(agent.name)
    task = record(loaded.kind)
    few = FEW.get(loaded.kind, 20)
    seed = None if loaded.kind == "ram" else SEED
    found = task.evaluate(loaded, Question(few, seed, split="validation" if loaded.kind == "ram" else None)).measured
    low, high = agent.results["interval"]
    width = (high - low) / 2 * math.sqrt(agent.results["n_eval_episodes"] / few)
    width = max(width, (found.high - found.low) / 2)  # one crash in a hundred landings is wide among twenty
    assert found.cases == few
    assert abs(found.mean - agent.results["mean_reward"]) <= 1.5 * width + 1e-6


def test_the_list(capsys):
    assert main(["agents"]) == 0
    said = capsys.readouterr().out
    assert all(agent.name in said for agent in AGENTS)
    assert main(["agents", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == [agent.name for agent in AGENTS]


def test_commands_take_their_names(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logpi.view.screen, "open_file", lambda path: None)
    assert main(["eval", "CartPole-v1", "--episodes", "2"]) == 0
    assert "mean return 500" in capsys.readouterr().out
    assert main(["watch", "CartPole-v1", "--steps", "3", "--json"]) == 0
    assert list(tmp_path.glob("watch-*"))
    assert [path.name for path in FOLDER.glob("*/watch*")] == []
    assert main(["play", "tic-tac-toe", "--side", "none", "--seed", "1", "--pause", "0"]) == 0
    assert "tic-tac-toe" in capsys.readouterr().out


def test_what_is_in_the_working_folder_comes_first(tmp_path):
    (tmp_path / "CartPole-v1").mkdir()
    with pytest.raises(LogpiError, match="is not a run folder"):
        agent_folder("CartPole-v1")
    (tmp_path / "CartPole-v1").rmdir()
    assert agent_folder("CartPole-v1") == shipped_folder("CartPole-v1")
    with pytest.raises(LogpiError, match="is not a run folder"):
        agent_folder("CartPole-v9")
    assert shipped_folder("../shipped/CartPole-v1") is None
