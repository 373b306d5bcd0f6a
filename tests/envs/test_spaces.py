"""Spaces: the policy's action in the environment's bounds, flat observations, JSON without loss."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from logpi.envs.space_json import space_from_json, space_to_json
from logpi.envs.spaces import check_spaces, encode, plain, size, to_env
from logpi.errors import LogpiError
from logpi.types import EnvSpec

SPACES = [
    spaces.Box(-np.inf, np.inf, (3,)),
    spaces.Box(np.array([-1.5, 0.1, -np.inf]), np.array([np.inf, 0.3, np.inf]), dtype=np.float64),
    spaces.Box(np.array([[0.1, -3e38]], np.float32), np.array([[0.7, 3e38]], np.float32)),
    spaces.Box(0, 255, (4, 3, 2), np.uint8),
    spaces.Box(-(2**62) - 1, 2**62 + 1, (2,), np.int64),
    spaces.Box(np.array([-5, 7]), np.array([5, 2**61 + 1]), dtype=np.int64),
    spaces.Box(-np.inf, np.inf, (2,), np.int64),
    spaces.Box(np.array([-np.inf, -3]), np.array([np.inf, 3]), dtype=np.int32),
    spaces.Box(0.0, 1.0, ()),
    spaces.Discrete(5),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 5]),
    spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, -1], [7, 1]], dtype=np.int32),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.Dict(OrderedDict(z=spaces.Discrete(2), a=spaces.Tuple([spaces.Box(0, 1), spaces.MultiBinary(2)]))),
    spaces.Dict({"inner": spaces.Dict({"k": spaces.Discrete(4, start=2)})}),
]


def exactly_equal(a: spaces.Space, b: spaces.Space) -> bool:
    """Box.__eq__ is np.allclose; this is to the last bit, and Dicts in the same order."""
    if isinstance(a, spaces.Dict):
        pairs = zip(a.spaces.values(), b.spaces.values(), strict=True)
        return list(a.spaces) == list(b.spaces) and all(exactly_equal(x, y) for x, y in pairs)
    if isinstance(a, spaces.Tuple):
        return all(exactly_equal(x, y) for x, y in zip(a.spaces, b.spaces, strict=True))
    if isinstance(a, spaces.Box):
        sides = ("low", "high", "bounded_below", "bounded_above")
        same = all(np.array_equal(getattr(a, side), getattr(b, side)) for side in sides)
        return same and a.dtype == b.dtype and a.shape == b.shape
    return a == b and a.dtype == b.dtype


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_json_round_trip_is_exact(space: spaces.Space) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = json.dumps(space_to_json(space), allow_nan=False)
        assert exactly_equal(space_from_json(json.loads(text)), space)


def test_json_of_an_image_is_short() -> None:
    assert len(json.dumps(space_to_json(spaces.Box(0, 255, (210, 160, 3), np.uint8)))) < 200


@pytest.mark.parametrize(
    "data",
    [
        {"type": "Graph"},
        {},
        {"type": "Box", "shape": [2], "dtype": "object", "low": 0, "high": 1},
        {"type": "Box", "shape": [2], "dtype": "float32", "low": [0, 0, 0], "high": 1},
        {"type": "Discrete", "n": -1, "start": 0, "dtype": "int64"},
        {"type": "Tuple", "spaces": [3]},
        [],
    ],
    ids=str,
)
def test_json_refuses_what_it_did_not_write(data: dict) -> None:
    with pytest.raises(LogpiError, match="not a saved space"):
        space_from_json(data)
    with pytest.raises(LogpiError, match="cannot be saved"):
        space_to_json(spaces.Text(3))


@pytest.fixture(autouse=True)
def _no_rank_promotion():
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.mark.parametrize("as_jax", [False, True])
@pytest.mark.parametrize("batch", [(), (6,), (2, 3)])
def test_actions_land_in_the_space(batch: tuple[int, ...], as_jax: bool) -> None:
    rng = np.random.default_rng(0)
    cases = [
        (spaces.Discrete(3, start=-1), rng.integers(3, size=batch)),
        (spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, -1], [7, 1]]), rng.integers(2, size=(*batch, 4))),
        (spaces.MultiBinary([2, 3]), rng.integers(2, size=(*batch, 6))),
        (spaces.Box(-1, 1, (2, 3)), rng.normal(size=(*batch, 6))),
        (spaces.Box(-1, 1, ()), rng.normal(size=(*batch, 1))),
        (spaces.Box(np.float32([-2, 0.5]), np.float32([2, 0.7])), rng.normal(size=(*batch, 2))),
        (spaces.Box(-np.inf, np.inf, (2,)), 100 * rng.normal(size=(*batch, 2))),
        (spaces.Box(0, 255, (2,), np.uint8), rng.normal(size=(*batch, 2))),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for space, action in cases:
            moved = to_env(space, jnp.asarray(action) if as_jax else action)
            assert isinstance(moved, jax.Array) == as_jax
            assert moved.shape == (*batch, *space.shape)
            for one in np.asarray(moved).reshape((-1, *space.shape)).astype(space.dtype):
                assert space.contains(np.asarray(one))


def test_the_offsets_of_discrete_actions() -> None:
    assert to_env(spaces.Discrete(3, start=-1), np.array([0, 2])).tolist() == [-1, 1]
    grid = spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, -1], [7, 1]])
    assert to_env(grid, np.array([1, 2, 3, 4])).tolist() == [[1, 1], [10, 5]]


def test_box_actions_are_scaled_to_the_bounds_and_clipped() -> None:
    space = spaces.Box(np.array([-2, 0], np.float32), np.array([2, 10], np.float32))
    action = np.array([[-1, -1], [0, 0], [1, 1], [0.5, 0.5], [9, -9]], np.float32)
    expected = np.array([[-2, 0], [0, 5], [2, 10], [1, 7.5], [2, 0]], np.float32)
    np.testing.assert_array_equal(to_env(space, action), expected)
    np.testing.assert_array_equal(to_env(space, jnp.asarray(action)), expected)
    np.testing.assert_array_equal(jax.jit(lambda a: to_env(space, a))(jnp.asarray(action)), expected)


def test_wide_and_open_boxes() -> None:
    wide = spaces.Box(np.float32(-3e38), np.float32(3e38), (1,))
    np.testing.assert_array_equal(to_env(wide, np.ones((1,), np.float32)), np.float32([3e38]))
    double = spaces.Box(-1e308, 1.7e308, (1,), np.float64)
    np.testing.assert_allclose(to_env(double, np.ones((1,), np.float32)), [1.7e308])
    mixed = spaces.Box(np.float32([0, -np.inf]), np.float32([4, np.inf]))
    np.testing.assert_array_equal(to_env(mixed, np.float32([1, 123])), np.float32([4, 123]))
    levels = to_env(spaces.Box(0, 4, (1,), np.int32), np.float32([[-1], [0.1], [0.9]]))
    assert levels.dtype == np.int32
    assert levels.ravel().tolist() == [0, 2, 4]
    for dtype in (np.int64, np.uint64):
        ends = np.iinfo(dtype)
        found = to_env(spaces.Box(ends.min, ends.max, (2,), dtype), np.float32([-1, 1]))
        assert found[0] == ends.min
        assert ends.max - found[1] < ends.max // 10**15, "not the smallest, by overflow"


def test_encode_writes_every_part_in_order() -> None:
    space = spaces.Dict(
        OrderedDict(
            z=spaces.Discrete(3, start=5),
            image=spaces.Box(0, 255, (1, 2), np.uint8),
            action_mask=spaces.MultiBinary(4),
            pair=spaces.Tuple([spaces.MultiDiscrete([2, 3], start=[1, 0]), spaces.MultiBinary(2)]),
        )
    )
    obs = {
        "z": np.int64(6),
        "image": np.array([[255, 51]], np.uint8),
        "action_mask": np.ones(4, np.int8),
        "pair": (np.array([2, 2]), np.array([1, 0], np.int8)),
    }
    flat = [1, 0.2, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0]
    assert size(space) == len(flat)
    encoded = encode(space, obs)
    assert encoded.dtype == jnp.float32
    np.testing.assert_allclose(encoded, flat, rtol=1e-6)
    batched = jax.tree.map(lambda x: jnp.broadcast_to(x, (2, 3, *np.shape(x))), obs)
    np.testing.assert_allclose(jax.jit(lambda o: encode(space, o))(batched)[1, 2], flat, rtol=1e-6)


def test_observations_are_read_by_the_keys_of_the_space() -> None:
    space = spaces.Dict({"b": spaces.Box(0, 2**62, (2,), np.int64), "a": spaces.Tuple([spaces.Discrete(3)])})
    given = OrderedDict([("b", np.array([1_700_000_000_000, 7])), ("more", "text"), ("a", [np.int64(2)])])
    found = plain(space, given)
    assert jax.tree.structure(found) == jax.tree.structure({"a": (0,), "b": 0})
    assert found["b"].dtype == np.float32
    np.testing.assert_allclose(found["b"], [1.7e12, 7], rtol=1e-6)
    assert (found["a"][0].dtype, int(found["a"][0])) == (np.int32, 2)
    for wrong in ({"b": [0, 0]}, {"b": "text", "a": [0]}, 3):
        with pytest.raises(LogpiError, match="observation"):
            plain(space, wrong)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_size_is_the_length_of_encode(space: spaces.Space) -> None:
    space.seed(0)
    assert encode(space, space.sample()).shape == (size(space),)


def spec(observation: spaces.Space, action: spaces.Space) -> EnvSpec:
    return EnvSpec("Toy-v0", observation, action)


BOX = spaces.Box(-1, 1, (2,))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_supported_spaces_pass(space: spaces.Space) -> None:
    check_spaces(spec(space, spaces.Discrete(2)))


@pytest.mark.parametrize(
    ("observation", "action", "words"),
    [
        (spaces.Text(3), spaces.Discrete(2), "observation space Text"),
        (spaces.Dict({"a": spaces.Tuple([spaces.Text(3)])}), spaces.Discrete(2), r"observation\['a'\]\[0\]"),
        (BOX, spaces.Dict({"a": spaces.Discrete(2)}), "action space Dict"),
        (BOX, spaces.Box(np.float32([0, 0]), np.float32([1, np.inf])), "one side only"),
        (BOX, spaces.Box(-1, 1, (0,)), "nothing to choose"),
        (spaces.Discrete(3, start=2**40), spaces.Discrete(2), "beyond 32 bits"),
        (spaces.Tuple([spaces.MultiDiscrete([2], start=[2**31])]), spaces.Discrete(2), r"observation\[0\].*beyond 32"),
        (spaces.Dict({"action_mask": spaces.MultiBinary(2)}), spaces.Discrete(2), "nothing to observe"),
        (
            spaces.Dict({"o": BOX, "action_mask": spaces.MultiBinary(3)}),
            spaces.Discrete(2),
            "there are 2 actions",
        ),
        (spaces.Dict({"o": BOX, "action_mask": spaces.MultiBinary(2)}), BOX, "needs a Discrete"),
    ],
)
def test_unsupported_spaces_are_named(observation: spaces.Space, action: spaces.Space, words: str) -> None:
    with pytest.raises(LogpiError, match=words) as caught:
        check_spaces(spec(observation, action))
    assert "Toy-v0" in str(caught.value)
