"""Environment steps per second of an off-policy run of logpi, updates included; one JSON object on the last line.

    python logpi_off_policy.py ENVIRONMENT ALGORITHM STEPS '{"learning_rate": ..., ...}' '{"hidden": [256, 256]}'

The first fifth of the run is left out, as in the peers' scripts, and compilation with it.
"""

import json
import sys
import tempfile
from pathlib import Path

import logpi

env, algo, steps, method, network = sys.argv[1:6]
quiet = {"video": False, "tensorboard": False, "eval_points": 0, "checkpoint_points": 0, "final_episodes": 1}
with tempfile.TemporaryDirectory() as folder:
    logpi.train(
        env,
        algo,
        run={**quiet, "log_dir": folder},
        network=json.loads(network),
        total_timesteps=float(steps),
        quiet=True,
        **json.loads(method),
    )
    (file,) = Path(folder).glob("*/*/timing.jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
first = next(row for row in rows if row["time/total_timesteps"] >= float(steps) / 5)
made = rows[-1]["time/total_timesteps"] - first["time/total_timesteps"]
print(json.dumps({"steps_per_second": made / (rows[-1]["time/time_elapsed"] - first["time/time_elapsed"])}))
