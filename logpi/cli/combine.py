"""``logpi combine``: AlphaGo's player from networks that have learnt."""

from __future__ import annotations

from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, Json, within
from logpi.cli.output import say, say_json
from logpi.errors import LogpiError

POLICY = "Run, or an agent's folder, of the policy: the prior of the search"


def combine(argv: list[str]) -> int:
    """Put networks of several runs together into one agent."""

    def options(
        policy: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=POLICY, metavar="POLICY")],
        value: str = "",
        rollout: str = "",
        mixing: float = 0.5,
        out: str = "",
        json: Json = False,
    ) -> tuple[str, str, str, float, str, bool]:
        """Put a policy, a value network and a fast policy together into AlphaGo's player, an agent that searches.

        Args:
            value: Run, or an agent's folder, of the value network
            rollout: Run, or an agent's folder, of the fast policy, trained with --torso patterns
            mixing: Weight of a rollout's outcome in the value of a leaf, 0 to 1; 0: the value network alone
            out: Folder to write; by default alphago_search-<game> in the working folder
        """
        return policy, value, rollout, mixing, out, json

    policy, value, rollout, mixing, out, json = tyro.cli(options, args=argv, prog="logpi combine", config=NO_OFF)
    within("--mixing", mixing, 0, 1)
    for flag, given in (("--value", value), ("--rollout", rollout)):
        if not given:
            raise LogpiError(f"{flag} is missing; give a run: logpi combine {policy} --value RUN --rollout RUN")
    from logpi.driver import devices
    from logpi.games.combine import combine as combined

    devices.prepare()
    made = combined(policy, value, rollout, out, mixing=mixing)
    if json:
        say_json({"path": str(made), "mixing": mixing})
    else:
        say(f"{made}  λ = {mixing:g}; it plays: logpi play GAME --agent {made}")
    return 0
