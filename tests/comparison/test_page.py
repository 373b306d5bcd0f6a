"""The page of a comparison in a browser: no error, nothing from the network, readable on a phone."""

from types import SimpleNamespace

import pytest
from pages import axe, chromium, looking

import logpi

SCORES = {"ppo": 400.0, "a2c": 100.0}
ENVS = ("CartPole-v1", "Acrobot-v1")


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    yield from chromium()


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_readable_and_whole(made, browser, tmp_path, width):
    runs = [made(algo, [first + k for k in range(12)], env=env) for algo, first in SCORES.items() for env in ENVS]
    logpi.compare([run.path for run in runs], out=tmp_path / "out", resamples=200)
    page = tmp_path / "out" / "comparison.html"
    with looking(
        browser, SimpleNamespace(address=page.parent.as_uri()), viewport={"width": width, "height": 900}
    ) as window:
        window.goto(page.as_uri())
        assert "ppo is better than every other method" in window.inner_text("body")
        images = window.locator("img, svg")
        assert images.count() >= 4
        assert all(images.nth(i).bounding_box()["width"] > 200 for i in range(images.count()))
        assert window.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
        assert axe(window) == []
