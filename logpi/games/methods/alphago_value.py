"""AlphaGo's third stage (Silver et al. 2016): a value network v_θ learns the outcomes of recorded games.

    Δθ ∝ ∂v_θ(s) / ∂θ · (z - v_θ(s))       (Methods, "Value network: regression")

z is the outcome of the game for the player to move in s. Positions of one game are alike and share their outcome: a
network that learns many of each game remembers games instead of judging positions. The paper takes *one* position of
each game; ``positions="all"`` is what it warns of.

``logpi.games.supervised`` draws the positions. ``docs/alphago.md`` lists the paper's constants and every deviation.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Literal

import numpy as np

from logpi.config.settings import at_least, timesteps
from logpi.games.records.record import Record
from logpi.games.replay import Samples
from logpi.games.rules.game import Game
from logpi.games.search.guided import Apply
from logpi.games.settings import BoardNetwork, RecordSettings
from logpi.games.supervised import Lesson, Measure, Supervised, make_supervised
from logpi.methods import method
from logpi.ops.losses import decision_mean, squared_error
from logpi.types import Array, Metrics, PyTree


@dataclasses.dataclass(frozen=True)
class AlphaGoValue(RecordSettings):
    """AlphaGo's value network (Silver et al. 2016): it learns the outcomes of recorded games."""

    total_timesteps: float = timesteps(1e6)
    batch_size: int = at_least(1, 256)
    # Positions of each game that are learned from: one, after its opening or else drawn, or all
    positions: Literal["one", "all"] = "one"


@method(settings=AlphaGoValue, network=BoardNetwork, parent="alphago", task="games")
def alphago_value(config: AlphaGoValue, net: BoardNetwork, game: Game, num_devices: int = 1) -> Supervised:
    """The value network of AlphaGo on one of ``num_devices`` devices."""
    choose = {"one": one_position, "all": with_result}[config.positions]
    return make_supervised(config, net, game, Lesson(loss, error, "records/held_out_value_error", said, choose))


def loss(apply: Apply, params: PyTree, samples: Samples, h: AlphaGoValue) -> tuple[Array, Metrics]:
    """(z - v_θ(s))², and metrics: this device's share of both (``losses.decision_mean``)."""
    value_loss = decision_mean(error(apply, params, samples), samples.weight)
    return value_loss, {"train/value_loss": value_loss}


def error(apply: Apply, params: PyTree, samples: Samples) -> Array:
    """[N] (z - v_θ(s))²."""
    return squared_error(apply(params, samples.obs)[1], samples.target)


def with_result(record: Record) -> Record | None:
    """A record whose outcome is known."""
    return None if record.outcome is None else record


def one_position(record: Record) -> Record | None:
    """A record with an outcome, of which one position is used: the first one after its opening.

    A record without an opening has one that its moves draw, each with the same probability.
    """
    if record.outcome is None:
        return None
    ply = max(record.plies, record.setup)
    if ply == 0:
        moves = np.asarray(record.actions, "<i4").tobytes()
        drawn = hashlib.blake2b(moves, digest_size=6, person=b"position").digest()
        ply = int.from_bytes(drawn, "little") % len(record.actions)
    return record._replace(actions=record.actions[: ply + 1], plies=ply, setup=min(record.setup, ply))


def said(held: Measure, learnt: Measure) -> str:
    """The outcome in words."""
    return (
        f"mean squared error {held.mean:.3f} ± {held.half:.3f} on held-out games (95 % interval over "
        f"{held.games:,} games, {held.positions:,} positions); {learnt.mean:.3f} on games learnt from"
    )
