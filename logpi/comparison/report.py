"""The results of a comparison: every number from its runs, and the files that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from logpi.comparison import analysis, checks
from logpi.comparison.cells import Entry, Table, tabulated
from logpi.comparison.checks import Remark, entries_of
from logpi.comparison.figures import draw, figures
from logpi.comparison.learning import learning_curves, seconds_of
from logpi.comparison.page import html, markdown
from logpi.comparison.references import Reference
from logpi.runs.files import atomic_write, json_text
from logpi.view.labels import title_of

PAGE, TABLES, NUMBERS, CLOCK = "comparison.html", "comparison.md", "comparison.json", "seconds.json"
FORMAT_VERSION = 1  # of comparison.json
Json = dict[str, Any]


def write(
    folder: Path,
    runs: Sequence[Entry],
    references: Mapping[str, Reference],
    resamples: int,
    failures: Sequence[str] = (),
) -> Json:
    """Write page, tables, figures and numbers into ``folder``; returns what ``comparison.json`` holds.

    Args:
        folder: of the comparison.
        runs: what is compared.
        references: scales by environment that go before those that logpi knows.
        resamples: of the bootstrap, and permutations.
        failures: what else is to be said: runs that could not be trained.

    Raises:
        LogpiError: a run cannot be read, or the disk refuses.
    """
    table, said = tabulated(runs)
    idle = [env for env in references if env not in table]
    said += [f"{env}: the reference that was given changes nothing: there is no run" for env in idle]
    facts = numbers_of(table, [Remark(text, True) for text in failures] + [Remark(text) for text in said],
                       references, resamples)  # fmt: skip
    facts["curves"], against = learning_curves(table)
    clock = {"runs": seconds_of(table), "curves": against}
    drawn = [
        (figure, draw(figure, folder / "figures").read_text(encoding="utf-8"))
        for figure in figures({**facts, "seconds": against})
    ]
    texts = {NUMBERS: json_text(facts, indent=1) + "\n", CLOCK: json_text(clock, indent=1) + "\n"}
    texts |= {TABLES: markdown(facts), PAGE: html(facts, drawn, clock["runs"])}
    for name, text in texts.items():
        atomic_write(folder / name, text.encode())
    return facts


def numbers_of(table: Table, said: Sequence[Remark], references: Mapping[str, Reference], resamples: int) -> Json:
    """Every number of a comparison but its curves; none depends on a clock."""
    found, more = analysis.measured(table, references)
    remarks = [*said, *checks.remarks(table), *more, *analysis.seed_remarks(found)]
    facts = analysis.analysed(found, resamples)
    scales = analysis.scales_of(found)
    environments = {
        env: _about(next(entries[0] for entries in entries_of(labels).values())) | {"reference": scales[env]}
        for env, labels in table.items()
    }
    return {
        "format_version": FORMAT_VERSION,
        "title": f"{', '.join(found.labels)} in {', '.join(map(title_of, table))}",
        "verdict": analysis.verdict(found, facts, remarks),
        "remarks": list(dict.fromkeys(remark.text for remark in remarks)),
        "labels": found.labels,
        "resamples": resamples,
        "environments": environments,
        "seeds": analysis.seeds_of(table),
        **facts,
    }


def _about(entry: Entry) -> Json:
    """What an environment's scores are, and what its runs learnt from."""
    length = entry.folder.length
    steps, unit = length.get("timesteps"), length.get("unit", "steps")
    budget = f"{steps / max(length.get('each', 1), 1):,.0f} {unit}" if steps else "an unknown budget"
    return {"score": entry.folder.score_label, "unit": unit, "budget": budget}
