"""Runs so small that a test can afford many: tiny networks, few steps, one compilation cache for all processes."""

import contextlib
import getpass
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import pytest

from logpi.config.experiments import resolve
from logpi.config.stored import experiment_from_table
from logpi.driver import devices
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import find_runs
from logpi.training import session

CACHE = Path(tempfile.gettempdir()) / f"logpi-tests-{getpass.getuser()}"
ROOT = Path(__file__).parents[2]
# compiling is nearly all that a tiny run costs; what is compiled with less care computes the same thing each time
SETTINGS = {
    "LOGPI_CACHE": str(CACHE),
    "LOGPI_STATE": str(CACHE / "state"),
    "JAX_PLATFORMS": "cpu",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}

METHODS = {
    "reinforce": {},
    "actor_critic": {},
    "a2c": {"n_steps": 16},
    "ppo": {"n_steps": 16, "batch_size": 32, "n_epochs": 2},
    "bc": {"n_envs": 8, "batch_size": 16, "gradient_steps": 4},
    "q_learning": {"n_steps": 8},
    "pqn": {"n_steps": 16, "batch_size": 32, "n_epochs": 2},
    "dqn": {
        "n_steps": 4,
        "buffer_size": 128,  # the ring wraps
        "batch_size": 8,
        "gradient_steps": 2,
        "learning_starts": 32,
        "target_update_interval": 3,
        "n_step": 3,
        "double": True,
        "prioritized": True,
    },
}
RUN = {"video": False, "tensorboard": False, "eval_episodes": 4, "final_episodes": 4, "eval_points": 2}


@contextlib.contextmanager
def quick_compilation():
    """The same settings for runs in this process; a network may add its bias [n] to a batch [B, n]."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LOGPI_CACHE", "LOGPI_STATE"):
            patch.setenv(name, SETTINGS[name])
        devices.prepare()
        jax.config.update("jax_disable_most_optimizations", True)
        jax.config.update("jax_numpy_rank_promotion", "allow")
        yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.config.update("jax_numpy_rank_promotion", "raise")


def settings(algo, log_dir, run=None, network=None, **method):
    """The tables of a tiny experiment."""
    return {
        "run": {**RUN, "log_dir": str(log_dir), **(run or {})},
        "network": {
            **({"hidden": [8]} if algo != "q_learning" else {}),
            **({"memory_size": 4} if "memory" in (network or {}) else {}),
            **(network or {}),
        },
        "method": {"n_envs": 4, "total_timesteps": 320, **METHODS[algo], **method},
    }


def experiment(env, algo, log_dir, env_kwargs=None, **options):
    """A tiny experiment."""
    tables = settings(algo, log_dir, **options)
    return resolve(env, algo, {**tables, "env_kwargs": env_kwargs or {}})[0]


def flags(algo, log_dir, run=None, network=None, **method):
    """The same settings as the flags of ``logpi train``."""
    found = ["--algo", algo, "--quiet"]
    for table in settings(algo, log_dir, run, network, **method).values():
        for name, value in table.items():
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                found.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                found += [f"--{flag}", *map(str, value if isinstance(value, list) else [value])]
    return found


def command(*arguments):
    """The command line of ``logpi`` in a process of its own."""
    return [sys.executable, "-m", "logpi", *map(str, arguments)]


def logpi(*arguments, cwd=None, **environment):
    """Run ``logpi`` to its end in a process of its own."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def start(*arguments, **options):
    """Start ``logpi`` in a process of its own."""
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*arguments), env=environment, stdout=pipe, stderr=pipe, text=True, **options)


class Killed(BaseException):
    """What a test raises in place of a kill."""


class Watcher:
    """A view that shows nothing, remembers every note, and kills the run at one of its rows."""

    def __init__(self, kill_at=None):
        self.rows, self.kill_at, self.notes, self.told = 0, kill_at, [], []

    def update(self, timesteps, metrics, shares):
        self.rows += 1
        if self.rows == self.kill_at:
            raise Killed

    def note(self, text):
        self.notes.append(text)

    def tell(self, text):
        self.told.append(text)

    def working(self, what, done, total):
        pass

    def done(self, text):
        self.note(text)


def resume(folder, view=None):
    """Go on with the run in ``folder``, in this process."""
    return session.resume(folder, experiment_from_table(folder.config), view or Watcher())


def stepped(vector, action):
    """One move of each environment of a host vector."""
    vector.send(action)
    return vector.recv()


def only_run(log_dir):
    """The one run below ``log_dir``."""
    (info,) = find_runs(log_dir)
    return RunFolder(info.path)


def outcome(folder):
    """Every byte that a finished run must give again: learner, environments, metrics, scores and agents."""
    result = {
        p.name: p.read_bytes() for p in (folder.metrics, folder.path / "progress.csv", folder.path / "result.json")
    }
    newest = max(folder.checkpoints.glob("*.safetensors"))
    agents = [p for base in (folder.best, folder.last) for p in base.rglob("agent.*")]
    assert agents
    return result | {str(p.relative_to(folder.path)): p.read_bytes() for p in (newest, *agents)}


# kill -9, for each of several run folders as often as asked; it prints the iterations that were saved by then
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from logpi.driver import devices
from logpi import api
from logpi.runs.folder import RunFolder
sys.path.insert(0, sys.argv[2])
import small

chance = random.Random(0)
saved = lambda folder: max(int(p.stem[10:]) for p in folder.checkpoints.glob("iteration_*.safetensors"))

def resume(folder):
    devices.prepare()
    small.resume(folder)
    os._exit(0)

def kill(folder):
    progress = [saved(folder)]
    while len(progress) <= int(sys.argv[3]):
        child = os.fork() or resume(folder)
        if len(progress) % 5:  # most kills hit the training, the others anything from the start on
            while saved(folder) == progress[-1] and os.waitpid(child, os.WNOHANG) == (0, 0):
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.02))
        else:
            time.sleep(chance.uniform(0, 1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"the run had ended before kill {len(progress)}: status {status}")
        progress.append(saved(folder))
    print(*progress)

for path in sys.argv[1].split(os.pathsep):
    kill(RunFolder(Path(path)))
"""
