"""``logpi eval``: how good a trained agent is."""

from __future__ import annotations

import json as jsonlib
from typing import Literal

import tyro

from logpi.cli.options import NO_OFF, SEEDS, Target, newest_run, within


def eval(argv: list[str]) -> int:
    """Evaluate a trained agent."""

    def options(
        agent: Target = "",
        episodes: int | None = None,
        seed: int | None = None,
        sampled: bool = False,
        passes: int | None = None,
        split: Literal["test", "validation"] | None = None,
        json: bool = False,
    ) -> tuple[str, int | None, int | None, bool, int | None, str | None, bool]:
        """Play episodes of the agent's Gymnasium environment, full games with unnormalised rewards; classify images; or
        play a board game well: positions with known answers (connect-four), games against plain search (all others).

        Args:
            episodes: number of episodes, images or games; 100, every image, or 200 games by default
            seed: seed of the first environment or game; training used others
            sampled: sample actions, instead of the most probable one
            passes: passes over an image, whose class probabilities are averaged (ram); 10 by default
            split: the images that are classified; test by default
            json: print a JSON object
        """
        return agent, episodes, seed, sampled, passes, split, json

    path, episodes, seed, sampled, passes, split, json = tyro.cli(options, args=argv, prog="logpi eval", config=NO_OFF)
    path = path or newest_run()
    within("--episodes", 1 if episodes is None else episodes, 1, 10**9)
    within("--passes", 1 if passes is None else passes, 1, 10**6)
    within("--seed", 0 if seed is None else seed, *SEEDS)
    import logpi.api as api
    from logpi.runs.lookup import agent_folder, siblings

    folder = agent_folder(path)
    answer = api.evaluate(folder, episodes, seed=seed, sampled=sampled, passes=passes, split=split)
    if json:
        print(jsonlib.dumps({"agent": path, "folder": str(folder), **answer.facts}))
        return 0
    if len(together := siblings(folder)) > 1:
        print(f"{folder}, one of {len(together)} seeds ({together[0].name} to {together[-1].name}):")
    print("\n".join(answer.lines))
    return 0
