"""The ladder of an environment or a run, measured moment by moment."""

from __future__ import annotations

import functools
import importlib
import math
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from logpi.algorithms.reinforce import Reinforce, reinforce
from logpi.control.variance import fit, measure
from logpi.control.variance.fit import Fitted
from logpi.control.variance.measure import AGAINST, Laboratory, Raw, Reference
from logpi.control.variance.moments import Moment, policy_learner
from logpi.control.variance.rungs import RUNGS, Baselines, Discounts, Nets, rungs_of
from logpi.control.variance.table import table
from logpi.control.variance.trajectories import keys, once
from logpi.driver.compiling import Aside
from logpi.driver.devices import shared_by
from logpi.errors import LogpiError
from logpi.nets.policy import example
from logpi.ops.estimates import Numbers
from logpi.tasks import Answer, Facts, Ladder
from logpi.types import EnvSpec, Learner, PyTree, Trajectory

PILOT, FIT, REFERENCE, MEASURED = range(4)  # uses of trajectories, each with random numbers of its own
CHUNK_BYTES = 2**28  # of observations, at most


def report(moments: Sequence[Moment], asked: Ladder) -> Answer:
    """Measure ``moments`` of one agent; raises as ``logpi.variance``."""
    began = time.perf_counter()
    if asked.picture is not None:
        Aside(functools.partial(importlib.import_module, "matplotlib.backends.backend_agg"))  # a second
    bench = _Bench(moments[0], asked)
    try:
        found = [bench.moment(moment) for moment in moments]
    finally:
        bench.close()
    facts: Facts = {
        "env": moments[0].agent.spec.id,
        "trajectories": bench.how.trajectories,
        "batch": bench.how.batch,
        "blocks": bench.how.blocks,
        "gamma": bench.gamma,
        "gae_lambda": asked.gae_lambda,
        "seed": asked.seed,
        "against": AGAINST,
        "quantiles": measure.QUANTILES,
        "moments": found,
    }
    if asked.picture is not None:
        from logpi.view.variance import draw

        facts["picture"] = str(draw(facts, asked.picture))
    facts["seconds"] = round(time.perf_counter() - began, 2)
    return Answer(facts, table(facts))


class _Bench:
    """Environments, networks of V and Q, and programs, for all moments of one agent."""

    def __init__(self, moment: Moment, asked: Ladder) -> None:
        agent = moment.agent
        self._asked, self._spec = asked, agent.spec
        self.gamma = 0.99 if asked.gamma is None else asked.gamma
        algorithm = reinforce(Reinforce(), agent.policy, agent.spec, example(agent.spec.observation_space))
        self._rungs = rungs_of(agent.spec.action_space)
        self._parameters = measure.parameters_of(agent.learner)
        blocks = measure.blocks_for(len(self._rungs) + 1, self._parameters)
        columns = min(measure.COLUMNS, CHUNK_BYTES // (_row_bytes(agent.spec) * algorithm.n_steps))
        self.how = measure.sizes(asked.trajectories, asked.batch, blocks, columns)
        wanted = asked.trajectories if asked.reference is None else asked.reference
        # the same chunks: the environments and programs of both are the same
        self._average = self.how._replace(chunks=math.ceil(wanted / (blocks * self.how.columns)))
        self._lanes = shared_by(blocks)
        self._sampler = moment.source.sampler(algorithm, self.how.columns, self._lanes, asked.seed)
        self._nets: Nets = fit.nets_of(agent.spec)
        discounts = Discounts(self.gamma, asked.gae_lambda)
        self._lab = Laboratory(agent.policy, self._nets, self._sampler, discounts, self._lanes, asked.batch)
        first, self._key = keys(asked.seed, FIT, 0, 2)
        self._first = Aside(lambda: once(self._nets.init, first, effort="least"))  # parameters of V and Q

    def close(self) -> None:
        """Free the environments."""
        self._sampler.close()

    def moment(self, moment: Moment) -> Facts:
        """Facts of one moment."""
        learner, tell = policy_learner(moment.agent), self._asked.tell
        tell(f"{moment.name}: V and Q")
        pilot, returns, lengths = self._pilot(learner)
        self._prepare(learner, pilot.mask.shape[0])
        fitted = self._fitted(pilot)
        baselines = fitted.baselines
        tell(f"{moment.name}: ∇J")
        reference = self._reference(moment, learner, baselines, returns)
        direction = measure.direction_of(reference)
        exact = None if reference.trajectories else jnp.asarray(reference.gradient, jnp.float32)
        tell(f"{moment.name}: {len(self._rungs)} rungs, {self.how.trajectories:,} trajectories")
        raw = self._lab.sums(self._rungs, learner, baselines, self.how, MEASURED, direction, exact)
        _check(moment, raw, returns)
        found = measure.figures(self._rungs, raw, self.how, reference)
        return {
            "name": moment.name,
            "timesteps": moment.timesteps,
            "parameters": self._parameters,
            "mean_return": float(returns.mean()),
            "mean_length": float(lengths.mean()),
            "explained_variance": {name: float(x) for name, x in fitted.explained.items()},
            "reference": _facts_of(reference),
            "rungs": [figures.to_json() for figures in found],
        }

    def _pilot(self, learner: Learner) -> tuple[Trajectory, Numbers, Numbers]:
        """Trajectories to fit V and Q to, with their returns and lengths."""
        row, chunks, rows, first = _row_bytes(self._spec), list[Trajectory](), 1, 0
        while not chunks or first < fit.pilot_chunks(self.how.columns, chunks[0].mask.shape[0], row):
            found, longest = self._lab.collect(learner, PILOT, first)
            shown = jax.tree.map(np.asarray, found._replace(memory=()))
            chunks += [jax.tree.map(lambda x, lane=lane: x[lane], shown) for lane in range(self._lanes)]
            rows, first = max(rows, longest), first + self._lanes
        joined: Trajectory = jax.tree.map(lambda *x: np.concatenate(x, 1), *chunks)
        pilot = measure.first_rows(joined, rows)
        returns, lengths = (np.asarray(x, np.float64).sum(0) for x in (pilot.reward, pilot.mask))
        return pilot, returns, lengths

    def _prepare(self, learner: Learner, rows: int) -> None:
        """Compile what measures beside the fit of V and Q, whose parameters have the shapes of their first ones."""
        like = Baselines(self._first.wait("V and Q"), jnp.zeros(()))
        exact = None if self._asked.exact is None else jnp.zeros(self._parameters)
        if exact is None:
            self._lab.prepare(RUNGS[:1], learner, like, rows, None)
        self._lab.prepare(self._rungs, learner, like, rows, exact)

    def _fitted(self, pilot: Trajectory) -> Fitted:
        """V and Q of the policy that acted in ``pilot``."""
        params, gamma = self._first.wait("V and Q"), jnp.float32(self.gamma)
        found: Fitted = once(functools.partial(fit.fit, self._nets), params, pilot, gamma, self._key)
        return found

    def _reference(self, moment: Moment, learner: Learner, baselines: Baselines, returns: Numbers) -> Reference:
        if self._asked.exact is not None:
            return measure.exact_reference(_vector(self._asked.exact, learner.params))
        nowhere = jnp.zeros(self._parameters)
        raw = self._lab.sums(RUNGS[:1], learner, baselines, self._average, REFERENCE, nowhere)
        _check(moment, raw, returns)
        return measure.long_average(raw, self._average)


def _vector(gradient: PyTree, params: PyTree) -> Numbers:
    """A gradient in the structure of the parameters as one vector."""
    if jax.tree.map(np.shape, gradient) != jax.tree.map(np.shape, params):
        raise LogpiError("exact is not a tree of arrays with the structure and shapes of the policy's parameters")
    return np.asarray(ravel_pytree(jax.tree.map(jnp.asarray, gradient))[0], np.float64)


def _row_bytes(spec: EnvSpec) -> int:
    """Bytes of an observation."""
    shapes = jax.tree.leaves(example(spec.observation_space))
    return sum(math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in shapes)


def _check(moment: Moment, raw: Raw, returns: Numbers) -> None:
    """Refuse a policy whose first rung, the total reward, has nothing but zeros."""
    if raw.single[:, :, 0].any():
        return
    what = f"{moment.name}: every gradient estimate from the total reward is 0"
    if not returns.any():
        raise LogpiError(f"{what}, as no trajectory had any reward; train first, or take another environment")
    raise LogpiError(f"{what}: log π of this agent does not depend on its parameters, as without a stochastic policy")


def _facts_of(reference: Reference) -> Facts:
    kind = "long average" if reference.trajectories else "exact"
    return {
        "kind": kind,
        "length": reference.length._asdict(),
        "relative_error": reference.error,
        "trajectories": reference.trajectories,
    }
