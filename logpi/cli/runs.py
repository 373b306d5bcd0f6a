"""``logpi runs``: list the runs in a folder; ``delete``, ``prune`` and ``archive`` are in ``logpi.cli.manage``."""

from __future__ import annotations

import tyro

from logpi.cli.options import NO_OFF, Json, LogDir
from logpi.cli.output import print_table, say, say_json


def runs(argv: list[str]) -> int:
    """List the runs, or delete, prune or archive some."""
    if argv and argv[0] in ("delete", "prune", "archive"):
        from logpi.cli import manage

        code: int = getattr(manage, argv[0])(argv[1:])
        return code

    def options(log_dir: LogDir = "runs", json: Json = False) -> tuple[str, bool]:
        """List the runs in a folder, oldest first.

        `logpi runs delete RUN`, `logpi runs prune RUN` (remove old checkpoints) and `logpi runs archive RUN` (one
        .tar.gz or .zip) have a --help of their own.
        """
        return log_dir, json

    root, json = tyro.cli(options, args=argv, prog="logpi runs", config=NO_OFF)
    from logpi.runs.files import size_text
    from logpi.runs.lookup import find_runs
    from logpi.runs.metrics import STEPS, mean
    from logpi.runs.scores import score as shown_score

    found = find_runs(root)
    if json:
        say_json([info._asdict() for info in found])
        return 0
    if not found:
        say(f"no run in {root}; `logpi train CartPole-v1` makes one")
        return 0
    rows = []
    for info in found:
        score = info.metrics.get("eval/mean_reward")
        steps = mean(info.metrics.get(STEPS, 0))
        shown = "" if score is None else shown_score(mean(score), info.percent)
        length = f"{steps // info.each:,.0f} {info.unit}"
        rows.append([str(info.path), info.status, length, shown, size_text(info.bytes)])
    print_table(("run", "status", "length", "evaluation", "size"), rows)
    return 0
