"""Curves are called by what differs between them, and by no more."""

import pytest

from logpi.view.labels import LONGEST, curves, distinct, shortened


def config(env="CartPole-v1", algo="ppo", network=None, env_kwargs=None, policy="", wrappers=(), **method):
    usual = {"learning_rate": 3e-4, "n_envs": 8, "normalize_obs": False}
    return {
        "env": env,
        "algo": algo,
        "policy": policy,
        "run": {"seed": 0},
        "method": {**usual, **method},
        "network": {"hidden": [64, 64], **(network or {})},
        "env_kwargs": env_kwargs or {},
        "wrappers": list(wrappers),
    }


STACK = [
    {"name": "frame-stack", "kwargs": {"stack_size": 4}},
    {"name": "/a/mine.py:Shift", "kwargs": {"by": 2, "up": False}},
]


def labels(*configs):
    found = curves(configs, [f"run_{place}" for place in range(len(configs))])
    return [(curve.panel, curve.label, curve.runs) for curve in found]


def test_runs_that_differ_in_the_seed_alone_are_one_curve():
    other = config() | {"run": {"seed": 7}}
    assert labels(config(), other, config(learning_rate=1e-3)) == [
        ("CartPole-v1", "learning_rate 0.0003", [0, 1]),
        ("CartPole-v1", "learning_rate 0.001", [2]),
    ]


@pytest.mark.parametrize(
    ("changes", "ours", "theirs"),
    [
        ({"network": {"hidden": [256, 256]}}, "hidden 64x64", "hidden 256x256"),
        ({"env_kwargs": {"gravity": 3.5}}, "gravity unset", "gravity 3.5"),
        ({"normalize_obs": True}, "normalize_obs off", "normalize_obs on"),
        ({"policy": "/home/me/nets.py:small"}, "policy unset", "policy nets.py:small"),
        ({"wrappers": STACK}, "wrappers unset", "wrappers frame-stack 4 + mine.py:Shift 2 off"),
        ({"wrappers": [5]}, "wrappers unset", "wrappers 5"),
        ({"data": "/data/cats.npz"}, "data unset", "data cats.npz"),
        ({"learning_rate": 1e-3, "n_envs": 16}, "learning_rate 0.0003, n_envs 8", "learning_rate 0.001, n_envs 16"),
    ],
)
def test_a_label_names_each_setting_that_differs(changes, ours, theirs):
    assert [label for _, label, _ in labels(config(), config(**changes))] == [ours, theirs]


def test_algorithms_are_compared_by_their_names_alone_and_each_with_itself_by_its_settings():
    found = labels(config(), config(algo="a2c", learning_rate=7e-4), config(learning_rate=1e-3))
    assert [label for _, label, _ in found] == ["ppo, learning_rate 0.0003", "a2c", "ppo, learning_rate 0.001"]


def test_each_environment_has_a_panel_in_which_its_settings_are_compared():
    found = labels(config(), config("Acrobot-v1", learning_rate=1e-3), config("/a/walk.py:Walk"))
    assert found == [("CartPole-v1", "ppo", [0]), ("Acrobot-v1", "ppo", [1]), ("walk.py:Walk", "ppo", [2])]
    alike = labels(config("/a/walk.py:Walk"), config("/b/walk.py:Walk"))
    assert [panel for panel, _, _ in alike] == ["/a/walk.py:Walk", "/b/walk.py:Walk"]


def test_what_differs_in_many_settings_is_cut_and_stays_told_apart():
    many = {f"a_setting_of_a_long_name_{k}": 1 for k in range(30)}
    third = {**many, "a_setting_of_a_long_name_29": 3}
    found = labels(config(**many), config(**dict.fromkeys(many, 2)), config(**third))
    names = [label for _, label, _ in found]
    assert len(set(names)) == 3
    assert all(len(name) <= LONGEST + len(", run_0") for name in names)
    assert "29 more" in names[0]


def test_long_names_keep_their_ends_and_stay_distinct():
    assert shortened("runs/alphazero/connect-four_1/stages/0001000000", 20).endswith("0001000000")
    assert len(shortened("x" * 99, 20)) == 20
    texts = list(distinct(["a" * 30 + "1" + "z" * 30, "a" * 30 + "2" + "z" * 30, "short"], 20))
    assert len(set(texts)) == 3
    assert texts[2] == "short"
