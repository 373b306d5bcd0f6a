"""Tests run on the CPU, with little optimization of their programs: they would spend most of their time compiling.

An array of the wrong rank is an error: [B] against [B, 1] would otherwise broadcast.

The shapes and dtypes in the signatures of the mathematics are checked at each call (``CHECKED``).
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "1")  # as logpi.driver.devices.prepare, which comes too late in a process that uses JAX
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")

import jax
import jaxtyping
import pytest

CHECKED = [
    "logpi.ops",
    "logpi.nets.convolution",
    "logpi.ram.network",
    "logpi.ram.ram",
    "logpi.ram.retina",
    "logpi.ram.scenes",
    "logpi.ram.whole_image",
]
jaxtyping.install_import_hook(CHECKED, "shapes.checked")  # before any of them is imported

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64():
    """Double precision for one test."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
