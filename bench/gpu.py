"""logpi on one GPU: training rates of every kind, beside PureJaxRL and as shares of what the device can do.

    python bench/gpu.py [--purejaxrl PATH --jax-python PATH] [--budget 450] [--only ppo go] [--small]

PPO on CartPole-v1 at 64 to 65,536 environments, self-play of Connect Four and Go 9x9, RAM, and the Nature CNN
(`logpi_gpu.py`); the device's own rates of matrix products, of a copy and of a loop's steps come first, in the same
session. Each part is a process of its own on one device; what it has measured when it fails or when its share of the
budget is spent is kept, and the table names the rest. Rates are medians of 3 repeats behind a warm-up. Runs on
whatever device JAX finds: `--small` is for a trial on a CPU.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from logpi_gpu import PARTS, SIMULATIONS
from report import BENCH, commit, parser, publish, spread, table, versions

SHARES = {  # of the budget; time that a part leaves over goes to those behind it
    "limits": 25,
    "ppo": 110,
    "purejaxrl": 90,
    "connect-four": 70,
    "go": 80,
    "ram": 45,
    "cnn": 30,
}
BEGIN = 0.85  # of its share: a part begins no size later than this
PRODUCT, COPY = "float32, JAX's default", "copy: bytes read and written"  # the limits that shares are taken of
UNITS = {"FLOP/s": (1e12, "TFLOP/s"), "byte/s": (1e12, "TB/s")}
NAMES = {
    "ppo": "PPO, CartPole-v1",
    "purejaxrl": "PureJaxRL",
    "connect-four": "Connect Four, self-play and learning",
    "go": "Go 9x9, self-play and learning",
    "ram": "RAM, 28x28 pixels, learning",
    "cnn": "Nature CNN, 84x84x4 pixels",
}
Row = dict[str, Any]


def one_device() -> dict[str, str]:
    """Variables by which a process sees one device; of several GPUs that are allowed, the first."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return {"JAX_NUM_CPU_DEVICES": "1", "CUDA_VISIBLE_DEVICES": allowed}


def run(names: Sequence[str], seconds: float, flags: Sequence[object], environment: Mapping[str, str]) -> list[Row]:
    """The rows of these parts, measured by a process that ends after ``seconds`` at the latest, with all it began."""
    command = [sys.executable, str(BENCH / "logpi_gpu.py"), *names, "--limit", BEGIN * seconds, *flags]
    print(f"{', '.join(names)}: {seconds:.0f} s at most", file=sys.stderr, flush=True)
    cut = False
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **environment},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            cut = True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        lines, said = out.read().splitlines(), err.read()
    return completed(names, "--small" in flags, lines, ending(cut, seconds, process.returncode, said))


def ending(cut: bool, seconds: float, code: int, said: str) -> str:
    """Why a process has not given all its rows: what stands in the table for the first that is missing."""
    if cut:
        return f"cut off: {seconds:.0f} s were spent"
    return f"exit code {code}: {' '.join(said.split())[-300:]}" if code else ""


def completed(names: Sequence[str], small: bool, lines: Sequence[str], reason: str) -> list[Row]:
    """The rows that a process printed, and in place of each that it did not, why."""
    found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    by_name = {(row["part"], row["size"]): row for row in found}
    rows = []
    for name in names:
        part = PARTS[name]
        for size in part.all(small):
            label = part.label.format(size)
            if (name, label) not in by_name:
                rows.append({"part": name, "size": label, "error": reason or "left out: no time in the budget"})
                reason = ""
            else:
                rows.append(by_name[name, label])
    return rows


def measure(args: argparse.Namespace) -> list[Row]:
    """The rows of all parts that are asked for."""
    wanted = [n for n in PARTS if n == "limits" or not args.only or n in args.only]
    if not args.purejaxrl:
        wanted = [n for n in wanted if n != "purejaxrl"]
    groups = [[n] for n in wanted]
    if args.small:  # small sizes take less time than a process needs to start
        groups = [[n for n in wanted if n != "purejaxrl"], *([["purejaxrl"]] if "purejaxrl" in wanted else [])]
    flags: list[object] = ["--seconds", args.seconds, "--jax-python", args.jax_python]
    flags += ["--small"] if args.small else []
    flags += ["--purejaxrl", args.purejaxrl.resolve()] if args.purejaxrl else []
    until, rows = time.monotonic() + args.budget, []
    with tempfile.TemporaryDirectory() as cache:
        environment = {"LOGPI_CACHE": cache, **one_device()}
        for at, names in enumerate(groups):
            ahead = sum(SHARES[n] for group in groups[at:] for n in group)
            seconds = (until - time.monotonic()) * sum(SHARES[n] for n in names) / ahead
            rows += run(names, seconds, flags, environment) if seconds > 1 else completed(names, args.small, [], "")
    return rows


# --------------------------------------------------------------------------------------------------------- the tables


def limit(rows: Sequence[Row], name: str) -> float | None:
    """One of the device's rates, where it was measured."""
    return next((r["rate"] for r in rows if r["part"] == "limits" and r["size"] == name and "rate" in r), None)


def limits_table(rows: Sequence[Row]) -> str:
    """What the device can do at most."""
    lines = []
    for row in (r for r in rows if r["part"] == "limits"):
        if "error" in row:
            lines.append([row["size"], row["error"]])
        elif row["unit"] in UNITS:
            size, unit = UNITS[row["unit"]]
            lines.append([row["size"], spread([row[k] / size for k in ("rate", "low", "high")], ".4g") + f" {unit}"])
        else:
            lines.append([row["size"], spread([1e6 / row[k] for k in ("rate", "low", "high")], ".3g") + " µs each"])
    return table(["the device's limit", "median (least to greatest)"], lines)


def share(row: Row, need: str, most: float | None) -> str:
    """What ``row`` moves or multiplies at least, as a share of the device's rate."""
    return f"{100 * row['rate'] * row[need] / most:.3g} %" if most and need in row else ""


def rate(row: Row) -> str:
    """Median, least and greatest; of self-play also the simulations."""
    text = f"{spread([row[k] for k in ('rate', 'low', 'high')], ',.0f')} {row['unit']}"
    return text + (f", {row['simulations'] * row['rate']:,.0f} simulations/s" if "simulations" in row else "")


def parts_table(rows: Sequence[Row]) -> str:
    """Every part's rates, as ratios and as shares."""
    product, copy = limit(rows, PRODUCT), limit(rows, COPY)
    peers = {r["size"]: r["rate"] for r in rows if r["part"] == "purejaxrl" and "rate" in r}
    first: dict[tuple[str, str], float] = {}
    lines: list[list[object]] = []
    for row in (r for r in rows if r["part"] != "limits"):
        line: list[object] = [NAMES[row["part"]], row["size"]]
        if "error" in row:
            lines.append([*line, row["error"], *[""] * 7])
            continue
        kind = row["part"], row["size"].split(",")[0] if row["part"] == "cnn" else ""
        peer = peers.get(row["size"]) if row["part"] == "ppo" else None
        stages = ", ".join(f"{name} {part:.0%}" for name, part in row.get("stages", {}).items())
        line += [rate(row), f"{row['rate'] / first.setdefault(kind, row['rate']):.2f}"]
        line += [f"{row['rate'] / peer:.2f}" if peer else "", share(row, "flops", product), share(row, "bytes", copy)]
        lines.append([*line, stages, row.get("ready_seconds", ""), row.get("peak_gib") or ""])
    header = ["", "size", "median (least to greatest)", "/ first size", "/ PureJaxRL", "of the products' rate"]
    return table([*header, "of the copy's rate", "where the time goes", "s until ready", "GiB so far at most"], lines)


ABOUT = f"""Products and bytes are the fewest that the mathematics needs: a formula's multiplications (2 a
multiply-add), each row of a rollout written once and read once an epoch, each pixel read once. Shares are of the
rate of float32 products by JAX's default precision, which logpi uses too. PPO: 128 steps, 4 epochs x 4
minibatches, two 64-unit tanh layers for each of policy and value; PureJaxRL at the same sizes, its rows all
counted as steps, logpi's void rows not. Self-play: {SIMULATIONS} simulations a move, every position learnt from 4
times on average; Connect Four with a residual MLP of 3 blocks of 256, Go with a tower of the channels and blocks
given. RAM: the paper's credit, 6 glimpses of 8x8 pixels, no augmentation. Nature CNN: the forward pass, and
gradient steps in a loop. "s until ready" is compilation (with evaluation's programs), first weights and one
iteration, from an empty cache."""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--only", nargs="+", choices=[n for n in PARTS if n != "limits"], metavar="NAME", default=[])
    arguments.add_argument("--budget", type=float, default=450.0, help="seconds; what no longer fits is left out")
    arguments.add_argument("--seconds", type=float, default=3.0, help="of one measurement, about")
    arguments.add_argument("--small", action="store_true", help="tiny sizes, for a trial on any machine")
    arguments.add_argument("--jax-python", default=sys.executable, metavar="PATH", help="interpreter with the peer")
    arguments.add_argument("--purejaxrl", type=Path, metavar="PATH", help="checkout of PureJaxRL; left out without it")
    args = arguments.parse_args()
    began = time.monotonic()
    rows = measure(args)
    taken = time.monotonic() - began
    seen = next((row for row in rows if "device" in row), {})
    memory = f", {seen['memory_gib']} GiB for JAX" if seen.get("memory_gib") else ""
    software = {"device": f"{seen.get('device', 'unknown')}{memory}; {seen.get('platform', '')}"}
    if args.purejaxrl:
        peer = versions(args.jax_python, ("jax", "jaxlib", "flax", "optax", "gymnax", "distrax"))
        software["PureJaxRL"] = f"commit {commit(args.purejaxrl)}; {peer}"
    software["took"] = f"{taken:.0f} s of {args.budget:.0f} s"
    parts = [limits_table(rows), parts_table(rows), " ".join(ABOUT.split())]
    publish(args.results, "gpu", f"One device: {seen.get('device', 'unknown')}", software, parts)
    facts = {"date": date.today().isoformat(), "commit": commit(), "seconds": round(taken, 1), **software}
    (args.results / "gpu.json").write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
