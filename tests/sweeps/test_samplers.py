"""Samplers of configurations: the same questions get the same answers, and one that learns finds a maximum."""

import math
import sys

import numpy as np
import pytest

from logpi.errors import LogpiError
from logpi.sweeps.samplers import sampler_of
from logpi.sweeps.space import space_of

SPACE = {"learning_rate": {"log": [1e-4, 1e-2]}, "gamma": {"uniform": [0.9, 0.99]}, "hidden": [[32], [64, 64]]}


def asked(name, rounds, merit, seed=0, batch=8):
    """Settings of all configurations, in rounds; ``merit`` says how good each is."""
    sampler, found = sampler_of(name, space_of(SPACE), seed), {}
    for first in range(0, rounds * batch, batch):
        settings = sampler.ask(range(first, first + batch))
        assert list(settings) == list(range(first, first + batch))
        sampler.tell({number: merit(own) for number, own in settings.items()})
        found |= settings
    return list(found.values())


def height(own):
    """Greatest at a rate of 1e-3, γ of 0.95 and the larger network; the upper rates diverge."""
    if own["learning_rate"] > 5e-3:
        return None
    distance = (math.log10(own["learning_rate"]) + 3) ** 2 + 400 * (own["gamma"] - 0.95) ** 2
    return len(own["hidden"]) - distance, 0.0


def test_names_of_samplers(monkeypatch):
    with pytest.raises(LogpiError, match=r"unknown sampler 'optune'; allowed: random, optuna; did you mean optuna"):
        sampler_of("optune", space_of(SPACE), 0)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(LogpiError, match="pip install optuna"):
        sampler_of("optuna", space_of(SPACE), 0)


def test_random_search_learns_nothing():
    assert asked("random", 2, height) == asked("random", 2, lambda own: None)


def test_optuna_asks_the_same_again_and_learns():
    pytest.importorskip("optuna")
    found = asked("optuna", 8, height)
    assert found == asked("optuna", 8, height)
    assert found != asked("optuna", 8, height, seed=1)
    for own in found:
        assert 1e-4 <= own["learning_rate"] <= 1e-2
        assert 0.9 <= own["gamma"] <= 0.99
        assert own["hidden"] in SPACE["hidden"]
        assert own["learning_rate"] == float(f"{own['learning_rate']:.4g}")
    means = [np.mean([height(own)[0] if height(own) else -1 for own in part]) for part in (found[:16], found[-16:])]
    assert means[1] > means[0] + 0.2
