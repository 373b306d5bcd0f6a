"""The picture of the ladder: every rung and every moment is there, and what has no number is left out."""

import math

import numpy as np
import pytest
from PIL import Image

from logpi.view import variance

NAMES = ("total-reward", "value", "q-minus-v")


def rung(name, scale):
    each = {key: {"value": scale, "low": 0.9 * scale, "high": 1.1 * scale} for key in ("variance", "ratio", "snr")}
    return {"rung": name, **each, "cosine": {"value": 0.5, "low": 0.4, "high": 0.6}, "along": [-1, 0.5, 1, 1.5, 3]}


def facts(moments):
    each = [
        {"name": f"step {k}", "mean_return": 10.0 * k, "rungs": [rung(name, 10.0**i) for i, name in enumerate(NAMES)]}
        for k in range(moments)
    ]
    return {"env": "Cart $x$", "trajectories": 960, "batch": 10, "against": "value", "moments": each}


@pytest.fixture
def figure(monkeypatch):
    kept = []
    save = variance.save
    monkeypatch.setattr(variance, "save", lambda drawn, path: (kept.append(drawn), save(drawn, path))[1])
    return kept


@pytest.mark.parametrize("moments", [1, 4])
def test_rungs_are_rows_and_moments_are_colours(moments, tmp_path, figure):
    path = variance.draw(facts(moments), tmp_path / "v.png")
    assert np.asarray(Image.open(path).convert("L")).std() > 5, "not a blank picture"
    panels = figure[0].axes
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list(NAMES)
    assert all(panel.get_xlabel() and panel.get_title(loc="left") for panel in panels)
    (legend,) = figure[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"step {k}, mean return {10 * k:g}" for k in range(moments)
    ]
    assert [text.get_text() for text in panels[0].texts] == ["1×", "10×", "100×"] * moments


def test_a_logarithmic_axis_of_many_decades_has_ticks_and_so_has_one_of_few(tmp_path, figure):
    wide = facts(1)
    wide["moments"][0]["rungs"][0]["variance"] = {"value": 1e-9, "low": 5e-10, "high": 2e-9}
    for found in (wide, facts(1)):
        variance.draw(found, tmp_path / "v.png")
        axes = figure[-1].axes[0]
        low, high = axes.get_xlim()
        shown = [x for x in axes.get_xticks() if low <= x <= high]
        assert 2 <= len(shown) <= 9, shown


def test_what_is_not_known_is_left_out(tmp_path, figure):
    found = facts(1)
    first = found["moments"][0]["rungs"][0]
    first["variance"] = first["snr"] = {"value": 0.0, "low": 0.0, "high": 0.0}
    first["ratio"] = {"value": math.nan, "low": math.nan, "high": math.nan}
    first["along"] = [math.nan] * 5
    variance.draw(found, tmp_path / "v.png")
    assert len(figure[0].axes[0].lines) == 2 * (len(NAMES) - 1)
    assert figure[0].axes[0].texts[0].get_text() == "–"
