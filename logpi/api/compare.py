"""Comparison from Python: ``logpi.compare``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from logpi import own_code
from logpi.clusters.jobs import Job, Place
from logpi.clusters.place import HERE, place_of
from logpi.comparison.cells import entries, numbers
from logpi.comparison.folder import Cell, Plan, cells, existing, halves, methods, read_plan, trained, write_plan
from logpi.comparison.page import markdown
from logpi.comparison.references import given as reference
from logpi.comparison.report import PAGE, write
from logpi.comparison.statistics import RESAMPLES
from logpi.config.call import experiment_of
from logpi.config.stored import SettingsFile, read_file
from logpi.config.values import plain
from logpi.driver import devices
from logpi.errors import LogpiError, NotFiniteError, TooLargeError
from logpi.runs.lock import locked
from logpi.tasks import NOTHING, check_name, task_of
from logpi.training.signals import stop_on_signal

OUT = "comparison"  # folder
BASE: Mapping[str, object] = {"video": False, "tensorboard": False}  # of a run that a comparison trains
RESERVED = ("seed", "seeds", "log_dir")  # settings that the comparison itself decides
Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A comparison that was made: where it lies, its numbers, and what it says."""

    folder: Path
    page: Path  # comparison.html
    facts: Mapping[str, Any]  # what comparison.json holds
    failures: Sequence[str] = ()  # cells that could not be trained, with the reason

    @property
    def verdict(self) -> str:
        """Which method is better, or why none is named."""
        return str(self.facts["verdict"])

    @property
    def text(self) -> str:
        """Tables, verdict and remarks as Markdown."""
        return markdown(self.facts)

    def __repr__(self) -> str:
        return f"Comparison({str(self.folder)!r}: {self.verdict})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the page."""
        from html import escape

        page = self.page.read_text(encoding="utf-8")
        return f'<iframe srcdoc="{escape(page)}" style="width:100%;height:70em;border:0"></iframe>'


def compare(
    runs: Sequence[str | Path] = (),
    *,
    envs: Sequence[str] = (),
    algos: Sequence[str] | Mapping[str, str] = (),
    seeds: int = 10,
    seed: int = 0,
    out: str | Path = OUT,
    references: Mapping[str, Sequence[float]] | None = None,
    resamples: int = RESAMPLES,
    root: str | Path = "runs",
    on: str = HERE,
    cores: int = 1,
    tell: Tell = lambda text: None,
    **settings: object,
) -> Comparison:
    """Compare methods over environments and seeds: from runs that exist, or from runs that are trained for it.

    With ``envs`` and ``algos`` each method is trained in each environment, all seeds at once where that fits into
    memory; an interrupted comparison goes on when it is called again with the same ``out``, to the same numbers.
    Without ``runs``, ``envs`` and ``algos`` the comparison in ``out`` goes on. Statistics are those of Agarwal et al.
    2021; the seed is the unit.

    Args:
        runs: run folders, folders of runs or of comparisons, or names in ``root``; "LABEL=PATH" names the method. Runs
            that differ in the seed alone are one method.
        envs: names of environments, image tasks or games to train in.
        algos: methods to train, each "ALGO SETTING=VALUE …", where a settings file may stand for ALGO; "LABEL=ALGO …"
            or a mapping from labels gives it a name.
        seeds: number of seeds of each method in each environment.
        seed: first seed.
        out: folder of the comparison.
        references: scores of random and of good play by environment, which become 0 and 1; by default those that logpi
            knows.
        resamples: number of resamples of the bootstrap, and of permutations.
        root: folder in which ``runs`` are looked for by name.
        on: where runs are trained: "here" in this process, "ray" or "ray:ADDRESS", "slurm" or "slurm:PARTITION", or
            "processes" of this machine. All machines must reach ``out`` by the same path.
        cores: CPUs that each run asks a cluster for.
        tell: called with a line for each run that is trained.
        **settings: settings of every run that is trained, such as ``total_timesteps=200_000``.

    Returns:
        The folder with comparison.html, .md, .json, and all numbers.

    Raises:
        LogpiError: no such run, a setting is wrong, budgets differ before training, the place cannot be reached, or
            the disk refuses.
        KeyboardInterrupt: training was stopped; the same call goes on.
    """
    folder, common = Path(out), {name: plain(value) for name, value in settings.items()}
    scales = {env: list(pair) for env, pair in (references or {}).items()}
    plan = Plan(list(envs), _texts(algos), seeds, seed, common, [str(path) for path in runs], scales, resamples)
    named = [*plan.envs, *(method.algo for method in methods(plan) if method.algo)]  # not what the folder names
    plan = _checked(plan, folder)
    with locked(folder, "comparison"), own_code.command(named):
        _check_budgets(plan)
        for text in plan.runs:
            existing(text, root)  # raises where there is none, before anything is kept
        place = place_of(on, folder, cores)
        write_plan(folder, plan)
        return _written(folder, plan, list(_train(folder, plan, place, named, tell)), root)


def _texts(algos: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Methods as texts "LABEL=ALGO …"."""
    return [f"{label}={text}" for label, text in algos.items()] if isinstance(algos, Mapping) else list(algos)


def _checked(plan: Plan, folder: Path) -> Plan:
    """``plan``, or the one in ``folder`` where nothing is asked for.

    Raises:
        LogpiError: something is missing or out of range.
    """
    if not (plan.runs or plan.envs or plan.algos):
        found = read_plan(folder)
        if found is None:
            raise LogpiError(f"nothing to compare: give runs, or envs and algos; {folder} holds no comparison to go on")
        return found
    if bool(plan.envs) != bool(plan.algos):
        raise LogpiError("envs and algos belong together: what is trained is every method in every environment")
    for name, value, least in (("seeds", plan.seeds, 1), ("seed", plan.seed, 0), ("resamples", plan.resamples, 100)):
        if value < least:
            raise LogpiError(f"{name} is {value}; it must be at least {least}")
    if taken := [name for name in RESERVED if name in plan.settings]:
        raise LogpiError(f"{taken[0]} is not a setting of a single run here: seeds=, seed= and out= decide it")
    if len(set(plan.envs)) < len(plan.envs):
        raise LogpiError(f"an environment is named twice: {', '.join(plan.envs)}")
    for env, pair in plan.references.items():
        reference(env, pair)
        if env not in plan.envs and not plan.runs:
            raise LogpiError(f"a reference names {env}, which is not compared; allowed: {', '.join(plan.envs)}")
    return plan


def _check_budgets(plan: Plan) -> None:
    """Resolve every experiment before the first one is trained.

    Raises:
        LogpiError: a name or a setting is wrong, a method does not serve an environment, or two methods have unequal
            budgets in one.
    """
    if plan.trains:
        devices.prepare()  # before what is built here starts JAX: it would have one device for all cores
    own_code.require_code(*plan.envs, *(method.algo for method in methods(plan) if method.algo))
    for env in plan.envs:
        check_name(env)
        found = {}
        for method in methods(plan):
            given = read_file(method.config) if method.config else SettingsFile()
            settings = {**plan.settings, **method.settings}
            experiment = experiment_of(env, method.algo or given.algo or None, given, settings, run=_base(settings))
            found[method.label] = experiment
        lengths = {label: task_of(env).length(experiment) for label, experiment in found.items()}
        if len({length.timesteps for length in lengths.values()}) > 1:
            said = ", ".join(f"{label} {length.timesteps // length.each:,}" for label, length in lengths.items())
            raise LogpiError(
                f"{env}: budgets differ ({said}): give all the same, such as {task_of(env).horizon}=200_000"
            )
        for label, experiment in found.items():
            try:
                task_of(env).build(experiment, NOTHING)
            except LogpiError as error:
                raise LogpiError(f"{label} in {env}: {error}") from error


def _base(settings: Mapping[str, object]) -> dict[str, object]:
    """What is set for a run unless ``settings`` say otherwise."""
    return {name: value for name, value in BASE.items() if name not in settings}


def _train(folder: Path, plan: Plan, place: Place, named: Sequence[str], tell: Tell) -> Iterator[str]:
    """Train what is not finished yet; yields what went wrong in a cell, which keeps no other cell from training."""
    try:
        with stop_on_signal(lambda what, done, total: None, tell) as stop:
            for ended in place.each(_jobs(folder, plan, named), tell, stop.watch):
                if ended.error:
                    tell(f"{ended.job.name}: failed: {ended.error}")
                    yield f"{ended.job.name}: {ended.error}"
    except KeyboardInterrupt as interrupt:
        said = f"{interrupt}; " if str(interrupt) else ""
        raise KeyboardInterrupt(f"{said}`logpi compare --out {folder}` goes on") from interrupt


def _jobs(folder: Path, plan: Plan, named: Sequence[str]) -> list[Job]:
    """A job for each cell, or for each of its seeds where they would only take turns."""
    found = []
    for number, cell in enumerate(cells(folder, plan)):
        at_once = plan.seeds if task_of(cell.env).runs_on(cell.env) == "device" else 1
        for first in range(plan.seed, plan.seed + plan.seeds, at_once):
            name = f"{cell.method.label}, {cell.env}, {numbers(range(first, first + at_once))}"
            found.append(Job(name, train_seeds, (str(folder), plan, number, first, at_once, list(named))))
    return found


def train_seeds(folder: str, plan: Plan, number: int, first: int, count: int, named: Sequence[str], tell: Tell) -> None:
    """Bring ``count`` seeds from ``first`` on of the cell ``number`` of a plan to their end; the work of a ``Job``.

    Args:
        folder: of the comparison.
        plan: that of the folder.
        number: of the cell, from 0 on.
        first: seed.
        count: number of seeds.
        named: code that the command named.
        tell: called with a line for each run.

    Raises:
        LogpiError: they cannot be trained.
        KeyboardInterrupt: training was stopped.
    """
    every = cells(Path(folder), plan)
    cell = every[number]
    with own_code.command(named):
        try:
            _seeds(cell, plan, first, count, lambda text: tell(f"{number + 1} of {len(every)}: {_said(cell, text)}"))
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"{cell.method.label} in {cell.env} is not finished") from stop


def _said(cell: Cell, text: str) -> str:
    return f"{cell.method.label}, {cell.env}, {text}"


def _seeds(cell: Cell, plan: Plan, first: int, count: int, tell: Tell) -> None:
    """Train ``count`` seeds from ``first`` on in one run, or in halves where they do not fit or one ends in NaN.

    Raises:
        LogpiError, KeyboardInterrupt: as ``logpi.train``; a single seed that ends in NaN is a result, not an error.
    """
    if cell.is_split(first, count) or not _trained_at_once(cell, plan, first, count, tell):
        for half in halves(first, count):
            _seeds(cell, plan, *half, tell)


def _trained_at_once(cell: Cell, plan: Plan, first: int, count: int, tell: Tell) -> bool:
    """Train the seeds in one run, unless that is done; False where they have to be trained in halves."""
    run, began, name = cell.run(first, count), time.perf_counter(), numbers(range(first, first + count))
    if run is not None and (run.status == "finished" or run.failure):
        return True
    try:
        _one_run(cell, plan, first, count)
    except NotFiniteError as error:
        tell(f"{name}: ended in NaN or infinity: {error}")
        return count == 1
    except TooLargeError as error:
        if count == 1:
            raise
        tell(f"{name}: in halves: {error}")
        cell.place(*halves(first, count)[0]).mkdir(parents=True, exist_ok=True)  # by which a second start knows it
        return False
    tell(f"{name}: trained in {time.perf_counter() - began:.0f} s")
    return True


def _one_run(cell: Cell, plan: Plan, first: int, count: int) -> None:
    """Train a run from its beginning, or from its newest checkpoint."""
    from logpi.api.again import brought_to_its_end
    from logpi.api.runs import train

    place, settings = cell.place(first, count), {**plan.settings, **cell.method.settings}
    own = _base(settings) | {"seed": first, "seeds": count, "log_dir": str(place)}
    method = cell.method
    brought_to_its_end(
        place, lambda: train(cell.env, method.algo, config=method.config, quiet=True, run=own, **settings)
    )


def _written(folder: Path, plan: Plan, failures: list[str], root: str | Path) -> Comparison:
    """Read all runs, and write what they say into ``folder``."""
    runs = [*trained(folder, plan), *(found for text in plan.runs for found in existing(text, root))]
    if not runs:
        raise LogpiError(f"no run to compare: {'; '.join(failures) or 'none was begun'}")
    distinct = {run.path.resolve(): (label, run) for label, run in runs}
    scales = {env: reference(env, pair) for env, pair in plan.references.items()}
    facts = write(folder, entries(list(distinct.values())), scales, plan.resamples, failures)
    return Comparison(folder, folder / PAGE, facts, failures)
