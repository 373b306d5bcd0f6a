"""Tests run on the CPU, and an array of the wrong rank is an error: [B] against [B, 1] would otherwise broadcast."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
