"""Rollouts and updates that are cut into pieces make what whole ones make, and go on bit for bit after a stop."""

import jax
import numpy as np
import pytest

from logpi.config.experiments import resolve
from logpi.control.build import parts, process
from logpi.driver.driver import Driver
from logpi.driver.progress import Progress
from logpi.driver.stages import unwatched
from logpi.tasks import NOTHING

PPO = {"n_envs": 4, "n_steps": 12, "batch_size": 24, "n_epochs": 2}
CASES = {
    "ppo": ("ppo", {**PPO, "normalize_obs": True, "normalize_reward": True, "target_kl": 0.01}, {}),
    "ppo, memory": ("ppo", PPO, {"memory": "gru", "memory_size": 4}),
    "reinforce": ("reinforce", {"n_envs": 4, "normalize_reward": True, "rung": "batch-mean"}, {}),
    "reinforce, value": ("reinforce", {"n_envs": 4, "vf_steps": 2, "lr_schedule": "linear"}, {}),
    "actor_critic, memory": ("actor_critic", {"n_envs": 4}, {"memory": "gru", "memory_size": 4}),
    "a2c": ("a2c", {"n_envs": 4, "n_steps": 6, "normalize_advantage": True}, {}),
}
WHOLE, EACH = 2**60, 1  # parameters that a unit may use: all of an iteration is one, or every row and step is


def driven(case, unit, monkeypatch):
    algo, method, network = CASES[case]
    monkeypatch.setattr("logpi.control.on_policy.UNIT", unit)
    tables = {"method": method, "network": {"hidden": [8], **network}, "run": {"eval_episodes": 2, "final_episodes": 2}}
    experiment, _ = resolve("CartPole-v1", algo, tables)
    return Driver(process(experiment, parts(experiment, NOTHING)), [0])


def through(driver, state, progress, iterations, watch=unwatched):
    """(state, progress, metrics) after ``iterations`` in all, or at a stop."""
    metrics = {}
    while progress.iteration < iterations:
        state, progress, stopped = driver.iterate(state, progress, watch)
        if stopped:
            break
        metrics = jax.device_get(state.metrics)
        state, progress = state._replace(metrics={}), Progress(progress.iteration + 1)
    return state, progress, metrics


class StopAfter:
    """A watch that asks for a stop after some pieces of a stage."""

    def __init__(self, pieces):
        self.left = pieces

    def __call__(self, what, done, total):
        self.left -= what in ("environment + policy", "update")
        return self.left <= 0


@pytest.fixture
def unit_by_unit(monkeypatch):
    monkeypatch.setattr("logpi.driver.driver.PIECE", 0.0)


@pytest.mark.parametrize("case", CASES)
def test_units_make_what_the_whole_makes(case, monkeypatch):
    whole, cut = driven(case, WHOLE, monkeypatch), driven(case, EACH, monkeypatch)
    assert {stage.units for stage in whole.process.stages} == {1}
    assert cut.process.stages[0].units > 4, "no unit of a few rows"
    assert cut.process.stages[1].units > 1
    ours, _, metrics = through(cut, cut.init(), Progress(), 2)
    theirs, _, expected = through(whole, whole.init(), Progress(), 2)
    assert metrics.keys() == expected.keys()
    for a, b in zip(jax.tree.leaves(ours.learner), jax.tree.leaves(theirs.learner), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.usefixtures("unit_by_unit")
@pytest.mark.parametrize("case", ["ppo", "reinforce, value"])
def test_a_stop_between_two_units_goes_on_bit_for_bit(case, monkeypatch):
    driver = driven(case, EACH, monkeypatch)
    uncut, _, expected = through(driver, driver.init(), Progress(), 2)
    rows = driver.process.stages[0].units
    for pieces in (1, rows - 1, rows + 1, rows + 2):
        state, progress, _ = through(driver, driver.init(), Progress(), 2, StopAfter(pieces))
        assert progress != Progress(2), "it was not stopped"
        saved = jax.device_get(driver.kept.saved(state, progress))
        like = driver.kept.like(progress)
        assert jax.tree.map(np.shape, saved) == jax.tree.map(np.shape, like)
        state, _, metrics = through(driver, driver.kept.restored(saved), progress, 2)
        for a, b in zip(jax.tree.leaves(state.learner), jax.tree.leaves(uncut.learner), strict=True):
            np.testing.assert_array_equal(a, b)
        for name, value in expected.items():
            np.testing.assert_array_equal(metrics[name], value, err_msg=name)
