"""How fast the torsos of images and the convolutions of boards are, beside matrix products of the same machine.

    python bench/convolutions.py [--batch 64 256] [--rounds 5]

Shown are images per second, and the share of the rate of a product of two 2048x2048 matrices: of the forward pass; of
the gradient alone (not by the pixels); and of gradient steps in a compiled loop, where updates are. The product is
measured in each process, and the best of all is taken for the shares. "XLA" is the same network by XLA's own
convolutions. Operations are those of the layers as the papers have them. A row is a process of its own.
"""

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import answer, parser, publish, table

BOARD = (9, 64, 8)  # side, channels and layers of a tower for Go 9x9
# MFLOP of the forward pass and of the gradient, without that by the pixels
COSTS = {"cnn": (18.7, 49.5), "patches": (4.8, 11.6), "impala": (108.4, 317.1), "tower": (47.8, 137.4)}
LOOP = 3  # gradient steps
SLOW = 64  # images a batch that XLA's convolutions are measured on, at most


def seconds(f: Callable[..., Any], *arguments: Any, rounds: int) -> float:
    """Median time of a call."""
    import jax

    run = jax.jit(f)
    jax.block_until_ready(run(*arguments))
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        jax.block_until_ready(run(*arguments))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measured(name: str, batch: int, ordinary: bool, rounds: int) -> dict[str, float]:
    """Images per second, and the machine's own FLOP/s."""
    import jax
    import jax.numpy as jnp

    from logpi.nets.convolution import ordinary_convolutions

    key = jax.random.key(0)
    square = jax.random.normal(key, (2048, 2048))
    product = 2 * 2048**3 / seconds(lambda x: x @ x, square, rounds=2 * rounds)
    net, inputs = network(name, batch)

    def forward(params: Any, x: Any) -> Any:
        with ordinary_convolutions() if ordinary else contextlib.nullcontext():
            return net.apply(params, x)

    params = net.init(key, inputs[:1])
    slope = jax.grad(lambda params, x: jnp.square(forward(params, x)).mean())

    def loop(params: Any, x: Any) -> Any:
        down = lambda _, params: jax.tree.map(lambda w, g: w - 1e-6 * g, params, slope(params, x))  # noqa: E731
        return jax.lax.fori_loop(0, LOOP, down, params)

    return {
        "product": product,
        "forward": batch / seconds(forward, params, inputs, rounds=rounds),
        "gradient": batch / seconds(slope, params, inputs, rounds=rounds),
        "loop": LOOP * batch / seconds(loop, params, inputs, rounds=rounds),
    }


def network(name: str, batch: int) -> tuple[Any, Any]:
    """A network, and what it is given."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    from logpi.nets.convolution import Convolution
    from logpi.nets.torsos import image_torso

    side, channels, layers = BOARD

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            if name != "tower":
                return image_torso(name)(x)
            for _ in range(layers):
                x = nn.relu(Convolution(channels)(x))
            return x

    key = jax.random.key(1)
    if name == "tower":
        return Net(), jax.random.normal(key, (batch, side, side, channels))
    return Net(), jax.random.randint(key, (batch, 84, 84, 4), 0, 256).astype(jnp.uint8)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--batch", type=int, nargs="+", default=[64, 256])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.one:
        name, batch, how = args.one
        print(json.dumps(measured(name, int(batch), how == "XLA", args.rounds)))
        return
    measurements = []
    for name in COSTS:
        for batch in args.batch:
            for how in ("logpi",) if name == "patches" else ("logpi", "XLA"):
                if how == "XLA" and (name == "impala" or batch > SLOW):
                    continue  # minutes a call within a loop
                asked = ("--one", name, batch, how, "--rounds", args.rounds)
                measurements.append((name, batch, how, answer(sys.executable, Path(__file__), *asked)))
    # of one process it would be wrong where that process was disturbed
    product = max(found["product"] for *_, found in measurements)
    rows = []
    for name, batch, how, found in measurements:
        shares = zip(("forward", "gradient", "loop"), (COSTS[name][0], COSTS[name][1], COSTS[name][1]), strict=True)
        cells = [f"{found[part]:,.0f} ({found[part] * 1e6 * cost / product:.0%})" for part, cost in shares]
        rows.append([name, batch, how, *cells, f"{found['product'] / 1e9:.0f}"])
    header = [
        "network",
        "batch",
        "convolutions",
        "forward, images/s",
        "gradient alone",
        "in a loop",
        "product, GFLOP/s",
    ]
    publish(args.results, "convolutions", "Convolutions on a CPU", {}, [table(header, rows)])


if __name__ == "__main__":
    main()
