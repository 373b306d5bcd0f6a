"""How copies of a host environment step side by side: each way there is, what it serves, and which one is chosen.

Gymnasium's vectors serve every environment. Those of ale-py and EnvPool are faster, and serve some ids with some
wrappers. Nothing else asks which way a vector is.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any, NamedTuple

import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from logpi.envs import pools
from logpi.envs.ale_games import ARGUMENTS, Games
from logpi.envs.atari import Preprocessing, preprocessing
from logpi.envs.load import Bare, InWorker, Registered
from logpi.envs.wrappers import Wrapped
from logpi.errors import LogpiError
from logpi.own_code import safe_children
from logpi.types import EnvSpec

AUTO = "auto"
OF_GYMNASIUM = "gymnasium.envs."  # how the entry points of Gymnasium's own environments begin
FIXED = (
    "game",
    "obs_type",
    "frameskip",
)  # arguments of a registered game that the preprocessing decides, or that it is
NEXT_STEP = "next_step"
MODES = {NEXT_STEP: "NextStep", "same_step": "SameStep", "disabled": "Disabled"}


class Wanted(NamedTuple):
    """What is to be vectorized."""

    factory: Callable[..., gymnasium.Env]  # of ``env_kwargs``, with its wrappers
    env_kwargs: Mapping[str, object]
    spec: EnvSpec  # of one environment, as Gymnasium has it
    autoreset: str = NEXT_STEP


class Way(NamedTuple):
    """One way to step copies of an environment."""

    name: str
    package: str  # whose version decides how the environments step
    title: Callable[[], str]  # what steps, with its version
    refusal: Callable[[Wanted], str]  # why it does not serve what is wanted; "" where it does
    make: Callable[[Wanted, int], VectorEnv]  # (what, number of copies)
    beside: bool = False  # whether it steps in other threads or processes, while Python does something else
    rate: float = 1.0  # steps per second, in those of Gymnasium's copies in one process, measured (bench/vectors.py)


def choose(asked: str, wanted: Wanted) -> Way:
    """The way called ``asked``; of ``auto``, the first in ``PREFERRED`` that serves what is wanted.

    Raises:
        LogpiError: an unknown name, or that way does not serve it, with the reason and what does.
    """
    if asked == AUTO:
        return next(way for way in PREFERRED if not way.refusal(wanted))
    if asked not in WAYS:
        raise LogpiError(f"vectorization is {asked!r}; allowed: {', '.join(map(repr, (AUTO, *WAYS)))}")
    way = WAYS[asked]
    if why := way.refusal(wanted):
        serve = [name for name, other in WAYS.items() if not other.refusal(wanted)]
        raise LogpiError(f"vectorization {asked!r}: {why}; allowed here: {', '.join(map(repr, serve))}")
    return way


def _gymnasium() -> str:
    return f"Gymnasium {gymnasium.__version__}"


def _any(wanted: Wanted) -> str:
    return ""


def _sync(wanted: Wanted, num_envs: int) -> VectorEnv:
    make = functools.partial(wanted.factory, **wanted.env_kwargs)
    # copy=False: GymVector copies once itself, cheaper than Gymnasium's deepcopy.
    return SyncVectorEnv([Bare(make)] * num_envs, copy=False, autoreset_mode=AutoresetMode(MODES[wanted.autoreset]))


class Workers(AsyncVectorEnv):
    """A process for each copy, whose failure is an exception here, and no traceback on standard error beside it."""

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        if all(successes):  # at every step
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super()._raise_if_errors(successes)


def _async(wanted: Wanted, num_envs: int) -> VectorEnv:
    make, mode = functools.partial(wanted.factory, **wanted.env_kwargs), AutoresetMode(MODES[wanted.autoreset])
    with safe_children():
        return Workers([InWorker(make)] * num_envs, copy=False, context="spawn", autoreset_mode=mode)


class _Game(NamedTuple):
    """An Atari game within the standard preprocessing, as ale-py's vector takes it."""

    rom: str
    how: Preprocessing
    arguments: Mapping[str, Any]


def _game(wanted: Wanted) -> _Game | str:
    """The game that is wanted; where ale-py's vector cannot play it as asked: why."""
    around = wanted.factory if isinstance(wanted.factory, Wrapped) else Wrapped(wanted.factory, ())
    factory, layers = around.make, around.layers
    if not (isinstance(factory, Registered) and factory.spec.entry_point == "ale_py.env:AtariEnv"):
        return f"{wanted.spec.id} is not an Atari game of ale-py"
    how = preprocessing([(layer.name, layer.kwargs) for layer in layers])
    if how is None:
        named = ", ".join(layer.name for layer in layers) or "none"
        return f"it plays games within the standard preprocessing (--wrapper atari), and the wrappers are: {named}"
    if other := sorted(set(wanted.env_kwargs) - set(ARGUMENTS)):
        return f"it takes of env_kwargs only {', '.join(ARGUMENTS)}, and {other[0]} is given"
    if wanted.autoreset != NEXT_STEP:
        return f"it resets in the next step, and autoreset is {wanted.autoreset}"
    spec = factory.spec
    if spec.max_episode_steps or spec.additional_wrappers or set(spec.kwargs) - {*FIXED, *ARGUMENTS}:
        return f"{wanted.spec.id} is registered with more than a game and its {', '.join(ARGUMENTS)}"
    given = {**spec.kwargs, **wanted.env_kwargs}
    return _Game(given["game"], how, {name: given[name] for name in ARGUMENTS if name in given})


def _ale_refusal(wanted: Wanted) -> str:
    found = _game(wanted)
    return found if isinstance(found, str) else ""


def _ale(wanted: Wanted, num_envs: int) -> VectorEnv:
    found = _game(wanted)
    assert not isinstance(found, str)  # ``choose`` has asked
    return Games(wanted.spec, num_envs, *found)


def _ale_title() -> str:
    return f"ale-py {metadata.version('ale-py')}"


def _pool_refusal(wanted: Wanted) -> str:
    if pools.version() is None:
        return "EnvPool is not installed: pip install 'logpi[fast]'"
    if not (isinstance(wanted.factory, Registered) and str(wanted.factory.spec.entry_point).startswith(OF_GYMNASIUM)):
        return f"EnvPool builds {wanted.spec.id} itself, without wrappers or code of your own"
    if wanted.env_kwargs:
        return f"EnvPool's {wanted.spec.id} takes no env_kwargs, and {', '.join(wanted.env_kwargs)} is given"
    if wanted.autoreset != NEXT_STEP:
        return f"EnvPool resets in the next step, and autoreset is {wanted.autoreset}"
    why = pools.differs(wanted.spec)
    return f"EnvPool {why}" if why else ""


def _compared(wanted: Wanted) -> str:
    return _pool_refusal(wanted) if wanted.spec.id in pools.COMPARED else "not compared with Gymnasium's"


def _pool(wanted: Wanted, num_envs: int) -> VectorEnv:
    return pools.Pool(wanted.spec, num_envs)


def _pool_title() -> str:
    return f"EnvPool {pools.version()}"


WAYS = {
    way.name: way
    for way in (
        Way("sync", "gymnasium", _gymnasium, _any, _sync),
        Way("async", "gymnasium", lambda: f"{_gymnasium()}, a process for each environment", _any, _async, beside=True),
        Way("ale", "ale-py", _ale_title, _ale_refusal, _ale, beside=True, rate=2.0),
        Way("envpool", "envpool", _pool_title, _pool_refusal, _pool, beside=True, rate=2.0),
    )
}
# of ``auto``: it asks EnvPool for the ids alone whose episodes were compared with Gymnasium's
PREFERRED = (WAYS["ale"], WAYS["envpool"]._replace(refusal=_compared), WAYS["sync"])
