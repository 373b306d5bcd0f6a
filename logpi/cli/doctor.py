"""``logpi doctor``: report on this machine."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import print_table, say_json


def doctor(argv: list[str]) -> int:
    """Report on this machine."""

    def options(json: Json = False) -> bool:
        """Report on this machine: versions, devices, extras, compilation cache, video."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi doctor", config=NO_OFF)
    from logpi.training.doctor import examine

    facts = examine()
    if json:
        say_json(facts)
        return 0
    print_table(("what", "found"), [[name, str(value)] for name, value in facts.items()])
    return 0
