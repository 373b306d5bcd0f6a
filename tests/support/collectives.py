"""Which collectives of a traced program XLA on CPUs could begin in another order on one device than on the other.

XLA keeps the collectives of one computation in their order. A loop, or a branch, with collectives of its own is another
computation: it must stand before or after every other collective beside it by what it is computed from.
"""

import itertools
from typing import NamedTuple

COLLECTIVES = {"psum", "psum2", "psum_invariant", "pmax", "pmin", "all_gather", "all_gather_invariant", "all_to_all"}
COLLECTIVES |= {"ppermute", "reduce_scatter"}
LOOPS = {"scan", "while", "cond"}


class Found(NamedTuple):
    """A collective, or a loop with some."""

    what: str
    loop: bool
    before: frozenset[int]  # numbers of those that it is computed from


def inner(eqn):
    """The programs within an equation."""
    for value in eqn.params.values():
        for each in value if isinstance(value, (tuple, list)) else (value,):
            each = getattr(each, "jaxpr", each)
            if hasattr(each, "eqns"):
                yield each


def has_collectives(jaxpr):
    """Whether a program has collectives, at any depth."""
    return any(eqn.primitive.name in COLLECTIVES or any(map(has_collectives, inner(eqn))) for eqn in jaxpr.eqns)


def unordered(jaxpr):
    """Pairs of a loop with collectives and another collective that nothing puts in an order, in words."""
    wrong = []
    _scope(jaxpr, [frozenset()] * len(jaxpr.invars), wrong)
    return wrong


def _scope(jaxpr, given, wrong):
    found = []
    _follow(jaxpr, given, found, wrong)
    for (m, first), (n, second) in itertools.combinations(enumerate(found), 2):
        if (first.loop or second.loop) and m not in second.before and n not in first.before:
            wrong.append(f"{first.what} and {second.what}")


def _follow(jaxpr, given, found, wrong):
    """What each result of ``jaxpr`` is computed from, where its arguments are computed from ``given``."""
    known = dict(zip(jaxpr.invars, given, strict=True))
    for eqn in jaxpr.eqns:
        sources = [known.get(x, frozenset()) if not hasattr(x, "val") else frozenset() for x in eqn.invars]
        every = frozenset().union(*sources)
        programs, name = list(inner(eqn)), eqn.primitive.name
        loop = name in LOOPS and any(map(has_collectives, programs))
        if name in COLLECTIVES or loop:
            found.append(Found(f"{name} at {eqn.source_info.name_stack or ''}".strip(), loop, every))
            results = [every | {len(found) - 1}] * len(eqn.outvars)
            if loop:
                for program in programs:
                    _scope(program, [frozenset()] * len(program.invars), wrong)
        elif len(programs) == 1 and name not in LOOPS and len(programs[0].invars) == len(sources):
            results = _follow(programs[0], sources, found, wrong)
        else:
            results = [every] * len(eqn.outvars)
        known |= dict(zip(eqn.outvars, results, strict=True))
    return [known.get(x, frozenset()) if not hasattr(x, "val") else frozenset() for x in jaxpr.outvars]
