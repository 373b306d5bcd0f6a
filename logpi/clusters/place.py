"""The place that a word names: here, ray[:ADDRESS], slurm[:PARTITION], processes."""

from __future__ import annotations

from pathlib import Path

from logpi.clusters.jobs import Here, Place
from logpi.errors import LogpiError

HERE = "here"
ALLOWED = "here, ray, ray:ADDRESS, slurm, slurm:PARTITION, processes"


def place_of(name: str, folder: Path, cores: int = 1) -> Place:
    """The place ``name``.

    Args:
        name: one of ``ALLOWED``.
        folder: of the comparison or sweep, on a disk that all machines of the place share.
        cores: CPUs that each job asks a cluster for.

    Raises:
        LogpiError: another name, fewer than 1 core, or the place cannot be reached.
    """
    if cores < 1:
        raise LogpiError(f"cores is {cores}; it must be at least 1")
    kind, sign, where = name.partition(":")
    if kind == "ray" and bool(sign) == bool(where):
        from logpi.clusters.on_ray import OnRay

        return OnRay(where, cores)
    if kind == "slurm" and bool(sign) == bool(where):
        from logpi.clusters.on_slurm import OnSlurm

        return OnSlurm(folder, where, cores)
    if name == "processes":
        from logpi.clusters.on_slurm import OnSlurm

        return OnSlurm(folder, cores=cores, local=True)
    if name != HERE:
        raise LogpiError(f"on={name!r}: no such place; allowed: {ALLOWED}")
    return Here()
