"""Runs whose environments step in fast vectors: the choice is told, kept in the run, and kept or refused by resume."""

import json
import tomllib
from importlib.metadata import version

import pytest
from atari_extra import needs_atari
from small import METHODS, RUN, Killed, Watcher, only_run, quick_compilation, resume

from logpi.config.experiments import resolve
from logpi.envs import pools
from logpi.errors import LogpiError
from logpi.training import session

SMALL = {"wrappers": [("atari", {"screen_size": 16})]}  # too small for convolutions
SHORT = {"env_kwargs": {"max_num_frames_per_episode": 200}}
PONG, LANDER = "ALE/Pong-v5", "LunarLander-v3"


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def tiny(env, log_dir, *tables, n_envs=4, **run):
    quiet = {**RUN, "log_dir": str(log_dir), "eval_points": 0, "final_episodes": 1, "checkpoint_points": 10, **run}
    method = {**METHODS["ppo"], "n_envs": n_envs, "total_timesteps": 320}
    return resolve(env, "ppo", {"run": quiet, "method": method, "network": {"hidden": [8]}}, *tables)[0]


def killed(chosen):
    """(the folder of a run that was killed after a checkpoint, what it told)."""
    watcher = Watcher(kill_at=3)
    with pytest.raises(Killed):
        session.start(chosen, ["test"], watcher)
    return only_run(chosen.run.log_dir), watcher.told


def vectorization_of(folder):
    return tomllib.loads(folder.config_file.read_text())["run"]["vectorization"]


@needs_atari
def test_a_game_steps_in_the_threads_of_ale_py(tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "version", lambda: None)
    folder, told = killed(tiny(PONG, tmp_path, SMALL, SHORT))
    assert any(
        "training steps its environments in ale-py " in text and "evaluations in Gymnas" in text for text in told
    )
    assert vectorization_of(folder) == "ale"
    manifest = folder.manifest
    manifest["versions"]["ale-py"] = "0.0.1"
    folder.manifest_file.write_text(json.dumps(manifest))
    watcher = Watcher()
    resume(folder, watcher)
    assert [text for text in watcher.told if "begun with" in text] == [
        f"begun with ale-py 0.0.1, goes on with {version('ale-py')}: its environments may differ"
    ]
    assert folder.status == "finished"
    assert vectorization_of(folder) == "ale"


def test_a_run_of_envpool_is_not_continued_without_it(tmp_path, monkeypatch):
    pytest.importorskip("envpool")
    folder, told = killed(tiny(LANDER, tmp_path))
    assert any("its environments in EnvPool " in text and "evaluations in Gymnasium " in text for text in told)
    assert vectorization_of(folder) == "envpool"
    with monkeypatch.context() as patch:
        patch.setattr(pools, "version", lambda: None)
        with pytest.raises(LogpiError, match="'envpool': EnvPool is not installed: pip install"):
            resume(folder)
    resume(folder)
    assert folder.status == "finished"


def test_half_batches_train(tmp_path):
    chosen = tiny("FrozenLake-v1", tmp_path, vectorization="async", half_batches=True)
    folder = session.start(chosen, ["test"], Watcher()).folder
    assert folder.status == "finished"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vectorization": "sync"}, "half_batches with vectorization 'sync': .* choose 'async', 'ale' or 'envpool'"),
        ({"vectorization": "async", "n_envs": 3}, "half_batches needs an even n_envs, and it is 3"),
    ],
)
def test_half_batches_that_cannot_be(tmp_path, options, words):
    with pytest.raises(LogpiError, match=words):
        session.start(tiny("FrozenLake-v1", tmp_path, half_batches=True, **options), ["test"], Watcher())


def test_a_device_environment_has_no_vector(tmp_path):
    with pytest.raises(LogpiError, match=r"vectorization.*it is for environments on the host"):
        session.start(tiny("CartPole-v1", tmp_path, vectorization="envpool"), ["test"], Watcher())
