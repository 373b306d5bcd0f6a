"""How much a run is evaluated: what was asked for, else what a tenth of its time allows, by counting steps."""

import math

import pytest

from logpi.config.settings import Run
from logpi.driver.budget import SHARE, Plan, plan


def test_what_was_asked_for_stands():
    asked = plan(Run(eval_episodes=500, eval_points=40), 1e4, cost=1.0, longest=1000)
    assert asked == Plan(500, 40, math.inf, 1000, automatic=False)
    assert asked.affords(0.001, spent=10**9, last=10**9, length=1000)
    assert plan(Run(eval_points=0), 1e6).points == 0


@pytest.mark.parametrize(
    ("timesteps", "longest", "episodes"), [(1e6, 200, 20), (2e6, 1000, 20), (1e6, 1000, 10), (1e5, 1000, 4)]
)
def test_an_evaluation_has_fewer_episodes_where_a_run_has_no_room_for_five_of_twenty(timesteps, longest, episodes):
    assert plan(Run(), timesteps, 1.0, longest).episodes == episodes


@pytest.mark.parametrize("length", [10, 300, 1000])
@pytest.mark.parametrize("cost", [0.05, 1.0, 3.0])
@pytest.mark.parametrize("timesteps", [1e5, 1e6])
def test_evaluations_take_a_tenth_at_most(timesteps, cost, length):
    """Episodes of ``length`` steps of 1,000 possible ones, evaluated wherever it is afforded, and at the end."""
    made = plan(Run(), timesteps, cost, 1000)
    spent, points = run(made, lambda done: length, timesteps)
    least = made.episodes * length  # one comes at the end in any case
    assert spent * cost <= max(SHARE * timesteps, least * cost)
    assert points == 20 or 40 * made.episodes * length * cost > SHARE * timesteps, "a run that can afford all has all"


def test_episodes_that_grow_are_paid_for_by_points_left_out():
    made = plan(Run(), 60_000, 0.05, 500)
    spent, points = run(made, lambda done: 20 if done < 0.3 else 500, 60_000)
    assert points > 5
    assert spent * 0.05 <= 1.1 * SHARE * 60_000


def test_episodes_that_were_asked_for_are_evaluated_less_often():
    made = plan(Run(eval_episodes=50), 2e5, 1.0, 1000)
    assert made.episodes == 50
    spent, points = run(made, lambda done: 40, 2e5)
    assert 5 < points < 20
    assert spent <= SHARE * 2e5


def run(made, length, timesteps):
    """(steps, number) of the evaluations of a run."""
    spent = last = points = 0
    for k in range(1, 21):
        done = k / 20
        if k == 20 or made.affords(done, spent, last, length(done)):
            last = made.episodes * length(done)
            spent, points = spent + last, points + 1
    return spent, points
