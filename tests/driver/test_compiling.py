"""Programs compiled in the background: waited for when they are needed, and their errors told."""

import subprocess
import sys
import threading

import jax
import pytest
from small import ROOT

from logpi.driver.compiling import Compiling
from logpi.driver.process import Program


def test_what_fails_in_the_background_is_told_at_every_wait():
    made = Compiling({"good": Program(jax.jit(lambda x: x + 1), (1.0,)), "bad": Program(jax.jit(fails), (1.0,))})
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be traced"):
            made.wait(["bad"])
    with pytest.raises(RuntimeError, match="cannot be traced"):
        made.check()


def test_a_program_is_there_before_those_behind_it():
    release = threading.Event()

    def slow(x):
        release.wait(60)  # in its trace
        return x

    made = Compiling({"first": Program(jax.jit(lambda x: x + 1), (1.0,)), "slow": Program(jax.jit(slow), (1.0,))})
    assert made["first"](1.0) == 2.0
    assert not made.wait(made, lambda what, done, total: True), "a stop ends the wait"
    release.set()
    assert made.wait(made)


def test_what_is_not_urgent_is_not_even_traced_before_what_is():
    traced, seen = [], []

    def urgent(x):
        traced.append("urgent")
        return jax.lax.fori_loop(0, 3, lambda i, x: jax.numpy.sin(x @ x), x)

    def later(x):
        traced.append("later")
        seen.append("urgent" in made._compiled or not made._results.empty())
        return x

    x = jax.numpy.ones((3, 3))
    made = Compiling({"later": Program(jax.jit(later), (x,)), "urgent": Program(jax.jit(urgent), (x,))}, ["urgent"])
    assert made.wait(made)
    assert (traced[0], traced[-1], seen[0]) == ("urgent", "later", True)


def fails(x):
    raise RuntimeError("cannot be traced")


LEAVE = """
import time
import jax, jax.numpy as jnp
from logpi.driver.compiling import Compiling, under_way
from logpi.driver.process import Program

def long(x):
    for k in range(1000):
        x = jnp.sort(jnp.sin(x) * k + x)
    return x

names = ["one", "two", "three"]
made = Compiling({name: Program(jax.jit(long), (jnp.ones(64 + k),)) for k, name in enumerate(names)})
give_up = time.monotonic() + 20
while not under_way():
    assert time.monotonic() < give_up
time.sleep(1)
raise SystemExit(3)
"""


def test_a_script_that_ends_while_something_compiles_ends_with_its_own_code():
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (3, "")
