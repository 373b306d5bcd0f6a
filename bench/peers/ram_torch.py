"""The public PyTorch RAM (recurrent visual attention), its own model unmodified: training images per second.

    python bench/peers/ram_torch.py --source path/to/recurrent-visual-attention --size 28 --batch 128 --seconds 15

`--source` is a checkout of github.com/kevinzakka/recurrent-visual-attention, of which `model.py` and `modules.py` are
imported; needs `pip install torch numpy`. The step is that of its `trainer.py`: first locations uniform, log-likelihood
+ squared error of the baseline + 0.01 x REINFORCE over all glimpses, backward, Adam. Its default layers (`config.py`);
patches twice as wide from scale to scale. In place of its DataLoader, batches are drawn by index from normalized
images in memory, random ones unless `--data` names an `.npz` with 8-bit `images` (N, H, W) and `labels` (N,).
No logging, no validation. Prints one JSON line: the median over chunks of a second or more, after a warm-up.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

LAYERS = {"h_g": 128, "h_l": 128, "hidden_size": 256}
CLASSES, STD, LEARNING_RATE, REINFORCE = 10, 0.05, 3e-4, 0.01
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels, with which the peer normalizes


def load(path: str | None, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalized images (N, 1, size, size) and their labels (N,)."""
    if path is None:
        images, labels = torch.rand(2048, size, size), torch.randint(CLASSES, (2048,))
    else:
        with np.load(path, allow_pickle=False) as file:
            images, labels = torch.from_numpy(file["images"]) / 255, torch.from_numpy(file["labels"]).long()
        if images.shape[1:] != (size, size):
            raise SystemExit(f"{path} has images of shape {tuple(images.shape[1:])}, not --size {size}")
    return ((images - MEAN) / DEVIATION).unsqueeze(1), labels


def make_step(
    model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, batch: int, glimpses: int
) -> Callable[[], None]:
    """One training step on a batch drawn anew."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def step() -> None:
        optimizer.zero_grad()
        chosen = torch.randint(len(images), (batch,))
        x, y = images[chosen], labels[chosen]
        # the peer asks for the gradients of its first state and location too
        hidden = torch.zeros(batch, LAYERS["hidden_size"], requires_grad=True)
        location = torch.empty(batch, 2).uniform_(-1, 1).requires_grad_()
        baselines, log_probs = [], []
        for _ in range(glimpses - 1):
            hidden, location, baseline, log_prob = model(x, location, hidden)
            baselines.append(baseline)
            log_probs.append(log_prob)
        _, _, baseline, scores, log_prob = model(x, location, hidden, last=True)
        values = torch.stack([*baselines, baseline], dim=1)
        reward = (scores.detach().argmax(dim=1) == y).float().unsqueeze(1).expand_as(values)
        advantage = reward - values.detach()
        reinforce = -(torch.stack([*log_probs, log_prob], dim=1) * advantage).sum(dim=1).mean()
        loss = functional.nll_loss(scores, y) + functional.mse_loss(values, reward) + REINFORCE * reinforce
        loss.backward()
        optimizer.step()

    return step


def rates(step: Callable[[], None], batch: int, seconds: float) -> list[float]:
    """Images per second of successive chunks, each of a second or more, at least three."""
    for _ in range(5):
        step()
    chunks: list[float] = []
    start = time.perf_counter()
    while len(chunks) < 3 or time.perf_counter() - start < seconds:
        steps, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < 1:
            step()
            steps += 1
        chunks.append(steps * batch / elapsed)
    return chunks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, metavar="PATH", help="checkout of the peer's repository")
    parser.add_argument("--data", metavar="PATH", help="an .npz of images and labels (default: random ones)")
    parser.add_argument("--size", type=int, choices=(28, 60, 100), default=28, help="pixels along a side")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--glimpses", type=int, default=6)
    parser.add_argument("--glimpse-size", type=int, default=8)
    parser.add_argument("--scales", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; 0 leaves torch's default")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    sys.path.insert(0, args.source)
    peer = import_module("model").RecurrentAttention
    model = peer(g=args.glimpse_size, k=args.scales, s=2, c=1, std=STD, num_classes=CLASSES, **LAYERS)
    step = make_step(model, *load(args.data, args.size), args.batch, args.glimpses)
    chunks = rates(step, args.batch, args.seconds)
    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops() / args.batch
    rate = statistics.median(chunks)
    settings = {name: value for name, value in vars(args).items() if name not in ("source", "data")}
    print(
        json.dumps(
            {"peer": "recurrent-visual-attention"}
            | settings
            | LAYERS
            | {
                "parameters": sum(p.numel() for p in model.parameters()),
                "images_per_second": round(rate),
                "chunks": [round(chunk) for chunk in chunks],
                "mflop_per_image": round(flops / 1e6, 3),
                "gflop_per_second": round(rate * flops / 1e9, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
