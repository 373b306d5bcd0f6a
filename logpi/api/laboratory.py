"""``logpi.variance``: the gradient estimates of every rung of the ladder, on the same trajectories of one policy."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from logpi import own_code
from logpi.api.agents import load
from logpi.api.given import check_types, named
from logpi.config.call import in_sections
from logpi.config.experiments import resolve
from logpi.config.settings import check_seed
from logpi.config.stored import settled
from logpi.driver import devices
from logpi.errors import LogpiError
from logpi.runs.folder import MANIFEST, RunFolder
from logpi.runs.lookup import agents_in
from logpi.tasks import Answer, Ladder, Subject, Table, record, task_of
from logpi.training.outcome import Outcome
from logpi.types import Policy

MOST = 10**9  # trajectories


def variance(
    target: object,
    trajectories: int = 10_000,
    *,
    batch: int = 10,
    reference: int | None = None,
    gamma: float | None = None,
    gae_lambda: float = 0.95,
    moments: int = 3,
    seed: int = 0,
    picture: str | Path | None = None,
    exact: object = None,
    policy: Policy | None = None,
    network: Table | None = None,
    env_kwargs: Table | None = None,
    code: Sequence[str] = (),
    trust: bool = False,
    root: str | Path = "runs",
    tell: Callable[[str], None] = lambda text: None,
) -> Answer:
    """Variance, signal-to-noise ratio, bias and cosine of the gradient estimate of every rung of the ladder.

    All rungs estimate the gradient of one fixed policy from the same trajectories (``docs/variance.md``). V and Q are
    fitted to 1,000 others, and ∇J, the gradient of the undiscounted return, is a mean over further ones unless given.

    Args:
        target: a name of an environment, a function that builds one, or a ``logpi.DeviceEnv``, for its untrained
            policy; or an agent (``load``), what ``train`` returned, or a path of a run or of an agent. Of a run it is
            the agent at several of its checkpoints.
        trajectories: number of trajectories of each policy, at least; they are rounded up to equal blocks.
        batch: number m of trajectories of an estimate whose baseline is made of the others', and of a cosine.
        reference: number of further trajectories whose mean stands for ∇J; by default as many as ``trajectories``.
        gamma: discount factor γ; by default that of the run, or of the environment's recipe for REINFORCE.
        gae_lambda: parameter λ of GAE.
        moments: number of checkpoints of a run, at most, evenly spread over those that it kept.
        seed: seed of the trajectories and of an untrained policy.
        picture: PNG to draw; None: nothing is drawn.
        exact: the gradient ∇J where it is known, arrays in the structure of the policy's parameters.
        policy: a network of your own instead of the standard one, for an untrained policy.
        network: settings of the standard network, for an untrained policy.
        env_kwargs: arguments of the environment, for an untrained policy.
        code: Python files that may be imported where a name or an agent names them.
        trust: import whatever code an agent names; each file is shown on standard error before.
        root: folder that holds the runs.
        tell: called with a few words before each part of the work.

    Returns:
        ``facts``, which JSON can hold, with every number of each policy in ``moments``; ``lines``, the same as a table.

    Raises:
        LogpiError: an argument is out of its range, the agent cannot be loaded, it is not one of an environment, its
            log π has no gradient, or there is no reward.
    """
    _check(trajectories, batch, reference, gamma, gae_lambda, moments, seed)
    check_types(policy, None)
    asked = Ladder(trajectories, batch, reference, gamma, gae_lambda, moments, seed, _path(picture), exact, tell)
    with own_code.command([*([target] if isinstance(target, str) else []), *code]):
        found = _trained(target, root, code, trust) or _untrained(target, policy, network or {}, env_kwargs or {})
        asked = asked._replace(gamma=gamma if gamma is not None else found.gamma)
        return record(found.kind).variance(found.subject, asked)


class _Found(NamedTuple):
    """What is measured, and the discount factor that it learns with."""

    subject: Subject
    gamma: float | None

    @property
    def kind(self) -> str:
        """Kind of task."""
        agent, experiment = self.subject.agent, self.subject.experiment
        return str(agent.kind) if experiment is None else task_of(experiment.env).name


def _path(given: str | Path | None) -> Path | None:
    """The picture's path, refused before anything is measured where no picture can be."""
    if given is None:
        return None
    path = Path(given)
    above = next((parent for parent in path.parents if parent.exists()), path)
    if path.suffix.lower() != ".png" or path.is_dir() or (above != path and not above.is_dir()):
        raise LogpiError(f"the picture cannot be {path}: give a file name that ends in .png, in a folder")
    return path


def _trained(target: object, root: str | Path, code: Sequence[str], trust: bool) -> _Found | None:
    """The agents of a run, or one agent; None where ``target`` is an environment."""
    devices.prepare()
    if (run := _run_of(target, root)) is not None:
        return _Found(Subject(agent=load(run.path, code=code, trust=trust), folder=run), _gamma_of(run))
    if not _is_agent(target):
        return None
    agent: Any = load(target, code=code, trust=trust) if isinstance(target, str | Path) else target
    return _Found(Subject(agent=agent), None)


def _untrained(target: object, policy: Policy | None, network: Table, env_kwargs: Table) -> _Found:
    """The policy that REINFORCE begins with."""
    name, implied, own = named(target)
    own = own._replace(policy=policy)
    tables = in_sections(name, "reinforce", dict(implied), own, run={}, network=network)
    experiment = settled(resolve(name, "reinforce", {**tables, "env_kwargs": env_kwargs}, own=own)[0])
    return _Found(Subject(experiment, own), experiment.method.gamma)


def _check(
    trajectories: int,
    batch: int,
    reference: int | None,
    gamma: float | None,
    gae_lambda: float,
    moments: int,
    seed: int,
) -> None:
    """Refuse what is out of its range."""
    check_seed(seed)
    counts = {"trajectories": trajectories, "reference": reference, "moments": moments}
    for name, value in counts.items():
        if value is not None and not 1 <= value <= MOST:
            raise LogpiError(f"{name} is {value}; allowed: 1 to {MOST:,}")
    if not 2 <= batch <= 1_000:
        raise LogpiError(f"batch is {batch}; allowed: 2 to 1,000 trajectories")
    for name, fraction in {"gamma": gamma, "gae_lambda": gae_lambda}.items():
        if fraction is not None and not (math.isfinite(fraction) and 0 <= fraction <= 1):
            raise LogpiError(f"{name} is {fraction}; allowed: 0 to 1")


def _run_of(target: object, root: str | Path) -> RunFolder | None:
    """The run that an argument stands for; None where it is something else."""
    if isinstance(target, Outcome):
        return target.folder
    if isinstance(target, RunFolder):
        return target
    if isinstance(target, str | Path):
        paths = (Path(target), Path(root) / target)
        return next((RunFolder(path) for path in paths if os.path.isfile(path / MANIFEST)), None)
    return None


def _is_agent(target: object) -> bool:
    return bool(agents_in(Path(target))) if isinstance(target, str | Path) else hasattr(target, "facts")


def _gamma_of(run: RunFolder) -> float | None:
    """The discount factor that a run learns with."""
    method = run.config.get("method", {})
    found = method.get("gamma") if isinstance(method, dict) else None
    return float(found) if isinstance(found, int | float) else None
