"""Modules with the interfaces of gymnax, Brax, MuJoCo Playground and PettingZoo, for tests where these are absent.

Each holds a walk along a line: a move goes left or right, reaching +3 or -3 terminates, and a reward is the position.
"""

import sys
import types
from pathlib import Path
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

GOAL, LIMIT = 3, 5


def module(monkeypatch, name, **content):
    """A module of this name until the end of the test."""
    made = types.ModuleType(name)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)
    return made


class WalkState(NamedTuple):
    x: object
    time: object


class WalkParams(NamedTuple):
    max_steps_in_episode: int = LIMIT


class WalkSpace(NamedTuple):
    """A space as gymnax has it, which is not one of Gymnasium's."""

    low: object
    high: object
    shape: tuple
    dtype: object


class WalkChoice(NamedTuple):
    n: int


class GymnaxWalk:
    def __init__(self, start=0.0):
        self.start = start

    def observation_space(self, params):
        return WalkSpace(-4.0, 4.0, (1,), jnp.float32)

    def action_space(self, params):
        return WalkChoice(2)

    def is_truncated(self, state, params):
        return state.time >= params.max_steps_in_episode

    def reset_env(self, key, params):
        return jnp.array([self.start]), WalkState(jnp.float32(self.start), 0)  # a Python number, as there

    def step_env(self, key, state, action, params):
        x = state.x + 2 * action - 1
        return x[None], WalkState(x, state.time + 1), x, jnp.abs(x) >= GOAL, {}

    def step(self, *arguments):
        raise AssertionError("this one resets by itself")


def gymnax(monkeypatch, walk=GymnaxWalk):
    def make(name, **kwargs):
        return walk(**kwargs), WalkParams()

    return module(monkeypatch, "gymnax", registered_envs=["Walk-v0", "Other-v1"], make=make)


class Physics(NamedTuple):
    """A state as Brax and Playground have it."""

    obs: object
    reward: object
    done: object
    info: dict


class PhysicsWalk:
    """Its observation has one part for the agent, and with ``parts`` one for a critic in simulation too."""

    action_size = 1

    def __init__(self, backend="usual", parts=False):
        self.parts = parts
        if backend not in ("usual", "spring"):
            raise ValueError(f"backend {backend}")

    def shown(self, x):
        return {"state": x, "privileged_state": jnp.concatenate([x, x])} if self.parts else x

    def reset(self, rng):
        x, rng = jnp.zeros(1), jax.random.split(rng)[0]
        return Physics(self.shown(x), jnp.zeros(()), jnp.zeros(()), {"rng": rng, "last": 0})

    def step(self, state, action):
        x = (state.obs["state"] if self.parts else state.obs) + jnp.sign(action)
        info = {"rng": jax.random.split(state.info["rng"])[0], "last": action[0]}
        return Physics(self.shown(x), x[0], jnp.where(jnp.abs(x[0]) >= GOAL, 1.0, 0.0), info)


def brax(monkeypatch):
    def get_environment(name, **kwargs):
        return {"walk": PhysicsWalk}[name](**kwargs)

    envs = module(monkeypatch, "brax.envs", _envs={"walk": PhysicsWalk}, get_environment=get_environment)
    module(monkeypatch, "brax", envs=envs)
    return envs


class Config(dict):
    """A configuration as ``ml_collections`` has it, as far as it is used."""

    def __getattr__(self, name):
        return self[name]

    def lock(self):
        return self

    def update_from_flattened_dict(self, changes):
        for name, value in changes.items():
            if name not in self:
                raise KeyError(name)
            self[name] = value


def playground(monkeypatch, menagerie: Path):
    def load(name, config):
        assert name != "Robot" or menagerie.exists(), "the models would be downloaded"
        assert config["impl"] == "jax", "copies could not be reset one by one"
        return PhysicsWalk(parts=True)

    def get_default_config(name):
        return Config(episode_length=LIMIT * 2, action_repeat=2 if name == "WalkTwice" else 1, impl="warp")

    suite = types.SimpleNamespace(ALL_ENVS=("Walk", "WalkTwice"))
    registry = types.SimpleNamespace(
        ALL_ENVS=(*suite.ALL_ENVS, "Robot"), load=load, get_default_config=get_default_config
    )
    source = types.SimpleNamespace(mjx_env=types.SimpleNamespace(MENAGERIE_PATH=menagerie))
    content = {"registry": registry, "dm_control_suite": suite, "_src": source}
    return module(monkeypatch, "mujoco_playground", **content)


class ParallelWalk:
    """Two walkers, the second of which may be gone earlier; truncated after ``max_cycles`` moves."""

    metadata: ClassVar = {"name": "walk_v0", "render_modes": ["rgb_array"], "render_fps": 5}
    possible_agents: ClassVar = ["left", "right"]

    def __init__(self, render_mode=None, max_cycles=LIMIT, mask=False, other=False):
        self.render_mode, self.max_cycles, self.mask, self.other = render_mode, max_cycles, mask, other
        self.unwrapped, self.agents, self.closed = self, [], False

    def observation_space(self, agent):
        size = 2 if self.other and agent == "right" else 1
        box = spaces.Box(-4.0, 4.0, (size,), np.float32)
        return spaces.Dict({"x": box, "action_mask": spaces.MultiBinary(2)}) if self.mask else box

    def action_space(self, agent):
        return spaces.Discrete(2)

    def shown(self, agent):
        x = np.array([self.x[agent]], np.float32)
        return {"x": x, "action_mask": np.array([1, 1], np.int8)} if self.mask else x

    def reset(self, seed=None, options=None):
        self.seed = seed if seed is not None else getattr(self, "seed", None)
        self.agents, self.time = list(self.possible_agents), 0
        self.x = {"left": 0.0, "right": 1.0}  # the second is nearer to an end
        return {agent: self.shown(agent) for agent in self.agents}, {agent: {} for agent in self.agents}

    def step(self, actions):
        assert set(actions) == set(self.agents), "one action for each agent that is there"
        self.time += 1
        for agent, action in actions.items():
            self.x[agent] += 2.0 * int(action) - 1.0
        there = self.agents
        terminated = {agent: abs(self.x[agent]) >= GOAL for agent in there}
        truncated = dict.fromkeys(there, self.time >= self.max_cycles)
        self.agents = [agent for agent in there if not (terminated[agent] or truncated[agent])]
        obs = {agent: self.shown(agent) for agent in there}
        return obs, {agent: self.x[agent] for agent in there}, terminated, truncated, {agent: {} for agent in there}

    def render(self):
        return np.full((8, 8, 3), int(30 * (self.x["left"] + 4)), np.uint8) + np.arange(8, dtype=np.uint8)[:, None]

    def close(self):
        self.closed = True


def pettingzoo(monkeypatch):
    family = module(monkeypatch, "pettingzoo.butterfly.walk_v0", parallel_env=ParallelWalk)
    module(monkeypatch, "pettingzoo.classic.turns_v0")
    module(monkeypatch, "pettingzoo")
    return family


class Episode(NamedTuple):
    """An episode as Minari has it."""

    observations: object
    actions: object


class DataSet(NamedTuple):
    observation_space: object
    action_space: object
    episodes: list

    def iterate_episodes(self):
        return iter(self.episodes)


def minari(monkeypatch):
    """A store in memory of recorded episodes."""
    store = {}

    class DataCollector(gymnasium.Wrapper):
        def __init__(self, env, jpeg_encoding=True):
            assert not jpeg_encoding, "images would lose detail"
            super().__init__(env)
            self.all = []

        def reset(self, **options):
            obs, info = self.env.reset(**options)
            self.all.append(([obs], []))
            return obs, info

        def step(self, action):
            obs, *rest = self.env.step(action)
            self.all[-1][0].append(obs)
            self.all[-1][1].append(action)
            return obs, *rest

        def create_dataset(self, dataset_id, algorithm_name, description):
            episodes = [Episode(np.stack(obs), np.stack(actions)) for obs, actions in self.all]
            store[dataset_id] = DataSet(self.env.observation_space, self.env.action_space, episodes)

    def load_dataset(name):
        if name not in store:
            raise FileNotFoundError(f"{name} not found locally")
        return store[name]

    module(monkeypatch, "h5py")
    functions = {"DataCollector": DataCollector, "load_dataset": load_dataset, "list_local_datasets": lambda: store}
    return module(monkeypatch, "minari", **functions)
