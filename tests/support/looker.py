"""A run with an untrained agent that takes glimpses of MNIST's size, as ``logpi train ram/mnist`` would leave it."""

import json

import jax

from logpi.config.experiments import resolve
from logpi.ram import network
from logpi.ram.agent import save_image_agent

SIZES = dict.fromkeys(("sensor_size", "glimpse_size", "core_size", "location_size", "baseline_size"), 8)
NET = {"patch": 8, "scales": 1, **SIZES}
CLASSES = [str(digit) for digit in range(10)]
GLIMPSES = 3
NAME = "ram/ram-mnist_1"


def make_looker(home):
    """Write the run below ``home``."""
    chosen, _ = resolve("ram/mnist", "ram", {"network": NET, "method": {"n_glimpses": GLIMPSES}})
    params = network.init(jax.random.key(0), chosen.network, 64, 10)
    data = {"shape": [28, 28, 1], "classes": CLASSES, "light_on_dark": 1.0}
    save_image_agent(home / NAME / "best", params, chosen, data, {"timesteps": 0})
    facts = {"algo": "ram", "env": "ram/mnist", "started": "2026-01-01T00:00:00+00:00", "status": "finished"}
    (home / NAME / "manifest.json").write_text(json.dumps(facts))
