"""What the soft actor-critics share: the temperature α that a nat of entropy is worth."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from logpi.algorithms.common.critics import Params, first_copy
from logpi.algorithms.common.learning import improve, init_optimizer
from logpi.config.settings import Settings
from logpi.ops import losses
from logpi.ops.normalization import Statistics
from logpi.types import Array, Learner, Metrics, PyTree


class Soft(NamedTuple):
    """What is learnt, in ``Learner.params``, and each part's optimizer."""

    actor: PyTree
    critics: PyTree
    log_alpha: PyTree


def first_learner(hyper: Settings, ent_coef: Array | float, params: Params) -> Learner:
    """The learner before the first update, with the temperature ``ent_coef``."""
    soft = Soft(*params, jnp.log(jnp.float32(ent_coef)))
    optimizers = Soft(*(init_optimizer(hyper, part) for part in soft))
    return Learner(soft, optimizers, Statistics(), hyper, jnp.int32(0), first_copy(soft.critics))


def cooled(learner: Learner, missing: Array, mask: Array, step_size: Array) -> tuple[PyTree, PyTree]:
    """(log α, its optimizer) after a step down J(α) = α (H - H̄) (Haarnoja et al. 2018b, eq. 18).

    Args:
        learner: before the update.
        missing: nats of entropy that the policy lacks, H̄ - H, over the decisions.
        mask: [N] of the decisions.
        step_size: of the step.
    """

    def loss(log_alpha: PyTree) -> tuple[Array, Metrics]:
        return losses.decision_mean(-jnp.exp(log_alpha) * missing * jnp.ones_like(mask), mask), {}

    log_alpha, optimizer, _ = improve(
        loss, learner.hyper, learner.params.log_alpha, learner.opt_state.log_alpha, step_size
    )
    return log_alpha, optimizer
