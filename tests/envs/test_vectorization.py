"""Which way copies of an environment are stepped, and why not another."""

import dataclasses

import gymnasium
import pytest
from atari_extra import needs_atari

from logpi.control.sources import source_of
from logpi.envs import pools, vectorization
from logpi.envs.host import host_spec, make_host
from logpi.envs.load import Registered, registered
from logpi.envs.make import make_gymnasium
from logpi.envs.vectorization import WAYS, Wanted, choose
from logpi.envs.wrappers import Wrapped, expanded, layers
from logpi.errors import LogpiError

LANDER, PONG = "LunarLander-v3", "ALE/Pong-v5"


def wanted(name, wrappers=(), autoreset="next_step", **env_kwargs):
    factory = make_gymnasium(name)
    factory = Wrapped(factory, layers(expanded(wrappers))) if wrappers else factory
    return Wanted(factory, env_kwargs, host_spec(factory, env_kwargs), autoreset)


@pytest.fixture
def no_pool(monkeypatch):
    monkeypatch.setattr(pools, "version", lambda: None)


@pytest.fixture
def any_pool(monkeypatch):
    """An EnvPool that has every environment."""
    monkeypatch.setattr(pools, "version", lambda: "1.2.5")
    monkeypatch.setattr(pools, "differs", lambda spec: "")


def test_without_envpool_gymnasium_serves(no_pool):
    assert choose("auto", wanted(LANDER)).name == "sync"
    with pytest.raises(LogpiError, match=r"'envpool': EnvPool is not installed: pip install 'logpi\[fast\]'; allowed"):
        choose("envpool", wanted(LANDER))


def test_envpool_is_taken_where_it_serves(any_pool):
    assert choose("auto", wanted(LANDER)).name == "envpool"
    assert choose("sync", wanted(LANDER)).name == "sync"
    assert choose("auto", wanted("FrozenLake-v1")).name == "sync", "not compared with Gymnasium's"
    assert choose("envpool", wanted("FrozenLake-v1")).name == "envpool", "but it may be asked for"
    for other in (wanted(LANDER, [("time-limit", {"max_episode_steps": 9})]), wanted(LANDER, enable_wind=True)):
        assert choose("auto", other).name == "sync"
    assert choose("auto", wanted(LANDER, autoreset="same_step")).name == "sync"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            lambda: wanted(LANDER, [("time-limit", {"max_episode_steps": 9})]),
            "builds LunarLander-v3 itself",
        ),
        (lambda: wanted(LANDER, enable_wind=True), "takes no env_kwargs, and enable_wind is given"),
        (lambda: wanted(LANDER, autoreset="same_step"), "resets in the next step, and autoreset is same_step"),
    ],
)
def test_envpool_refuses_what_it_cannot_do(any_pool, given, words):
    with pytest.raises(LogpiError, match=f"vectorization 'envpool': .*{words}.*; allowed here: 'sync', 'async'"):
        choose("envpool", given())


ATARI = [("atari", {})]


@needs_atari
def test_ale_is_taken_for_games_in_the_standard_preprocessing(no_pool):
    assert choose("auto", wanted(PONG, ATARI)).name == "ale"
    assert choose("auto", wanted(PONG, ATARI, repeat_action_probability=0.0)).name == "ale"
    assert choose("auto", wanted(PONG, ATARI, mode=1)).name == "sync"
    assert choose("auto", wanted(PONG, [*ATARI, ("clip-reward", {"min_reward": -1})])).name == "sync"
    assert choose("auto", wanted(PONG)).name == "sync"


@needs_atari
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: wanted(LANDER), "LunarLander-v3 is not an Atari game of ale-py"),
        (lambda: wanted(PONG), r"within the standard preprocessing \(--wrapper atari\), and the wrappers are: none"),
        (lambda: wanted(PONG, ATARI, mode=1), "it takes of env_kwargs only repeat_action_probability, .*, and mode is"),
        (lambda: wanted(PONG, ATARI, "disabled"), "it resets in the next step, and autoreset is disabled"),
    ],
)
def test_ale_refuses_what_it_cannot_do(no_pool, given, words):
    with pytest.raises(LogpiError, match=f"vectorization 'ale': .*{words}.*; allowed here: 'sync', 'async'"):
        choose("ale", given())


def test_what_has_a_known_name_but_other_code_is_gymnasiums(any_pool):
    own = gymnasium.spec(LANDER)
    own = dataclasses.replace(own, entry_point="own.module:Lander")
    factory = Registered(LANDER, own)
    spec = host_spec(registered(LANDER))
    with pytest.raises(LogpiError, match="EnvPool builds LunarLander-v3 itself, without wrappers or code of your own"):
        choose("envpool", Wanted(factory, {}, spec))


@needs_atari
@pytest.mark.parametrize("more", [{"max_episode_steps": 100}, {"kwargs": {"game": "pong", "mode": 1}}])
def test_a_game_that_is_registered_otherwise_is_gymnasiums(no_pool, more):
    usual = wanted(PONG, ATARI)
    own = Registered(PONG, dataclasses.replace(usual.factory.make.spec, **more))
    found = usual._replace(factory=Wrapped(own, usual.factory.layers))
    assert choose("auto", found).name == "sync"
    with pytest.raises(LogpiError, match="ALE/Pong-v5 is registered with more than a game and its repeat_action"):
        choose("ale", found)


def test_an_unknown_way_is_refused():
    with pytest.raises(
        LogpiError, match="vectorization is 'threads'; allowed: 'auto', 'sync', 'async', 'ale', 'envpool'"
    ):
        make_host(LANDER, 2, vectorization="threads")


def test_a_function_of_a_program_is_gymnasiums(any_pool):
    made = make_host(lambda: gymnasium.make(LANDER), 2, vectorization="auto")
    assert made._vector.__class__.__name__ == "SyncVectorEnv"
    made.close()


def test_spaces_and_limits_of_envpool_must_be_gymnasiums(monkeypatch):
    envpool = pytest.importorskip("envpool")
    assert pools.differs(host_spec(registered(LANDER))) == ""
    assert pools.differs(host_spec(registered("BipedalWalker-v3"))) == ""
    spec = host_spec(registered(LANDER))
    assert "ends episodes after 1000 steps here, and Gymnasium after 7" in pools.differs(
        spec._replace(max_episode_steps=7)
    )
    assert "has no environment called Own-v0" in pools.differs(spec._replace(id="Own-v0"))
    assert "takes the actions" in pools.differs(spec._replace(action_space=gymnasium.spaces.Discrete(3)))
    assert "shows" in pools.differs(spec._replace(observation_space=gymnasium.spaces.Box(-1, 1, (3,))))
    assert LANDER in envpool.list_all_envs()


def test_the_choice_is_told_and_kept(no_pool):
    from logpi.config.experiments import resolve

    asked, _ = resolve(LANDER, "ppo")
    assert asked.run.vectorization == "auto"
    found, said = source_of(make_gymnasium(LANDER), {}).settled(asked)
    assert found.run.vectorization == "sync"
    version = gymnasium.__version__
    assert said == (f"training steps its environments in Gymnasium {version}, evaluations in Gymnasium {version}",)
    assert set(WAYS) == {"sync", "async", "ale", "envpool"}
    assert vectorization.PREFERRED[-1].name == "sync", "which serves everything"
