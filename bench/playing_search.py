"""How fast is the search for play on one position, beside training's in a batch, and do many leaves cost strength?

    python bench/playing_search.py [GAME …] [--agent GAME=FOLDER …] [--match-games 200] [--simulations 400]

For each game the rates of training's search of many positions at once, and of the playing search of one position with
1, 8 and 64 leaves at a time, in simulations a second, on one core. With an agent of the game also a match: the playing
search with 64 leaves at a time against the same with one, with equal simulations.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from report import parser, publish, table

os.environ |= {"JAX_PLATFORMS": "cpu", "NPROC": "1"}
PARALLEL = {"chess": 64, "shogi": 64}  # positions at once, as the games' recipes have it
GAMES = ("connect-four", "go-9x9", "chess")
SECONDS = 3.0


def agent_of(name: str, folder: str) -> object:
    """A trained agent, or an untrained one with the network of the game's recipe; of chess with a trivial one."""
    import jax

    from logpi.config.experiments import resolve
    from logpi.games.agent import GameAgent, load_game_agent
    from logpi.games.rules.make import make_game
    from logpi.methods import method_of

    if folder:
        return load_game_agent(Path(folder))
    trivial = {"network": {"units": 16, "blocks": 0, "torso": "mlp", "value_units": 8}}
    experiment, game = resolve(name, None, trivial if name == "chess" else {})[0], make_game(name)
    system = method_of(experiment.algo, None)(experiment.method, experiment.network, game)
    params = system.init(jax.random.key(0)).params
    return GameAgent(game, experiment.method, experiment.network, params, {"algo": experiment.algo})


def training_rate(agent: object, positions: int, simulations: int) -> float:
    """Simulations a second of the search of ``positions`` first positions."""
    import jax
    import jax.numpy as jnp

    game = agent.game  # type: ignore[attr-defined]
    state = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (positions, *jnp.shape(x))), game.init())

    def search(seed: int) -> None:
        jax.block_until_ready(agent.search(state, simulations, seed).visits)  # type: ignore[attr-defined]

    search(0)
    began, made = time.process_time(), 0
    while time.process_time() - began < SECONDS:
        made += 1
        search(made)
    return made * positions * simulations / (time.process_time() - began)


def playing_rate(agent: object, leaves: int, simulations: int) -> float:
    """Simulations a second of one position: new trees of so many simulations."""
    from logpi.arena.engine.thinker import Limits, Thinker
    from logpi.arena.players.base import begin

    thinker, position = Thinker(agent, simulations + 1, leaves), begin(agent.game)  # type: ignore[arg-type, attr-defined]
    thinker.warm_up(position)
    began, made = time.process_time(), 0
    while time.process_time() - began < SECONDS:
        thinker.forget()
        thought = thinker.think(position, Limits(nodes=simulations), lambda thought: None, lambda: False)
        made += thought.new
    return made / (time.process_time() - began)


def rates(name: str, folder: str, simulations: int) -> list[object]:
    agent = agent_of(name, folder)
    batch = PARALLEL.get(name, 128)
    training = training_rate(agent, batch, agent.config.simulations)  # type: ignore[attr-defined]
    playing = [playing_rate(agent, leaves, simulations) for leaves in (1, 8, 64)]
    shown = [f"{rate:,.0f}" for rate in (training, *playing)]
    return [name, f"{batch} × {agent.config.simulations}", *shown, f"{playing[-1] / training:.2f}"]  # type: ignore[attr-defined]


class Wide:
    """A player that searches one position after the other."""

    def __init__(self, agent: object, leaves: int, simulations: int) -> None:
        from logpi.arena.engine.thinker import Thinker

        self.name = f"{leaves} leaves at a time"
        self._thinker, self._simulations = Thinker(agent, simulations + 1, leaves), simulations  # type: ignore[arg-type]

    def choose(self, positions: list[object]) -> list[object]:
        from logpi.arena.engine.thinker import Limits
        from logpi.arena.players.base import SearchResult

        answers = list[object]()
        for position in positions:
            self._thinker.forget()
            limits = Limits(nodes=self._simulations)
            thought = self._thinker.think(position, limits, lambda thought: None, lambda: False)  # type: ignore[arg-type]
            answers.append(SearchResult(thought.lines[0].actions[0]))
        return answers

    def close(self) -> None: ...


def match(name: str, folder: str, games: int, simulations: int) -> list[object]:
    from logpi.arena.match import pair_counts, play_match
    from logpi.games.evaluation.rating import mean_score

    agent = agent_of(name, folder)
    wide, narrow = (Wide(agent, leaves, simulations) for leaves in (64, 1))
    results = play_match(agent.game, wide, narrow, games, 4)  # type: ignore[arg-type, attr-defined]
    share, low, high = mean_score(pair_counts(results))
    return [name, Path(folder).name, simulations, games, f"{share:.1%}", f"{low:.1%} to {high:.1%}"]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("games", nargs="*", default=list(GAMES))
    arguments.add_argument("--agent", action="append", default=[], metavar="GAME=FOLDER", help="a trained agent")
    arguments.add_argument("--match-games", type=int, default=200)
    arguments.add_argument("--simulations", type=int, default=800, help="of the playing search")
    args: argparse.Namespace = arguments.parse_args()
    agents = dict(one.split("=", 1) for one in args.agent)
    rows = [rates(name, agents.get(name, ""), args.simulations) for name in args.games]
    parts = [
        f"Simulations a second of CPU time. Playing: new trees of {args.simulations} simulations, from the start.",
        table(["game", "training: positions", "training", "1 leaf", "8 leaves", "64 leaves", "64 / training"], rows),
    ]
    if agents:
        matches = [match(name, folder, args.match_games, args.simulations) for name, folder in agents.items()]
        head = ["game", "agent", "simulations", "games", "64 leaves against 1", "95 % interval"]
        parts += ["Both sides have the same agent and make the same number of simulations.", table(head, matches)]
    publish(args.results, "playing_search", "The search for play", {"python": sys.version.split()[0]}, parts)


if __name__ == "__main__":
    main()
