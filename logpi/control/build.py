"""An experiment in environments, made ready: environment, policy and method, and the process that they make."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
from gymnasium.vector import VectorEnv

from logpi.algorithms.common.learning import acts_by
from logpi.config.settings import Experiment
from logpi.control.agent import own_policy, standard_policy
from logpi.control.fit import check_device_env, check_method, check_policy, made
from logpi.control.off_policy import off_policy
from logpi.control.on_host import on_host
from logpi.control.on_policy import Sizes, on_device
from logpi.control.plan import evaluations, side_by_side
from logpi.driver import devices
from logpi.driver.budget import Plan
from logpi.driver.process import Process
from logpi.envs.host import HostFactory, make_host
from logpi.envs.make import make, spec_of, vectorize
from logpi.envs.spaces import max_entropy
from logpi.envs.vectors import pair, vector_spec
from logpi.errors import LogpiError
from logpi.methods import method_of
from logpi.nets.policy import example
from logpi.tasks import NOTHING, Limits, Own
from logpi.types import Algorithm, DeviceEnv, EnvSpec

BRIEF = 2e6  # moves learnt from, times passes: a shorter run does not earn back the slower compilation


class Parts(NamedTuple):
    """What an experiment is made of."""

    env: DeviceEnv | HostFactory
    spec: EnvSpec
    algorithm: Algorithm
    acts_by_policy: bool  # whether an agent needs nothing of the method but its network
    num_devices: int  # that share one learner's environments
    plan: Plan  # of the periodic evaluations
    notes: tuple[str, ...]  # told before the training begins
    limits: Limits


def parts(experiment: Experiment, own: Own) -> Parts:
    """Environment, its spec and the algorithm on its policy, ``own`` or standard.

    Raises:
        LogpiError: unknown environment, unsupported spaces, or settings that do not fit together, such as several
            seeds on a vector of environments.
    """
    env = make(experiment.env, **experiment.env_kwargs) if own.env is None else own.env
    _check_settings(experiment, isinstance(env, VectorEnv))
    spec = vector_spec(env, experiment) if isinstance(env, VectorEnv) else spec_of(env, experiment.env_kwargs)
    policy = own.policy or own_policy(experiment.policy, spec)
    if policy is not None:
        check_policy(policy, spec, f"network {experiment.policy}" if experiment.policy else "policy")
    name, method = experiment.algo, own.algorithm or method_of(experiment.algo, own.method)
    policy = policy or standard_policy(method, spec, experiment.network)
    algorithm = made(method, experiment.method, policy, spec, name)
    if own.algorithm or own.method or ":" in name:
        check_method(algorithm, spec, name)
    if isinstance(env, DeviceEnv) and (own.env is not None or ":" in experiment.env):
        check_device_env(env, algorithm, experiment.method.n_envs, experiment.env)
    num_devices = 1 if own.algorithm else _num_devices(experiment, algorithm)
    plan, notes = evaluations(experiment, env, spec, algorithm)
    rows = algorithm.n_steps if algorithm.whole_episodes else None
    greedy = not experiment.run.eval_sampled
    limits = Limits(max_entropy(spec.action_space), spec.max_episode_steps, rows, greedy)
    return Parts(env, spec, algorithm, acts_by(algorithm, policy), num_devices, plan, notes, limits)


def _check_settings(experiment: Experiment, is_vector: bool) -> None:
    run = experiment.run
    if run.seeds > 1 and is_vector:
        raise LogpiError(
            f"seeds={run.seeds}: a vector of environments cannot be copied, and each seed needs its own; give the "
            "environment's name, or a function that builds it"
        )
    if run.autoreset != "next_step" and experiment.method.normalize_reward:
        raise LogpiError(
            f"autoreset={run.autoreset} leaves out moves, so normalize_reward cannot sum an episode's "
            "return; choose autoreset next_step, or normalize_reward off"
        )


def _num_devices(experiment: Experiment, algorithm: Algorithm) -> int:
    """How many devices share one learner's environments (an algorithm of the user's own keeps to one)."""
    n_envs = experiment.method.n_envs
    if algorithm.experience:
        return devices.sharing(n_envs, algorithm.experience.batch_size, algorithm.experience.batch_size)
    rows = algorithm.batch_size or algorithm.n_steps * n_envs
    recurrent = bool(jax.tree.leaves(jax.eval_shape(lambda: algorithm.policy.memory(1))))
    return devices.sharing(n_envs, rows, rows // (algorithm.n_steps if recurrent else 1))


def process(experiment: Experiment, parts: Parts, own: Own = NOTHING, seed: int | None = None) -> Process:
    """The learning process of an experiment; host environments begin with ``seed``, by default the run's."""
    run, method = experiment.run, experiment.method
    obs, plan = example(parts.spec.observation_space), parts.plan
    sizes = Sizes(
        n_envs=method.n_envs,
        num_devices=parts.num_devices,
        episodes=plan.episodes,
        normalize_obs=method.normalize_obs,
        normalize_reward=method.normalize_reward,
        greedy=not run.eval_sampled,
        brief=method.total_timesteps * parts.algorithm.passes * run.seeds < BRIEF,
    )
    if isinstance(parts.env, DeviceEnv):
        made = on_device(vectorize(parts.env), parts.algorithm, obs, sizes)
        return _reusing(made._replace(plan=plan), parts.algorithm, method.n_envs)
    beside = side_by_side(plan.episodes)
    if isinstance(parts.env, VectorEnv):
        vector, evaluation = pair(parts.env, own.eval_env, beside)
    else:
        make = functools.partial(make_host, parts.env, env_kwargs=dict(experiment.env_kwargs))
        vector = make(method.n_envs, vectorization=run.vectorization, autoreset=run.autoreset)
        evaluation = make(beside)
    made = on_host(vector, evaluation, parts.algorithm, obs, run.seed if seed is None else seed, sizes)
    return _reusing(made._replace(plan=plan), parts.algorithm, vector.num_envs)


def _reusing(collecting: Process, algorithm: Algorithm, n_envs: int) -> Process:
    """The process of a method that learns from a replay, where ``algorithm`` is one."""
    return off_policy(collecting, algorithm, n_envs) if algorithm.experience else collecting
