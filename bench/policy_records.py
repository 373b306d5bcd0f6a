"""Games of AlphaGo's policies, from which a value network learns (Silver et al. 2016, Methods, "Value network").

    python bench/policy_records.py SL_RUN RL_RUN DIR [--games 20000] [--latest 80] [--seed 0]
    logpi train go-9x9 --algo alphago_value --records DIR

In each game U is drawn from 1 to --latest: the first U - 1 moves are drawn from the first policy, move U uniformly from
all legal ones, and the moves after it from the second policy. A record's opening is U moves long: the position behind
it is the one that `alphago_value` learns. Games that end before it are left out. A file of DIR is a batch of games; a
second start goes on with the batch that is missing.
"""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from logpi.driver import devices
from logpi.errors import LogpiError
from logpi.games.agent import load_game_agent
from logpi.games.records.files import append, suffix
from logpi.games.records.record import Record
from logpi.games.rules.game import Game
from logpi.games.search.guided import permute_actions
from logpi.ops.collectives import where
from logpi.ops.distributions import masked
from logpi.ops.draws import gumbel, words
from logpi.runs.lookup import agent_folder

BATCH = 256  # games of a file
Logits = Callable[[jax.Array], jax.Array]  # observations [B, ...] -> logits [B, A]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("first", metavar="SL_RUN", help="policy of the first moves, such as alphago's")
    asked.add_argument("then", metavar="RL_RUN", help="policy of the later moves, such as alphago_rl's")
    asked.add_argument("out", type=Path, metavar="DIR", help="folder of the records")
    asked.add_argument("--games", type=int, default=20_000, help="number of games, in batches of 256")
    asked.add_argument("--latest", type=int, default=80, help="largest number U of the move that is drawn uniformly")
    asked.add_argument("--seed", type=int, default=0, help="seed of all moves")
    options = asked.parse_args()
    devices.prepare()
    try:
        agents = [load_game_agent(agent_folder(run)) for run in (options.first, options.then)]
        game = agents[0].game
        if agents[1].game.id != game.id:
            raise LogpiError(f"{options.then} plays {agents[1].game.id}, and {options.first} plays {game.id}")
        play = jax.jit(lambda key, latest: played(game, *map(policy, agents), key, latest), static_argnums=1)
        for number in range(-(-options.games // BATCH)):
            path = options.out / f"games-{number:05}{suffix(game)}"
            if not path.exists():
                key = jax.random.fold_in(jax.random.key(options.seed), number)
                kept = write(game, path, jax.device_get(play(key, options.latest)))
                print(f"{path}: {kept} of {BATCH} games are longer than their openings", flush=True)
    except LogpiError as error:
        print(f"policy_records: {error}", file=sys.stderr)
        return 1
    return 0


def policy(agent: Any) -> Logits:
    """The agent's network."""
    return lambda obs: agent.apply(agent.params, obs)[0]


def played(game: Game, first: Logits, then: Logits, key: jax.Array, latest: int) -> tuple[jax.Array, ...]:
    """(actions [B, L], their number [B], U [B], outcome for the first player [B]) of B games."""
    until_key, key = jax.random.split(key)
    until = jax.random.randint(until_key, (BATCH,), 1, latest + 1)
    start = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (BATCH, *jnp.shape(x))), game.init())

    def going(carry: Any) -> jax.Array:
        return ~carry[1].all()

    def move(carry: Any) -> Any:
        state, over, actions, length, t = carry
        asked = where(over, start, state)
        obs, legal = jax.vmap(game.observe)(asked), jax.vmap(game.legal)(asked)
        drawn = gumbel(words(jax.random.fold_in(key, t), (BATCH, game.actions))[0])
        chosen = jnp.where((t < until - 1)[:, None], first(obs), jnp.where((t < until)[:, None], 0.0, then(obs)))
        logits = masked(permute_actions(game, asked, chosen), legal).logits
        action = (logits + drawn).argmax(-1).astype(jnp.int32)
        state = where(over, state, jax.vmap(game.step)(asked, action))
        actions = actions.at[:, t].set(jnp.where(over, 0, action))
        return state, over | jax.vmap(game.ended)(state), actions, length + ~over, t + 1

    begun = (start, jnp.zeros(BATCH, bool), jnp.zeros((BATCH, game.longest), jnp.int32), jnp.zeros(BATCH, jnp.int32))
    state, _, actions, length, _ = jax.lax.while_loop(going, move, (*begun, jnp.int32(0)))
    outcome = jax.vmap(game.outcome)(state) * jnp.where(length % 2 == 0, 1.0, -1.0)
    return actions, length, until, outcome


def write(game: Game, path: Path, games: tuple[np.ndarray, ...]) -> int:
    """Write the games that are longer than their openings into ``path``, which appears at the end; returns how many."""
    begun, kept = path.with_suffix(".part"), 0
    begun.unlink(missing_ok=True)
    for actions, length, until, outcome in zip(*games, strict=True):
        if length > until:
            moves = tuple(actions[:length].tolist())
            today = date.today().isoformat()
            append(begun, Record(game.id, ("policy", "policy"), moves, float(outcome), int(until), date=today))
            kept += 1
    if kept:
        os.replace(begun, path)
    return kept


if __name__ == "__main__":
    sys.exit(main())
