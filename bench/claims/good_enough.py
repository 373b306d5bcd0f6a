"""Is the local maximum that policy gradient reaches often good enough?

    python bench/claims/good_enough.py [--seeds 10] [--starts 10] [--ascent 1000] [--steps 50000]

The return that is reached from many starts, in parts of what there is to gain: 0 is the policy whose actions are all
equally probable, 1 is the best one, by dynamic programming. Tables of random decision processes (five moves, four
states a layer, three actions, each leading to any two states of the next; ``--seeds`` of them) climb along the exact
gradient from ``--starts`` normal random tables each. The same in processes whose agent sees only which half of a
layer it is in, so that states share their actions: what the best such policy earns is not known, and the best of all
is the measure. REINFORCE (leave-one-out) trains tables of the processes of logpi.GradientLab, whose J is exact as
well, and networks on CartPole-v1, whose best return is 500.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import shared
from local_maxima import climbed
from shared import Floats, parser, trained, work

from logpi.control.variance.processes import DecisionProcess, decision_process, environment_of, objective
from logpi.ops.distributions import Categorical
from logpi.types import Array, Output, Policy, PyTree

LAYERS, WIDTH, ACTIONS, BRANCHES = 5, 4, 3, 2
POLICIES = ("a table", "states share their actions")
SPREADS = (0.0, 1.0, 3.0, 10.0)  # standard deviation of the first tables
RATE = 1.0  # of the exact gradient
ENOUGH = 0.95
NAMED = ("lanes", "push-your-luck", "late-reward")
SAMPLED = {"n_envs": 16, "rung": "leave-one-out", "gamma": 1.0, "learning_rate": 0.03}


class Group(NamedTuple):
    """Shares of what there is to gain, of many starts."""

    name: str
    start: str
    shares: Floats  # [U, N] of N starts in each of U independent units: processes, or seeds of a training


def random_process(seed: int) -> DecisionProcess:
    """Layers of states; rewards are normal, and each move leads to two states of the next layer with random odds."""
    rng = np.random.default_rng(seed)
    states = LAYERS * WIDTH + 1
    move, reward = np.zeros((states, ACTIONS, states)), np.zeros((states, ACTIONS, states))
    for state in range(LAYERS * WIDTH):
        layer = state // WIDTH
        reward[state] = rng.normal(size=(ACTIONS, 1))
        for action in range(ACTIONS):
            if layer == LAYERS - 1:
                move[state, action, -1] = 1.0
            else:
                chosen = (layer + 1) * WIDTH + rng.choice(WIDTH, BRANCHES, replace=False)
                move[state, action, chosen] = rng.dirichlet(np.ones(BRANCHES))
    start = np.zeros(states)
    start[:WIDTH] = 1.0 / WIDTH
    return DecisionProcess(f"random {seed}", "", start, move, reward, np.arange(states) == states - 1, LAYERS)


def best(process: DecisionProcess) -> float:
    """J* by dynamic programming."""
    v = np.zeros(len(process.start))
    for _ in range(process.horizon):
        v = (process.move * (process.reward + (1.0 - process.terminal) * v)).sum(2).max(1)
    return float(process.start @ v)


def uniform(process: DecisionProcess) -> float:
    """J of the policy whose actions are equally probable."""
    return float(objective(process, jnp.zeros(process.shape)))


def share(process: DecisionProcess, j: Floats) -> Floats:
    """J as a part of what there is to gain."""
    zero = uniform(process)
    return (j - zero) / (best(process) - zero)


def halves(process: DecisionProcess, theta: Array) -> Array:
    """The table [S, A] of an agent that sees which half of a layer it is in, from its own [(S - 1) / 2 + 1, A]."""
    states = len(process.start)
    return theta[np.minimum(np.arange(states) // (WIDTH // 2), len(theta) - 1)]


def climb(processes: list[DecisionProcess], first: Floats, whole: bool, steps: int) -> Floats:
    """J [U, N] after ``steps`` steps along the exact gradient from the tables ``first`` [U, N, R, A], in float64."""

    def of_process(parts: tuple[Array, ...], first: Array) -> Array:
        process = processes[0]._replace(**dict(zip(("start", "move", "reward"), parts, strict=True)))

        def j(theta: Array) -> Array:
            return objective(process, theta if whole else halves(process, theta))

        return jax.vmap(lambda theta: climbed(j, theta, RATE, steps)[1])(first)

    with jax.enable_x64(True):
        parts = tuple(
            jnp.asarray(np.stack([getattr(p, name) for p in processes])) for name in ("start", "move", "reward")
        )
        return np.asarray(jax.jit(jax.vmap(of_process))(parts, jnp.asarray(first)), np.float64)


def exact_groups(processes: list[DecisionProcess], starts: int, steps: int) -> list[Group]:
    """Exact ascent of tables, and of tables that states share, for each spread of the starts."""
    groups, states = [], len(processes[0].start)
    for shared_by in (1, WIDTH // 2):
        for spread in SPREADS:
            size = (len(processes), starts if spread else 1, (states - 1) // shared_by + 1, ACTIONS)
            first = spread * np.random.default_rng(0).normal(size=size)
            values = climb(processes, first, shared_by == 1, steps)
            shares = np.stack([share(process, j) for process, j in zip(processes, values, strict=True)])
            name = f"random processes, {POLICIES[shared_by > 1]}, exact gradient"
            groups.append(Group(name, f"N(0, {spread:g}²)", shares))
    return groups


def table_from(shape: tuple[int, int], spread: float) -> Policy:
    """A softmax table that begins at normal random numbers."""

    def apply(params: PyTree, memory: PyTree, state: PyTree) -> tuple[PyTree, Output]:
        return memory, Output(Categorical(params["theta"][state]), jnp.zeros(jnp.shape(state)))

    return Policy(lambda key: {"theta": spread * jax.random.normal(key, shape)}, lambda batch: (), apply)


def sampled_groups(starts: int, steps: int, folder: Any) -> list[Group]:
    """REINFORCE in the named processes; J of its last tables is exact."""
    from safetensors.numpy import load_file

    groups = []
    for name in NAMED:
        process = decision_process(name)
        for spread in (SPREADS[1], SPREADS[-1]):
            policy = table_from(process.shape, spread)
            settings = {**SAMPLED, "total_timesteps": steps, "eval_points": 0, "eval_episodes": 4, "final_episodes": 4}
            run = trained(
                environment_of(process),
                "reinforce",
                starts,
                folder,
                f"{name}, N(0, {spread:g}²)",
                policy=policy,
                **settings,
            )
            last = [next(iter(load_file(agent / "agent.safetensors").values())) for agent in run.agents]
            j = jax.vmap(lambda theta, process=process: objective(process, theta))(jnp.asarray(np.stack(last)))
            shares = share(process, np.asarray(j, np.float64))
            groups.append(Group(f"{name}, REINFORCE", f"N(0, {spread:g}²)", shares[:, None]))
    return groups


def cartpole(seeds: int, steps: int, folder: Any) -> list[Group]:
    """The last agents of two methods on CartPole-v1; equally probable actions have a return of about 22."""
    groups = []
    for algo in ("reinforce", "ppo"):
        run = trained("CartPole-v1", algo, seeds, folder, total_timesteps=steps, eval_points=1, eval_episodes=100)
        groups.append(Group(f"CartPole-v1, {algo}", "a new network", (run.last[:, None] - 22.0) / (500.0 - 22.0)))
    return groups


def row(group: Group) -> list[object]:
    x = group.shares
    good = shared.proportion(x >= ENOUGH)
    cells = [f"{np.median(x):.3f}", f"{np.quantile(x, 0.05):.3f}", f"{x.min():.3f}"]
    return [group.name, group.start, x.size, good, *cells]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--starts", type=int, default=10, help="of each process")
    arguments.add_argument("--ascent", type=int, default=1_000, help="steps along the exact gradient")
    arguments.add_argument("--steps", type=int, default=50_000, help="environment steps of a seed of REINFORCE")
    args = arguments.parse_args()
    processes = [random_process(seed) for seed in range(args.seeds)]
    with work() as folder:
        groups = exact_groups(processes, args.starts, args.ascent)
        groups += sampled_groups(args.starts, args.steps, folder)
        groups += cartpole(args.seeds, args.steps, folder)

    def fill(axes: list[Any]) -> None:
        from pictures import BLUE, GREEN, ORANGE, RED

        for panel, word in zip(axes, POLICIES, strict=True):
            for color, group in zip((BLUE, GREEN, ORANGE, RED), [g for g in groups if word in g.name], strict=False):
                x = np.sort(group.shares, None)
                panel.plot(x, np.arange(1, len(x) + 1) / len(x), color=color, label=f"starts {group.start}")
            panel.axvline(ENOUGH, color="#666666", ls=":")
            panel.set(title=f"Random processes, {word}", xlabel="share of what there is to gain", xlim=(-0.5, 1.05))
            panel.set_ylabel("share of starts that end there or below")

    header = ["task", "start", "starts", f"good enough (at least {ENOUGH:g})", "median", "5 % lie below", "lowest"]
    parts = [
        "0: all actions equally probable; 1: the best policy. Exact gradients: "
        f"{len(processes)} processes, {args.starts} starts each (one where the table is 0), {args.ascent:,} steps.",
        shared.report.table(header, [row(group) for group in groups]),
        shared.draw(args.results, "good_enough", 2, fill),
    ]
    shared.publish(args.results, "good_enough", "Often good enough?", parts)


if __name__ == "__main__":
    main()
