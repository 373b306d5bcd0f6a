"""Does policy gradient converge to a local maximum of J, and which one?

    python bench/claims/local_maxima.py [--seeds 10] [--starts 100] [--steps 30000]

A blind agent makes six moves, left or right; only the number of moves to the right is paid. Its policy has one number
θ, π(right) = sigmoid(θ), whatever it has done so far, so that J(θ) has two maxima. Starts are drawn from -3 to 3. The
exact gradient (logpi's ``decision process``, float64) is followed until it vanishes; REINFORCE starts at as many
places, all in one program. An agent that sees its state has a table instead, and starts at normal random numbers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import shared
from shared import Floats, parser, trained, work

from logpi.control.variance.processes import DecisionProcess, environment_of, objective
from logpi.ops.distributions import Categorical
from logpi.types import Array, Output, Policy, PyTree

MOVES = 6
PAID = (0.0, 3.0, 0.0, 0.0, 0.0, 4.0, 0.0)  # by the number of moves to the right
WIDEST = 3.0  # |θ| of the starts
ASCENT = (1.0, 3_000)  # step size and number of steps along the exact gradient
OF_TABLE = (1.0, 50_000)
BATCHES = (4, 64)  # trajectories of a step of REINFORCE
RATE = 0.1  # of its steps
NEAR = 0.1  # of the lower maximum's J: as far as a seed may be from a maximum to count as having reached it
CHUNKS = 12  # of starts, in the picture


class Landscape(NamedTuple):
    """J of the blind policy: where it has its maxima, and the minimum between them."""

    maxima: tuple[float, float]  # θ
    between: float  # θ
    heights: tuple[float, float]  # J of the maxima


def count_process() -> DecisionProcess:
    """State t (t + 1) / 2 + k after t moves, k of them to the right; the last one is the end."""
    states = MOVES * (MOVES + 1) // 2 + 1
    move, reward = np.zeros((states, 2, states)), np.zeros((states, 2, states))
    for t in range(MOVES):
        for k in range(t + 1):
            for action in range(2):
                over = t == MOVES - 1
                here, following = t * (t + 1) // 2 + k, (t + 1) * (t + 2) // 2 + k + action
                move[here, action, states - 1 if over else following] = 1.0
                reward[here, action] = PAID[k + action] if over else 0.0
    terminal = np.arange(states) == states - 1
    about = "Six moves; the number of those to the right is paid."
    return DecisionProcess("count", about, np.eye(states)[0], move, reward, terminal, MOVES)


def blind(process: DecisionProcess, theta: Array) -> Array:
    """The table [S, 2] in which every state has the logits (0, θ)."""
    return jnp.broadcast_to(jnp.stack([jnp.zeros_like(theta), theta]), process.shape)


def climbed(j: Callable[[Array], Array], theta: Array, rate: float, steps: int) -> tuple[Array, Array, Array]:
    """(θ, J, ‖∇J‖) after ``steps`` steps θ ← θ + rate ∇J."""
    slope = jax.grad(j)
    last = jax.lax.fori_loop(0, steps, lambda _, theta: theta + rate * slope(theta), theta)
    return last, j(last), jnp.linalg.norm(jnp.ravel(slope(last)))


def ascended(j: Callable[[Array], Array], starts: Floats, rate: float, steps: int) -> tuple[Floats, Floats, Floats]:
    """(θ, J, ‖∇J‖) of each of ``starts`` [N, ...] after ``steps`` steps along the exact gradient, in float64."""
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(lambda theta: climbed(j, theta, rate, steps)))(jnp.asarray(starts, jnp.float64))
        return tuple(np.asarray(x, np.float64) for x in found)  # type: ignore[return-value]


def landscape(process: DecisionProcess) -> Landscape:
    """The maxima by gradient ascent from both ends, the minimum by bisection."""
    theta, height, _ = ascended(lambda x: objective(process, blind(process, x)), np.array([-2.0, 2.0]), *ASCENT)
    low, high = theta
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(lambda x: objective(process, blind(process, x))))
        while high - low > 1e-9:
            middle = (low + high) / 2
            low, high = (middle, high) if float(slope(jnp.float64(middle))) < 0 else (low, middle)
    return Landscape((theta[0], theta[1]), (low + high) / 2, (height[0], height[1]))


def from_random_starts() -> Policy:
    """The blind policy; its parameters begin at a random θ and keep that place, which no gradient reaches."""

    def init(key: Array) -> PyTree:
        start = jax.random.uniform(key, (), jnp.float32, -WIDEST, WIDEST)
        return {"theta": start, "start": start}

    def apply(params: PyTree, memory: PyTree, state: PyTree) -> tuple[PyTree, Output]:
        logits = jnp.stack([jnp.zeros(()), params["theta"]])
        return memory, Output(
            Categorical(jnp.broadcast_to(logits, (*jnp.shape(state), 2))), jnp.zeros(jnp.shape(state))
        )

    return Policy(init, lambda batch: (), apply)


def sampled(process: DecisionProcess, starts: int, batch: int, steps: int, folder: Any) -> tuple[Floats, Floats]:
    """(start, last θ) [N] of REINFORCE from ``starts`` places."""
    from safetensors.numpy import load_file

    run = trained(
        environment_of(process),
        "reinforce",
        starts,
        folder,
        f"REINFORCE, {batch} trajectories a step",
        policy=from_random_starts(),
        rung="leave-one-out",
        gamma=1.0,
        optimizer="sgd",
        learning_rate=RATE,
        n_envs=batch,
        total_timesteps=steps,
        eval_points=0,
        eval_episodes=4,
        final_episodes=4,
    )
    found = [load_file(agent / "agent.safetensors") for agent in run.agents]
    of = {name: [next(x for key, x in each.items() if name in key) for each in found] for name in ("start", "theta")}
    return np.asarray(of["start"], np.float64), np.asarray(of["theta"], np.float64)


def crossing(starts: Floats, upper: Floats) -> tuple[float, float]:
    """The starts from below which none, and from above which all, reach the upper maximum."""
    return float(starts[upper].min()), float(starts[~upper].max())


def rows_of(process: DecisionProcess, land: Landscape, found: dict[str, tuple[Floats, Floats]]) -> list[list[object]]:
    """A row for each way of climbing: how many reach which maximum, and where the two basins meet."""
    rows: list[list[object]] = []
    for name, (starts, theta) in found.items():
        upper = theta > land.between
        value = np.asarray(jax.vmap(lambda x: objective(process, blind(process, x)))(jnp.asarray(theta)))
        near = np.abs(value - np.where(upper, *reversed(land.heights))) < NEAR * min(land.heights)
        wrong = upper != (starts > land.between)
        first, last = crossing(starts, upper)
        where = f"{min(first, last):.2f} to {max(first, last):.2f}"
        rows.append([name, len(starts), f"{(~upper).sum()}, {upper.sum()}", int(near.sum()), int(wrong.sum()), where])
    return rows


def picture(
    axes: list[Any], process: DecisionProcess, land: Landscape, found: dict[str, tuple[Floats, Floats]]
) -> None:
    from pictures import BLUE, GREY, ORANGE, RED

    left, right = axes
    grid = np.linspace(-WIDEST, WIDEST, 241)
    left.plot(grid, jax.vmap(lambda x: objective(process, blind(process, x)))(jnp.asarray(grid)), color=BLUE)
    left.plot(land.maxima, land.heights, "o", color=RED, label="where the exact gradient ends")
    left.axvline(land.between, color=GREY, ls=":", label="the minimum between")
    left.set(title="J of the blind policy", xlabel="θ", ylabel="J(θ)")
    right.step([-WIDEST, land.between, WIDEST], [0, 0, 1], color=BLUE, label="exact gradient")
    edges = np.linspace(-WIDEST, WIDEST, CHUNKS + 1)
    styles = dict(zip(found, (("o-", ORANGE), ("s-", RED)), strict=False))
    for name, (starts, theta) in found.items():
        place = np.digitize(starts, edges[1:-1])
        share = [np.mean(theta[place == k] > land.between) if (place == k).any() else np.nan for k in range(CHUNKS)]
        marker, color = styles[name]
        right.plot((edges[1:] + edges[:-1]) / 2, share, marker, color=color, ms=4, label=name)
    right.set(title="Which maximum is reached", xlabel="θ at the start", ylabel="share that ends at the upper one")


def table_part(process: DecisionProcess, seeds: int, spread: float, steps: int) -> list[object]:
    """A row: an agent that sees its state, from ``seeds`` normal random tables."""
    seeds = seeds if spread else 1
    starts = spread * np.random.default_rng(0).normal(size=(seeds, *process.shape))
    _, value, slope = ascended(lambda x: objective(process, x), starts, OF_TABLE[0], steps)
    best = np.abs(value - max(PAID)) < NEAR
    inside = f"{slope[best].max():.1e}" if best.any() else ""
    rest = f"{value[~best].min():.2f} to {value[~best].max():.2f}" if (~best).any() else ""
    least = f"{slope[~best].min():.1e} to {slope[~best].max():.1e}" if (~best).any() else ""
    return [f"N(0, {spread:g}²)", seeds, int(best.sum()), inside, rest, least]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--starts", type=int, default=100, help="of the blind agent, each with a seed of its own")
    arguments.add_argument("--steps", type=int, default=30_000, help="environment steps of each start of REINFORCE")
    arguments.add_argument("--ascent", type=int, default=OF_TABLE[1], help="steps of the table's exact ascent")
    args = arguments.parse_args()
    process = count_process()
    with work() as folder:
        land = landscape(process)
        places = np.linspace(-WIDEST, WIDEST, args.starts)
        theta, _, slope = ascended(lambda x: objective(process, blind(process, x)), places, *ASCENT)
        noisy = {
            f"REINFORCE, {batch} trajectories a step": sampled(process, args.starts, batch, args.steps, folder)
            for batch in BATCHES
        }
        tables = [table_part(process, args.seeds, spread, args.ascent) for spread in (0.0, 1.0, 3.0)]
    found = {"exact gradient": (places, theta), **noisy}
    header = ["climbed by", "starts", "end at the lower, the upper", "of these within a tenth of J"]
    header += ["ends in the other basin", "starts of which some end here and some there, θ"]
    shown = shared.draw(args.results, "local_maxima", 2, lambda axes: picture(axes, process, land, noisy))
    (first, second), (lower, upper) = land.maxima, land.heights
    parts = [
        f"J has a maximum of {lower:.3f} at θ = {first:.3f} and one of {upper:.3f} at θ = {second:.3f}; its minimum "
        f"between them is at θ = {land.between:.3f}. After {ASCENT[1]:,} steps along the exact gradient "
        f"‖∇J‖ is at most {slope.max():.1e} from every start.",
        shared.report.table(header, rows_of(process, land, found)),
        shown,
        f"An agent that sees its state can reach J = {max(PAID):g}. Its table climbs along the exact gradient for "
        f"{args.ascent:,} steps:",
        shared.report.table(
            ["starts", "seeds", "reach the best", "their largest ‖∇J‖", "J of the rest", "‖∇J‖ of the rest"], tables
        ),
    ]
    shared.publish(args.results, "local_maxima", "Policy gradient converges to a local maximum", parts)


if __name__ == "__main__":
    main()
