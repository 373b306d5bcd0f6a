"""Every mistake that can be foreseen: one message that helps, an exit code, and a run that is intact."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from disks import fill, small_disk
from small import Killed, Watcher, experiment, flags, only_run, outcome, quick_compilation, resume

from logpi.cli.main import main
from logpi.errors import LogpiError
from logpi.own_code import name_code
from logpi.runs import files
from logpi.training import session

DEVICE_ENV = """
import jax.numpy as jnp, numpy as np
from gymnasium import spaces

class Own:
    observation_space = spaces.Box(-1000.0, 1000.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, key):
        return jnp.int32(0), jnp.zeros(2)

    def step(self, state, action, key):
        t = state + 1
        obs, reward = jnp.full(2, t / 100.0), (action == t % 2) + 0.0
        {fault}
        return t, obs, reward, t == 50
"""
HOST_ENV = """
import gymnasium, numpy as np
from gymnasium import spaces

class Own(gymnasium.Env):
    observation_space = spaces.Box(-1000.0, 1000.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {{}}

    def step(self, action):
        self.t = t = self.t + 1
        obs, reward = np.full(2, t / 100, np.float32), float(action == t % 2)
        {fault}
        return obs, reward, t == 50, False, {{}}
"""
MENDED = "pass"


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


@pytest.fixture
def fails(capfd):
    """Run a command that must fail; returns what it printed on stderr."""

    def run(*argv, code=1):
        try:
            got = main([*map(str, argv)])
        except SystemExit as end:
            got = end.code
        error = capfd.readouterr().err
        assert got == code, error
        assert "Traceback" not in error
        if code == 1:
            assert error.startswith(f"logpi {argv[0]}: ")
            assert error.count("\n") == 1, "one message"
        return " ".join(error.replace("│", " ").split())

    return run


def contains(text, *parts):
    for part in parts:
        assert str(part) in text


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; tests damage copies of it."""
    return session.start(experiment("CartPole-v1", "ppo", tmp_path_factory.mktemp("run")), ["test"], Watcher()).folder


NAMES = [
    (["train", "CartPol-v1"], ["unknown environment 'CartPol-v1'", "did you mean CartPole-v", "logpi envs"]),
    (["train", "nowhere.py:Own"], ["no such file", "nowhere.py"]),
    (["train", "no_module_here:Own-v0"], ["no_module_here", "Is it installed", "path/file.py:Class"]),
    (
        ["train", "CartPole-v1", "--algo", "pp"],
        ["unknown algorithm 'pp'", "a2c, actor_critic", "did you mean ppo"],
    ),
    (["train", "CartPole-v1", "--config", "none.toml"], ["cannot read the config file none.toml", "No such file"]),
    (["train", "CartPole-v1", "--env-kwargs", "gravity"], ["'gravity' is not an assignment", "NAME=VALUE"]),
    (["train", "CartPole-v1", "--env-kwargs", "colour=3"], ["CartPole-v1", "colour"]),
    (["train", "CartPole-v1", "--batch-size", "7"], ["batch_size=7 does not divide", "allowed: 2, 4, 8"]),
    (["resume", "nothing"], ["nothing is not a run folder", "logpi train"]),
    (["eval", "nothing"], ["nothing is not a run folder", "logpi runs"]),
    (["watch", "nothing"], ["nothing is not a run folder"]),
    (["plot", "nothing"], ["nothing is not a run folder"]),
    (["plot"], ["no run given", "logpi runs"]),
    (["watch", "--random", "CartPol-v1"], ["unknown environment 'CartPol-v1'"]),
    (["watch", "--random", "probe/chain-v0"], ["draws no pictures"]),
    (["check-env", "CartPole-v1", "--steps", "0"], ["--steps 0; allowed: 1 to"]),
    (["check-game", "hex-5x5", "--games", "0"], ["--games 0; allowed: 1 to"]),
    (["watch", "--random", "CartPole-v1", "--seed=-1"], ["--seed -1; allowed: 0 to"]),
    (["arena", "tic-tac-toe", "random", "mcts:8", "--seconds=-1"], ["--seconds -1.0; allowed: 0.001 to"]),
    (["watch", "--random", "pgx:tic_tac_toe"], ["pgx:tic_tac_toe is not an environment", "CartPole-v1"]),
]


@pytest.mark.parametrize(("argv", "parts"), NAMES, ids=[" ".join(argv) for argv, _ in NAMES])
def test_names(fails, tmp_path, monkeypatch, argv, parts):
    monkeypatch.chdir(tmp_path)
    contains(fails(*argv), *parts)
    assert not any(tmp_path.rglob("manifest.json")), "no run folder for a run that cannot be"


RANGES = {
    "--seed=-1": "run.seed is -1; it must be between 0 and",
    "--seeds=0": "run.seeds is 0; it must be at least 1",
    "--final-episodes=0": "run.final_episodes is 0; it must be at least 1",
    "--log-points=0": "run.log_points is 0; it must be at least 1",
    "--keep-checkpoints=0": "run.keep_checkpoints is 0; it must be at least 1",
    "--checkpoint-points=-1": "run.checkpoint_points is -1; it must be at least 0",
    "--total-timesteps=inf": "method.total_timesteps is inf; it must be above 0 and at most 2e+09",
    "--total-timesteps=nan": "method.total_timesteps is nan",
    "--n-envs=0": "method.n_envs is 0; it must be at least 1",
    "--learning-rate=-1": "method.learning_rate is -1.0; it must be at least 0",
    "--learning-rate=nan": "method.learning_rate is nan",
    "--gamma=1.5": "method.gamma is 1.5; it must be between 0 and 1",
    "--hidden=0": "network.hidden is (0,); it must be positive integers",
    "--memory-size=0": "network.memory_size is 0; it must be at least 1",
}


@pytest.mark.parametrize("flag", RANGES)
def test_ranges(fails, flag):
    contains(fails("train", "CartPole-v1", flag), RANGES[flag])


def test_usage(fails):
    contains(fails("trian", code=2), "unknown verb 'trian'", "did you mean train?")
    contains(fails("train", "CartPole-v1", "--learning-rat", "1", code=2), "--learning-rate")
    contains(fails("train", "CartPole-v1", "--memory", "elephant", code=2), "elephant", "'gru'")
    contains(fails("train", "CartPole-v1", "--n-envs", "many", code=2), "many")
    contains(fails("train", code=2), "ENV")
    contains(fails("eval", "x", "--episode", "3", code=2), "--episodes")


CONFIGS = {
    "[method]\nlearning_rat = 1": ["unknown setting method.learning_rat", "did you mean learning_rate?"],
    "[method]\nnum_envs = 8": ["unknown setting method.num_envs", "write n_envs"],
    "[methods]\ngamma = 1": ["unknown section [methods]", "run, method, network, env_kwargs", "did you mean method?"],
    "method = 3": ["method is 3", "must be a table"],
    '[method]\ngamma = "high"': ["method.gamma is 'high', a str; it must be a float"],
    "[method]\nn_envs = 2.5": ["method.n_envs is 2.5, a float; it must be a int"],
    "[run]\nvideo = 1": ["run.video is 1, a int; it must be a bool"],
    "[method]\ngamma = 7": ["method.gamma is 7.0; it must be between 0 and 1"],
    "[run]\nseeds = 0": ["run.seeds is 0; it must be at least 1"],
    '[network]\nactivation = "tan"': ["network.activation is 'tan'; allowed: 'tanh', 'relu', 'silu'"],
    "[network]\nhidden = [8, 0]": ["network.hidden is [8, 0]; it must be a list of integers from 1 to 16,777,215"],
    "[method\n": ["cannot read the config file", "line 1"],
}


@pytest.mark.parametrize("text", CONFIGS)
def test_config_file(fails, tmp_path, text):
    (tmp_path / "mine.toml").write_text(text)
    contains(fails("train", "CartPole-v1", "--config", tmp_path / "mine.toml"), *CONFIGS[text])


SPACES = {
    "spaces.Text(5)": ("observation", "Box, Discrete, MultiDiscrete"),
    "spaces.Sequence(spaces.Discrete(2))": ("observation", "ObservationWrapper"),
    "spaces.Dict(a=spaces.Discrete(2))": ("action", "Discrete, Box, MultiDiscrete, MultiBinary"),
    "spaces.Box(0.0, np.inf, (1,))": ("action", "bounded on one side"),
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("source", [DEVICE_ENV, HOST_ENV], ids=["device", "host"])
def test_spaces(fails, tmp_path, space, source):
    which, allowed = SPACES[space]
    text = source.format(fault=MENDED).splitlines()
    text = [f"    {which}_space = {space}" if f"    {which}_space =" in line else line for line in text]
    (tmp_path / "own.py").write_text("\n".join(text))
    contains(fails("train", f"{tmp_path}/own.py:Own", "--log-dir", tmp_path), f"{which} space", "own.py:Own", allowed)


FAULTS = {
    "nan observation": (
        "obs = jnp.where(t == 40, jnp.nan, obs)",
        "obs = obs if t != 40 else obs * np.nan",
        "observation",
    ),
    "infinite reward": ("reward = jnp.where(t == 40, jnp.inf, reward)", "reward += np.inf if t == 40 else 0", "reward"),
    "exception": (None, "1 / (t != 40)", "raised ZeroDivisionError: division by zero in step 40"),
}
HOST = [(name, HOST_ENV, host, what) for name, (_, host, what) in FAULTS.items()]
DEVICE = [(name, DEVICE_ENV, device, what) for name, (device, _, what) in FAULTS.items() if device]
RUN = {"checkpoint_points": 100}


@pytest.mark.parametrize(
    ("source", "fault", "what"),
    [case[1:] for case in HOST + DEVICE],
    ids=[f"host {case[0]}" for case in HOST] + [f"device {case[0]}" for case in DEVICE],
)
def test_a_broken_environment_leaves_a_run_that_resumes_once_it_is_mended(fails, tmp_path, source, fault, what):
    file, name = tmp_path / "own.py", f"{tmp_path}/own.py:Own"
    name_code(name)  # also after the change below
    file.write_text(source.format(fault=fault))
    error = fails("train", name, *flags("ppo", tmp_path / "runs", run=RUN))
    folder = only_run(tmp_path / "runs")
    contains(error, what, "logpi check-env", "intact", f"logpi resume {folder.path}")
    assert folder.status == "interrupted"
    rows = folder.metrics.read_bytes()
    assert rows.count(b"\n") == 2, "the third iteration met the fault"
    file.write_text(source.format(fault=MENDED))
    os.utime(file, (1, 1))
    resume(folder)
    assert folder.status == "finished"
    assert folder.metrics.read_bytes().startswith(rows)
    if source is DEVICE_ENV:
        whole = session.start(experiment(name, "ppo", tmp_path / "whole", run=RUN), ["test"], Watcher()).folder
        assert outcome(folder) == outcome(whole)


def test_an_environment_that_cannot_be_compiled(fails, tmp_path):
    for fault, what in {
        "if t > 3: obs = -obs": "TracerBoolConversionError",
        "obs = jnp.zeros(3)": "cannot be compiled",
        "raise KeyError('gone')": "KeyError: 'gone'",
    }.items():
        (tmp_path / "own.py").write_text(DEVICE_ENV.format(fault=fault))
        os.utime(tmp_path / "own.py", (len(what), len(what)))
        error = fails("train", f"{tmp_path}/own.py:Own", *flags("ppo", tmp_path / "runs"))
        contains(error, "own.py:Own", what, "logpi check-env")
    assert not (tmp_path / "runs").exists()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip])
def test_damaged_checkpoints(fails, capfd, tmp_path, damage):
    whole = session.start(experiment("CartPole-v1", "ppo", tmp_path / "whole", run=RUN), ["test"], Watcher()).folder
    with pytest.raises(Killed):
        session.start(experiment("CartPole-v1", "ppo", tmp_path / "cut", run=RUN), ["test"], Watcher(kill_at=4))
    folder = only_run(tmp_path / "cut")
    *older, newest = sorted(folder.checkpoints.iterdir())
    damage(newest)
    again = shutil.copytree(folder.path, tmp_path / "again" / "ppo" / "CartPole-v1_1")
    assert main(["resume", str(folder.path)]) == 0
    contains(capfd.readouterr().out, "resuming from iteration 2", newest.name)
    assert outcome(folder) == outcome(whole)
    for name in older:
        damage(again / "checkpoints" / name.name)
    contains(fails("resume", again, "--quiet"), f"cannot resume {again}", "no usable checkpoint of 3", "logpi train")


def test_an_altered_run_folder(fails, finished, tmp_path):
    for name, text, what in [
        ("config.toml", "env = ", "cannot read"),
        ("config.toml", 'env = "CartPole-v1"\nalgo = "ppo"', "format_version 1, this logpi reads 2"),
        ("config.toml", 'format_version = 2\nenv = "CartPole-v1"', "'algo'"),
        ("config.toml", 'format_version = 2\nenv = "CartPole-v1"\nalgo = "ppo"\nrun = 3', "incomplete or altered"),
    ]:
        run = shutil.copytree(finished.path, tmp_path / "run", dirs_exist_ok=True)
        (run / "result.json").unlink()
        (run / name).write_text(text)
        contains(fails("resume", run), name, what, "logpi train")


class Filler(Watcher):
    """Fills the disk at its third row."""

    def __init__(self, fill):
        super().__init__()
        self.fill = fill

    def update(self, *told):
        super().update(*told)
        if self.rows == 3:
            self.fill()


def assert_survives_a_full_disk(root, tmp_path, fill, free):
    options = {"run": {"checkpoint_points": 100, "tensorboard": True}}
    with pytest.raises(LogpiError, match=r"cannot write .*No space left.*intact.*free some space.*logpi resume"):
        session.start(experiment("CartPole-v1", "ppo", root, **options), ["test"], Filler(fill))
    free()
    folder = only_run(root)
    assert folder.status == "interrupted"
    resume(folder)
    whole = session.start(experiment("CartPole-v1", "ppo", tmp_path / "whole", **options), ["test"], Watcher()).folder
    assert outcome(folder) == outcome(whole)


def test_a_disk_that_refuses(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sync = os.fsync
    assert_survives_a_full_disk(
        tmp_path / "runs",
        tmp_path,
        fill=lambda: monkeypatch.setattr(files.os, "fsync", full),
        free=lambda: monkeypatch.setattr(files.os, "fsync", sync),
    )


def test_a_full_disk(tmp_path):
    with small_disk(tmp_path / "small", 2**20) as small:
        ballast = small / "ballast"
        assert_survives_a_full_disk(small / "runs", tmp_path, lambda: fill(ballast), ballast.unlink)


def test_a_place_where_nothing_can_be_written(fails, tmp_path):
    (tmp_path / "runs").write_text("a file")
    error = fails("train", "CartPole-v1", *flags("ppo", tmp_path / "runs"))
    contains(error, "cannot make a run folder", tmp_path / "runs", "choose a folder")


@pytest.fixture
def agent(finished, tmp_path):
    """A copy of a good agent."""
    return shutil.copytree(finished.best, tmp_path / "agent")


ALTERED = {
    "no JSON": lambda card: "{",
    "another thing": lambda card: "[1]",
    "version": lambda card: json.dumps(card | {"format_version": 99}),
    "no space": lambda card: json.dumps({k: v for k, v in card.items() if k != "action_space"}),
    "strange space": lambda card: json.dumps(card | {"action_space": {"type": "Hyper"}}),
    "no normalize_obs": lambda card: json.dumps({k: v for k, v in card.items() if k != "normalize_obs"}),
    "strange network": lambda card: json.dumps(card | {"network": "big"}),
    "strange setting": lambda card: json.dumps(card | {"network": {**card["network"], "memory": "elephant"}}),
    "strange layers": lambda card: json.dumps(card | {"network": {**card["network"], "hidden": 8}}),
    "other layers": lambda card: json.dumps(card | {"network": {**card["network"], "hidden": [9]}}),
}


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_agent(fails, agent, how):
    card = agent / "agent.json"
    card.write_text(ALTERED[how](json.loads(card.read_text())))
    contains(fails("eval", agent), agent)


@pytest.mark.parametrize("damage", [cut, flip, os.unlink])
def test_damaged_weights(fails, agent, damage):
    damage(agent / "agent.safetensors")
    contains(fails("eval", agent), agent / "agent.safetensors")


def test_no_episodes(fails, agent, tmp_path):
    contains(fails("eval", agent, "--episodes", "0"), "--episodes 0; allowed: 1 to")
    contains(fails("watch", agent, "--episodes", "0"), "--episodes 0; allowed: 1 to")
    (tmp_path / "file").write_text("")
    contains(fails("watch", agent, "--out", tmp_path / "file" / "a.mp4"), "cannot", tmp_path / "file")


def test_health_is_told_of_the_iteration_that_was_ill():
    from logpi.driver.progress import check_health

    good = {name: np.array([True, True]) for name in ("finite/observation", "finite/reward", "finite/parameters")}
    check_health(good, 5)
    with pytest.raises(LogpiError, match=r"iteration 5 \(seed number 1 of this run\).*reward.*check-env"):
        check_health(good | {"finite/reward": np.array([True, False])}, 5)
    with pytest.raises(LogpiError, match=r"parameter NaN or infinite; lower learning_rate"):
        check_health(good | {"finite/parameters": np.array([False, True])}, 5)
