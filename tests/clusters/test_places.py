"""Where jobs run: names of places, jobs that fail, jobs of other processes and of a Ray cluster that loses a node."""

import os
import sys
import threading
import time

import pytest
from small import SETTINGS, quick_compilation, settings

import logpi
from logpi.clusters.jobs import Here, Job, attempt
from logpi.clusters.place import place_of
from logpi.comparison.folder import read_plan, trained
from logpi.errors import LogpiError
from logpi.runs.metrics import read_metrics

ENVS = ["CartPole-v1", "Pendulum-v1"]


def doubled(number, tell):
    if number < 0:
        raise LogpiError(f"{number} is negative")
    tell(f"doubling {number}")
    return 2 * number


def never(what, done, total):
    return False


JOBS = [Job(str(number), doubled, (number,)) for number in (1, -1, 2)]


@pytest.fixture(scope="module")
def environment():
    """Compilation as in all tests, for the processes of a place too."""
    with pytest.MonkeyPatch.context() as patch, quick_compilation():
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        # the processes of a place import this module, and those that it imports
        patch.setenv("PYTHONPATH", os.pathsep.join([*(p for p in sys.path if p), os.environ.get("PYTHONPATH", "")]))
        yield


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("moon", r"on='moon': no such place; allowed: here, ray, ray:ADDRESS, slurm, slurm:PARTITION, processes"),
        ("ray:", "no such place"),
        ("slurm:", "no such place"),
        ("processes:4", "no such place"),
        ("here:1", "no such place"),
        ("", "no such place"),
    ],
)
def test_names_of_places(tmp_path, name, said):
    with pytest.raises(LogpiError, match=said):
        place_of(name, tmp_path)


def test_a_place_needs_its_library_a_scheduler_and_a_core(tmp_path, monkeypatch):
    with pytest.raises(LogpiError, match="cores is 0; it must be at least 1"):
        place_of("here", tmp_path, cores=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LogpiError, match="there is no Slurm here"):
        place_of("slurm:short", tmp_path)
    for name, library, extra in (("ray", "ray", "ray"), ("processes", "submitit", "slurm")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(LogpiError, match=rf"--on {name} needs .*logpi\[{extra}\]"):
            place_of(name, tmp_path)


def test_a_job_that_fails_keeps_no_other_from_running():
    told = []
    ended = list(Here().each(JOBS, told.append, never))
    assert [one.result for one in ended] == [2, None, 4]
    assert [str(one.error or "") for one in ended] == ["", "-1 is negative", ""]
    assert told == ["doubling 1", "doubling 2"]


def test_a_stop_is_asked_for_between_jobs():
    with pytest.raises(KeyboardInterrupt):
        list(Here().each(JOBS, print, lambda what, done, total: done == 1))


def test_a_job_elsewhere_runs_in_the_folder_of_the_command(tmp_path):
    before = os.getcwd()
    answer = attempt(Job("where", lambda tell: os.getcwd(), ()), str(tmp_path))
    assert (answer.result, os.getcwd()) == (str(tmp_path), before)


@pytest.mark.parametrize("name", ["processes"])
def test_jobs_of_other_processes(environment, tmp_path, name):
    place, told = place_of(name, tmp_path / "out"), []
    ended = {one.job.name: one for one in place.each(JOBS, told.append, never)}
    assert {key: one.result for key, one in ended.items()} == {"1": 2, "-1": None, "2": 4}
    assert str(ended["-1"].error) == "-1 is negative"
    assert sorted(told) == ["doubling 1", "doubling 2"]
    assert not list((tmp_path / "out").iterdir()), "the jobs' own files are gone"
    with pytest.raises(KeyboardInterrupt):
        list(place.each(JOBS, told.append, lambda what, done, total: True))


def compared(out, **options):
    tables = settings("a2c", "")
    run = {name: value for name, value in tables["run"].items() if name != "log_dir"}
    tiny = {**run, **tables["network"], **tables["method"], "checkpoint_points": 50, "resamples": 100, "seeds": 2}
    return logpi.compare(envs=ENVS, algos=["a2c", "other=a2c gamma=0.5"], out=out, **{**tiny, **options})


def rows(folder):
    return [read_metrics(run.metrics) for _, run in trained(folder, read_plan(folder))]


@pytest.fixture(scope="module")
def here(environment, tmp_path_factory):
    return compared(tmp_path_factory.mktemp("here") / "out")


def test_a_comparison_in_other_processes_has_the_same_numbers(here, tmp_path):
    found = compared(tmp_path / "out", on="processes")
    assert found.facts == here.facts
    assert rows(found.folder) == rows(here.folder)


@pytest.fixture
def cluster(environment):
    """A Ray cluster of two nodes on this machine, each with one CPU, beside a head that has none."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.add_node(num_cpus=1)
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="error")
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_comparison_on_ray_that_loses_a_node_has_the_same_numbers(here, cluster, tmp_path):
    """A node is killed as soon as a run on it has a checkpoint; its job goes on with the other node."""
    killed = []

    def kill():
        while not killed:
            time.sleep(0.02)
            if list((tmp_path / "out").glob("runs/*/*/*/*/*/checkpoints/*")):
                killed.append(cluster.worker_nodes.copy().pop())
                cluster.remove_node(killed[0], allow_graceful=False)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    found = compared(tmp_path / "out", on="ray")
    thread.join(5)
    assert killed, "no node was killed"
    assert found.facts == here.facts
    assert rows(found.folder) == rows(here.folder)


def test_no_cluster_answers(tmp_path):
    with pytest.raises(LogpiError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: .*Begin one with `ray start"):
        place_of("ray:127.0.0.1:1", tmp_path)


def test_a_sweep_in_other_processes_has_the_same_scores(environment, tmp_path):
    """Its programs are halved until as many run at once as there are cores."""
    tables = settings("a2c", "")
    kept = {name: value for name, value in tables["run"].items() if name in ("final_episodes", "eval_episodes")}
    tiny = {**kept, **tables["network"], **tables["method"], "configurations": 2, "retrain": 0}
    space = {"gamma": [0.5, 0.9]}
    found = [
        logpi.sweep("CartPole-v1", "a2c", space=space, out=tmp_path / on, on=on, **tiny) for on in ("here", "processes")
    ]
    scores = [{row.number: row.score for row in sweep.rows} for sweep in found]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
