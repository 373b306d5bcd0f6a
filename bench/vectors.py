"""How fast each vector of host environments steps, alone and in training, on one machine.

    python bench/vectors.py [--rounds 2]

LunarLander-v3 (16 environments, RL Zoo's settings of PPO), Walker2d-v5 (16) and ALE/Pong-v5 in the standard
preprocessing (32): Gymnasium's vectors, ale-py's and EnvPool's, whole batches and half-batches. Every measurement is a
process of its own; contestants take turns. It needs the extras box2d, mujoco, atari and fast.
"""

import argparse
import statistics
import sys
from typing import Any

from report import BENCH, answer, parser, publish, spread, table, versions

WAYS = {"LunarLander-v3": ("sync", "async", "envpool"), "Walker2d-v5": ("sync", "async", "envpool")}
WAYS |= {"ALE/Pong-v5": ("sync", "async", "ale")}
ROWS = {"LunarLander-v3": 16_384, "Walker2d-v5": 8_192, "ALE/Pong-v5": 2_048}  # of one repeat of training
MORE = 2  # times as many of random actions
PACKAGES = ("envpool", "ale-py", "mujoco", "box2d", "gymnasium")
KINDS = {"random": ["--random"], "training": [], "training, half-batches": ["--half-batches"]}


def measure(args: argparse.Namespace) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """The answers by environment, way and kind, round by round."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for _ in range(args.rounds):
        for env in args.envs:
            for way in WAYS[env]:
                for kind, flags in KINDS.items():
                    if way == "sync" and "--half-batches" in flags:
                        continue
                    rows = ROWS[env] * (MORE if kind == "random" else 1)
                    asked = (env, way, "--steps", rows, *flags)
                    found.setdefault((env, way, kind), []).append(
                        answer(sys.executable, BENCH / "logpi_vectors.py", *asked)
                    )
    return found


def rates(answers: list[dict[str, Any]]) -> list[float]:
    return [rate for each in answers for rate in each["repeats"]]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--envs", nargs="+", choices=WAYS, default=list(WAYS))
    args = arguments.parse_args()
    found = measure(args)
    rows = []
    for (env, way, kind), answers in found.items():
        alone = statistics.median(rates(found[env, way, "random"]))
        ratio = "" if kind == "random" else f"{statistics.median(rates(answers)) / alone:.2f}"
        shares = ", ".join(f"{part} {share:.0%}" for part, share in answers[-1]["shares"].items())
        rows.append([env, way, kind, spread(rates(answers), ",.0f"), ratio, shares])
    header = ["environment", "vectorization", "what", "steps/s", "of its random rate", "where the time goes"]
    about = (
        "Median (least to greatest). Random: the vector alone, stepped with actions drawn beforehand; rows in which an "
        "environment only resets do not count. Training: whole iterations after the first, which compiles. Networks: "
        "two 64-unit tanh layers for each of policy and value; on Pong one pair for both, on all 28,224 pixels."
    )
    software = {"environments": versions(sys.executable, PACKAGES)}
    publish(args.results, "vectors", "Vectors of host environments", software, [table(header, rows), about])


if __name__ == "__main__":
    main()
