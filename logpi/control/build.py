"""An experiment in environments, made ready: environment, policy and method, and the process that they make."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
from gymnasium import spaces

from logpi.algorithms.common.learning import acts_by
from logpi.config.settings import Experiment
from logpi.control.agent import own_policy, standard_policy
from logpi.control.evaluation import LONGEST
from logpi.control.fit import check_method, check_policy, made
from logpi.control.off_policy import off_policy
from logpi.control.on_policy import Sizes
from logpi.control.records import Recorded, read, recorded
from logpi.control.sources import Source, source_of
from logpi.driver import devices
from logpi.driver.budget import Plan
from logpi.driver.process import Process
from logpi.envs.make import make, make_gymnasium
from logpi.envs.spaces import max_entropy, normalizable
from logpi.errors import LogpiError
from logpi.methods import method_of
from logpi.nets.policy import example, sees_images
from logpi.tasks import Limits, Own
from logpi.types import Algorithm, EnvSpec

TRIED = 1_000  # random moves in an environment without a time limit before training; at most a hundredth of the run
LONGER = 4  # a trained agent's episodes, in those of random moves: a guess
BRIEF = 2e6  # moves learnt from, times passes: a shorter run does not earn back the slower compilation


class Parts(NamedTuple):
    """What an experiment is made of."""

    experiment: Experiment  # with what the environments decide filled in
    source: Source
    spec: EnvSpec
    algorithm: Algorithm
    acts_by_policy: bool  # whether an agent needs nothing of the method but its network
    num_devices: int  # that share one learner's environments
    plan: Plan  # of the periodic evaluations
    notes: tuple[str, ...]  # told before the training begins
    limits: Limits
    records: Recorded | None = None  # what it learns from, where it does not collect


def parts(experiment: Experiment, own: Own) -> Parts:
    """Environment, its spec and the algorithm on its policy, ``own`` or standard.

    Raises:
        LogpiError: unknown environment, unsupported spaces, or settings that do not fit together, such as several
            seeds on a vector of environments.
    """
    named = make_gymnasium if experiment.wrappers else make
    env = named(experiment.env, **experiment.env_kwargs) if own.env is None else own.env
    source = source_of(env, experiment.env_kwargs, own.eval_env, experiment.wrappers)
    _check_settings(experiment)
    spec = source.spec()
    experiment, vectors = source.settled(experiment)
    policy = own.policy or own_policy(experiment.policy, spec)
    if policy is not None:
        check_policy(policy, spec, f"network {experiment.policy}" if experiment.policy else "policy")
    name, method = experiment.algo, own.algorithm or method_of(experiment.algo, own.method)
    known = None if own.algorithm else method_of(experiment.algo, own.method)
    policy = policy or standard_policy(known, spec, experiment.network)
    if own.algorithm or own.method or ":" in name:
        algorithm = made(method, experiment.method, policy, spec, name)
        check_method(algorithm, spec, name)
    else:
        algorithm = method(experiment.method, policy, spec, example(spec.observation_space))
    if own.env is not None or ":" in experiment.env:
        source.check_own(experiment, algorithm)
    source.check(experiment)
    num_devices = 1 if own.algorithm else _num_devices(experiment, algorithm, source)
    plan, notes = evaluations(experiment, source, spec, algorithm)
    rows = algorithm.n_steps if algorithm.whole_episodes else None
    greedy = not experiment.run.eval_sampled
    limits = Limits(max_entropy(spec.action_space), spec.max_episode_steps, rows, greedy)
    notes = (*source.notes, *vectors, *notes)
    records = None if algorithm.records is None else read(algorithm.records.dataset, spec)
    acts = acts_by(algorithm, policy)
    return Parts(experiment, source, spec, algorithm, acts, num_devices, plan, notes, limits, records)


def _check_settings(experiment: Experiment) -> None:
    run = experiment.run
    if run.autoreset != "next_step" and experiment.method.normalize_reward:
        raise LogpiError(
            f"autoreset={run.autoreset} leaves out moves, so normalize_reward cannot sum an episode's "
            "return; choose autoreset next_step, or normalize_reward off"
        )


def _num_devices(experiment: Experiment, algorithm: Algorithm, source: Source) -> int:
    """How many devices share one learner's environments (an algorithm of the user's own keeps to one).

    Seeds side by side are dealt out to the devices instead, each with all of its environments.
    """
    n_envs = experiment.method.n_envs
    if algorithm.records or (experiment.run.seeds > 1 and not source.in_turn):
        return 1
    if algorithm.experience:
        return devices.sharing(n_envs, algorithm.experience.batch_size, algorithm.experience.batch_size)
    rows = algorithm.batch_size or algorithm.n_steps * n_envs
    recurrent = bool(jax.tree.leaves(jax.eval_shape(lambda: algorithm.policy.memory(1))))
    return devices.sharing(n_envs, rows, rows // (algorithm.n_steps if recurrent else 1))


def process(experiment: Experiment, parts: Parts, seed: int | None = None) -> Process:
    """The learning process of an experiment; host environments begin with ``seed``, by default the run's."""
    run, method = experiment.run, experiment.method
    obs, plan = example(parts.spec.observation_space), parts.plan
    sizes = Sizes(
        n_envs=1 if parts.records else method.n_envs,
        num_devices=parts.num_devices,
        episodes=plan.episodes,
        normalize_obs=method.normalize_obs,
        normalize_reward=method.normalize_reward,
        greedy=not run.eval_sampled,
        effort="quick" if method.total_timesteps * parts.algorithm.passes * run.seeds < BRIEF else "full",
    )
    made = parts.source.process(experiment, parts.algorithm, obs, sizes, run.seed if seed is None else seed)
    return _learning(made._replace(plan=plan), parts.algorithm, method.n_envs, parts.records)


def _learning(collecting: Process, algorithm: Algorithm, n_envs: int, records: Recorded | None) -> Process:
    """The process of ``algorithm``, which may learn from a replay or from records, by one that collects."""
    if records is not None:
        return recorded(collecting, algorithm, records)
    return off_policy(collecting, algorithm, n_envs) if algorithm.experience else collecting


def evaluations(
    experiment: Experiment, source: Source, spec: EnvSpec, algorithm: Algorithm
) -> tuple[Plan, tuple[str, ...]]:
    """The periodic evaluations of a run, and what is to be said of them before it.

    How much time a step takes is estimated, so that no clock decides.
    """
    total = experiment.method.total_timesteps
    longest, notes = spec.max_episode_steps, tuple[str, ...]()
    if longest is None:
        longest, notes = _without_limit(source, experiment, min(TRIED, int(total / 100)))
    if algorithm.whole_episodes and longest > algorithm.n_steps:
        notes = (
            *notes,
            f"{experiment.algo} learns from whole episodes, padded to one length; {experiment.env} allows {longest:,} "
            f"steps, so they are cut at --n-steps {algorithm.n_steps:,}",
        )
    return source.plan(experiment.run, total, longest, algorithm.passes), notes


def _without_limit(source: Source, experiment: Experiment, tried: int) -> tuple[int, tuple[str, ...]]:
    """(moves of an episode in an environment without a time limit, what is to be said of it)."""
    cut = f"{experiment.env} has no time limit: evaluation episodes are cut at {LONGEST:,} moves"
    found = source.longest(tried)
    if found:
        return min(LONGEST, LONGER * found), ()
    if found is None:
        return LONGEST, (cut,)
    advice = "give it one (gymnasium.wrappers.TimeLimit, or max_episode_steps where it is registered)"
    return LONGEST, (f"{cut}; no episode ended in {tried:,} random moves: {advice}",)


def idle_settings(
    experiment: Experiment, source: Source, spec: EnvSpec, algorithm: Algorithm, own: Own
) -> dict[str, str]:
    """ "section.setting" -> why it does nothing in these environments."""
    idle = {**_of_network(experiment, spec, own), **source.idle}
    if not normalizable(spec):
        seen = f"the observations {spec.observation_space} have no numbers to scale, but choices, bits or pixels"
        idle["method.normalize_obs"] = seen
    if algorithm.whole_episodes and spec.max_episode_steps:
        idle["method.n_steps"] = f"an episode's limit is {spec.max_episode_steps} steps, by the environment"
    return idle


def _of_network(experiment: Experiment, spec: EnvSpec, own: Own) -> dict[str, str]:
    network = experiment.network
    if own.policy or experiment.policy:
        names = (field.name for field in dataclasses.fields(network))
        return {f"network.{name}": "the network is your own" for name in names}
    idle: dict[str, str] = {}
    box = isinstance(spec.action_space, spaces.Box)
    if hasattr(network, "idle_behind_cnn") and sees_images(spec.observation_space, network):
        convolutions = "the torso is one of images (convolutions or patches), behind which it is not used"
        idle |= {f"network.{name}": convolutions for name in network.idle_behind_cnn(box)}
    if not box:
        gaussian = f"it is for a Gaussian policy, and the actions are {spec.action_space}"
        idle |= {f"network.{name}": gaussian for name in ("squash", "log_std_init")}
    return idle
