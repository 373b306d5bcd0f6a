"""logpi: learning by policy gradients, ∇J(θ) = E[Σ Ψ_t ∇ log π_θ(a_t|s_t)], from REINFORCE to AlphaZero.

Names are loaded when first used, so that importing logpi is quick and imports no JAX.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "train": "logpi.api",
    "resume": "logpi.api",
    "load": "logpi.api",
    "make": "logpi.envs.make",
    "check_env": "logpi.envs.checker.check",
    "make_policy": "logpi.nets.policy",
    "Agent": "logpi.control.agent",
    "Algorithm": "logpi.types",
    "DeviceEnv": "logpi.types",
    "EnvSpec": "logpi.types",
    "Learner": "logpi.types",
    "Output": "logpi.types",
    "Policy": "logpi.types",
    "Trajectory": "logpi.types",
    "LogpiError": "logpi.errors",
}
_MODULES = ("psi", "returns", "losses", "distributions")
__all__ = [*_WHERE, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"logpi.ops.{name}")
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'logpi' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
