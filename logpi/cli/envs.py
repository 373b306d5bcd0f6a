"""``logpi envs``: list environments, image tasks and board games."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import print_table, say_json


def envs(argv: list[str]) -> int:
    """List environments."""

    def options(json: Json = False) -> bool:
        """List environments, image tasks and board games with their recipes, and the Gymnasium ids known here."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi envs", config=NO_OFF)
    from logpi.config.experiments import environments

    listed = environments()
    if json:
        say_json([entry._asdict() for entry in listed])
        return 0
    rows = []
    for entry in listed:
        bands = (f"{name} {band[0]:g} to {band[1]:g}" if band else name for name, band in entry.recipes.items())
        rows.append([entry.env, entry.runs_on, "  ".join(bands)])
    print_table(("environment", "runs on", "recipes (expected score)"), rows)
    return 0
