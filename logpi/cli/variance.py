"""``logpi variance``: how noisy the gradient estimate of each rung of the ladder is."""

from __future__ import annotations

import sys
from typing import Annotated

import tyro

from logpi.cli.options import NO_OFF, SEEDS, Json, LogDir, within
from logpi.cli.output import say, say_json, warn

TARGET = "Environment, for its untrained policy; or a run, for its agent at several checkpoints; or an agent's folder"


def variance(argv: list[str]) -> int:
    """Measure the gradient estimates of every rung."""

    def options(
        target: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=TARGET, metavar="ENV|RUN")],
        trajectories: int = 10_000,
        batch: int = 10,
        reference: int | None = None,
        gamma: float | None = None,
        gae_lambda: float = 0.95,
        moments: int = 3,
        seed: int = 0,
        out: str = "variance.png",
        log_dir: LogDir = "runs",
        json: Json = False,
    ) -> tuple[str, int, int, int | None, float | None, float, int, int, str, str, bool]:
        """Variance, signal-to-noise ratio, bias and cosine of the policy gradient's estimate for every rung of the
        ladder, from the whole reward to Q - V, on the same trajectories of one policy; a table and a picture.

        Args:
            trajectories: Number of trajectories of each policy, at least; rounded up to equal blocks
            batch: Number of trajectories of an estimate with a baseline made of the others', and of a cosine, 2 to 1000
            reference: Number of further trajectories whose mean stands for the exact gradient; by default as many
            gamma: Discount factor γ, 0 to 1; by default that of the run, or of the environment's recipe
            gae_lambda: Parameter λ of GAE, 0 to 1
            moments: Number of checkpoints of a run, at most, evenly spread over those that it kept
            seed: Seed of the trajectories and of an untrained policy, 0 to 2147483647
            out: PNG file of the picture; an empty text: no picture
        """
        return target, trajectories, batch, reference, gamma, gae_lambda, moments, seed, out, log_dir, json

    target, trajectories, batch, reference, gamma, gae_lambda, moments, seed, out, root, json = tyro.cli(
        options, args=argv, prog="logpi variance", config=NO_OFF
    )
    within("--seed", seed, *SEEDS)
    import logpi.api as api

    answer = api.variance(
        target,
        trajectories=trajectories,
        batch=batch,
        reference=reference,
        gamma=gamma,
        gae_lambda=gae_lambda,
        moments=moments,
        seed=seed,
        picture=out or None,
        root=root,
        tell=warn if sys.stderr.isatty() else lambda text: None,
    )
    if json:
        say_json({"target": target, **answer.facts})
    else:
        say("\n".join(answer.lines))
    return 0
