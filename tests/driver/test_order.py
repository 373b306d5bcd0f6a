"""No collective stands beside a loop with collectives of its own: XLA on CPUs would let them meet each other."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from collectives import has_collectives, unordered
from jax.sharding import PartitionSpec

from logpi.algorithms.common import learning
from logpi.config.experiments import resolve
from logpi.control import on_policy
from logpi.driver import devices
from logpi.driver.driver import Driver
from logpi.driver.process import Program
from logpi.driver.stages import programs_of
from logpi.ops.collectives import DATA, after, psum
from logpi.tasks import NOTHING, task_of

pytestmark = pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
RECORDS = Path(__file__).parents[1] / "games" / "records" / "tic-tac-toe.jsonl"
SMALL = {"network": {"hidden": [8]}}
STEPPED = {"n_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 2}
REPLAYED = {"n_envs": 4, "n_steps": 4, "gradient_steps": 2, "batch_size": 8, "buffer_size": 128}
CASES = {
    "ppo": ("CartPole-v1", {**STEPPED, "normalize_obs": True, "normalize_reward": True}, SMALL),
    "ppo, large": ("CartPole-v1", {**STEPPED, "n_steps": 512, "n_epochs": 50}, {"network": {"hidden": [256, 256]}}),
    "pqn": ("CartPole-v1", {**STEPPED, "normalize_reward": True}, SMALL),
    "a2c": ("CartPole-v1", {"n_envs": 4, "normalize_reward": True}, SMALL),
    "reinforce": ("CartPole-v1", {"n_envs": 4, "vf_steps": 3, "normalize_psi": True}, SMALL),
    "actor_critic": ("CartPole-v1", {"n_envs": 4}, SMALL),
    "qac": ("CartPole-v1", {"n_envs": 4}, {}),
    "dqn": ("CartPole-v1", {**REPLAYED, "prioritized": True}, SMALL),
    "sac": ("Pendulum-v1", REPLAYED, {}),
    "sac_discrete": ("CartPole-v1", REPLAYED, {}),
    "td3": ("Pendulum-v1", REPLAYED, {}),
    "alphazero": ("tic-tac-toe", {"n_games": 4, "n_steps": 2, "simulations": 2, "batch_size": 8}, {}),
    "alphago_zero": ("tic-tac-toe", {"n_games": 4, "n_steps": 2, "simulations": 2, "batch_size": 8}, {}),
    "alphago_rl": ("tic-tac-toe", {"n_games": 8, "pool_interval": 2}, {}),
    "alphago": ("tic-tac-toe", {"batch_size": 8, "records": str(RECORDS), "held_out": 0.5}, {}),
    "alphago_value": ("tic-tac-toe", {"batch_size": 8, "records": str(RECORDS), "held_out": 0.5}, {}),
    "ram": ("ram/mnist", {"batch_size": 8}, {}),
    "classifier": ("ram/mnist", {"batch_size": 8}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_collective_has_its_place(case, monkeypatch):
    monkeypatch.setattr(devices, "sharing", lambda *counts: 2)
    env, method, tables = CASES[case]
    experiment, _ = resolve(env, case.partition(",")[0], {"method": method, **tables})
    process = task_of(env).build(experiment, NOTHING).process(0)
    assert process.num_devices == 2
    driver = Driver(process, [0])
    programs = programs_of(process, driver.spread, driver.kept.shapes, driver._hyper, driver._first)
    traced = {name: each.function.trace(*each.arguments).jaxpr.jaxpr for name, each in programs.items()}
    assert any(map(has_collectives, traced.values()))
    assert {name: wrong for name, jaxpr in traced.items() if (wrong := unordered(jaxpr))} == {}


def traced(f):
    """``f`` of the shares [2] of two devices, traced."""
    program = Program(devices.Spread(1, 2).jit(f, (True,), (PartitionSpec(DATA),), PartitionSpec()), (jnp.arange(2.0),))
    return program.function.trace(*program.arguments).jaxpr.jaxpr


def test_a_collective_beside_a_loop_is_found_and_after_it_is_not():
    def loop(x):
        return jax.lax.scan(lambda c, _: (psum(c * x.sum()), None), jnp.float32(1.0), length=3)[0]

    def beside(x):
        return loop(x) + psum(x.sum())

    def behind(x):
        done = loop(x)
        return done + psum(after(x, done).sum())

    (wrong,) = unordered(traced(beside))
    assert wrong.startswith("scan")
    assert "psum" in wrong
    assert unordered(traced(behind)) == []
    assert (
        jax.jit(devices.Spread(1, 2).jit(behind, (True,), (PartitionSpec(DATA),), PartitionSpec()))(jnp.arange(2.0))
        == 2.0
    )


def test_ppo_without_its_order_is_found(monkeypatch):
    for module in (on_policy, learning):
        monkeypatch.setattr(module, "after", lambda tree, done: tree)
    monkeypatch.setattr(devices, "sharing", lambda *counts: 2)
    experiment, _ = resolve("CartPole-v1", "ppo", {"method": STEPPED, **SMALL})
    driver = Driver(task_of("CartPole-v1").build(experiment, NOTHING).process(0), [0])
    update = programs_of(driver.process, driver.spread, driver.kept.shapes, driver._hyper, driver._first)["update"]
    assert unordered(update.function.trace(*update.arguments).jaxpr.jaxpr)
