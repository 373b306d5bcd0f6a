"""Go: random games against two other programs' rules, and positions made by hand where rules go wrong."""

from functools import cache
from typing import Any

import go_reference
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.errors import LogpiError
from logpi.games.rules.game import Game
from logpi.games.rules.go import State, go, liberties, ownership, score
from logpi.games.rules.go_settings import handicap_moves
from logpi.games.rules.make import make_game

KOMI = 0.5


@cache
def rules(size: int, superko: str = "positional") -> Game:
    game = go(size, KOMI, superko=superko)
    names = ("step", "legal", "ended", "outcome", "observe", "cells")
    return game._replace(**{name: jax.jit(getattr(game, name)) for name in names})


@cache
def random_games(size: int, games: int) -> go_reference.Record:
    return go_reference.record(go(size, KOMI), seed=size, games=games)


def play(game: Game, state: State, moves: str) -> State:
    """The state after these moves, each checked to be legal."""
    for move in moves.split():
        action = game.parse(move)
        assert game.legal(state)[action], f"{move} of {moves}"
        state = game.step(state, jnp.int32(action))
    return state


def diagram(rows: str) -> np.ndarray[Any, Any]:
    """A board drawn with X for the first player, O for the second and dots, as 1, 2 and 0."""
    return np.array([[".XO".index(point) for point in row] for row in rows.split()])


def lay(rows: str, to_move: str, superko: str = "positional") -> tuple[Game, State]:
    """The drawn position, reached by putting the stones there; the side that has fewer passes in between."""
    board = diagram(rows)
    game = rules(len(board), superko)
    names = [[game.name(int(point)) for point in np.flatnonzero(board == colour)] for colour in (1, 2)]
    state, turn = game.init(), 0
    while any(names):
        state = play(game, state, names[turn].pop() if names[turn] else "pass")
        turn = 1 - turn
    if turn != "XO".index(to_move):
        state = play(game, state, "pass")
    assert np.array_equal(game.cells(state), board)
    return game, state


def allowed(game: Game, state: State, move: str) -> bool:
    return bool(game.legal(state)[game.parse(move)])


@pytest.mark.parametrize(("size", "games", "checked"), [(5, 400, 16), (7, 6, 6), (9, 3, 3)])
def test_every_move_of_random_games_is_as_the_slow_rules_say(size: int, games: int, checked: int) -> None:
    seen = random_games(size, games)
    go_reference.against_reference(go_reference.Record(*(field[:checked] for field in seen)), size, KOMI)


def test_every_move_of_random_games_is_as_open_spiel_says() -> None:
    found = go_reference.against_open_spiel(random_games(5, 400), 5, KOMI)
    assert found["positions"] > 10_000
    assert min(found["superko"], found["two passes"], found["cap"]) >= 5
    assert 100 < found["first wins"] < 300


def test_the_largest_board_is_as_open_spiel_says() -> None:
    assert go_reference.against_open_spiel(random_games(19, 2), 19, KOMI)["positions"] > 500


@pytest.fixture(scope="module")
def positions() -> State:
    """The 5x5 positions [P, ...] of two random games, but the first."""
    actions = random_games(5, 400).action[:2]

    def move(state: State, action: jax.Array) -> tuple[State, State]:
        return rules(5).step(state, action), state

    games = jax.vmap(lambda row: jax.lax.scan(move, rules(5).init(), row)[1])(jnp.asarray(actions[:, :45]))
    return jax.tree.map(lambda leaf: leaf[:, 1:].reshape(-1, *leaf.shape[2:]), games)


def test_a_move_is_forbidden_exactly_when_the_board_after_it_has_been_before(positions: State) -> None:
    """For each legal move, claim that its result was the game's first position: that move alone disappears.

    With one word of the result changed, none does.
    """
    game = rules(5)

    def claim(state: State, action: jax.Array, change: jax.Array) -> jax.Array:
        after = game.step(state, action)
        return game.legal(state._replace(hashes=state.hashes.at[0].set(after.hashes[after.moves] + change)))

    points, changes = jnp.arange(25), jnp.array([[0, 0], [1, 0], [0, 1]], jnp.uint32)
    each = jax.vmap(jax.vmap(jax.vmap(claim, (None, None, 0)), (None, 0, None)), (0, None, None))
    claimed = np.asarray(jax.jit(each)(positions, points, changes))
    before = np.asarray(jax.jit(jax.vmap(game.legal))(positions))
    where, same = before[:, :25], np.broadcast_to(before[:, None], (len(before), 25, 26))
    assert where.sum() > 500
    expected = same & (np.arange(26)[None] != np.arange(25)[:, None])[None]
    assert np.array_equal(claimed[where][:, 0], expected[where])
    assert np.array_equal(claimed[where][:, 1], same[where])
    assert np.array_equal(claimed[where][:, 2], same[where])


def test_chains_are_labelled_by_one_of_their_points_and_have_their_liberties(positions: State) -> None:
    free = np.asarray(jax.vmap(liberties)(positions))
    for chain, count in zip(np.asarray(positions.chain)[::3], free[::3], strict=True):
        board = tuple(np.sign(chain).tolist())
        assert not count[chain == 0].any()
        for point in np.flatnonzero(chain):
            stones, border = go_reference.region(board, int(point), 5)
            assert set(np.flatnonzero(chain == chain[point])) == stones
            assert abs(int(chain[point])) - 1 in stones
            assert count[point] == sum(not board[near] for near in border)


def test_symmetries_commute_with_the_rules() -> None:
    game = go(5, KOMI)
    assert len({tuple(s) for s in game.symmetries}) == 8
    actions = random_games(5, 400).action[:3, : game.longest]
    back = np.argsort(game.action_symmetries, axis=1)  # where the transformed board has what was at a point

    def move(state: State, action: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
        after = game.step(state, action)
        return after, (game.legal(after), game.cells(after), ownership(after), game.observe(after))

    run = jax.jit(jax.vmap(lambda row: jax.lax.scan(move, game.init(), row)[1]))
    legal, cells, owned, planes = (np.asarray(x) for x in run(back[:, actions].reshape(24, -1).astype(np.int32)))
    legal, cells, owned, planes = (x.reshape(8, 3, game.longest, *x.shape[2:]) for x in (legal, cells, owned, planes))
    for s, (cell, action) in enumerate(zip(game.symmetries, game.action_symmetries, strict=True)):
        assert np.array_equal(legal[s], legal[0][..., action])
        assert np.array_equal(cells[s].reshape(3, -1, 25), cells[0].reshape(3, -1, 25)[..., cell])
        assert np.array_equal(owned[s], owned[0][..., cell])
        assert np.array_equal(planes[s].reshape(3, -1, 25, 9), planes[0].reshape(3, -1, 25, 9)[..., cell, :])


def test_ko_may_be_taken_back_only_after_another_move() -> None:
    game, state = lay(".XO.. X.XO. .XO.. ..... .....", "O")
    state = play(game, state, "B4")
    assert not allowed(game, state, "C4")
    assert np.flatnonzero(game.observe(state)[..., 4]).tolist() == [game.parse("C4")]
    state = play(game, state, "E1 D1")
    assert not game.observe(state)[..., 4].any()
    state = play(game, state, "C4")
    assert not allowed(game, state, "B4")


def test_snapback_is_not_ko() -> None:
    game, state = lay("..XO. XXXO. OOO.. ..... .....", "O")
    state = play(game, state, "B5 A5 B5")
    assert np.array_equal(game.cells(state), diagram(".O.O. ...O. OOO.. ..... ....."))


def test_sending_two_and_returning_one_repeats_the_board_with_the_other_to_move() -> None:
    game, state = lay(".O.O. XXO.. ..... ..... .....", "O")
    state = play(game, state, "A5 C5")
    assert not game.observe(state)[..., 4].any()
    assert not allowed(game, state, "B5")
    assert allowed(game, state, "A5")
    assert allowed(game, play(game, state, "E1 D1"), "B5")


def test_the_sixth_capture_of_a_triple_ko_is_forbidden() -> None:
    edge = ".XO......"
    game, state = lay(f"{edge} XO.O..... {edge} {edge} X.XO..... {edge} {edge} XO.O..... {edge}", "X")
    state = play(game, state, "C8 B5 C2 B8 C5")
    assert np.flatnonzero(game.observe(state)[..., 4]).tolist() == [game.parse("B5")]
    assert not allowed(game, state, "B2")
    assert allowed(game, play(game, state, "J1 pass"), "B2")


def test_suicide_is_forbidden_unless_it_captures() -> None:
    game, state = lay("O.X.. XX... ..... ..X.. .X.X.", "O")
    assert not allowed(game, state, "B5")  # of two stones, which Tromp and Taylor allow
    assert not allowed(game, state, "C1")
    assert allowed(game, play(game, state, "E5"), "C1")
    game, state = lay("O.XO. XXO.. ..... ..... .....", "O")
    assert np.array_equal(game.cells(play(game, state, "B5")), diagram("OO.O. XXO.. ..... ..... ....."))


@pytest.mark.parametrize(
    ("before", "move", "after"),
    [
        ("..X.. .XOX. XO.OX .XOX. ..X..", "C3", "..X.. .X.X. X.X.X .X.X. ..X.."),  # four chains at once
        (".OX.. OOX.. XX... ..... .....", "A5", "X.X.. ..X.. XX... ..... ....."),  # one chain, touched twice
        ("O.XO. .XOO. XO..O OO... .....", "B5", "OXXO. .XOO. XO..O OO... ....."),  # none: O breathes at A4
    ],
)
def test_capture(before: str, move: str, after: str) -> None:
    game, state = lay(before, "X")
    state = play(game, state, move)
    assert np.array_equal(game.cells(state), diagram(after))
    _, same = lay(after, "O")
    assert np.array_equal(state.hashes[state.moves], same.hashes[same.moves])


def test_four_chains_joined_live_and_die_as_one() -> None:
    game, state = lay("..... ..X.. .X.X. ..X.. .....", "X")
    state = play(game, state, "C3")
    assert len(np.unique(state.chain)) == 2
    state = play(game, state, "B4 pass D4 pass B2 pass D2 pass C5 pass A3 pass E3 pass")
    assert int((state.chain != 0).sum()) == 12
    state = play(game, state, "C1")
    assert np.array_equal(game.cells(state), diagram("..O.. .O.O. O...O .O.O. ..O.."))


def test_a_false_eye_can_be_played_into_and_a_true_one_cannot() -> None:
    game, state = lay(".XO.. XO... O.... ..... .....", "O")
    assert np.array_equal(game.cells(play(game, state, "A5")), diagram("O.O.. .O... O.... ..... ....."))
    game, state = lay(".XO.. XX... O.... ..... .....", "O")
    assert not allowed(game, state, "A5")


@pytest.mark.parametrize(
    ("stones", "owners", "lead"),
    [
        ("..... ..... ..... ..... .....", "..... ..... ..... ..... .....", 0),
        ("..... ..... ..X.. ..... .....", "XXXXX XXXXX XXXXX XXXXX XXXXX", 25),
        (".X.O. XX.OO .X.O. XX.O. .X.OO", "XX.OO XX.OO XX.OO XX.OO XX.OO", 0),  # a column of dame
        (".X.O. XXXO. .XOO. XXO.. .XO..", "XX.OO XXXOO XXOOO XXOOO XXOOO", -2),
        ("XXXXX XOOOX X.O.X XOOOX XXXXX", "XXXXX XOOOX X.O.X XOOOX XXXXX", 9),  # seki
        ("X...X .OOO. .O.O. .OOO. X...X", "X...X .OOO. .OOO. .OOO. X...X", -5),
        (".OOO. XXXO. OOOO. .XXXX .....", ".OOO. XXXO. OOOO. .XXXX .....", -1),
        ("...O. .OOO. .O... .OOOO .O..X", "OOOOO OOOOO OOOOO OOOOO OO..X", -21),
    ],
)
def test_area_is_stones_and_what_they_alone_surround(stones: str, owners: str, lead: int) -> None:
    assert (diagram(owners) == 1).sum() - (diagram(owners) == 2).sum() == lead
    for to_move, sign in (("X", 1), ("O", -1)):
        _, state = lay(stones, to_move)
        expected = np.where(diagram(owners) == 2, -1, diagram(owners))
        assert np.array_equal(np.asarray(jax.jit(ownership)(state)).reshape(5, 5), sign * expected)
        assert jax.jit(score)(state) == sign * (lead - KOMI)


@pytest.mark.parametrize(("komi", "result"), [(8.5, 1), (9.0, 0), (9.5, -1)])
def test_two_passes_end_the_game_and_komi_decides_it(komi: float, result: int) -> None:
    _, state = lay("XXXXX XOOOX X.O.X XOOOX XXXXX", "X")
    game = rules(5)
    state = play(game, state._replace(komi=jnp.float32(komi)), "B3 pass")  # O is captured next, but nobody does
    assert not game.ended(state)
    assert game.outcome(state) == 0
    state = play(game, state, "pass")
    assert game.ended(state)
    lead = 17 - 7 + 0 - komi  # B3 is a stone now, D3 still touches both
    assert jax.jit(score)(state) == -lead
    assert game.outcome(state) == -np.sign(lead)
    assert np.sign(9 - komi) == result


def test_passes_apart_end_nothing_and_the_cap_ends_all() -> None:
    game = rules(5)
    state = play(game, game.init(), "pass C3 pass")
    assert not game.ended(state)
    for move in ("A1", "pass"):
        state = play(game, state, move)
    state = state._replace(moves=jnp.int32(game.longest - 1))
    assert not game.ended(state)
    state = play(game, state, "A2")
    assert game.ended(state)
    assert game.outcome(state) == -1  # the first player is next, and never put a stone


def test_what_is_observed() -> None:
    game = go(5, 2.5)
    state = play(rules(5), game.init(), "B5 C5 A4")
    planes = np.asarray(game.observe(state))
    assert planes.shape == (5, 5, 9)
    assert planes.dtype == np.float32
    at = {name: game.parse(name) for name in ("B5", "C5", "A4")}
    assert [np.flatnonzero(plane).tolist() for plane in np.moveaxis(planes, -1, 0)[:8]] == [
        [at["C5"]],
        [at["B5"], at["A4"]],
        [at["A4"]],
        [at["C5"]],
        [],
        [],
        [at["B5"], at["C5"]],
        [at["A4"]],
    ]
    assert (planes[..., 8] == 0.5).all()
    assert (game.observe(game.init())[..., 8] == -0.5).all()
    passed = np.asarray(game.observe(play(rules(5), state, "pass")))
    assert not passed[..., 2].any()
    assert np.flatnonzero(passed[..., 3]).tolist() == [at["A4"]]


def test_moves_are_written_as_people_do() -> None:
    game = go(19)
    assert [game.name(a) for a in (0, 8, 18, 342, 360, 361)] == ["A19", "J19", "T19", "A1", "T1", "pass"]
    assert [game.parse(game.name(a)) for a in range(362)] == list(range(362))
    assert game.parse(" q16 ") == game.parse("Q16")
    for text in ("", "I5", "A0", "A20", "U1", "AA", "A1B", "A-1", "A²", "resign"):
        with pytest.raises(LogpiError, match="column A to T without I"):
            game.parse(text)
    for action in (-1, 362):
        with pytest.raises(LogpiError, match="from 0 to 361"):
            game.name(action)


def test_sizes_and_komi_that_are_none() -> None:
    for size in (4, 20, 0, -9):
        with pytest.raises(LogpiError, match="5 to 19"):
            go(size)
    for komi in (float("nan"), float("inf"), 7.25):
        with pytest.raises(LogpiError, match="half number"):
            go(9, komi)


# White sends two stones, Black takes them, and White takes one back: the board of the beginning, with Black to move
SENT_TWO = """
    . O . O .
    X X O . .
    . . . . .
    . . . . .
    X . . . X
"""


@pytest.mark.parametrize(("superko", "back"), [("positional", False), ("situational", True)])
def test_superko_counts_boards_or_boards_with_the_player_to_move(superko: str, back: bool) -> None:
    game, state = lay(SENT_TWO.replace(" ", "").strip().replace("\n", " "), "O", superko)
    begun = game.cells(state)
    state = play(game, state, "A5 C5")
    assert allowed(game, state, "B5") == back
    if back:
        state = play(game, state, "B5")
        assert np.array_equal(game.cells(state), begun)
        assert allowed(game, state, "C2")
        state = play(game, state, "pass")
        assert not allowed(game, state, "A5"), "this board was there with Black to move"


def test_situational_superko_forbids_a_simple_ko_too() -> None:
    game, state = lay(".XO.. XO.O. .XO.. ..... .....", "X", "situational")
    state = play(game, state, "C4")
    assert not allowed(game, state, "B4")
    state = play(game, state, "A1 E1")
    assert allowed(game, state, "B4")


def test_a_handicap_stands_before_white_moves() -> None:
    game = go(9, 0.5, handicap=4)
    state = game.init()
    for action in handicap_moves(9, 4):
        legal = np.flatnonzero(game.legal(state))
        assert legal.tolist() == [action]
        state = game.step(state, jnp.int32(action))
    stones = {game.name(int(point)) for point in np.flatnonzero(np.asarray(game.cells(state)) == 1)}
    assert stones == {"C3", "C7", "G3", "G7"}
    assert not game.first_to_move(state)
    assert not game.ended(state)
    assert int(game.legal(state).sum()) == 81 - 4 + 1


@pytest.mark.parametrize(
    ("stones", "places"),
    [
        (2, "D4 Q16"),
        (3, "D4 Q16 D16"),
        (5, "D4 Q16 D16 Q4 K10"),
        (6, "D4 Q16 D16 Q4 D10 Q10"),
        (8, "D4 Q16 D16 Q4 D10 Q10 K4 K16"),
        (9, "D4 Q16 D16 Q4 D10 Q10 K4 K16 K10"),
    ],
)
def test_handicap_stones_stand_where_gtp_has_them(stones: int, places: str) -> None:
    game, moves = go(19), handicap_moves(19, stones)
    assert {game.name(action) for action in moves[::2]} == set(places.split())
    assert {game.name(action) for action in moves[1::2]} == {"pass"}
    assert len(moves) == 2 * stones - 1


def test_komi_decides_a_game_by_area() -> None:
    board = "..XO. ..XOO ..XO. ..XO. ..XO."  # Black has 15 points, White 10
    for komi, wanted in ((4.5, 1.0), (5.0, 0.0), (5.5, -1.0)):
        _, state = lay(board, "X")
        game = go(5, komi)
        state = state._replace(komi=jnp.float32(komi))
        state = play(game, state, "pass pass")
        assert game.ended(state)
        assert float(game.outcome(state)) == wanted


def test_settings_stand_in_the_name_of_the_game() -> None:
    game = make_game("go-9x9:superko=situational, handicap=2,komi=0.5")
    assert game.id == "go-9x9:komi=0.5,handicap=2,superko=situational"
    assert make_game(game.id).id == game.id
    assert make_game("go-9x9:komi=7.5,handicap=0").id == "go-9x9"
    komi = game.protocols.komi
    assert komi is not None
    assert komi.of(game.init()) == 0.5
    assert komi.game(6.5).id == game.id
    assert float(komi.game(6.5).init().komi) == 6.5
    assert komi.game(6.5).protocols.setup == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("go-9x9:komi=7.3", "not a whole or half number"),
        ("go-9x9:komi=much", "'much' is not a whole or half number"),
        ("go-9x9:handicap=1", "allowed: 0, or 2 to 9 stones"),
        ("go-7x7:handicap=5", "allowed: 0, or 2 to 4 stones"),
        ("go-5x5:handicap=2", "allowed: 0 stones"),
        ("go-9x9:superko=none", "allowed: positional, situational"),
        ("go-9x9:kom=1", "settings: komi, handicap, superko"),
        ("go-9x9:komi=1,komi=2", "a second time"),
        ("go-9x9:", "is not a setting"),
        ("hex-5x5:komi=1", "allowed: hex-5x5"),
    ],
)
def test_settings_that_are_not_allowed(name: str, message: str) -> None:
    with pytest.raises(LogpiError, match=message):
        make_game(name)
