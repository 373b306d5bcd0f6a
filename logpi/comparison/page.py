"""The page of a comparison: one HTML file that needs nothing else, and the same tables as Markdown.

No script and no address of another machine is in it. Whatever a name says, it does not become HTML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from logpi.comparison.figures import NAMES, Figure
from logpi.errors import inert, one_line
from logpi.runs.scores import decimals, significant
from logpi.view.labels import title_of

Json = Mapping[str, Any]
Rows = list[list[str]]
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; padding: 12px;
  max-width: 1360px; }
h1 { font-size: 1.5em; margin: .3em 0; } h2 { font-size: 1.2em; margin: 1.4em 0 .4em; }
.verdict { border-left: 5px solid #0072B2; padding: .5em .8em; background: #eef5fa; }
.warn { border-left: 5px solid #D55E00; padding: .5em .8em; background: #fdf2ea; }
.warn ul { margin: 0; padding-left: 1.2em; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92em; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); gap: 14px; }
figure { margin: 0; } figure svg { width: 100%; height: auto; max-width: 560px; }
p.small { font-size: .88em; color: #444; }
"""
ABOUT = (
    "n is the number of seeds; a seed is one independent run. Intervals are 95 % percentile bootstrap intervals that "
    "draw seeds within each environment (Agarwal et al. 2021); with few seeds they are too narrow. "
    "P(X > Y) is the probability that a run of X scores higher than a run of Y, ties counted half. p is of a "
    "permutation test within environments, corrected for all pairs by Holm (1979)."
)


def tables(facts: Json) -> list[tuple[str, list[str], Rows]]:
    """(title, header, rows) of every table."""
    found = []
    if pooled := facts["pooled"]:
        shown = [name for name in NAMES if all(name in each for each in pooled["methods"].values())]
        scale = "normalised scores" if pooled["normalised"] else "scores"
        title = f"All environments: {scale} in {', '.join(map(title_of, pooled['environments']))}"
        rows = [
            [label, str(each["n"]), *(_ranged(each[name]) for name in shown)]
            for label, each in pooled["methods"].items()
        ]
        found.append((title, ["method", "n", *(NAMES[name] for name in shown)], rows))
    for env, methods in facts["per_environment"].items():
        about = facts["environments"][env]
        rows = [
            [label, str(each["n"]), *(_ranged(each[name]) for name in ("iqm", "median", "mean"))]
            for label, each in methods.items()
        ]
        title = f"{title_of(env)}: {about['score']} after {about['budget']}"
        found.append((title, ["method", "n", "IQM", "median", "mean"], rows))
    if facts["pairs"]:
        rows = [
            [
                row["x"],
                row["y"],
                _ranged({"value": row["probability"], **row}),
                f"{row['p']:.4f}",
                f"{row['p_holm']:.4f}",
            ]
            for row in facts["pairs"]
        ]
        found.append(("Pairs", ["X", "Y", "P(X > Y)", "p", "Holm's p"], rows))
    return found


def _ranged(found: Json) -> str:
    """A value with its interval, to the same decimals."""
    value, low, high = (float(found[name]) for name in ("value", "low", "high"))
    if not (math.isfinite(low) and math.isfinite(high)):
        return significant(value)
    shown = decimals(max(abs(value), abs(low), abs(high)), 3)
    return f"{value:,.{shown}f} ({low:,.{shown}f} to {high:,.{shown}f})"


def markdown(facts: Json) -> str:
    """The tables, the verdict and all remarks as Markdown."""
    parts = [f"# {facts['title']}", facts["verdict"]]
    parts += ["\n".join(f"- {_cell(text)}" for text in facts["remarks"])] if facts["remarks"] else []
    for title, header, rows in tables(facts):
        lines = [header, ["---"] * len(header), *rows]
        parts += [f"## {_cell(title)}", "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)]
    return "\n\n".join([*parts, ABOUT]) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"([|<>])", r"\\\1", one_line(text))


def html(facts: Json, drawn: Sequence[tuple[Figure, str]], seconds: Json) -> str:
    """The page; ``drawn`` are the figures with their SVG, ``seconds`` the times of the runs."""
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
    head += f"<title>{_text(facts['title'])}</title>"
    parts = [f"<h1>{_text(facts['title'])}</h1>", f"<p class='verdict'>{_text(facts['verdict'])}</p>"]
    if facts["remarks"]:
        items = "".join(f"<li>{_text(text)}</li>" for text in facts["remarks"])
        parts.append(f"<div class='warn'><ul>{items}</ul></div>")
    parts += [_table(*table) for table in tables(facts)]
    for section in dict.fromkeys(figure.section for figure, _ in drawn):
        inside = "".join(_figure(figure, svg) for figure, svg in drawn if figure.section == section)
        parts.append(f"<h2>{_text(section)}: figures</h2><div class='figures'>{inside}</div>")
    parts.append(_table("Runs", ["environment", "method", "seeds at once", "seconds", "run"], _runs(seconds)))
    parts += [f"<p class='small'>{_text(text)}</p>" for text in [ABOUT, *_scales(facts)]]
    body = "\n".join(parts)
    return (
        f"<!doctype html>\n<html lang='en'><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _runs(seconds: Json) -> Rows:
    return [
        [env, label, str(len(run["seeds"])), f"{run['seconds']:,.1f}", run["run"]]
        for env, labels in seconds.items()
        for label, runs in labels.items()
        for run in runs
    ]


def _scales(facts: Json) -> Iterable[str]:
    for env, about in facts["environments"].items():
        if reference := about["reference"]:
            yield f"{env}: score 0 is {reference['low']:g}, score 1 is {reference['high']:g} ({reference['source']})."


def _text(text: str) -> str:
    return escape(inert(text))


def _table(title: str, header: Sequence[str], rows: Rows) -> str:
    top = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    inside = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    # wide tables scroll inside the page; by the keyboard too
    scrolled = f"<div class='scroll' role='region' tabindex='0' aria-label='{_text(title)}'>{inside}</div>"
    return f"<h2>{_text(title)}</h2>{scrolled}"


def _figure(figure: Figure, svg: str) -> str:
    """A figure inside the page: its SVG without the document's head, its identifiers its own."""
    inner = svg[svg.index("<svg") :]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'\bid="', f'id="{figure.name}-', inner)
    inner = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{figure.name}-", inner)
    inner = inner.replace("<svg ", f'<svg role="img" aria-label="{_text(figure.caption)}" ', 1)
    return f"<figure>{inner}</figure>"
