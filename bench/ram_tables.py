"""RAM's outcomes beside the paper's figures, as tables and pictures; what `ram.py --report` writes."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator
from pictures import VARIANTS, curve, picture, plain
from report import BENCH, publish, table
from scipy import stats

from logpi.ram.settings import ImageSettings

RENAMED = tomllib.loads((BENCH / "golden" / "renamed.toml").read_text(encoding="utf-8"))
TASKS = ["ram/mnist", "ram/translated", "ram/cluttered", "ram/cluttered-100"]
# Mnih et al. 2014, tables 1 and 2, in per cent: arXiv's version; the proceedings', which is stricter
PAPER = {
    "ram/mnist": {"learned": "1.29 (6 glimpses); 1.07 (7)", "conv": "1.21", "fc": "1.69"},
    "ram/translated": {"learned": "1.84; 1.20", "conv": "1.62", "fc": "2.63"},
    "ram/cluttered": {"learned": "5.23; 4.04", "conv": "7.83; 8.09", "fc": "11.96", "random": "14.4"},
    "ram/cluttered-100": {"learned": "10.83; 8.11", "conv": "16.51 (arXiv)"},
}
AFTER = {  # the proceedings', by glimpses: a net trained for each number
    "ram/mnist": {2: 3.79, 3: 1.51, 4: 1.54, 5: 1.34, 6: 1.12, 7: 1.07},
    "ram/translated": {4: 1.54, 6: 1.22, 8: 1.20},
    "ram/cluttered": {4: 4.96, 6: 4.08, 8: 4.04},
    "ram/cluttered-100": {8: 8.11},
}
WANTED = {  # one pass, M = 10, minutes of two cores
    "ram/mnist": (1.07, 0.60, 25),
    "ram/translated": (1.20, 0.9, 45),
    "ram/cluttered": (4.04, 2.6, 60),
    "ram/cluttered-100": (8.11, 5.9, 90),
}


def outcomes(folder: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What there is so far, by task and variant, seeds in order."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        one["settings"] = {name: today(part) for name, part in one["settings"].items()}
        found.setdefault((one["task"], one["variant"]), []).append(one)
    return found


def today(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by today's names and values: outcomes keep those of the code that trained."""
    names, values = RENAMED["settings"], RENAMED["values"]
    return {names.get(key, key): values.get(key, {}).get(str(x), x) for key, x in settings.items()}


def check_alike(found: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Refuse to set side by side what was not trained alike.

    Raises:
        ValueError: outcomes of one task differ in more than who chooses the places and the seed; or, where the whole
            image is seen, in the images that are learnt from.
    """
    usual = {field.name: field.default for field in dataclasses.fields(ImageSettings) if field.name != "learning_rate"}
    for task in TASKS:
        alike: dict[str, str] = {}
        common: dict[str, str] = {}
        for (of, variant), runs in found.items():
            for run in runs if of == task else []:
                method, name = run["settings"]["method"], f"{variant}, seed {run['seed']}"
                common[json.dumps({key: method.get(key, usual[key]) for key in sorted(usual)}, default=str)] = name
                if variant not in ("conv", "fc"):
                    places = {key: x for key, x in method.items() if key != "location_policy"}
                    alike[json.dumps([places, run["settings"]["network"]])] = name
        for groups in (alike, common):
            if len(groups) > 1:
                raise ValueError(
                    f"outcomes of {task} have different settings: {'; '.join(groups.values())}: train them anew"
                )


def mean_of(values: list[float]) -> str:
    """Mean and 95 % interval (Student's, over seeds) in per cent."""
    x = 100 * np.array(values)
    if len(x) < 2:
        return f"{x[0]:.2f}"
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5
    return f"{x.mean():.2f} ± {half:.2f}"


def averaged(one: dict[str, Any]) -> float:
    """M passes are those of the agent as it was trained: sampled places."""
    return float(one["averaged_sampled_places"])


def between(values: list[float]) -> str:
    """The lowest and the highest seed in per cent."""
    return f"{100 * min(values):.2f} to {100 * max(values):.2f}"


def core_minutes(run: dict[str, Any]) -> float:
    return float(run["seconds"] * run["cores"] / 60)


def halved(runs: list[dict[str, Any]]) -> str:
    """Core-minutes over two: what a seed costs where each of two cores trains one of its own."""
    return f"{np.mean([core_minutes(r) for r in runs]) / 2:.0f}"


def commits_of(runs: list[dict[str, Any]]) -> str:
    """Of the code that trained, in the order of the seeds."""
    return ", ".join(dict.fromkeys(r["commit"] for r in runs))


def main_row(task: str, runs: list[dict[str, Any]]) -> list[object]:
    single, many = [r["one_pass"] for r in runs], [averaged(r) for r in runs]
    most, most_averaged, allowed = WANTED[task]
    return [
        *(task, PAPER[task]["learned"], len(runs), mean_of(single), between(single), mean_of(many), between(many)),
        f"{most:.2f} / {most_averaged:.2f}",
        "yes" if 100 * np.mean(single) <= most and 100 * np.mean(many) <= most_averaged else "NO",
        *(halved(runs), allowed, commits_of(runs)),
    ]


def difference(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """Their error minus ours, with Welch's 95 % interval."""
    a, b = (100 * np.array([r["one_pass"] for r in runs]) for runs in (theirs, ours))
    if min(len(a), len(b)) < 2:
        return f"{a.mean() - b.mean():+.2f}"
    found = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return f"{a.mean() - b.mean():+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def report(results: Path) -> None:
    """Write the tables and draw the pictures of the outcomes so far."""
    found = outcomes(results / "ram")
    check_alike(found)
    mine = [main_row(task, found[task, "learned"]) for task in TASKS if (task, "learned") in found]
    header = ["task", "paper: arXiv; proceedings", "seeds", "one pass, mean locations, %", "seeds' range", "M = 10, %"]
    header += ["seeds' range", "wanted", "met", "core-minutes / 2", "allowed", "commits"]
    others = [
        [
            *(task, variant, PAPER[task].get(variant, ""), len(runs), mean_of([r["one_pass"] for r in runs])),
            mean_of([averaged(r) for r in runs]) if variant not in ("conv", "fc") else "",
            difference(found[task, "learned"], runs) if (task, "learned") in found else "",
            halved(runs),
            commits_of(runs),
        ]
        for (task, variant), runs in sorted(found.items(), key=lambda x: (TASKS.index(x[0][0]), x[0][1]))
        if variant != "learned"
    ]
    titles = ["task", "places", "paper", "seeds", "one pass, %", "M = 10, %", "minus learned (95 %)"]
    titles += ["core-minutes / 2", "commits"]
    about = (
        "Errors on the 10,000 MNIST test digits of each seed's last agent; recipes were chosen on 5,000 training "
        "digits kept apart. Intervals are Student's over seeds; of differences, Welch's. M = 10: the probabilities of "
        "ten passes with sampled places, averaged. Every seed had one core, compilation, validation and checkpoints "
        "included: core-minutes / 2 is what it costs where two cores train a seed each (one alone on both: "
        "docs/ram-notes.md). The paper's figures are those of its two versions (arXiv "
        "1406.6247; NIPS 2014), as quoted by others; where there is one, the proceedings'. Commits are those that the "
        "seeds, in order, were trained at."
    )
    parts = [table(header, mine), about, "## Who chooses the places", table(titles, others)]
    captions = (
        "The error after each glimpse is of nets trained for the last one; the paper's crosses are of one net for each "
        "number of glimpses. Looking until sure: no further glimpse once a class has a probability of 0.5 to 0.999. "
        "Bands: 95 % intervals over seeds. Core-minutes along the validation curve: the run's, by share of images."
    )
    parts += ["## Pictures", captions, *[f"![{path.stem}](ram/{path.name})" for path in draw(found, results / "ram")]]
    publish(results, "ram", "RAM", {}, parts)


def draw(found: dict[tuple[str, str], list[dict[str, Any]]], folder: Path) -> list[Path]:
    """Validation error while training, error against glimpses, and against glimpses spent when stopping early."""
    tasks = [task for task in TASKS if any(key[0] == task for key in found)]
    kinds = [
        ("training", "core-minutes", "validation error, one pass, %", ("learned", "random", "conv", "fc")),
        ("glimpses", "glimpses", "test error after each, %", ("learned", "random", "grid", "centre")),
        ("stopping", "mean glimpses, looking until sure", "test error, %", ("learned", "random", "grid", "centre")),
    ]
    drawn = []
    for stem, along, label, variants in kinds if tasks else []:
        drawn.append(folder / f"{stem}.png")
        with picture(drawn[-1], len(tasks)) as panels:
            for axes, task in zip(panels, tasks, strict=True):
                lowest = 1.0
                for variant in variants:
                    if runs := found.get((task, variant)):
                        x, y = curves(stem, runs)
                        lowest = min(lowest, y.mean(0).min())
                        curve(axes, x, 100 * y, VARIANTS[variant], variant, marker="" if stem == "training" else "o")
                if stem == "glimpses":
                    axes.plot(list(AFTER[task]), list(AFTER[task].values()), "kx", ms=6, label="paper")
                axes.set_title(task, loc="left", fontsize=11)
                # an interval over few seeds may reach below 0, where there is nothing to see
                axes.set(xlabel=along, ylabel=label, yscale="log", ylim=(100 * lowest / 1.5, None))
                plain(axes.yaxis)
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    return drawn


def curves(stem: str, runs: list[dict[str, Any]]) -> tuple[Any, Any]:
    """What is along the axis [N], and the errors [S, N] of each seed."""
    if stem == "glimpses":
        y = np.array([r["after"] for r in runs])
        return np.arange(1, y.shape[1] + 1), y
    if stem == "stopping":
        rows = np.array([[(s["mean_glimpses"], s["error"]) for s in r["stopping"]] for r in runs])
        return rows[..., 0].mean(0), rows[..., 1]
    length = min(len(r["validation_curve"]) for r in runs)
    rows = np.array([r["validation_curve"][:length] for r in runs])
    # an image takes as long at the end as at the beginning
    whole = np.mean([core_minutes(r) / r["images"] for r in runs])
    return rows[..., 0].mean(0) * whole, rows[..., 1]
