"""The Python API: all that the commands do. ``logpi.train`` and its neighbours are loaded from here when first used."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logpi.config.call import in_sections, python_command
from logpi.config.experiments import promised, resolve, without_recipe
from logpi.config.lengths import ending, lengthened
from logpi.config.settings import Experiment, check_seed
from logpi.config.stored import Recipe, SettingsFile, check_objects, experiment_from_table, read_file, settled
from logpi.driver import devices
from logpi.errors import LogpiError
from logpi.methods import Method, brought
from logpi.own_code import name_code, named_in, trust_code
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import agent_folder, open_run
from logpi.runs.scores import significant
from logpi.tasks import (
    LAST,
    NOTHING,
    Agent,
    Answer,
    Film,
    Own,
    Pictures,
    Question,
    Table,
    check_name,
    kind_of,
    record,
    task_of,
)
from logpi.training import session
from logpi.types import Policy
from logpi.view.live import View, live

OVERSHOT = 1.1  # times the length that was asked for: what a run took beyond it is told


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, its scores and its pictures."""

    folder: RunFolder
    scores: NDArray[np.floating]  # [S, cases] of the last agent's final evaluation
    timesteps: int  # learnt from
    pictures: Mapping[str, Path]  # what is drawn -> file
    text: str  # what `logpi train` says at the end

    def __repr__(self) -> str:
        means = ", ".join(significant(mean) for mean in self.scores.mean(1))
        return f"Outcome({str(self.folder.path)!r}, score {means}, {self.timesteps:,} timesteps)"

    def _repr_html_(self) -> str:
        """What a notebook shows: the outcome in words, the curve and the film."""
        from logpi.view.inline import html

        return html(self.text, self.pictures)


def train(
    env: Any = None,
    algo: str | Method[..., Any] | None = None,
    *,
    config: str | Path | None = None,
    init_from: str | Path | None = None,
    policy: Policy | str | None = None,
    algorithm: Any = None,
    eval_env: Any = None,
    code: Sequence[str] = (),
    quiet: bool = False,
    run: Mapping[str, Any] | None = None,
    network: Mapping[str, Any] | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    **settings: Any,
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
        **settings: single settings of the method, the network or the run, such as ``total_timesteps=20_000``,
            ``hidden=[32]`` or ``seed=1``.

    Raises:
        LogpiError: a name or a setting is wrong, or the run failed; the message says what to do.
    """
    name_code(*(text for text in (env, algo, policy) if isinstance(text, str)), *code)
    _check_types(policy, algorithm)
    given = read_file(config) if config is not None else SettingsFile()
    name, implied, own = _named(given.env if env is None and given.env else env)
    algo, own = _method(algo or given.algo or None, own._replace(algorithm=algorithm, eval_env=eval_env))
    if isinstance(policy, Policy):
        own = own._replace(policy=policy)
    check_objects(given.objects, own.given, "logpi.train(ARGUMENTS, config=...)")
    tables = in_sections(name, algo, {**implied, **settings}, own, run=run or {}, network=network or {})
    experiment, _ = resolve(name, algo, given.sections, {**tables, "env_kwargs": env_kwargs or {}}, own=own)
    source = str(given.init_from if init_from is None else init_from)
    named = policy if isinstance(policy, str) else "" if policy else given.policy
    experiment = settled(dataclasses.replace(experiment, init_from=source, policy=named))
    objects = {"env": own.env, "algo": own.method, "policy": own.policy, "algorithm": algorithm, "eval_env": eval_env}
    written: dict[str, Any] = {"env": experiment.env if own.env is None else None}
    written |= {"algo": experiment.algo if algo and own.method is None else None}
    written |= {"config": config, "init_from": source, "policy": experiment.policy, "code": list(code), "run": run}
    written |= {"network": network, "env_kwargs": env_kwargs, **settings}
    command = python_command(written, objects)
    return run_experiment(experiment, command, promised(experiment), quiet=quiet, own=own)


def _check_types(policy: Any, algorithm: Any) -> None:
    """Refuse what is not a network or not a method before anything is made."""
    if policy is not None and not isinstance(policy, str | Policy):
        raise LogpiError(
            f"policy is a {type(policy).__name__}; allowed: a logpi.Policy, or its name, path/file.py:NAME"
        )
    if algorithm is not None and not callable(algorithm):
        raise LogpiError(
            f"algorithm is a {type(algorithm).__name__}; allowed: a function (settings, policy, spec, obs) -> "
            "logpi.Algorithm; the name of a method is algo="
        )


def _method(algo: Any, own: Own) -> tuple[str | None, Own]:
    """The name of the method that ``train`` was given, and ``own`` with the object itself if it is not a name."""
    if algo is None or isinstance(algo, str):
        return algo, own
    name, method = brought(algo)
    return name, own._replace(method=method)


def _named(env: Any) -> tuple[str, Table, Own]:
    """The name of what ``train`` was given, settings that follow from it, and the object itself if it is not a name."""
    from logpi.envs.described import described

    if isinstance(env, str):
        check_name(env)
        return env, {}, NOTHING
    found = described(env)
    own = Own(env=found.env, env_kwargs=found.env_kwargs, suited=found.suited)
    name = found.name if kind_of(found.name) == LAST else f"own-{found.name}"  # not a game's, nor that of images
    return name, {} if found.n_envs is None else {"n_envs": found.n_envs}, own


def run_experiment(
    experiment: Experiment, command: str | list[str], recipe: Recipe | None, *, quiet: bool = False, own: Own = NOTHING
) -> Outcome:
    """Train an experiment in a new run folder, then draw its curve and film its agent.

    ``recipe`` is the one whose expected score holds for this experiment, or None.
    """
    devices.prepare()
    experiment = dataclasses.replace(experiment, objects=own.given)
    with _display(experiment, recipe, quiet) as view:
        began = time.perf_counter()
        if remark := without_recipe(experiment, own):
            view.tell(remark)
        trained = session.start(experiment, command, view, own, recipe.band if recipe else None)
        return _shown(trained, experiment, recipe, view, own, began)


def resume(
    path: str | Path,
    *,
    total_timesteps: float | None = None,
    total_images: float | None = None,
    stop_at: float | None = None,
    minutes: float | None = None,
    policy: Policy | None = None,
    algo: Method[..., Any] | None = None,
    algorithm: Any = None,
    env: Any = None,
    eval_env: Any = None,
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
    devices.prepare()
    name_code(*code)
    folder, own = open_run(path, root), NOTHING if env is None else _named(env)[2]
    own = _method(algo, own._replace(policy=policy, algorithm=algorithm, eval_env=eval_env))[1]
    if trust:
        trust_code(*named_in(folder.config))
    lengths = {"total_timesteps": total_timesteps, "total_images": total_images}
    asked = {name: value for name, value in lengths.items() if value is not None}
    longer = bool(asked) or stop_at is not None or minutes is not None
    before = experiment = experiment_from_table(folder.config, own)
    if longer:
        limits = (math.inf if limit is None else limit for limit in (stop_at, minutes))
        experiment = lengthened(before, asked, *limits)
    recipe = promised(experiment)
    with _display(experiment, recipe, quiet) as view:
        began = time.perf_counter()
        trained = session.resume(folder, experiment, view, own, before if longer else None)
        return _shown(trained, experiment, recipe, view, own, began)


def load(
    path: str | Path,
    policy: Policy | None = None,
    code: Sequence[str] = (),
    *,
    trust: bool = False,
    env: Any = None,
    algo: Method[..., Any] | None = None,
    algorithm: Any = None,
) -> Agent:
    """The agent of a run (its best, in periodic evaluation), or of a folder with ``agent.json``; of any kind.

    Code that the agent names (an environment, a method or a network of a file) is imported only if it is trusted: by
    ``code``, by ``trust``, or because it was named on this machine before and has not changed since. ``contents``
    reads an agent without any code.

    Args:
        path: folder of the run or of the agent.
        policy: the network that ``train`` was given, if it was not a name.
        code: Python files that may be imported where the agent names them.
        trust: import whatever code the agent names, now or when it is evaluated or filmed; each file is shown on
            standard error before.
        env: the function that builds an environment (or the ``logpi.DeviceEnv``) that ``train`` was given, where the
            agent is to be evaluated or filmed in it.
        algo: the method that ``train`` was given, if it was not a name. An agent needs it where it acts otherwise than
            by its network alone.
        algorithm: the function that ``train`` was given as a method; needed as ``algo``.

    Raises:
        LogpiError: nothing that can be loaded is there, or it names code that is not trusted.
    """
    from logpi.runs.cards import read_card, task_in

    if not isinstance(path, str | Path):
        raise LogpiError(f"path is a {type(path).__name__}; allowed: a path of a run or of an agent's folder")
    devices.prepare()
    name_code(*code)
    folder = agent_folder(path)
    if trust:
        trust_code(*named_in(read_card(folder)))
    own = NOTHING if env is None else _named(env)[2]
    own = _method(algo, own._replace(policy=policy, algorithm=algorithm))[1]
    return record(task_in(folder)).load(folder, own)


def _agent(given: Agent | str | Path | Outcome | RunFolder) -> Agent:
    """The agent that an argument stands for: itself, a path, or what a training returned.

    Raises:
        LogpiError: it is something else, or cannot be loaded.
    """
    if isinstance(given, Outcome):
        given = given.folder
    if isinstance(given, RunFolder):
        given = given.path
    if isinstance(given, str | Path):
        return load(given)
    if not hasattr(given, "facts"):
        raise LogpiError(
            f"agent is a {type(given).__name__}; allowed: what logpi.load or logpi.train gives, or a path of a run or "
            "of an agent"
        )
    return given


def contents(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """What is stored of an agent, read without importing any code that it names.

    Returns:
        The content of ``agent.json``, with the spaces of an environment as objects of ``gymnasium.spaces``; and the
        arrays of ``agent.safetensors`` by name.

    Raises:
        LogpiError: nothing that can be loaded is there.
    """
    from logpi.envs.space_json import space_from_json
    from logpi.runs.cards import WEIGHTS, reading
    from logpi.runs.checkpoint import read_arrays

    folder = agent_folder(path)
    with reading(folder) as card:
        named = [name for name in ("observation_space", "action_space") if name in card]
        spaces: dict[str, Any] = {name: space_from_json(card[name]) for name in named}
    return {**card, **spaces}, read_arrays(folder / WEIGHTS)


def evaluate(
    agent: Agent | str | Path | Outcome | RunFolder,
    episodes: int | None = None,
    *,
    seed: int | None = None,
    sampled: bool = False,
    passes: int | None = None,
    split: str | None = None,
) -> Answer:
    """Evaluate an agent: returns of episodes, errors on images, or strength in a game.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        episodes: number of episodes, images or games; by default 100 episodes, every image, 200 games.
        seed: seed of the first episode, or of the games.
        sampled: sampled actions instead of the most probable ones.
        passes: number of passes over an image whose class probabilities are averaged (RAM).
        split: images to classify, "test" or "validation".

    Returns:
        ``facts``, which JSON can hold, and ``lines``, the same for people.

    Raises:
        LogpiError: the agent, its environment or its data cannot be used, or an argument is not for its kind.
    """
    _at_least_1("episodes", episodes)
    check_seed(seed)
    agent = _agent(agent)
    return record(agent.kind).evaluate(agent, Question(episodes, seed, sampled, passes, split))


def film(
    agent: Agent | str | Path | Outcome | RunFolder,
    path: str | Path,
    episodes: int | None = None,
    seed: int = 10_000,
    sampled: bool = False,
    steps: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """Film ``agent`` in Gymnasium's own version of its environment, or at test images; the path may come back as .gif.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        path: the video, .mp4 or .gif.
        episodes: number of episodes, or of images; 1 or 6 by default.
        seed: seed of the first episode; of images, the number of the first test image.
        sampled: draw the actions, instead of the most probable ones.
        steps: maximum number of steps of an episode to film; by default 2,000, or 500 without a time limit.
        tell: called with a sentence where an episode was cut.

    Raises:
        LogpiError: the environment does not draw, the agent has nothing to show, or the video cannot be written.
    """
    _at_least_1("episodes", episodes)
    check_seed(seed)
    agent = _agent(agent)
    return record(agent.kind).film(agent, Film(Path(path), episodes, seed, sampled, steps, tell))


def film_random(
    env: str,
    path: str | Path,
    episodes: int = 1,
    seed: int = 10_000,
    steps: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """Film an agent that draws its actions uniformly in the environment called ``env``; arguments as of ``film``.

    Raises:
        LogpiError: ``env`` is not an environment, it does not draw, or the video cannot be written.
    """
    _at_least_1("episodes", episodes)
    check_seed(seed)
    name_code(env)
    return task_of(env).film_random(env, Film(Path(path), episodes, seed, steps=steps, tell=tell))


def sheet(
    agent: Agent | str | Path | Outcome | RunFolder,
    folder: str | Path,
    count: int | None = None,
    seed: int = 0,
    sampled: bool = False,
) -> dict[str, Path]:
    """Draw the glimpse paths of an agent that looks at images, and a map of where it looks, as PNG files.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        folder: folder of the pictures.
        count: number of test images on the sheet; 24 by default.
        seed: number of the first test image.
        sampled: draw the places, instead of the most probable ones.

    Raises:
        LogpiError: the agent has no glimpses, its data cannot be read, or the disk refuses.
    """
    _at_least_1("count", count)
    check_seed(seed)
    agent = _agent(agent)
    return record(agent.kind).sheet(agent, Film(Path(folder), count, seed, sampled))


def look(
    agent: Agent | str | Path | Outcome | RunFolder,
    images: Any,
    folder: str | Path | None = None,
    invert: bool = False,
    autocontrast: bool = False,
    passes: int = 1,
) -> Answer:
    """Classify pictures of your own with an agent that was trained on images, whatever their size and colours.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        images: the path of an image file; an array [H, W], [H, W, C] or a batch of them [B, …], of uint8, floats from
            0 to 1, or bool; or a list of paths or arrays.
        folder: where one PNG for each picture goes, with its glimpses; None: nothing is drawn.
        invert: take black for white.
        autocontrast: make the darkest pixel of each picture black and its brightest white.
        passes: number of passes, each from another first place, whose class probabilities are averaged.

    Returns:
        ``facts``: ``classes``, and of each of ``pictures`` its name, class, ``probabilities`` [K], ``glimpses`` (row
        and column of their centres in the scene) and ``warnings``; ``lines``, the same for people.

    Raises:
        LogpiError: the agent does not classify images, a picture cannot be read, or the disk refuses.
    """
    if passes < 1:
        raise LogpiError(f"passes is {passes}; it must be at least 1")
    agent = _agent(agent)
    wanted = Pictures(images, None if folder is None else Path(folder), invert, autocontrast, passes)
    return record(agent.kind).look(agent, wanted)


def _at_least_1(name: str, value: int | None) -> None:
    """Refuse a number of things below 1."""
    if value is not None and value < 1:
        raise LogpiError(f"{name} is {value}; it must be at least 1")


def _display(experiment: Experiment, recipe: Recipe | None, quiet: bool) -> Any:
    task, seeds = task_of(experiment.env), experiment.run.seeds
    title = f"{experiment.env} · {experiment.algo}" + (f" · {seeds} seeds" if seeds > 1 else "")
    expected = task.expected(recipe.tables.get("method", {}), recipe.band) if recipe and recipe.band else None
    return live(task.length(experiment), title, expected, quiet)


def _shown(
    trained: session.Trained, experiment: Experiment, recipe: Recipe | None, view: View, own: Own, began: float
) -> Outcome:
    """Draw what a finished run has to show; a run without pictures is still a good run."""
    from logpi.view.curves import plot

    folder, task = trained.folder, task_of(experiment.env)
    band = recipe.band if recipe else None
    pictures: dict[str, Path] = {}
    try:
        pictures["curve"] = plot([folder.path])
    except LogpiError as error:
        view.tell(f"no curve: {error}; `logpi plot {folder.path}` draws it")
    if experiment.run.video and task.films:
        view.note("filming the trained agent")
        try:
            pictures |= task.pictures(task.load(folder.best_agent, own), folder)
        except LogpiError as error:
            view.tell(f"no video: {error}")
    text = "\n".join(_report(trained, experiment, band, time.perf_counter() - began, pictures))
    view.done(text)
    return Outcome(folder, trained.scores, trained.timesteps, pictures, text)


def _report(
    trained: session.Trained,
    experiment: Experiment,
    band: tuple[float, float] | None,
    seconds: float,
    pictures: Mapping[str, Path],
) -> list[str]:
    task = task_of(experiment.env)
    lines, length = [*task.report(trained.scores, experiment), *trained.lines], task.length(experiment)
    if trained.ended:
        lines.append(ending(experiment, trained.ended))
    elif band and trained.scores.mean() < band[0]:
        lines.append(f"{task.missed(band)} that this recipe reaches: try another --seed, or train for longer")
    made = f"{trained.timesteps // length.each:,} {length.unit}"
    lines.append(f"{made} in {seconds:.1f} s; everything is in {trained.folder.path}")
    if trained.timesteps > OVERSHOT * length.timesteps:
        asked, whole = (f"{steps // length.each:,}" for steps in (length.timesteps, trained.iteration))
        more = f"{trained.timesteps / length.timesteps - 1:.0%} more than the {asked} {length.unit} asked for"
        lines.append(f"that is {more}: an iteration takes up to {whole}, and a run ends with a whole one")
    lines += [f"{what:7} {picture}" for what, picture in pictures.items()]
    return [*lines, f"next    {task.next_step(experiment, trained.folder.path)}"]
