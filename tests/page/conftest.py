"""The page's server and a browser, shared by the tests of its rooms."""

import pytest
from pages import chromium, looking, serving
from small import quick_compilation


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    yield from chromium()


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture
def served(tmp_path):
    """A page of a folder without runs, ``tmp_path / "runs"``."""
    with serving(tmp_path / "runs") as page:
        yield page


@pytest.fixture
def window(browser, served):
    """A window on that page."""
    with looking(browser, served) as found:
        yield found
