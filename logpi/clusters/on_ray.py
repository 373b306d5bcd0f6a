"""Jobs as tasks of a Ray cluster (Moritz et al. 2018); a task whose worker or node dies is begun again elsewhere."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from logpi.clusters.jobs import Answer, Ended, Job, Tell, Watch, attempt, here_folder
from logpi.errors import LogpiError

RETRIES = 5  # of a task whose worker or node died
POLL = 0.5  # seconds between two looks at a signal
CONNECT = 10.0  # seconds that a cluster has to answer
MISSING = "--on ray needs Ray: pip install 'logpi[ray]'"


class OnRay:
    """A Ray cluster; each job asks for ``cores`` CPUs of one node, and all nodes share the working folder's disk."""

    def __init__(self, address: str = "", cores: int = 1) -> None:
        """Join the cluster at ``address``; "": the one of this machine or of RAY_ADDRESS, which is begun if need be.

        Raises:
            LogpiError: Ray is not installed, or no cluster answers.
        """
        try:
            import ray
        except ImportError as error:
            raise LogpiError(MISSING) from error
        self._ray: Any = ray
        if not ray.is_initialized():
            try:
                _reach(address)
                ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                where = f"at {address}" if address else "here"
                raise LogpiError(
                    f"no Ray cluster answers {where}: {str(error).splitlines()[0]}. Begin one with `ray start --head`, "
                    "or give its address: --on ray:HOST:6379"
                ) from error
        self._cores = cores
        self.at_once = max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)

    def each(self, jobs: Sequence[Job], tell: Tell, watch: Watch) -> Iterator[Ended]:
        """As ``Place.each``."""
        ray = self._ray
        # a task that was interrupted raises in the driver, and no exception of the job itself is tried again
        task = ray.remote(num_cpus=self._cores, max_retries=RETRIES, retry_exceptions=False)(attempt)
        waiting = {task.remote(job, here_folder()): job for job in jobs}
        try:
            while waiting:
                if watch("jobs on Ray", len(jobs) - len(waiting), len(jobs)):
                    raise KeyboardInterrupt
                ready, _ = ray.wait(list(waiting), num_returns=1, timeout=POLL)
                for reference in ready:
                    yield self._ended(reference, waiting.pop(reference), tell)
        finally:
            for reference in waiting:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.cancel(reference)

    def _ended(self, reference: Any, job: Job, tell: Tell) -> Ended:
        errors = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(reference)
        except errors.TaskCancelledError as error:
            raise KeyboardInterrupt from error
        except errors.RayError as error:
            last = str(error).strip().splitlines()[-1]
            return Ended(job, error=LogpiError(f"{type(error).__name__} on the Ray cluster: {last}"))
        return answer.of(job, tell)


def _reach(address: str) -> None:
    """Raise OSError unless something listens at HOST:PORT: Ray itself would go on trying for minutes."""
    found = re.fullmatch(r"(?:ray://)?\[?(.+?)\]?:([0-9]{1,5})", address)
    if found:
        socket.create_connection((found[1], int(found[2])), CONNECT).close()
