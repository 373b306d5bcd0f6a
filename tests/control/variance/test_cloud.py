"""Clouds of gradients: the exact J and ∇J, the covariance of an enumeration, and what a step does to J."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mdp import MDP, episodes, estimates, gradient, objective, softmax, trajectory, values
from small import quick_compilation

import logpi
from logpi.control.variance import processes
from logpi.control.variance.cloud import plane
from logpi.control.variance.processes import PROCESSES, decision_process
from logpi.errors import LogpiError
from logpi.ops import psi

M, N = 10, 20_000


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def oracle(name):
    """The same process for the functions of tests/support, which share no code with it."""
    p = decision_process(name)
    return MDP(p.start, p.move, p.reward, p.terminal, p.horizon)


def table(name, seed=3):
    return np.random.default_rng(seed).normal(size=decision_process(name).shape)


@pytest.fixture(scope="module", params=PROCESSES)
def measured(request):
    """(name, θ, laboratory, clouds of many trajectories)."""
    name, theta = request.param, table(request.param)
    lab = logpi.GradientLab(name)
    found = lab.clouds(theta.ravel(), gamma=0.9, gae_lambda=0.7, batch=M, trajectories=N)
    return name, theta, lab, found


@pytest.mark.parametrize("name", PROCESSES)
def test_episodes_end_by_themselves_and_chances_are_chances(name):
    p = decision_process(name)
    np.testing.assert_allclose(p.move[~p.terminal].sum(2), 1.0)
    assert all(e.terminated for e in episodes(oracle(name), softmax(table(name))))
    assert max(len(e.actions) for e in episodes(oracle(name), softmax(table(name)))) == p.horizon


def test_return_and_gradient_are_those_of_the_recursion(measured):
    name, theta, _, found = measured
    assert found.exact
    assert found.objective == pytest.approx(objective(oracle(name), theta), rel=1e-5)
    np.testing.assert_allclose(found.gradient, gradient(oracle(name), theta).ravel(), atol=1e-5)
    q, v = processes.values(decision_process(name), jnp.asarray(theta), 0.9)
    wanted_q, wanted_v = values(oracle(name), softmax(theta), 0.9)
    alive = ~decision_process(name).terminal
    np.testing.assert_allclose(q[alive], wanted_q[0][alive], atol=1e-5)
    np.testing.assert_allclose(v[alive], wanted_v[0][alive], atol=1e-5)


@pytest.mark.parametrize("rung", ["total-reward", "reward-to-go", "discounted", "value", "q-minus-v"])
def test_variance_and_mean_are_those_over_all_trajectories(measured, rung):
    name, theta, _, found = measured
    pi, mdp = softmax(theta), oracle(name)
    chance, data = trajectory([[e] for e in episodes(mdp, pi)], pi, mdp.horizon)
    r, d, m = (jnp.asarray(x, jnp.float32) for x in (data.reward * data.mask, data.discount, data.mask))
    q, v = (np.asarray(x) for x in processes.values(decision_process(name), jnp.asarray(theta), 0.9))
    value = jnp.asarray(np.where(decision_process(name).terminal, 0.0, v))[data.obs]
    weight = {
        "total-reward": lambda: psi.total_reward(r, d, m),
        "reward-to-go": lambda: psi.reward_to_go(r, d, m),
        "discounted": lambda: psi.reward_to_go(r, 0.9 * d, m),
        "value": lambda: psi.minus_value(r, 0.9 * d, m, value),
        "q-minus-v": lambda: psi.action_advantage(jnp.asarray(q)[data.obs[:-1]], jnp.asarray(pi)[data.obs[:-1]],
                                                  jnp.asarray(data.action)),
    }[rung]()  # fmt: skip
    each = estimates(data, pi, np.asarray(weight)).reshape(len(chance), -1)
    mean = chance @ each
    variance = float(chance @ np.square(each - mean).sum(1))
    cloud = found.of(rung)
    assert cloud.variance == pytest.approx(variance, rel=0.1)  # two standard errors of 2,000 estimates are 0.06
    truth = found.gradient
    bias = np.linalg.norm(mean - truth) / np.linalg.norm(truth)
    assert cloud.bias == pytest.approx(bias, abs=1e-4)
    assert cloud.noise == 0
    error = np.linalg.norm(found.estimates[found.number(rung)].mean(0) - mean)
    assert error < 3 * np.sqrt(variance / N) + 1e-5
    assert cloud.needed == pytest.approx(cloud.variance / np.square(np.linalg.norm(truth)))


def test_the_plane_and_its_ellipse(measured):
    found = measured[3]
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(found.axes @ found.gradient, [np.linalg.norm(found.gradient), 0], atol=1e-5)
    for k, cloud in enumerate(found.clouds):
        assert cloud.points.shape == (N // M, 2)
        np.testing.assert_allclose(cloud.points, found.estimates[k] @ found.axes.T)
        np.testing.assert_allclose(np.trace(cloud.covariance), cloud.plane * cloud.variance / M, rtol=1e-6, atol=1e-9)
        assert 0 <= cloud.plane <= 1 + 1e-9


def test_a_baseline_takes_away_variance_and_the_mean_of_the_own_batch_shrinks_the_gradient():
    found = logpi.GradientLab("lanes").clouds(gamma=1.0, batch=M, trajectories=N)
    variance = {cloud.rung: cloud.variance for cloud in found.clouds}
    assert variance["value"] < variance["reward-to-go"] < variance["total-reward"]
    assert variance["q-minus-v"] < variance["value"]
    own = found.of("batch-mean")
    assert own.bias == pytest.approx(1 / M, abs=3 * own.noise + 0.01)  # all ten are alive at each of the three moves
    assert 0 < own.noise < 0.1
    assert found.of("leave-one-out").bias < 1e-5


def test_without_a_second_direction_the_plane_is_a_line():
    axes = plane(np.array([2.0]), np.array([[[1.0], [3.0]]]))
    np.testing.assert_array_equal(axes, [[1.0], [0.0]])


def test_a_step_and_what_it_does_to_the_return(measured):
    name, theta, lab, found = measured
    step = lab.step(found, "value", 0.1, shown=5, points=3)
    mdp, after = oracle(name), theta.ravel() + 0.1 * found.gradient
    assert step.along == [0.0, 0.5, 1.0]
    assert step.by_gradient[0] == pytest.approx(found.objective, abs=1e-5)
    assert step.by_gradient[-1] == pytest.approx(objective(mdp, after.reshape(theta.shape)), abs=1e-4)
    assert step.by_gradient[-1] > step.by_gradient[0]
    assert len(step.by_estimates) == 5
    first = theta.ravel() + 0.1 * found.estimates[found.number("value")][0]
    np.testing.assert_allclose(step.theta, first)
    assert step.objective == pytest.approx(objective(mdp, first.reshape(theta.shape)), abs=1e-4)
    assert lab.objective(step.theta) == pytest.approx(step.objective, abs=1e-5)


def test_an_environment_has_clouds_too():
    lab = logpi.GradientLab("probe/chain-v0", hidden=(4,))
    found = lab.clouds(gamma=0.9, batch=5, trajectories=500)
    assert not found.exact
    assert found.estimates.shape == (len(lab.rungs), 100, lab.theta.size)
    step = lab.step(found, "value", 0.1, shown=2, points=2)
    assert np.isfinite(step.by_gradient).all()
    assert lab.objective(None) == found.objective


def test_json_holds_clouds_and_steps(measured):
    _, _, lab, found = measured
    facts = json.loads(json.dumps(found.to_json()))
    assert [cloud["rung"] for cloud in facts["clouds"]] == list(lab.rungs)
    assert len(facts["theta"]) == lab.theta.size
    json.dumps(lab.step(found, "gae", 1.0).to_json())


def test_the_same_seed_gives_the_same_cloud(measured):
    lab = measured[2]
    one, again, other = (lab.clouds(batch=M, trajectories=500, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.estimates, again.estimates)
    assert not np.array_equal(one.estimates, other.estimates)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: logpi.GradientLab("lane"), "unknown 'lane'; allowed: lanes, .*; did you mean lanes"),
        (lambda: logpi.decision_process("x"), "unknown decision process 'x'; allowed: lanes"),
        (lambda: logpi.GradientLab("lanes").clouds(gamma=2), "gamma is 2; allowed: 0 to 1"),
        (lambda: logpi.GradientLab("lanes").clouds(batch=1), "batch is 1; allowed: 2 to 250"),
        (lambda: logpi.GradientLab("lanes").clouds(trajectories=3), "trajectories is 3; allowed: 20"),
        (lambda: logpi.GradientLab("lanes").clouds([1.0]), "theta has shape"),
        (lambda: logpi.GradientLab("lanes").clouds("no"), "theta is not a vector"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(LogpiError, match=words):
        call()


def test_a_wrong_rung_or_rate_is_refused(measured):
    _, _, lab, found = measured
    with pytest.raises(LogpiError, match="no rung 'x' here; allowed: total-reward"):
        lab.step(found, "x", 1.0)
    with pytest.raises(LogpiError, match="learning_rate is 0"):
        lab.step(found, "value", 0.0)


def test_logpi_variance_takes_the_process_and_its_exact_gradient():
    p = decision_process("lanes")
    theta = jnp.asarray(table("lanes"), jnp.float32)
    exact = jax.grad(lambda x: processes.objective(p, x))(theta)
    policy = processes.table_policy(p)._replace(init=lambda key: theta)
    answer = logpi.variance(processes.environment_of(p), 480, policy=policy, exact=exact)
    reference = answer.facts["moments"][0]["reference"]
    assert reference["kind"] == "exact"
    assert reference["length"]["value"] == pytest.approx(float(jnp.linalg.norm(exact)), rel=1e-5)
