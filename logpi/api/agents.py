"""Trained agents from Python: load, evaluate, film and show them, of whatever kind of task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from logpi.api.environments import around
from logpi.api.given import method_given, named
from logpi.config.settings import check_seed
from logpi.driver import devices
from logpi.errors import LogpiError
from logpi.methods import AnyMethod
from logpi.own_code import check_code, command, name_code, named_in, trust_code
from logpi.runs.files import Json
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import agent_folder, agent_folders
from logpi.runs.scores import interval, plus_minus
from logpi.tasks import NOTHING, Agent, Answer, Film, Pictures, Question, record, task_of
from logpi.training.outcome import Outcome

if TYPE_CHECKING:
    from logpi.types import Algorithm, Policy


def load(
    path: str | Path,
    policy: Policy | None = None,
    code: Sequence[str] = (),
    *,
    trust: bool = False,
    env: object = None,
    algo: AnyMethod | None = None,
    algorithm: Callable[..., Algorithm] | None = None,
) -> Agent:
    """The agent of a run (its best, in periodic evaluation), or of a folder with ``agent.json``; of any kind.

    Code that the agent names (an environment, a method or a network of a file) is imported only if it is trusted: by
    ``code``, by ``trust``, or because it was named on this machine before and has not changed since. ``contents``
    reads an agent without any code.

    Args:
        path: folder of the run or of the agent; or the name of an agent that comes with logpi (``list_agents``).
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
    folder = agent_folder(path)
    with command(code):
        texts = named_in(read_card(folder)) if trust or code else []
        if trust:
            trust_code(*texts)
        check_code(*texts)
        own = NOTHING if env is None else named(env)[2]
        own = method_given(algo, own._replace(policy=policy, algorithm=algorithm))[1]
        return record(task_in(folder)).load(folder, own)


def path_of(given: object) -> Path | None:
    """The path that an argument is, or stands for; None of an agent."""
    if isinstance(given, Outcome):
        given = given.folder
    if isinstance(given, RunFolder):
        given = given.path
    return Path(given) if isinstance(given, str | Path) else None


def agent_of(given: Agent | str | Path | Outcome | RunFolder) -> Agent:
    """The agent that an argument stands for: itself, a path, or what a training returned.

    Raises:
        LogpiError: it is something else, or cannot be loaded.
    """
    path = path_of(given)
    if path is not None:
        return load(path)
    if not hasattr(given, "facts"):
        raise LogpiError(
            f"agent is a {type(given).__name__}; allowed: what logpi.load or logpi.train gives, or a path of a run or "
            "of an agent"
        )
    return given  # type: ignore[return-value]


def contents(path: str | Path) -> tuple[Json, dict[str, NDArray[np.generic]]]:
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
        spaces: Json = {name: space_from_json(card[name]) for name in named}
    return {**card, **spaces}, read_arrays(folder / WEIGHTS)


def evaluate(
    agent: Agent | str | Path | Outcome | RunFolder,
    episodes: int | None = None,
    *,
    seed: int | None = None,
    sampled: bool = False,
    passes: int | None = None,
    split: str | None = None,
    record: str | None = None,
) -> Answer:
    """Evaluate an agent: returns of episodes, errors on images, or strength in a game.

    Of a run of several seeds the agents of all seeds are evaluated.

    Args:
        agent: an agent (``load``), or the path of one or of its run.
        episodes: number of episodes, images or games; by default 100 episodes, every image, 200 games.
        seed: seed of the first episode, or of the games.
        sampled: sampled actions instead of the most probable ones.
        passes: number of passes over an image whose class probabilities are averaged (RAM).
        split: images to classify, "test" or "validation".
        record: id of a new Minari data set, such as "cartpole/expert-v0", that the episodes of an environment are
            recorded into (``logpi[minari]``).

    Returns:
        ``facts``, which JSON can hold, and ``lines``, the same for people; ``score``. Of several agents ``facts`` are
        ``agents`` (the folder and the facts of each), ``scores``, their ``mean``, and ``interval``, half of Student's
        95 % interval of the mean over seeds.

    Raises:
        LogpiError: the agent, its environment or its data cannot be used, or an argument is not for its kind.
    """
    _at_least_1("episodes", episodes)
    check_seed(seed)
    asked = Question(episodes, seed, sampled, passes, split, record)
    path = path_of(agent)
    folders = [] if path is None else agent_folders(path)
    if record and len(folders) > 1:
        raise LogpiError(f"record {record}: the run has {len(folders)} agents; give the folder of one, {folders[0]}")
    if len(folders) < 2:
        return _evaluated(agent_of(agent), asked)
    return _together({folder: _evaluated(load(folder), asked) for folder in folders})


def _evaluated(agent: Agent, asked: Question) -> Answer:
    return record(agent.kind).evaluate(agent, asked)


def _together(answers: Mapping[Path, Answer]) -> Answer:
    """One answer of the agents of several seeds, by folder."""
    facts: Json = {"agents": [{"folder": folder, **answer.facts} for folder, answer in answers.items()]}
    lines = [line for folder, answer in answers.items() for line in (f"{folder}:", *answer.lines)]
    known = [answer.score for answer in answers.values() if answer.score is not None]
    if len(known) < len(answers):
        return Answer(facts, lines)
    mean, half = (float(value[0]) for value in interval(np.array(known)[:, None]))
    lines.append(f"all {len(known)} seeds: {plus_minus(mean, half)} (95 % interval of the mean over seeds)")
    return Answer(facts | {"scores": known, "mean": mean, "interval": half}, lines, mean)


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
    agent = agent_of(agent)
    return record(agent.kind).film(agent, Film(Path(path), episodes, seed, sampled, steps, tell))


def film_random(
    env: str,
    path: str | Path,
    episodes: int = 1,
    seed: int = 10_000,
    steps: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
    wrappers: Sequence[object] | None = None,
    frame_stack: int | None = None,
) -> Path:
    """Film an agent that draws its actions uniformly in the environment called ``env``; arguments as of ``film``.

    ``wrappers`` and ``frame_stack`` are those of ``logpi.train``; a film leaves out what is for training only.

    Raises:
        LogpiError: ``env`` is not an environment, it does not draw, or the video cannot be written.
    """
    _at_least_1("episodes", episodes)
    check_seed(seed)
    name_code(env)
    layers = around(env, wrappers, frame_stack)
    return task_of(env).film_random(env, layers, Film(Path(path), episodes, seed, steps=steps, tell=tell))


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
    agent = agent_of(agent)
    return record(agent.kind).sheet(agent, Film(Path(folder), count, seed, sampled))


def look(
    agent: Agent | str | Path | Outcome | RunFolder,
    images: object,
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
    agent = agent_of(agent)
    wanted = Pictures(images, None if folder is None else Path(folder), invert, autocontrast, passes)
    return record(agent.kind).look(agent, wanted)


def glimpses(
    agent: Agent | str | Path | Outcome | RunFolder,
    images: object,
    *,
    places: str = "learned",
    n_glimpses: int | None = None,
    seed: int = 0,
    invert: bool = False,
    autocontrast: bool = False,
    centre: bool = False,
) -> list[Any]:
    """Look at pictures of your own glimpse by glimpse: where, what has been seen, and the probabilities after each.

    Args:
        agent: an agent of ``ram`` (``load``), or the path of one or of its run.
        images: as of ``look``.
        places: choice of the places: "learned" by the agent's location network, "random", "grid" or "centre". The
            network is the same one; only where it looks differs.
        n_glimpses: number T of glimpses of each picture; by default as many as in training.
        seed: seed of the first place, and of random ones.
        invert: take black for white.
        autocontrast: make the darkest pixel of each picture black and its brightest white.
        centre: bring what is light on each picture to the size and the place of MNIST's digits.

    Returns:
        ``logpi.ram.glimpses.Glimpses`` of each picture: ``scene`` [H, W, C] uint8, ``squares`` of the patches, ``seen``
        [T, H, W, C], ``probabilities`` [T, K]; ``said``, and ``sure(threshold)``, the number of glimpses that it took.

    Raises:
        LogpiError: the agent takes no glimpses, a picture cannot be read, or an argument is out of its range.
    """
    check_seed(seed)
    agent = agent_of(agent)
    wanted = Pictures(images, None, invert, autocontrast, 1)
    return record(agent.kind).glimpses(agent, wanted, places, n_glimpses, seed, centre)


def _at_least_1(name: str, value: int | None) -> None:
    """Refuse a number of things below 1."""
    if value is not None and value < 1:
        raise LogpiError(f"{name} is {value}; it must be at least 1")
