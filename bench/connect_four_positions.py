"""Which positions of Connect Four measure a player, and what is the perfect player's time?

    python bench/connect_four_positions.py [--files DIR]

Makes the two labelled sets of `logpi/games/files` (the same bytes again, for the same versions of NumPy and zlib) and
tells what is in them. A position is where uniformly random play from the empty board stands after 2 to 31 moves.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from report import parser, publish, spread, table, versions

from logpi.arena.players.solver import Solver
from logpi.driver import devices
from logpi.games.evaluation import connect_four_labels
from logpi.games.rules.game import Game
from logpi.games.rules.make import make_game

SETS = {"test": 0, "validation": 1}  # their seeds
PER_PLY = 172
FEW = {2: 12, 3: 60}  # half of the positions that there are, reflections not counted
TIMED = (4, 8, 11, 12, 13, 14, 15, 16, 20, 28)  # stones, besides the empty board
DRAWS = 420  # a multiple of 1 to 7, so that a remainder is uniform whatever the number of legal moves
GAMES = 2048  # at once
PLIES = range(connect_four_labels.PLIES[0][0], connect_four_labels.PLIES[-1][1] + 1)


def walks(game: Game) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A program for T moves in N random games.

    It maps draws [T, N], 0 to DRAWS - 1, to states [T, N, 2, 7] after 1 to T moves and [T, N] whether the game goes on.
    """

    def move(state: jax.Array, draw: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        place = jnp.cumsum(game.legal(state))  # 1 for the first legal column, and so on
        after = game.step(state, jnp.argmax(place > draw % jnp.maximum(place[-1], 1)))
        after = jnp.where(game.ended(state), state, after)  # an ended game stays as it is
        return after, (after, ~game.ended(after))

    @jax.jit
    def walk(draws: jax.Array) -> tuple[jax.Array, jax.Array]:
        start = jnp.broadcast_to(game.init(), (draws.shape[1], *game.init().shape))
        return jax.lax.scan(jax.vmap(move), start, draws)[1]

    return lambda draws: jax.device_get(walk(jnp.asarray(draws, jnp.int32)))


def class_of(state: np.ndarray) -> bytes:
    """The same for a position and its reflection, and for no other."""
    return min(state.tobytes(), state[:, ::-1].tobytes())


def sample(seed: int, taken: set[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """States [N, 2, 7], distinct also under reflection, and stones [N]; adds them to ``taken``, which are left out."""
    walk, random = walks(make_game("connect-four")), np.random.RandomState(seed)  # the same stream in every NumPy
    found: list[np.ndarray] = []
    plies: list[int] = []
    for ply in PLIES:
        wanted = FEW.get(ply, PER_PLY)
        while plies.count(ply) < wanted:
            states, going_on = walk(random.randint(0, DRAWS, (PLIES[-1], GAMES)))
            for state in states[ply - 1][going_on[ply - 1]]:
                if plies.count(ply) < wanted and class_of(state) not in taken:
                    taken.add(class_of(state))
                    found.append(state)
                    plies.append(ply)
    return np.stack(found), np.array(plies, np.uint8)


def make(folder: Path) -> dict[str, connect_four_labels.Labelled]:
    solver, taken, made = Solver(), set[bytes](), {}
    for name, seed in SETS.items():
        states, plies = sample(seed, taken)
        made[name] = connect_four_labels.Labelled(states, np.stack([solver.scores(state) for state in states]), plies)
        np.savez_compressed(folder / connect_four_labels.NAMES[name], **made[name]._asdict())
    return made


def contents(name: str, positions: connect_four_labels.Labelled) -> list[list[object]]:
    """Rows: set, plies, positions, those where the choice matters, and what random play would keep there."""
    random = connect_four_labels.random_agreement(positions)
    rows: list[list[object]] = []
    for low, high in connect_four_labels.PLIES:
        here = (positions.ply >= low) & (positions.ply <= high)
        share = random["by_ply"][f"{low}-{high}"]
        rows.append(
            [name, f"{low}-{high}", here.sum(), (here & positions.decision).sum(), f"{100 * share:.2f}", "", ""]
        )
    shares = [f"{100 * random[key]:.2f}" for key in ("decision", "all", "best")]
    return [*rows, [name, "all", len(positions.ply), positions.decision.sum(), *shares]]


def timed(ply: int, states: np.ndarray) -> list[object]:
    """A row: milliseconds of CPU time to score every move, for each state by a solver that has seen none before."""
    times = []
    for state in states:
        solver, begun = Solver(), time.process_time()
        solver.scores(state)
        times.append(1000 * (time.process_time() - begun))
    return [ply, f"{np.mean(times):.1f}", spread(times, ".1f")]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--files", type=Path, default=connect_four_labels.FILES, metavar="DIR", help="where the sets go"
    )
    arguments.add_argument("--timed", type=int, default=20, metavar="N", help="positions for each time")
    args: argparse.Namespace = arguments.parse_args()
    devices.prepare()
    made = make(args.files)
    seen = made["validation"]
    times = [timed(0, np.zeros((1, *seen.state.shape[1:]), np.uint8))]
    times += [timed(n, seen.state[seen.ply == n][: args.timed]) for n in TIMED]
    header = ["set", "stones", "positions", "choice matters", "random keeps there, %", "anywhere, %", "best, %"]
    parts = [
        "Positions after uniformly random play, distinct also under reflection and between the sets, labelled by "
        "BitBully with the exact score of every column. The choice matters where legal moves differ in value (win, "
        "draw, loss). Random play: the exact expectation of uniformly random legal moves; best is a fastest win, a "
        "draw or a longest loss.",
        table(header, [row for name, positions in made.items() for row in contents(name, positions)]),
        f"The perfect player's CPU time for a move: {args.timed} positions for each number of stones, each with an "
        "empty memory (in a game it remembers, and is faster). Moves to at most 12 stones are in its opening book.",
        table(["stones", "mean, ms", "median (least to greatest), ms"], times),
    ]
    software = {"BitBully": versions(sys.executable, ["bitbully", "bitbully-databases"])}
    publish(args.results, "connect_four_positions", "Connect Four: labelled positions", software, parts)


if __name__ == "__main__":
    main()
