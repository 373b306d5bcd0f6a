"""Training speed on LunarLander-v3, a host environment, against its own random-action rate and Stable-Baselines3.

    python bench/host.py --sb3-python PATH [--rounds 3]

Every measurement is a process of its own; contestants take turns. PPO with RL Zoo's settings (16 environments x 1,024
steps, minibatches of 64, 4 epochs, two 64-unit tanh layers for each of policy and value), and with logpi's recipe.
"""

import argparse
import statistics
import sys
from typing import Any

from report import BENCH, PEERS, answer, parser, publish, spread, table, versions

from logpi.config.stored import recipe_for

PEER_THREADS = {1: "SB3, RL Zoo's settings, one torch thread", 0: "SB3, RL Zoo's settings, torch's default threads"}


def measure(args: argparse.Namespace, settings: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The answers of each contestant, round by round."""
    found: dict[str, list[dict[str, Any]]] = {}
    script = BENCH / "logpi_host.py"
    for _ in range(args.rounds):
        for flag, name in settings.items():
            for kind, more in (("random actions", ["--random"]), ("logpi training", [])):
                flags = ("--settings", flag, "--steps", args.steps, *more)
                found.setdefault(f"{kind}, {name}", []).append(answer(sys.executable, script, *flags))
        for threads, name in PEER_THREADS.items() if args.sb3_python else ():
            rollouts = max(1, round(args.steps / 16_384))
            peer = answer(args.sb3_python, PEERS / "sb3_lunarlander.py", "--rollouts", rollouts, "--threads", threads)
            found.setdefault(name, []).append(peer | {"repeats": [peer["steps_per_second"]], "shares": {}})
    return found


def judge(medians: dict[str, float], settings: dict[str, str]) -> str:
    """What acceptance asks, and what was measured."""
    lines = []
    for name in settings.values():
        ratio = medians[f"logpi training, {name}"] / medians[f"random actions, {name}"]
        lines.append(f"- training / random actions, {name}, at least 0.7: **{ratio:.2f}**")
    peers = [medians[name] for name in PEER_THREADS.values() if name in medians]
    if peers:
        ratio = medians["logpi training, RL Zoo's settings"] / max(peers)
        lines.append(f"- training / faster setting of SB3, same settings, at least 3: **{ratio:.2f}**")
    return "\n".join(lines)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sb3-python", metavar="PATH", help="interpreter with the peer; left out without it")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=32_768, help="rows of one repeat, about")
    args = arguments.parse_args()
    settings = {"zoo": "RL Zoo's settings"}
    if recipe_for("LunarLander-v3", "ppo"):
        settings["recipe"] = "logpi's recipe"
    found = measure(args, settings)
    rates = {name: [rate for a in answers for rate in a["repeats"]] for name, answers in found.items()}
    rows = [
        [
            name,
            spread(rates[name], ",.0f"),
            ", ".join(f"{part} {share:.0%}" for part, share in answers[-1]["shares"].items()),
        ]
        for name, answers in found.items()
    ]
    about = (
        "Median (least to greatest). Random actions: the vector that training uses, stepped with actions drawn "
        "beforehand; environment moves only, rows in which an environment only resets do not count. Training: whole "
        "iterations after the first, which compiles. SB3: `learn`, rollouts and updates."
    )
    medians = {name: statistics.median(values) for name, values in rates.items()}
    parts = [table(["LunarLander-v3", "steps/s", "where the time goes"], rows), judge(medians, settings), about]
    software = {}
    if args.sb3_python:
        software["SB3"] = versions(args.sb3_python, ("stable-baselines3", "torch", "gymnasium"))
    publish(args.results, "host", "Training on a host environment", software, parts)


if __name__ == "__main__":
    main()
