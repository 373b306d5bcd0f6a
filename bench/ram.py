"""RAM against the paper's tables: test errors over seeds, beside models that do not choose where to look.

    python bench/ram.py --work DIR [--only ram/cluttered:random ...] [--seeds 3] [--minutes N]
    python bench/ram.py --report

The first form trains, by `logpi train`, every model that has no outcome in `results/ram` yet, one after the other; a
run that was cut is resumed, so that the whole may be done in pieces. `--minutes` ends it after that time, at a
checkpoint. The last agent of each run is judged once on the 10,000 test digits. `--core N` keeps to one core. What
follows `--` is handed on to `logpi train`. The second form only writes the tables and pictures.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from report import BENCH, commit, machine, parser, publish, table
from scipy import stats

from logpi import devices

TASKS = ["ram/mnist", "ram/translated", "ram/cluttered", "ram/cluttered-100"]
VARIANTS: dict[str, list[str]] = {
    "learned": [],
    "random": ["--where", "random"],
    "conv": ["--algo", "classifier", "--net", "conv"],
    "fc": ["--algo", "classifier", "--net", "fc"],
    "grid": ["--where", "grid"],
    "centre": ["--where", "centre"],
}
# Mnih et al. 2014, tables 1 and 2, in per cent: arXiv's version; the proceedings', which is stricter
PAPER = {
    "ram/mnist": {"learned": "1.29 (6 glimpses); 1.07 (7)", "conv": "1.21", "fc": "1.69"},
    "ram/translated": {"learned": "1.84; 1.20", "conv": "1.62", "fc": "2.63"},
    "ram/cluttered": {"learned": "5.23; 4.04", "conv": "7.83; 8.09", "fc": "11.96", "random": "14.4"},
    "ram/cluttered-100": {"learned": "10.83; 8.11", "conv": "16.51"},
}
WANTED = {  # one pass, M = 10, minutes a seed on two cores
    "ram/mnist": (1.07, 0.60, 25),
    "ram/translated": (1.20, 0.9, 45),
    "ram/cluttered": (4.04, 2.6, 60),
    "ram/cluttered-100": (8.11, 5.9, 90),
}
OUTCOMES = BENCH / "results" / "ram"
PASSES = 10


def name_of(task: str, variant: str, seed: int) -> str:
    return f"{task.removeprefix('ram/')}-{variant}-{seed}"


def wanted(only: list[str] | None, seeds: range) -> Iterator[tuple[str, str, int]]:
    """(task, variant, seed) in the order of their weight."""
    first = [(task, "learned", seed) for seed in seeds for task in TASKS]
    rest = [(task, variant, seed) for variant in list(VARIANTS)[1:] for seed in seeds for task in TASKS]
    for task, variant, seed in first + rest:
        if only is None or task in only or f"{task}:{variant}" in only:
            yield task, variant, seed


def train(folder: Path, task: str, variant: str, seed: int, flags: list[str], until: float) -> Path | None:
    """Train or resume; the run's folder once it has finished, None where the time was up."""
    run = next(iter(folder.glob("*/*/config.toml")), None)
    if run is None:
        command = ["train", task, "--seed", str(seed), "--no-video", "--quiet", "--log-dir", str(folder)]
        command += [*VARIANTS[variant], *flags]
    elif (run.parent / "result.json").exists():
        return run.parent
    else:
        command = ["resume", str(run.parent), "--quiet"]
    print("$ logpi", *command, file=sys.stderr, flush=True)
    process = subprocess.Popen([sys.executable, "-m", "logpi", *command])
    try:
        process.wait(max(until - time.monotonic(), 1.0))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # it saves, and says how to go on
        process.wait()
        return None
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"logpi {' '.join(command)} ended with exit code {process.returncode}")
    return next(iter(folder.glob("*/*/result.json"))).parent


def seconds_of(run: Path) -> float:
    """Of training, over all the pieces of a run: each piece's clock begins at 0."""
    clock = [json.loads(line)["time/time_elapsed"] for line in (run / "timing.jsonl").read_text().splitlines()]
    ends = [now for now, after in zip(clock, [*clock[1:], 0.0], strict=True) if after < now]
    return sum(ends)


def judged(run: Path, task: str, variant: str, seed: int, cores: int) -> dict[str, Any]:
    """The outcome of a finished run."""
    from logpi.glimpse.agent import load_image_agent
    from logpi.glimpse.judging import judge

    agent = load_image_agent(run / "last")
    one, sampled = (judge(agent, 10_000, PASSES, sampled=sampled) for sampled in (False, True))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    curve = [
        (row["time/total_timesteps"] / agent.config.steps_an_image, 1 - row["eval/mean_reward"])
        for row in rows
        if "eval/mean_reward" in row
    ]
    return {
        "task": task,
        "variant": variant,
        "seed": seed,
        "one_pass": one.one_pass,
        "averaged_mean_places": one.averaged,
        "averaged_sampled_places": sampled.averaged,
        "passes": one.passes,
        "after": one.after,
        "stopping": one.stopping,
        "images": curve[-1][0],
        "validation_curve": curve,
        "seconds": seconds_of(run),
        "cores": cores,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": (run / "command.txt").read_text().strip(),
        "settings": {name: agent.facts[name] for name in ("method", "network")},
    }


def outcomes() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What there is so far, by task and variant, seeds in order."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(OUTCOMES.glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault((one["task"], one["variant"]), []).append(one)
    return found


def mean_of(values: list[float]) -> str:
    """Mean and 95 % interval (Student's, over seeds) in per cent."""
    x = 100 * np.array(values)
    if len(x) < 2:
        return f"{x[0]:.2f}"
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5
    return f"{x.mean():.2f} ± {half:.2f}"


def best_averaged(one: dict[str, Any]) -> float:
    """M passes are those of the agent as it was trained: sampled places."""
    return float(one["averaged_sampled_places"])


def main_row(task: str, runs: list[dict[str, Any]]) -> list[object]:
    single, many = [r["one_pass"] for r in runs], [best_averaged(r) for r in runs]
    most, most_averaged, minutes = WANTED[task]
    took = float(np.mean([r["seconds"] * r["cores"] / 2 / 60 for r in runs]))
    return [
        *(task, PAPER[task]["learned"], len(runs), mean_of(single), mean_of(many)),
        f"{most:.2f} / {most_averaged:.2f}",
        "yes" if 100 * np.mean(single) <= most and 100 * np.mean(many) <= most_averaged else "NO",
        *(f"{took:.0f}", minutes),
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
    found = outcomes()
    mine = [main_row(task, found[task, "learned"]) for task in TASKS if (task, "learned") in found]
    header = ["task", "paper: arXiv; proceedings", "seeds", "one pass, mean locations, %", "M = 10, %"]
    header += ["wanted", "met", "minutes a seed on two cores", "allowed"]
    others = [
        [
            *(task, variant, PAPER[task].get(variant, ""), len(runs), mean_of([r["one_pass"] for r in runs])),
            mean_of([best_averaged(r) for r in runs]) if variant not in ("conv", "fc") else "",
            difference(found[task, "learned"], runs) if (task, "learned") in found else "",
            f"{np.mean([r['seconds'] * r['cores'] / 120 for r in runs]):.0f}",
        ]
        for (task, variant), runs in sorted(found.items(), key=lambda x: (TASKS.index(x[0][0]), x[0][1]))
        if variant != "learned"
    ]
    titles = ["task", "places", "paper", "seeds", "one pass, %", "M = 10, %", "minus learned (95 %)", "minutes"]
    commits = sorted({r["commit"] for runs in found.values() for r in runs})
    about = (
        "Errors on the 10,000 MNIST test digits of each seed's last agent; recipes were chosen on 5,000 training "
        "digits kept apart. Intervals are Student's over seeds; of differences, Welch's. M = 10: the probabilities of "
        "ten passes with sampled places, averaged. Minutes are core-minutes over two, compilation, validation and "
        f"checkpoints included. Trained at commit {', '.join(commits)}. The paper's figures are those of its two "
        "versions (arXiv 1406.6247; NIPS 2014), as quoted by others; where there is one, the proceedings'."
    )
    parts = [table(header, mine), about, "## Who chooses the places", table(titles, others)]
    parts += ["## Pictures", *[f"![{path.stem}](ram/{path.name})" for path in draw(found)]]
    publish(results, "ram", "RAM", {}, parts)


def draw(found: dict[tuple[str, str], list[dict[str, Any]]]) -> list[Path]:
    """Error against glimpses and against glimpses spent when stopping early, and validation error while training."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    drawn = []
    panels = [
        ("glimpses", "test error after each glimpse, %", "glimpses"),
        ("stopping", "test error, %", "mean glimpses, looking until sure"),
        ("training", "validation error, %", "million images learnt from"),
    ]
    for stem, label, along in panels:
        figure = Figure(figsize=(7, 4.4), dpi=140, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for color, task in zip(colors, TASKS, strict=True):
            for variant, style in (("learned", "-"), ("random", ":")):
                runs = found.get((task, variant), [])
                if runs:
                    x, y = curve_of(stem, runs)
                    axes.plot(x, 100 * y, style, color=color, marker="o", ms=3, label=f"{task}, {variant}")
        axes.set(xlabel=along, ylabel=label, yscale="log")
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        axes.grid(color="#DDDDDD", lw=0.7, which="both", alpha=0.6)
        axes.legend(frameon=False, fontsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        path = OUTCOMES / f"{stem}.png"
        figure.savefig(path)
        drawn.append(path)
    return drawn


def curve_of(stem: str, runs: list[dict[str, Any]]) -> tuple[Any, Any]:
    """The means over seeds."""
    if stem == "glimpses":
        y = np.mean([r["after"] for r in runs], 0)
        return np.arange(1, len(y) + 1), y
    if stem == "stopping":
        rows = np.mean([[(s["mean_glimpses"], s["error"]) for s in r["stopping"]] for r in runs], 0)
        return rows[:, 0], rows[:, 1]
    length = min(len(r["validation_curve"]) for r in runs)
    rows = np.mean([r["validation_curve"][:length] for r in runs], 0)
    return rows[:, 0] / 1e6, rows[:, 1]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, metavar="DIR", help="run folders")
    arguments.add_argument("--report", action="store_true", help="train nothing")
    arguments.add_argument("--only", nargs="+", metavar="TASK[:VARIANT]")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--minutes", type=float, default=1e6)
    arguments.add_argument("--core", type=int, help="keep to this core")
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    args: argparse.Namespace = arguments.parse_args(own[:cut])
    if args.core is not None:
        os.sched_setaffinity(0, {args.core})
    if not args.report:
        if args.work is None:
            arguments.error("--work says where the run folders go")
        until = time.monotonic() + 60 * args.minutes
        devices.prepare()
        for task, variant, seed in wanted(args.only, range(args.first_seed, args.first_seed + args.seeds)):
            name = name_of(task, variant, seed)
            if (OUTCOMES / f"{name}.json").exists():
                continue
            run = train(args.work.resolve() / name, task, variant, seed, own[cut + 1 :], until)
            if run is None:
                break
            OUTCOMES.mkdir(parents=True, exist_ok=True)
            outcome = judged(run, task, variant, seed, devices.cores())
            (OUTCOMES / f"{name}.json").write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    report(args.results)


if __name__ == "__main__":
    main()
