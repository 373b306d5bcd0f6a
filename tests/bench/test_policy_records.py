"""Games of two policies: who makes which move, and records that a value network can learn from."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.games.records.folder import read_folder
from logpi.games.rules.make import make_game

BENCH = Path(__file__).parents[2] / "bench"
TOE = make_game("tic-tac-toe")


@pytest.fixture(scope="module")
def policy_records():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        import policy_records

        yield policy_records


def forward(obs):
    """Takes the free cell of the smallest number."""
    return jnp.broadcast_to(-100.0 * jnp.arange(9), (len(obs), 9))


def backward(obs):
    """Takes the one of the largest number."""
    return jnp.broadcast_to(100.0 * jnp.arange(9), (len(obs), 9))


def test_the_first_policy_then_a_random_move_then_the_second(policy_records, tmp_path):
    games = jax.device_get(policy_records.played(TOE, forward, backward, jax.random.key(0), 4))
    path = tmp_path / "games-00000.jsonl"
    kept = policy_records.write(TOE, path, games)
    assert sorted(set(games[2].tolist())) == [1, 2, 3, 4]
    records, report = read_folder(tmp_path, TOE)
    assert kept == report.games
    assert [fault.cause for fault in report.faults] == ["the same game once more"] * (kept - len(records))
    strayed = set()
    for record in records:
        u = record.plies
        assert list(record.actions[: u - 1]) == list(range(u - 1))
        strayed.add((u, record.actions[u - 1]))
        for t in range(u, len(record.actions)):
            free = set(range(9)) - set(record.actions[:t])
            assert record.actions[t] == max(free)
    assert len(strayed) > 12, "move U is any legal one"
    assert {record.outcome for record in records} == {1.0, -1.0, 0.0} or len(records) > 10
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    for record in records:
        last = set(record.actions[(len(record.actions) - 1) % 2 :: 2])
        won = any(set(line) <= last for line in lines)
        assert record.outcome == (0.0 if not won else 1.0 if len(record.actions) % 2 else -1.0)
    assert np.isfinite(games[3]).all()
