"""``logpi agents``: trained agents that come with logpi."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json
from logpi.cli.output import print_table, say, say_json


def agents(argv: list[str]) -> int:
    """List the trained agents that come with logpi."""

    def options(json: Json = False) -> bool:
        """List the trained agents that come with logpi: commands take their names in place of a run."""
        return json

    json = tyro.cli(options, args=argv, prog="logpi agents", config=NO_OFF)
    from logpi.runs.files import size_text
    from logpi.runs.scores import significant
    from logpi.runs.shipped import shipped_agents

    found = shipped_agents()
    if json:
        say_json([agent._asdict() for agent in found])
        return 0
    rows = []
    for name, _, algo, results, size in found:
        low, high = results["interval"]
        score = f"{significant(results['mean_reward'])} ({significant(low)} to {significant(high)})"
        over = f"{results['n_eval_episodes']:,} {results['over']}"
        minutes = str(results["training"].get("minutes", ""))
        rows.append([name, algo, results["what"], score, over, minutes, size_text(size)])
    print_table(["agent", "method", "score", "mean (95 % interval)", "over", "minutes", "size"], rows)
    say("\nlogpi watch NAME films one, logpi eval NAME evaluates it, logpi play NAME plays a game against it")
    return 0
