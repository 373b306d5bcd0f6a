"""What was measured, in lines for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from logpi.ops.estimates import Interval
from logpi.runs import scores
from logpi.tasks import Facts

HEAD = ("rung", "variance V", "trajectories", "SNR", "cosine", "bias / ‖∇J‖")
COLUMNS = ("variance", "ratio", "snr", "cosine", "bias")


def table(facts: Facts) -> list[str]:
    """``facts`` in lines for people."""
    lines = [
        f"{facts['env']}: {facts['trajectories']:,} trajectories a policy, γ {facts['gamma']:g}, "
        f"λ {facts['gae_lambda']:g}; 95 % intervals in brackets"
    ]
    for moment in facts["moments"]:
        lines += ["", *_heading(moment), *aligned([HEAD, *map(_row, moment["rungs"])])]
    lines += [
        "",
        f"variance V: trace of the covariance, of one trajectory; trajectories: for the error of {facts['against']};",
        f"SNR: of one trajectory; cosine: of a batch of {facts['batch']} trajectories with ∇J",
    ]
    return [*lines, *([f"picture: {facts['picture']}"] if "picture" in facts else [])]


def _heading(moment: Facts) -> list[str]:
    returned, length = (scores.significant(moment[name]) for name in ("mean_return", "mean_length"))
    explained = zip(("V", "Q"), moment["explained_variance"].values(), strict=False)
    fitted = ", ".join(f"{name} {value:.2f}" for name, value in explained)
    return [
        f"{moment['name']}: mean return {returned}, mean length {length}; explained variance of the returns: {fitted}",
        f"‖∇J‖ {_known(moment['reference'])}",
    ]


def _known(reference: Facts) -> str:
    """How long ∇J is, and how well that is known."""
    length, error = reference["length"]["value"], reference["relative_error"]
    if reference["kind"] == "exact":
        return f"{scores.significant(length)}, exact"
    others = f"{reference['trajectories']:,} other trajectories"
    if not length > 0:
        return f"is not above its own noise, in a mean over {others}"
    return f"{scores.significant(length)}, by a mean over {others} with a relative error of {error:.1%}"


def _row(rung: Facts) -> tuple[str, ...]:
    return (rung["rung"], *(shown(Interval(**rung[name])) for name in COLUMNS))


def shown(found: Interval) -> str:
    """An interval as text: 9,410 (8,630 to 10,300)."""
    if not math.isfinite(found.value):
        return "unknown"
    value, low, high = map(scores.significant, found)
    return f"{value} ({low} to {high})"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, the first to the left and the others to the right."""
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return ["  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]) for row in rows]
