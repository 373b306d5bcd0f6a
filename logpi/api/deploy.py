"""Trained agents for other programs and machines: ONNX models, bundles and the hub."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from logpi.api.agents import agent_of, load, path_of
from logpi.deploy import hub
from logpi.deploy.bundle import check_free, without_paths, write_bundle
from logpi.deploy.card import Subject, interval_text
from logpi.deploy.onnx import write_onnx
from logpi.errors import LogpiError
from logpi.own_code import named_in
from logpi.runs.cards import read_card, task_in
from logpi.runs.create import toml_text
from logpi.runs.files import parse_json, parse_toml, read_text, size_of
from logpi.runs.folder import MANIFEST, RunFolder
from logpi.runs.lookup import agent_folder
from logpi.runs.metrics import SPENT, last_values
from logpi.runs.shipped import RESULTS
from logpi.tasks import Agent, Facts, Film, Measured, Question, record
from logpi.training.outcome import Outcome


class Written(NamedTuple):
    """A file that was written."""

    path: Path
    bytes: int
    lines: list[str]  # its inputs and outputs for people: name, type, shape


def export(agent: Agent | str | Path | Outcome | RunFolder, onnx: str | Path) -> Written:
    """Write how an agent acts as an ONNX model, which other programs run without logpi, JAX and Python.

    All that the agent does to an observation and to its action is inside. ``docs/deploy.md`` lists the inputs and
    outputs of each kind of agent. The model's answers are compared with the agent's before it is written.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        onnx: the file, ``.onnx``; one that exists is replaced.

    Raises:
        LogpiError: the extra ``onnx`` is not installed, the agent's network uses an operation that ONNX lacks, the
            file has another ending, or the disk refuses.
    """
    path = Path(onnx)
    if path.suffix != ".onnx":
        raise LogpiError(f"{path} does not end in .onnx; name a file such as agent.onnx")
    found = agent_of(agent)
    facts: dict[str, str] = {key: str(found.facts[key]) for key in ("env", "algo") if key in found.facts}
    lines = write_onnx(record(found.kind).export(found), path, facts | {"made_by": "logpi"})
    return Written(path, path.stat().st_size, lines)


class Bundled(NamedTuple):
    """A bundle that was written."""

    path: Path
    bytes: int
    measured: Measured
    notes: list[str]  # what it lacks, and why

    @property
    def score(self) -> str:
        """The score with its interval in words."""
        found = self.measured
        return f"{found.what} {interval_text(found)} over {found.cases:,} {found.over}"


def bundle(
    path: str | Path | Outcome | RunFolder,
    out: str | Path | None = None,
    *,
    episodes: int | None = None,
    video: bool = True,
) -> Bundled:
    """Write the agent of a run, with a card, its score and a video, into a folder that any machine loads.

    The agent is evaluated for the card, on cases that neither training nor the choice of the agent has used. A bundle
    is the folder of an agent: ``load``, ``evaluate``, ``film`` and the commands take it as they take a run.

    Args:
        path: a run (its best agent, else its last; of several seeds the first), or the folder of an agent.
        out: the folder to write; ``<algo>-<environment>`` in the working folder by default.
        episodes: number of episodes, images or games of the evaluation; by default as ``evaluate`` has them.
        video: film an episode, where the agent can be filmed.

    Raises:
        LogpiError: there is no such agent, it cannot be evaluated here, ``out`` exists, or the disk refuses.
    """
    given = path_of(path)
    if given is None:
        raise LogpiError(
            f"path is a {type(path).__name__}; allowed: a path of a run or of an agent, what train returned"
        )
    folder = agent_folder(given)
    agent, task = load(folder), record(task_in(folder))
    card = read_card(folder)
    env, algo = str(card["env"]), str(card["algo"])
    target = Path(out or f"{algo}-{env}".replace("/", "-").replace(":", "-"))
    check_free(target)  # before the evaluation, which may take minutes
    measured = task.evaluate(agent, Question(episodes)).measured
    assert measured is not None  # every kind of task has one
    code = [name for name in named_in(card) if ":" in name]
    notes = [f"it needs {name}, code that a bundle does not hold" for name in code]

    def film(place: Path) -> Path | None:
        if not video:
            return None
        try:
            return task.film(agent, Film(place))
        except LogpiError as error:
            notes.append(f"no video: {error}")
            return None

    run = run_of(folder)
    config, training = (run.config, trained(run)) if run else kept(folder)
    subject = Subject(env, algo, task.hub_task, measured, training, code, {})
    config_text = toml_text(without_paths(config)) if config else ""
    write_bundle(target, folder, subject, datetime.now().astimezone().isoformat(timespec="seconds"), config_text, film)
    return Bundled(target, size_of(target), measured, notes)


def push(folder: str | Path, repo: str, *, private: bool = False) -> str:
    """Send a bundle to the Hugging Face hub as one commit: all of it arrives, or nothing.

    The token is huggingface_hub's own (``HF_TOKEN``, or ``hf auth login``).

    Args:
        folder: what ``bundle`` wrote.
        repo: OWNER/NAME; it is made where it is not there.
        private: a new repository is seen by its owner alone.

    Returns:
        The address of its page.

    Raises:
        LogpiError: ``folder`` is not a whole bundle, the extra ``hub`` is not installed, or the hub refuses or is not
            reached.
    """
    return hub.push(Path(folder), repo, private)


def pull(repo: str, out: str | Path | None = None, *, revision: str | None = None) -> Path:
    """Fetch a bundle from the Hugging Face hub: whole and equal to its sums, or not at all.

    Args:
        repo: OWNER/NAME.
        out: the folder to write; NAME in the working folder by default.
        revision: branch, tag or commit; by default the newest.

    Returns:
        The folder, for ``load``.

    Raises:
        LogpiError: ``out`` exists, the repository holds no bundle, the extra ``hub`` is not installed, the hub refuses
            or is not reached, or the disk refuses.
    """
    target = Path(out or repo.rpartition("/")[2])
    hub.pull(repo, target, revision)
    return target


def run_of(folder: Path) -> RunFolder | None:
    """The run that the agent in ``folder`` is part of; None where it stands alone."""
    for place in list(folder.resolve().parents)[:3]:  # best/, best/seed_0/, stages/1000/
        if (place / MANIFEST).is_file():
            return RunFolder(place)
    return None


def kept(folder: Path) -> tuple[Facts, Facts]:
    """(settings, how it was trained) of the agent in ``folder``, as far as it is a bundle."""
    config: Facts = {}
    training: Facts = {}
    with contextlib.suppress(OSError, ValueError):
        config = parse_toml(read_text(folder / "config.toml"))
    with contextlib.suppress(OSError, ValueError, LookupError, AttributeError):
        told = parse_json(read_text(folder / RESULTS))["training"].items()
        training = {str(name): str(value) for name, value in told}
    return config, training


def trained(run: RunFolder) -> Facts:
    """How a run was trained, for the card of its agent; what its files do not say is left out."""
    found: Facts = {}
    with contextlib.suppress(LogpiError, LookupError, TypeError, ValueError):
        manifest = run.manifest
        found["seeds"] = ", ".join(map(str, manifest["seeds"]))
        found["started"] = manifest["started"]
        found["length"] = f"{run.length['timesteps'] / run.length['each']:,.0f} {run.length['unit']}"
        found["machine"] = f"{manifest['machine']['cores']} cores, {manifest['machine']['device']}"
        found["versions"] = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items() if version)
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        spent: Any = last_values(run.path / "timing.jsonl")[SPENT]
        found["minutes"] = f"{spent / 60:.1f}"
    return found
