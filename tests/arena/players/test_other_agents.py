"""Agents that play no board game, where a player is wanted."""

import json

import pytest

from logpi.arena.players.make import make_player
from logpi.errors import LogpiError
from logpi.games.rules.make import make_game
from logpi.runs import cards


def test_an_agent_of_an_environment_is_named_as_such(tmp_path):
    card = {"format_version": cards.FORMAT_VERSION, "task": "control", "env": "CartPole-v1", "algo": "ppo"}
    (tmp_path / cards.NAME).write_text(json.dumps(card))
    with pytest.raises(LogpiError, match="it is an agent of CartPole-v1, which is not a board game"):
        make_player(str(tmp_path), make_game("tic-tac-toe"))
