"""Matches: colours and openings are balanced, results are the referee's, and a fault costs one game alone."""

import numpy as np
import pytest

from logpi.arena.match import Result, draw_openings, pair_counts, play_match
from logpi.arena.players.base import ForfeitError, RandomPlayer, Referee, SearchResult
from logpi.errors import LogpiError
from logpi.games.rules.make import make_game

FOUR, TOE = make_game("connect-four"), make_game("tic-tac-toe")


class Scripted:
    """Plays the first legal action; counts how it is asked, and forfeits or cheats where told."""

    def __init__(self, game, forfeit=lambda position: False, cheat=lambda position: False):
        self.name, self.asked, self._referee = "scripted", [], Referee(game)
        self._forfeit, self._cheat = forfeit, cheat

    def choose(self, positions):
        self.asked.append(len(positions))
        answers = []
        for position in positions:
            if self._forfeit(position):
                raise ForfeitError("timed out", "it slept", answers)
            answers.append(SearchResult(99 if self._cheat(position) else self._referee.legal(position)[0]))
        return answers

    def close(self):
        pass


def test_every_opening_is_played_with_both_colours():
    results = play_match(FOUR, RandomPlayer(FOUR, 1), RandomPlayer(FOUR, 2), games=60, plies=4, seed=5)
    assert len(results) == 60
    pairs = {}
    for result in results:
        pairs.setdefault(result.opening, []).append(result)
    assert sorted(pairs) == list(range(30))
    for one, other in pairs.values():
        assert {one.first, other.first} == {0, 1}
        assert one.actions[:4] == other.actions[:4]
    assert len({one.actions[:4] for one, _ in pairs.values()}) == 30
    assert len({result.actions for result in results}) > 50, "games differ"


def test_results_are_what_the_rules_say():
    results = play_match(TOE, Scripted(TOE), RandomPlayer(TOE, 0), games=30, plies=2, seed=1)
    referee = Referee(TOE)
    assert {result.outcome for result in results} >= {1.0, -1.0}
    for result in results:
        position = draw_openings(TOE, 0, 1, 0)[0]
        for action in result.actions:
            assert referee.result(position) is None
            assert action in referee.legal(position)
            position = referee.play(position, action)
        assert (result.outcome, result.reason, result.plies) == (referee.result(position), "played out", 2)
        assert result.score == (1 + result.outcome * (1 if result.first == 0 else -1)) / 2


def test_a_player_is_asked_about_all_games_at_once():
    player = Scripted(FOUR)
    play_match(FOUR, player, RandomPlayer(FOUR), games=20, plies=2)
    assert player.asked[:3] == [10, 20, 20], "half of the games are its turn at first, then all are"
    player = Scripted(FOUR)
    results = play_match(FOUR, player, RandomPlayer(FOUR), games=20, plies=2, parallel_games=4)
    assert len(results) == 20
    assert max(player.asked) == 4


def test_a_seed_repeats_the_match():
    def once(seed):
        return play_match(FOUR, RandomPlayer(FOUR, 1), RandomPlayer(FOUR, 2), games=10, seed=seed)

    assert once(3) == once(3) != once(4)


def test_openings_are_distinct_boards_that_have_not_ended():
    boards = [np.asarray(TOE.cells(p.state)).tobytes() for p in draw_openings(TOE, 2, 72, 0)]
    assert len(set(boards)) == 72, "all that there are"
    again = draw_openings(TOE, 1, 20, 0)
    assert len({p.actions for p in again}) == 9
    assert [p.actions for p in again[9:18]] == [p.actions for p in again[:9]], "then they come again"
    referee = Referee(TOE)
    assert all(referee.result(p) is None for p in draw_openings(TOE, 7, 30, 0))
    assert draw_openings(FOUR, 0, 2, 0)[1].actions == ()
    with pytest.raises(LogpiError, match="no opening of 9 random plies: every game tried was over"):
        draw_openings(TOE, 9, 1, 0)


def test_faults_cost_the_game_and_no_more():
    """Forfeits wherever cell 0 is the other's; its answers before and after are played."""

    def taken(position):
        return 0 in position.actions[2:]

    faulty = Scripted(TOE, forfeit=taken)
    results = play_match(TOE, faulty, Scripted(TOE), games=40, plies=2)
    lost = [result for result in results if result.reason == "timed out"]
    assert 0 < len(lost) < 40
    assert all((result.score, result.note) == (0, "it slept") for result in lost)
    assert any(result.reason == "played out" for result in results)
    assert len(results) == 40


def test_an_illegal_move_is_named_and_loses():
    cheat = Scripted(TOE, cheat=lambda position: True)
    results = play_match(TOE, RandomPlayer(TOE), cheat, games=10, plies=2)
    assert {(r.score, r.reason, r.note) for r in results} == {(1.0, "illegal move", "action 99")}
    assert all(99 not in r.actions for r in results)


def test_a_match_ends_when_it_is_enough():
    seen, moves = [], []
    results = play_match(
        FOUR,
        RandomPlayer(FOUR, 1),
        RandomPlayer(FOUR, 2),
        games=40,
        parallel_games=2,
        on_game=seen.append,
        on_turn=moves.append,
        enough=lambda results: len(results) >= 6,
    )
    assert len(results) == 6
    assert seen == results
    assert set(moves) <= {0, 1, 2}
    assert sum(moves) <= sum(len(result.actions) - result.plies for result in results)


def test_pairs_are_counted_when_both_games_are_over():
    def result(opening, first, outcome):
        return Result(opening, first, (), 0, outcome, "played out")

    results = [
        *(result(0, 0, 1), result(0, 1, -1)),  # a wins both
        *(result(1, 0, 1), result(1, 1, 1)),  # the first player wins both
        *(result(2, 0, -1), result(2, 1, 0)),
        *(result(3, 0, 0), result(3, 1, -1)),
        *(result(4, 0, -1), result(4, 1, 1)),
        result(5, 0, 1),
    ]
    assert pair_counts(results) == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(("settings", "message"), [({"games": 5}, "even"), ({"parallel_games": 0}, "at least 1")])
def test_settings_that_are_none(settings, message):
    with pytest.raises(LogpiError, match=message):
        play_match(TOE, RandomPlayer(TOE), RandomPlayer(TOE), **settings)
