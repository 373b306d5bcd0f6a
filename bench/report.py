"""What the benchmarks share: scripts that answer in JSON, and a result file that says where its numbers come from."""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
PEERS = BENCH / "peers"
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before this benchmark's own work
OURS = ("jax", "jaxlib", "flax", "optax", "gymnasium", "numpy")

VERSIONS = """
import importlib.metadata, platform, sys
known = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
print("Python", platform.python_version(), *(f", {name} {known.get(name, 'absent')}" for name in sys.argv[1:]), sep=" ")
"""


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the flag that every benchmark has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--results", type=Path, default=BENCH / "results", metavar="DIR", help="where the table goes")
    return made


def answer(python: str, script: Path, *arguments: object, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object in the last line that ``script`` prints, in a process of its own.

    Raises:
        RuntimeError: it printed none; the message ends with what it wrote to standard error.
    """
    command = [python, str(script), *map(str, arguments)]
    print("$", "python", f"{script.relative_to(BENCH.parent)}", *shown(command[2:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    try:
        result: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    except ValueError:
        raise RuntimeError(f"{script.name} failed with {done.returncode}:\n{done.stderr[-2000:]}") from None
    return result


def settle(driver: Any) -> None:
    """Wait until all programs of a driver are compiled: the evaluation's are, beside training, which they slow down."""
    tuple(driver._programs.values())


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median, and least to greatest."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table that a terminal shows well too."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def machine() -> str:
    """CPU model, cores and memory."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB of memory"
    load = "" if LOAD is None else f"; load average {LOAD:.1f} before the start"
    return f"{model}, {os.cpu_count()} cores{memory}, {platform.system()}{load}"


def versions(python: str, packages: Sequence[str]) -> str:
    """Versions of an interpreter and of packages in it."""
    done = subprocess.run([python, "-c", VERSIONS, *packages], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace(" , ", ", ")


def commit(checkout: Path = BENCH) -> str:
    """The commit of a checkout, "-dirty" where files differ but for results; "unknown" outside one."""

    def ask(*words: str) -> str:
        return subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True).stdout

    try:
        # results written a moment ago by another script do not change what is measured
        changed = ask("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)bench/results")
        return ask("rev-parse", "--short", "HEAD").strip() + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def command_of(run: Path) -> str:
    """What began a run, without the folder that it was to go to."""
    words = shlex.split((run / "command.txt").read_text())
    if "--log-dir" in words:
        at = words.index("--log-dir")
        del words[at : at + 2]
    return shlex.join(words)


def publish(folder: Path, name: str, title: str, software: Mapping[str, str], parts: Sequence[str]) -> None:
    """Print ``parts`` and write them to ``folder/name.md``, below machine, date, command and versions."""
    body = "\n\n".join(parts)
    print(body)
    head = [
        f"# {title}",
        "",
        f"- machine: {machine()}",
        f"- date: {date.today().isoformat()}",
        f"- command: `python bench/{name}.py{''.join(f' {a}' for a in shown(sys.argv[1:]))}`",
        f"- logpi: commit {commit()}; {versions(sys.executable, OURS)}",
        *(f"- {who}: {what}" for who, what in software.items()),
    ]
    path = folder / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(head) + "\n\n" + body + "\n", encoding="utf-8")


def shown(arguments: Sequence[str]) -> list[str]:
    """``arguments`` without the paths of one machine."""
    found = []
    for argument in arguments:
        flag, sign, value = argument.rpartition("=")
        found.append(f"{flag}{sign}PATH" if Path(value).expanduser().is_absolute() else argument)
    return found
