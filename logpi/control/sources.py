"""Where an agent's environments come from: a device environment, a factory of Gymnasium's, or a vector of them.

Each is a ``Source``, and ``source_of`` alone asks what it was given: how environments are run, planned for, evaluated
in and drawn is the source's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gymnasium
import jax
from gymnasium.vector import VectorEnv

from logpi.config.settings import Run
from logpi.control.evaluation import Returns, evaluate_agent, evaluate_device
from logpi.control.fit import check_device_env
from logpi.control.host_plan import host_plan, longest_episode, side_by_side
from logpi.control.on_host import on_host
from logpi.control.on_policy import Sizes, on_device
from logpi.control.teams import OfTeams
from logpi.control.variance.trajectories import OnDevices, OnVector, Sampler
from logpi.driver import budget
from logpi.driver.budget import Plan
from logpi.driver.process import Process
from logpi.envs.adapters.teams import Team
from logpi.envs.gym_vector import GymVector, describe
from logpi.envs.host import host_spec, make_host
from logpi.envs.load import device
from logpi.envs.make import vectorize
from logpi.envs.presets import suited
from logpi.envs.vectorization import Wanted, Way, choose
from logpi.envs.vectors import arguments_of, as_registered, check_size, pair
from logpi.envs.wrappers import Layer, Named, Wrapped, described, layers
from logpi.errors import LogpiError
from logpi.tasks import NO_ENVIRONMENTS, VECTORS
from logpi.types import Algorithm, DeviceEnv, DeviceVector, EnvSpec, PyTree

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.control.agent import Agent

UPDATE_COST = 1.2  # of one pass of the update over a step, in steps of an evaluation on the same device
BESIDE = 20  # episodes that an agent plays at once on the host, at most
ONE_WANTED = "an agent is evaluated and measured in single environments; give a function that builds one, not a vector"
WANTED = (
    "allowed: a name such as 'CartPole-v1', a function that builds a gymnasium.Env or a JAX environment, such as "
    "lambda: gymnasium.make('CartPole-v1'), or a gymnasium.vector.VectorEnv; a board game is given by its name, such "
    "as 'path/file.py:NAME'"
)


class Given(NamedTuple):
    """What follows from environments that a Python program brings to ``logpi.train``."""

    name: str
    env: object  # that environments are made of: ``source_of`` takes it
    suited: Mapping[str, Mapping[str, Any]]  # settings by section that suit its spaces
    env_kwargs: Mapping[str, object] | None = None  # with which the registered environment of that name is the same
    settings: Mapping[str, object] = MappingProxyType({})  # that cannot be otherwise


class Source(Protocol):
    """Environments of one make."""

    place: str  # where they step, as results say it
    in_turn: bool  # whether several seeds learn one after the other, each in a process of its own
    single: bool  # whether one environment can be built, for an agent to be evaluated and filmed in
    idle: Mapping[str, str]  # "section.setting" -> why it does nothing here
    notes: tuple[str, ...]  # what is said of them before the training begins

    def settled(self, experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
        """(``experiment`` with what is left open of its vectors decided, what is to be said of them).

        Raises:
            LogpiError: the vector that is asked for does not serve these environments.
        """
        ...

    def packages(self, run: Run) -> tuple[str, ...]:
        """Packages whose versions decide how the environments of a run step."""
        ...

    def given(self) -> Given:
        """What ``logpi.train`` makes of them; raises LogpiError where they cannot be trained in."""
        ...

    def spec(self) -> EnvSpec:
        """Spaces and time limit of one environment; raises LogpiError where it cannot be built."""
        ...

    def check(self, experiment: Experiment) -> None:
        """Raise LogpiError where the environments and the experiment do not fit together."""
        ...

    def check_own(self, experiment: Experiment, algorithm: Algorithm) -> None:
        """Raise LogpiError where environments of the user's own cannot be collected in by ``algorithm``."""
        ...

    def longest(self, moves: int) -> int | None:
        """Moves of the longest episode that ended within random ``moves``; 0: none did; None: they were not made."""
        ...

    def plan(self, run: Run, timesteps: float, longest: int, passes: int) -> Plan:
        """The periodic evaluations of a run of ``timesteps`` whose method learns ``passes`` times from a step."""
        ...

    def process(self, experiment: Experiment, algorithm: Algorithm, obs: PyTree, sizes: Sizes, seed: int) -> Process:
        """Collecting and updating; stateful environments begin with ``seed``."""
        ...

    def evaluate(self, agent: Agent, episodes: int, seed: int, greedy: bool) -> Returns:
        """Play full episodes."""
        ...

    def sampler(self, algorithm: Algorithm, batch: int, lanes: int, seed: int) -> Sampler:
        """Whole episodes of a policy, ``batch`` to a chunk and ``lanes`` chunks at once."""
        ...

    def drawn(self, render_mode: str) -> gymnasium.Env:
        """One environment that draws itself."""
        ...

    def alone(self) -> gymnasium.Env:
        """One environment; raises LogpiError where there is none of Gymnasium's form."""
        ...


class OnDevice:
    """A device environment: pure functions, compiled with the method."""

    place, in_turn, single = "device", False, True
    idle: Mapping[str, str] = NO_ENVIRONMENTS
    notes: tuple[str, ...] = ()

    def __init__(self, env: DeviceEnv) -> None:
        self._env = env

    def settled(self, experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
        return experiment, ()

    def packages(self, run: Run) -> tuple[str, ...]:
        return ()

    def given(self) -> Given:
        spec = self._env.spec
        return Given(spec.id, self._env, suited(spec.observation_space, spec.action_space))

    def spec(self) -> EnvSpec:
        return self._env.spec

    def check(self, experiment: Experiment) -> None:
        pass

    def check_own(self, experiment: Experiment, algorithm: Algorithm) -> None:
        check_device_env(self._env, algorithm, experiment.method.n_envs, experiment.env)

    def longest(self, moves: int) -> int | None:
        return None

    def plan(self, run: Run, timesteps: float, longest: int, passes: int) -> Plan:
        """An evaluation's step costs what one of training does but for the update."""
        return budget.plan(run, timesteps, 1 / (1 + UPDATE_COST * passes), longest)

    def process(self, experiment: Experiment, algorithm: Algorithm, obs: PyTree, sizes: Sizes, seed: int) -> Process:
        return on_device(self._vector, algorithm, obs, sizes)

    def evaluate(self, agent: Agent, episodes: int, seed: int, greedy: bool) -> Returns:
        key = jax.random.key(seed)
        play = jax.jit(
            lambda learner: evaluate_device(self._vector, agent.policy, agent.act_on, learner, key, episodes, greedy)
        )
        returns, lengths = jax.device_get(play(agent.learner))
        return returns, lengths

    def sampler(self, algorithm: Algorithm, batch: int, lanes: int, seed: int) -> Sampler:
        return OnDevices(self._vector, algorithm, batch, lanes, seed)

    def drawn(self, render_mode: str) -> gymnasium.Env:
        name = self._env.spec.id
        raise LogpiError(f"{name} is a device environment, which draws no pictures; there is nothing to film")

    def alone(self) -> gymnasium.Env:
        raise LogpiError(
            f"{self._env.spec.id} is a device environment; episodes are recorded in one of Gymnasium's form, on the "
            "host"
        )

    @functools.cached_property
    def _vector(self) -> DeviceVector:
        return vectorize(self._env)


class OnHost:
    """A factory of Gymnasium's environments within wrappers, which are stepped from Python.

    Evaluations and films leave out the wrappers that are for training only.
    """

    place, in_turn, single = "Gymnasium", True, True
    idle: Mapping[str, str] = MappingProxyType({})

    def __init__(self, factory: Any, env_kwargs: Mapping[str, object], wrappers: tuple[Layer, ...] = ()) -> None:
        kept = tuple(layer for layer in wrappers if not layer.training_only)
        self._factory = Wrapped(factory, wrappers) if wrappers else factory
        self._whole = Wrapped(factory, kept) if kept else factory
        self._kwargs = dict(env_kwargs)
        self.notes: tuple[str, ...] = (described(wrappers),) if wrappers else ()

    def settled(self, experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
        run = experiment.run
        trained, evaluated = self._ways(run)
        self._check_halves(experiment, trained)
        said = f"training steps its environments in {trained.title()}, evaluations in {evaluated.title()}"
        chosen: dict[str, Any] = {"vectorization": trained.name}
        return dataclasses.replace(experiment, run=dataclasses.replace(run, **chosen)), (said,)

    def packages(self, run: Run) -> tuple[str, ...]:
        return tuple(dict.fromkeys(way.package for way in self._ways(run)))

    def _check_halves(self, experiment: Experiment, trained: Way) -> None:
        """Refuse half-batches where they cannot be, or would only cost.

        Raises:
            LogpiError: with what allows them.
        """
        if not experiment.run.half_batches:
            return
        if not trained.beside:
            raise LogpiError(
                f"half_batches with vectorization {trained.name!r}: its environments step in the thread that the "
                "network acts in; choose 'async', 'ale' or 'envpool', or leave half_batches out"
            )
        if experiment.method.n_envs % 2:
            raise LogpiError(f"half_batches needs an even n_envs, and it is {experiment.method.n_envs}")

    def _ways(self, run: Run) -> tuple[Way, Way]:
        """How training and evaluations step their environments."""
        trained = Wanted(self._factory, self._kwargs, self._spec, run.autoreset)
        evaluated = Wanted(self._whole, self._kwargs, self._spec)
        return choose(run.vectorization, trained), choose(run.eval_vectorization, evaluated)

    def given(self) -> Given:
        if not callable(self._factory):
            known = getattr(getattr(self._factory, "spec", None), "id", "")
            named = f"; of this one the name, {known!r}, will do" if known else ""
            what = f"env is a {type(self._factory).__name__}, which cannot be copied"
            raise LogpiError(f"{what}; {WANTED}{named}")
        name = getattr(self._factory, "__name__", type(self._factory).__name__)
        try:
            built = self._factory()
        except Exception as error:
            raise LogpiError(f"env: {name}() raised {describe(error)}; {WANTED}") from error
        if not (hasattr(built, "reset") and hasattr(built, "step")):
            raise LogpiError(f"env: {name}() returned a {type(built).__name__}; {WANTED}")
        if not isinstance(built, gymnasium.Env):
            return OnDevice(device(name, built)).given()
        with contextlib.closing(built):
            kwargs = arguments_of(built.spec) if as_registered(built) else None
            name = built.spec.id if built.spec else name
            return Given(name, self._factory, suited(built.observation_space, built.action_space), kwargs)

    def spec(self) -> EnvSpec:
        return self._spec

    @functools.cached_property
    def _spec(self) -> EnvSpec:
        spec = host_spec(self._factory, self._kwargs)
        if self._whole is not self._factory:
            whole = host_spec(self._whole, self._kwargs)
            if (whole.observation_space, whole.action_space) != (spec.observation_space, spec.action_space):
                raise LogpiError(
                    f"{self.notes[0]}: what is for training only changes the spaces ({whole.observation_space} without "
                    f"it, {spec.observation_space} with it), so no evaluation could do without it"
                )
        return spec

    def check(self, experiment: Experiment) -> None:
        pass

    def check_own(self, experiment: Experiment, algorithm: Algorithm) -> None:
        pass

    def longest(self, moves: int) -> int | None:
        return longest_episode(self._whole, self._kwargs, moves)

    def plan(self, run: Run, timesteps: float, longest: int, passes: int) -> Plan:
        trained, evaluated = self._ways(run)
        return host_plan(run, timesteps, longest, trained.rate / evaluated.rate)

    def process(self, experiment: Experiment, algorithm: Algorithm, obs: PyTree, sizes: Sizes, seed: int) -> Process:
        run = experiment.run
        make = functools.partial(make_host, env_kwargs=self._kwargs, seconds=run.env_timeout)
        parts = 2 if run.half_batches else 1
        trained = functools.partial(make, vectorization=run.vectorization, autoreset=run.autoreset)
        vectors = [trained(self._factory, sizes.n_envs // parts) for _ in range(parts)]
        evaluation = make(self._whole, side_by_side(sizes.episodes), vectorization=run.eval_vectorization)
        return on_host(vectors, evaluation, algorithm, obs, seed, sizes)

    def evaluate(self, agent: Agent, episodes: int, seed: int, greedy: bool) -> Returns:
        made = make_host(self._whole, min(episodes, BESIDE), env_kwargs=self._kwargs)
        with contextlib.closing(made) as vector:
            return evaluate_agent(vector, agent, episodes, seed, greedy)

    def sampler(self, algorithm: Algorithm, batch: int, lanes: int, seed: int) -> Sampler:
        return OnVector(make_host(self._factory, batch, env_kwargs=self._kwargs), algorithm, lanes, seed)

    def drawn(self, render_mode: str) -> gymnasium.Env:
        return self._whole(render_mode=render_mode, **self._kwargs)

    def alone(self) -> gymnasium.Env:
        return self._whole(**self._kwargs)


class OfVector:
    """A vector that a Python program brings, and perhaps another one to evaluate in."""

    place, in_turn, single = "Gymnasium", True, False
    idle: Mapping[str, str] = dict.fromkeys(VECTORS, "the vector decides for itself")
    notes: tuple[str, ...] = ()

    def __init__(self, vector: VectorEnv, evaluation: VectorEnv | None) -> None:
        self._vector, self._evaluation = vector, evaluation

    def settled(self, experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
        return experiment, ()

    def packages(self, run: Run) -> tuple[str, ...]:
        return ("gymnasium",)

    def given(self) -> Given:
        vector = self._vector
        name = vector.spec.id if vector.spec else type(vector.unwrapped).__name__
        fit = suited(vector.single_observation_space, vector.single_action_space)
        return Given(name, vector, fit, arguments_of(vector.spec), {"n_envs": vector.num_envs})

    def spec(self) -> EnvSpec:
        return GymVector(self._vector).spec

    def check_own(self, experiment: Experiment, algorithm: Algorithm) -> None:
        pass

    def check(self, experiment: Experiment) -> None:
        check_size(self._vector, experiment.method.n_envs)
        if experiment.run.seeds > 1:
            raise LogpiError(
                f"seeds={experiment.run.seeds}: a vector of environments cannot be copied, and each seed needs its "
                "own; give the environment's name, or a function that builds it"
            )

    def longest(self, moves: int) -> int | None:
        return None

    def plan(self, run: Run, timesteps: float, longest: int, passes: int) -> Plan:
        return host_plan(run, timesteps, longest)

    def process(self, experiment: Experiment, algorithm: Algorithm, obs: PyTree, sizes: Sizes, seed: int) -> Process:
        beside, seconds = side_by_side(sizes.episodes), experiment.run.env_timeout
        vector, evaluation = pair(self._vector, self._evaluation, beside, seconds)
        return on_host([vector], evaluation, algorithm, obs, seed, sizes)

    def evaluate(self, agent: Agent, episodes: int, seed: int, greedy: bool) -> Returns:
        raise LogpiError(ONE_WANTED)

    def sampler(self, algorithm: Algorithm, batch: int, lanes: int, seed: int) -> Sampler:
        raise LogpiError(ONE_WANTED)

    def drawn(self, render_mode: str) -> gymnasium.Env:
        raise LogpiError(ONE_WANTED)

    def alone(self) -> gymnasium.Env:
        raise LogpiError(ONE_WANTED)


def source_of(
    env: object,
    env_kwargs: Mapping[str, object],
    eval_env: VectorEnv | None = None,
    wrappers: Sequence[Named] = (),
) -> Source:
    """The source that ``env`` is.

    Args:
        env: a ``DeviceEnv``, a ``gymnasium.vector.VectorEnv``, a ``Team``, or a function that builds a
            ``gymnasium.Env``.
        env_kwargs: arguments of that function.
        eval_env: the vector to evaluate in, where ``env`` is one.
        wrappers: names and arguments of the wrappers around each environment, innermost first.

    Raises:
        LogpiError: wrappers around something other than single environments of Gymnasium, or as ``layers``.
    """
    if isinstance(env, DeviceEnv):
        _no_wrappers(wrappers, f"{env.spec.id} runs on the device; give it what it should show itself")
        return OnDevice(env)
    if isinstance(env, VectorEnv):
        _no_wrappers(wrappers, "a vector of environments is given; wrap the environments that it is made of")
        return OfVector(env, eval_env)
    if isinstance(env, Team):
        _no_wrappers(
            wrappers, f"{env.spec.id} has several agents; give the module that it names wrappers of PettingZoo"
        )
        return OfTeams(env)
    return OnHost(env, env_kwargs, layers(wrappers) if wrappers else ())


def _no_wrappers(wrappers: Sequence[Named], why: str) -> None:
    if wrappers:
        names = ", ".join(name for name, _ in wrappers)
        raise LogpiError(f"wrappers {names} go around environments of Gymnasium, and {why}")
