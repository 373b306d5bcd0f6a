"""Training from Python: ``logpi.train`` and ``logpi.resume``, as loops ``logpi.training`` and ``logpi.resuming``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logpi import own_code
from logpi.api.given import check_types, method_given, named
from logpi.api.steps import Callback, Training, through, within
from logpi.config.call import experiment_of, python_command
from logpi.config.experiments import promised
from logpi.config.lengths import lengthened
from logpi.config.settings import Experiment
from logpi.config.stored import HISTORY, Recipe, SettingsFile, check_objects, experiment_from_table, read_file, settled
from logpi.config.wrappers import wrappings
from logpi.errors import LogpiError
from logpi.methods import AnyMethod
from logpi.runs.files import Json
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import open_run
from logpi.tasks import NOTHING, Own, Table
from logpi.training import session
from logpi.training.newest import Earlier
from logpi.training.outcome import Outcome, presented
from logpi.training.session import Events
from logpi.types import Policy

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

    from logpi.types import Algorithm


def train(
    env: object = None,
    algo: str | AnyMethod | None = None,
    *,
    config: str | Path | None = None,
    init_from: str | Path | None = None,
    policy: Policy | str | None = None,
    algorithm: Callable[..., Algorithm] | None = None,
    eval_env: VectorEnv | None = None,
    code: Sequence[str] = (),
    callback: Callback | None = None,
    quiet: bool = False,
    run: Table | None = None,
    network: Table | None = None,
    env_kwargs: Table | None = None,
    wrappers: Sequence[str | Sequence[object]] | None = None,
    frame_stack: int | None = None,
    **settings: object,
) -> Outcome:
    """Train an agent, as ``logpi train`` does.

    Args:
        env: a name of ``logpi envs``, ``module:EnvId``, ``path/file.py:Class``, a function that builds a
            ``gymnasium.Env``, or a ``gymnasium.vector.VectorEnv``; None: what ``config`` names.
        algo: name of the method, one of ``logpi algos``; or a method of your own, what ``logpi.method`` makes of a
            function; None: that of ``config`` or of the environment's recipe.
        config: a TOML file of settings, such as the ``config.toml`` of a run; the other arguments win over it.
        init_from: a run, or an agent's folder, whose parameters (and observation normalizer) training begins with.
        policy: a network of your own (``logpi.Policy``, or ``path/file.py:name``) instead of the standard one.
        algorithm: a method of your own, ``(settings, policy, spec, obs) -> logpi.Algorithm``, with the settings of
            ``algo``.
        eval_env: a ``gymnasium.vector.VectorEnv`` to evaluate in, where ``env`` is one without a registered id.
        code: further Python files of your own that may be imported.
        callback: called with a ``logpi.Event`` after each row of metrics; where it raises, the run is saved first.
        quiet: no display.
        run: settings of ``logpi.config.settings.Run``, such as ``{"seed": 1, "video": False}``.
        network: settings of the method's network.
        env_kwargs: arguments of the environment.
        wrappers: wrappers around the environment, innermost first: names, or pairs of a name and its arguments, such as
            ``["time-limit", {"max_episode_steps": 100}]``; []: none; None: those that ``env`` stands for.
        frame_stack: number of newest frames in an observation; 1: no stack.
        **settings: single settings of the method, the network or the run, such as ``total_timesteps=20_000``,
            ``hidden=[32]`` or ``seed=1``.

    Raises:
        LogpiError: a name or a setting is wrong, or the run or the callback failed; the message says what to do.
    """
    parts: dict[str, Any] = {"config": config, "init_from": init_from, "policy": policy, "algorithm": algorithm}
    parts |= {"eval_env": eval_env, "code": code, "quiet": quiet, "run": run, "network": network}
    parts |= {"env_kwargs": env_kwargs, "wrappers": wrappers, "frame_stack": frame_stack}
    return through(_begun(Given(env, algo, **parts, settings=settings)), callback)


def training(env: object = None, algo: str | AnyMethod | None = None, **arguments: Any) -> Training:
    """Train an agent in a loop over its events: ``for event in logpi.training("CartPole-v1"): ...``.

    Args:
        env: as in ``logpi.train``.
        algo: as in ``logpi.train``.
        **arguments: the other arguments of ``logpi.train``, but for ``callback``.

    Raises:
        LogpiError: as ``logpi.train``, when the loop begins.
    """
    _no_callback(arguments)
    known = {name: arguments.pop(name) for name in Given._fields[2:-1] if name in arguments}
    return Training(lambda: _begun(Given(env, algo, **known, settings=arguments)))


class Given(NamedTuple):
    """The arguments of ``logpi.train``."""

    env: object
    algo: str | AnyMethod | None
    config: str | Path | None = None
    init_from: str | Path | None = None
    policy: Policy | str | None = None
    algorithm: Callable[..., Algorithm] | None = None
    eval_env: VectorEnv | None = None
    code: Sequence[str] = ()
    quiet: bool = False
    run: Table | None = None
    network: Table | None = None
    env_kwargs: Table | None = None
    wrappers: Sequence[str | Sequence[object]] | None = None
    frame_stack: int | None = None
    settings: Mapping[str, object] = {}


def _begun(given: Given) -> Events[Outcome]:
    """The run that ``given`` asks for."""
    around = None if given.wrappers is None else wrappings(given.wrappers)
    texts = [text for text in (given.env, given.algo, given.policy) if isinstance(text, str)]
    names = [*texts, *(name for name, _ in around or ()), *given.code]
    return within(names, (), _training(given._replace(wrappers=around)))


def _training(given: Given) -> Events[Outcome]:
    check_types(given.policy, given.algorithm)
    experiment, own, recipe = _resolved(given)
    with presented(experiment, promised(experiment, recipe), given.quiet, own) as show:
        return show(
            (yield from session.starting(experiment, _written(given, experiment, own), show.view, own, show.band))
        )


def _written(given: Given, experiment: Experiment, own: Own) -> str:
    """What command.txt says of the call."""
    arguments: Json = {
        "env": experiment.env if own.env is None else None,
        "algo": experiment.algo if given.algo and own.method is None else None,
        "config": given.config,
        "init_from": experiment.init_from,
        "policy": experiment.policy,
        "code": list(given.code),
        "run": given.run,
        "network": given.network,
        "env_kwargs": given.env_kwargs,
        **given.settings,
        "wrappers": ["none"] if given.wrappers == [] else given.wrappers,
        "frame_stack": given.frame_stack,
    }
    objects = {"env": own.env, "algo": own.method, "policy": own.policy}
    return python_command(arguments, objects | {"algorithm": own.algorithm, "eval_env": own.eval_env})


def _resolved(given: Given) -> tuple[Experiment, Own, Recipe | None]:
    """The experiment, what the program brings for it, and the recipe that ``config`` is."""
    file = read_file(given.config) if given.config is not None else SettingsFile()
    name, implied, own = named(file.env if given.env is None and file.env else given.env)
    own = own._replace(algorithm=given.algorithm, eval_env=given.eval_env)
    algo, own = method_given(given.algo or file.algo or None, own)
    own = own._replace(policy=given.policy if isinstance(given.policy, Policy) else None)
    check_objects(file.objects, own.given, "logpi.train(ARGUMENTS, config=...)")
    tables: Json = {"run": given.run or {}, "network": given.network or {}, "env_kwargs": given.env_kwargs or {}}
    tables |= {"wrappers": given.wrappers, "frame_stack": given.frame_stack}
    experiment = experiment_of(name, algo, file, {**implied, **given.settings}, own, **tables)
    source = str(file.init_from if given.init_from is None else given.init_from)
    network = given.policy if isinstance(given.policy, str) else "" if given.policy else file.policy
    return settled(replace(experiment, init_from=source, policy=network, objects=own.given)), own, file.recipe


def _no_callback(arguments: Mapping[str, object]) -> None:
    """Refuse a callback beside a loop."""
    if "callback" in arguments:
        raise LogpiError("callback is for logpi.train and logpi.resume; here the loop hears of every event itself")


def resume(
    path: str | Path,
    *,
    total_timesteps: float | None = None,
    total_images: float | None = None,
    stop_at: float | None = None,
    minutes: float | None = None,
    policy: Policy | None = None,
    algo: AnyMethod | None = None,
    algorithm: Callable[..., Algorithm] | None = None,
    env: object = None,
    eval_env: VectorEnv | None = None,
    code: Sequence[str] = (),
    callback: Callback | None = None,
    trust: bool = False,
    root: str = "runs",
    quiet: bool = False,
) -> Outcome:
    """Continue a run from its newest good checkpoint, then draw and film as ``train`` does.

    A finished run goes on with a greater length; so does an interrupted one that is given a new length. Schedules that
    depend on the length follow the new one. ``config.toml`` keeps the new length, and the old ones as ``[[history]]``.

    Args:
        path: the run's folder, or its name in ``root``.
        total_timesteps: the new length in environment steps, or in moves of self-play, the steps so far included.
        total_images: the new length of a run on images.
        stop_at: score of a periodic evaluation at which training ends. If this, ``minutes`` or a length is given, they
            take the place of what the run had; what is not given is no limit.
        minutes: wall-clock time of this call's training.
        policy: the network that ``train`` was given, if it was not a name.
        algo: the method that ``train`` was given, if it was not a name.
        algorithm: the function that ``train`` was given as a method.
        env: the environment that ``train`` was given, if it was not a name.
        eval_env: the environment for evaluations that ``train`` was given.
        code: Python files that may be imported where the run names them.
        callback: as in ``train``.
        trust: import whatever code the run names; each file is shown on standard error before.
        root: folder that holds the runs.
        quiet: no display.

    Raises:
        LogpiError: no such run, it has finished and no new length is given, it has learnt for longer than that, or none
            of its checkpoints can be used.
    """
    parts = {"policy": policy, "algo": algo, "algorithm": algorithm, "env": env, "eval_env": eval_env}
    limits = {"total_timesteps": total_timesteps, "total_images": total_images, "stop_at": stop_at, "minutes": minutes}
    return through(_gone_on(path, **limits, **parts, code=code, trust=trust, root=root, quiet=quiet), callback)


def resuming(path: str | Path, **arguments: Any) -> Training:
    """Continue a run in a loop over its events, as ``logpi.training`` begins one.

    Args:
        path: the run's folder, or its name in ``root``.
        **arguments: the other arguments of ``logpi.resume``, but for ``callback``.

    Raises:
        LogpiError: as ``logpi.resume``, when the loop begins.
    """
    _no_callback(arguments)
    return Training(lambda: _gone_on(path, **arguments))


def _gone_on(
    path: str | Path, *, code: Sequence[str] = (), trust: bool = False, root: str = "runs", **arguments: Any
) -> Events[Outcome]:
    """The run at ``path``, which goes on as ``arguments`` of ``resume`` say."""
    folder = open_run(path, root)
    table = folder.config
    return within(code, own_code.named_in(table) if trust else (), _resuming(folder, table, **arguments))


def _resuming(
    folder: RunFolder,
    table: Json,
    *,
    policy: Policy | None = None,
    algo: AnyMethod | None = None,
    algorithm: Callable[..., Algorithm] | None = None,
    env: object = None,
    eval_env: VectorEnv | None = None,
    total_timesteps: float | None = None,
    total_images: float | None = None,
    stop_at: float | None = None,
    minutes: float | None = None,
    quiet: bool = False,
) -> Events[Outcome]:
    own = NOTHING if env is None else named(env)[2]
    own = method_given(algo, own._replace(policy=policy, algorithm=algorithm, eval_env=eval_env))[1]
    lengths = {"total_timesteps": total_timesteps, "total_images": total_images}
    asked = {name: value for name, value in lengths.items() if value is not None}
    longer = bool(asked) or stop_at is not None or minutes is not None
    before = experiment = experiment_from_table(table, own)
    if longer:
        limits = (math.inf if limit is None else limit for limit in (stop_at, minutes))
        experiment = lengthened(before, asked, *limits)
    earlier = Earlier(before, table.get(HISTORY, [])) if longer else None
    with presented(experiment, promised(experiment), quiet, own) as show:
        return show((yield from session.resuming(folder, experiment, show.view, own, earlier)))
