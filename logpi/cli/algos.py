"""``logpi algos``: list the methods."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import print_table, say_json


def algos(argv: list[str]) -> int:
    """List algorithms."""

    def options(json: Json = False) -> bool:
        """List the algorithms with their parents; --json adds their settings."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi algos", config=NO_OFF)
    from logpi.config.values import to_table
    from logpi.methods import all_methods

    methods = all_methods()
    if json:
        listed = {
            method.name: {
                "about": method.about,
                "parent": method.parent,
                "task": method.task,
                "settings": to_table(method.settings()),
            }
            for method in methods
        }
        say_json(listed)
        return 0
    rows = [[method.name, method.parent or "", method.task, method.about] for method in methods]
    print_table(("algorithm", "parent", "learns", "what it is"), rows)
    return 0
