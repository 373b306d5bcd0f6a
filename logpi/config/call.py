"""A call of ``logpi.train``: its arguments by section, and as the text that ``command.txt`` keeps."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from typing import Any

from logpi.config.experiments import parts_of, resolve
from logpi.config.settings import Experiment, Run, Section
from logpi.config.stored import SettingsFile
from logpi.config.values import ALIASES, plain
from logpi.config.wrappers import PARTS
from logpi.errors import LogpiError, near
from logpi.own_code import absolute
from logpi.runs.files import Json
from logpi.tasks import NOTHING, Own, Table


def in_sections(env: str, algo: str | None, settings: Table, own: Own = NOTHING, **tables: Table) -> dict[str, Json]:
    """``settings`` by the section that each belongs to, ``seed`` to "run", ``hidden`` to "network", beside ``tables``.

    Args:
        env: name of the task.
        algo: name of the method; None: as ``logpi.config.experiments.resolve`` decides.
        settings: single settings by name.
        own: what a Python program brings.
        tables: settings that are given by section.

    Raises:
        LogpiError: no section has one of the settings (with the nearest name), one is given twice, or as ``parts_of``.
    """
    method = parts_of(absolute(env) if ":" in env else env, algo, own)[2]
    kinds: dict[str, type[Section]] = {"method": method.settings, "network": method.network, "run": Run}
    known = {f.name: section for section, kind in reversed(kinds.items()) for f in dataclasses.fields(kind)}
    found: dict[str, Json] = {section: dict(tables.get(section, {})) for section in kinds}
    for name, value in settings.items():
        if name not in known:
            hint = f"; write {ALIASES[name]}" if name in ALIASES else near(name, known)
            raise LogpiError(f"unknown setting {name}{hint or '; allowed: ' + ', '.join(known)}")
        if name in found[known[name]]:
            raise LogpiError(f"{name} is given twice, by itself and in {known[name]}=; leave one out")
        found[known[name]][name] = value
    return found


def experiment_of(
    env: str, algo: str | None, given: SettingsFile, settings: Table, own: Own = NOTHING, **tables: Any
) -> Experiment:
    """The experiment of a call: ``settings`` and ``tables`` win over the file ``given``, that over recipe and defaults.

    Args:
        env: name of the task.
        algo: name of the method; None: as ``logpi.config.experiments.resolve`` decides.
        given: a settings file.
        settings: single settings by name.
        own: what a Python program brings.
        tables: settings by section: ``run``, ``network``, ``env_kwargs``; ``wrappers`` and ``frame_stack``.

    Raises:
        LogpiError: as ``in_sections`` and ``logpi.config.experiments.resolve``.
    """
    outside = {name: tables.pop(name) for name in ("env_kwargs", *PARTS) if name in tables}
    inside = in_sections(env, algo, settings, own, **tables)
    return resolve(env, algo, given.sections, {**inside, **outside}, own=own)[0]


def python_command(arguments: Table, objects: Mapping[str, object]) -> str:
    """A shell command that makes the call again, or a comment that says why there is none.

    Args:
        arguments: of the call, by name; what is empty or None is left out.
        objects: further arguments that no text holds, such as a network.
    """
    given = {name: plain(value) for name, value in arguments.items()}
    written = {name: value for name, value in given.items() if value is not None and value not in ({}, [], (), "")}
    call = f"logpi.train({', '.join(f'{name}={literal(value)}' for name, value in written.items())})"
    missing = [f"{name} (a {type(value).__name__})" for name, value in objects.items() if value is not None]
    if missing:
        return f"# a call in Python, with objects that no text holds: {', '.join(missing)}\n# {call}"
    return shlex.join(["python", "-c", f"import logpi; {call}"])


def literal(value: object) -> str:
    """Source text of a plain value."""
    value = plain(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name!r}: {literal(part)}' for name, part in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)
