"""Statistics of made-up scores by rliable, for the test that compares logpi's with them. Imports nothing of logpi.

    python -m venv rl && rl/bin/pip install rliable 'arch<8' 'pandas<3'
    rl/bin/python bench/rliable_oracle.py > tests/comparison/rliable.json

Each interval is computed five times with 10,000 resamples: the five differ by Monte-Carlo error alone.
"""

import importlib.metadata
import json

import numpy as np
from rliable import library, metrics

REPEATS, RESAMPLES = 5, 10_000
SHAPES = {"five seeds, one environment": (5, 1), "ten, three": (10, 3), "seven, two": (7, 2), "ties": (12, 4)}
TAUS = np.linspace(0.0, 1.2, 13)


def scores(rng, seeds, environments, ties):
    """Two methods' scores [seeds, environments]."""
    x = rng.normal(0.6, 0.25, (seeds, environments)) + 0.1 * np.arange(environments)
    y = rng.gamma(4.0, 0.12, (seeds, environments)) + 0.1 * np.arange(environments)
    return (np.round(x, 1), np.round(y, 1)) if ties else (x, y)


def aggregates(x):
    return np.array([metrics.aggregate_iqm(x), metrics.aggregate_median(x), metrics.aggregate_mean(x),
                     metrics.aggregate_optimality_gap(x)])  # fmt: skip


def repeated(data, statistic):
    """[repeats, 2, …]: ends of the same interval, from random numbers of its own each time."""
    found = []
    for repeat in range(REPEATS):
        state = np.random.RandomState(repeat)
        _, ends = library.get_interval_estimates({"x": data}, statistic, reps=RESAMPLES, random_state=state)
        found.append(np.asarray(ends["x"]).tolist())
    return found


def main():
    rng, cases = np.random.default_rng(0), []
    for name, (seeds, environments) in SHAPES.items():
        x, y = scores(rng, seeds, environments, name == "ties")
        profile, _ = library.create_performance_profile({"x": x}, TAUS, reps=10)
        case = {"name": name, "x": x.tolist(), "y": y.tolist(), "taus": TAUS.tolist()}
        case |= {"aggregates": aggregates(x).tolist(), "intervals": repeated(x, aggregates)}
        case |= {"profile": profile["x"].tolist()}
        case |= {"improvement": float(metrics.probability_of_improvement(x, y))}
        pair = repeated((x, y), lambda a, b: np.array([metrics.probability_of_improvement(a, b)]))
        cases.append(case | {"improvement_intervals": pair})
    versions = {package: importlib.metadata.version(package) for package in ("rliable", "arch", "numpy", "scipy")}
    print(json.dumps({"made_by": "bench/rliable_oracle.py", "versions": versions, "cases": cases}))


if __name__ == "__main__":
    main()
