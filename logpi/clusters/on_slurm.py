"""Jobs on Slurm, or as processes of this machine, by submitit; a job that its time limit ends is handed in again."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from logpi.clusters.jobs import Answer, Ended, Job, Tell, Watch, attempt, here_folder
from logpi.errors import LogpiError

RETRIES = 5  # of a job that was preempted or reached its time limit
MINUTES = 24 * 60  # time limit of a job, after which it is handed in again
POLL = 1.0  # seconds between two looks at the jobs and at a signal
MISSING = "--on {name} needs submitit: pip install 'logpi[slurm]'"


class Attempt:
    """A job as submitit calls it; on Slurm's warning before a time limit it is handed in again as it is."""

    def __init__(self, job: Job, folder: str) -> None:
        self._job, self._folder = job, folder

    def __call__(self) -> Answer:
        """Run it."""
        return attempt(self._job, self._folder)

    def checkpoint(self) -> Any:
        """What is handed in instead, where this one has to end: it goes on from what is on the disk."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


class OnSlurm:
    """Slurm, or processes of this machine; all nodes share the disk of the working folder."""

    def __init__(self, folder: Path, partition: str = "", cores: int = 1, local: bool = False) -> None:
        """Jobs keep what they print in a folder within ``folder``, which goes when they have ended.

        Args:
            folder: on the shared disk.
            partition: of Slurm; "": the default one.
            cores: CPUs of each job.
            local: processes of this machine instead, by submitit's local executor.

        Raises:
            LogpiError: submitit is not installed, or there is no Slurm here.
        """
        name = "processes" if local else "slurm"
        try:
            import submitit
        except ImportError as error:
            raise LogpiError(MISSING.format(name=name)) from error
        if not local and shutil.which("sbatch") is None:
            raise LogpiError(
                "--on slurm: there is no Slurm here (no command sbatch); go to a login node of the cluster, or choose "
                "--on processes, ray or here"
            )
        self._submitit: Any = submitit
        self._folder, self._partition, self._cores, self._local = folder, partition, cores, local
        self.at_once = _cores_here() // cores or 1 if local else MANY

    def each(self, jobs: Sequence[Job], tell: Tell, watch: Watch) -> Iterator[Ended]:
        """As ``Place.each``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="jobs-", dir=self._folder)).resolve()  # new: nothing else wrote there
        executor = self._executor(place)
        left, running = list(jobs), dict[Any, Job]()
        try:
            while left or running:
                while left and len(running) < self.at_once:
                    job = left.pop(0)
                    running[executor.submit(Attempt(job, here_folder()))] = job
                if watch(f"jobs on {'processes' if self._local else 'Slurm'}", len(jobs) - len(running), len(jobs)):
                    raise KeyboardInterrupt
                done = [one for one in running if one.done()]
                for one in done:
                    yield self._ended(one, running.pop(one), tell)
                if not done:
                    time.sleep(POLL)
        finally:
            for one in running:
                with contextlib.suppress(Exception):  # an end that fails must not hide what led to it
                    one.cancel(check=False)
            shutil.rmtree(place, ignore_errors=True)

    def _executor(self, place: Path) -> Any:
        executor = self._submitit.AutoExecutor(folder=place, cluster="local" if self._local else "slurm")
        executor.update_parameters(name="logpi", timeout_min=MINUTES, cpus_per_task=self._cores)
        if not self._local:
            executor.update_parameters(slurm_max_num_timeout=RETRIES)
            if self._partition:
                executor.update_parameters(slurm_partition=self._partition)
        return executor

    def _ended(self, one: Any, job: Job, tell: Tell) -> Ended:
        try:
            answer: Answer = one.result()
        except Exception as error:  # submitit names a lost job by several kinds
            last = str(error).strip().splitlines()[-1] if str(error).strip() else "no output"
            return Ended(job, error=LogpiError(f"job {one.job_id}: {type(error).__name__}: {last}"))
        return answer.of(job, tell)


MANY = 1_000  # jobs in Slurm's queue at once: it decides itself how many run


def _cores_here() -> int:
    from logpi.runs.cards import cores

    return cores()
