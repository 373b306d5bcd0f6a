"""Self-play with a made-up network on tic-tac-toe, whose boards show all that has happened; openings; resignation."""

import itertools
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

from logpi.algorithms.common.learning import traced
from logpi.games.methods.alphazero import AlphaZero
from logpi.games.random_moves import random_openings
from logpi.games.rules.make import make_game
from logpi.games.rules.tic_tac_toe import LINES
from logpi.games.search.guided import SearchProblem, evaluate_leaf, search, terminal_value
from logpi.games.search.tree import Simulations
from logpi.games.self_play import empty_rows, finish_rows, play_move, play_moves, reset_games

GAMES, STEPS, SIMULATIONS = 64, 40, 8
TOE = make_game("tic-tac-toe")
HALF = 1 << np.arange(9)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation(), jax.numpy_rank_promotion("raise"):
        yield


def network(params, obs):
    """Every move is as good as another, and a position is worth ``params`` to the first player."""
    stones = obs.sum((1, 2))
    return jnp.zeros((len(obs), 9)), jnp.where(stones[:, 0] == stones[:, 1], params, -params), None


def play(problem, games, key, cuts=()):
    """(games, moves, metrics) of an iteration, in pieces between the ``cuts``."""
    rows, ends = empty_rows(problem, games), (0, *cuts, problem.settings.n_steps)
    for begin, end in itertools.pairwise(ends):
        games, rows = play_moves(problem, games, rows, key, begin, end)
    return games, rows.moves, finish_rows(problem, games, rows)[1]


BEGIN = jax.jit(lambda h, key: reset_games(TOE, key, h, GAMES))
PLAY = jax.jit(lambda h, value, games, key: play(SearchProblem(TOE, network, value, h), games, key))
OPENINGS = {
    name: jax.jit(partial(random_openings, make_game(name)), static_argnums=(1, 3))
    for name in ("tic-tac-toe", "connect-four")
}


class Shown(NamedTuple):
    """T moves of B games as their boards tell them."""

    mine: np.ndarray  # [T, B] stones of the mover, one bit a cell
    theirs: np.ndarray  # [T, B]
    moves: object  # Moves
    following: np.ndarray  # [B, 2] mover's and other's stones after the last row
    games: object  # Games, before the first row
    after: object  # Games
    metrics: dict

    @property
    def stones(self):
        return count(self.mine | self.theirs)

    @property
    def first(self):
        """[T, B] whether the first player is to move."""
        return self.stones % 2 == 0

    @property
    def ended(self):
        return self.moves.discount == 0

    @property
    def stone(self):
        """[T-1, B] the stone that turns each board into the one below it; meaningless where a game ended."""
        return self.theirs[1:] & ~self.mine[:-1]


def count(bits):
    return np.array([bin(b).count("1") for b in range(512)])[bits]


def line(bits):
    """Whether there are three in a row."""
    return (bits[..., None] & LINES == LINES).any(-1)


def shown(h=None, value=0.0, seed=0, games=None, **settings):
    settings = {
        "n_steps": STEPS,
        "simulations": SIMULATIONS,
        "random_opening_fraction": 0.0,
        "random_opening_plies": 7,
        **settings,
    }
    h = traced(AlphaZero(**settings))
    begin_key, play_key = jax.random.split(jax.random.key(seed))
    games = BEGIN(h, begin_key) if games is None else games
    after, moves, metrics = jax.device_get(PLAY(h, value, games, play_key))
    mine, theirs = ((moves.obs[..., plane].reshape(STEPS, GAMES, 9) * HALF).sum(-1).astype(int) for plane in (0, 1))
    return Shown(mine, theirs, moves, after.state.astype(int), jax.device_get(games), after, metrics)


@pytest.fixture(scope="module")
def typical():
    return shown(random_opening_fraction=0.5)


def test_where_rules_turn_the_board_the_network_answers_on_the_board_that_it_sees():
    """The network always wants the cell in the first row's second column of what it sees: a2 for the second player."""
    game = make_game("hex-3x3")
    wants = 8.0 * jax.nn.one_hot(1, 9)

    def apply(params, obs):
        return jnp.broadcast_to(wants, (len(obs), 9)), jnp.zeros(len(obs)), None

    h = traced(AlphaZero(n_steps=2, simulations=2, max_considered_actions=1, random_opening_fraction=0.0))
    problem = SearchProblem(game, apply, None, h)
    games, moves, _ = play(problem, reset_games(game, jax.random.key(0), h, 64), jax.random.key(1))
    a, b = game.parse("b1"), game.parse("a2")
    cells = np.asarray(jax.vmap(game.cells)(games.state)).reshape(64, 9)
    as_wanted = (cells[:, a] == 1) & (cells[:, b] == 2)
    assert as_wanted.mean() > 0.9, "Gumbel noise overrules so sure a network seldom"
    assert (np.asarray(moves.policy).argmax(-1) == 1)[:, as_wanted].all()
    positions = jnp.stack([game.init(), game.step(game.init(), game.parse("c3"))])
    assert evaluate_leaf(problem, positions).logits.argmax(-1).tolist() == [a, b]


def test_games_follow_the_rules_and_say_who_won(typical):
    """From the boards alone: who ended a game wins with the stone that makes a line, or draws with the last one."""
    s = typical
    going = ~s.ended[:-1]
    np.testing.assert_array_equal(s.mine[1:][going], s.theirs[:-1][going])
    assert (count(s.stone)[going] == 1).all()
    assert (s.theirs[1:] & s.mine[:-1] == s.mine[:-1])[going].all()
    assert not (s.stone & (s.mine[:-1] | s.theirs[:-1]))[going].any(), "on an empty cell"
    assert not line(s.mine).any()
    assert not line(s.theirs).any()
    assert (s.stones < 9).all()
    empty = 511 & ~(s.mine | s.theirs)
    can_win = np.any([(empty >> c & 1 == 1) & line(s.mine | 1 << c) for c in range(9)], axis=0)
    assert can_win[s.moves.reward == 1].all()
    assert (s.stones[s.ended & (s.moves.reward == 0)] == 8).all()
    assert set(np.unique(s.moves.reward)) == {0, 1}, "nobody loses by a move of his own"
    assert (s.moves.reward[~s.ended] == 0).all()
    assert (s.moves.discount[~s.ended] == -1).all()
    assert (s.moves.reward == 1).sum() > 50
    assert s.ended.sum() > (s.moves.reward == 1).sum() > 50


def test_where_a_game_ends_a_new_one_begins(typical):
    s = typical
    fresh = np.concatenate([np.ones((1, GAMES), bool), s.ended[:-1]])
    begun = s.stones[fresh]
    assert (np.diff(s.stones, axis=0)[~s.ended[:-1]] == 1).all()
    assert 0.4 < (begun == 0).mean() < 0.6, "half of the games begin from the empty board"
    assert begun.max() == 7
    last = np.where(s.ended[-1], 0, s.stones[-1] + 1)
    np.testing.assert_array_equal(s.after.moves[~s.ended[-1]], last[~s.ended[-1]])
    np.testing.assert_array_equal(s.after.moves, count(s.following.sum(1)))
    np.testing.assert_array_equal(s.games.moves, s.stones[0])


def test_the_numbers_are_those_of_the_boards(typical):
    s = typical
    games, won = s.ended.sum(), s.ended & (s.moves.reward == 1)
    assert s.metrics["self_play/games"] == games
    wanted = {
        "game_length": (s.stones[s.ended] + 1).mean(),
        "first_player_wins": (won & s.first).sum() / games,
        "draws": (s.ended & (s.moves.reward == 0)).sum() / games,
        "resigned": 0,
        "false_resignation_rate": 0,
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(s.metrics[f"self_play/{name}"], value, rtol=1e-5, err_msg=name)


def test_one_call_goes_on_where_the_last_one_stopped(typical):
    again = shown(random_opening_fraction=0.0, games=typical.after, seed=1)
    np.testing.assert_array_equal(again.mine[0], typical.following[:, 0])
    np.testing.assert_array_equal(again.theirs[0], typical.following[:, 1])


def test_policies_are_distributions_over_the_legal_moves(typical):
    s = typical
    taken = (s.mine | s.theirs)[..., None] >> np.arange(9) & 1 == 1
    np.testing.assert_array_equal(s.moves.policy == -1, taken)
    assert (s.moves.policy[~taken] >= 0).all()
    np.testing.assert_allclose(np.where(taken, 0, s.moves.policy).sum(-1), 1, atol=5e-3)
    assert (np.abs(s.moves.value) <= 1).all()
    assert s.moves.learn.all()


def test_the_search_sees_a_win_and_says_so_for_the_player_to_move(typical):
    """Of two stones in a row and the third cell free, eight simulations on all moves must find the win."""
    s = typical
    empty = 511 & ~(s.mine | s.theirs)
    wins = np.stack([(empty >> c & 1 == 1) & line(s.mine | 1 << c) for c in range(9)], -1)
    can = wins.any(-1) & (count(empty) <= 6)
    assert can.sum() > 50
    assert (s.moves.value[can] > 0.5).mean() > 0.95
    assert (np.where(wins, s.moves.policy, 0).sum(-1)[can] > 0.5).mean() > 0.95


def test_openings_are_legal_of_the_lengths_asked_and_never_over():
    state, made = jax.device_get(OPENINGS["tic-tac-toe"](jax.random.key(0), 4000, 0.75, 8))
    mine, theirs = state.astype(int).T
    np.testing.assert_array_equal(count(mine | theirs), made)
    assert (mine & theirs == 0).all()
    assert (count(theirs) - count(mine) == made % 2).all()
    assert not line(mine).any()
    assert not line(theirs).any()
    assert abs((made == 0).mean() - 0.25) < 0.03
    assert set(made) == set(range(9))
    state, made = jax.device_get(OPENINGS["connect-four"](jax.random.key(0), 4000, 1.0, 5))
    times = np.bincount(made, minlength=6)
    assert times[0] == 0
    assert abs(times[1:] / 800 - 1).max() < 0.15, "1 to 5 moves, each as often"
    one = state[made == 1]
    assert abs(one[:, 1].mean(0) * 7 - 1).max() < 0.3, "each first move as often"
    for share, most in ((0.0, 5), (1.0, 0)):
        _, made = OPENINGS["tic-tac-toe"](jax.random.key(0), 50, share, most)
        assert (np.asarray(made) == 0).all()


def outcomes(s):
    """(of each ended game the result for its first player, whether the first and the second moved at all) [games]."""
    found = []
    for column in range(GAMES):
        begin = 0
        for end in np.flatnonzero(s.ended[:, column]):
            moved = s.first[begin : end + 1, column]
            result = s.moves.reward[end, column] * (1 if moved[-1] else -1)
            found.append((result, moved.any(), not moved.all()))
            begin = end + 1
    return np.array(found).T


def test_a_player_without_hope_resigns_at_once():
    s = shown(value=-0.9, resign_threshold=0.8, no_resign_fraction=0.0, random_opening_fraction=0.5)
    resigned = s.moves.reward == -1
    np.testing.assert_array_equal(resigned, s.first & (s.moves.value < -0.8))
    assert s.ended[resigned].all()
    assert resigned[s.stones == 0].all(), "nothing to hope for on an empty board"
    result, *_ = outcomes(s)
    np.testing.assert_allclose(s.metrics["self_play/first_player_wins"], (result == 1).mean())
    np.testing.assert_allclose(s.metrics["self_play/resigned"], (s.moves.reward == -1).sum() / len(result))
    assert s.metrics["self_play/false_resignation_rate"] == 0, "nobody played on"
    other = shown(value=0.9, resign_threshold=0.8, no_resign_fraction=0.0, random_opening_fraction=0.5)
    assert ((other.moves.reward == -1) & other.first).sum() == 0
    assert ((other.moves.reward == -1) & ~other.first).sum() > 100


@pytest.mark.parametrize("resign", [0.95, 2.0])
def test_nobody_resigns_who_is_not_below_the_threshold(resign):
    s = shown(
        value=-0.9 if resign < 1 else -1.0, resign_threshold=resign, no_resign_fraction=0.0, random_opening_fraction=0.5
    )
    assert (s.moves.reward >= 0).all()
    assert s.metrics["self_play/resigned"] == 0


@pytest.mark.parametrize("value", [-0.9, 0.9], ids=["first", "second"])
def test_wrong_resignations_are_measured_in_games_that_are_played_on(value):
    """Whoever is to move first, or second, always believes to be lost: how many of them would not have lost?"""
    s = shown(value=value, resign_threshold=0.8, no_resign_fraction=1.0, random_opening_fraction=0.5)
    assert (s.moves.reward >= 0).all(), "nobody resigns in them"
    hopeless = s.moves.value < -0.8
    given, wrongly = 0, 0
    for column in range(GAMES):
        begin = 0
        for end in np.flatnonzero(s.ended[:, column]):
            rows = np.flatnonzero(hopeless[begin : end + 1, column]) + begin
            if len(rows):
                same_side = (end - rows[0]) % 2 == 0
                given += 1
                wrongly += s.moves.reward[end, column] * (1 if same_side else -1) >= 0
            begin = end + 1
    assert 0 < wrongly < given
    assert given < s.ended.sum() + GAMES
    np.testing.assert_allclose(s.metrics["self_play/false_resignation_rate"], wrongly / given, rtol=1e-6)
    gave_up = s.after.would_resign[~s.ended[-1]]
    assert set(gave_up) <= {0, 1 if value < 0 else 2}


def test_wrong_resignations_are_counted_since_the_beginning():
    first = shown(value=-0.9, resign_threshold=0.8, no_resign_fraction=1.0, random_opening_fraction=0.5)
    second = shown(
        value=-0.9, resign_threshold=0.8, no_resign_fraction=1.0, random_opening_fraction=0.5, seed=1, games=first.after
    )
    assert second.metrics["self_play/no_resign_games"] > first.metrics["self_play/no_resign_games"] > 0
    n, wrong = (
        sum(x)
        for x in zip(
            *((s.after.no_resign_games.sum(), s.after.false_resignations.sum()) for s in [second]), strict=True
        )
    )
    np.testing.assert_allclose(second.metrics["self_play/false_resignation_rate"], wrong / n, rtol=1e-6)
    only = shown(
        value=-0.9,
        resign_threshold=0.8,
        no_resign_fraction=1.0,
        random_opening_fraction=0.5,
        seed=1,
        games=reset(first.after),
    )
    assert n == only.after.no_resign_games.sum() + first.after.no_resign_games.sum()
    assert wrong == only.after.false_resignations.sum() + first.after.false_resignations.sum()


def reset(games):
    """The same games, on boards that have had none before."""
    return games._replace(
        no_resign_games=np.zeros_like(games.no_resign_games),
        false_resignations=np.zeros_like(games.false_resignations),
    )


def test_a_move_that_ends_a_game_resigns_nothing():
    """The first player always believes to be lost, and yet its stone that fills the board makes a draw."""
    s = shown(
        value=-1.0,
        resign_threshold=0.05,
        no_resign_fraction=0.0,
        random_opening_fraction=1.0,
        search="puct",
        dirichlet_fraction=0.0,
        seed=1,
    )
    last = s.stones == 8
    drawn = last & ~line(s.mine | 511 & ~s.theirs) & (s.moves.value < -0.05)
    assert drawn.sum() > 5
    assert (s.moves.reward[drawn] == 0).all()


def test_with_points_a_resigned_game_is_worth_what_the_search_thought():
    """By how many points it would have been lost nobody knows."""
    settings = {"value": -0.9, "resign_threshold": 0.8, "no_resign_fraction": 0.0, "random_opening_fraction": 0.5}
    s = shown(**settings, score_utility_weight=0.3)
    resigned = s.first & (s.moves.value < -0.8)
    assert resigned.sum() > GAMES
    np.testing.assert_array_equal(s.moves.reward[resigned], s.moves.value[resigned])
    assert (s.moves.discount[resigned] == 0).all()
    assert (shown(**settings).moves.reward[resigned] == -1).any(), "without, it is lost"


def test_who_would_have_resigned_strays_no_more():
    """What resignation costs is measured on games as they would have gone."""
    s = shown(value=-0.9, resign_threshold=0.8, no_resign_fraction=1.0, random_move_fraction=1.0, random_move_plies=9)
    settled, gave_up = np.array(s.games.would_resign > 0), np.zeros_like(s.ended)
    for t, row in enumerate(gave_up):
        row[:] = settled
        settled = (settled | (s.first[t] & (s.moves.value[t] < -0.8))) & ~s.ended[t]
    assert gave_up.any()
    assert not s.moves.random_move[gave_up].any()
    assert s.moves.random_move[~gave_up].mean() > 0.5


def test_some_games_are_played_on():
    s = shown(value=-0.9, resign_threshold=0.8, no_resign_fraction=0.5)
    on = s.games.no_resign
    assert 0.3 < on.mean() < 0.7
    assert (s.ended[0] == (~on & (s.moves.value[0] < -0.8))).all()
    assert (s.moves.reward[0][~on] == -1).all()
    stops = np.array([np.flatnonzero(column)[0] for column in s.ended.T])
    assert stops[on].min() >= 4, "five stones make a line at the earliest"


def test_a_won_game_is_worth_more_by_more_points():
    """Go 5x5 after two passes at once, komi 7.5: black, who would be to move, has lost by it."""
    go = make_game("go-5x5")
    state = go.step(go.step(go.init(), jnp.int32(25)), jnp.int32(25))
    assert go.margin(state) == -7.5
    assert terminal_value(go, state, 0.0) == -1
    np.testing.assert_allclose(terminal_value(go, state, 0.3), -0.7 - 0.3 * 2 / np.pi * np.arctan(7.5 / 10), rtol=1e-6)
    close = state._replace(komi=jnp.float32(0.5))
    assert -0.75 < terminal_value(go, close, 0.3) < -0.7
    full = TOE.init().at[1].set(0b111)
    assert terminal_value(TOE, full, 0.3) == TOE.outcome(full) != 0, "no points in it"
    othello = make_game("othello")
    wiped = othello.init().at[:2].set(0)
    assert othello.ended(wiped)
    assert othello.margin(wiped) == -2


PUCT = {"search": "puct", "dirichlet_fraction": 0.0, "resign_threshold": 2.0}


def test_moves_are_drawn_by_temperature_only_at_the_beginning():
    s = shown(**PUCT, temperature_plies=2, temperature=1.0, temperature_end=0.0)
    going = ~s.ended[:-1]
    cell = np.log2(np.maximum(s.stone, 1)).astype(int)
    chosen = np.take_along_axis(s.moves.policy[:-1], cell[..., None], -1)[..., 0]
    most = s.moves.policy[:-1].max(-1)
    early = s.stones[:-1] < 2
    assert (chosen[going & ~early] == most[going & ~early]).all()
    assert (chosen[going] > 0).all()
    assert len(np.unique(s.theirs[1])) > 4
    calm = shown(**PUCT, temperature_plies=2, temperature=0.0, temperature_end=0.0)
    assert (calm.theirs == calm.theirs[:, :1]).all(), "nothing is drawn"
    later = shown(**PUCT, temperature_plies=2, temperature=0.0, temperature_end=1.0)
    assert (later.theirs[:3] == later.theirs[:3, :1]).all()
    assert len(np.unique(later.theirs[4])) > 4


def test_of_moves_searched_briefly_nothing_is_learnt():
    """Of the policy: with one simulation all is on one move, with eight there are eighths."""
    s = shown(**PUCT, playout_cap_simulations=1, playout_cap_probability=0.75)
    learn = s.moves.learn
    assert (learn == learn[:, :1]).all(), "one coin for all games"
    assert 0.05 < learn[:, 0].mean() < 0.5
    policy = np.maximum(s.moves.policy, 0)
    assert (policy[~learn].max(-1) == 1).all()
    assert (policy[learn & (s.stones < 7)].max(-1) < 1).mean() > 0.5
    np.testing.assert_array_equal(policy * 8 % 1, 0)


def test_moves_stray_from_the_search_as_often_as_asked_at_random_and_only_at_the_beginning():
    calm = {**PUCT, "temperature_plies": 0}
    s = shown(**calm, random_move_fraction=0.3, random_move_plies=4)
    strays, early = s.moves.random_move, s.stones < 4
    assert not strays[~early].any()
    wanted = 0.3 * (1 - 1 / (9 - s.stones[early]))  # the search's own move may be drawn, and is no other then
    assert abs(strays[early].mean() - wanted.mean()) < 5 * (0.3 * 0.7 / early.sum()) ** 0.5
    going = ~s.ended[:-1]
    cell = np.log2(np.maximum(s.stone, 1)).astype(int)
    chosen = np.take_along_axis(s.moves.policy[:-1], cell[..., None], -1)[..., 0]
    assert (chosen[going] >= 0).all(), "what is made is legal"
    best = chosen == s.moves.policy[:-1].max(-1)
    assert best[going & ~strays[:-1]].all()
    assert not best[going & strays[:-1]].all()
    first = cell[going & strays[:-1] & (s.stones[:-1] == 0)]
    chosen_first = s.moves.policy[s.stones == 0][0].argmax()
    assert set(first) == set(range(9)) - {chosen_first}, "each of the empty board's other cells"
    assert not shown(**calm, random_move_fraction=0.0).moves.random_move.any()


@pytest.mark.parametrize("name", ["gumbel", "puct"])
def test_a_search_that_does_not_explore_is_deterministic(name):
    state = jax.tree.map(lambda x: jnp.broadcast_to(x, (GAMES, *x.shape)), TOE.init())
    h = traced(AlphaZero(play_search=name, dirichlet_fraction=0.5))
    problem = SearchProblem(TOE, network, 0.0, h)
    found = jax.jit(lambda key: search(problem, state, key, Simulations(SIMULATIONS)).action)
    one, other = found(jax.random.key(0)), found(jax.random.key(1))
    assert len(np.unique(np.concatenate([one, other]))) == 1


@pytest.mark.parametrize("cuts", [(1,), (39,), (7, 8, 30), (0, 40), tuple(range(1, 40))], ids=str)
def test_any_cut_of_an_iteration_makes_the_same_moves(cuts, pieces):
    """With all that a game has: openings, two lengths of search, random moves, resignation."""
    whole, rows, piece = pieces
    games, moved = whole
    for begin, end in itertools.pairwise((0, *cuts, STEPS)):
        games, moved = piece(games, moved, begin, end)
    jax.tree.map(np.testing.assert_array_equal, (games, moved), rows)


@pytest.fixture(scope="module")
def pieces():
    """((games, rows) before an iteration, the same after it in one piece, the compiled pieces)."""
    h = traced(
        AlphaZero(
            n_steps=STEPS,
            simulations=4,
            playout_cap_simulations=2,
            playout_cap_probability=0.5,
            random_move_fraction=0.2,
            resign_threshold=0.5,
            no_resign_fraction=0.3,
            search="puct",
        )
    )
    problem, key = SearchProblem(TOE, network, 0.3, h), jax.random.key(2)
    piece = jax.jit(lambda games, rows, begin, end: play_moves(problem, games, rows, key, begin, end))
    games = BEGIN(h, jax.random.key(1))
    begun = games, empty_rows(problem, games)
    after = piece(*begun, 0, STEPS)
    assert after[1].counts.resigned.sum() > 0
    assert after[1].moves.random_move.any()
    # what the rows held before an iteration does not matter
    used = begun[0], jax.tree.map(lambda x: jnp.ones_like(x), after[1])
    return used, after, piece


@pytest.mark.parametrize(("name", "ownership"), [("tic-tac-toe", False), ("go-5x5", False), ("go-5x5", True)])
def test_empty_rows_have_the_shapes_of_a_move(name, ownership):
    game = make_game(name)

    def even(params, obs):
        return jnp.zeros((len(obs), game.actions)), jnp.zeros(len(obs)), None

    problem = SearchProblem(game, even, (), traced(AlphaZero(n_steps=3, simulations=2)))
    games = reset_games(game, jax.random.key(0), problem.settings, 2)
    _, _, row = jax.eval_shape(lambda games: play_move(problem, games, jax.random.key(0), ownership), games)
    wanted = jax.tree.map(lambda x: ((3, *x.shape), x.dtype), row)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), empty_rows(problem, games, ownership).moves) == wanted
