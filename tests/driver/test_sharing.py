"""One learner's environments on two devices: the same update as on one, and the same numbers on both devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.config.experiments import resolve
from logpi.control.build import parts, process
from logpi.driver.driver import Driver
from logpi.driver.process import Now, Span
from logpi.driver.progress import Progress
from logpi.driver.stages import unwatched
from logpi.tasks import NOTHING, Own

SMALL = {"hidden": [8]}
CASES = {
    "ppo": ("ppo", {"n_envs": 32, "n_steps": 64, "batch_size": 2048, "n_epochs": 2, "normalize_obs": True}, SMALL),
    "ppo, rewards": ("ppo", {"n_envs": 32, "n_steps": 64, "batch_size": 2048, "normalize_reward": True}, SMALL),
    "ppo, memory": ("ppo", {"n_envs": 32, "n_steps": 64, "batch_size": 2048}, {**SMALL, "memory": "gru"}),
    "a2c": ("a2c", {"n_envs": 32, "n_steps": 64, "normalize_advantage": True, "normalize_reward": True}, SMALL),
    "actor_critic": ("actor_critic", {"n_envs": 4, "normalize_obs": True}, SMALL),
    "moving-average": ("reinforce", {"n_envs": 4, "rung": "moving-average", "normalize_reward": True}, SMALL),
    "leave-one-out": ("reinforce", {"n_envs": 4, "rung": "leave-one-out"}, SMALL),
    "batch-mean": ("reinforce", {"n_envs": 4, "rung": "batch-mean", "normalize_psi": True}, SMALL),
}

pytestmark = pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")


def driven(algo, method, network, num_devices=None):
    """(driver, devices that the experiment asks for)."""
    same = {"normalize_obs": False, "normalize_reward": False, "lr_schedule": "constant", "clip_schedule": "constant"}
    same = {name: value for name, value in same.items() if name != "clip_schedule" or algo == "ppo"}
    run = {"eval_episodes": 2, "final_episodes": 2}
    experiment, _ = resolve("CartPole-v1", algo, {"method": {**same, **method}, "network": network, "run": run})
    made = parts(experiment, NOTHING)
    shared = made._replace(num_devices=num_devices or made.num_devices)
    return Driver(process(experiment, shared), [0]), made.num_devices


def run(driver, number, state):
    """Stage ``number`` of the first iteration; the state's arrays may be those of other devices."""
    stage, given = driver.process.stages[number], jax.tree.map(jnp.copy, state)
    return stage.piece(driver._programs[stage.name], given, Span(0, 0, 1), (), unwatched, {})


@pytest.mark.parametrize("case", CASES)
def test_two_devices_learn_what_one_learns(case):
    algo, method, network = CASES[case]
    shared, num_devices = driven(algo, method, network)
    assert num_devices == 2, "this case is meant to be shared"
    alone, _ = driven(algo, method, network, num_devices=1)
    state, _ = run(shared, 0, shared.init())
    learner, metrics = (found := run(shared, 1, state))[0].learner, found[1]
    alone.compile()
    expected, expected_metrics = jax.device_get(run(alone, 1, jax.device_get(state)))
    for ours, theirs in zip(jax.tree.leaves(learner), jax.tree.leaves(expected.learner), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-4)
    for name, value in expected_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-3, atol=2e-4, err_msg=name)
    for leaf in jax.tree.leaves((learner, metrics)):
        if leaf.sharding.is_fully_replicated:
            first, second = (np.asarray(shard.data) for shard in leaf.addressable_shards)
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("case", ["ppo, rewards", "actor_critic"])
def test_a_shared_run_goes_on_from_host_memory_bit_for_bit(case):
    made, _ = driven(*CASES[case])
    state, _, _ = made.iterate(made.init(), Progress())
    saved = jax.device_get(made.kept.saved(state, Progress(1)))
    through, _, _ = made.iterate(state, Progress(1))
    again, _, _ = made.iterate(made.kept.restored(saved), Progress(1))
    for ours, theirs in zip(jax.tree.leaves(through.learner), jax.tree.leaves(again.learner), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("method", "network"),
    [
        ({"n_envs": 4, "n_steps": 1024, "batch_size": 1024, "n_epochs": 1}, {**SMALL, "memory": "gru"}),
        ({"n_envs": 2, "n_steps": 1025, "batch_size": 1025, "n_epochs": 1}, SMALL),
    ],
)
def test_a_minibatch_that_cannot_be_halved_stays_on_one_device(method, network):
    made, num_devices = driven("ppo", method, network)
    assert num_devices == 1
    made.iterate(made.init(), Progress())


def test_each_of_several_seeds_has_all_of_its_environments():
    run = {"eval_episodes": 2, "final_episodes": 2, "seeds": 2}
    experiment, _ = resolve("CartPole-v1", "actor_critic", {"method": {"n_envs": 4}, "network": SMALL, "run": run})
    made = process(experiment, parts(experiment, NOTHING))
    assert made.num_devices == 1
    key = jax.random.key(0)
    _, trajectory = jax.eval_shape(made.start, jax.eval_shape(made.init, key), key)
    assert trajectory.mask.shape[1] == 4
    play = jax.eval_shape(made.evaluation.begin, jax.eval_shape(made.init, key), (), Now(key, *[jnp.int32(0)] * 3, ()))
    assert play.ret.shape == (2,), "all episodes of an evaluation too"


def test_an_own_algorithm_keeps_to_one_device():
    from logpi.algorithms.a2c import a2c

    experiment, _ = resolve("CartPole-v1", "a2c", {"method": {"n_envs": 32, "n_steps": 64}})
    assert parts(experiment, NOTHING).num_devices == 2
    assert parts(experiment, Own(algorithm=a2c)).num_devices == 1
