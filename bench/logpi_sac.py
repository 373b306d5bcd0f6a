"""Environment steps of logpi's SAC on Pendulum-v1, updates included; one JSON object on the last line.

    python bench/logpi_sac.py --steps 1000 --hidden 256 256 [--host]

One environment, one update a step in rounds of 8, minibatches of 256. The first fifth, with compilation, is left out.
"""

import argparse
import functools
import json
import time

import gymnasium
import jax
from report import settle

from logpi.config.experiments import resolve
from logpi.control.build import parts, process
from logpi.driver import devices
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.tasks import NOTHING, Own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 256])
    parser.add_argument("--host", action="store_true", help="Gymnasium's environment, not the device's")
    args = parser.parse_args()
    devices.prepare()
    own = Own(env=functools.partial(gymnasium.make, "Pendulum-v1"), env_kwargs={}) if args.host else NOTHING
    method = {"batch_size": 256, "learning_starts": 100, "n_steps": 8, "gradient_steps": 8}
    asked = resolve("Pendulum-v1", "sac", {"method": method, "network": {"hidden": args.hidden}})[0]
    driver = Driver(process(asked, parts(asked, own)), [0])
    state, rows = driver.init(), driver.process.rows
    settle(driver)
    first, last = max(args.steps // 5, 120) // rows, args.steps // rows
    wall = cpu = 0.0
    for i in range(last):
        if i == first:
            jax.block_until_ready(state)
            wall, cpu = time.perf_counter(), time.process_time()
        state, _, _ = driver.iterate(state._replace(metrics={}), Progress(i), timed=False)
    jax.block_until_ready(state)
    steps = (last - first) * rows
    found = {"wall": steps / (time.perf_counter() - wall), "cpu": steps / (time.process_time() - cpu)}
    driver.close()
    print(json.dumps({f"steps_per_second_of_{name}": rate for name, rate in found.items()}))


if __name__ == "__main__":
    main()
