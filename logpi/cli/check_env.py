"""``logpi check-env``: test of a user's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import tyro

from logpi.cli.options import NO_OFF, FrameStack, Json, Wrapper, within
from logpi.cli.output import say, say_json
from logpi.config.wrappers import split

if TYPE_CHECKING:
    from logpi.findings import Checked

SIGN = {"ok": "ok   ", "warn": "warn ", "error": "ERROR"}
ENV = "Environment: a Gymnasium id, module:EnvId, or path/file.py:Class"


def check_env(argv: list[str]) -> int:
    """Test an environment."""

    def options(
        env: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=ENV, metavar="ENV")],
        steps: int = 1000,
        wrapper: Wrapper = (),
        frame_stack: FrameStack = None,
        json: Json = False,
    ) -> tuple[str, int, bool]:
        """Test an environment with random actions and say what to fix.

        Args:
            steps: Number of random steps, 1 to 10,000,000
        """
        return env, steps, json

    argv, asked = split(argv)
    name, steps, json = tyro.cli(options, args=argv, prog="logpi check-env", config=NO_OFF)
    within("--steps", steps, 1, 10_000_000)
    from logpi.api.environments import check_env as check

    report = check(name, steps=steps, **asked)
    return tell(report, f"{report.steps_per_second:,.0f} steps/s with random actions", json)


def tell(report: Checked, rate: str, json: bool) -> int:
    """Print what a check found, and return the exit status: 0 if there is no error, else 1."""
    if json:
        say_json(report.to_json())
    else:
        for finding in report.findings:
            say(f"{SIGN[finding.level]}  {finding.what}" + (f"\n       → {finding.fix}" if finding.fix else ""))
        say(rate)
        say("ready to train" if report.ok else "not ready: fix the errors above")
    return 0 if report.ok else 1
