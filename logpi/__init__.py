"""logpi: learning by policy gradients, ∇J(θ) = E[Σ Ψ_t ∇ log π_θ(a_t|s_t)], from REINFORCE to AlphaZero.

Names are loaded when first used, so that importing logpi is quick and imports no JAX.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as typing has it, whose import would be a tenth of `logpi --help`
if TYPE_CHECKING:
    from typing import Any

_WHERE = {
    "train": "logpi.api.runs",
    "resume": "logpi.api.runs",
    "resuming": "logpi.api.runs",
    "Event": "logpi.training.hooks",
    "Training": "logpi.api.steps",
    "load": "logpi.api.agents",
    "load_moment": "logpi.api.episodes",
    "contents": "logpi.api.agents",
    "evaluate": "logpi.api.agents",
    "film": "logpi.api.agents",
    "film_random": "logpi.api.agents",
    "watch_episode": "logpi.api.episodes",
    "sheet": "logpi.api.agents",
    "look": "logpi.api.agents",
    "glimpses": "logpi.api.agents",
    "export": "logpi.api.deploy",
    "bundle": "logpi.api.deploy",
    "push": "logpi.api.deploy",
    "pull": "logpi.api.deploy",
    "variance": "logpi.api.laboratory",
    "GradientLab": "logpi.control.variance.cloud",
    "decision_process": "logpi.control.variance.processes",
    "Outcome": "logpi.training.outcome",
    "make": "logpi.envs.make:make_named",
    "check_env": "logpi.api.environments",
    "make_game": "logpi.games.rules.make:make_named",
    "check_game": "logpi.games.rules.check",
    "play_tournament": "logpi.arena.api",
    "make_player": "logpi.arena.players.make",
    "list_players": "logpi.arena.players.offered",
    "BoardGame": "logpi.arena.board_game",
    "search": "logpi.arena.search_tree",
    "SearchTree": "logpi.arena.search_tree",
    "analyze": "logpi.arena.analysis.api",
    "combine": "logpi.games.combine",
    "make_policy": "logpi.nets.policy",
    "sweep": "logpi.api.sweep",
    "Sweep": "logpi.api.sweep",
    "compare": "logpi.api.compare",
    "Comparison": "logpi.api.compare",
    "plot": "logpi.view.curves",
    "gallery": "logpi.api.gallery",
    "learning_curves": "logpi.view.series",
    "setting_differences": "logpi.api.episodes",
    "list_runs": "logpi.runs.lookup:find_runs",
    "follow_runs": "logpi.runs.following:Following",
    "list_moments": "logpi.runs.moments:moments_of",
    "open_run": "logpi.runs.lookup",
    "stop": "logpi.runs.manage",
    "delete_run": "logpi.runs.manage:delete",
    "prune_run": "logpi.runs.manage:prune",
    "archive_run": "logpi.runs.manage:archive",
    "list_environments": "logpi.config.experiments:environments",
    "list_agents": "logpi.runs.shipped:shipped_agents",
    "list_algorithms": "logpi.methods:all_methods",
    "doctor": "logpi.training.doctor:examine",
    "method": "logpi.methods",
    "Method": "logpi.methods",
    "Agent": "logpi.control.agent",
    "Algorithm": "logpi.types",
    "DeviceEnv": "logpi.types",
    "EnvSpec": "logpi.types",
    "Game": "logpi.games.rules.game",
    "Learner": "logpi.types",
    "Output": "logpi.types",
    "Policy": "logpi.types",
    "Trajectory": "logpi.types",
    "LogpiError": "logpi.errors",
}
_MODULES = {name: f"logpi.ops.{name}" for name in ("psi", "losses", "distributions")}
_MODULES |= {"training": "logpi.training"}  # a package that can be called
__all__ = [*_WHERE, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _WHERE:
        module, _, original = _WHERE[name].partition(":")
        return getattr(importlib.import_module(module), original or name)
    raise AttributeError(f"module 'logpi' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
