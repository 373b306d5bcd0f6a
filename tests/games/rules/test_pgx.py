"""pgx's games behind our adapter: those that we have ourselves agree with ours, and the others can be searched."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from logpi.cli.main import main
from logpi.errors import LogpiError
from logpi.games import is_known
from logpi.games.rules.make import make_game
from logpi.games.rules.pgx import GAMES, REFUSED, remarks
from logpi.games.search.gumbel import GumbelConstants, gumbel
from logpi.games.search.tree import Expansion, Leaf, Simulations
from logpi.ops.distributions import ILLEGAL

PLAYED = 100  # random games of each kind
PASS = 64  # of Othello


@pytest.fixture(autouse=True)
def _as_pgx_needs_it():
    """pgx broadcasts between ranks, which the tests forbid."""
    pytest.importorskip("pgx")
    with jax.numpy_rank_promotion("allow"):
        yield


def replayed(name, actions):
    return oracle.record(make_game(name), jnp.asarray(actions, jnp.int32), lambda action, legal: action)


@pytest.mark.parametrize("name", ["pgx:tic_tac_toe", "pgx:connect_four", "pgx:othello", "pgx:hex"])
def test_random_games_agree_with_our_own_rules(name):
    """Until ours ends; in pgx's Othello both players then pass, and its Hex has a swap move beside ours."""
    own = make_game(GAMES[name.removeprefix("pgx:")].instead)
    ours = oracle.play(own, PLAYED, seed=5)
    actions = np.where(ours.ended[:-1], PASS if name == "pgx:othello" else ours.action, ours.action)
    theirs = replayed(name, np.concatenate([actions, np.full((2, PLAYED), PASS)]) if name == "pgx:othello" else actions)
    rows = len(ours.ended)
    going = ~ours.ended
    assert ours.ended[-1].all()
    assert theirs.ended[-1].all()
    np.testing.assert_array_equal(theirs.legal[:rows, :, : own.actions][going], ours.legal[going])
    assert not theirs.ended[:rows][going].any()
    if name != "pgx:othello":
        np.testing.assert_array_equal(theirs.ended, ours.ended)
    for field in ("first", "cells"):
        np.testing.assert_array_equal(getattr(theirs, field)[:rows][going], getattr(ours, field)[going])
    np.testing.assert_array_equal(theirs.cells[-1], ours.cells[-1])
    np.testing.assert_array_equal(theirs.outcome[-1], ours.outcome[-1])
    seen = ours.observation[..., :2]
    if name == "pgx:hex":  # ours is turned to the mover
        seen = np.where(ours.first[..., None, None, None], seen, seen.swapaxes(2, 3))
    np.testing.assert_array_equal(theirs.observation[:rows][going][..., :2], seen[going])
    assert set(np.unique(ours.outcome[-1])) >= {-1.0}, "somebody lost"


@pytest.fixture(scope="module")
def animals():
    """(animal_shogi, random games)"""
    pytest.importorskip("pgx")
    with jax.numpy_rank_promotion("allow"):
        game = make_game("pgx:animal_shogi")
        return game, oracle.play(game, 20, seed=1)


def test_every_move_changes_what_it_should(animals):
    """The board is turned for the second player: seen so wrongly, every move would change most of it."""
    game, games = animals
    going = ~games.ended[:-1]
    changed = (games.cells[1:] != games.cells[:-1]).sum((2, 3))
    assert ((changed >= 1) & (changed <= 2))[going].all()
    np.testing.assert_array_equal(games.first[1:][going], ~games.first[:-1][going])
    np.testing.assert_array_equal(games.cells[0, 0], [[2, 2, 2], [0, 2, 0], [0, 1, 0], [1, 1, 1]])
    assert games.ended[-1].all()
    assert set(np.unique(games.outcome[-1])) <= {-1.0, 0.0, 1.0}
    assert (games.outcome[-1] == -1).any(), "who is to move has lost"
    assert games.observation.shape[-3:] == (*game.shape, 194)


def test_a_search_runs_and_finds_a_win(animals):
    """The positions before the last moves of games that were won: one move wins again."""
    game, games = animals
    n = np.flatnonzero(games.outcome[-1] == -1)[:8]
    last = (~games.ended).sum(0)[n] - 1

    def leaf(state):
        legal, ended = jax.vmap(game.legal)(state), jax.vmap(game.ended)(state)
        value = jnp.where(ended, jax.vmap(game.outcome)(state), 0.0)
        return Leaf(jnp.where(legal, 0.0, ILLEGAL), value, ended)

    @jax.jit
    def search(actions, last):
        start = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(last), *x.shape)), game.init())

        def step(state, at):
            t, action = at
            after = jax.vmap(game.step)(state, action)
            return jax.vmap(lambda a, b, on: jax.tree.map(lambda x, y: jnp.where(on, x, y), a, b))(
                after, state, t < last
            ), None

        state, _ = jax.lax.scan(step, start, (jnp.arange(len(actions)), actions))
        found = gumbel(
            state,
            Expansion(jax.vmap(game.step), leaf),
            jax.random.key(0),
            Simulations(40),
            GumbelConstants(32, noise_scale=0.0),
        )
        after = jax.vmap(game.step)(state, found.action)
        return found, jax.vmap(game.legal)(state), jax.vmap(game.ended)(after), jax.vmap(game.outcome)(after)

    found, legal, ended, outcome = search(jnp.asarray(games.action[:, n]), jnp.asarray(last))
    assert (np.asarray(found.visits)[~np.asarray(legal)] == 0).all()
    np.testing.assert_array_equal(ended, True)
    np.testing.assert_array_equal(outcome, -1)


def test_actions_are_called_by_their_numbers(animals):
    game, _ = animals
    assert [game.parse(game.name(a)) for a in range(game.actions)] == list(range(132))
    for text in ("132", "-1", "a1", "", "1.0"):
        with pytest.raises(LogpiError, match=r"is not a move of pgx:animal_shogi; allowed: a number, 0 to 131"):
            game.parse(text)


@pytest.mark.parametrize("name", [*REFUSED, "chess960", ""])
def test_what_is_no_such_game_is_refused_with_the_reason(name):
    assert is_known(f"pgx:{name}")
    reason = REFUSED.get(name, "unknown game")
    with pytest.raises(LogpiError, match=rf"{reason}.* allowed: pgx:animal_shogi"):
        make_game(f"pgx:{name}")


def test_every_game_of_pgx_is_either_reachable_or_refused():
    pgx = pytest.importorskip("pgx")
    assert {*pgx.available_envs(), "bridge_bidding", "mahjong"} == {*GAMES, *REFUSED}


def test_defects_are_told_before_a_game_is_used(capsys):
    assert main(["arena", "pgx:tic_tac_toe", "random", "--games", "2"]) == 1  # one player only
    assert "logpi: pgx:tic_tac_toe has the rules of the package pgx: logpi has rules of its own" in (
        capsys.readouterr().err
    )
    assert any("no rule of repetition" in remark for remark in remarks("shogi"))
    assert main(["play", "pgx:backgammon"]) == 1
    assert "has chance: dice" in capsys.readouterr().err
