"""Do reward-to-go and baselines cut the variance of the gradient estimate, and with it the samples that are needed?

    python bench/claims/less_variance.py [--seeds 10] [--trajectories 1000] [--steps 50000] [--exact]

Three parts. Variance: of the gradient estimates of ``--seeds`` untrained policies of CartPole-v1 (16 units), rung by
rung of the ladder on the same trajectories, by ``logpi.GradientLab``. Samples: REINFORCE with each rung trains the
same networks, with two learning rates; what counts is the first of 25 evaluations, each of 20 greedy episodes, of
at least 400. The rate is the one whose median over seeds is lowest, for each rung on its own. Exact: the variance on
three small decision processes by listing every trajectory, without any sampling: one in which each step down the
ladder helps, one in which reward-to-go harms, and one in which the value as a baseline does.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import shared
from shared import Curves, Floats, median, parser, reached, trained, work

import logpi

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

import mdp

ENV, ENOUGH, HIDDEN = "CartPole-v1", 400.0, 16
RUNGS = ("total-reward", "reward-to-go", "discounted", "leave-one-out", "value")
RATES = (1e-2, 3e-2)
FIXED = {"n_envs": 4, "gamma": 0.99, "max_grad_norm": 0.5, "eval_points": 25, "eval_episodes": 20}
SURE = 3.0  # logit of the action that a nearly settled policy prefers


class Case(NamedTuple):
    """A decision process and a policy whose every trajectory is listed."""

    about: str
    process: mdp.MDP
    theta: Floats  # [S, A]


def refund() -> mdp.MDP:
    """A coin pays or charges 10 for the first move, and the second move takes it back; the first action earns 1."""
    move, reward = np.zeros((4, 2, 4)), np.zeros((4, 2, 4))
    for action in range(2):
        for side, sign in ((1, 1.0), (2, -1.0)):
            move[0, action, side], reward[0, action, side] = 0.5, 10.0 * sign + action
            move[side, action, 3], reward[side, action, 3] = 1.0, -10.0 * sign
    return mdp.MDP(np.eye(4)[0], move, reward, np.arange(4) == 3, 2)


def one_choice() -> mdp.MDP:
    """A single move: action 0 earns 1, action 1 nothing."""
    move, reward = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    move[0, :, 1], reward[0, 0, 1] = 1.0, 1.0
    return mdp.MDP(np.eye(2)[0], move, reward, np.arange(2) == 1, 1)


def cases() -> list[Case]:
    settled = np.zeros((2, 2))
    settled[0, 0] = SURE
    return [
        Case("rewards of about 2 in each of three moves, a random policy", mdp.lanes(), np.zeros((6, 2))),
        Case("10 are paid or charged and then taken back, a random policy", refund(), np.zeros((4, 2))),
        Case("one choice, 1 or 0; the better action has the probability 0.95", one_choice(), settled),
    ]


def exact_row(case: Case) -> list[object]:
    """Exact tr Cov(g) of one trajectory with the total reward, the reward-to-go, and less the exact V, with γ = 1."""
    pi = mdp.softmax(case.theta)
    chance, data = mdp.trajectory([[e] for e in mdp.episodes(case.process, pi)], pi, case.process.horizon)
    value = jnp.asarray(mdp.values(case.process, pi)[1][0][data.obs])
    rows = [jnp.asarray(x) for x in (data.reward, data.discount, data.mask)]
    rungs = {
        "total": logpi.psi.total_reward(*rows),
        "to go": logpi.psi.reward_to_go(*rows),
        "value": logpi.psi.minus_value(*rows, value),
    }
    truth, found = mdp.gradient(case.process, case.theta).ravel(), []
    for weight in rungs.values():
        each = mdp.estimates(data, pi, np.asarray(weight)).reshape(len(chance), -1)
        assert np.allclose(chance @ each, truth, atol=1e-5), "each of them is unbiased"
        found.append(float(chance @ np.square(each - truth).sum(1)))
    return [case.about, *(f"{x:.4g}" for x in found)]


def exact_parts() -> list[str]:
    """The table of exact variances, and what it shows."""
    header = ["process", "total reward", "reward-to-go", "reward-to-go - V"]
    said = "Exact variance of one trajectory's estimate with γ = 1; V is that of the policy:"
    return [said, shared.report.table(header, [exact_row(case) for case in cases()])]


def ratios(seeds: int, trajectories: int) -> dict[str, Floats]:
    """rung -> [S] log of its variance over that of the total reward, one number for each untrained policy."""
    lab = logpi.GradientLab(ENV, hidden=(HIDDEN,))
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        theta = logpi.GradientLab(ENV, hidden=(HIDDEN,), seed=seed).theta
        clouds = lab.clouds(theta, gamma=FIXED["gamma"], trajectories=trajectories, seed=seed)
        whole = clouds.of("total-reward").variance
        for cloud in clouds.clouds:
            found.setdefault(cloud.rung, []).append(np.log(cloud.variance / whole))
    return {rung: np.array(each) for rung, each in found.items()}


def best_rate(seeds: int, rung: str, steps: int, folder: Any) -> tuple[float, Floats, Curves]:
    """(learning rate, [S] steps to a return of ``ENOUGH``, curves) of the rate with the lowest median."""
    tried = []
    for rate in RATES:
        settings = {**FIXED, "rung": rung, "learning_rate": rate, "total_timesteps": steps}
        settings |= {"vf_learning_rate": rate} if rung == "value" else {}
        if rung in ("total-reward", "reward-to-go"):
            del settings["gamma"]
        label = f"{rung}, learning rate {rate:g}"
        curves = trained(ENV, "reinforce", seeds, folder, label, network={"hidden": [HIDDEN]}, **settings)
        tried.append((median(reached(curves, ENOUGH))[0], -curves.last.mean(), rate, curves))
    _, _, rate, curves = min(tried, key=lambda each: each[:2])
    return rate, reached(curves, ENOUGH), curves


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--trajectories", type=int, default=1_000, help="of each policy whose estimates are compared"
    )
    arguments.add_argument("--steps", type=int, default=50_000, help="environment steps of a training")
    arguments.add_argument("--exact", action="store_true", help="the exact part alone")
    args = arguments.parse_args()
    title = "Reward-to-go and baselines: variance and samples"
    if args.exact:
        shared.publish(args.results, "less_variance", title, exact_parts())
        return
    with work() as folder:
        log = ratios(args.seeds, args.trajectories)
        found = {rung: best_rate(args.seeds, rung, args.steps, folder) for rung in RUNGS}
        budget = max(curves.steps[-1] for _, _, curves in found.values())
    rows: list[list[object]] = []
    for rung, (rate, steps, curves) in found.items():
        shown = f"1 / {np.exp(-log[rung].mean()):.1f}" if rung != "total-reward" else "1"
        spread = f"1 / {np.exp(-log[rung].max()):.1f} to 1 / {np.exp(-log[rung].min()):.1f}"
        cells = [rung, shown, spread if rung != "total-reward" else "", f"{rate:g}"]
        rows.append(
            [*cells, shared.shown_steps(steps, budget), shared.number_of(steps), shared.mean(curves.last, ".0f")]
        )
    header = ["rung", "variance, in parts of the total reward's", "over the policies", "learning rate"]
    header += [f"steps to {ENOUGH:g}, median", "seeds that reached it", "return at the end"]

    def fill(axes: list[Any]) -> None:
        from pictures import BLUE, GREEN, GREY, ORANGE, RED, curve

        colors = dict(zip(RUNGS, (GREY, RED, ORANGE, GREEN, BLUE), strict=True))
        left, right = axes
        for rung, (_, steps, curves) in found.items():
            left.plot(np.exp(log[rung].mean()), min(median(steps)[0], budget), "o", color=colors[rung], label=rung)
            curve(right, curves.steps, curves.scores, colors[rung], rung, marker="")
        left.set(xscale="log", xlabel="variance, in parts of the total reward's", ylabel=f"steps to {ENOUGH:g}, median")
        left.set(title="Variance and samples", ylim=(0, None))
        right.set(xlabel="environment steps", ylabel="greedy return; band: 95 % of the mean", title="Learning curves")

    parts = [
        f"{ENV}, {args.seeds} seeds. Variances of untrained policies with {HIDDEN} units from {args.trajectories:,} "
        "trajectories each: geometric mean over the policies, and the range over them. Steps: median over seeds with "
        f"its interval by order statistics; > {budget:,.0f} where a seed did not reach it. Return at the end: greedy, "
        "with Student's 95 % interval.",
        shared.report.table(header, rows),
        shared.draw(args.results, "less_variance", 2, fill),
        *exact_parts(),
    ]
    shared.publish(args.results, "less_variance", title, parts)


if __name__ == "__main__":
    main()
