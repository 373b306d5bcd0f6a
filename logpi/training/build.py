"""From an ``Experiment`` (names and numbers) to its parts: environment, policy, algorithm, compiled programs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from logpi.algorithms import METHODS
from logpi.config.settings import PPO, RAM, AlphaGoZero, Experiment, ImageSettings, SelfPlaySettings
from logpi.control.agent import save_agent
from logpi.control.on_policy import Sizes, on_device, on_host
from logpi.control.rollout import rollout, start
from logpi.driver import devices
from logpi.driver.process import Process
from logpi.envs.device import vectorize
from logpi.envs.host import HostFactory, make_host
from logpi.envs.make import make, spec_of
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy
from logpi.ram.models import make_method
from logpi.types import Algorithm, DeviceEnv, EnvSpec, Key, Learner, Policy, PyTree

ROWS_AN_IMAGE = 16  # an image is worth that many small observations when devices share a batch
EVALUATION_ENVS = 16  # side by side in a host evaluation
BRIEF = 2e6  # moves learnt from, times passes: a shorter run does not earn back the slower compilation


Method = Callable[..., Algorithm]  # (settings, policy, spec, example observation)


class Parts(NamedTuple):
    """What an experiment is made of."""

    env: DeviceEnv | HostFactory
    spec: EnvSpec
    algorithm: Algorithm
    num_devices: int  # that one learner's environments are dealt out to


class Work(NamedTuple):
    """An experiment, ready to run: what a session needs of it."""

    num_devices: int  # that one learner's batch is dealt out to
    process: Callable[[], Process]
    save_agent: Callable[[Path, Learner, dict[str, Any]], None]  # (folder, one learner, facts of the run)
    measured: Callable[[np.ndarray[Any, Any]], dict[str, Any]] = (
        lambda scores: {}
    )  # what final scores say beside a mean
    data: str = ""  # fingerprint of what is learnt from, where it is not an environment


class Own(NamedTuple):
    """What the user brings instead of the standard part."""

    policy: Policy | None = None
    algorithm: Method | None = None  # called like ``METHODS``'s, with the settings of the named algorithm


NOTHING = Own()


def work(experiment: Experiment, own: Own = NOTHING) -> Work:
    """Whatever the experiment is made of, ready to run.

    Raises:
        LogpiError: settings, environment or data cannot be used, or do not fit together.
    """
    if isinstance(experiment.method, ImageSettings):
        if own != NOTHING:
            raise LogpiError(f"{experiment.algo} has its own network: policy= and algorithm= are of environments")
        return learn_images(experiment)
    if isinstance(experiment.method, SelfPlaySettings):
        if own != NOTHING:
            raise LogpiError(f"{experiment.algo} has its own network: policy= and algorithm= are of environments")
        return learn_game(experiment)
    made = parts(experiment, own)
    network = None if own.policy else experiment.network

    def save(folder: Path, learner: Learner, facts: dict[str, Any]) -> None:
        save_agent(folder, learner, made.spec, network, {"env_kwargs": experiment.env_kwargs, **facts})

    return Work(made.num_devices, lambda: process(experiment, made), save)


def learn_images(experiment: Experiment) -> Work:
    """RAM, or a classifier that sees the whole image."""
    from logpi.ram import agent
    from logpi.ram.data import datasets
    from logpi.ram.data.images import fingerprint
    from logpi.ram.process import image_process

    method, run = experiment.method, experiment.run
    if experiment.env_kwargs:
        raise LogpiError(
            f"env_kwargs {', '.join(experiment.env_kwargs)}: {experiment.env} is no environment and takes none; what "
            "is done to its images are settings of the method, such as --canvas and --num-distractors"
        )
    if experiment.env == "ram/own" and method.data == "mnist":
        raise LogpiError(
            "ram/own needs your images: --data FILE.npz (images, labels), or a folder with a folder for each class"
        )
    if isinstance(method, RAM) and method.advantage_estimator == "antithetic" and method.gae_lambda != 1:
        raise LogpiError(
            f"method.gae_lambda is {method.gae_lambda:g}, but advantage_estimator antithetic looks one glimpse "
            "ahead and has no λ: add --advantage-estimator return, or leave it out"
        )
    images = datasets.load(method.data)
    splits = agent.splits(images, method)
    task = agent.task_of(method, images.train_images.shape[1:], len(images.classes))
    made = make_method(method, experiment.network, task)
    worth = ROWS_AN_IMAGE * method.batch_size * (method.mc_samples if isinstance(method, RAM) else 1)
    shared = 1 if run.seeds > 1 else devices.sharing(method.batch_size, worth, worth)

    found = fingerprint(images)

    def save(folder: Path, acting: PyTree, facts: dict[str, Any]) -> None:
        agent.save_image_agent(folder, acting, experiment, images, facts)

    def build() -> Process:
        return image_process(made, task, splits, method.batch_size, method.n_updates, shared)

    return Work(shared, build, save, data=found)


def learn_game(experiment: Experiment) -> Work:
    """A board game, from self-play."""
    from logpi.games.agent import save_game_agent
    from logpi.games.evaluation.judges import evaluators_of, measured
    from logpi.games.process import self_play_process
    from logpi.games.registry import SYSTEMS
    from logpi.games.rules.make import make_game

    method, run = experiment.method, experiment.run
    if experiment.env_kwargs:
        raise LogpiError(f"env_kwargs {', '.join(experiment.env_kwargs)}: {experiment.env} is a game and takes none")
    if run.seeds > 1:
        raise LogpiError(f"seeds={run.seeds}: self-play trains one seed; start one run a seed, with --seed")
    game = make_game(experiment.env)
    shared = devices.shared_by(method.n_games, method.batch_size)
    system = SYSTEMS[experiment.algo](method, experiment.network, game, shared)

    def save(folder: Path, acting: PyTree, facts: dict[str, Any]) -> None:
        save_game_agent(folder, acting, experiment, facts)

    def build() -> Process:
        every = method.gating_interval if isinstance(method, AlphaGoZero) else 1
        rows = method.n_games * method.n_steps
        return self_play_process(system, evaluators_of(game, method, system.search), rows, shared, every)

    return Work(shared, build, save, lambda scores: measured(game, method, scores))


def parts(experiment: Experiment, own: Own = NOTHING) -> Parts:
    """Environment, its spec and the algorithm on its policy, ``own`` or standard.

    Raises:
        LogpiError: unknown environment, unsupported spaces, or settings that do not fit together, such as several
            seeds at once on a host environment.
    """
    env = make(experiment.env, **experiment.env_kwargs)
    if experiment.run.seeds > 1 and not isinstance(env, DeviceEnv):
        raise LogpiError(
            f"seeds={experiment.run.seeds}: {experiment.env} runs on the host, where one run trains one seed; device "
            "environments (`logpi envs`) train many at once. Start one run a seed, with --seed"
        )
    if experiment.run.autoreset != "next_step" and experiment.method.normalize_reward:
        raise LogpiError(
            f"autoreset={experiment.run.autoreset} drops moves, from which normalize_reward cannot follow an episode's "
            "return; choose autoreset next_step, or normalize_reward off"
        )
    spec = spec_of(env, experiment.env_kwargs)
    policy = own.policy or make_policy(spec, experiment.network)
    algorithm = (own.algorithm or METHODS[experiment.algo])(
        experiment.method, policy, spec, example(spec.observation_space)
    )
    if isinstance(env, DeviceEnv) and ":" in experiment.env:
        try_out(env, algorithm, experiment)
    return Parts(env, spec, algorithm, 1 if own.algorithm else devices_of(experiment, algorithm))


def devices_of(experiment: Experiment, algorithm: Algorithm) -> int:
    """How many devices share one learner's environments (an algorithm of the user's own keeps to one)."""
    method = experiment.method
    rows = method.batch_size if isinstance(method, PPO) else algorithm.n_steps * method.n_envs
    recurrent = experiment.network.memory != "none"
    return devices.sharing(method.n_envs, rows, rows // (algorithm.n_steps if recurrent else 1))


def try_out(env: DeviceEnv, algorithm: Algorithm, experiment: Experiment) -> None:
    """Trace a rollout of a user's own environment, so that its mistakes are told before anything is made for it."""

    def collect(key: Key) -> object:
        vector = vectorize(env)
        carry = start(vector, algorithm, key, experiment.method.n_envs)
        return rollout(vector, algorithm, algorithm.init(key), carry, key)

    try:
        jax.eval_shape(collect, jax.random.key(0))
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise LogpiError(
            f"environment {experiment.env} cannot be compiled: {type(error).__name__}: {first}. "
            f"Find the cause with: logpi check-env {experiment.env}"
        ) from error


def process(experiment: Experiment, parts: Parts) -> Process:
    """The learning process of an experiment."""
    run, method = experiment.run, experiment.method
    obs = example(parts.spec.observation_space)
    passes = method.n_epochs if isinstance(method, PPO) else 1
    sizes = Sizes(
        n_envs=method.n_envs,
        num_devices=parts.num_devices,
        episodes=max(run.eval_episodes, run.final_episodes),
        normalize_obs=method.normalize_obs,
        normalize_reward=method.normalize_reward,
        brief=method.total_timesteps * passes * run.seeds < BRIEF,
    )
    if isinstance(parts.env, DeviceEnv):
        return on_device(vectorize(parts.env), parts.algorithm, obs, sizes)
    kwargs = dict(experiment.env_kwargs)
    make = functools.partial(make_host, parts.env, env_kwargs=kwargs)
    vector = make(method.n_envs, vectorization=run.vectorization, autoreset=run.autoreset)
    return on_host(vector, make(min(EVALUATION_ENVS, run.final_episodes)), parts.algorithm, obs, run.seed, sizes)
