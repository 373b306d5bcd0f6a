"""A trained agent on the disk and back: weights, normalisers and spaces, without the environment and the optimizer.

``agent.safetensors`` holds the arrays and ``agent.json`` the rest; nothing in either is executed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from logpi.algorithms.common.learning import make_act
from logpi.config.settings import MOST_STEPS, Network
from logpi.config.stored import LOAD, check_objects, from_card
from logpi.config.wrappers import wrappings
from logpi.control.fit import made
from logpi.envs.space_json import space_from_json, space_to_json
from logpi.envs.spaces import plain, to_env
from logpi.errors import LogpiError
from logpi.methods import AnyMethod, method_of
from logpi.nets.policy import example, make_policy
from logpi.ops.normalization import Statistics, init_statistics
from logpi.own_code import load_attribute
from logpi.runs import cards
from logpi.runs.checkpoint import load_tree
from logpi.tasks import NOTHING, Facts, Own
from logpi.types import Act, Algorithm, Array, EnvSpec, Key, Learner, Policy, PyTree

KIND = "control"


class Agent:
    """A policy with its weights and normalisers, ready to act; keeps its own recurrent memory between calls."""

    kind = KIND

    def __init__(
        self,
        spec: EnvSpec,
        policy: Policy,
        params: PyTree,
        statistics: Statistics,
        facts: Facts,
        algorithm: Algorithm | None = None,
    ) -> None:
        """``algorithm`` is the method that trained it; without one it acts as most methods do, by its policy alone."""
        self.spec, self.policy, self.facts = spec, policy, facts
        hyper = () if algorithm is None else algorithm.hyper
        moves = facts.get("timesteps", 0)  # where schedules of the method's acting stand
        self.learner = Learner(params, (), statistics, hyper, jnp.int32(moves))
        self.act_on = make_act(policy) if algorithm is None else algorithm.act
        self.decide = jax.jit(self._nth_act, static_argnames="greedy")
        self._shapes = [x.shape for x in jax.tree.leaves(example(spec.observation_space))]
        self.env: Any = None  # what it is evaluated and filmed in, where a program gave it: a function, a DeviceEnv
        self._memory: PyTree = None
        self._key, self._calls = jax.random.key(0), 0

    @property
    def memory(self) -> PyTree:
        """Recurrent memory [B, ...] of the episodes under way; None before the first action of an episode."""
        return self._memory

    def reset(self, seed: int | None = None) -> None:
        """Begin a new episode: forget the recurrent memory; ``seed`` restarts the sampling of actions."""
        self._memory = None
        if seed is not None:
            self._key, self._calls = jax.random.key(seed), 0

    def act(self, obs: Any, greedy: bool = True) -> Any:
        """The environment's action for one observation, or for a batch of them [B, ...].

        Raises:
            LogpiError: the observation does not have the shape of the agent's observation space, or an agent with a
                memory is shown another number of episodes than it remembers.
        """
        shown, single = self._shown(obs)
        batch = jax.tree.map(lambda x: x[None], shown) if single else shown
        size = len(jax.tree.leaves(batch)[0])
        if self._memory is None:
            self._memory = self.policy.memory(size)
        if any(len(x) != size for x in jax.tree.leaves(self._memory)):
            raise LogpiError(
                f"{size} observations do not continue the episodes that this agent remembers; call reset() first"
            )
        self._calls += 1
        chosen = self.decide(self.learner, self._memory, batch, self._key, np.int32(self._calls), greedy=greedy)
        self._memory = chosen.memory
        action = to_env(self.spec.action_space, np.asarray(chosen.action))
        return action[0] if single else action

    def _nth_act(self, learner: Learner, memory: PyTree, obs: PyTree, key: Key, calls: Array, greedy: bool) -> Act:
        return self.act_on(learner, memory, obs, jax.random.fold_in(key, calls), greedy=greedy)

    def _shown(self, obs: Any) -> tuple[Any, bool]:
        """The observation as it was in training, and whether it is a single one."""
        try:
            shown = plain(self.spec.observation_space, obs)
        except LogpiError as error:
            raise self._misfit(str(error)) from error
        leaves = [x.shape for x in jax.tree.leaves(shown)]
        if leaves == self._shapes:
            return shown, True
        if leaves[0] and len({x[:1] for x in leaves}) == 1 and [x[1:] for x in leaves] == self._shapes:
            return shown, False
        raise self._misfit(f"an observation of shape {leaves}")

    def _misfit(self, what: str) -> LogpiError:
        return LogpiError(
            f"{what} does not fit this agent's observation space {self.spec.observation_space}; give one observation, "
            "or a batch of them"
        )


def save_agent(folder: Path, learner: Learner, spec: EnvSpec, network: Network | None, facts: Facts) -> None:
    """Write ``agent.safetensors`` and ``agent.json`` into ``folder``, each atomically.

    ``network`` is None for a policy of the user's own, which ``load_agent`` must then be given. ``facts`` are
    JSON-able (algorithm, score, …).

    Raises:
        LogpiError: the disk refuses.
    """
    arrays = {"params": learner.params, "statistics": learner.statistics.obs}
    card = {
        "env": spec.id,
        "observation_space": space_to_json(spec.observation_space),
        "action_space": space_to_json(spec.action_space),
        "max_episode_steps": spec.max_episode_steps,
        "network": network and dataclasses.asdict(network),
        "normalize_obs": learner.statistics.obs != (),
        **facts,
    }
    cards.save(folder, KIND, arrays, card)


def standard_policy(method: AnyMethod | None, spec: EnvSpec, network: Any) -> Policy:
    """The network of ``method`` by its settings: its own, or the standard policy, as for a plain function (None)."""
    make = (method and method.policy) or make_policy
    return cast(Policy, make(spec, network))


def own_policy(name: str, spec: EnvSpec) -> Policy | None:
    """The network that ``path/file.py:name`` holds, for an environment's spaces; None for an empty name.

    Raises:
        LogpiError: no such file or attribute, code that is not trusted here, or something that is not a policy.
    """
    if not name:
        return None
    found: Any = load_attribute(name)
    if callable(found) and not isinstance(found, Policy):
        try:
            found = found(spec)
        except Exception as error:
            raise LogpiError(
                f"network {name}: the call with the EnvSpec raised {type(error).__name__}: {error}"
            ) from error
    if not isinstance(found, Policy):
        raise LogpiError(
            f"network {name} is a {type(found).__name__}; wanted: a logpi.Policy, or a function (EnvSpec) -> "
            "logpi.Policy"
        )
    return found


def adopt(learner: Learner, folder: Path, network: Network | None, spec: EnvSpec) -> Learner:
    """``learner`` with the parameters and the observation statistics of the agent in ``folder``.

    What only a method keeps (``Learner.extra``) stays as it is.

    Args:
        learner: of a run, or its shapes.
        folder: of the agent.
        network: settings of the run's network; None where it is the user's own.
        spec: of the run's environment.

    Raises:
        LogpiError: the agent cannot be read, or does not fit.
    """
    _check_spaces(cards.read_card(folder), folder, spec)
    normalized = learner.statistics.obs != ()
    if (card := cards.read_card(folder)).get("normalize_obs", normalized) != normalized:
        flag = "--no-normalize-obs" if normalized else "--normalize-obs"
        raise LogpiError(
            f"the agent in {folder} ({card.get('env')}) was trained {'without' if normalized else 'with'} normalized "
            f"observations, but this run is not: add {flag}"
        )
    like = {"params": learner.params, "statistics": learner.statistics.obs}
    found = cards.arrays_for(folder, KIND, like, None if network is None else dataclasses.asdict(network))
    statistics = learner.statistics._replace(obs=found["statistics"])
    return learner._replace(params=found["params"], statistics=statistics)


def _check_spaces(card: Facts, folder: Path, spec: EnvSpec) -> None:
    """Raise LogpiError where an agent's spaces have other shapes than those of a run's environment."""
    if not {"observation_space", "action_space"} <= card.keys():
        return  # of another kind of task, which is told where its arrays are read
    with cards.reading(folder):
        theirs = [space_from_json(card[key]) for key in ("observation_space", "action_space")]
    for what, its, own in zip(
        ("observations", "actions"), theirs, (spec.observation_space, spec.action_space), strict=True
    ):
        shapes = [jax.tree.map(lambda x: x.shape, example(space)) for space in (its, own)]
        if shapes[0] != shapes[1] or type(its) is not type(own) or getattr(its, "n", 0) != getattr(own, "n", 0):
            raise LogpiError(
                f"the agent in {folder} is of {card.get('env')}, whose {what} are {its}; those of {spec.id} are {own}. "
                "A run begins with an agent of the same spaces; leave --from out"
            )


def load_agent(folder: str | Path, own: Own = NOTHING) -> Agent:
    """The agent saved in ``folder`` (one with ``agent.json``); ``own`` are objects that it was trained with.

    Raises:
        LogpiError: no agent there, a damaged file, another format, or an object that it needs is not given.
    """
    folder = Path(folder)
    with cards.reading(folder) as card:
        observation, action = (space_from_json(card[k]) for k in ("observation_space", "action_space"))
        spec = EnvSpec(card["env"], observation, action, _limit(card["max_episode_steps"]))
        if not isinstance(card.get("env_kwargs", {}), dict):
            raise TypeError("env_kwargs is not a table")
        wrappings(card.get("wrappers", ()))
        if not (type(moves := card.get("timesteps", 0)) is int and 0 <= moves < 2**31):
            raise TypeError(f"timesteps is {moves!r}")
        method = None
        if card.get("method") is not None:
            check_objects([name for name in card["objects"] if name != "env"], own.given, LOAD)
            method = method_of(str(card["algo"]), own.method)
        kind = Network if method is None else method.network
        network = card["network"] and from_card(kind, card["network"], "network")
        normalize = bool(card["normalize_obs"])
        named = str(card["policy"])
        policy = own.policy or own_policy(named, spec)
        if policy is None:
            if network is None:
                raise LogpiError(f"the agent in {folder} has a network of its own: pass it, load(path, policy=...)")
            policy = standard_policy(method, spec, network)
        obs, algorithm = example(observation), None
        if method is not None:
            settings = from_card(method.settings, card["method"], "method")
            algorithm = made(own.algorithm or method, settings, policy, spec, method.name)
            policy = algorithm.policy
        init = policy.init if algorithm is None else lambda key: algorithm.init(key).params
        like = {
            "params": jax.eval_shape(init, jax.random.key(0)),
            "statistics": jax.eval_shape(lambda: init_statistics(obs, 1, normalize, False)).obs,
        }
    arrays, _ = load_tree(folder / cards.WEIGHTS, like)
    arrays = jax.tree.map(jnp.asarray, arrays)
    return Agent(spec, policy, arrays["params"], Statistics(obs=arrays["statistics"]), card, algorithm)


def _limit(steps: Any) -> int | None:
    """The time limit of a card."""
    if steps is not None and not (type(steps) is int and 0 < steps < MOST_STEPS):
        raise ValueError(f"max_episode_steps is {steps!r}")
    return steps
