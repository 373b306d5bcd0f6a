"""How pictures are drawn, whatever the working folder says: Matplotlib reads a ``matplotlibrc`` there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def without_latex(draw: Callable[P, R]) -> Callable[P, R]:
    """``draw`` with Matplotlib's own text: LaTeX is another program, which would run a stranger's preamble."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context({"text.usetex": False}):
            return draw(*args, **kwargs)

    return drawn
