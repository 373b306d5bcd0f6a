"""``logpi doctor``: what this machine has."""

from __future__ import annotations

import json as jsonlib

import tyro

from logpi.cli.options import NO_OFF, Json, print_table


def doctor(argv: list[str]) -> int:
    """Say what this machine has."""

    def options(json: Json = False) -> bool:
        """Say what this machine has: devices, versions, extras, cache, video."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi doctor", config=NO_OFF)
    from logpi.runs.doctor import examine

    facts = examine()
    if json:
        print(jsonlib.dumps(facts))
        return 0
    print_table(("what", "found"), [[name, str(value)] for name, value in facts.items()])
    return 0
