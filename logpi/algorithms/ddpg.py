"""Deep deterministic policy gradient (Lillicrap et al. 2016).

Against its parent qac: the policy is one action, π_θ(o), and its gradient is the deterministic one (Silver et al. 2014,
eq. 7), which climbs Q along the action and needs no log π:

    y = r + γ Q_φ̄(o', π_θ̄(o'))
    φ ← argmin E[(Q_φ(o, a) - y)²],    ∇J(θ) = E[∇_a Q_φ(o, a)|_{a=π_θ(o)} ∇_θ π_θ(o)]

It is its child td3 with one critic, no delay and no blur; the mathematics stands there once.
"""

from __future__ import annotations

import dataclasses

from logpi.algorithms.td3 import TD3, td3
from logpi.methods import method
from logpi.nets.critics import ActorCriticNetwork, deterministic_actor_critics
from logpi.ops.noise import Colour
from logpi.types import Algorithm, EnvSpec, Policy, PyTree


@dataclasses.dataclass(frozen=True)
class DDPG(TD3):
    """DDPG (Lillicrap et al. 2016): a deterministic policy that climbs a learnt Q-function."""

    n_critics: int = 1
    policy_delay: int = 1
    target_noise: float = 0.0
    noise: Colour = "ou"


@method(settings=DDPG, parent="qac", network=ActorCriticNetwork, policy=deterministic_actor_critics)
def ddpg(config: DDPG, policy: Policy, spec: EnvSpec, obs: PyTree) -> Algorithm:
    """DDPG as an ``Algorithm``; ``obs`` has the shapes of one environment's observation."""
    return td3(config, policy, spec, obs)
