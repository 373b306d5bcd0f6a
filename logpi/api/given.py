"""What a Python program gave to ``logpi.train``, as a name, settings that follow from it, and the object itself."""

from __future__ import annotations

from logpi.errors import LogpiError
from logpi.methods import brought
from logpi.tasks import LAST, NOTHING, Own, Table, check_name, record
from logpi.types import Policy


def check_types(policy: object, algorithm: object) -> None:
    """Refuse what is not a network or not a method before anything is made."""
    if policy is not None and not isinstance(policy, str | Policy):
        raise LogpiError(
            f"policy is a {type(policy).__name__}; allowed: a logpi.Policy, or its name, path/file.py:NAME"
        )
    if algorithm is not None and not callable(algorithm):
        raise LogpiError(
            f"algorithm is a {type(algorithm).__name__}; allowed: a function (settings, policy, spec, obs) -> "
            "logpi.Algorithm; the name of a method is algo="
        )


def method_given(algo: object, own: Own) -> tuple[str | None, Own]:
    """The name of the method that ``train`` was given, and ``own`` with the object itself if it is not a name."""
    if algo is None or isinstance(algo, str):
        return algo, own
    name, method = brought(algo)
    return name, own._replace(method=method)


def named(env: object) -> tuple[str, Table, Own]:
    """The name of what ``train`` was given, settings that follow from it, and the object itself if it is not a name."""
    if isinstance(env, str):
        check_name(env)
        return env, {}, NOTHING
    return record(LAST).given(env)
