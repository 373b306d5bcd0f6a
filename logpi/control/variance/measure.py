"""The gradient estimates of every rung, on the same trajectories of one fixed policy: sums first, then figures."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from logpi.control.variance.gradients import Batches, batches
from logpi.control.variance.rungs import OVER_A_BATCH, Baselines, Discounts, Nets, weights
from logpi.control.variance.trajectories import OnLanes, Sampler
from logpi.ops import estimates
from logpi.ops.estimates import Each, Interval, Numbers, Sums
from logpi.types import Array, Learner, Policy, Trajectory

BLOCKS = (48, 24, 12)  # of the jackknife; fewer where the gradients' sums would take more than MOST_BYTES
MOST_BYTES = 2**30
COLUMNS = 256  # episodes of a chunk, at most
LEAST_ROWS = 16  # of a program; other numbers of rows are powers of two times as many
AGAINST = "value"  # the rung whose number of trajectories is 1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Sizes(NamedTuple):
    """How trajectories are dealt out: ``blocks`` of ``chunks`` of ``columns``, which are batches of ``batch``."""

    batch: int  # m
    columns: int
    chunks: int
    blocks: int

    @property
    def trajectories(self) -> int:
        return self.blocks * self.chunks * self.columns


def sizes(wanted: int, batch: int, blocks: int, most_columns: int = COLUMNS) -> Sizes:
    """At least ``wanted`` trajectories in equal chunks of whole batches, none larger than ``most_columns``."""
    of_block = max(2, math.ceil(wanted / (batch * blocks)))  # batches: of one, no variance is known
    chunks = math.ceil(of_block / max(1, most_columns // batch))
    return Sizes(batch, math.ceil(of_block / chunks) * batch, chunks, blocks)


def blocks_for(rungs: int, parameters: int) -> int:
    """Blocks whose sums of gradients fit into ``MOST_BYTES``, or the fewest there are."""
    fitting = (b for b in BLOCKS if b * rungs * parameters * 8 <= MOST_BYTES)
    return next(fitting, BLOCKS[-1])


class Raw(NamedTuple):
    """Sums of K rungs, the reference last, over blocks of G batches each."""

    total: NDArray[np.float64]  # [B, K, D] of trajectories' gradients
    single: NDArray[np.float64]  # [B, G, K], as ``Batches`` has them
    squared: NDArray[np.float64]
    along: NDArray[np.float64]
    apart: NDArray[np.float64]


class Laboratory:
    """Programs that measure policies of one kind, compiled once for all of their moments."""

    def __init__(
        self, policy: Policy, nets: Nets, sampler: Sampler, discounts: Discounts, lanes: int, batch: int
    ) -> None:
        self._policy, self._nets, self._sampler = policy, nets, sampler
        self._discounts, self._lanes, self._batch = discounts, lanes, batch
        self._programs = dict[tuple[tuple[str, ...], int, bool], OnLanes]()

    def collect(self, learner: Learner, use: int, first: int) -> tuple[Trajectory, int]:
        """``lanes`` chunks, and the rows of a program that are enough for them."""
        found = self._sampler(learner, use, first)
        mask = np.asarray(found.mask)
        self._shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), found)
        return found, rows_for(int(np.flatnonzero(mask.any((0, 2))).max(initial=0)) + 1, mask.shape[1])

    def prepare(
        self, rungs: tuple[str, ...], learner: Learner, baselines: Baselines, rows: int, exact: Array | None
    ) -> None:
        """Begin to compile what ``sums`` needs for trajectories of at most ``rows``, once some have been collected."""
        program = self._program(rungs, rows, exact is not None)
        program.prepare(learner, baselines, jnp.zeros(parameters_of(learner)), exact, self._shapes)

    def sums(
        self,
        rungs: tuple[str, ...],
        learner: Learner,
        baselines: Baselines,
        how: Sizes,
        use: int,
        direction: Array,
        exact: Array | None = None,
    ) -> Raw:
        """Sums of the ``rungs`` and of the reference over ``how.trajectories`` trajectories."""
        total = np.zeros((how.blocks, len(rungs) + 1, len(direction)))
        kept: list[list[NDArray[np.float64]]] = []
        for first in range(0, how.blocks * how.chunks, self._lanes):
            trajectory, rows = self.collect(learner, use, first)
            program = self._program(rungs, rows, exact is not None)
            found: Batches = jax.device_get(program(learner, baselines, direction, exact, trajectory))
            for lane in range(self._lanes):
                total[(first + lane) // how.chunks] += found.total[lane]
                kept.append([np.asarray(x[lane], np.float64) for x in found[1:]])
        each = [np.stack(x).reshape(how.blocks, -1, len(rungs) + 1) for x in zip(*kept, strict=True)]
        return Raw(total, *each)

    def _program(self, rungs: tuple[str, ...], rows: int, exact: bool) -> OnLanes:
        key = (rungs, rows, exact)
        if key not in self._programs:
            f = functools.partial(self._chunk, rungs, rows)
            self._programs[key] = OnLanes(f, (False, False, False, False, True), self._lanes)
        return self._programs[key]

    def _chunk(
        self,
        rungs: tuple[str, ...],
        rows: int,
        learner: Learner,
        baselines: Baselines,
        direction: Array,
        exact: Array | None,
        trajectory: Trajectory,
    ) -> Batches:
        trajectory = first_rows(trajectory, rows)
        psi = weights(rungs, self._nets, baselines, self._discounts, self._policy, learner, trajectory, self._batch)
        return batches(self._policy, learner, trajectory, psi, self._batch, direction, exact)


def first_rows(trajectory: Trajectory, rows: int) -> Trajectory:
    """The first ``rows`` rows, and one more of the observations; without log-probabilities."""
    shown = jax.tree.map(lambda x: x[: rows + 1], trajectory.obs)
    action, reward, discount, mask = jax.tree.map(lambda x: x[:rows], (trajectory.action, *trajectory[3:6]))
    return Trajectory(shown, action, None, reward, discount, mask, trajectory.memory)


def rows_for(longest: int, most: int) -> int:
    """Rows of the program for episodes of at most ``longest`` moves: few different numbers, few compilations."""
    return min(most, LEAST_ROWS * 2 ** max(0, math.ceil(math.log2(longest / LEAST_ROWS))))


class Reference(NamedTuple):
    """The gradient that rungs are compared with."""

    gradient: NDArray[np.float64]  # [D]
    length: Interval  # ‖∇J‖, without what its own noise adds
    error: float  # √(V/N) / ‖∇J‖; 0 where it is exact
    trajectories: int  # N; 0 where it is exact


def exact_reference(gradient: NDArray[np.float64]) -> Reference:
    """∇J, known."""
    length = float(np.linalg.norm(gradient))
    return Reference(gradient, Interval(length, length, length), 0.0, 0)


def long_average(raw: Raw, how: Sizes) -> Reference:
    """∇J by an average over trajectories of their own."""
    sums = of_batches(raw, -1, how)
    means = estimates.without_each(sums)
    length = estimates.root(estimates.interval(estimates.signal(means)))
    noise = math.sqrt(float(estimates.trace(means)[0] / means.n[0]))
    error = noise / length.value if length.value > 0 else math.inf
    return Reference(sums.total.sum(0) / sums.n.sum(), length, error, how.trajectories)


def of_batches(raw: Raw, k: int, how: Sizes) -> Sums:
    """Sums of rung k over estimates of m trajectories each."""
    return Sums(_count(raw.squared), raw.total[:, k] / how.batch, raw.squared[:, :, k].sum(1))


def of_trajectories(raw: Raw, k: int, how: Sizes) -> Sums:
    """Sums of rung k over trajectories."""
    return Sums(_count(raw.single) * how.batch, raw.total[:, k], raw.single[:, :, k].sum(1))


def _count(x: NDArray[np.float64]) -> Numbers:
    return np.full(len(x), float(x.shape[1]))


class Figures(NamedTuple):
    """What is known of a rung; lengths of gradients are in parts of ‖∇J‖."""

    rung: str
    size: int  # trajectories of one independent estimate: 1, or m where their rewards make each other's baseline
    variance: Interval  # V, by the trajectory
    ratio: Interval  # trajectories for the same error, those of ``AGAINST`` being 1
    needed: Interval  # V / ‖∇J‖²: trajectories whose error is as long as ∇J
    snr: Interval  # ‖E[g]‖ / √V of one trajectory
    cosine: Interval  # mean cosine of the estimate of m trajectories and the reference
    bias: Interval  # ‖E[g] - ∇J‖ / ‖∇J‖
    along: list[float]  # ``QUANTILES`` of that estimate's component along ∇J

    def to_json(self) -> dict[str, Any]:
        """All of it, intervals as objects."""
        return {name: x._asdict() if isinstance(x, Interval) else x for name, x in self._asdict().items()}


def figures(rungs: tuple[str, ...], raw: Raw, how: Sizes, reference: Reference) -> list[Figures]:
    """``Figures`` of each rung, from the sums over the trajectories measured."""
    size = {name: how.batch if name in OVER_A_BATCH else 1 for name in rungs}
    means = {
        name: estimates.without_each((of_batches if size[name] > 1 else of_trajectories)(raw, k, how))
        for k, name in enumerate(rungs)
    }
    variance: dict[str, Each] = {name: size[name] * estimates.trace(means[name]) for name in rungs}
    length = reference.length.value or math.nan

    def one(k: int, name: str) -> Figures:
        v, own = variance[name], estimates.positive(variance[name])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio, strength = v / variance[AGAINST], estimates.signal(means[name]) / v
            cosine = np.nan_to_num(raw.along[:, :, k] / np.sqrt(raw.squared[:, :, k]))
        return Figures(
            name,
            size[name],
            own,
            estimates.positive(ratio),
            estimates.scaled(own, 1 / length**2),
            estimates.root(estimates.interval(strength)),
            estimates.interval(estimates.mean(cosine.sum(1), _count(cosine))),
            estimates.scaled(_bias(raw, k, how, reference), 1 / length),
            estimates.quantiles(raw.along[:, :, k].reshape(-1) / length, QUANTILES),
        )

    return [one(k, name) for k, name in enumerate(rungs)]


def _bias(raw: Raw, k: int, how: Sizes, reference: Reference) -> Interval:
    """‖E[g] - ∇J‖: the mean of the differences on the same trajectories, without what their noise adds."""
    count = _count(raw.apart)
    if reference.trajectories:
        apart = (raw.total[:, k] - raw.total[:, -1]) / how.batch
    else:
        apart = raw.total[:, k] / how.batch - count[:, None] * reference.gradient
    means = estimates.without_each(Sums(count, apart, raw.apart[:, :, k].sum(1)))
    return estimates.root(estimates.interval(estimates.signal(means)))


def direction_of(reference: Reference) -> Array:
    """The reference's direction, a vector of length 1; 0 where it has none."""
    length = float(np.linalg.norm(reference.gradient))
    return jnp.asarray(reference.gradient / (length or 1.0), jnp.float32)


def parameters_of(learner: Learner) -> int:
    """Number of parameters of a policy, D."""
    return int(ravel_pytree(learner.params)[0].size)
