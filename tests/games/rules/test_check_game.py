"""``check_game``: the games that there are pass, and each mistake in rules is found."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own_game import connect3, write_connect3

from logpi.cli.main import main
from logpi.games.rules.check import check_game
from logpi.games.rules.make import make_game


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return connect3(tmp_path_factory.mktemp("own"))


def errors(report, level="error"):
    return [finding.what for finding in report.findings if finding.level == level]


@pytest.mark.parametrize("name", ["tic-tac-toe", "connect-four", "othello", "hex-4x4", "go-5x5"])
def test_the_games_that_there_are_pass(name):
    report = check_game(name, games=16)
    assert report.ok, errors(report)
    assert not errors(report, "warn")
    assert report.moves_per_second > 0


def test_the_game_of_the_docs_passes(own):
    report = check_game(own)
    assert report.ok, errors(report)
    assert not errors(report, "warn")


def python_branch(own):
    return {"step": lambda state, action: own.step(state, action) if state[0, 0, 0] else state}


def growing(own):
    """A game that never ends: a full board is emptied."""

    def step(state, action):
        after = own.step(state, action)
        return jnp.where(after.any(0).all(), False, after)

    return {"step": step, "ended": lambda state: jnp.bool_(False)}


def drawing(own):
    """Observations with noise that the state does not decide."""
    rng = np.random.default_rng(0)

    def observe(state):
        like = jax.ShapeDtypeStruct((), jnp.float32)
        noise = jax.pure_callback(lambda x: np.float32(rng.random()), like, state[0, 0, 0], vmap_method="sequential")
        return own.observe(state) + noise

    return {"observe": observe}


def batched(own):
    """Observations that depend on the games played beside."""

    def observe(state):
        def total(states):
            return np.full(states.shape[:-3], states.sum(), np.float32)

        like = jax.ShapeDtypeStruct((), jnp.float32)
        return own.observe(state) + jax.pure_callback(total, like, state, vmap_method="broadcast_all")

    return {"observe": observe}


BROKEN = {  # what is wrong: (fields made from the good game, a part of the finding)
    "a shape": (lambda own: {"longest": 0}, "must be at least 1"),
    "a Python branch": (python_branch, "JAX cannot trace the rules"),
    "legal as numbers": (lambda own: {"legal": lambda s: own.legal(s).astype(jnp.int32)}, "legal is int32[4]"),
    "an outcome of another type": (lambda own: {"outcome": lambda s: jnp.int32(0)}, "outcome is int32[]"),
    "cells of another shape": (lambda own: {"cells": lambda s: own.cells(s).ravel()}, "cells is int8[16]"),
    "observations without planes": (lambda own: {"observe": lambda s: own.observe(s)[..., 0]}, "observe is float32"),
    "a margin of another shape": (lambda own: {"margin": lambda s: jnp.zeros(1)}, "margin is float32[1]"),
    "an ownership as a board": (lambda own: {"ownership": own.cells}, "ownership is int8[4, 4]"),
    "a state that changes its type": (
        lambda own: {"step": lambda s, a: own.step(s, a).astype(jnp.int8)},
        "step turns state from bool",
    ),
    "a state that changes its structure": (lambda own: {"step": lambda s, a: (s, s)}, "step turns a state"),
    "two turns of the board": (
        lambda own: {
            "ownership": lambda s: jnp.zeros(16, jnp.int8),
            "observed_action": lambda s: jnp.arange(4, dtype=jnp.int32),
        },
        "ownership and observed_action",
    ),
    "a judge that says otherwise": (
        lambda own: {"judge": lambda s: (own.legal(s), own.ended(s) | own.legal(s).any(), own.outcome(s))},
        "judge says otherwise",
    ),
    "no permutation": (lambda own: {"symmetries": np.zeros((2, 16), np.int32)}, "symmetries is not an integer array"),
    "fewer action symmetries": (lambda own: {"action_symmetries": own.action_symmetries[:1]}, "action_symmetries"),
    "plane symmetries of another size": (
        lambda own: {"plane_symmetries": np.zeros((2, 3), np.int32)},
        "plane_symmetries",
    ),
    "the identity last": (lambda own: {"symmetries": own.symmetries[::-1]}, "symmetries[0] is not the identity"),
    "two moves of one name": (lambda own: {"name": lambda a: "1"}, "two actions are called '1'"),
    "a name that is not read back": (lambda own: {"parse": lambda text: 0}, "parse does not read '2' back"),
    "a name that raises": (lambda own: {"name": lambda a: "abc"[a]}, "name or parse raised IndexError"),
    "a parse that raises anything": (lambda own: {"parse": lambda text: int(text) - 1}, "raised ValueError"),
    "a parse that takes anything": (
        lambda own: {"parse": lambda text: int(text) - 1 if text.isdigit() else 0},
        "took it for a move",
    ),
    "always the first player's turn": (
        lambda own: {"first_to_move": lambda s: jnp.bool_(True)},
        "first_to_move is True after 1 moves",
    ),
    "no legal move": (
        lambda own: {"legal": lambda s: own.legal(s) & (s.sum() < 2)},
        "no move is legal after 2 moves",
    ),
    "an end before the beginning": (lambda own: {"ended": lambda s: jnp.bool_(True)}, "before the first move"),
    "an end too late": (lambda own: {"longest": 6}, "go on after longest = 6 moves"),
    "no end": (growing, "go on after longest = 16 moves"),
    "an outcome of 2": (lambda own: {"outcome": lambda s: own.outcome(s) * 2}, "outcome is -2 at an end"),
    "a margin of the other sign": (
        lambda own: {"margin": lambda s: -own.outcome(s)},
        "margin is 1 where outcome is -1",
    ),
    "an ownership of 3": (
        lambda own: {"ownership": lambda s: jnp.full(16, 3, jnp.int8)},
        "ownership holds 3 to 3",
    ),
    "cells of a third player": (lambda own: {"cells": lambda s: own.cells(s) * 2}, "cells hold 0 to 4"),
    "an observation that is not finite": (
        lambda own: {"observe": lambda s: own.observe(s) + jnp.where(s.sum() > 2, jnp.nan, 0)},
        "observe holds numbers that are not finite",
    ),
    "observations of the other player": (
        lambda own: {"observe": lambda s: own.observe(s)[..., ::-1]},
        "observe shows the other player's stones first",
    ),
    "a look at other games": (batched, "a game in a batch (jax.vmap) has another observe than alone"),
    "noise": (drawing, "the same moves gave another observe"),
    "moves that are not mirrored": (
        lambda own: {"action_symmetries": np.stack([np.arange(4, dtype=np.int32)] * 2)},
        "symmetry 1 of 2 is not one: turned moves give another cells",
    ),
    "a board that is not turned": (
        lambda own: {
            "symmetries": np.stack([np.arange(16, dtype=np.int32)] * 2),
            "action_symmetries": own.action_symmetries,
        },
        "symmetry 1 of 2 is not one",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_each_mistake_is_found(own, what):
    fields, message = BROKEN[what]
    report = check_game(own._replace(**fields(own)), games=16)
    assert not report.ok
    assert any(message in found for found in errors(report)), report.findings
    assert all(finding.fix for finding in report.findings if finding.level != "ok")


@pytest.mark.parametrize(("outcome", "message"), [(1.0, "the player to move has won all"), (0.0, "games were drawn")])
def test_suspicious_results_are_warnings(own, outcome, message):
    report = check_game(own._replace(outcome=lambda state: jnp.float32(outcome)), games=16)
    assert report.ok
    assert any(message in found for found in errors(report, "warn"))


def test_exceptions_while_playing_are_findings(own):
    def outcome(state):
        return jax.pure_callback(
            lambda s: 1 / 0, jax.ShapeDtypeStruct((), jnp.float32), state, vmap_method="sequential"
        )

    report = check_game(own._replace(outcome=outcome), games=4)
    assert any("random play raised" in found for found in errors(report))


def test_the_verb(tmp_path, monkeypatch, capsys):
    write_connect3(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["check-game", "connect3.py:connect3", "--games", "8"]) == 0
    assert "ready to train" in capsys.readouterr().out
    assert main(["check-game", "connect3.py:connect3", "--games", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    assert main(["check-game", "connect3.py:nothing"]) == 1
    assert "has no 'nothing'; it has: step" in capsys.readouterr().out
    assert make_game("connect3.py:connect3").id == f"{tmp_path}/connect3.py:connect3"
