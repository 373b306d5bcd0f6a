"""How often does the 95 % interval of `logpi compare` contain the true value, with 5, 10 and 20 seeds?

    python bench/coverage.py [--repetitions 1000] [--resamples 1000]

Scores are simulated. Normal: N(0.6, 0.2). Skewed: 1 minus a gamma variable of shape 2 and mean 0.3. Two ends: 0.95 with
probability 0.7, else 0.2, plus N(0, 0.05), as where some seeds fail. In three environments the scores are shifted by 0,
-0.1 and -0.2. True values are those of four million draws in each environment. Y of P(X > Y) has the scores of X less
0.1. For the mean in one environment Student's interval stands beside the bootstrap's.
"""

import numpy as np
from numpy.typing import NDArray
from report import parser, publish, table

from logpi.comparison import statistics
from logpi.runs import scores as student

SEEDS, SHIFTS, MANY = (5, 10, 20), (0.0, -0.1, -0.2), 4_000_000
METRICS = {"mean": statistics.mean, "IQM": statistics.iqm, "optimality gap": statistics.optimality_gap}
Floats = NDArray[np.float64]


def normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(0.6, 0.2, n)


def skewed(rng: np.random.Generator, n: int) -> Floats:
    return 1.0 - rng.gamma(2.0, 0.15, n)


def two_ends(rng: np.random.Generator, n: int) -> Floats:
    return np.where(rng.uniform(size=n) < 0.7, 0.95, 0.2) + rng.normal(0.0, 0.05, n)


KINDS = {"normal": normal, "skewed": skewed, "two ends": two_ends}


def drawn(kind: str, rng: np.random.Generator, n: int, environments: int, less: float = 0.0) -> list[Floats]:
    """Scores [n] of each environment."""
    return [KINDS[kind](rng, n) + shift - less for shift in SHIFTS[:environments]]


def truth(kind: str, environments: int) -> dict[str, float]:
    """True values of all metrics."""
    rng = np.random.default_rng(10**6)
    x = drawn(kind, rng, MANY, environments)
    found = {name: float(metric(x)) for name, metric in METRICS.items()}
    y = drawn(kind, rng, MANY, environments, 0.1)
    found["P(X > Y)"] = float(np.mean([np.mean(a > b) + 0.5 * np.mean(a == b) for a, b in zip(x, y, strict=True)]))
    return found


def covered(kind: str, n: int, environments: int, repetitions: int, resamples: int) -> dict[str, tuple[float, float]]:
    """(share of intervals that contain the true value, mean width) of each metric."""
    true, rng = truth(kind, environments), np.random.default_rng(n)
    ends: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repetitions):
        x, y = drawn(kind, rng, n, environments), drawn(kind, rng, n, environments, 0.1)
        for name, metric in METRICS.items():
            low, high = statistics.interval(metric, x, resamples)
            ends.setdefault(name, []).append((float(low), float(high)))
        low, high = statistics.improvement_interval(x, y, resamples)
        ends.setdefault("P(X > Y)", []).append((float(low), float(high)))
        if environments == 1:
            (mean,), (half,) = student.interval(x[0][:, None])
            ends.setdefault("mean, Student", []).append((mean - half, mean + half))
    found = {}
    for name, pairs in ends.items():
        low, high = np.array(pairs).T
        value = true[name.partition(",")[0]]
        found[name] = (float(np.mean((low <= value) & (value <= high))), float(np.mean(high - low)))
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--repetitions", type=int, default=1000)
    arguments.add_argument("--resamples", type=int, default=1000)
    args = arguments.parse_args()
    names = [*METRICS, "P(X > Y)", "mean, Student"]
    rows: list[list[object]] = []
    for environments in (1, 3):
        for kind in KINDS:
            for n in SEEDS:
                found = covered(kind, n, environments, args.repetitions, args.resamples)
                shown = [f"{found[name][0]:.1%} ({found[name][1]:.2f})" if name in found else "" for name in names]
                rows.append([environments, kind, n, *shown])
                print(*rows[-1], sep=" | ", flush=True)
    error = 1.96 * np.sqrt(0.95 * 0.05 / args.repetitions)
    about = (
        f"Share of 95 % intervals that contain the true value, and their mean width in brackets; {args.repetitions:,} "
        f"repetitions, so that 95 % is known to ± {error:.1%}. " + " ".join((__doc__ or "").split("\n\n")[2].split())
    )
    publish(args.results, "coverage", "Coverage", {}, [about, table(["environments", "scores", "seeds", *names], rows)])


if __name__ == "__main__":
    main()
