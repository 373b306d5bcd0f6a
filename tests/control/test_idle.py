"""A setting that would do nothing is refused with the reason, and no recipe has one."""

import contextlib
import dataclasses

import pytest
from gymnasium import spaces
from small import Watcher

from logpi.config.experiments import check_used, resolve
from logpi.config.settings import idle_because
from logpi.config.stored import recipes
from logpi.control.build import idle_settings
from logpi.control.sources import source_of
from logpi.errors import LogpiError
from logpi.methods import all_methods
from logpi.tasks import NO_ENVIRONMENTS, NOTHING, Own, task_of
from logpi.training import session
from logpi.types import Algorithm, DeviceEnv, EnvSpec

BOX, PIXELS = spaces.Box(-1, 1, (3,)), spaces.Box(0, 255, (40, 40, 3), "uint8")
HOST = None  # stands for a factory of environments
DEVICE = DeviceEnv(spec=EnvSpec("device-v0", BOX, BOX, None), reset=None, step=None)


def refused(env, algo, tables, observation=BOX, action=BOX, source=HOST, whole=False, limit=None, own=NOTHING):
    """The message that refuses these settings; "" where they pass."""
    experiment = resolve(env, algo, tables)[0]
    spec = EnvSpec(env, observation, action, limit)
    algorithm = Algorithm(*[None] * 6, whole_episodes=whole)
    try:
        check_used(experiment, idle_settings(experiment, source_of(source, {}), spec, algorithm, own))
    except LogpiError as error:
        return str(error)
    return ""


CASES = {
    "vectors on the device": ({"run": {"vectorization": "async"}}, {"source": DEVICE}, "environments on the host"),
    "autoreset on the device": ({"run": {"autoreset": "disabled"}}, {"source": DEVICE}, "environments on the host"),
    "nothing to scale": (
        {"method": {"normalize_obs": True}},
        {"observation": spaces.Discrete(3)},
        "no numbers to scale",
    ),
    "pixels": ({"method": {"normalize_obs": True}}, {"observation": PIXELS}, "no numbers to scale"),
    "squash": ({"network": {"squash": True}}, {"action": spaces.Discrete(3)}, "Gaussian policy"),
    "deviation": ({"network": {"log_std_init": -1.0}}, {"action": spaces.MultiBinary(3)}, "Gaussian policy"),
    "layers of images": ({"network": {"hidden": [8]}}, {"observation": PIXELS}, "convolutions"),
    "size without a memory": ({"network": {"memory_size": 8}}, {}, "memory is gru or lstm"),
    "one torso anyway": ({"network": {"shared": True, "memory": "gru"}}, {}, "a memory always has one torso"),
    "own network": ({"network": {"hidden": [8]}}, {"own": Own(policy=object())}, "the network is your own"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_nothing_is_refused_with_the_reason(case):
    tables, where, why = CASES[case]
    found = refused("Own-v0", "ppo", tables, **where)
    assert "which would do nothing: " in found
    assert why in found
    assert found.endswith("leave it out")


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        ({"run": {"vectorization": "async", "autoreset": "disabled"}}, {}),
        ({"method": {"normalize_obs": True}}, {"observation": spaces.Dict({"a": BOX, "b": PIXELS})}),
        ({"method": {"normalize_obs": True}}, {"observation": spaces.Box(0, 1000, (2,), "int64")}),
        ({"network": {"hidden": [8], "torso": "mlp"}}, {"observation": PIXELS}),
        ({"network": {"memory": "gru", "memory_size": 8, "squash": True}}, {}),
        (
            {"network": {"memory_size": 64, "squash": False}},
            {"action": spaces.Discrete(2)},
        ),
    ],
)
def test_what_does_something_passes(tables, where):
    assert refused("Own-v0", "ppo", tables, **where) == ""


@pytest.mark.parametrize(
    ("algo", "action", "network", "idle"),
    [
        ("sac", BOX, {"hidden": [8]}, False),  # the critics' layers behind image and action
        ("td3", BOX, {"activation": "tanh"}, False),
        ("sac_discrete", spaces.Discrete(3), {"hidden": [8]}, True),
        ("qac", spaces.Discrete(3), {"activation": "relu"}, True),
        ("dqn", spaces.Discrete(3), {"hidden": [8]}, True),
        ("dqn", spaces.Discrete(3), {"activation": "tanh"}, True),
        ("dqn", spaces.Discrete(3), {"activation": "tanh", "dueling": True}, False),
        ("dqn", spaces.Discrete(3), {"hidden": [8], "dueling": True}, True),
    ],
)
def test_settings_of_networks_behind_convolutions(algo, action, network, idle):
    found = refused("Own-v0", algo, {"network": network}, observation=PIXELS, action=action)
    assert ("convolutions" in found) == idle
    assert bool(found) == idle


def test_settings_of_methods():
    assert "rung is value" in refused("Own-v0", "reinforce", {"method": {"rung": "discounted", "vf_steps": 3}})
    assert "neither total-reward" in refused("Own-v0", "reinforce", {"method": {"rung": "total-reward", "gamma": 0.5}})
    assert "limit is 9 steps" in refused("Own-v0", "reinforce", {"method": {"n_steps": 5}}, whole=True, limit=9)
    assert refused("Own-v0", "reinforce", {"method": {"n_steps": 5}}, whole=True) == ""


@pytest.mark.parametrize(
    ("env", "algo", "section", "name", "value", "why"),
    [
        ("connect-four", "alphazero", "method", "temperature", 0.5, "search is puct"),
        ("connect-four", "alphago_zero", "method", "random_opening_plies", 3, "random_opening_fraction"),
        ("ram/mnist", "ram", "method", "distractor_size", 4, "num_distractors"),
        ("ram/mnist", "classifier", "network", "hidden", [8], "net is fc"),
        ("connect-four", "alphazero", "run", "vectorization", "async", "environments on the host"),
    ],
)
def test_games_and_images(env, algo, section, name, value, why):
    experiment = resolve(env, algo, {section: {name: value}})[0]
    with pytest.raises(LogpiError, match=f"{section}.{name} is .*{why}"):
        check_used(experiment, NO_ENVIRONMENTS)


@pytest.mark.parametrize(
    ("algo", "name", "does_something"),
    [
        ("alphazero", "max_considered_actions", True),  # its self-play searches by gumbel, its play by puct
        ("alphazero", "c_init", True),
        ("alphago_zero", "c_visit", False),
        ("alphago", "c_visit", False),
        ("alphago_rl", "c_init", True),
    ],
)
def test_settings_of_a_search_are_used_where_one_of_the_searches_is_of_their_kind(algo, name, does_something):
    experiment = resolve("tic-tac-toe", algo, {"method": {name: 3}})[0]
    with contextlib.nullcontext() if does_something else pytest.raises(LogpiError, match="would do nothing"):
        check_used(experiment, NO_ENVIRONMENTS)


def test_what_a_game_lacks(tmp_path):
    tables = {"method": {"ownership_coef": 0.5}, "run": {"log_dir": str(tmp_path)}}
    with pytest.raises(LogpiError, match=r"ownership_coef is 0\.5, which would do nothing: connect-four has no points"):
        session.start(resolve("connect-four", "alphazero", tables)[0], ["test"], Watcher())
    assert not list(tmp_path.iterdir())


def test_a_recipe_is_no_request():
    """What a recipe sets for another setting that the person turns off is not refused."""
    off = {"method": {"random_opening_fraction": 0.0}}
    check_used(resolve("connect-four", "alphazero", off)[0], NO_ENVIRONMENTS)


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: f"{recipe.env} {recipe.algo}")
def test_no_recipe_sets_what_does_nothing(recipe):
    experiment = resolve(recipe.env, recipe.algo)[0]
    for config in (experiment.method, experiment.network):
        for field in dataclasses.fields(config):
            changed = getattr(config, field.name) not in (field.default, 0)  # 0: fitted to the images
            assert not (changed and idle_because(config, field.name)), field.name
    assert task_of(recipe.env).name


def test_every_rule_names_settings_that_there_are():
    for method in all_methods():
        for kind in (method.settings, method.network):
            names = {field.name for field in dataclasses.fields(kind)}
            rules = [rule for base in kind.__mro__ for rule in vars(base).get("uses", ())]
            assert names >= {name for rule in rules for name in rule.names}
            for rule in rules:
                rule.matters(kind())
