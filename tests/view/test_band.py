"""The picture that ``logpi plot`` draws of a run is the one that training drew."""

import json

import pytest
from small import experiment, only_run, quick_compilation

from logpi.config.stored import recipe_for
from logpi.training import session
from logpi.training.outcome import presented
from logpi.view.curves import expected_of, plot


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run with a recipe's expected score."""
    root = tmp_path_factory.mktemp("band")
    with quick_compilation():
        recipe = recipe_for("CartPole-v1", "a2c")
        tiny = experiment("CartPole-v1", "a2c", root)
        with presented(tiny, recipe, quiet=True) as show:
            show(session.start(tiny, ["test"], show.view, expected=show.band))
    return only_run(root)


def test_a_run_keeps_the_expected_score_and_plot_draws_it_again(folder):
    before = folder.curve.read_bytes()
    assert expected_of([folder]) == recipe_for("CartPole-v1", "a2c").band
    folder.curve.unlink()
    plot([folder.path])
    assert folder.curve.read_bytes() == before


@pytest.mark.parametrize("altered", [{"expected_low": "much"}, {"expected_high": float("inf")}, {"expected_low": None}])
def test_an_altered_band_is_not_drawn(folder, altered):
    file = folder.path / "manifest.json"
    text = file.read_text()
    manifest = json.loads(text)
    manifest["score"] |= altered
    file.write_text(json.dumps(manifest).replace("Infinity", "1e999"))
    assert expected_of([folder]) is None
    file.write_text(text)
