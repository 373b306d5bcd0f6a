"""The report of `alphago.py`: the paper's panels from what its steps have measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import alphago_panels as panels
from report import publish, table

Json = dict[str, Any]


def report(work: Path, results: Path) -> None:
    """Every step that is there, as `alphago.md` in the folder of results."""
    parts = []
    for name, write in PANELS.items():
        kept = work / f"{name}.json"
        if kept.exists():
            found = json.loads(kept.read_text())
            about = found["about"]
            when = f"({about['date']}; load average {about['load']:.1f} before, {about['seconds'] / 60:.0f} minutes)"
            parts += [f"## {TITLES[name]}", *write(found), when]
        else:
            parts += [f"## {TITLES[name]}", "Not measured."]
    publish(results, "alphago", "AlphaGo's stages on Go 9×9", {}, parts)


def _policy(found: Json) -> list[str]:
    held, learnt, run = found["held out"], found["learnt from"], found["run"]
    return [
        f"Top-1 accuracy {panels.plus_minus(held, 100, '.1f')} % of {held['positions']:,} moves of {held['games']:,} "
        f"games held out, {100 * learnt['mean']:.1f} % of games learnt from; {run['timesteps']:,.0f} positions drawn. "
        "One seed.",
        "```\n" + "\n".join(found["records"]) + "\n```",
        f"`{run['command']}`",
    ]


def _rollout(found: Json) -> list[str]:
    held = found["held out"]
    rows = [
        [one["batch"], f"{1e6 * one['policy']:.0f}", f"{1e6 * one['rollout']:.1f}", f"{one['rollouts a second']:,.0f}"]
        for one in found["speed"]
    ]
    return [
        f"Top-1 accuracy {panels.plus_minus(held, 100, '.1f')} % of {held['positions']:,} moves of games held out.",
        table(["positions at once", "policy network, µs", "fast policy, µs", "whole rollouts a second"], rows),
    ]


def _rl(found: Json) -> list[str]:
    rows = [
        [f"{one['moves'] or 0:,.0f}", one["games"], one["won"], one["drawn"], panels.interval(one)]
        for one in found["matches"]
    ]
    return [
        "First choices of both policies, without search, after random openings; each with both colours.",
        table(["moves of training", "games", "won", "drawn", "points, %"], rows),
    ]


def _value(found: Json) -> list[str]:
    rows = [
        [
            {"one": "one of each game", "all": "all of whole games"}[name],
            *(f"{found[name][part]['positions']:,}" for part in ("learnt from",)),
            *(panels.plus_minus(found[name][part]) for part in ("learnt from", "held out")),
        ]
        for name in ("one", "all")
    ]
    return [
        "Mean squared error; held out: one position of each of the same games for both networks.",
        table(["positions", "measured on", "learnt from", "held out"], rows),
    ]


def _figure2b(found: Json) -> list[str]:
    kinds = [name for name in found if name not in ("groups", "positions", "rollouts", "about")]
    rows = [
        [group, found["positions"][k], *("" if found[n][k] is None else f"{found[n][k]:.3f}" for n in kinds)]
        for k, group in enumerate(found["groups"])
    ]
    return [
        f"Squared error of the predicted outcome on games held out; rollouts: the mean of {found['rollouts']}.",
        table(["moves made", "positions", *kinds], rows),
    ]


def _search(found: Json) -> list[str]:
    rows = [
        [name, one["games"], one["won"], one["drawn"], panels.interval(one)]
        for name, one in found.items()
        if name not in ("simulations", "about")
    ]
    return [f"{found['simulations']} simulations a move.", table(["", "games", "won", "drawn", "points, %"], rows)]


PANELS = {"policy": _policy, "rollout": _rollout, "rl": _rl, "value": _value, "figure2b": _figure2b, "search": _search}
TITLES = {
    "policy": "Supervised policy",
    "rollout": "Rollout policy",
    "rl": "RL policy against the supervised one",
    "value": "Value network: one position a game, or all",
    "figure2b": "Error by move number (figure 2b)",
    "search": "Search: λ (figure 4)",
}
