"""RAM's training speed against the public PyTorch implementation, one thread each, and on all cores.

    python bench/ram_speed.py --torch-python torch/bin/python --source recurrent-visual-attention [--seconds 15]

Same sizes, batches and layers on both sides, random images in memory, augmentation of size 0 on ours, no file and no
log in the loop; the two take turns, `--repeats` times. FLOPs of a training step are those of its matrix products,
2·m·n·k each: all of the forward pass, and of the backward pass the weights' gradients and those of inputs that pass one
on (not the retina's, nor what is cut off from the core). GFLOP/s are compared with the machine's own rate for a square
product.
`--own SIZE …` is what the script calls itself: it prints one JSON line.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from report import BENCH, PEERS, answer, parser, publish, spread, table

SETTINGS = [  # size, batch, glimpses, patch, scales, wanted ratio
    (28, 128, 6, 8, 1, 2.5),
    (28, 512, 6, 8, 1, None),
    (60, 128, 6, 12, 3, 3.0),
    (100, 128, 8, 12, 4, 3.0),
]


def flops(glimpses: int, patch: int, scales: int) -> int:
    """Of one training step, per image: sensor 128, glimpse 256, core 256, location 128, baseline 64, 10 classes."""
    pixels, t = scales * patch**2, glimpses
    sensor = t * (2 * (pixels * 128 + 2 * 128) + 3 * (128 * 256 + 128 * 256))  # forward, dW; dx of the upper layers
    core = 3 * (t * 256 * 256 + (t - 1) * 256 * 256)
    places = (t - 1) * (2 * 256 * 128 + 3 * 128 * 2 + 2 * 256 * 64 + 3 * 64 * 10)
    return 2 * (sensor + core + places + 3 * 256 * 10)


def own(size: int, batch: int, glimpses: int, patch: int, scales: int, cores: int, seconds: float) -> dict[str, Any]:
    """Training images/s of logpi, in this process."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    from logpi import devices

    devices.prepare()
    import numpy as np

    from logpi.config import RAM, Glimpsing
    from logpi.glimpse.methods import Task, make_method
    from logpi.glimpse.programs import ImagePrograms, Split, Splits
    from logpi.glimpse.scenes import Scene

    still = {"rotation": 0.0, "scaling": 0.0, "shear": 0.0, "shift": 0.0}
    config = RAM(n_glimpses=glimpses, batch_size=batch, total_images=1e8, **still)
    net = Glimpsing(patch=patch, scales=scales, combine="sum")
    task = Task((size, size, 1), Scene(size, size), 10)
    rng = np.random.default_rng(0)
    data = Split(rng.integers(0, 256, (4096, size, size, 1)).astype(np.uint8), (np.arange(4096) % 10).astype(np.int32))
    updates = max(1, 2560 // batch)
    programs = ImagePrograms(make_method(config, net, task), task, Splits(data, data, data), batch, updates, [0], cores)
    state, _ = programs.iterate(programs.init(), 0, timed=True)
    rates, i, until = [], 1, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        state, _ = programs.iterate(state, i, timed=True)
        rates.append(batch * updates / (time.perf_counter() - began))
        i += 1
    return {"images_per_second": float(np.median(rates)), "slowest": min(rates), "fastest": max(rates)}


def gemm() -> float:
    """GFLOP/s of a float32 product of 1,024 x 1,024 matrices on one core, the best of 20."""
    from logpi import devices

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    devices.prepare()
    import jax

    x = jax.random.normal(jax.random.key(0), (1024, 1024))
    product = jax.jit(lambda x: x @ x).lower(x).compile()
    took = []
    for _ in range(20):
        began = time.perf_counter()
        product(x).block_until_ready()
        took.append(time.perf_counter() - began)
    return 2 * 1024**3 / min(took) / 1e9


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--torch-python", metavar="PYTHON")
    arguments.add_argument(
        "--source", type=Path, metavar="DIR", help="a clone of kevinzakka/recurrent-visual-attention"
    )
    arguments.add_argument("--seconds", type=float, default=15)
    arguments.add_argument("--repeats", type=int, default=2)
    arguments.add_argument("--own", nargs="*", type=int)
    args: argparse.Namespace = arguments.parse_args()
    if args.own is not None:
        print(json.dumps(own(*args.own, seconds=args.seconds) if args.own else {"gemm": gemm()}))
        return
    rate = answer(sys.executable, BENCH / "ram_speed.py", "--own")["gemm"]
    rows = []
    for size, batch, glimpses, patch, scales, least in SETTINGS:
        ours, theirs, both = [], [], []
        shape = (size, batch, glimpses, patch, scales)
        for _ in range(args.repeats):
            for cores, found in ((1, ours), (2, both)):
                got = answer(sys.executable, BENCH / "ram_speed.py", "--own", *shape, cores, "--seconds", args.seconds)
                found.append(got["images_per_second"])
            if args.torch_python:
                flags = ["--source", args.source, "--size", size, "--batch", batch, "--glimpses", glimpses]
                flags += ["--glimpse-size", patch, "--scales", scales, "--threads", 1, "--seconds", args.seconds]
                theirs.append(answer(args.torch_python, PEERS / "ram_torch.py", *flags)["images_per_second"])
        ratio = max(ours) / max(theirs) if theirs else float("nan")
        gflops = max(ours) * flops(glimpses, patch, scales) / 1e9
        rows.append(
            [
                *(f"{size}x{size}, {glimpses} glimpses {patch}x{patch}, {scales} scales", batch),
                *(spread(ours, ",.0f"), spread(theirs, ",.0f") if theirs else "", f"{ratio:.2f}", least or ""),
                *(f"{gflops:.0f} ({gflops / rate:.0%})", spread(both, ",.0f"), f"{max(both) / max(ours):.2f}"),
            ]
        )
    header = ["images", "batch", "logpi, images/s", "PyTorch, images/s", "ratio of the best", "wanted"]
    header += ["GFLOP/s (of GEMM)", "logpi, two cores", "two cores / one"]
    about = f"One thread each. The machine's own GEMM: {rate:.0f} GFLOP/s a core. {__doc__.split(chr(10) * 2)[2]}"
    publish(args.results, "ram_speed", "RAM: speed", {}, [table(header, rows), about.replace("\n", " ")])


if __name__ == "__main__":
    main()
