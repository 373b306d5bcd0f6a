"""Scores of uniformly random actions in Gymnasium's environments: the lower reference of ``logpi compare``.

    python bench/random_scores.py [--episodes 2000]

Environments are those that have recipes with an expected score. The means go into ``logpi/comparison/references.py``.
"""

import gymnasium
import numpy as np
from report import parser, publish, table

from logpi.config.stored import recipes
from logpi.runs.scores import half_width
from logpi.tasks import task_of


def returns(name: str, episodes: int) -> list[float]:
    """The return of each episode; the seed of the first is 0."""
    env = gymnasium.make(name)
    env.action_space.seed(0)
    found = []
    for episode in range(episodes):
        env.reset(seed=episode)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        found.append(total)
    env.close()
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--episodes", type=int, default=2000)
    args = arguments.parse_args()
    rows = []
    names = {recipe.env for recipe in recipes() if recipe.band and task_of(recipe.env).name == "control"}
    for name in sorted(names & set(gymnasium.registry)):
        found = returns(name, args.episodes)
        rows.append([name, f"{np.mean(found):.2f}", f"{half_width(found):.2f}", f"{np.std(found):.2f}"])
        print(*rows[-1], flush=True)
    about = f"{args.episodes:,} episodes each."
    header = ["environment", "mean return", "± 95 %", "standard deviation"]
    publish(args.results, "random_scores", "Random actions", {}, [about, table(header, rows)])


if __name__ == "__main__":
    main()
