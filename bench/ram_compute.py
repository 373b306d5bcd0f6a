"""Computation per image as the image grows: RAM, whose glimpses do not, against a convolutional net on the whole image.

    python bench/ram_compute.py [--sizes 28 60 100 200 400] [--seconds 0.5] [--core 0]

One core, batches of 64, untrained weights (the speed is the same). Inference: forward passes over float32 scenes in
memory. Training: whole steps from 28x28 digits in memory, augmented and placed on a canvas of that size.

FLOPs are those of the forward pass' matrix products and convolutions, 2 a multiply-add, by hand: XLA's cost analysis
counts the body of a loop over glimpses once. Where the retina reads an image's integral, RAM also sums up each image
once, which is no matrix product: 2 additions a pixel, given apart, as is the time that it takes. Of large images it
reads only the pixels that it looks at (`logpi.ram.retina.sensor`).
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pictures import BLUE, GREEN, ORANGE, picture, plain
from report import parser, publish, table

from logpi.ram.methods.classifier import Classifier
from logpi.ram.methods.ram import RAM
from logpi.ram.settings import RamNetwork, WholeImageNetwork

BATCH, CLASSES, DIGIT = 64, 10, 28
GLIMPSES, PATCH, FEWEST = 8, 12, 3
FIXED, COVERING = "RAM, 3 scales", "RAM, coarsest patch covers the image"
COLORS = {FIXED: BLUE, COVERING: GREEN, "conv": ORANGE}


class Row(NamedTuple):
    """One model at one size; rates are images/s."""

    model: str
    size: int
    scales: int  # 0 for conv
    mflop: float
    parameters: int
    inference: float
    training: float
    integral: float  # rate of the integral alone; 0 where there is none


def covering(size: int) -> int:
    """The fewest scales with which the coarsest patch covers an image of ``size`` pixels a side."""
    return next(k for k in range(FEWEST, 20) if PATCH * 2 ** (k - 1) >= size)


def ram_flops(net: RamNetwork) -> int:
    """Of one image's glimpses, the places between them, and its label."""
    half, g, core = net.sensor_size, net.glimpse_size, net.core_size
    sensor = net.scales * net.patch**2 * half + 2 * half + 2 * half * g
    places = (GLIMPSES - 1) * (core * net.location_size + 2 * net.location_size)
    return 2 * (GLIMPSES * (sensor + g * core + core * core) + places + core * CLASSES)


def conv_flops(net: WholeImageNetwork, size: int) -> int:
    total, side, channels = 0, size, 1
    for out in net.channels:
        side = (side - net.kernel) // net.stride + 1
        total += side**2 * net.kernel**2 * channels * out
        channels = out
    return 2 * (total + side**2 * channels * net.units + net.units * CLASSES)


def rate(run: Callable[[], Any], seconds: float) -> float:
    """Images/s of ``run``, which takes one batch: the median of five chunks."""
    import jax

    jax.block_until_ready(run())
    chunks = []
    for _ in range(5):
        count, began = 0, time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            jax.block_until_ready(run())
            count += 1
        chunks.append(count * BATCH / taken)
    return statistics.median(chunks)


def trainer(method: Any, learner: Any) -> Callable[[], Any]:
    """One step of training, the learner carried on."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    digits = jnp.asarray(rng.integers(0, 256, (1024, DIGIT, DIGIT, 1)), jnp.uint8)
    labels, which = jnp.arange(1024) % CLASSES, jnp.arange(BATCH)
    update = jax.jit(method.update, donate_argnums=0)
    key = jax.random.key(1)

    def step() -> Any:
        nonlocal learner
        learner, _ = update(learner, digits, labels, which, key)
        return learner.timesteps

    return step


def measure(model: str, size: int, seconds: float) -> Row:
    import jax
    import numpy as np

    from logpi.ram.learning import ImageTask
    from logpi.ram.methods.classifier import classifier
    from logpi.ram.methods.ram import ram
    from logpi.ram.retina import integral, is_direct
    from logpi.ram.scenes import Scene

    scales = 0 if model == "conv" else FEWEST if model == FIXED else covering(size)
    glimpsing = RamNetwork(patch=PATCH, scales=max(scales, 1))
    config: Any = RAM(n_glimpses=GLIMPSES, batch_size=BATCH) if scales else Classifier(batch_size=BATCH)
    net: Any = glimpsing if scales else WholeImageNetwork(net="conv")
    method = (ram if scales else classifier)(config, net, ImageTask((DIGIT, DIGIT, 1), Scene(size, size), CLASSES))
    learner = jax.jit(method.init)(jax.random.key(0))
    scenes = jax.device_put(np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 1)).astype(np.float32))
    params, key = learner.extra, jax.random.key(2)
    predict = jax.jit(lambda params, scenes, key: method.look(params, scenes, key, 0.0, None)[0][-1])
    summed = jax.jit(integral)
    inference = rate(lambda: predict(params, scenes, key), seconds)
    return Row(
        model,
        size,
        scales,
        (ram_flops(glimpsing) if scales else conv_flops(net, size)) / 1e6,
        sum(x.size for x in jax.tree.leaves(params)),
        inference,
        rate(trainer(method, learner._replace(extra=jax.tree.map(np.asarray, params))), seconds),
        rate(lambda: summed(scenes), seconds)
        if scales and not is_direct((size, size), PATCH, scales, GLIMPSES)
        else 0.0,
    )


def draw(rows: list[Row], path: Path) -> None:
    with picture(path, panels=2) as (flops, speed):
        for model, color in COLORS.items():
            mine = [r for r in rows if r.model == model]
            x = [r.size for r in mine]
            flops.plot(x, [r.mflop for r in mine], color=color, marker="o", ms=4, label=model)
            speed.plot(x, [r.inference for r in mine], color=color, marker="o", ms=4, label=f"{model}: inference")
            speed.plot(x, [r.training for r in mine], ":", color=color, marker="o", ms=3, label=f"{model}: training")
        flops.set(ylabel="MFLOP an image, forward (matrix products)")
        speed.set(ylabel="images/s, one core")
        for axes in (flops, speed):
            axes.set(xlabel="pixels of the image's side", xscale="log", yscale="log")
            plain(axes.xaxis, sorted({float(r.size) for r in rows}))
            plain(axes.yaxis)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[28, 60, 100, 200, 400])
    arguments.add_argument("--seconds", type=float, default=0.5, help="of each of the five chunks of a measurement")
    arguments.add_argument("--core", type=int, help="which core; else the first")
    args: argparse.Namespace = arguments.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0)) if args.core is None else args.core})
    from logpi.driver import devices

    devices.prepare()
    models = [(size, model) for size in args.sizes for model in COLORS]
    distinct = [m for m in models if m[1] != COVERING or covering(m[0]) != FEWEST]
    rows = [measure(model, size, args.seconds) for size, model in distinct]
    header = ["pixels", "model", "scales", "parameters", "MFLOP, forward", "images/s", "training images/s"]
    header += ["MFLOP of the integral", "its share of the inference's time"]
    lines = [
        [
            *(f"{r.size}x{r.size}", r.model, r.scales or "", f"{r.parameters:,}", f"{r.mflop:.2f}"),
            *(f"{r.inference:,.0f}", f"{r.training:,.0f}"),
            *((f"{2 * r.size**2 / 1e6:.3f}", f"{min(r.inference / r.integral, 1):.0%}") if r.integral else ("", "")),
        ]
        for r in rows
    ]
    about = (
        f"RAM: {GLIMPSES} glimpses of {PATCH}x{PATCH}. Three scales cover 48 pixels; in the other rows there are as "
        "many as the coarsest patch needs to cover the image. conv: the paper's net, 8 filters of 10x10 at stride 5, "
        "then 256 units. The glimpses' work does not grow with the image; an integral's does, and so does that of "
        "filling a canvas, which is in every model's training."
    )
    draw(rows, args.results / "ram" / "compute.png")
    parts = [table(header, lines), about, *(__doc__ or "").strip().split("\n\n")[2:], "![compute](ram/compute.png)"]
    publish(args.results, "ram_compute", "RAM: computation per image", {}, parts)


if __name__ == "__main__":
    main()
