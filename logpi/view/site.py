"""The gallery as a folder of plain files: one page of HTML without a script, and films beside it.

Whatever a name or a text says, it does not become HTML, and no address of another machine is in it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from logpi.errors import inert
from logpi.runs.files import atomic_write, disk_error
from logpi.runs.scores import score

Json = Mapping[str, Any]
STYLE = """
:root { color-scheme: light dark; --page: #f6f6f3; --surface: #fff; --ink: #1a1f24; --muted: #59626b; --line: #dfe1dc; }
@media (prefers-color-scheme: dark) {
  :root { --page: #121518; --surface: #1a1e22; --ink: #e7eaed; --muted: #a3adb6; --line: #2e353b; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1320px; padding: 28px 20px 60px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0; } p { margin: 0; }
.muted { color: var(--muted); }
article { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 18px;
  margin-top: 18px; }
.films { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 280px), 1fr));
  margin: 14px 0; }
figure { margin: 0; } video, figure img { width: 100%; height: auto; border-radius: 8px; background: var(--page); }
figcaption { font-size: 14px; } code { font: 12.5px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 16px; margin: 0; } dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
"""


def write_site(out: Path, entries: Sequence[Json], films: Mapping[tuple[str, str], Path]) -> Path:
    """Write ``index.html``, and the films in a folder beside it.

    Args:
        out: folder of the site; what is in it is kept, but for files of the same names.
        entries: tasks (``logpi.api.gallery.Entry.to_json``).
        films: (task, what the agent is) -> video.

    Returns:
        The page.

    Raises:
        LogpiError: the disk refuses.
    """
    places: dict[tuple[str, str], str] = {}
    try:
        (out / "films").mkdir(parents=True, exist_ok=True)
        for key, film in films.items():
            shutil.copyfile(film, out / "films" / film.name)
            places[key] = f"films/{film.name}"
    except OSError as error:
        raise disk_error(out, error) from error
    body = "\n".join(_entry(entry, places) for entry in entries)
    about = "Random actions beside trained agents. ± and ranges are 95 % intervals of the mean."
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
    head += f"<title>logpi gallery</title><style>{STYLE}</style>"
    text = f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body><main><h1>Gallery</h1>"
    text += f"<p class='muted'>{about}</p>\n{body}\n</main></body></html>\n"
    page = out / "index.html"
    atomic_write(page, text.encode("utf-8", errors="replace"))
    return page


def _entry(entry: Json, places: Mapping[tuple[str, str], str]) -> str:
    shown = "".join(_agent(entry, agent, places.get((entry["env"], agent["what"]))) for agent in entry["agents"])
    rows = {
        "observations": entry["observation"],
        "actions": entry["action"],
        "reward": entry["reward"],
        "time limit": f"{entry['limit']:,} steps" if entry["limit"] else "",
        "note": entry["note"],
    }
    facts = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows.items() if value)
    for method in entry["methods"]:
        band = f", expected {_range(entry, method)}" if math.isfinite(method["low"]) else ""
        facts += f"<dt>{_text(method['algo'])}</dt><dd><code>{_text(method['command'])}</code>{_text(band)}</dd>"
    return f"<article><h2>{_text(entry['env'])}</h2><div class='films'>{shown}</div><dl>{facts}</dl></article>"


def _agent(entry: Json, agent: Json, film: str | None) -> str:
    what = f"{entry['env']}, {agent['label']}"
    moving = "" if film is None else f"<video autoplay loop muted playsinline controls aria-label='{_text(what)}'"
    picture = "" if film is None else f"{moving} src='{_text(film)}'></video>"
    if film is not None and film.endswith(".gif"):
        picture = f"<img alt='{_text(what)}' src='{_text(film)}'>"
    words = f"<strong>{_text(agent['label'])}</strong>"
    if math.isfinite(agent["score"]):
        value = score(agent["score"], entry["percent"])
        ends = f" ({_range(entry, agent)})" if math.isfinite(agent["low"]) else ""
        words += (
            f"<br>{_text(entry['score_label'])}: {_text(value + ends)}, {_text(agent['algo'])}, {_text(agent['over'])}"
        )
    return f"<figure>{picture}<figcaption>{words}<br><code>{_text(agent['command'])}</code></figcaption></figure>"


def _range(entry: Json, ends: Json) -> str:
    return f"{score(ends['low'], entry['percent'])} to {score(ends['high'], entry['percent'])}"


def _text(text: object) -> str:
    return escape(inert(str(text)))
