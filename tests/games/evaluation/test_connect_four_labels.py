"""Labelled positions of Connect Four: the labels against another solver, the shares by hand, the perfect player."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from logpi.arena.players.base import Position, Referee, begin
from logpi.arena.players.solver import Solver, SolverPlayer
from logpi.errors import LogpiError
from logpi.games.evaluation import connect_four_labels
from logpi.games.evaluation.connect_four_labels import ILLEGAL, Labelled, labelled, random_agreement
from logpi.games.rules.make import make_game

GAME = make_game("connect-four")
SETS = {name: labelled(name) for name in connect_four_labels.NAMES}
TOP = 6  # rows


@pytest.fixture(scope="module", params=SETS)
def positions(request):
    return SETS[request.param]


@pytest.fixture(scope="module")
def solver():
    return Solver()


# a second perfect solver, as plain as can be: negamax over two integers, seven bits a column, the topmost always 0


def connected(stones):
    return any(stones & stones >> s & stones >> 2 * s & stones >> 3 * s for s in (1, 6, 7, 8))


def moves(mine, theirs):
    """(column, the mover's stones after it) for each column that is not full."""
    for column in range(7):
        height = ((mine | theirs) >> 7 * column & 127).bit_length()
        if height < TOP:
            yield column, mine | 1 << 7 * column + height


def score_after(mine, theirs, alpha, beta):
    """The score, for the player who has just moved to ``mine``, between alpha and beta."""
    if connected(mine):
        return 22 - mine.bit_count()
    return -search(theirs, mine, -beta, -alpha)


def search(mine, theirs, alpha, beta):
    options = list(moves(mine, theirs))
    if not options:
        return 0
    best = -22
    for _, after in options:
        best = max(best, score_after(after, theirs, max(alpha, best), beta))
        if best >= beta:
            break
    return best


def reference(state):
    """[7] scores by exhaustive alpha-beta, without opening book or memory."""
    mine, theirs = (sum(int(word) << 7 * column for column, word in enumerate(side)) for side in state)
    scores = [ILLEGAL] * 7
    for column, after in moves(mine, theirs):
        scores[column] = score_after(after, theirs, -22, 22)
    return scores


def state_after(text):
    """The state after moves such as "4453", the columns from 1."""
    step, state = jax.jit(GAME.step), GAME.init()
    for digit in text:
        state = step(state, GAME.parse(digit))
    return np.asarray(state)


def test_late_labels_are_those_of_an_exhaustive_search(positions):
    late = np.flatnonzero(positions.ply >= 30)
    assert len(late) > 300
    for n in late[::6]:
        assert positions.score[n].tolist() == reference(positions.state[n]), n


def test_late_positions_solved_by_bitbully_are_those_of_an_exhaustive_search(solver, positions):
    for n in np.flatnonzero(positions.ply == 31)[:20]:
        assert solver.scores(positions.state[n]).tolist() == reference(positions.state[n]), n


@pytest.mark.parametrize(
    ("played", "scores"),
    [  # Allis 1988: the centre wins, beside it draws, the rest loses; distances as on Pons's blog.gamesolver.org
        ("", [-2, -1, 0, 1, 0, -1, -2]),
        ("4", [-4, -2, -2, -1, -2, -2, -4]),
        ("414141", [11, -18, -18, 18, -18, -18, -18]),  # wins at once with 4; 1 stops the other side, the rest does not
    ],
)
def test_known_scores(solver, played, scores):
    assert solver.scores(state_after(played)).tolist() == scores


@pytest.mark.parametrize(
    ("played", "score"),
    [  # the first lines of Pons's set "end, easy"
        ("2252576253462244111563365343671351441", -1),
        ("7422341735647741166133573473242566", 1),
        ("23163416124767223154467471272416755633", 0),
        ("65214673556155731566316327373221417", -1),
    ],
)
def test_a_public_set_agrees(solver, played, score):
    state = state_after(played)
    assert solver.scores(state).max() == max(reference(state)) == score


def test_positions_are_those_of_the_game_and_none_has_ended(positions):
    state = positions.state
    assert (state.shape, state.dtype) == ((len(state), 2, 7), np.uint8)
    assert (positions.score.shape, positions.score.dtype) == ((len(state), 7), np.int8)
    taken = state[:, 0].astype(int) | state[:, 1]
    assert not (state[:, 0] & state[:, 1]).any()
    assert not (taken & (taken + 1)).any(), "a stone floats"
    counts = np.bitwise_count(state).sum(2)
    np.testing.assert_array_equal(counts.sum(1), positions.ply)
    np.testing.assert_array_equal(counts[:, 1] - counts[:, 0], positions.ply % 2)
    assert not np.asarray(jax.vmap(GAME.ended)(state)).any()
    assert not np.asarray(jax.vmap(GAME.ended)(state[:, ::-1])).any()
    np.testing.assert_array_equal(np.asarray(jax.vmap(GAME.legal)(state)), positions.legal)
    assert set(positions.ply) == set(range(2, 32))


def test_no_position_or_its_reflection_is_there_twice():
    states = np.concatenate([positions.state for positions in SETS.values()])
    assert len({min(state.tobytes(), state[:, ::-1].tobytes()) for state in states}) == len(states)


def test_the_script_finds_the_same_positions_again():
    sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
    import connect_four_positions

    taken = set()
    for name, seed in connect_four_positions.SETS.items():
        states, plies = connect_four_positions.sample(seed, taken)
        np.testing.assert_array_equal(states, SETS[name].state)
        np.testing.assert_array_equal(plies, SETS[name].ply)


def test_random_play_keeps_a_third_where_the_choice_matters(positions):
    assert positions.decision.sum() >= 3000
    assert (~positions.decision).sum() >= 1500
    expected = random_agreement(positions)
    assert expected["decision"] == pytest.approx(0.34, abs=0.005)
    random = np.random.default_rng(0)
    played = [random_shares(positions, random) for _ in range(30)]
    for key in ("decision", "all", "best"):
        assert np.mean([one[key]["share"] for one in played]) == pytest.approx(expected[key], abs=0.006)
    for group, share in expected["by_ply"].items():
        assert np.mean([one["by_ply"][group]["share"] for one in played]) == pytest.approx(share, abs=0.015)


def random_shares(positions, random):
    drawn = np.where(positions.legal, random.random(positions.score.shape), -1)
    return connect_four_labels.agreement(drawn.argmax(1), positions)


def test_shares_by_hand():
    full = ILLEGAL
    score = [
        [-3, 0, 5, 9, full, -1, 0],  # wins by 2 and 3, the latter faster
        [-3, -4, -4, -5, -3, -3, -4],  # lost whatever is played
        [0, full, full, full, full, -2, -2],  # only 0 draws
        [0, 0, 0, 0, 0, 0, full],
    ]
    positions = Labelled(np.zeros((4, 2, 7), np.uint8), np.array(score, np.int8), np.array([2, 8, 9, 31], np.uint8))
    assert positions.decision.tolist() == [True, False, True, False]
    expected = random_agreement(positions)
    assert expected["decision"] == pytest.approx((2 / 6 + 1 / 3) / 2)
    assert expected["all"] == pytest.approx((2 / 6 + 1 + 1 / 3 + 1) / 4)
    assert expected["best"] == pytest.approx((1 / 6 + 3 / 7 + 1 / 3 + 1) / 4)
    found = connect_four_labels.agreement([2, 0, 5, 3], positions)
    assert [found[key]["share"] for key in ("decision", "all", "best")] == [0.5, 0.75, 0.5]
    assert [found[key]["n"] for key in ("decision", "all", "best")] == [2, 4, 4]
    assert {group: one["share"] for group, one in found["by_ply"].items()} == {"2-7": 1, "8-13": 0}
    z, p, n = 1.959964, 0.75, 4
    middle, half = (p + z**2 / 2 / n), z * (p * (1 - p) / n + z**2 / 4 / n**2) ** 0.5
    low, high = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    assert [found["all"]["low"], found["all"]["high"]] == pytest.approx([low, high], abs=1e-6)


def test_positions_without_a_choice_are_refused():
    level = Labelled(np.zeros((1, 2, 7), np.uint8), np.zeros((1, 7), np.int8), np.array([2], np.uint8))
    with pytest.raises(LogpiError, match="matters in none of the 1 positions"):
        connect_four_labels.agreement([0], level)


def test_always_the_leftmost_column(positions):
    kept, decisions = 0, 0
    for score in positions.score.tolist():
        outcomes = [(s > 0) - (s < 0) for s in score if s != ILLEGAL]
        if len(set(outcomes)) > 1:
            decisions += 1
            kept += outcomes[0] == max(outcomes)
    found = connect_four_labels.agreement(positions.legal.argmax(1), positions)
    assert found["decision"]["share"] == kept / decisions
    assert found["decision"]["n"] == decisions == sum(one["n"] for one in found["by_ply"].values())


def test_the_best_moves_have_every_share(positions):
    found = connect_four_labels.agreement(positions.score.argmax(1), positions)
    assert [found[key]["share"] for key in ("decision", "all", "best")] == [1, 1, 1]


@pytest.mark.parametrize("fastest", [True, False])
def test_the_perfect_player_never_gives_value_away(fastest):
    positions = SETS["validation"]
    quick = np.flatnonzero((positions.ply <= 11) | (positions.ply >= 20))[::4]
    sample = Labelled(*(array[quick] for array in positions))
    answers = SolverPlayer(seed=1, fastest=fastest).choose([Position(GAME, (), state) for state in sample.state])
    found = connect_four_labels.agreement([answer.action for answer in answers], sample)
    assert found["decision"]["share"] == found["all"]["share"] == 1
    assert (found["best"]["share"] == 1) == fastest
    assert [answer.value for answer in answers] == np.sign(sample.score.max(1)).tolist()


def test_the_perfect_player_moving_first_wins_with_its_last_stone():
    referee, position = Referee(GAME), begin(GAME)
    players = SolverPlayer(1), SolverPlayer(2)
    while referee.result(position) is None:
        [answer] = players[len(position.actions) % 2].choose([position])
        position = referee.play(position, answer.action)
    assert (referee.result(position), len(position.actions)) == (1, 41)


def test_ties_are_broken_at_random_by_seed():
    lost = Position(GAME, (), state_after("4"))
    level = Position(GAME, (), state_after("41"))
    scores = Solver().scores(level.state)
    best = set(np.flatnonzero(scores == scores.max()).tolist())
    first, again, other = ([answer.action for answer in SolverPlayer(seed).choose([level] * 40)] for seed in (0, 0, 1))
    assert first == again
    assert set(first) == set(other) == best
    assert first != other or len(best) == 1
    chosen = {answer.action for answer in SolverPlayer(0, fastest=False).choose([lost] * 100)}
    assert chosen == set(range(7)), "all moves lose, so by value alone all are as good"
    assert {answer.action for answer in SolverPlayer(0).choose([lost] * 100)} == {3}


def test_the_solver_plays_no_other_game():
    with pytest.raises(LogpiError, match="connect-four, not tic-tac-toe"):
        SolverPlayer().choose([begin(make_game("tic-tac-toe"))])


def test_a_missing_solver_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitbully", None)
    with pytest.raises(LogpiError, match=r"pip install 'logpi\[solver\]'"):
        SolverPlayer()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda best: best[:-1], "wanted: integers of shape"),
        (lambda best: best[:, None], "wanted: integers of shape"),
        (lambda best: best.astype(float), "wanted: integers of shape"),
        (lambda best: np.where(np.arange(len(best)) == 5, 7, best), "action 7 in position 5 is illegal"),
        (lambda best: np.where(np.arange(len(best)) == 5, -1, best), "action -1 in position 5 is illegal"),
    ],
)
def test_wrong_actions_are_refused(positions, spoil, message):
    with pytest.raises(LogpiError, match=message):
        connect_four_labels.agreement(spoil(positions.score.argmax(1)), positions)


def test_a_full_column_is_refused(positions):
    full = int(np.argmin(positions.legal.all(1)))
    actions = positions.score.argmax(1)
    actions[full] = positions.score[full].argmin()
    with pytest.raises(LogpiError, match=f"in position {full} is illegal; allowed there: "):
        connect_four_labels.agreement(actions, positions)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off", "another"])
def test_a_damaged_file_is_told(tmp_path, monkeypatch, content):
    monkeypatch.setattr(connect_four_labels, "FILES", tmp_path)
    path = tmp_path / "connect-four.npz"
    if content == "another":
        np.savez(path, state=np.zeros(3))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(LogpiError, match=r"connect-four.npz cannot be read .* install logpi again"):
        labelled("test")
