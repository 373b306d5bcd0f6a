"""Which settings of the search are used, by the kinds of search that a run makes."""

import pytest

from logpi.config.experiments import check_used, resolve
from logpi.errors import LogpiError

OF_GUMBEL = {"max_considered_actions": 2}


@pytest.mark.parametrize("search", ["gumbel", "puct"])
@pytest.mark.parametrize("play_search", ["gumbel", "puct"])
def test_a_setting_of_a_search_is_used_where_either_is_that_search(search, play_search):
    method = {"search": search, "play_search": play_search, **OF_GUMBEL}
    experiment = resolve("tic-tac-toe", "alphazero", {"method": method})[0]
    if "gumbel" in (search, play_search):
        check_used(experiment, {})
    else:
        with pytest.raises(LogpiError, match="it is used where search or play_search is gumbel"):
            check_used(experiment, {})


def test_a_method_that_searches_in_play_alone_uses_what_that_search_does():
    experiment = resolve("go-5x5", "alphago", {"method": OF_GUMBEL})[0]
    with pytest.raises(LogpiError, match="it is used where search or play_search is gumbel"):
        check_used(experiment, {})
