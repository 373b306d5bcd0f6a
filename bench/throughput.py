"""Steady training speed of PPO on CartPole-v1 against JAX peers, and how it scales with environments and seeds.

    python bench/throughput.py --jax-python PATH --purejaxrl PATH [--rounds 3]

Every measurement is a process of its own with an empty compilation cache; contestants take turns. 4 epochs x 4
minibatches, two 64-unit tanh layers for each of policy and value.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import BENCH, PEERS, answer, commit, parser, publish, spread, table, versions

ENVS, STEPS, EPOCHS = 64, 128, 4
IN, HIDDEN, OUT = 4, 64, (2, 1)  # CartPole-v1's observation; layers; policy's and value's outputs
WORK = 1_600_000  # rows x epochs of a scaling point's repeat, so that small and large ones take some seconds
RECIPE = ("--num-envs", 8, "--num-steps", 32, "--batch-size", 256, "--epochs", 20)
PARALLEL = ("--num-envs", ENVS, "--num-steps", STEPS)


def flops_per_step() -> dict[str, float]:
    """Floating-point operations of the matrix products for one environment step, 2 a multiply-add.

    The backward pass multiplies twice (for the weights and for the layer's input), in the first layer once.
    """
    forward = [2 * (IN * HIDDEN + HIDDEN * HIDDEN + HIDDEN * out) for out in OUT]
    backward = [2 * f - 2 * IN * HIDDEN for f in forward]
    return {
        "collect": forward[0],  # the policy acts; the value is not needed
        "update": EPOCHS * (sum(forward) + sum(backward)) + forward[1] * (STEPS + 1) / STEPS,
    }


def ours(*flags: object) -> dict[str, Any]:
    """One measurement of logpi."""
    with tempfile.TemporaryDirectory() as cache:
        return answer(sys.executable, BENCH / "logpi_ppo.py", *flags, env={"LOGPI_CACHE": cache})


def race(args: argparse.Namespace) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
    """The answers of each contestant, and the machine's matrix-product rates, round by round."""
    size = (*PARALLEL, "--updates", args.updates)
    found: dict[str, list[dict[str, Any]]] = {"logpi": []}
    products = []
    for _ in range(args.rounds):
        products.append(answer(sys.executable, PEERS / "gemm.py"))
        found["logpi"].append(ours(*size, "--pieces"))
        if args.jax_python and args.purejaxrl:
            script, source = PEERS / "purejaxrl_ppo.py", ("--source", args.purejaxrl)
            found.setdefault("PureJaxRL", []).append(answer(args.jax_python, script, *source, *size))
        if args.jax_python:
            found.setdefault("rejax", []).append(answer(args.jax_python, PEERS / "rejax_ppo.py", *size))
    return found, products


def race_table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Steps per second side by side, and the ratio to the faster peer."""
    rates = {name: [rate for a in answers for rate in a["repeats"]] for name, answers in found.items()}
    medians = {name: statistics.median(values) for name, values in rates.items()}
    rows = [
        [
            name,
            spread(values, ",.0f"),
            f"{medians['logpi'] / medians[name]:.2f}",
            spread([a["compile_seconds"] for a in found[name]], ".1f"),
            spread([a["return"] for a in found[name]], ".0f"),
        ]
        for name, values in rates.items()
    ]
    text = table(["", "steps/s", "logpi is faster by", "s to compile", "return at the end"], rows)
    if peers := {name: m for name, m in medians.items() if name != "logpi"}:
        best = max(peers, key=lambda name: peers[name])
        text += f"\n\nlogpi / the faster peer ({best}), at least 2: **{medians['logpi'] / peers[best]:.2f}**"
    return text


def budget(answers: list[dict[str, Any]], products: list[dict[str, Any]]) -> str:
    """Where an iteration's time goes, and what the matrix products alone would take."""
    rate = {size: max(p["all_cores"][size] for p in products) for size in products[0]["all_cores"]}
    ceiling = max(rate.values())
    need, rows = flops_per_step(), ENVS * STEPS
    speed = statistics.median(rate for a in answers for rate in a["repeats"])
    moves = statistics.median(a["moves_per_row"] for a in answers)
    total = statistics.median(a["iteration_ms"] for a in answers)
    reached = sum(need.values()) * speed / moves / 1e9  # rows that only reset pass through the nets as well

    def line(name: str, ms: float) -> list[object]:
        return [name, f"{ms:.2f}", f"{ms / total:.0%}"]

    lines = [line("an iteration", total)]
    for half in ("collect", "update"):
        lines.append(line(half, statistics.median(a[f"{half}_ms"] for a in answers)))
        lines.append(line(f"{half}: its matrix products at the ceiling's rate", need[half] * rows / ceiling / 1e6))
    for name in answers[0]["pieces_ms"]:
        lines.append(line(f"update: {name}, run alone", statistics.median(a["pieces_ms"][name] for a in answers)))
    measured = ", ".join(f"{size}: {r:.0f} GFLOP/s" for size, r in rate.items())
    return (
        f"Matrix products need {sum(need.values()):,.0f} FLOP a step, so logpi does **{reached:.1f} GFLOP/s, "
        f"{reached / ceiling:.0%}** of the highest rate measured on all cores in the same session ({measured}).\n\n"
        f"An iteration is {rows:,} rows; logpi uses {answers[0]['devices']} device(s), one a core.\n\n"
        + table(["part", "ms", "of an iteration"], lines)
        + "\n\nParts run alone are on one core with its share of the rows. The rest of the update is the products' own "
        "distance from the ceiling at this size, tanh's derivative, gathering the minibatches, the losses, and where "
        "several devices share the environments, their waiting for each other; the rest of collecting is the "
        "environment, sampling, and the loop's overhead for each of the rows."
    )


def updates(rows: int, epochs: int, most: int) -> int:
    """Iterations of one repeat of a scaling point."""
    return max(3, min(most, WORK // (rows * epochs)))


def over_environments(args: argparse.Namespace) -> str:
    """Steps per second by number of environments."""
    rows = []
    for n in args.envs:
        a = ours("--num-envs", n, "--num-steps", STEPS, "--updates", updates(n * STEPS, EPOCHS, args.most_updates))
        times = [f"{a[name]:.2f}" for name in ("iteration_ms", "collect_ms", "update_ms")]
        rows.append([n, a["devices"], f"{a['steps_per_second']:,}", *times])
    return table(["environments", "devices", "steps/s", "ms an iteration", "collect", "update"], rows)


def over_seeds(args: argparse.Namespace, size: tuple[object, ...], rows: int, epochs: int) -> str:
    """Time of S seeds against S times that of one (of the first number's share, where that is not 1)."""
    lines: list[list[object]] = []
    one = None
    for seeds in args.seeds:
        a = ours(*size, "--seeds", seeds, "--updates", updates(rows * seeds, epochs, args.most_updates))
        one = one or a["iteration_ms"] / seeds
        numbers = f"{a['iteration_ms']:.2f}", f"{a['iteration_ms'] / (seeds * one):.2f}", f"{a['compile_seconds']:.1f}"
        lines.append([seeds, a["devices"], f"{a['steps_per_second']:,}", *numbers])
    header = ["seeds", "devices", "steps/s, all seeds", "ms an iteration", "of as many single seeds", "s to compile"]
    return table(header, lines)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--jax-python", metavar="PATH", help="interpreter with the peers; left out without it")
    arguments.add_argument("--purejaxrl", type=Path, metavar="PATH", help="checkout of PureJaxRL; left out without it")
    arguments.add_argument("--rounds", type=int, default=3, help="turns of each contestant, three repeats each")
    arguments.add_argument("--updates", type=int, default=100, help="iterations of a repeat against the peers")
    arguments.add_argument("--most-updates", type=int, default=400, help="iterations of a repeat of a scaling point")
    arguments.add_argument("--envs", type=int, nargs="*", default=[1, 4, 16, 64, 256, 1024, 4096])
    arguments.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32, 64])
    args = arguments.parse_args()
    found, products = race(args)
    sections = [
        f"## PPO, CartPole-v1, {ENVS} environments x {STEPS} steps, {EPOCHS} epochs x 4 minibatches",
        "Median (least to greatest) of all repeats. logpi's void rows do not count; the peers have none.",
        race_table(found),
        "## What the machine could do, and where the time goes",
        budget(found["logpi"], products),
        f"## Environments, one seed ({STEPS} steps, a quarter of the rollout a minibatch)",
        over_environments(args),
        "## Seeds, at the CartPole-v1 recipe's size (8 environments x 32 steps, minibatches of 256, 20 epochs)",
        over_seeds(args, RECIPE, 8 * 32, 20),
        f"## Seeds, at {ENVS} environments x {STEPS} steps",
        over_seeds(args, PARALLEL, ENVS * STEPS, EPOCHS),
    ]
    software = {}
    if args.jax_python:
        software["peers"] = versions(args.jax_python, ("jax", "jaxlib", "flax", "optax", "gymnax", "distrax", "rejax"))
    if args.jax_python and args.purejaxrl:
        software["PureJaxRL"] = f"commit {commit(args.purejaxrl)}"
    publish(args.results, "throughput", "Throughput", software, sections)


if __name__ == "__main__":
    main()
