"""The course's programs compile quickly here, as those of all pages."""

import pytest
from small import quick_compilation


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield
