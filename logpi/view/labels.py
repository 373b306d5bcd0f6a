"""Which runs are drawn together, and what each curve is called: by the settings in which it differs from the others."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from logpi.runs.files import Json

SECTIONS = ("method", "network", "env_kwargs")  # of config.toml: what tells two curves apart; the seed does not
LONGEST = 64  # characters of a label
Config = Mapping[str, Any]  # a run's config.toml


class Curve(NamedTuple):
    """Runs that differ in the seed alone."""

    panel: str  # the environment, shortened
    label: str  # names what differs from the other curves of its panel
    runs: list[int]  # places in the list of runs


def curves(configs: Sequence[Config], names: Sequence[str]) -> list[Curve]:
    """The curves of R runs, in the order of their first runs.

    Curves of one environment belong to one panel. There a label names the algorithm, where there are several, and each
    setting that is not the same in all runs of that algorithm. Where labels would be equal the run's name is added.

    Args:
        configs: [R] what the runs' config.toml hold.
        names: [R] of their folders.
    """
    groups: dict[str, list[int]] = {}
    for place, config in enumerate(configs):
        kept = [config["env"], config["algo"], sorted(_flat(config).items())]
        groups.setdefault(json.dumps(kept, default=str), []).append(place)
    panels = _panels([config["env"] for config in configs])
    found = []
    for runs in groups.values():
        config = configs[runs[0]]
        beside = [configs[other[0]] for other in groups.values() if configs[other[0]]["env"] == config["env"]]
        found.append(Curve(panels[config["env"]], _label(config, beside), runs))
    count = collections.Counter((curve.panel, curve.label) for curve in found)
    return [
        curve._replace(label=f"{curve.label}, {names[curve.runs[0]]}") if count[curve.panel, curve.label] > 1 else curve
        for curve in found
    ]


def differing(configs: Sequence[Config]) -> dict[str, list[str]]:
    """Settings that are not the same in R runs, by name, the environment, the method and the seed among them.

    Args:
        configs: [R] what the runs' config.toml hold.

    Returns:
        name -> [R] values in words; "" where a run has no such setting.
    """
    every = [_named(config) for config in configs]
    names = dict.fromkeys(name for settings in every for name in settings)
    found = {name: [settings.get(name, "") for settings in every] for name in names}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def _named(config: Config) -> dict[str, str]:
    """All that decides what a run learns, in words."""
    run = config.get("run", {})
    seeds = {name: run[name] for name in ("seed", "seeds") if name in run} if isinstance(run, Mapping) else {}
    table = {"env": config["env"], "algo": config["algo"], **_flat(config), **seeds}
    return {name: _shown(value) for name, value in table.items()}


def _flat(config: Config) -> Json:
    """Settings by name, such as "learning_rate"; a name that an earlier section has too comes with its section."""
    found: Json = {}
    for section in SECTIONS:
        for name, value in config.get(section, {}).items():
            found[f"{section}.{name}" if name in found else name] = value
    if isinstance(wrappers := config.get("wrappers"), list) and wrappers:
        found["wrappers"] = " + ".join(map(_wrapper, wrappers))
    return found | ({"policy": config["policy"]} if config.get("policy") else {})


def _wrapper(wrapper: object) -> str:
    """A wrapper of config.toml, such as "frame-stack 4"."""
    match wrapper:
        case {"name": str(name), "kwargs": dict(kwargs)}:
            return " ".join([_last(name), *map(_shown, kwargs.values())])
    return str(wrapper)


def _label(config: Config, beside: Iterable[Config]) -> str:
    """What tells ``config`` from all those of its environment, itself among them."""
    every = list(beside)
    flat = [_flat(other) for other in every if other["algo"] == config["algo"]]
    own = _flat(config)
    names = dict.fromkeys(name for settings in flat for name in settings)
    differing = [name for name in names if any(settings.get(name) != own.get(name) for settings in flat)]
    parts = [f"{name} {_shown(own.get(name))}" for name in differing]
    if len({other["algo"] for other in every}) > 1 or not parts:
        parts = [config["algo"], *parts]
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    """As many of ``parts`` as fit into a label, and how many more there are."""
    for kept in range(len(parts), 0, -1):
        more = f", {len(parts) - kept} more" if kept < len(parts) else ""
        if len(text := ", ".join(parts[:kept]) + more) <= LONGEST or kept == 1:
            return shortened(text, LONGEST)
    return ""


def _shown(value: object) -> str:
    """A setting's value: 0.0003, 64x64, off, cats.npz."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "x".join(map(_shown, value))
    return "unset" if value is None else _last(str(value))


def title_of(env: str) -> str:
    """An environment as titles name it: its id, or the file and class of one's own without the folders."""
    return _last(env) if ".py:" in env else env


def _panels(envs: Iterable[str]) -> dict[str, str]:
    """Each environment's title, which is the whole path where two would be called alike."""
    short = {env: title_of(env) for env in envs}
    count = collections.Counter(short.values())
    return {env: env if count[name] > 1 else name for env, name in short.items()}


def _last(path: str) -> str:
    """The last part of an absolute path; anything else as it is."""
    return re.split(r"[/\\]", path)[-1] if re.match(r"/|[A-Za-z]:\\", path) else path


def shortened(text: str, length: int) -> str:
    """``text`` in at most ``length`` characters, cut in the middle: names of paths differ at their ends."""
    if len(text) <= length:
        return text
    tail = (length - 1) * 2 // 3
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def distinct(texts: Sequence[str], length: int) -> Iterator[str]:
    """Each of ``texts`` in at most about ``length`` characters; those that became equal are numbered."""
    short = [shortened(text, length) for text in texts]
    count, seen = collections.Counter(short), collections.Counter[str]()
    for text in short:
        seen[text] += 1
        yield f"{text} ({seen[text]})" if count[text] > 1 else text
