"""Settings that do nothing in an environment: which, and why."""

from __future__ import annotations

import dataclasses
from typing import Any

from gymnasium import spaces
from gymnasium.vector import VectorEnv

from logpi.config.settings import Experiment
from logpi.envs.spaces import normalizable
from logpi.nets.policy import sees_images
from logpi.tasks import NO_ENVIRONMENTS, Own
from logpi.types import Algorithm, DeviceEnv, EnvSpec


def idle_settings(experiment: Experiment, env: Any, spec: EnvSpec, algorithm: Algorithm, own: Own) -> dict[str, str]:
    """ "section.setting" -> why it does nothing in ``env``: a device environment, a factory or a vector."""
    idle = _of_network(experiment, spec, own)
    if isinstance(env, DeviceEnv):
        idle |= NO_ENVIRONMENTS
    elif isinstance(env, VectorEnv):
        idle |= dict.fromkeys(NO_ENVIRONMENTS, "the vector decides for itself")
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
    if hasattr(network, "torso") and sees_images(spec.observation_space, network):
        convolutions = "the torso is the convolutions of Mnih et al. 2015, which policy and value share"
        idle |= {f"network.{name}": convolutions for name in ("hidden", "activation", "shared")}
    if not isinstance(spec.action_space, spaces.Box):
        gaussian = f"it is for a Gaussian policy, and the actions are {spec.action_space}"
        idle |= {f"network.{name}": gaussian for name in ("squash", "log_std_init")}
    return idle
