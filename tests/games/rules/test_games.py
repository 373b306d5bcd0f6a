"""The rules of board games: against OpenSpiel, under their symmetries, by hand, and by the names of their moves."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from logpi.errors import LogpiError
from logpi.games import GAMES
from logpi.games.rules.make import make_game

GAMES_PLAYED = 300  # of each game, against the oracle; bench/rules.py plays 10,000
NAMES = list(oracle.ORACLES)


@pytest.fixture(scope="module", params=NAMES)
def played(request):
    """(name, game, random games), each compiled once."""
    game = make_game(request.param)
    return request.param, game, oracle.play(game, GAMES_PLAYED, seed=NAMES.index(request.param))


def after(name, moves):
    """The game and its state after moves written in words."""
    game = make_game(name)
    state = game.init()
    step = jax.jit(game.step)
    for move in moves.split():
        assert not game.ended(state), f"ended before {move}"
        action = game.parse(move)
        assert game.legal(state)[action], f"{move} is illegal"
        state = step(state, jnp.int32(action))
    return game, state


def test_random_games_agree_with_openspiel_move_by_move(played):
    name, game, games = played
    assert np.unique(games.action[: game.longest // 2], axis=1).shape[1] > 100, "the games differ"
    for n in range(GAMES_PLAYED):
        found, _ = oracle.disagreement(name, game, games, n)
        assert found is None, found
    if name == "othello":
        assert (games.action[~games.ended[:-1]] == 64).any(), "somebody passed"
        assert (games.cells[-1] == 0).any(), "a game ended before the board was full"


def test_symmetries_commute_with_the_rules(played):
    """A game replayed with transformed moves has, at every move, transformed boards, masks and observations."""
    _, game, games = played
    sample = games.action[:, :20]
    fields = [field[:, :20] for field in games[1:]]
    undone = np.argsort(game.action_symmetries, axis=1)  # action s[a] of the board is action a of the transformed
    actions = np.moveaxis(undone[:, sample], 0, 1).reshape(len(sample), -1)  # [T, S * N]
    moved = oracle.record(game, jnp.asarray(actions, jnp.int32), lambda action, legal: action)
    moved = [field.reshape(len(field), len(undone), 20, *field.shape[2:]) for field in moved[1:]]
    for k, (cells_from, actions_from) in enumerate(zip(game.symmetries, game.action_symmetries, strict=True)):
        legal, ended, outcome, first, cells, observation = (field[:, k] for field in moved)
        np.testing.assert_array_equal(ended, fields[1])
        np.testing.assert_array_equal(first, fields[3])
        np.testing.assert_array_equal(legal[~ended], fields[0][..., actions_from][~ended])
        np.testing.assert_array_equal(outcome[ended], fields[2][ended])
        np.testing.assert_array_equal(cells, transformed(fields[4][..., None], cells_from)[..., 0])
        planes = np.arange(fields[5].shape[-1]) if game.plane_symmetries is None else game.plane_symmetries[k]
        np.testing.assert_array_equal(observation, transformed(fields[5], cells_from)[..., planes])


def transformed(planes, cells_from):
    """[..., rows, columns, planes] with cell i taken from cell s[i]."""
    flat = planes.reshape(*planes.shape[:-3], -1, planes.shape[-1])
    return flat[..., cells_from, :].reshape(planes.shape)


@pytest.mark.parametrize(("name", "count"), [("tic-tac-toe", 8), ("connect-four", 2), ("othello", 4), ("hex-5x5", 2)])
def test_symmetries_are_a_group_that_begins_with_the_identity(name, count):
    game = make_game(name)
    for table, size in ((game.symmetries, np.prod(game.shape)), (game.action_symmetries, game.actions)):
        assert table.shape == (count, size)
        assert table.dtype == np.int32
        rows = {tuple(row) for row in table}
        assert len(rows) == count
        assert tuple(table[0]) == tuple(range(size))
        assert {tuple(a[b]) for a in table for b in table} == rows


def test_the_observation_is_the_movers_view_of_the_cells(played):
    name, game, games = played
    mine, cells = np.where(games.first, 1, 2)[..., None, None], games.cells
    if name.startswith("hex"):  # the board is turned to the mover, who goes from top to bottom
        cells = np.where(mine == 1, cells, cells.swapaxes(2, 3))
    np.testing.assert_array_equal(games.observation[..., 0], cells == mine)
    np.testing.assert_array_equal(games.observation[..., 1], cells == 3 - mine)
    assert games.observation.dtype == np.float32
    assert games.observation.shape[2:4] == game.shape
    assert games.observation.shape[-1] == (6 if name.startswith("hex") else 2)


def reached(stones, row):
    """Of bool [N, N] the stones that are connected to row ``row``, by a search in plain Python."""
    size = len(stones)
    found, edge = np.zeros_like(stones), [(row % size, column) for column in range(size) if stones[row, column]]
    while edge:
        y, x = edge.pop()
        found[y, x] = True
        near = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x), (y + 1, x - 1)]
        near = [(y, x) for y, x in near if 0 <= y < size and 0 <= x < size]
        edge += [(y, x) for y, x in near if stones[y, x] and not found[y, x]]
    return found


@pytest.mark.parametrize("size", [3, 6, 17])
def test_hex_shows_what_is_connected_to_which_edge(size):
    games = oracle.play(make_game(f"hex-{size}x{size}"), 20, seed=size)
    for planes in games.observation[:-1].astype(bool)[~games.ended[:-1]][::7]:
        mine, theirs, top, bottom, left, right = np.moveaxis(planes, -1, 0)
        np.testing.assert_array_equal(top, reached(mine, 0))
        np.testing.assert_array_equal(bottom, reached(mine, -1))
        np.testing.assert_array_equal(left, reached(theirs.T, 0).T)
        np.testing.assert_array_equal(right, reached(theirs.T, -1).T)


def test_an_action_of_hex_is_observed_where_its_stone_will_be_seen():
    game, state = after("hex-5x5", "b1 c3 a5 d2 e1")
    for _ in range(2):  # either player's turn
        observed = np.asarray(game.observed_action(state))
        assert (observed[observed] == np.arange(25)).all()
        assert all((observed[s] == s[observed]).all() for s in game.action_symmetries)
        legal = np.flatnonzero(game.legal(state))
        for action, reply in zip(legal, np.roll(legal, 1), strict=True):
            later = game.step(game.step(state, action), reply)
            new = np.asarray(game.observe(later) - game.observe(state))[..., 0]
            assert np.flatnonzero(new).tolist() == [observed[action]]
        state = game.step(state, game.parse("d5"))


@pytest.mark.parametrize(
    ("name", "moves", "outcome"),
    [
        ("tic-tac-toe", "a1 a2 b1 b2 c1", -1),
        ("tic-tac-toe", "b1 a1 b2 b3 a2 c2 c3 c1 a3", 0),
        ("tic-tac-toe", "a1 c1 a2 b2 c2 a3", -1),
        ("connect-four", "1 2 1 2 1 2 1", -1),
        ("connect-four", "1 1 2 2 3 3", None),
        ("connect-four", "1 1 2 2 3 3 4", -1),
        ("connect-four", "1 2 2 3 3 4 3 4 4 7 4", -1),
        ("connect-four", "7 6 6 5 5 4 5 4 4 1 4", -1),
        ("hex-3x3", "a1 b1 a2 b2 a3", -1),
        ("hex-3x3", "a1 a2 c1 b2 c3 c2", -1),
        ("hex-3x3", "a1 a2 b2 b1 c3 c1", -1),
        ("hex-3x3", "a1 a2 b2 b3 c3", None),
    ],
)
def test_games_by_hand(name, moves, outcome):
    game, state = after(name, moves)
    assert game.ended(state) == (outcome is not None)
    assert game.first_to_move(state) == (len(moves.split()) % 2 == 0)
    if outcome is not None:
        assert game.outcome(state) == outcome


def test_othello_turns_stones_and_black_begins():
    game, state = after("othello", "d3 C3")
    cells = np.asarray(game.cells(state))
    assert np.argwhere(cells == 1).tolist() == [[2, 3], [3, 4], [4, 3]]
    assert np.argwhere(cells == 2).tolist() == [[2, 2], [3, 3], [4, 4]]
    start = np.asarray(game.cells(game.init()))
    assert start[3, 4] == start[4, 3] == 1
    assert start[3, 3] == start[4, 4] == 2


def test_connect_four_stones_fall_and_a_full_column_is_illegal():
    game, state = after("connect-four", "a a a a a 1")
    np.testing.assert_array_equal(game.cells(state)[:, 0], [2, 1, 2, 1, 2, 1])
    np.testing.assert_array_equal(game.legal(state), [False] + [True] * 6)


@pytest.mark.parametrize(
    ("name", "size"), [("tic-tac-toe", 4), ("connect-four", 14), ("othello", 20), ("hex-11x11", 132)]
)
def test_states_are_small(name, size):
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(make_game(name).init())) == size


@pytest.mark.parametrize("name", [*GAMES, "hex-11x11", "hex-19x19"])
def test_names_and_parse_are_inverse(name):
    game = make_game(name)
    names = [game.name(action) for action in range(game.actions)]
    assert len(set(names)) == game.actions
    for action, text in enumerate(names):
        assert game.parse(text) == game.parse(f" {text.upper()}\n") == action


@pytest.mark.parametrize(
    ("name", "text", "action"),
    [
        ("tic-tac-toe", "c1", 2),
        ("tic-tac-toe", "b2", 4),
        ("connect-four", "1", 0),
        ("connect-four", "g", 6),
        ("othello", "d3", 19),
        ("othello", "h8", 63),
        ("othello", "pass", 64),
        ("hex-11x11", "k2", 21),
        ("hex-19x19", "s19", 360),
    ],
)
def test_moves_as_people_write_them(name, text, action):
    assert make_game(name).parse(text) == action


@pytest.mark.parametrize("name", [*GAMES, "hex-11x11"])
@pytest.mark.parametrize(
    "text", ["", " ", "0", "8", "h", "12", "ab", "a0", "l1", "a12", "a 1", "é1", "1a", "-1", "a01"]
)
def test_what_names_no_move_is_told(name, text):
    with pytest.raises(LogpiError, match=f"is not a move of {name}; allowed: (a c|the square)"):
        make_game(name).parse(text)


def test_hex_boards_in_short_and_in_long_words_are_played_to_their_end():
    for size in (16, 17):
        game = make_game(f"hex-{size}x{size}")
        games = oracle.play(game, 4, seed=size)
        assert games.ended[-1].all()
        assert game.id == f"hex-{size}x{size}"
        np.testing.assert_array_equal(games.outcome[-1], -1.0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conect-four", "did you mean connect-four"),
        ("hex", "allowed: .*hex-NxN"),
        ("hex-11", "did you mean hex-11x11"),
        ("hex-2x2", "hex-3x3 to hex-19x19"),
        ("hex-20x20", "hex-3x3 to hex-19x19"),
        ("hex-5x6", "squares"),
        ("go-4x4", "go-5x5 to go-19x19"),
        ("checkers", "unknown game 'checkers'"),
    ],
)
def test_an_unknown_game_is_told(name, message):
    with pytest.raises(LogpiError, match=message):
        make_game(name)


def test_go_is_made_by_name():
    assert make_game("go-7x7").shape == (7, 7)
