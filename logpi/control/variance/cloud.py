"""``GradientLab``: clouds of gradient estimates, rung by rung, and what a step along one of them does to J.

An estimate is the mean of m trajectories' gradients; n of them are a cloud. All rungs estimate from the same
trajectories. Clouds are drawn in one plane: the first axis points along ∇J, the second is the direction at right angles
to it in which the estimates of all rungs together vary the most.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from logpi.algorithms.reinforce import UNDISCOUNTED
from logpi.control.variance.gradients import batch_means
from logpi.control.variance.measure import first_rows, rows_for
from logpi.control.variance.rungs import Baselines, Discounts, rungs_of, weights
from logpi.control.variance.trajectories import OnDevices
from logpi.control.variance.worlds import World, world_of
from logpi.errors import LogpiError
from logpi.ops.normalization import Statistics
from logpi.tasks import Facts
from logpi.types import Array, Learner, Trajectory

COLUMNS = 250  # trajectories of a chunk, about
MEASURED, REFERENCE, PILOT = range(3)  # uses of trajectories, each with random numbers of its own
MOST = 100_000  # trajectories of a cloud
OWN_MEAN = "batch-mean"  # the rung whose baseline has a trajectory's own return in it
Vector = NDArray[np.float64]


class Cloud(NamedTuple):
    """The n estimates of one rung; lengths in the plane are those of gradients."""

    rung: str
    points: Vector  # [n, 2] in the plane
    mean: Vector  # [2]
    covariance: Vector  # [2, 2] of the points
    variance: float  # V = m tr Cov: of one trajectory
    needed: float  # V / ‖∇J‖²: trajectories whose mean has an error as long as ∇J
    bias: float  # ‖E[g] - ∇J‖ / ‖∇J‖: exact, or measured, without what noise adds to it
    noise: float  # the length of the error of that measurement, in parts of ‖∇J‖; 0 where the bias is exact
    plane: float  # part of the variance that lies in the plane, 0 to 1


class Clouds(NamedTuple):
    """Clouds of all rungs from the same N = n m trajectories of one policy."""

    env: str
    gamma: float
    gae_lambda: float
    batch: int  # m
    trajectories: int  # N
    theta: Vector  # [D] the policy's parameters
    objective: float  # J(θ)
    exact: bool  # whether J and ∇J are; else means over other trajectories
    gradient: Vector  # [D] ∇J
    axes: Vector  # [2, D] of the plane, of length 1
    clouds: list[Cloud]
    estimates: Vector  # [K, n, D] of the rungs

    def of(self, rung: str) -> Cloud:
        """The cloud of a rung.

        Raises:
            LogpiError: there is no such rung here.
        """
        return self.clouds[self.number(rung)]

    def number(self, rung: str) -> int:
        """The place of a rung among ``clouds``; raises as ``of``."""
        names = [cloud.rung for cloud in self.clouds]
        if rung not in names:
            raise LogpiError(f"no rung {rung!r} here; allowed: {', '.join(names)}")
        return names.index(rung)

    def to_json(self) -> Facts:
        """All but the estimates, as JSON can hold it."""
        facts = self._asdict()
        del facts["estimates"], facts["axes"]
        facts |= {"theta": self.theta.tolist(), "gradient": self.gradient.tolist()}
        facts["length"] = float(np.linalg.norm(self.gradient))
        return facts | {"clouds": [_json(cloud) for cloud in self.clouds]}


class Step(NamedTuple):
    """θ' = θ + α g for the exact gradient and for estimates: J on the way, and the policy that a step leads to."""

    rung: str
    learning_rate: float  # α
    along: list[float]  # the points of the way, in parts of α, 0 to 1
    by_gradient: list[float]  # J at each of them with g = ∇J
    by_estimates: list[list[float]]  # the same with each of some estimates
    theta: Vector  # [D] θ' by the first estimate
    objective: float  # J(θ')

    def to_json(self) -> Facts:
        """All of it as JSON can hold it."""
        return self._asdict() | {"theta": self.theta.tolist()}


class GradientLab:
    """Gradient estimates of one small decision process, or of an environment on the device; compiled once."""

    def __init__(self, target: str, *, hidden: tuple[int, ...] = (16,), seed: int = 0) -> None:
        """Take a process or an environment; its policy is a table, or a small network.

        Args:
            target: ``lanes``, ``push-your-luck`` or ``late-reward``, whose J and ∇J are known exactly; or an
                environment on the device, such as CartPole-v1.
            hidden: units of the network's hidden layers, for an environment.
            seed: of the network's first parameters.

        Raises:
            LogpiError: there is no such process, or the environment does not run on the device.
        """
        self.world: World = world_of(target, hidden, seed)
        self.rungs = rungs_of(self.world.vector.spec.action_space)
        self._first, self._restored = ravel_pytree(self.world.first)
        self._samplers: dict[int, OnDevices] = {}
        self._programs: dict[tuple[int, int], Callable[..., Array]] = {}

    @property
    def theta(self) -> Vector:
        """[D] the parameters that the policy begins with."""
        return np.asarray(self._first, np.float64)

    def clouds(
        self,
        theta: object = None,
        *,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        batch: int = 10,
        trajectories: int = 2_000,
        seed: int = 0,
    ) -> Clouds:
        """The clouds of all rungs.

        Args:
            theta: [D] parameters; None: those that the policy begins with.
            gamma: discount factor γ, 0 to 1.
            gae_lambda: parameter λ of GAE, 0 to 1.
            batch: number m of trajectories of an estimate, 2 to 250.
            trajectories: number N of all, at least 2 m; rounded up to whole chunks of about 250.
            seed: of the trajectories.

        Raises:
            LogpiError: an argument is out of its range.
        """
        params = self._vector(theta)
        _check(gamma, gae_lambda, batch, trajectories)
        learner, discounts = self._learner(params), Discounts(jnp.float32(gamma), jnp.float32(gae_lambda))
        baselines = self.world.baselines(learner, gamma, self._pilot(learner, seed))
        known = self._gradient(learner, discounts, baselines, batch, trajectories, seed)
        found = self._estimates(learner, discounts, baselines, MEASURED, batch, trajectories, seed)
        own, reference = found[:, :-1].swapaxes(0, 1), found[:, -1]
        axes = plane(known, own)
        means = self._means(learner, discounts, known)
        clouds = [
            cloud(name, own[k], reference, known, axes, batch, means.get(name)) for k, name in enumerate(self.rungs)
        ]
        facts = (self.world.name, gamma, gae_lambda, batch, len(found) * batch, params)
        return Clouds(*facts, self.objective(params), self.world.exact is not None, known, axes, clouds, own)

    def objective(self, theta: object) -> float:
        """J(θ): exact, or the mean return of episodes that are the same for every θ."""
        return self._objectives(self._vector(theta)[None])[0]

    def step(
        self, clouds: Clouds, rung: str, learning_rate: float, *, shown: int = 24, points: int = 9, seed: int = 0
    ) -> Step:
        """A step of gradient ascent from the policy of ``clouds``, by the exact gradient and by estimates of a rung.

        Args:
            clouds: what ``clouds`` gave.
            rung: whose estimates are followed.
            learning_rate: α, above 0.
            shown: number of estimates, at most as many as there are.
            points: at which J is evaluated along each step, at least 2.
            seed: which estimate comes first.

        Raises:
            LogpiError: there is no such rung, or a number is out of its range.
        """
        every = clouds.estimates[clouds.number(rung)]
        if not (0 < learning_rate < 1e6 and shown >= 1 and 2 <= points <= 100):
            given = f"learning_rate is {learning_rate:g}, shown {shown}, points {points}"
            raise LogpiError(f"{given}; allowed: above 0, at least 1, and 2 to 100")
        chosen = every[(seed + np.arange(min(shown, len(every)))) % len(every)]
        along = np.linspace(0.0, 1.0, points)
        directions = np.concatenate([clouds.gradient[None], chosen])
        ways = clouds.theta + learning_rate * along[None, :, None] * directions[:, None]
        found = np.reshape(self._objectives(ways.reshape(-1, ways.shape[-1])), ways.shape[:2]).tolist()
        return Step(rung, learning_rate, along.tolist(), found[0], found[1:], ways[1, -1], found[1][-1])

    def _vector(self, theta: object) -> Vector:
        """``theta`` as [D]."""
        if theta is None:
            return self.theta
        try:
            found = np.asarray(theta, np.float64)
        except (TypeError, ValueError) as error:
            raise LogpiError(f"theta is not a vector of numbers: {error}") from error
        if found.shape != self.theta.shape or not np.isfinite(found).all():
            raise LogpiError(
                f"theta has shape {list(found.shape)}, or is not finite; wanted: {self.theta.size} numbers"
            )
        return found

    def _learner(self, theta: Vector) -> Learner:
        params = self._restored(jnp.asarray(theta, jnp.float32))
        return Learner(params, (), Statistics(), (), jnp.int32(0))

    def _objectives(self, thetas: Vector) -> list[float]:
        """J of each of [N, D]."""
        every = jax.vmap(self._restored)(jnp.asarray(thetas, jnp.float32))
        return [float(x) for x in self.world.objectives(every)]

    def _sample(self, columns: int, learner: Learner, use: int, first: int, seed: int) -> Trajectory:
        """A chunk of whole episodes, one a column, without the rows that are void in all."""
        if columns not in self._samplers:
            self._samplers[columns] = OnDevices(self.world.vector, self.world.algorithm, columns, 1, seed)
        sampler = self._samplers[columns]
        sampler.seed = seed
        found: Trajectory = jax.tree.map(lambda x: x[0], sampler(learner, use, first))
        longest = int(np.asarray(found.mask).any(1).sum())
        return first_rows(found, rows_for(longest, found.mask.shape[0]))

    def _pilot(self, learner: Learner, seed: int) -> Callable[[], Trajectory]:
        """Trajectories that V and Q may be fitted to."""
        return functools.partial(self._sample, COLUMNS, learner, PILOT, 0, seed)

    def _estimates(
        self, learner: Learner, discounts: Discounts, baselines: Baselines, use: int, batch: int, wanted: int, seed: int
    ) -> Vector:
        """[n, K + 1, D] of every rung, and of the reference as the last."""
        columns = batch * max(1, COLUMNS // batch)
        chunks = []
        for first in range(-(-wanted // columns)):
            trajectory = self._sample(columns, learner, use, first, seed)
            program = self._program(batch, trajectory.mask.shape[0])
            chunks.append(np.asarray(program(learner, baselines, discounts, trajectory), np.float64))
        return np.concatenate(chunks)

    def _program(self, batch: int, rows: int) -> Callable[..., Array]:
        if (batch, rows) not in self._programs:
            policy, nets, rungs = self.world.algorithm.policy, self.world.nets, self.rungs

            def program(learner: Learner, baselines: Baselines, discounts: Discounts, trajectory: Trajectory) -> Array:
                psi = weights(rungs, nets, baselines, discounts, policy, learner, trajectory, batch)
                return batch_means(policy, learner, trajectory, psi, batch)

            self._programs[batch, rows] = jax.jit(program)
        return self._programs[batch, rows]

    def _gradient(
        self, learner: Learner, discounts: Discounts, baselines: Baselines, batch: int, trajectories: int, seed: int
    ) -> Vector:
        """∇J [D]: exact, or the mean of an unbiased estimate over as many other trajectories."""
        if self.world.exact is not None:
            return np.asarray(ravel_pytree(self.world.exact(learner.params))[0], np.float64)
        return self._estimates(learner, discounts, baselines, REFERENCE, batch, trajectories, seed)[:, -1].mean(0)

    def _means(self, learner: Learner, discounts: Discounts, gradient: Vector) -> dict[str, Vector]:
        """E[g] [D] of the rungs of which it is known: not where a trajectory takes part in its own baseline."""
        if self.world.expected is None:
            return {}
        found = np.asarray(ravel_pytree(self.world.expected(learner.params, discounts.gamma))[0], np.float64)
        return {name: gradient if name in UNDISCOUNTED else found for name in self.rungs if name != OWN_MEAN}


def plane(gradient: Vector, estimates: Vector) -> Vector:
    """[2, D] orthonormal: along ``gradient`` [D], and where the ``estimates`` [K, n, D] vary the most beside it."""
    length = np.linalg.norm(gradient)
    first = gradient / length if length > 0 else np.eye(len(gradient))[0]
    apart = (estimates - estimates.mean(1, keepdims=True)).reshape(-1, len(gradient))
    apart = apart - np.outer(apart @ first, first)
    _, vectors = np.linalg.eigh(apart.T @ apart)
    second = vectors[:, -1] - (vectors[:, -1] @ first) * first
    size = np.linalg.norm(second)
    second = second / size if size > 1e-9 else np.zeros_like(first)
    return np.stack([first, second * np.sign(second[np.abs(second).argmax()] or 1.0)])


def cloud(
    rung: str,
    estimates: Vector,
    reference: Vector,
    gradient: Vector,
    axes: Vector,
    batch: int,
    expected: Vector | None = None,
) -> Cloud:
    """``Cloud`` of ``estimates``.

    Args:
        rung: its name.
        estimates: [n, D].
        reference: [n, D] unbiased ones of the same trajectories.
        gradient: [D] ∇J.
        axes: [2, D] of the plane.
        batch: m.
        expected: [D] E[g], where it is known.
    """
    count, length = len(estimates), float(np.linalg.norm(gradient)) or float("nan")
    mean, spread = estimates.mean(0), estimates - estimates.mean(0)
    trace = float(np.square(spread).sum() / (count - 1))
    apart, noise = estimates - reference, 0.0
    if expected is None:
        noise = float(np.square(apart - apart.mean(0)).sum() / (count - 1) / count)
        bias = float(np.sqrt(max(0.0, np.square(apart.mean(0)).sum() - noise)))
    else:
        bias = float(np.linalg.norm(expected - gradient))
    points = estimates @ axes.T
    inside = float(np.square(spread @ axes.T).sum() / (count - 1))
    return Cloud(
        rung,
        points,
        mean @ axes.T,
        np.cov(points.T),
        batch * trace,
        batch * trace / length**2,
        bias / length,
        float(np.sqrt(noise)) / length,
        inside / trace if trace > 0 else 1.0,
    )


def _json(cloud: Cloud) -> Facts:
    return {name: np.round(x, 6).tolist() if isinstance(x, np.ndarray) else x for name, x in cloud._asdict().items()}


def _check(gamma: float, gae_lambda: float, batch: int, trajectories: int) -> None:
    for name, fraction in {"gamma": gamma, "gae_lambda": gae_lambda}.items():
        if not 0 <= fraction <= 1:
            raise LogpiError(f"{name} is {fraction}; allowed: 0 to 1")
    if not 2 <= batch <= COLUMNS:
        raise LogpiError(f"batch is {batch}; allowed: 2 to {COLUMNS} trajectories")
    if not 2 * batch <= trajectories <= MOST:
        raise LogpiError(f"trajectories is {trajectories}; allowed: {2 * batch} (two estimates) to {MOST:,}")
