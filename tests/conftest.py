"""Tests run on the CPU, and an array of the wrong rank is an error: [B] against [B, 1] would otherwise broadcast."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "1")  # as logpi.driver.devices.prepare, which comes too late in a process that uses JAX
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64():
    """Double precision for one test."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
