"""Training from Python: ``logpi.train`` and ``logpi.resume``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from logpi import own_code
from logpi.api.given import check_types, method_given, named
from logpi.config.call import experiment_of, python_command
from logpi.config.experiments import promised
from logpi.config.lengths import lengthened
from logpi.config.stored import HISTORY, SettingsFile, check_objects, experiment_from_table, read_file, settled
from logpi.config.wrappers import wrappings
from logpi.methods import AnyMethod
from logpi.runs.files import Json
from logpi.runs.lookup import open_run
from logpi.tasks import NOTHING, Table
from logpi.training import session
from logpi.training.outcome import Outcome, presented
from logpi.training.session import Earlier
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
        LogpiError: a name or a setting is wrong, or the run failed; the message says what to do.
    """
    around = None if wrappers is None else wrappings(wrappers)
    names = [*(text for text in (env, algo, policy) if isinstance(text, str)), *(name for name, _ in around or ())]
    with own_code.command([*names, *code]):
        check_types(policy, algorithm)
        given = read_file(config) if config is not None else SettingsFile()
        name, implied, own = named(given.env if env is None and given.env else env)
        algo, own = method_given(algo or given.algo or None, own._replace(algorithm=algorithm, eval_env=eval_env))
        own = own._replace(policy=policy if isinstance(policy, Policy) else None)
        check_objects(given.objects, own.given, "logpi.train(ARGUMENTS, config=...)")
        tables: Json = {"run": run or {}, "network": network or {}, "env_kwargs": env_kwargs or {}}
        tables |= {"wrappers": around, "frame_stack": frame_stack}
        experiment = experiment_of(name, algo, given, {**implied, **settings}, own, **tables)
        source = str(given.init_from if init_from is None else init_from)
        network_name = policy if isinstance(policy, str) else "" if policy else given.policy
        experiment = settled(replace(experiment, init_from=source, policy=network_name, objects=own.given))
        objects = {"env": own.env, "algo": own.method, "policy": own.policy}
        objects |= {"algorithm": algorithm, "eval_env": eval_env}
        written: Json = {"env": experiment.env if own.env is None else None}
        written |= {"algo": experiment.algo if algo and own.method is None else None}
        written |= {"config": config, "init_from": source, "policy": experiment.policy, "code": list(code), "run": run}
        written |= {"network": network, "env_kwargs": env_kwargs, **settings}
        written |= {"wrappers": ["none"] if around == [] else around, "frame_stack": frame_stack}
        with presented(experiment, promised(experiment), quiet, own) as show:
            return show(session.start(experiment, python_command(written, objects), show.view, own, show.band))


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
        trust: import whatever code the run names; each file is shown on standard error before.
        root: folder that holds the runs.
        quiet: no display.

    Raises:
        LogpiError: no such run, it has finished and no new length is given, it has learnt for longer than that, or none
            of its checkpoints can be used.
    """
    with own_code.command(code):
        folder, own = open_run(path, root), NOTHING if env is None else named(env)[2]
        own = method_given(algo, own._replace(policy=policy, algorithm=algorithm, eval_env=eval_env))[1]
        table = folder.config
        if trust:
            own_code.trust_code(*own_code.named_in(table))
        lengths = {"total_timesteps": total_timesteps, "total_images": total_images}
        asked = {name: value for name, value in lengths.items() if value is not None}
        longer = bool(asked) or stop_at is not None or minutes is not None
        before = experiment = experiment_from_table(table, own)
        if longer:
            limits = (math.inf if limit is None else limit for limit in (stop_at, minutes))
            experiment = lengthened(before, asked, *limits)
        earlier = Earlier(before, table.get(HISTORY, [])) if longer else None
        with presented(experiment, promised(experiment), quiet, own) as show:
            return show(session.resume(folder, experiment, show.view, own, earlier))
