"""Whether EnvPool's environments are Gymnasium's: random episodes of both, compared.

    python bench/vector_episodes.py [--episodes 200]

Uniformly random actions in ``--episodes`` episodes of each environment that ``--vectorization auto`` takes from
EnvPool: mean return, mean length, and each number of the first observation and of that after three moves. z is the
difference of the two means in its standard error; of observations the largest of all their numbers. It needs the extras
box2d, mujoco and fast.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
from logpi_vectors import random_actions
from numpy.typing import NDArray
from report import parser, publish, table, versions

from logpi.envs.host import make_host
from logpi.envs.pools import COMPARED

BATCH, MOVES = 8, 3
PACKAGES = ("envpool", "mujoco", "box2d", "gymnasium")


class Episodes(NamedTuple):
    """What episodes were like, [N] or [N, ...]."""

    returns: NDArray[np.floating]
    lengths: NDArray[np.floating]
    first: NDArray[np.floating]
    later: NDArray[np.floating]  # after MOVES moves


def played(name: str, way: str, episodes: int) -> Episodes:
    """As many episodes of each of BATCH environments, so that short ones are not preferred."""
    vector = make_host(name, BATCH, vectorization=way)
    vector.reset(0)
    found: list[list[tuple[Any, ...]]] = [[] for _ in range(BATCH)]
    ret, length = np.zeros(BATCH), np.zeros(BATCH, int)
    void = np.zeros(BATCH, bool)
    first, later = vector.start.copy(), vector.start.copy()
    rng = np.random.default_rng(1)
    while min(map(len, found)) < episodes // BATCH:
        vector.send(random_actions(vector.spec.action_space, 1, BATCH, rng)[0])
        step = vector.recv()
        ret, length = np.where(void, 0, ret + step.reward), np.where(void, 0, length + 1)
        first[void] = step.obs[void]
        later[length == MOVES] = step.obs[length == MOVES]
        for i in np.flatnonzero(step.terminated | step.truncated):
            found[i].append((ret[i], length[i], first[i].copy(), later[i].copy()))
        void = step.terminated | step.truncated
    vector.close()
    chosen = [each for mine in found for each in mine[: episodes // BATCH]]
    return Episodes(*(np.array(column, np.float64) for column in zip(*chosen, strict=True)))


def z(ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> float:
    """Largest difference of means in its standard error; numbers that never change are left out."""
    error = np.sqrt(ours.var(0, ddof=1) / len(ours) + theirs.var(0, ddof=1) / len(theirs))
    scale = np.maximum(np.abs(ours.mean(0)), 1e-3)
    varies = error > 1e-9 * scale
    return float(np.max(np.abs(ours.mean(0) - theirs.mean(0))[varies] / error[varies], initial=0.0))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--episodes", type=int, default=200)
    arguments.add_argument("--envs", nargs="+", default=list(COMPARED))
    args = arguments.parse_args()
    rows = []
    for name in args.envs:
        ours, theirs = (played(name, way, args.episodes) for way in ("sync", "envpool"))
        row = [name]
        for part in ("returns", "lengths"):
            pair = [getattr(found, part) for found in (ours, theirs)]
            row += [*(f"{np.mean(x):,.1f} ± {1.96 * np.std(x) / len(x) ** 0.5:.1f}" for x in pair), f"{z(*pair):.1f}"]
        row += [f"{z(ours.first, theirs.first):.1f}", f"{z(ours.later, theirs.later):.1f}", str(ours.first[0].size)]
        rows.append(row)
        print(*row, flush=True, file=sys.stderr)
    header = ["environment", "return: Gymnasium", "EnvPool", "z", "length: Gymnasium", "EnvPool", "z"]
    header += ["first observation, largest z", f"after {MOVES} moves, largest z", "of numbers"]
    about = (
        f"{args.episodes} episodes each with uniformly random actions; means ± 95 %. z: difference of two means in its "
        "standard error; of an observation the largest of all its numbers, of which one in twenty exceeds 2 by chance."
    )
    software = {"environments": versions(sys.executable, PACKAGES)}
    title = "EnvPool's episodes against Gymnasium's"
    publish(args.results, "vector_episodes", title, software, [table(header, rows), about])


if __name__ == "__main__":
    main()
