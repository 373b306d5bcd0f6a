"""From an ``Experiment`` (names and numbers) to its parts: environment, policy, algorithm, compiled programs."""

from __future__ import annotations

from typing import NamedTuple

from logpi.algorithms import METHODS
from logpi.config import Experiment
from logpi.envs.device import vectorize
from logpi.envs.host import HostFactory, make_host
from logpi.envs.make import make, spec_of
from logpi.errors import LogpiError
from logpi.nets.policy import example, make_policy
from logpi.programs import DevicePrograms, HostPrograms, Programs
from logpi.types import Algorithm, DeviceEnv, EnvSpec, Policy

EVALUATION_ENVS = 16  # side by side in a host evaluation


class Parts(NamedTuple):
    """What an experiment is made of."""

    env: DeviceEnv | HostFactory
    spec: EnvSpec
    algorithm: Algorithm


def parts(experiment: Experiment, policy: Policy | None = None) -> Parts:
    """Environment, its spec and the algorithm on its policy (``policy``, or the standard one).

    Raises:
        LogpiError: unknown environment, unsupported spaces, or settings that do not fit together.
    """
    env = make(experiment.env, **experiment.env_kwargs)
    spec = spec_of(env, experiment.env_kwargs)
    policy = policy or make_policy(spec, experiment.network)
    algorithm = METHODS[experiment.algo](experiment.method, policy, spec, example(spec.observation_space))
    return Parts(env, spec, algorithm)


def programs(experiment: Experiment, parts: Parts) -> Programs:
    """The compiled programs of an experiment.

    Raises:
        LogpiError: several seeds at once on a host environment.
    """
    run, batch = experiment.run, experiment.method.n_envs
    if isinstance(parts.env, DeviceEnv):
        seeds = list(range(run.seed, run.seed + run.seeds))
        episodes = max(run.eval_episodes, run.final_episodes)
        return DevicePrograms(vectorize(parts.env), parts.algorithm, batch, seeds, episodes)
    if run.seeds > 1:
        raise LogpiError(
            f"seeds={run.seeds}: {experiment.env} runs on the host, where one run trains one seed; device "
            "environments (`logpi envs`) train many at once. Start one run a seed, with --seed"
        )
    kwargs = dict(experiment.env_kwargs)
    vector = make_host(parts.env, batch, vectorization=run.vectorization, autoreset=run.autoreset, env_kwargs=kwargs)
    side = min(EVALUATION_ENVS, run.final_episodes)
    evaluation = make_host(parts.env, side, env_kwargs=kwargs)
    return HostPrograms(vector, evaluation, parts.algorithm, run.seed)
