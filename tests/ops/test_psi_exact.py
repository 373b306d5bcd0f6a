"""Every rung's expected gradient on enumerable MDPs against dynamic programming, to 1e-9; and its exact variance.

``g(Ψ) = Σ_τ p(τ) Σ_t Ψ_t ∇ log π(a_t|s_t)`` sums over all trajectories; nothing is sampled. Where a rung is biased, the
difference from ∇J is the amount that theory gives, also computed by dynamic programming.
"""

import inspect
from itertools import pairwise, product
from math import comb
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mdp import (
    by_row,
    continuing,
    episodes,
    estimates,
    gradient,
    infinite_value,
    lanes,
    objective,
    scores,
    softmax,
    termination,
    trajectory,
    transition,
    truncation,
    values,
    visits,
)

from logpi.ops import psi as ladder


def of_numpy(rung):
    """``rung`` of the NumPy arrays that dynamic programming gives."""
    return lambda *x: rung(*(jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in x))


psi = SimpleNamespace(**{name: of_numpy(rung) for name, rung in vars(ladder).items() if inspect.isfunction(rung)})
pytestmark = pytest.mark.usefixtures("x64")
MDPS = {  # and the rows of a trajectory: beyond the horizon they are void
    "termination": (termination(), 5),
    "truncation": (truncation(), 5),
    "continuing": (continuing(), 3),
    "lanes": (lanes(), 4),
}
GAMMA = 0.8


class Case:
    """An MDP, a policy and all its trajectories."""

    def __init__(self, name):
        self.mdp, rows = MDPS[name]
        rng = np.random.default_rng(7)
        self.theta = rng.normal(size=self.mdp.reward.shape[:2])
        self.pi = softmax(self.theta)
        self.episodes = episodes(self.mdp, self.pi)
        self.p, self.data = trajectory([[e] for e in self.episodes], self.pi, rows)
        self.anything = 5.0 * rng.normal(size=len(self.pi))  # a value function that is plainly wrong

    def rows(self, gamma=1.0):
        return self.data.reward, gamma * self.data.discount, self.data.mask

    def expected(self, weight):
        return np.einsum("b,bij->ij", self.p, estimates(self.data, self.pi, weight))


@pytest.fixture(params=["termination", "truncation", "continuing"])
def case(request):
    return Case(request.param)


def equal(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)


def differ(a, b):
    assert np.abs(a - b).max() > 1e-3


def ahead(case, n, error):
    """[S, A]: E[error(s_{t+n}), where still alive | s_t, a_t]."""
    onward = np.linalg.matrix_power(transition(case.mdp, case.pi), n - 1) @ error
    return np.einsum("sap,p,p->sa", case.mdp.move, case.mdp.alive, onward)


def pulled(case, size):
    """Batches of ``size`` independent trajectories: (probabilities [N], indices [N, size])."""
    index = np.array(list(product(range(len(case.p)), repeat=size)))
    return case.p[index].prod(1), index


def batch_psi(case, rung, index, gamma=1.0):
    """Ψ [T, size, N] of a rung that looks at the whole batch, for each batch of trajectories."""
    returns = np.asarray(psi.reward_to_go(*case.rows(gamma)))
    return np.asarray(jax.vmap(rung, 1, 2)(returns[:, index], case.data.mask[:, index]))


def batch_estimates(case, rung, index, gamma=1.0):
    """The mean over the batch of its trajectories' gradients, for each batch [N, S, A]."""
    weight = batch_psi(case, rung, index, gamma)
    total = 0.0
    for i in range(index.shape[1]):
        columns = case.data._replace(
            obs=case.data.obs[:, index[:, i]],
            action=case.data.action[:, index[:, i]],
            mask=case.data.mask[:, index[:, i]],
        )
        total = total + estimates(columns, case.pi, weight[:, i])
    return total / index.shape[1]


def test_all_trajectories_are_there_and_dynamic_programming_agrees_with_finite_differences(case):
    assert abs(case.p.sum() - 1) < 1e-12
    exact = gradient(case.mdp, case.theta, GAMMA, case.anything)
    for at in np.ndindex(case.theta.shape):
        step = np.zeros_like(case.theta)
        step[at] = 1e-5
        up, down = (objective(case.mdp, case.theta + sign * step, GAMMA, case.anything) for sign in (1, -1))
        assert abs((up - down) / 2e-5 - exact[at]) < 1e-8


def test_total_reward_reward_to_go_and_any_constant_are_unbiased(case):
    exact = gradient(case.mdp, case.theta)
    returns = psi.reward_to_go(*case.rows())
    equal(case.expected(psi.total_reward(*case.rows())), exact)
    equal(case.expected(returns), exact)
    for constant in (-3.0, 11.5):
        equal(case.expected(psi.minus_constant(returns, constant)), exact)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_leave_one_out_is_unbiased_and_the_batch_mean_shrinks_by_one_in_those_alive(case, size):
    if size == 3 and case.mdp is not MDPS["termination"][0]:
        pytest.skip("too many triples to list")
    p, index = pulled(case, size)
    g = np.einsum("n,nij->ij", p, batch_estimates(case, psi.minus_leave_one_out, index))
    equal(g, gradient(case.mdp, case.theta))

    # another trajectory is alive at t with chance q_t, independently of this one: m - 1 is binomial
    factor = [
        1 - sum(comb(size - 1, k) * q**k * (1 - q) ** (size - 1 - k) / (k + 1) for k in range(size))
        for q in visits(case.mdp, case.pi)[:-1].sum(1)
    ]
    theory = np.einsum("t,tij->ij", factor, by_row(case.mdp, case.pi, values(case.mdp, case.pi)[0]))
    g = np.einsum("n,nij->ij", p, batch_estimates(case, psi.minus_batch_mean, index))
    equal(g, theory)
    differ(g, gradient(case.mdp, case.theta))


def test_baselines_over_the_batch_leave_out_the_trajectories_that_have_ended():
    """Void rows would not bias the gradient, only swamp it: so the numbers themselves are compared."""
    returns = np.array([[1.0, 2.0, 6.0], [4.0, 1e3, 8.0], [1e3, 1e3, 5.0]])
    mask = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    mean = np.asarray(psi.minus_batch_mean(returns, mask))
    others = np.asarray(psi.minus_leave_one_out(returns, mask))
    equal(mean[mask == 1], [-2, -1, 3, -2, 2, 0])  # means 3; 6; 5
    equal(others[mask == 1], [-3, -1.5, 4.5, -4, 4, 5])  # 1 - 8/2, 2 - 7/2, 6 - 3/2; 4 - 8, 8 - 4; 5 - nothing


def test_minus_any_value_is_unbiased_for_rewards_plus_that_value_at_the_cut(case):
    value = case.anything[case.data.obs]
    g = case.expected(psi.minus_value(*case.rows(), value))
    equal(g, gradient(case.mdp, case.theta, 1.0, case.anything))
    if case.mdp is MDPS["termination"][0]:
        equal(g, gradient(case.mdp, case.theta))  # nothing is alive at the cut: no bias at all
    else:
        differ(g, gradient(case.mdp, case.theta))


def test_discounting_hides_rewards_and_without_its_factor_is_not_the_discounted_gradient_either(case):
    mdp, pi = case.mdp, case.pi
    weight = psi.reward_to_go(*case.rows(GAMMA))
    g = case.expected(weight)

    # against the undiscounted J: the share 1 - γ^k of each reward k moves ahead is missing
    gain = np.einsum("sap,sap->sa", mdp.move, mdp.reward)
    hidden = np.zeros((mdp.horizon, *gain.shape))
    for t, k in product(range(mdp.horizon), range(1, mdp.horizon)):
        if t + k < mdp.horizon:
            hidden[t] += (1 - GAMMA**k) * ahead(case, k, (pi * gain).sum(1))
    missing = by_row(mdp, pi, hidden).sum(0)
    equal(g, gradient(mdp, case.theta) - missing)
    differ(missing, 0.0)

    # against the discounted J: move t counts 1 instead of γ^t, and with that factor the two are equal
    fade = GAMMA ** np.arange(mdp.horizon)
    excess = np.einsum("t,tij->ij", 1 - fade, by_row(mdp, pi, values(mdp, pi, GAMMA)[0]))
    equal(g, gradient(mdp, case.theta, GAMMA) + excess)
    differ(excess, 0.0)
    faded = np.asarray(weight) * GAMMA ** np.arange(len(weight))[:, None]
    equal(case.expected(faded), gradient(mdp, case.theta, GAMMA))


def endless(case):
    """(V^π [S], Σ_t E[Q^π(s_t, a_t) ∇ log π]) without a horizon: the target of the bootstrapped rungs."""
    value = infinite_value(case.mdp, case.pi, GAMMA)
    return value, by_row(case.mdp, case.pi, values(case.mdp, case.pi, GAMMA, value)[0]).sum(0)


RUNGS = {  # name: (Ψ of (reward, discount, mask, value), weight of the n-step return among k possible ones)
    "minus_value": (psi.minus_value, lambda n, k: float(n == k)),
    "1-step": (lambda *x: psi.n_step_advantage(*x, 1), lambda n, k: float(n == 1)),
    "2-step": (lambda *x: psi.n_step_advantage(*x, 2), lambda n, k: float(n == min(2, k))),
    "gae 0": (lambda *x: psi.gae(*x, 0.0), lambda n, k: float(n == 1)),
    "gae 0.6": (lambda *x: psi.gae(*x, 0.6), lambda n, k: (0.4 if n < k else 1.0) * 0.6 ** (n - 1)),
    "gae 1": (lambda *x: psi.gae(*x, 1.0), lambda n, k: float(n == k)),
}


@pytest.mark.parametrize("rung", RUNGS)
def test_bootstrapping_is_exact_with_the_right_value_and_biased_by_its_error(case, rung):
    weight, share = RUNGS[rung]
    value, target = endless(case)
    equal(case.expected(weight(*case.rows(GAMMA), value[case.data.obs])), target)

    error, H = case.anything, case.mdp.horizon
    bias = np.zeros((H, *case.theta.shape))
    for t in range(H):
        for n in range(1, H - t + 1):  # the n-step return carries γⁿ of the error n moves ahead
            bias[t] += share(n, H - t) * GAMMA**n * ahead(case, n, error)
    theory = by_row(case.mdp, case.pi, bias).sum(0)
    g = case.expected(weight(*case.rows(GAMMA), (value + error)[case.data.obs]))
    equal(g, target + theory)
    if not (case.mdp is MDPS["termination"][0] and rung in ("minus_value", "gae 1")):
        differ(theory, 0.0)


def test_the_right_value_beyond_the_cut_completes_the_infinite_horizon_gradient(case):
    """∇J_∞ = Σ_{t<H} γ^t E[Ψ_t ∇ log π] + γ^H E[∇V^π(s_H)]: the rows are exact, only what follows them is missing."""
    mdp, pi = case.mdp, case.pi
    value, _ = endless(case)
    Q = values(mdp, pi, GAMMA, value)[0][0]
    local = pi[:, :, None, None] * scores(pi) * Q[:, :, None, None]  # ∇V = ∇π Q + γ P ∇V
    step = np.eye(len(pi)) - GAMMA * transition(mdp, pi)
    slope = np.linalg.solve(step, local.sum(1).reshape(len(pi), -1)).reshape(len(pi), *pi.shape)
    weight = psi.gae(*case.rows(GAMMA), value[case.data.obs], 0.7)
    faded = np.asarray(weight) * GAMMA ** np.arange(len(weight))[:, None]
    rest = GAMMA**mdp.horizon * np.einsum("s,sij->ij", visits(mdp, pi)[-1], slope)
    equal(case.expected(faded) + rest, np.einsum("s,sij->ij", mdp.start, slope))


@pytest.mark.parametrize("name", ["truncation", "continuing"])
def test_truncation_taken_for_termination_loses_the_value_beyond(name):
    case = Case(name)
    value, target = endless(case)
    H = case.mdp.horizon
    wrong = case.data.discount.copy()
    wrong[H - 1] = 0.0
    g = case.expected(psi.minus_value(case.data.reward, GAMMA * wrong, case.data.mask, value[case.data.obs]))
    lost = np.array([GAMMA ** (H - t) * ahead(case, H - t, value) for t in range(H)])
    lost = by_row(case.mdp, case.pi, lost).sum(0)
    equal(g, target - lost)
    differ(lost, 0.0)


@pytest.mark.parametrize("name", ["termination", "truncation"])
def test_a_column_with_two_episodes_gives_twice_the_gradient_of_one(name):
    case = Case(name)
    pairs = list(product(case.episodes, repeat=2))
    p, data = trajectory(pairs, case.pi, 8)
    value = infinite_value(case.mdp, case.pi, GAMMA) + case.anything

    def once_and_twice(weight):
        once = case.expected(weight(case.data))
        return once, np.einsum("b,bij->ij", p, estimates(data, case.pi, weight(data)))

    for weight in (
        lambda d: psi.total_reward(d.reward, d.discount, d.mask),
        lambda d: psi.reward_to_go(d.reward, GAMMA * d.discount, d.mask),
        lambda d: psi.n_step_advantage(d.reward, GAMMA * d.discount, d.mask, value[d.obs], 2),
        lambda d: psi.gae(d.reward, GAMMA * d.discount, d.mask, value[d.obs], 0.6),
    ):
        once, twice = once_and_twice(weight)
        equal(twice, 2 * once)


def spread(p, g):
    """Trace of the covariance of g [N, S, A] under chances p [N]."""
    mean = np.einsum("n,nij->ij", p, g)
    return float(p @ np.square(g - mean).sum((1, 2)))


def test_variance_falls_rung_by_rung(capsys):
    """Where every reward is positive and what is still to come shrinks with t, as in most tasks.

    The rungs that look at a batch are those of B = 3 trajectories, times 3 to be comparable. Discounting (bias, not a
    baseline) and the batch mean (a leave-one-out shrunk by 1 - 1/m) are shown and compared with their own parents.
    """
    case = Case("lanes")
    exact = gradient(case.mdp, case.theta)
    value = infinite_value(case.mdp, case.pi, 1.0)[case.data.obs]
    returns = np.asarray(psi.reward_to_go(*case.rows()))
    mask = case.data.mask
    average = (case.p * returns * mask).sum() / (case.p * mask).sum()
    rungs = {
        "total reward": psi.total_reward(*case.rows()),
        "reward-to-go": returns,
        "discounted (γ 0.8)": psi.reward_to_go(*case.rows(GAMMA)),
        "minus a constant": psi.minus_constant(returns, average),
        "minus V": psi.minus_value(*case.rows(), value),
        "GAE (λ 0.5)": psi.gae(*case.rows(), value, 0.5),
        "GAE (λ 0)": psi.gae(*case.rows(), value, 0.0),
    }
    p, index = pulled(case, 3)
    table = {name: (case.p, estimates(case.data, case.pi, weight), 1) for name, weight in rungs.items()}
    table["minus the others' mean"] = (p, batch_estimates(case, psi.minus_leave_one_out, index), 3)
    table["minus the batch's mean"] = (p, batch_estimates(case, psi.minus_batch_mean, index), 3)
    variance = {name: size * spread(p, g) for name, (p, g, size) in table.items()}
    bias = {name: np.linalg.norm(np.einsum("n,nij->ij", p, g) - exact) for name, (p, g, _) in table.items()}
    order = sorted(table, key=lambda name: -variance[name])
    with capsys.disabled():
        print(f"\n{'rung':<24}{'variance':>10}{'|bias|':>10}      (‖∇J‖ = {np.linalg.norm(exact):.3f})")
        for name in order:
            print(f"{name:<24}{variance[name]:>10.4f}{bias[name]:>10.1e}")

    falling = ("total reward", "reward-to-go", "minus a constant", "minus the others' mean", "minus V")
    falling = (*falling, "GAE (λ 0.5)", "GAE (λ 0)")
    assert all(bias[name] < 1e-9 for name in falling)
    for worse, better in pairwise(falling):
        assert variance[better] < 0.99 * variance[worse], (worse, better)
    assert variance["discounted (γ 0.8)"] < variance["reward-to-go"]
    assert bias["discounted (γ 0.8)"] > 1e-2
    assert variance["minus the batch's mean"] < variance["minus the others' mean"]
    assert bias["minus the batch's mean"] > 1e-2
