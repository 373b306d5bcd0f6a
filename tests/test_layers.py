"""Imports point one way: command line → API → training → kinds of tasks → driver → methods → networks → mathematics.

The table is bound to folders: a new module obeys the line of its folder. Imports inside functions and those for types
alone count as all others do.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import logpi

ROOT = Path(logpi.__file__).parent
BASE = {"types", "errors"}
KINDS = ("control", "ram", "games")
KIND = BASE | {"ops", "algorithms", "driver", "methods", "tasks", "config", "runs"}  # what each kind of task stands on

IMPORTS = {  # folder, or module at the top: the folders and modules of logpi that it may import
    "types": set(),
    "errors": set(),
    "findings": set(),
    "ops": {"types"},
    "envs": BASE | {"findings", "ops", "own_code"},
    "nets": BASE | {"ops", "config.settings", "envs.spaces", "envs.actions"},
    "algorithms": BASE | {"ops", "nets", "config.settings", "methods"},
    "driver": BASE | {"ops", "config.settings", "runs.cards", "runs.files"},
    "control": KIND | {"nets", "envs", "own_code", "view"},
    "ram": KIND | {"view"},
    "games": KIND | {"findings", "nets", "own_code"},
    "recipes": set(),
    "neighbours": set(),
    "own_import": {"neighbours"},
    "own_code": {"errors", "neighbours", "own_import"},
    "runs": BASE,
    "tasks": BASE | {"config.settings", "driver.process", "runs.folder"},  # but for errors, types alone
    "methods": {"errors", "tasks", "config.settings", "config.contract", "own_code"},
    "config": {"errors", "tasks", "methods", "own_code", "runs.files"},
    "config.values": {"errors", "config.settings"},
    "config.contract": {"errors", "config.settings", "config.values"},
    "config.settings": {"errors"},  # below everything that has settings
    "view": {"errors", "runs", "tasks", "envs.frames", "envs.limits"},
    "comparison": {"errors", "runs", "view", "config.literals", "config.stored"},
    "comparison.statistics": set(),
    "training": BASE | {"driver", "tasks", "config", "runs", "view"},
    "clusters": {"errors", "runs.cards"},
    "sweeps": BASE | {"training", "driver", "tasks", "config", "runs", "clusters.jobs"},
    "sweeps.space": {"errors", "config.values"},
    "sweeps.halving": {"errors"},
    "sweeps.samplers": {"errors", "sweeps.space", "sweeps.halving"},
    "sweeps.folder": {"errors", "runs", "sweeps.halving"},
    "arena": BASE | {"games", "runs", "view", "own_code", "ops.distributions"},
    "deploy": {"errors", "tasks", "runs"},
    "api": BASE
    | {
        "deploy",
        "training",
        "tasks",
        "methods",
        "config",
        "runs",
        "own_code",
        "comparison",
        "sweeps",
        "clusters",
        "view",
    }
    | {"view", "driver.devices", "envs.space_json", "envs.checker"},
    "page": {"errors", "runs", "view", "config.experiments", "methods", "tasks", "api", "driver.devices"}
    | {"arena", "games", "control.variance", "envs.classic", "ram.evaluation"},
    "cli": {"api", "arena", "config", "methods", "tasks", "runs", "view", "own_code", "errors", "findings"}
    | {"driver.devices", "games.task", "games.combine", "games.rules", "games.records", "training", "page.server"},
    "__main__": {"cli"},
}
PURE = {  # folders without file, clock or logger: the modules in them that have one all the same
    "ops": (),
    "nets": (),
    "algorithms": (),
    "envs": ("load", "watchdog", "checker.check", "checker.check_device", "checker.trial"),
    "driver": ("driver", "stages", "devices", "compiling"),
    "control": (
        *("agent", "evaluation", "host_rollout", "on_host", "play", "task"),
        *("variance.moments", "variance.report"),
    ),
    "ram": ("agent", "data", "figures", "looks", "task"),
    "games": (
        *("agent", "combine", "evaluation.connect_four_labels", "rules.check", "task"),
        *("records.examples", "records.files", "records.folder", "records.notes"),
    ),
}
OUTSIDE = {"io", "logging", "os", "pathlib", "shutil", "subprocess", "sys", "tempfile", "threading", "time"}
WITHOUT_JAX = (
    "tasks",
    "methods",
    "own_code",
    "config",
    "runs",
    "cli",
    "comparison",
    "page",
    "clusters",
    "control.task",
    "ram.task",
    "games.task",
)


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
BOUND = [module for module in MODULES if module]  # the package itself names all that it exports


def within(module, places):
    """Whether ``module`` is one of ``places``, or in one."""
    return any(module == place or module.startswith(f"{place}.") for place in places)


def line_of(module):
    """The folder or module whose line of the table holds for ``module``: the longest name that fits."""
    return max((place for place in IMPORTS if within(module, [place])), key=len, default=None)


def imports(path):
    """Every absolute module name that a file imports, ``from a import b`` as a.b, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_logpi(module):
    """The logpi modules among them, without the leading package and without the names inside."""
    for name in imports(MODULES[module]):
        parts = name.split(".")
        if parts[0] == "logpi":
            inside = ".".join(parts[1:])
            yield inside if inside in MODULES else ".".join(parts[1:-1])


@pytest.mark.parametrize("module", BOUND)
def test_a_folder_imports_only_what_its_line_allows(module):
    line = line_of(module)
    assert line, f"logpi.{module} is in no folder of the table"
    folder = module.split(".")[0]
    # a module with a line of its own is no part of its folder's inside
    own = {folder} if line == folder else {line}
    for name in of_logpi(module):
        assert within(name, IMPORTS[line] | own), f"logpi.{module} imports logpi.{name}"


def test_every_line_of_the_table_is_needed():
    """An arrow that nothing uses any more goes, and so does a folder that is no longer there."""
    used = {line: set() for line in IMPORTS}
    for module in BOUND:
        used[line_of(module)] |= set(of_logpi(module))
    for line, allowed in IMPORTS.items():
        assert (ROOT / line.replace(".", "/")).is_dir() or line in MODULES, line
        unused = {place for place in allowed if not any(within(name, [place]) for name in used[line])}
        assert not unused, f"{line} no longer imports {unused}"


def test_the_table_has_no_way_round():
    """Following the arrows never leads back."""
    above = {line: {line_of(place) for place in allowed} - {line} for line, allowed in IMPORTS.items()}
    below = set()
    while above:
        ready = {line for line, allowed in above.items() if allowed <= below}
        assert ready, f"these import each other: {', '.join(above)}"
        below |= ready
        above = {line: allowed for line, allowed in above.items() if line not in ready}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_tasks_know_neither_each_other_nor_the_shell(kind):
    unknown = {"api", "cli", "training", "arena", *KINDS} - {kind}
    for module in BOUND:
        if within(module, [kind]):
            assert not {name for name in of_logpi(module) if within(name, unknown)}, module


@pytest.mark.parametrize("place", ["arena", "cli", "api", "page"])
def test_nothing_but_the_command_line_imports_the_applications(place):
    for module in BOUND:
        if not within(module, [place, "cli", "page", "__main__"]):
            assert not {name for name in of_logpi(module) if within(name, [place])}, module


@pytest.mark.parametrize("folder", PURE)
def test_mathematics_touches_no_file_clock_or_logger(folder):
    excepted = [f"{folder}.{name}" for name in PURE[folder]]
    touching = [module for module in BOUND if within(module, [folder]) and outside(module)]
    assert not [module for module in touching if not within(module, excepted)]
    assert all(any(within(module, [place]) for module in touching) for place in excepted), "an exception without need"


def outside(module):
    """What a module imports of files, clocks and loggers."""
    return {name.split(".")[0] for name in imports(MODULES[module])} & OUTSIDE


def imported(*modules):
    """Names of all modules that importing these modules of logpi imports, in a process of its own."""
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    names = [f"logpi.{module}" for module in modules]
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("place", WITHOUT_JAX)
def test_what_a_quick_command_imports_is_without_jax(place):
    modules = [module for module in BOUND if within(module, [place])]
    found = imported(*modules)
    assert "jax" not in found
    for kind in set(KINDS) - {place.split(".")[0]}:
        assert f"logpi.{kind}" not in found, "a kind is imported when one of its names is asked for"
