"""What is done for the machine: without a home, and in a worker of a script that has no main guard."""

import multiprocessing
import pwd

import pytest

from logpi import api, own_code
from logpi.driver import compiling, devices
from logpi.errors import LogpiError
from logpi.training import doctor


@pytest.fixture
def homeless(monkeypatch):
    """A user without a home, as in containers."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "LOGPI_CACHE", "LOGPI_STATE"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_without_a_home_nothing_is_kept(homeless, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    devices.prepare()
    compiling.remember_start("settings", 3.0)
    assert compiling.last_start("settings") is None
    assert doctor.examine()["compilation cache"].startswith("none (")
    (tmp_path / "mine.py").write_text("ANSWER = 42")
    own_code.name_code("mine.py:ANSWER")
    assert own_code.load_attribute("mine.py:ANSWER") == 42
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.py", "__pycache__"}, "no folder called ~"


@pytest.mark.parametrize(("name", "told"), [("Worker-0", "if __name__ == '__main__'"), ("Worker-1", "")])
def test_a_spawned_worker_does_not_run_the_script_again(monkeypatch, tmp_path, name, told):
    monkeypatch.chdir(tmp_path)
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_inheriting", True, raising=False)
    monkeypatch.setattr(process, "_config", {**process._config})
    monkeypatch.setattr(type(process), "name", name)
    with pytest.raises(SystemExit) as end:
        api.train("CartPole-v1", quiet=True)
    assert told in str(end.value.code)
    assert not list(tmp_path.iterdir()), "no run folder"


@pytest.mark.parametrize("seed", [-1, 2**31, 2**40])
def test_seeds_of_evaluations_and_films_have_a_range(seed):
    for call in (api.evaluate, api.film, api.film_random, api.sheet):
        rest = [] if call is api.evaluate else ["film.mp4"]
        with pytest.raises(LogpiError, match=f"seed is {seed}; allowed: 0 to 2147483647"):
            call("nothing", *rest, seed=seed)
