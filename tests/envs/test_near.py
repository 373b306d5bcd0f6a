"""A name that is nearly right leads to the right one, or to the package that brings it."""

import pytest

from logpi.config.experiments import resolve
from logpi.envs.make import make
from logpi.envs.near import close_to, extra_for
from logpi.errors import LogpiError
from logpi.methods import find_method
from logpi.tasks import check_name

NAMES = {
    "SpaceInvaders": r"ALE/SpaceInvaders-v5, .*pip install 'logpi\[atari\]'",
    "breakout": "ALE/Breakout-v5",
    "dobutsu": "the game animal-shogi",
    "minichess": "the game gardner-chess",
    "connect4": "the game connect-four",
    "Connect_Four": "the game connect-four",
    "tictactoe": "the game tic-tac-toe",
    "go": "the game go-9x9",
    "hex5x5": "the game hex-5x5",
    "mnist": "the images ram/mnist",
    "simple_spread_v3": "write pettingzoo:FAMILY.NAME",
}


@pytest.mark.parametrize("name", NAMES)
def test_near_misses(name):
    with pytest.raises(LogpiError, match=f"unknown environment {name!r}; .*{NAMES[name]}"):
        check_name(name)


@pytest.mark.parametrize("name", ["CartPole-v1", "ram/mnist", "connect-four", "pgx:chess", "Nothing-v0"])
def test_other_names_pass(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MiniGrid-Empty-5x5-v0", "pip install minigrid, then name it minigrid:MiniGrid-Empty-5x5-v0"),
        ("highway-v0", "pip install highway-env, then name it highway_env:highway-v0"),
        ("Pong-v1", "ALE/Pong-v5"),
        ("pettingzoo.mpe:simple_spread_v3", "write pettingzoo:FAMILY.NAME"),
        ("cartpole-v1", "did you mean .*CartPole-v1"),
        ("HalfCheetah", "did you mean HalfCheetah-v5"),
    ],
)
def test_ids(name, words):
    with pytest.raises(LogpiError, match=words):
        make(name)


def test_the_newest_version_comes_first():
    assert close_to("lunarlander", ["LunarLander-v2", "LunarLander-v3", "Ant-v5"])[0] == "LunarLander-v3"


def test_an_import_that_fails_names_its_extra():
    assert extra_for(ImportError("No module named 'mujoco'")) == "pip install 'logpi[mujoco]'"
    assert extra_for(ImportError("Box2D is not installed")) == "pip install 'logpi[box2d]'"
    assert extra_for(ImportError("opencv-python package not installed")) == "pip install 'logpi[atari]'"
    assert "logpi[atari]" in extra_for(ImportError("no module named 'elsewhere'"))


@pytest.mark.parametrize(
    ("name", "instead"), [("trpo", "ppo"), ("Rainbow", "dqn"), ("TQC", "sac"), ("muzero", "alphazero"), ("a3c", "a2c")]
)
def test_well_known_methods_lead_to_one_that_is_here(name, instead):
    with pytest.raises(LogpiError, match=f"logpi has no {name.upper()}, and {instead} learns the same tasks"):
        find_method(name)


def test_a_spelling_of_a_setting():
    with pytest.raises(LogpiError, match="write learning_rate"):
        resolve("CartPole-v1", "ppo", {"method": {"lr": 1.0}})
