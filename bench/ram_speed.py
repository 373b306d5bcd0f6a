"""RAM's training speed against the public PyTorch implementation, one thread each, and on two cores.

    python bench/ram_speed.py --torch-python torch/bin/python --source recurrent-visual-attention [--seconds 5]

Same sizes, batches and layers on both sides, random images in memory, augmentation of size 0 on ours, no file and no
log in the loop; the two take turns, `--repeats` times. FLOPs of a training step are those of its matrix products,
2·m·n·k each: all of the forward pass, and of the backward pass the weights' gradients and those of inputs that pass one
on (not the retina's, nor what is cut off from the core). Both sides credit
places as the paper does, by R - b_t, and classify after the last glimpse; the recipes' `antithetic`, which looks at T-1
more places, is given apart. GFLOP/s are compared with the machine's own rate for a square product on one core
(`peers/gemm.py`), measured in every turn. Two cores share each batch, of the same size or twice as large, or have a
seed each, which never wait for each other. Ratios are taken within a turn.

`--own …` is what the script calls itself: it prints one JSON line.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

from report import BENCH, PEERS, answer, parser, publish, settle, spread, table, versions

OF_GEMM, SCALING = 0.70, 1.7  # wanted at 28x28 and batch 128; wanted of two cores

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


def own(
    size: int,
    batch: int,
    glimpses: int,
    patch: int,
    scales: int,
    cores: int,
    *,
    advantage_estimator: Literal["return", "antithetic"],
    seeds: int,
    seconds: float,
) -> dict[str, Any]:
    """Training images/s of logpi, in this process; those of all ``seeds`` together."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    from logpi.driver import devices

    devices.prepare()
    import numpy as np

    from logpi.driver.driver import Driver
    from logpi.driver.progress import Progress
    from logpi.ram.data.images import Split, Splits
    from logpi.ram.learning import ImageTask
    from logpi.ram.methods.ram import RAM, ram
    from logpi.ram.process import image_process
    from logpi.ram.scenes import Scene
    from logpi.ram.settings import RamNetwork

    still = {"rotation": 0.0, "scaling": 0.0, "shear": 0.0, "shift": 0.0}
    peers = {} if advantage_estimator == "antithetic" else {"glimpse_coef": 0.0, "core_grad_scale": 0.0}
    config = RAM(
        n_glimpses=glimpses,
        batch_size=batch,
        total_images=1e8,
        advantage_estimator=advantage_estimator,
        **peers,
        **still,
    )
    net = RamNetwork(patch=patch, scales=scales, combine="sum")
    task = ImageTask((size, size, 1), Scene(size, size), 10)
    rng = np.random.default_rng(0)
    data = Split(rng.integers(0, 256, (4096, size, size, 1)).astype(np.uint8), (np.arange(4096) % 10).astype(np.int32))
    updates = max(1, 2560 // batch)
    method, num_devices = ram(config, net, task), cores if seeds == 1 else 1
    process = image_process(method, task, Splits(data, data, data), batch, updates, num_devices)
    driver = Driver(process, list(range(seeds)))
    state, _, _ = driver.iterate(driver.init(), Progress())
    settle(driver)
    rates, i, until = [], 1, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        state, _, _ = driver.iterate(state._replace(metrics={}), Progress(i))
        rates.append(seeds * batch * updates / (time.perf_counter() - began))
        i += 1
    return {"images_per_second": float(np.median(rates)), "slowest": min(rates), "fastest": max(rates)}


def gemm() -> float:
    """GFLOP/s of one core, at the best of the sizes measured."""
    return float(max(answer(sys.executable, PEERS / "gemm.py")["one_core"].values()))


def race(args: argparse.Namespace, setting: tuple[Any, ...]) -> dict[str, list[float]]:
    """Images/s of everybody at one setting, turn by turn."""
    size, batch, glimpses, patch, scales, _ = setting
    ways = {  # batch, cores, seeds
        "one core": (batch, 1, 1),
        "two cores": (batch, 2, 1),
        "twice the batch": (2 * batch, 2, 1),
        "a seed each": (batch, 2, 2),
        "antithetic": (batch, 1, 1),
    }
    found: dict[str, list[float]] = {name: [] for name in ("product", "peer", *ways)}
    for _ in range(args.repeats):
        found["product"].append(gemm())
        for name, (b, cores, seeds) in ways.items():
            shape = (size, b, glimpses, patch, scales, cores)
            how = (
                "--advantage-estimator",
                "antithetic" if name == "antithetic" else "return",
                "--seeds",
                seeds,
                "--seconds",
                args.seconds,
            )
            got = answer(sys.executable, BENCH / "ram_speed.py", "--own", *shape, *how)
            found[name].append(got["images_per_second"])
            if name == "one core" and args.torch_python:
                flags = ["--source", args.source, "--size", size, "--batch", batch, "--glimpses", glimpses]
                flags += ["--glimpse-size", patch, "--scales", scales, "--threads", 1, "--seconds", args.seconds]
                found["peer"].append(answer(args.torch_python, PEERS / "ram_torch.py", *flags)["images_per_second"])
    return found


def said(setting: tuple[Any, ...]) -> list[object]:
    size, batch, glimpses, patch, scales, _ = setting
    return [f"{size}x{size}, {glimpses} glimpses {patch}x{patch}, scales: {scales}", batch]


def ratio(a: list[float], b: list[float], form: str = ".2f") -> str:
    """Of each turn's a to its b."""
    return spread([x / y for x, y in zip(a, b, strict=True)], form) if b else ""


def raced(setting: tuple[Any, ...], found: dict[str, list[float]]) -> list[object]:
    """The row of one core."""
    _, _, glimpses, patch, scales, least = setting
    one, peer = found["one core"], found["peer"]
    gflops = [rate * flops(glimpses, patch, scales) / 1e9 for rate in one]
    return [
        *(*said(setting), spread(one, ",.0f"), spread(peer, ",.0f") if peer else "", ratio(one, peer), least or ""),
        *(spread(gflops, ".0f"), ratio(gflops, found["product"], ".0%")),
        *(spread(found["antithetic"], ",.0f"), ratio(found["antithetic"], peer)),
    ]


def scaled(setting: tuple[Any, ...], found: dict[str, list[float]]) -> list[object]:
    """The row of two cores."""
    row = said(setting)
    for name in ("two cores", "twice the batch", "a seed each"):
        row += [spread(found[name], ",.0f"), ratio(found[name], found["one core"])]
    return row


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--torch-python", metavar="PYTHON")
    arguments.add_argument(
        "--source", type=Path, metavar="DIR", help="a clone of kevinzakka/recurrent-visual-attention"
    )
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument(
        "--own", nargs=6, type=int, metavar=("SIZE", "BATCH", "GLIMPSES", "PATCH", "SCALES", "CORES")
    )
    arguments.add_argument("--advantage-estimator", default="return", choices=("return", "antithetic"), help="of --own")
    arguments.add_argument("--seeds", type=int, default=1, help="of --own")
    args: argparse.Namespace = arguments.parse_args()
    if args.own is not None:
        print(
            json.dumps(
                own(*args.own, advantage_estimator=args.advantage_estimator, seeds=args.seeds, seconds=args.seconds)
            )
        )
        return
    found = [race(args, setting) for setting in SETTINGS]
    by_setting = list(zip(SETTINGS, found, strict=True))
    header = ["images", "batch", "logpi, images/s", "PyTorch, images/s", "/ PyTorch", "wanted", "GFLOP/s", "/ GEMM"]
    header += ["logpi, antithetic, images/s", "/ PyTorch"]
    one = table(header, [raced(setting, rates) for setting, rates in by_setting])
    header = ["images", "batch", "same batch, images/s", "/ one core", "twice the batch, images/s", "/ one core"]
    header += ["a seed each, images/s", "/ one core"]
    two = table(header, [scaled(setting, rates) for setting, rates in by_setting])
    products = [rate for rates in found for rate in rates["product"]]
    about = (
        f"Median (least to greatest) of {args.repeats} turns. The machine's own product: {spread(products, '.0f')} "
        f"GFLOP/s; wanted of it at 28x28 and batch 128: {OF_GEMM:.0%}. Wanted of two cores: {SCALING}. Layers: sensor "
        "128, glimpse 256, core 256, location 128. " + (__doc__ or "").split("\n\n")[2]
    )
    peer = {"peer": versions(args.torch_python, ("torch", "numpy"))} if args.torch_python else {}
    parts = ["## One core", one, about.replace("\n", " "), "## Two cores", two]
    publish(args.results, "ram_speed", "RAM: speed", peer, parts)


if __name__ == "__main__":
    main()
