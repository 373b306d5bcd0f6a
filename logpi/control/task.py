"""Environments as a kind of task: Gymnasium's, device environments, and the user's own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logpi.control.bounds import returns_of
from logpi.errors import LogpiError
from logpi.runs import scores
from logpi.tasks import (
    NOTHING,
    Agent,
    Answer,
    Facts,
    Film,
    Length,
    Limits,
    Own,
    Question,
    Score,
    Table,
    Task,
    Work,
)

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.driver.budget import Plan
    from logpi.driver.process import Process
    from logpi.envs.host import HostFactory
    from logpi.runs.folder import RunFolder
    from logpi.types import Algorithm, DeviceEnv, EnvSpec, Learner

EVALUATION_ENVS = 16  # side by side in a host evaluation, at most
BRIEF = 2e6  # moves learnt from, times passes: a shorter run does not earn back the slower compilation
EPISODES = 100  # of an evaluation
SEED = 10_000  # of the first environment in an evaluation; training used others


class Parts(NamedTuple):
    """What an experiment is made of."""

    env: DeviceEnv | HostFactory
    spec: EnvSpec
    algorithm: Algorithm
    num_devices: int  # that share one learner's environments
    plan: Plan  # of the periodic evaluations
    notes: tuple[str, ...]  # told before the training begins
    limits: Limits


def _names() -> list[str]:
    import gymnasium

    from logpi.envs.make import DEVICE, entries

    return sorted({*DEVICE, *entries(), *gymnasium.registry})


def _meant(name: str) -> str:
    from logpi.envs.near import elsewhere

    return elsewhere(name)


def _runs_on(name: str) -> str:
    from logpi.envs.make import DEVICE

    return "device" if name in DEVICE else "host"


def _untuned(name: str, env_kwargs: Table) -> Mapping[str, Table]:
    """Settings that suit the spaces of a host environment; {} where it cannot be built: training says why."""
    from logpi.envs.load import load_own, registered
    from logpi.envs.presets import suited

    key = (name, repr(sorted(env_kwargs.items())))
    if key not in _SUITED:
        _SUITED[key] = {}
        with contextlib.suppress(Exception):
            made: Any = load_own(name) if ":" in name or name.endswith(".py") else registered(name)
            with contextlib.closing(made(**env_kwargs)) as env:
                _SUITED[key] = suited(env)
    return _SUITED[key]


_SUITED: dict[tuple[str, str], Mapping[str, Table]] = {}  # an environment is built once to see its spaces


def _build(experiment: Experiment, own: Own) -> Work:
    from logpi.config.experiments import settings_card
    from logpi.control.agent import adopt, save_agent
    from logpi.control.idle import idle_settings
    from logpi.types import DeviceEnv

    made = parts(experiment, own)
    network = None if own.policy or experiment.policy else experiment.network

    named = own.env is None or own.env_kwargs is not None
    kwargs = experiment.env_kwargs if own.env_kwargs is None else own.env_kwargs
    kept: Facts = {"env_kwargs": kwargs, "policy": experiment.policy, "objects": [] if named else ["env"]}
    if own.algorithm is None:
        kept["method"] = settings_card(experiment)["method"]

    def save(folder: Path, acting: Any, facts: Facts) -> None:
        save_agent(folder, acting, made.spec, network, {**kept, **facts})

    def begin_with(learner: Learner, folder: Path) -> Learner:
        return adopt(learner, folder, network)

    on_host = not isinstance(made.env, DeviceEnv)
    return Work(
        made.num_devices,
        lambda seed: process(experiment, made, own, seed),
        save,
        begin_with,
        in_turn=on_host,
        notes=made.notes,
        limits=made.limits,
        idle=idle_settings(experiment, made.env, made.spec, made.algorithm, own),
    )


def parts(experiment: Experiment, own: Own) -> Parts:
    """Environment, its spec and the algorithm on its policy, ``own`` or standard.

    Raises:
        LogpiError: unknown environment, unsupported spaces, or settings that do not fit together, such as several
            seeds on a vector of environments.
    """
    from gymnasium.vector import VectorEnv

    from logpi.control.agent import own_policy
    from logpi.control.fit import check_method, check_policy, made
    from logpi.control.plan import evaluations
    from logpi.envs.make import make, spec_of
    from logpi.envs.spaces import max_entropy
    from logpi.envs.vectors import vector_spec
    from logpi.methods import find_method
    from logpi.nets.policy import make_policy
    from logpi.types import DeviceEnv

    env = make(experiment.env, **experiment.env_kwargs) if own.env is None else own.env
    _check_settings(experiment, isinstance(env, VectorEnv))
    spec = vector_spec(env, experiment) if isinstance(env, VectorEnv) else spec_of(env, experiment.env_kwargs)
    policy = own.policy or own_policy(experiment.policy, spec)
    if policy is not None:
        check_policy(policy, spec, f"network {experiment.policy}" if experiment.policy else "policy")
    policy, name = policy or make_policy(spec, experiment.network), experiment.algo
    algorithm = made(own.algorithm or find_method(name), experiment.method, policy, spec, name)
    if own.algorithm is not None or ":" in name:
        check_method(algorithm, spec, name)
    if algorithm.experience and (experiment.method.normalize_obs or experiment.method.normalize_reward):
        raise LogpiError(
            f"normalize_obs and normalize_reward are for methods that learn from what was just collected; {name} "
            "learns from a replay: leave them out"
        )
    if isinstance(env, DeviceEnv) and ":" in experiment.env:
        try_out(env, algorithm, experiment)
    num_devices = 1 if own.algorithm else _num_devices(experiment, algorithm)
    plan, notes = evaluations(experiment, env, spec, algorithm)
    rows = algorithm.n_steps if algorithm.whole_episodes else None
    greedy = not experiment.run.eval_sampled
    limits = Limits(max_entropy(spec.action_space), spec.max_episode_steps, rows, greedy)
    return Parts(env, spec, algorithm, num_devices, plan, notes, limits)


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
    from logpi.driver import devices

    n_envs = experiment.method.n_envs
    rows = algorithm.batch_size or algorithm.n_steps * n_envs
    recurrent = experiment.network.memory != "none"
    return devices.sharing(n_envs, rows, rows // (algorithm.n_steps if recurrent else 1))


def try_out(env: DeviceEnv, algorithm: Algorithm, experiment: Experiment) -> None:
    """Trace a rollout of a user's own environment, so that its mistakes are told before anything is made for it."""
    import jax

    from logpi.control.rollout import rollout, start
    from logpi.envs.make import vectorize

    def collect(key: Any) -> object:
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


def process(experiment: Experiment, parts: Parts, own: Own = NOTHING, seed: int | None = None) -> Process:
    """The learning process of an experiment; host environments begin with ``seed``, by default the run's."""
    from gymnasium.vector import VectorEnv

    from logpi.control.on_policy import Sizes, on_device
    from logpi.envs.host import make_host
    from logpi.envs.make import vectorize
    from logpi.envs.vectors import pair
    from logpi.nets.policy import example
    from logpi.types import DeviceEnv

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

    from logpi.control.on_host import on_host

    rounds = -(-plan.episodes // EVALUATION_ENVS)
    beside = -(-plan.episodes // rounds)
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
    from logpi.control.off_policy import off_policy

    return off_policy(collecting, algorithm, n_envs) if algorithm.experience else collecting


def _load(folder: Path, own: Own = NOTHING) -> Any:
    from logpi.control.agent import load_agent

    agent = load_agent(folder, own.policy)
    agent.env = own.env
    return agent


def _evaluate(agent: Any, asked: Question) -> Answer:
    if asked.passes is not None or asked.split is not None:
        raise LogpiError("passes and split are for agents that look at images; leave them out")
    facts = evaluate_episodes(agent, asked)
    how = "sampled" if asked.sampled else "greedy"
    over = f"{facts['episodes']} {how} episodes on {facts['on']}, seed {facts['seed']}"
    if facts["cut"]:
        over += f", {facts['cut']} of them cut at {max(facts['lengths']):,.0f} steps"
    return Answer(facts, [f"{facts['env']}: mean return {scores.summary(facts['returns'], over)}"])


def evaluate_episodes(agent: Any, asked: Question) -> Facts:
    """Play full episodes of Gymnasium's own version of the agent's environment (the device's where it has no other).

    Raises:
        LogpiError: the environment cannot be made, or fails.
    """
    import jax
    import numpy as np

    from logpi.control.evaluation import evaluate_device, evaluate_host
    from logpi.control.plan import LONGEST
    from logpi.envs.host import make_host
    from logpi.envs.make import vectorize
    from logpi.types import DeviceEnv

    episodes, seed = asked.episodes or EPISODES, SEED if asked.seed is None else asked.seed
    source, key, calls = _source(agent), jax.random.key(seed), 0

    def decide(memory: Any, obs: Any) -> Any:
        nonlocal calls
        calls += 1
        return agent.decide(agent.learner, memory, obs, key, np.int32(calls), greedy=not asked.sampled)

    if isinstance(source, DeviceEnv):
        play = jax.jit(
            lambda learner: evaluate_device(
                vectorize(source), agent.policy, agent.act_on, learner, key, episodes, not asked.sampled
            )
        )
        returns, lengths = jax.device_get(play(agent.learner))
    else:
        made = make_host(source, min(episodes, 20), env_kwargs=_arguments(agent))
        with contextlib.closing(made) as vector:
            found = evaluate_host(vector, agent.policy, decide, episodes, seed)
        assert found is not None  # nothing watches
        returns, lengths = found.score, found.length
    return {
        "env": agent.spec.id,
        "on": "device" if isinstance(source, DeviceEnv) else "Gymnasium",
        "episodes": episodes,
        "seed": seed,
        "is_deterministic": not asked.sampled,
        "mean_reward": float(np.mean(returns)),
        "std_reward": float(np.std(returns)),
        "interval": scores.half_width(returns) if episodes > 1 else None,
        "mean_ep_length": float(np.mean(lengths)),
        "cut": int(np.sum(lengths >= LONGEST)) if agent.spec.max_episode_steps is None else 0,
        "returns": [float(x) for x in returns],
        "lengths": [float(x) for x in lengths],
    }


def _film(agent: Any, wanted: Film) -> Path:
    def act(obs: Any) -> Any:
        return agent.act(obs, greedy=not wanted.sampled)

    name = agent.spec.id
    build = _drawn(_source(agent), name, _arguments(agent))
    episodes = 1 if wanted.episodes is None else wanted.episodes
    options = {"begin": agent.reset, "steps": wanted.steps, "tell": wanted.tell}
    return _filmed(name, build, act, wanted.path, episodes, wanted.seed, **options)


def _film_random(env: str, wanted: Film) -> Path:
    from logpi.envs.checker.trial import Chooser
    from logpi.envs.make import spec_of
    from logpi.envs.spaces import legal_in, to_env

    source = _gymnasium_version(env, {})
    spec = spec_of(source)
    space, choose = spec.action_space, Chooser(spec, seed=wanted.seed)
    space.seed(wanted.seed)

    def act(obs: Any) -> Any:
        return space.sample() if legal_in(spec.observation_space, obs) is None else to_env(space, choose(obs))

    episodes = 1 if wanted.episodes is None else wanted.episodes
    build, options = _drawn(source, env, {}), {"steps": wanted.steps, "tell": wanted.tell}
    return _filmed(env, build, act, wanted.path, episodes, wanted.seed, **options)


def _filmed(name: str, *arguments: Any, **options: Any) -> Path:
    from logpi.view.video import render_episodes

    try:
        return render_episodes(*arguments, **options)
    except LogpiError:
        raise
    except Exception as error:  # an environment may raise anything; what was filmed until then is on the disk
        raise LogpiError(
            f"filming {name} ended early: {type(error).__name__}: {error}. `logpi check-env` finds the cause"
        ) from error


def _source(agent: Any) -> DeviceEnv | HostFactory:
    """What an agent is evaluated and filmed in: what a program gave, else Gymnasium's environment of its name.

    Raises:
        LogpiError: it was trained in an object that has no name, and nothing was given.
    """
    from gymnasium.vector import VectorEnv

    if agent.env is not None and not isinstance(agent.env, VectorEnv):
        source: DeviceEnv | HostFactory = agent.env
        return source
    if "env" in agent.facts.get("objects", ()):
        raise LogpiError(
            f"this agent was trained in an object of a Python program, {agent.spec.id}, which its file cannot name: "
            "give a function that builds one such environment, logpi.load(path, env=...)"
        )
    return _gymnasium_version(agent.spec.id, _arguments(agent))


def _arguments(agent: Any) -> dict[str, Any]:
    """Arguments of the environment that ``_source`` gives."""
    kwargs: dict[str, Any] = {} if callable(agent.env) else agent.facts.get("env_kwargs", {})
    return kwargs


def _gymnasium_version(name: str, env_kwargs: dict[str, Any]) -> DeviceEnv | HostFactory:
    """Gymnasium's own environment of that name, or the device's where it has no other."""
    import gymnasium

    from logpi.envs.classic import CLASSIC
    from logpi.envs.make import make

    if name in CLASSIC:
        return functools.partial(gymnasium.make, name, disable_env_checker=True)
    return make(name, **env_kwargs)


def _drawn(source: DeviceEnv | HostFactory, name: str, env_kwargs: dict[str, Any]) -> Callable[[str], Any]:
    from logpi.types import DeviceEnv

    if isinstance(source, DeviceEnv):
        raise LogpiError(f"{name} is a device environment, which draws no pictures; there is nothing to film")
    return lambda render_mode: source(render_mode=render_mode, **env_kwargs)


def _pictures(agent: Agent, folder: RunFolder) -> dict[str, Path]:
    return {"video": _film(agent, Film(folder.videos / "best.mp4"))}


def _report(found: Any, experiment: Experiment) -> list[str]:
    means, episodes = found.mean(1), found.shape[1]
    if len(means) == 1:
        return [f"score {scores.summary(found[0], f'{episodes} greedy episodes')}"]
    mean, half = scores.interval(means[:, None])
    seeds = f"95 % interval over {len(means)} seeds, {episodes} greedy episodes each"
    return [f"score {scores.plus_minus(mean[0], half[0])} ({seeds})"]


TASK = Task(
    name="control",
    what="an environment",
    does="learns in environments",
    knows=lambda name: True,
    names=_names,
    meant=_meant,
    runs_on=_runs_on,
    default_method=lambda name: "ppo",
    score=lambda name: Score("mean return of an episode", False, *returns_of(name)),
    length=lambda experiment: Length(int(experiment.method.total_timesteps)),
    build=_build,
    load=_load,
    evaluate=_evaluate,
    film=_film,
    film_random=_film_random,
    pictures=_pictures,
    report=_report,
    next_step=lambda experiment, path: f"logpi watch {path}",
    untuned=_untuned,
)
