"""Wrappers around environments on the host, by their names: Gymnasium's and Atari's short ones, and the user's own.

Spawned workers import this module, so it imports no JAX.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium

from logpi.envs import atari
from logpi.envs.load import Registered
from logpi.envs.masks import ActionMask
from logpi.errors import LogpiError, near
from logpi.own_code import load_named

Named = tuple[str, Mapping[str, object]]  # a wrapper's name and its keyword arguments
Factory = Callable[..., gymnasium.Env]

STACK = "frame-stack"
MOST_FRAMES = 64  # of a stack
NONE = "none"  # stands for no wrapper at all
GYMNASIUM = {  # short name -> class of gymnasium.wrappers
    "clip-action": "ClipAction",
    "clip-reward": "ClipReward",
    "delay-observation": "DelayObservation",
    "discretize-action": "DiscretizeAction",
    "discretize-observation": "DiscretizeObservation",
    "dtype-observation": "DtypeObservation",
    "filter-observation": "FilterObservation",
    "flatten-observation": "FlattenObservation",
    STACK: "FrameStackObservation",
    "grayscale-observation": "GrayscaleObservation",
    "max-and-skip": "MaxAndSkipObservation",
    "repeat-action": "RepeatAction",
    "rescale-action": "RescaleAction",
    "rescale-observation": "RescaleObservation",
    "reshape-observation": "ReshapeObservation",
    "resize-observation": "ResizeObservation",
    "sticky-action": "StickyAction",
    "time-aware": "TimeAwareObservation",
    "time-limit": "TimeLimit",
}
OURS: dict[str, type[gymnasium.Wrapper]] = {
    "action-mask": ActionMask,
    "atari-frames": atari.AtariFrames,
    "episodic-life": atari.EpisodicLife,
    "fire-reset": atari.FireReset,
    "sign-reward": atari.SignReward,
}
LISTS: dict[str, Callable[..., list[Named]]] = {"atari": atari.standard}  # short name -> several wrappers
TRAINING_ONLY = ("clip-reward",)  # of Gymnasium's: an evaluation reports rewards as they are
OTHERWISE = {  # how a wrapper's name begins -> what does that instead
    "normalize-obs": "its statistics would not be kept with the agent: --normalize-obs does it",
    "normalize-reward": "its statistics would not be kept with the run: --normalize-reward does it",
}


@dataclass(frozen=True)
class Layer:
    """One wrapper, ready to be put around an environment."""

    name: str
    kind: type[gymnasium.Wrapper]
    kwargs: Mapping[str, Any]

    @property
    def training_only(self) -> bool:
        """Whether evaluations and films leave it out."""
        return self.name in TRAINING_ONLY or bool(getattr(self.kind, "training_only", False))

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{name}={value}" for name, value in self.kwargs.items())])

    def __call__(self, env: gymnasium.Env) -> gymnasium.Env:
        """``env`` within the wrapper.

        Raises:
            LogpiError: the wrapper refuses the environment (chained).
            ImportError, DependencyNotInstalled: it needs a package that is not installed.
        """
        try:
            return self.kind(env, **self.kwargs)
        except (ImportError, gymnasium.error.DependencyNotInstalled):
            raise
        except Exception as error:
            raise LogpiError(
                f"wrapper {self} around observations {env.observation_space} raised {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True)
class Wrapped:
    """Builds environments of ``make`` within wrappers, the first one innermost."""

    make: Factory
    layers: tuple[Layer, ...]

    @property
    def id(self) -> str:
        """Name of the environment inside."""
        return str(getattr(self.make, "id", "") or getattr(self.make, "__name__", type(self.make).__name__))

    def __call__(self, **kwargs: object) -> gymnasium.Env:
        needed: dict[str, object] = {}
        if isinstance(self.make, Registered):  # a function of the user's own decides for itself
            for layer in self.layers:
                needed |= getattr(layer.kind, "arguments", {})
        env = self.make(**{**needed, **kwargs})
        for layer in self.layers:
            env = layer(env)
        return env


def expanded(asked: Sequence[Named], frame_stack: int | None = None) -> list[Named]:
    """The wrappers that are asked for, innermost first: lists such as ``atari`` by their parts.

    Args:
        asked: names and arguments; ``none`` alone stands for no wrapper.
        frame_stack: frames of a stack around all of them, in place of the stack that is outermost there; 1: no stack;
            None: as it is.

    Raises:
        LogpiError: an unknown name or argument of a list, ``none`` beside others, or ``frame_stack`` out of its range.
    """
    if any(name == NONE for name, _ in asked):
        if len(asked) > 1 or asked[0][1]:
            raise LogpiError(f"wrapper {NONE} stands for no wrapper at all: leave it out, or the others")
        asked = []
    found: list[Named] = []
    for name, kwargs in asked:
        if name in LISTS:
            _check_arguments(name, LISTS[name], kwargs)
            try:
                found += LISTS[name](**kwargs)
            except TypeError as error:
                raise LogpiError(f"wrapper {name} with {dict(kwargs)}: {error}") from error
        else:
            _check_short(name)
            found.append((name, kwargs))
    if frame_stack is None:
        return found
    if not 1 <= frame_stack <= MOST_FRAMES:
        raise LogpiError(f"frame_stack is {frame_stack}; allowed: 1 (no stack) to {MOST_FRAMES}")
    inner = found[:-1] if found and found[-1][0] == STACK else found
    return [*inner, (STACK, {"stack_size": frame_stack})] if frame_stack > 1 else inner


def stacked_frames(wrappers: Sequence[Named]) -> int:
    """Frames of the outermost stack; 1 where the outermost wrapper is another."""
    size = wrappers[-1][1].get("stack_size", 1) if wrappers and wrappers[-1][0] == STACK else 1
    return size if isinstance(size, int) else 1


def layers(wrappers: Sequence[Named]) -> tuple[Layer, ...]:
    """The wrappers of these names. A class of the user's own is imported if it is trusted.

    Raises:
        LogpiError: an unknown name or argument, a class that is not a ``gymnasium.Wrapper``, or code that is not
            trusted here.
    """
    found = []
    for name, kwargs in expanded(wrappers):
        kind = _kind(name)
        # a run's file has lists where Python has tuples, and Gymnasium's wrappers want tuples
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}
        _check_arguments(name, kind, given, skip=1)
        found.append(Layer(name, kind, given))
    return tuple(found)


def described(wrappers: Sequence[Layer]) -> str:
    """The wrappers in words, for people."""
    always = ", ".join(str(layer) for layer in wrappers if not layer.training_only)
    training = ", ".join(str(layer) for layer in wrappers if layer.training_only)
    return "wrappers: " + "; ".join(filter(None, (always, training and f"in training only: {training}")))


def _kind(name: str) -> type[gymnasium.Wrapper]:
    if name in GYMNASIUM:
        return _of_gymnasium(GYMNASIUM[name])
    if name in OURS:
        return OURS[name]
    _check_short(name)
    module, _, attribute = name.rpartition(":")
    if module.partition(".")[0] == "gymnasium":
        short = next((short for short, kind in GYMNASIUM.items() if kind == attribute), None)
        if short is None:
            raise LogpiError(f"wrapper {name}{_else(attribute) or ':'} of Gymnasium's there are {', '.join(GYMNASIUM)}")
        return _of_gymnasium(attribute)
    kind: Any = load_named(name)
    if not (inspect.isclass(kind) and issubclass(kind, gymnasium.Wrapper)):
        raise LogpiError(f"wrapper {name} is {kind!r:.80}; wanted: a class that extends gymnasium.Wrapper")
    return kind


def _of_gymnasium(name: str) -> type[gymnasium.Wrapper]:
    kind: type[gymnasium.Wrapper] = getattr(importlib.import_module("gymnasium.wrappers"), name)
    return kind


def _check_short(name: str) -> None:
    """Refuse a name that is neither a short one nor that of a class."""
    if ":" in name or name in GYMNASIUM or name in OURS:
        return
    known = [NONE, *LISTS, *GYMNASIUM, *OURS]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).replace("_", "-").lower()
    advice = _else(name) or (f"; did you mean {words}?" if words in known else near(words, known))
    raise LogpiError(
        f"unknown wrapper {name!r}{advice or ';'} allowed: {', '.join(known)}, module:Class, or path/file.py:Class"
    )


def _else(name: str) -> str:
    """What does what a wrapper of this name would do, as the rest of a sentence; "" where that is not known."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).replace("_", "-").lower()
    found = next((text for other, text in OTHERWISE.items() if words.startswith(other)), "")
    return f"; {found};" if found else ""


def _check_arguments(name: str, called: Callable[..., object], kwargs: Mapping[str, object], skip: int = 0) -> None:
    """Refuse arguments that a wrapper does not take, and none where it needs one; ``skip`` first ones are not counted.

    Raises:
        LogpiError: with those that it takes.
    """
    taken = list(inspect.signature(called).parameters.values())[skip:]
    names = [p.name for p in taken if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes = f"it takes {', '.join(names)}" if names else "it takes none"
    if not any(p.kind is p.VAR_KEYWORD for p in taken):
        for key in kwargs:
            if key not in names:
                raise LogpiError(f"wrapper {name} has no argument {key!r}{near(key, names) or ';'} {takes}")
    plain = [p for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if missing := [p.name for p in plain if p.default is p.empty and p.name not in kwargs]:
        raise LogpiError(f"wrapper {name} needs {', '.join(f'{key}=…' for key in missing)}; {takes}")
