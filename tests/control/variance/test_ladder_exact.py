"""Every rung's figures on enumerable decision processes: sampled ones against those over all trajectories."""

import functools

import jax
import jax.numpy as jnp
import ladder
import numpy as np
import pytest
from mdp import continuing, episodes, estimates, softmax, termination, trajectory, truncation
from small import quick_compilation

from logpi.algorithms.reinforce import Reinforce, reinforce
from logpi.control.variance import measure
from logpi.control.variance.gradients import batches
from logpi.control.variance.rungs import RUNGS, Discounts, weights
from logpi.control.variance.trajectories import OnDevices
from logpi.envs.make import vectorize
from logpi.nets.policy import example
from logpi.ops.normalization import Statistics
from logpi.types import Learner, Trajectory

WORLDS = {"termination": termination, "truncation": truncation, "continuing": continuing}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def learner_of(case):
    return Learner(jnp.asarray(case.theta, jnp.float32), (), Statistics(), (), jnp.int32(0))


@functools.cache
def measured(world, seed=0, trajectories=20_000):
    """(case, exact figures, measured ones)."""
    case = ladder.case(WORLDS[world]())
    env = ladder.environment(case.mdp)
    algorithm = reinforce(Reinforce(), case.policy, env.spec, example(env.spec.observation_space))
    how = measure.sizes(trajectories, ladder.PAIR, 48, most_columns=1_000)
    sampler = OnDevices(vectorize(env), algorithm, how.columns, 2, seed)
    discounts = Discounts(case.gamma, case.gae_lambda)
    laboratory = measure.Laboratory(case.policy, ladder.NETS, sampler, discounts, 2, ladder.PAIR)
    reference = measure.exact_reference(case.gradient.reshape(-1))
    baselines = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), case.baselines)
    exact = jnp.asarray(reference.gradient, jnp.float32)
    direction = measure.direction_of(reference)
    raw = laboratory.sums(RUNGS, learner_of(case), baselines, how, 3, direction, exact)
    average = measure.long_average(laboratory.sums((), learner_of(case), baselines, how, 2, 0 * direction), how)
    return case, ladder.exact(case), {f.rung: f for f in measure.figures(RUNGS, raw, how, reference)}, average


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("rung", RUNGS)
def test_figures_are_those_of_the_enumeration(world, rung):
    """Within twice the half-width of the 95 % interval: 1.2e-4 of them would miss by chance."""
    _, exact, found, _ = measured(world)
    for name in ("variance", "ratio", "snr", "cosine", "bias"):
        estimate, truth = getattr(found[rung], name), exact[rung][name]
        room = 2 * max(estimate.high - estimate.value, estimate.value - estimate.low) + 1e-5
        assert abs(estimate.value - truth) <= room, (name, estimate, truth)
        assert estimate.low <= estimate.value <= estimate.high
    assert found[rung].variance.high / found[rung].variance.low < 1.25


@pytest.mark.parametrize("world", WORLDS)
def test_the_reference_is_the_exact_gradient_within_its_own_error(world):
    case, _, _, average = measured(world)
    truth = case.gradient.reshape(-1)
    error = np.linalg.norm(average.gradient - truth)
    assert error < 3 * average.error * np.linalg.norm(truth) < 0.5 * np.linalg.norm(truth)


def test_biases_are_what_theory_says():
    _, exact, found, _ = measured("truncation")
    for rung in ("total-reward", "reward-to-go"):
        assert exact[rung]["bias"] < 1e-9
        assert found[rung].bias.low == 0
    assert found["batch-mean"].bias.low > 0.3  # half of the gradient, with two in a batch
    assert found["q-minus-v"].bias.low > 0.01


@pytest.mark.parametrize("world", WORLDS)
def test_gradients_and_weights_are_those_of_the_table(world):
    """Every trajectory's gradient by every rung, to float32's precision; void rows hold garbage."""
    case = ladder.case(WORLDS[world]())
    pi = softmax(case.theta)
    _, data = trajectory([[e] for e in episodes(case.mdp, pi)], pi, case.mdp.horizon + 1)
    even = data.mask.shape[1] // 2 * 2
    columns = jax.tree.map(lambda x: jnp.asarray(x[:, :even]), data._replace(memory=()))
    columns = columns._replace(reward=columns.reward * columns.mask, log_prob=None)
    psi = weights(
        RUNGS, ladder.NETS, case.baselines, Discounts(case.gamma, case.gae_lambda), case.policy, learner_of(case),
        columns, ladder.PAIR,
    )  # fmt: skip
    nowhere = jnp.zeros(case.theta.size)
    found = batches(case.policy, learner_of(case), columns, psi, ladder.PAIR, nowhere, None)
    for k in range(len(RUNGS)):
        one = Trajectory(*jax.tree.map(np.asarray, columns[:2]), None, *columns[3:6], ())
        wanted = estimates(one, pi, np.asarray(psi[k])).reshape(even, -1)
        np.testing.assert_allclose(found.total[k], wanted.sum(0), rtol=2e-4, atol=2e-3)
        squares = np.square(wanted).sum(1).reshape(-1, ladder.PAIR).sum(1)
        np.testing.assert_allclose(found.single[:, k], squares, rtol=1e-4, atol=1e-4)
        means = wanted.reshape(-1, ladder.PAIR, wanted.shape[1]).mean(1)
        np.testing.assert_allclose(found.squared[:, k], np.square(means).sum(1), rtol=1e-4, atol=1e-4)


def test_sizes_are_whole_batches_in_equal_blocks_and_chunks_stay_small():
    for wanted in (1, 480, 10_000, 1_000_000):
        how = measure.sizes(wanted, 10, 48)
        assert how.trajectories >= wanted
        assert how.columns % 10 == 0
        assert how.columns <= measure.COLUMNS
        assert how.trajectories <= max(wanted * 1.05 + 48 * 10, 960)
    assert measure.sizes(100, 300, 48).columns == 300  # a batch is never cut


def test_few_numbers_of_rows_are_compiled():
    rows = {measure.rows_for(longest, 500) for longest in range(1, 501)}
    assert rows == {16, 32, 64, 128, 256, 500}
    assert all(measure.rows_for(longest, 500) >= longest for longest in range(1, 501))


def test_blocks_are_fewer_where_the_network_is_large():
    assert measure.blocks_for(10, 9_155) == 48
    assert measure.blocks_for(10, 1_700_000) == 12
