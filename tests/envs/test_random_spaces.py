"""Whatever the spaces: what the checker, training, an agent, a film and a resumed run take is the same."""

import json
from collections import OrderedDict
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
import random_env
from gymnasium import spaces
from random_env import RandomEnv, drawn
from small import Killed, Watcher, experiment, only_run, quick_compilation, resume, stepped

from logpi import api
from logpi.envs.actions import random_action
from logpi.envs.checker import check
from logpi.envs.checker.check import check_env
from logpi.envs.host import make_host
from logpi.envs.space_json import space_from_json, space_to_json
from logpi.envs.spaces import plain
from logpi.nets.policy import example
from logpi.own_code import name_code
from logpi.training import session

FILE = str(Path(random_env.__file__))
SHAPES = [(), (1,), (3,), (2, 2), (1, 2, 1)]
FLOATS = [np.float16, np.float32, np.float64]
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


@st.composite
def boxes(draw):
    dtype, shape = draw(st.sampled_from(FLOATS + INTEGERS)), draw(st.sampled_from(SHAPES))
    if dtype in FLOATS:
        low, high = draw(st.sampled_from([(-np.inf, np.inf), (-1, 1), (-100, 3), (0, np.inf)]))
    else:
        ends = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(ends.min, ends.max), (0, 7), (ends.max - 3, ends.max)]))
    return spaces.Box(np.full(shape, low, dtype), np.full(shape, high, dtype), dtype=dtype)


LEAVES = (
    boxes()
    | st.sampled_from([spaces.Discrete(1), spaces.Discrete(5, start=-3), spaces.Discrete(4, start=2**31 - 9)])
    | st.sampled_from([spaces.MultiDiscrete([3, 4]), spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, -1], [7, 1]])])
    | st.sampled_from([spaces.MultiBinary(3), spaces.MultiBinary([2, 3])])
)
OBSERVATIONS = st.recursive(
    LEAVES,
    lambda parts: (
        st.lists(parts, min_size=1, max_size=3).map(spaces.Tuple)
        | st.dictionaries(st.sampled_from("zyxab"), parts, min_size=1, max_size=3).map(
            lambda found: spaces.Dict(OrderedDict(found))
        )
    ),
    max_leaves=5,
)
ACTIONS = [  # few, as each compiles its distribution once
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, -1], [7, 1]]),
    spaces.MultiBinary([2, 3]),
    spaces.Box(-1, 1, (2, 3)),
    spaces.Box(-np.inf, np.inf, ()),
    spaces.Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (2,), np.int64),
    spaces.Box(0, np.iinfo(np.uint64).max, (1, 2), np.uint64),
    spaces.Box(np.float64([-1e300, 0]), np.float64([1e300, 5]), dtype=np.float64),
]


def kwargs(observation, action):
    return {"observation": json.dumps(space_to_json(observation)), "action": json.dumps(space_to_json(action))}


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(OBSERVATIONS, st.sampled_from(ACTIONS))
def test_the_boundary_takes_what_environments_give_and_gives_what_they_take(observation, action):
    assert space_from_json(json.loads(kwargs(observation, action)["observation"])) == observation
    vector = make_host(RandomEnv, 2, env_kwargs=kwargs(observation, action))
    vector.reset(0)
    shown = example(observation)
    for t in range(8):
        chosen = random_action(action, jax.random.key(t), (2,))
        step = stepped(vector, 3 * chosen if isinstance(action, spaces.Box) else chosen)  # and far outside the bounds
        for seen in (step.obs, vector.start):
            assert jax.tree.structure(seen) == jax.tree.structure(shown)
            for leaf, expected in zip(jax.tree.leaves(seen), jax.tree.leaves(shown), strict=True):
                assert (leaf.shape, leaf.dtype) == ((2, *expected.shape), expected.dtype)
    single = drawn(observation, np.random.default_rng(0))
    alone = plain(observation, single)
    assert jax.tree.structure(alone) == jax.tree.structure(shown)
    assert all(x.shape == y.shape for x, y in zip(jax.tree.leaves(alone), jax.tree.leaves(shown), strict=True))
    vector.close()


WHOLE = {  # observation, action
    "nested": (
        spaces.Dict(
            {
                "z": spaces.Tuple([spaces.Box(-1, 1, (2, 1), np.float16), spaces.Discrete(3, start=5)]),
                "a": spaces.Dict({"n": spaces.Box(-9, 9, (), np.int16), "b": spaces.MultiBinary([2, 2])}),
            }
        ),
        spaces.Box(np.float64([[-1, 0], [2, -np.inf]]), np.float64([[1, 5], [3, np.inf]]), dtype=np.float64),
    ),
    "mask": (
        spaces.Dict({"t": spaces.Box(0, 2**62, (2,), np.int64), "action_mask": spaces.Box(0, 1, (4,), np.int8)}),
        spaces.Discrete(4, start=3),
    ),
    "grids": (
        spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, -1], [7, 1]]),
        spaces.MultiDiscrete([[2, 3], [2, 2]], start=[[0, -1], [7, 1]]),
    ),
    "switches": (spaces.Box(0, 2**64 - 1, (1, 3), np.uint64), spaces.MultiBinary([2, 3])),
}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.mark.parametrize("case", WHOLE)
def test_checked_trained_resumed_loaded_and_filmed(case, tmp_path, monkeypatch):
    observation, action = WHOLE[case]
    name, arguments = f"{FILE}:RandomEnv", kwargs(observation, action)
    monkeypatch.setenv("LOGPI_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(check, "VECTOR_SECONDS", 0.02)
    name_code(name)
    report = check_env(lambda **more: RandomEnv(**arguments, **more), steps=60)
    assert report.ok, report.findings
    chosen = experiment(name, "a2c", tmp_path, env_kwargs=arguments, n_envs=2, n_steps=4, total_timesteps=48)
    with pytest.raises(Killed):
        session.start(chosen, ["test"], Watcher(kill_at=3))
    folder = only_run(tmp_path)
    resume(folder)
    assert folder.status == "finished"
    agent = api.load(folder.path)
    single = drawn(observation, np.random.default_rng(0))
    if isinstance(single, dict) and "action_mask" in single:
        single["action_mask"][:] = [0, 0, 1, 0]
        assert agent.act(single, greedy=False) == 5
    assert all(action.contains(agent.act(single, greedy=greedy)) for greedy in (True, False))
    film = api.film(agent, tmp_path / "film.mp4")
    assert film.stat().st_size > 0
    facts = api.evaluate(agent, 2).facts
    assert np.isfinite(facts["returns"]).all()
