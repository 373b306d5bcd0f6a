"""A trained policy as one function of arrays, for other programs to run (``logpi.export``).

All that ``Agent.act`` does is inside: the scale of observations, the network, the mask of illegal actions, the most
probable action, and its conversion to the environment's units. So is an outermost stack of frames. An agent that
remembers, by a recurrent cell or a stack, takes its state and gives the next one. Where ``first`` is true an episode
begins, and the state counts for nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from logpi.config.wrappers import wrappings
from logpi.control.agent import Agent
from logpi.envs.space_json import space_to_json
from logpi.envs.spaces import plain, to_env
from logpi.envs.wrappers import stacked_frames
from logpi.nets.convolution import ordinary_convolutions
from logpi.ops.collectives import where
from logpi.tasks import Exported
from logpi.types import Array, PyTree, Space

# (state, first [B], observation) -> (next state, the environment's action)
Step = Callable[[PyTree, Array, PyTree], tuple[PyTree, PyTree]]
BATCH = 3  # of the examples: no size of anything else, so that a batch that was taken for one would show
PADDINGS: Mapping[str, Callable[[Array], Array]] = {"reset": lambda frame: frame, "zero": jnp.zeros_like}


def exported(agent: Agent) -> Exported:
    """How ``agent`` acts greedily: observation (state, first) to action (next state)."""
    space = agent.spec.observation_space
    step, state, obs = deciding(agent), agent.policy.memory(BATCH), samples(space, BATCH)
    frames, padding = stack_of(agent.facts)
    if frames > 1 and padding in PADDINGS:
        step, state = stacking(step, PADDINGS[padding]), (state, jax.tree.map(lambda x: x[:, 1:], obs))
        obs = jax.tree.map(lambda x: x[:, -1], obs)
    seen, remembered = named("observation", obs), named("state", state)
    first: dict[str, Any] = {"first": np.array([True] + [False] * (BATCH - 1))} if remembered else {}

    @ordinary_convolutions()
    def function(*arrays: Array) -> Sequence[Array]:
        given = dict(zip([*seen, *first, *remembered], arrays, strict=True))
        shown = jax.tree.unflatten(jax.tree.structure(obs), [given[name] for name in seen])
        before = jax.tree.unflatten(jax.tree.structure(state), [given[name] for name in remembered])
        begins = given["first"] if first else jnp.zeros(arrays[0].shape[:1], bool)
        after, action = step(before, begins, shown)
        return [action, *jax.tree.leaves(after)]

    facts = {
        "observation_space": json.dumps(space_to_json(space)),
        "action_space": json.dumps(space_to_json(agent.spec.action_space)),
    }
    return Exported(function, {**seen, **first, **remembered}, ["action", *(f"next_{n}" for n in remembered)], facts)


def deciding(agent: Agent) -> Step:
    """The policy's most probable action; its recurrent memory is the state."""
    fresh = agent.policy.memory(1)

    def step(memory: PyTree, first: Array, obs: PyTree) -> tuple[PyTree, PyTree]:
        chosen = agent.act_on(agent.learner, where(first, fresh, memory), obs, jax.random.key(0), greedy=True)
        return chosen.memory, to_env(agent.spec.action_space, chosen.action)

    return step


def stacking(step: Step, padding: Callable[[Array], Array]) -> Step:
    """``step`` of single frames: its state has the frames before too, [B, n-1, ...]; ``padding`` fills a new stack."""

    def stacked(state: PyTree, first: Array, frame: PyTree) -> tuple[PyTree, PyTree]:
        memory, past = state
        blank = jax.tree.map(lambda x, old: jnp.broadcast_to(padding(x)[:, None], old.shape), frame, past)
        before = where(first, blank, past)
        obs = jax.tree.map(lambda old, new: jnp.concatenate([old, new[:, None]], 1), before, frame)
        memory, action = step(memory, first, obs)
        return (memory, jax.tree.map(lambda x: x[:, 1:], obs)), action

    return stacked


def stack_of(facts: Mapping[str, Any]) -> tuple[int, str]:
    """(frames of the stack that is the outermost wrapper of an agent's environment, how a new one is filled)."""
    wrappers = wrappings(facts.get("wrappers", ()))
    frames = stacked_frames(wrappers)
    return frames, str(wrappers[-1][1].get("padding_type", "reset")) if frames > 1 else ""


def samples(space: Space, batch: int) -> PyTree:
    """Random observations [batch, ...], as a policy gets them."""
    space = copy.deepcopy(space)  # its generator is the agent's
    space.seed(0)
    return jax.tree.map(lambda *x: np.stack(x), *(plain(space, space.sample()) for _ in range(batch)))


def named(name: str, tree: PyTree) -> dict[str, Any]:
    """The leaves of ``tree`` as NumPy arrays, by ``name`` and their place in it: "observation.speed"."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    places = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves]
    return {".".join(filter(None, (name, place))): np.asarray(x) for place, (_, x) in zip(places, leaves, strict=True)}
