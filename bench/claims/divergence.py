"""Has Q-learning with function approximation no guarantee? Baird's counterexample, by logpi's own DQN and PQN.

    python bench/claims/divergence.py [--seeds 10] [--steps 30000]

Seven states, seven actions, all rewards 0 (Baird 1995; Sutton & Barto 2018, §11.2). Action 0 leads to state 6, each
of the others to one of the states 0 to 5 by chance. The value of action 0 is linear in eight weights, 2 w_i + w_7 in
the states i < 6 and w_6 + 2 w_7 in state 6; each other action has a table. Actions are random throughout, so every
state is equally frequent. All true values are 0, and the weights that represent them exactly exist. The first weights
are those of the book, (1, 1, 1, 1, 1, 1, 10, 1), times a number near 1 that differs from seed to seed. What is
measured is the mean |target - value| of the decisions that are learnt from, which is to become 0.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import shared
from gymnasium import spaces
from shared import Curves, Floats, parser, trained, work

from logpi.errors import NotFiniteError
from logpi.nets.q import QNetwork, make_q
from logpi.ops.distributions import EpsilonGreedy
from logpi.types import Array, DeviceEnv, EnvSpec, Key, Output, Policy, PyTree

STATES = ACTIONS = 7
FEATURES = np.zeros((STATES, 8), np.float32)
FEATURES[range(6), range(6)], FEATURES[:6, 7], FEATURES[6, 6:] = 2.0, 1.0, (1.0, 2.0)
NORMALIZED = (FEATURES - FEATURES.mean(1, keepdims=True)) / FEATURES.std(1, keepdims=True)  # as layer normalization
FIRST = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 10.0, 1.0], np.float32)
TABLE = np.eye(STATES, dtype=np.float32)
ERROR = "train/td_error"
DIVERGED, SETTLED = 10.0, 0.1  # times the first error
SLOW = 0.003  # step size of the networks
ALWAYS = {"exploration_initial_eps": 1.0, "exploration_final_eps": 1.0}
PLAIN = {**ALWAYS, "n_envs": 7, "gamma": 0.99, "optimizer": "sgd", "learning_rate": 0.1, "max_grad_norm": math.inf}
DQN = {**PLAIN, "n_steps": 4, "gradient_steps": 4, "batch_size": 28, "buffer_size": 1_000, "learning_starts": 100}
DQN |= {"max_td_error": math.inf, "target_update_interval": 1}
PQN = {**PLAIN, "n_steps": 4, "n_epochs": 1, "batch_size": 28, "q_lambda": 0.0}
UNITS, LOUD = 16, 300.0  # of the network in place of the linear function, and the factor of its last layer at first


def star() -> DeviceEnv:
    """The counterexample's transitions; it never ends, and a time limit of 100 moves begins it anew."""

    def reset(key: Key) -> tuple[Array, Array]:
        state = jax.random.randint(key, (), 0, STATES, jnp.int32)
        return state, jnp.asarray(FEATURES)[state]

    def step(state: Array, action: Array, key: Key) -> tuple[Array, Array, Array, Array]:
        other = jax.random.randint(key, (), 0, STATES - 1, jnp.int32)
        following = jnp.where(action == 0, STATES - 1, other)
        return following, jnp.asarray(FEATURES)[following], jnp.float32(0.0), jnp.bool_(False)

    seen = spaces.Box(0.0, 2.0, (8,), np.float32)
    return DeviceEnv(EnvSpec("star-v0", seen, spaces.Discrete(ACTIONS), 100), reset, step)


def linear(features: Floats = FEATURES) -> Policy:
    """The value of action 0 is linear in ``features`` [7, D], with the values of Baird's first weights at first."""

    def init(key: Key) -> PyTree:
        scale = jax.random.uniform(key, (), minval=0.9, maxval=1.1)
        solid = jnp.asarray(FIRST if features is FEATURES else np.linalg.pinv(features) @ FEATURES @ FIRST)
        return {"solid": scale * solid, "dashed": jnp.zeros((STATES, ACTIONS - 1))}

    def apply(params: PyTree, memory: PyTree, obs: Array) -> tuple[PyTree, Output]:
        state = jnp.argmax(obs @ jnp.asarray(FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)).T, -1)
        hot = jax.nn.one_hot(state, STATES)
        solid = hot @ jnp.asarray(features) @ params["solid"]
        values = jnp.concatenate([solid[..., None], hot @ params["dashed"]], -1)
        return memory, Output(EpsilonGreedy(values, jnp.zeros(())), values.max(-1))

    return Policy(init, lambda batch: (), apply)


def network(layer_norm: bool) -> Policy:
    """logpi's network of action values on Baird's features, whose first values are about as great as his."""
    policy = make_q(star().spec, QNetwork(hidden=(UNITS,), layer_norm=layer_norm))

    def init(key: Key) -> PyTree:
        params = policy.init(key)
        return {**params, "q": jax.tree.map(lambda x: LOUD * x, params["q"])}

    return policy._replace(init=init)


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "a table in place of the features": ("dqn", {**DQN, "policy": linear(TABLE)}),
    "the features: semi-gradient Q-learning": ("dqn", {**DQN, "policy": linear()}),
    "with half the step size": ("dqn", {**DQN, "learning_rate": 0.05, "policy": linear()}),
    "with Adam": ("dqn", {**DQN, "optimizer": "adam", "policy": linear()}),
    "with a target network of 10 updates": ("dqn", {**DQN, "target_update_interval": 10, "policy": linear()}),
    "with a target network of 100 updates": ("dqn", {**DQN, "target_update_interval": 100, "policy": linear()}),
    "with a target network of 500 updates": ("dqn", {**DQN, "target_update_interval": 500, "policy": linear()}),
    "with double learning and that of 100": (
        "dqn",
        {**DQN, "target_update_interval": 100, "double": True, "policy": linear()},
    ),
    "with errors clipped at 1": ("dqn", {**DQN, "max_td_error": 1.0, "policy": linear()}),
    "by PQN, without a replay": ("pqn", {**PQN, "policy": linear()}),
    "by PQN, the features layer-normalized": ("pqn", {**PQN, "policy": linear(NORMALIZED)}),
    "by PQN, a network of 16 units": ("pqn", {**PQN, "learning_rate": SLOW, "policy": network(False)}),
    "by PQN, the same with layer normalization": ("pqn", {**PQN, "learning_rate": SLOW, "policy": network(True)}),
}
PANELS = {"target networks": [0, 1, 4, 5, 6, 7], "other changes": [1, 3, 8, 9, 10, 11, 12]}  # numbers of ways


def errors(way: str, seeds: int, steps: int, folder: Any) -> tuple[Floats, Floats]:
    """(steps [M], mean absolute TD error [S, M]) of one way; up to where a number became infinite."""
    algo, settings = WAYS[way]
    sizes = {"total_timesteps": steps, "eval_points": 0, "eval_episodes": 4, "final_episodes": 4, "log_points": 100}
    place = folder / way.replace(" ", "-")
    try:
        found: Curves = trained(star(), algo, seeds, place, way, **sizes, **settings)
        return found.column(ERROR)
    except NotFiniteError:
        (run,) = [path.parent for path in place.glob("*/*/metrics.jsonl")]
        return shared.column(run, ERROR)


def row(way: str, steps: Floats, error: Floats) -> list[object]:
    """The table's row of one way."""
    ratio = error[:, -1] / error[:, 0]
    log = np.log10(ratio)
    half = f" ± {(shared.half_width(log)):.1f}" if len(log) > 1 else ""
    grown, gone = (ratio > DIVERGED).sum(), (ratio < SETTLED).sum()
    return [way, f"{steps[-1]:,.0f}", f"10^({log.mean():.1f}{half})", f"{grown} of {len(ratio)}", int(gone)]


def picture(axes: list[Any], found: dict[str, tuple[Floats, Floats]]) -> None:
    from pictures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

    colors = (BLUE, RED, ORANGE, GREEN, PURPLE, GREY, "#000000")
    ways = list(found)
    for panel, (title, group) in zip(axes, PANELS.items(), strict=True):
        for color, number in zip(colors, group, strict=False):
            steps, error = found[ways[number]]
            panel.plot(steps, np.median(error, 0), color=color, label=ways[number])
            panel.fill_between(steps, error.min(0), error.max(0), color=color, alpha=0.15, lw=0)
        panel.set(yscale="log", xlabel="environment steps", title=title)
        panel.set_ylabel("mean |target - value|; band: all seeds")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--steps", type=int, default=30_000, help="environment steps of a seed")
    args = arguments.parse_args()
    with work() as folder:
        found = {way: errors(way, args.seeds, args.steps, folder) for way in WAYS}
    header = ["Q-learning on Baird's counterexample", "steps", "last error / first error", "diverged", "settled"]
    shown = shared.draw(args.results, "divergence", len(PANELS), lambda axes: picture(axes, found))
    about = (
        f"The ratio's mean over seeds on a logarithmic scale, with Student's 95 % interval. Diverged: {DIVERGED:g} "
        f"times the first error or more; settled: at most a tenth of it. SGD with step size "
        f"{PLAIN['learning_rate']:g}, γ = {PLAIN['gamma']:g} but where said otherwise; DQN makes an "
        f"update on {DQN['batch_size']} decisions every 7 steps."
    )
    rows = [row(way, *each) for way, each in found.items()]
    parts = [shared.report.table(header, rows), about, shown]
    shared.publish(args.results, "divergence", "Q-learning with function approximation has no guarantee", parts)


if __name__ == "__main__":
    main()
