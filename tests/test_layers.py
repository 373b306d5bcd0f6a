"""Imports point one way: shell → drivers → algorithms → nets, envs → mathematics (docs/theme.md)."""

import ast
from pathlib import Path

import pytest

import logpi

ROOT = Path(logpi.__file__).parent
MATHEMATICS = {"types", "errors", "config", "arrays", "returns", "psi", "losses", "distributions", "statistics"}
DRIVERS = {"rollout", "programs", "loop", "evaluate", "devices"}
GLIMPSE = {f"glimpse.{name}" for name in ("retina", "scenes", "network", "ram", "whole", "methods")}
CONTRACT = {"envs.spaces", "envs.device", "envs.voids"}  # what drivers may know of environments: no concrete one
SHELL_OF_GAMES = {"games.programs", "games.agent"}
OUTSIDE = {"io", "logging", "os", "pathlib", "shutil", "subprocess", "sys", "tempfile", "time"}

LAYERS = {  # layer: the logpi modules or packages that it may import
    "mathematics": MATHEMATICS,
    "nets": MATHEMATICS | {"nets", "envs.spaces"},
    "envs": MATHEMATICS | {"envs"},
    "algorithms": MATHEMATICS | {"nets", "algorithms"},
    "glimpse": MATHEMATICS | GLIMPSE | {"algorithms"},
    "games": MATHEMATICS | {"games", "algorithms", "nets"},
    "drivers": MATHEMATICS | DRIVERS | CONTRACT,
}
PURE = ("mathematics", "nets", "algorithms", "glimpse", "games")  # no file, no clock, no logger


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def layer_of(module):
    if module in SHELL_OF_GAMES:
        return "shell"
    if module in MATHEMATICS:
        return "mathematics"
    if module in DRIVERS:
        return "drivers"
    if module in GLIMPSE:
        return "glimpse"
    top = module.split(".")[0]
    return top if top in ("nets", "envs", "algorithms", "games") else "shell"


def imports(path):
    """Every absolute module name that a file imports, ``from a import b`` as a.b, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_logpi(path):
    """The logpi modules among them, without the leading package and without the names inside."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "logpi":
            inside = ".".join(parts[1:])
            yield inside if inside in MODULES else ".".join(parts[1:-1])


@pytest.mark.parametrize("module", [m for m in MODULES if layer_of(m) in LAYERS])
def test_a_layer_imports_only_what_is_below_it(module):
    allowed = LAYERS[layer_of(module)]
    for name in of_logpi(MODULES[module]):
        assert name in allowed or name.split(".")[0] in allowed, f"logpi.{module} imports logpi.{name}"


@pytest.mark.parametrize("module", [m for m in MODULES if layer_of(m) in PURE])
def test_mathematics_touches_no_file_clock_or_logger(module):
    used = {name.split(".")[0] for name in imports(MODULES[module])}
    assert not used & OUTSIDE


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_the_command_line(module):
    if module != "__main__":
        assert "cli" not in {name.split(".")[0] for name in of_logpi(MODULES[module])} - {module.split(".")[0]}


def test_the_table_names_modules_that_exist():
    assert MATHEMATICS | {"rollout"} <= set(MODULES)
    assert {layer_of(m) for m in MODULES} >= set(LAYERS)
