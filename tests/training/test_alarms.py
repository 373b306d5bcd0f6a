"""Soft alarms: each symptom raises its own, once, and runs that learn raise none."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from logpi.runs.metrics import STEPS
from logpi.tasks import Limits
from logpi.training.alarms import (
    ALARMS,
    BOUNDS,
    CLIPPED,
    ENTROPY,
    EPISODES,
    EVALUATION,
    EXPLAINED,
    KL,
    LENGTH,
    RETURN,
    alarms,
)
from logpi.training.remarks import Remarks

LIMITS = Limits(max_entropy=math.log(2), max_episode_steps=200, greedy=True)
TOTAL = 100_000
GOOD = {ENTROPY: -0.5, KL: 0.01, CLIPPED: 0.1, EXPLAINED: 0.6, LENGTH: 120.0}


def rows(count=20, until=0.4, **columns):
    """So many rows up to the fraction ``until`` of a run that learns, with ``columns`` (of k) in place of its own."""
    made = []
    for k in range(count):
        row = {STEPS: TOTAL * until * (k + 1) / count, RETURN: 10.0 * k, EPISODES: 30 * (k + 1), **GOOD}
        made.append(row | {name: column(k) for name, column in columns.items()})
    return made


def raised(*args, limits=LIMITS, **options):
    return set(alarms(rows(*args, **options), TOTAL, limits))


def test_a_run_that_learns_raises_none():
    assert raised() == set()
    assert raised(until=1.0, **{ENTROPY: lambda k: -0.5 / (k + 1) ** 2}) == set(), "a trained policy is sure of itself"


SYMPTOMS = {
    "entropy": {ENTROPY: lambda k: -0.5 if k < 10 else -0.3 if k < 12 else -0.001},
    "kl": {KL: lambda k: 0.2},
    "clip_fraction": {CLIPPED: lambda k: 0.7},
    "explained_variance": {EXPLAINED: lambda k: -0.3, RETURN: lambda k: 10.0 - k % 3},
    "actions_at_bounds": {BOUNDS: lambda k: 0.97},
    "constant_return": {RETURN: lambda k: -200.0},
    "truncated": {RETURN: lambda k: -100.0 - k, LENGTH: lambda k: 200.0},
    "nothing_moves": {KL: lambda k: 1e-9},
    "everything_moves": {KL: lambda k: 0.01 if k < 19 else 3.0},
    "greedy": {EVALUATION: lambda k: 0.0},
}


@pytest.mark.parametrize("name", SYMPTOMS)
def test_each_symptom_raises_its_own_alarm(name):
    assert raised(**SYMPTOMS[name]) == {name}
    text = alarms(rows(**SYMPTOMS[name]), TOTAL, LIMITS)[name]
    assert ". Try " in text
    assert "nan" not in text


def test_symptoms_that_need_other_limits():
    endless = Limits(max_entropy=math.log(4))
    assert raised(limits=endless, **{EPISODES: lambda k: 0, RETURN: lambda k: math.nan}) == {"never_ended"}
    assert raised(limits=LIMITS._replace(rows=500), **{LENGTH: lambda k: 12.0}) == {"padded"}
    assert raised(limits=Limits(), **{EVALUATION: lambda k: 0.0}) == set(), "evaluation is sampled too"
    still = {KL: lambda k: math.nan, ENTROPY: lambda k: -0.25}
    assert raised(**still) == {"nothing_moves"}, "a method without KL"
    fell = {KL: lambda k: math.nan, ENTROPY: lambda k: -0.6 - 1e-3 * k if k < 19 else -0.01}
    assert raised(**fell) == {"everything_moves"}


def test_every_alarm_was_raised_here():
    assert {alarm.name for alarm in ALARMS} == {*SYMPTOMS, "never_ended", "padded"}


def test_limits_of_what_is_an_alarm():
    assert raised(**{LENGTH: lambda k: 200.0}) == set(), "Pendulum: all are cut, and the return rises"
    assert raised(**{EVALUATION: lambda k: 10.0 * k - 20}) == set(), "a little under training is usual"
    flat = {RETURN: lambda k: 10.0 - k % 3}
    assert raised(**flat, **{EXPLAINED: lambda k: -0.3 if k < 5 else 0.1}) == set(), "at first V knows nothing"
    assert raised(**{EXPLAINED: lambda k: -0.3}) == set(), "CartPole: as all returns become equal, and it learns"
    assert raised(**{RETURN: lambda k: -200.0, EPISODES: lambda k: 3}) == set(), "too few episodes"


def test_of_several_seeds_the_one_is_named():
    seeds = [{name: value if name == STEPS else [value, value] for name, value in row.items()} for row in rows()]
    for row in seeds:
        row[KL] = [0.01, 0.2]
    assert "(seed number 2 of this run)" in alarms(seeds, TOTAL, LIMITS)["kl"]


def test_each_is_told_once_by_a_resumed_run_too():
    told = []
    remarks = Remarks(told.append, TOTAL, LIMITS, [])
    for row in rows(40, **{KL: lambda k: 0.2}):
        remarks.row({name: np.float32(value) for name, value in row.items()})
    assert len(told) == 1
    again = Remarks(told.append, TOTAL, LIMITS, remarks.rows)
    for row in rows(10, **{KL: lambda k: 0.2}):
        again.row(row)
    assert len(told) == 1


def test_evaluations_that_take_over_a_fifth_are_remarked_on_if_they_were_asked_for():
    told = []
    remarks = Remarks(told.append, TOTAL, LIMITS, [])
    remarks.evaluations(9.0, 40.0, asked=False)
    remarks.evaluations(5.0, 40.0, asked=True)
    remarks.evaluations(4.0, 10.0, asked=True)
    assert not told
    for _ in range(2):
        remarks.evaluations(9.0, 40.0, asked=True)
    (text,) = told
    assert "22 % of the time" in text
    assert "--eval-points" in text


RECORDS = Path(__file__).parents[2] / "bench" / "golden" / "records"


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*ppo*.jsonl")), ids=lambda path: path.stem)
def test_no_recorded_run_of_ppo_raises_one_about_its_updates(path):
    """Short runs of settings that are known to learn."""
    text = path.read_text().replace('"nan"', "NaN").replace('"inf"', "Infinity")
    found = alarms([json.loads(line) for line in text.splitlines()], 2_000, Limits(math.log(2), 500))
    assert not {"kl", "clip_fraction", "nothing_moves", "everything_moves"} & set(found)
