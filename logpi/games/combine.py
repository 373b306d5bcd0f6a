"""``combine``: networks of several agents as one agent, which searches with all of them (AlphaGo's player)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from logpi.config.settings import Experiment, Run, check_ranges
from logpi.errors import LogpiError
from logpi.games.agent import GameAgent, load_game_agent, save_game_agent
from logpi.games.methods.alphago_search import PARTS, AlphaGoSearch, alphago_search
from logpi.runs.lookup import agent_folder

# how the agent of the policy searches, the new one does
KEPT = (
    *("play_search", "max_considered_actions", "c_visit", "c_scale", "rescale_values", "c_init", "c_base"),
    *("fpu_reduction", "max_children", "score_utility_weight", "eval_opponent_simulations"),
)


def combine(
    policy: str | Path, value: str | Path, rollout: str | Path, out: str | Path = "", *, mixing: float = 0.5
) -> Path:
    """Put a policy, a value network and a fast policy together, as AlphaGo's player: an agent of ``alphago_search``.

    Args:
        policy: run or agent's folder of the policy, the prior of the search; its settings of the search are kept.
        value: run or agent's folder of the value network, of the same network settings.
        rollout: run or agent's folder of the fast policy, of torso ``patterns``.
        out: folder to write, which must not exist; by default ``alphago_search-<game>`` in the working folder.
        mixing: λ, the weight of a rollout's outcome in the value of a leaf; 0: the value network alone, 1: rollouts.

    Returns:
        The folder.

    Raises:
        LogpiError: an agent is not there, or of another game or network, ``mixing`` is outside 0 to 1, or ``out``
            exists.
    """
    agents = [load_game_agent(agent_folder(path)) for path in (policy, value, rollout)]
    first, second, fast = agents
    _fit(agents)
    folder = Path(out or f"alphago_search-{first.game.title}".replace(":", "-"))
    if folder.exists():
        raise LogpiError(f"{folder} is there already; give another --out")
    kept = {name: getattr(first.config, name) for name in KEPT}
    settings = AlphaGoSearch(**kept, mixing=mixing)
    check_ranges("method", settings)
    experiment = Experiment(first.facts["env"], alphago_search.name, Run(), settings, first.net)
    params = dict(zip(PARTS, (first.params, second.params, fast.params), strict=True))
    origin = {name: agent.facts["algo"] for name, agent in zip(PARTS, agents, strict=True)}
    save_game_agent(folder, params, experiment, {"algo": alphago_search.name, "parts": origin})
    return folder


def _fit(agents: list[GameAgent]) -> None:
    """Refuse agents that cannot be put together."""
    first, second, fast = agents
    for name, agent in zip(PARTS, agents, strict=True):
        if agent.game.id != first.game.id:
            raise LogpiError(f"the {name} plays {agent.game.id}, and the policy {first.game.id}; give one of the same")
    if second.net != first.net:
        others = [field.name for field in dataclasses.fields(first.net)]
        found = [f"{one} is {getattr(second.net, one)} there and {getattr(first.net, one)} here" for one in others]
        raise LogpiError(
            f"the value network is not of the policy's settings ({', '.join(found)}); train it with the same ones"
        )
    if fast.net.torso != "patterns":
        raise LogpiError(
            f"the rollout policy has the torso {fast.net.torso}, which is not fast; train one with `--torso patterns`"
        )
