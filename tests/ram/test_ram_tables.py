"""The tables of bench/results/ram.md: what stands side by side there was trained alike."""

import copy
import math
from pathlib import Path

import pytest

from logpi.config.experiments import resolve
from logpi.config.values import to_table

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    import ram_tables

    return ram_tables


def test_the_committed_outcomes_were_trained_alike(tables):
    found = tables.outcomes(BENCH / "results" / "ram")
    assert ("ram/cluttered", "learned") in found
    tables.check_alike(found)


@pytest.mark.parametrize(("group", "name", "value"), [("method", "std_end", 0.1), ("network", "core_size", 512)])
def test_a_seed_trained_in_another_way_is_refused(tables, group, name, value):
    found = tables.outcomes(BENCH / "results" / "ram")
    one = found["ram/cluttered", "learned"][0]
    other = copy.deepcopy(one) | {"variant": "random", "seed": 7}
    other["settings"]["method"]["location_policy"] = "random"
    tables.check_alike({("ram/cluttered", "learned"): [one], ("ram/cluttered", "random"): [other]})
    other["settings"][group][name] = value
    with pytest.raises(ValueError, match="ram/cluttered have different settings: learned, seed 0; random, seed 7"):
        tables.check_alike({("ram/cluttered", "learned"): [one], ("ram/cluttered", "random"): [other]})


def test_whole_images_are_to_be_the_same_ones(tables):
    learned = tables.outcomes(BENCH / "results" / "ram")["ram/cluttered", "learned"][:1]
    conv = copy.deepcopy(learned[0]) | {"variant": "conv"}
    settings = to_table(resolve("ram/cluttered", "classifier")[0].method)
    method = {key: x for key, x in settings.items() if x != math.inf}
    conv["settings"] = {"method": method | {"learning_rate": 1e-3}, "network": {"net": "conv"}}
    tables.check_alike({("ram/cluttered", "learned"): learned, ("ram/cluttered", "conv"): [conv]})
    method["total_images"] = 2e6
    conv["settings"]["method"] = method
    with pytest.raises(ValueError, match="learned, seed 0; conv, seed 0"):
        tables.check_alike({("ram/cluttered", "learned"): learned, ("ram/cluttered", "conv"): [conv]})


def test_a_difference_is_given_with_welchs_interval(tables):
    ours, theirs = ([{"one_pass": x} for x in errors] for errors in ((0.01, 0.02, 0.03), (0.05, 0.06, 0.07)))
    # equal variances and sizes: Student's t with 4 degrees of freedom, standard error sqrt(2/3)
    half = 2.7764 * (2 / 3) ** 0.5
    assert tables.difference(ours, theirs) == f"+4.00 ({4 - half:+.2f} to {4 + half:+.2f})"
    assert tables.mean_of([0.01, 0.02, 0.03]) == f"2.00 ± {4.3027 / 3**0.5:.2f}"
