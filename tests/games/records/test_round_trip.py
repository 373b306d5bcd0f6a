"""Random games in every format: what is written is read back move by move."""

import pytest
from random_records import random_records
from small import quick_compilation

from logpi.games.records.files import append, read
from logpi.games.rules.make import make_game

FORMS = [("chess", ".pgn"), ("shogi", ".kif"), ("shogi", ".csa"), ("shogi", ".sfen"), ("go-9x9", ".sgf")]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def games():
    """8 games of up to 50 moves of each kind, made when they are asked for."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = random_records(make_game(name), 8, 50)
        return made[name]

    return of


@pytest.mark.parametrize(("name", "suffix"), FORMS)
def test_random_games_are_read_back(tmp_path, games, name, suffix):
    records = games(name)
    alone = suffix == ".kif"  # one game a file
    paths = [tmp_path / f"{n if alone else 'all'}{suffix}" for n in range(len(records))]
    for path, record in zip(paths, records, strict=True):
        append(path, record)
    found = [record for path in dict.fromkeys(paths) for record in read(path)]
    assert [record.actions for record in found] == [record.actions for record in records]
    if suffix != ".sfen":  # which has no place for results
        assert [record.outcome for record in found] == [record.outcome for record in records]
