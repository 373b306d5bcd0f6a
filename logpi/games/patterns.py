"""A fast policy: a linear softmax of small features around each point (Silver et al. 2016, the rollout policy p_π).

Logits are sums of learnt weights, with no layer between: of the 3x3 pattern of stones around the point, of what is
observed in the 5x5 points around it, by whose stone is there, and of the point itself. Games whose moves are not points
of the board have a linear softmax of all that is observed.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp

from logpi.nets.convolution import Convolution
from logpi.nets.policy import Head
from logpi.types import Array

OFF = 3  # code of a neighbour beyond the edge; 0 empty, 1 the mover's, 2 the other's
AROUND = tuple((r, c) for r in (0, 1, 2) for c in (0, 1, 2) if (r, c) != (1, 1))
REACH = 5  # side of the square of points that count


class Patterns(nn.Module):
    """Observations [B, rows, columns, planes] to logits [B, A].

    Actions are the points, row by row, and perhaps a pass behind them; of games with other actions any.
    """

    actions: int

    @nn.compact
    def __call__(self, obs: Array) -> Array:
        batch, points = obs.shape[0], obs.shape[1] * obs.shape[2]
        if self.actions not in (points, points + 1):
            return Head(self.actions, 0.01)(obs.reshape(batch, -1))
        zeros = nn.initializers.zeros_init()
        planes = features(obs)
        table = self.param("patterns", zeros, (4 ** len(AROUND),))
        place = self.param("points", zeros, (points,))
        around = Convolution(1, REACH, kernel_init=zeros)(planes)[..., 0] + table[pattern(obs)]
        logits = around.reshape(batch, points) + jnp.broadcast_to(place, (batch, points))
        if self.actions == points:
            return logits
        return jnp.concatenate([logits, Head(1, 0.01)(planes.mean((1, 2)))], 1)


def features(obs: Array) -> Array:
    """What is observed, and each plane behind the first two also where the mover's and where the other's stones are."""
    mine, theirs, rest = obs[..., :1], obs[..., 1:2], obs[..., 2:]
    return jnp.concatenate([obs, mine * rest, theirs * rest], -1)


def pattern(obs: Array) -> Array:
    """[B, rows, columns] int32: the number of the pattern that the eight neighbours of each point make."""
    rows, columns = obs.shape[1:3]
    code = (obs[..., 0] + 2 * obs[..., 1]).astype(jnp.int32)
    wide = jnp.pad(code, ((0, 0), (1, 1), (1, 1)), constant_values=OFF)
    return sum(
        (wide[:, r : r + rows, c : c + columns] << (2 * k) for k, (r, c) in enumerate(AROUND)),
        jnp.zeros((), jnp.int32),
    )
