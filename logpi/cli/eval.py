"""``logpi eval``: evaluation of a trained agent."""

from __future__ import annotations

from typing import Literal

import tyro

from logpi.cli.options import NO_OFF, SEEDS, Target, newest_run, within
from logpi.cli.output import say, say_json


def eval(argv: list[str]) -> int:
    """Evaluate a trained agent."""

    def options(
        agent: Target = "",
        episodes: int | None = None,
        seed: int | None = None,
        sampled: bool = False,
        passes: int | None = None,
        split: Literal["test", "validation"] | None = None,
        record: str | None = None,
        json: bool = False,
    ) -> tuple[str, int | None, int | None, bool, int | None, str | None, str | None, bool]:
        """Evaluate an agent: returns of full episodes with unnormalised rewards, test error on images, or strength in a
        board game (connect-four: labelled positions; all others: games against plain MCTS). Of a run of several seeds
        all are evaluated.

        Args:
            episodes: Number of episodes, images or games, at least 1; by default 100 episodes, all images, 200 games
            seed: Seed of the first episode or of the games, 0 to 2147483647; training never uses it
            sampled: Sampled actions instead of the most probable ones
            passes: Number of passes over an image whose class probabilities are averaged, at least 1; 10 by default
            split: Split of the data set (images); test by default
            record: New Minari data set that the episodes are recorded into, NAME-v0 or SPACE/NAME-v0 (logpi[minari])
            json: Output as a JSON object
        """
        return agent, episodes, seed, sampled, passes, split, record, json

    path, episodes, seed, sampled, passes, split, record, json = tyro.cli(
        options, args=argv, prog="logpi eval", config=NO_OFF
    )
    path = path or newest_run()
    within("--episodes", 1 if episodes is None else episodes, 1, 10**9)
    within("--passes", 1 if passes is None else passes, 1, 10**6)
    within("--seed", 0 if seed is None else seed, *SEEDS)
    import logpi.api as api
    from logpi.runs.lookup import agent_folders

    folders = agent_folders(path)
    answer = api.evaluate(path, episodes, seed=seed, sampled=sampled, passes=passes, split=split, record=record)
    if json:
        of = {"folder": folders[0]} if len(folders) == 1 else {}
        say_json({"agent": path, **of, **answer.facts})
    else:
        say("\n".join(answer.lines))
    return 0
