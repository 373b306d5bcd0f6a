"""The verbs that only read: ``plot``, ``runs``, ``envs``, ``algos``, ``check-env``, ``doctor``."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import tyro

from logpi.errors import LogpiError
from logpi.tasks import KINDS, record, task_of

NO_OFF = (tyro.conf.FlagCreatePairsOff,)
Json = Annotated[bool, tyro.conf.arg(help="print JSON")]
LogDir = Annotated[str, tyro.conf.arg(help="where the runs are")]


def plot(argv: list[str]) -> int:
    """Draw learning curves."""

    def options(
        runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(help="run folders", metavar="RUN")],
        out: str = "",
        title: str = "",
        log_dir: LogDir = "runs",
        json: Json = False,
    ) -> Any:
        """Draw the learning curve of one run, or compare several; runs that differ only in the seed are one curve.

        Args:
            out: the PNG; else curve.png of the run, or compare.png here
            title: over the picture
        """
        return runs, out, title, log_dir, json

    paths, out, title, root, json = tyro.cli(options, args=argv, prog="logpi plot", config=NO_OFF)
    from logpi.runs.folder import open_run
    from logpi.runs.metrics import read_metrics
    from logpi.view.plots import compare, learning_curve

    if not paths:
        raise LogpiError("no run given; `logpi runs` lists them")
    folders = [open_run(path, root) for path in paths]
    groups: dict[str, list[Any]] = {}
    settings: dict[str, Any] = {}
    for folder in folders:
        config = folder.config
        label = f"{config['env']}, {config['algo']}"
        ours = [config[part] for part in ("method", "network", "env_kwargs")]
        if settings.setdefault(label, ours) != ours:  # the same method with other settings is another curve
            label = f"{label}, {folder.path.name}"
        groups.setdefault(label, []).append(read_metrics(folder.metrics))
    if len(groups) == 1:
        ((label, metrics),) = groups.items()
        where = out or (folders[0].curve if len(folders) == 1 else "compare.png")
        path = learning_curve(metrics, where, title or label, what=_score(folders[0]))
    else:
        measured = " or ".join(sorted({_score(folder) for folder in folders}))
        path = compare(groups, out or "compare.png", title or "comparison", measured)
    print(jsonlib.dumps({"picture": str(path), "runs": [str(f.path) for f in folders]}) if json else path)
    return 0


def runs(argv: list[str]) -> int:
    """List the runs."""

    def options(log_dir: LogDir = "runs", json: Json = False) -> tuple[str, bool]:
        """List the runs in a folder, oldest first."""
        return log_dir, json

    root, json = tyro.cli(options, args=argv, prog="logpi runs", config=NO_OFF)
    from logpi.runs.folder import find_runs
    from logpi.runs.metrics import STEPS, mean

    found = find_runs(root)
    if json:
        print(jsonlib.dumps([{**info._asdict(), "path": str(info.path)} for info in found]))
        return 0
    if not found:
        print(f"no run in {root}; `logpi train CartPole-v1` makes one")
        return 0
    rows = []
    for info in found:
        score = info.metrics.get("eval/mean_reward")
        steps = int(info.metrics.get(STEPS, 0))
        shown = "" if score is None else f"{mean(score):{_spec(info.env)}}"
        rows.append([str(info.path), info.status, f"{steps:,}", shown])
    _table(("run", "status", "steps", "evaluation"), rows)
    return 0


def envs(argv: list[str]) -> int:
    """List environments."""

    def options(json: Json = False) -> bool:
        """List the environments: on the device, and every id that Gymnasium knows here."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi envs", config=NO_OFF)
    from logpi.config.experiments import recipes

    tasks = {name: task for task in map(record, KINDS) for name in task.names()}
    listed = [
        {
            "env": name,
            "runs_on": tasks[name].runs_on(name),
            "recipes": {r.algo: r.band for r in recipes() if r.env == name},
        }
        for name in sorted(tasks)
    ]
    if json:
        print(jsonlib.dumps(listed))
        return 0
    rows = [
        [
            str(e["env"]),
            str(e["runs_on"]),
            "  ".join(f"{a} {b[0]:g} to {b[1]:g}" if b else a for a, b in e["recipes"].items()),
        ]
        for e in listed
    ]
    _table(("environment", "runs on", "recipes (expected score)"), rows)
    return 0


def algos(argv: list[str]) -> int:
    """List algorithms."""

    def options(json: Json = False) -> bool:
        """List the algorithms and their settings."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi algos", config=NO_OFF)
    from logpi.config.experiments import to_table
    from logpi.methods import all_methods

    found = all_methods()
    if json:
        print(jsonlib.dumps({m.name: {"about": m.about, "settings": _finite(to_table(m.settings()))} for m in found}))
        return 0
    _table(("algorithm", "what it is"), [[m.name, m.about] for m in found])
    return 0


def check_env(argv: list[str]) -> int:
    """Test an environment."""

    def options(
        env: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="an id, module:EnvId, or path/file.py:Class")],
        steps: int = 1000,
        json: Json = False,
    ) -> tuple[str, int, bool]:
        """Play an environment with random actions, and say what to mend.

        Args:
            steps: random moves to try
        """
        return env, steps, json

    name, steps, json = tyro.cli(options, args=argv, prog="logpi check-env", config=NO_OFF)
    from logpi.envs.checker.check import check_env as check

    report = check(name, steps=steps)
    if json:
        print(jsonlib.dumps(report.to_json()))
        return 0 if report.ok else 1
    sign = {"ok": "ok   ", "warn": "warn ", "error": "ERROR"}
    for finding in report.findings:
        print(f"{sign[finding.level]}  {finding.what}" + (f"\n       → {finding.mend}" if finding.mend else ""))
    print(f"{report.steps_per_second:,.0f} steps/s with random actions")
    print("ready to train" if report.ok else "not ready: mend the errors above")
    return 0 if report.ok else 1


def doctor(argv: list[str]) -> int:
    """Say what this machine has."""

    def options(json: Json = False) -> bool:
        """Say what this machine has: devices, versions, extras, cache, video."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi doctor", config=NO_OFF)
    from logpi.runs.doctor import examine

    facts = examine()
    if json:
        print(jsonlib.dumps(facts))
        return 0
    _table(("what", "found"), [[name, str(value)] for name, value in facts.items()])
    return 0


def _finite(table: dict[str, Any]) -> dict[str, Any]:
    return {k: str(v) if v == float("inf") else v for k, v in table.items()}


def _score(folder: Any) -> str:
    """What the evaluations of a run measured."""
    env = folder.config["env"]
    return task_of(env).score(env).label


def _spec(env: str) -> str:
    """How a score is written, as ``format`` takes it."""
    return ".2%" if task_of(env).score(env).percent else ".1f"


def _table(header: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table(*(Column(name, overflow="fold") for name in header), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=250)  # a pipe has no width: let no line be folded there
    console.print(table)
