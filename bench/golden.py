"""Golden runs: short runs of every method and kind, recorded before a refactoring and compared with it afterwards.

    python bench/golden.py record bench/golden/records --tree CHECKOUT [--only PATTERN]
    python bench/golden.py compare bench/golden/records --tree CHECKOUT [--only PATTERN]

``record`` stores of each case its ``metrics.jsonl`` (without columns of the clock) and its ``result.json``, and in
``index.json`` how it was made. ``compare`` runs the recorded commands with another checkout and compares row by row:
"equal" where every number is printed alike, "within 1e-5" where none is further off (relative, or absolute below 1),
else "DIFFERENT", and the script fails. ``bench/golden/renamed.toml`` says what was renamed in between. Numbers are
equal only on the same kind of CPU with the same jaxlib. ``LOGPI_CACHE`` chooses where compiled programs are kept.
"""

import argparse
import fnmatch
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from report import BENCH, commit, machine, table, versions

CLOCK = ("time/time_elapsed", "time/fps")
CLOSE = 1e-5
DATA, RUNS = "{DATA}", "{RUNS}"  # in a command: the images of ``own_images``, and the folder that the run goes to
RENAMED = BENCH / "golden" / "renamed.toml"
Row = dict[str, Any]


class Case(NamedTuple):
    """One run: the arguments of ``logpi``, and how many devices it has."""

    command: list[str]
    devices: int = 1


class Renamed(NamedTuple):
    """The tables of ``renamed.toml``."""

    verbs: Mapping[str, str]
    settings: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    metrics: Mapping[str, str]
    kept: Mapping[str, str]
    added: frozenset[str]


class Outcome(NamedTuple):
    """What a run left: the text of its two files, or what it said when it failed."""

    metrics: str
    result: str
    error: str
    seconds: float


# --------------------------------------------------------------------------------------------------------- the cases

RUN = "--log-points 12 --eval-points 2 --eval-episodes 4 --final-episodes 4 --checkpoint-points 1"
QUIET = f"--quiet --no-video --no-tensorboard --log-dir {RUNS} --seed 3"
NET = "--hidden 16 16"
TRAJECTORIES = f"--n-envs 4 {NET}"
A2C = f"--n-envs 8 --n-steps 16 --total-timesteps 1200 {NET}"
PPO = f"--n-envs 4 --n-steps 64 --batch-size 64 --n-epochs 2 --total-timesteps 2000 {NET}"
PPO_SHARED = f"--n-envs 64 --n-steps 32 --batch-size 1024 --n-epochs 2 --total-timesteps 16000 {NET}"
A2C_SHARED = f"--n-envs 64 --n-steps 32 --total-timesteps 16000 {NET}"
REINFORCE_SHARED = f"--n-envs 32 --total-timesteps 6000 {NET}"
IMAGES = "--batch-size 32 --n-updates 10 --total-images 2400 --warmup 640 --eval-episodes 100 --final-episodes 100"
IMAGES_SHARED = IMAGES.replace("32", "256").replace("2400", "10000").replace("10 ", "4 ", 1)
GAMES = (
    "--n-games 16 --n-steps 8 --total-timesteps 1000 --simulations 4 --considered 4 --window 600 --batch-size 32 "
    "--judge-simulations 4 --judge-opponent 4 --eval-episodes 8 --final-episodes 8"
)
PUCT_GAMES = GAMES.replace("--considered 4 ", "")  # which only a Gumbel search has
BOARD = "--units 16 --blocks 1 --value-units 8"
RUNGS = ("total-reward", "reward-to-go", "discounted", "moving-average", "batch-mean", "leave-one-out", "value")


def case(name: str, env: str, algo: str, flags: str = "", devices: int = 1) -> tuple[str, Case]:
    """A run of ``logpi train`` by its name."""
    # of a flag that is given twice the last one counts; but one flag is given once, so that it can be renamed
    given: dict[str, list[str]] = {}
    for word in f"{RUN} {flags} {QUIET}".split():
        if word.startswith("--"):
            name_of = word
            given.pop(word, None)
            given[word] = []
        else:
            given[name_of].append(word)
    words = [w for flag, values in given.items() for w in (flag, *values)]
    return name, Case(["train", env, "--algo", algo, *words], devices)


def gradients() -> Iterator[tuple[str, Case]]:
    """The weights of REINFORCE, and each method on both kinds of actions."""
    for rung in RUNGS:
        yield case(
            f"reinforce-cartpole-{rung}",
            "CartPole-v1",
            "reinforce",
            f"{TRAJECTORIES} --total-timesteps 900 --rung {rung}",
        )
        yield case(
            f"reinforce-pendulum-{rung}",
            "Pendulum-v1",
            "reinforce",
            f"{TRAJECTORIES} --total-timesteps 5600 --rung {rung}",
        )
    options = "--total-timesteps 900 --normalize-psi --vf-steps 3 --ent-coef 0.01 --lr-schedule linear --gamma 0.95"
    yield case(
        "reinforce-options", "CartPole-v1", "reinforce", f"{TRAJECTORIES} {options} --max-grad-norm 0.3 --optimizer sgd"
    )
    yield case("actor_critic-cartpole", "CartPole-v1", "actor_critic", f"{TRAJECTORIES} --total-timesteps 900")
    yield case("actor_critic-pendulum", "Pendulum-v1", "actor_critic", f"{TRAJECTORIES} --total-timesteps 5600")
    yield case("a2c-cartpole", "CartPole-v1", "a2c", A2C)
    yield case("a2c-pendulum", "Pendulum-v1", "a2c", A2C)
    yield case("ppo-cartpole", "CartPole-v1", "ppo", PPO)
    yield case("ppo-pendulum", "Pendulum-v1", "ppo", PPO)


def hosts() -> Iterator[tuple[str, Case]]:
    """Environments on the host."""
    yield case(
        "host-reinforce-blackjack", "Blackjack-v1", "reinforce", f"{TRAJECTORIES} --n-steps 8 --total-timesteps 60"
    )
    yield case("host-actor_critic-frozenlake", "FrozenLake-v1", "actor_critic", f"{TRAJECTORIES} --total-timesteps 300")
    yield case("host-a2c-blackjack", "Blackjack-v1", "a2c", A2C)
    yield case("host-ppo-lunarlander", "LunarLander-v3", "ppo", f"{PPO} --vectorization sync")
    yield case("host-ppo-pendulum-squash", "Pendulum-v1", "ppo", f"{PPO} --squash --env-kwargs g=9.81")
    yield case("host-a2c-same_step", "FrozenLake-v1", "a2c", f"{A2C} --autoreset same_step")
    yield case("host-a2c-disabled", "FrozenLake-v1", "a2c", f"{A2C} --autoreset disabled")
    yield case("host-ppo-async", "FrozenLake-v1", "ppo", f"{PPO} --vectorization async --normalize-reward")


def options() -> Iterator[tuple[str, Case]]:
    """Networks with a memory, normalisation, and settings that no other case has."""
    yield case("ppo-gru", "CartPole-v1", "ppo", f"{PPO} --memory gru --memory-size 8")
    yield case("ppo-lstm", "Pendulum-v1", "ppo", f"{PPO} --memory lstm --memory-size 8")
    yield case("ppo-normalized", "Pendulum-v1", "ppo", f"{PPO} --normalize-obs --normalize-reward")
    yield case("a2c-normalized", "Pendulum-v1", "a2c", f"{A2C} --normalize-obs --normalize-reward")
    options = "--lr-schedule linear --clip-schedule linear --target-kl 0.002 --vf-coef 0.3 --ent-coef 0.01 --shared"
    yield case("ppo-options", "CartPole-v1", "ppo", f"{PPO} {options} --activation relu --no-normalize-advantage")
    options = "--optimizer adam --gae-lambda 0.9 --normalize-advantage --lr-schedule linear --ent-coef 0.01 --squash"
    yield case("a2c-options", "Pendulum-v1", "a2c", f"{A2C} {options} --log-std-init -0.5 --activation silu")


def seeds() -> Iterator[tuple[str, Case]]:
    """Several seeds at once."""
    for devices in (1, 2):
        of = "" if devices == 1 else "-two-devices"
        yield case(f"ppo-seeds-3{of}", "CartPole-v1", "ppo", f"{PPO} --seeds 3", devices)
        yield case(f"ram-seeds-2{of}", "ram/mnist", "ram", f"{IMAGES} --seeds 2", devices)
    yield case(
        "ppo-seeds-4-two-devices", "Pendulum-v1", "ppo", f"{PPO} --seeds 4", 2
    )  # of 3 seeds one device takes all
    yield case(
        "reinforce-seeds-2-two-devices",
        "CartPole-v1",
        "reinforce",
        f"{TRAJECTORIES} --total-timesteps 900 --seeds 2",
        2,
    )


def shared() -> Iterator[tuple[str, Case]]:
    """One learner on two devices."""
    yield case("ppo-shared", "CartPole-v1", "ppo", PPO_SHARED, 2)
    yield case("ppo-gru-shared", "CartPole-v1", "ppo", f"{PPO_SHARED} --memory gru --memory-size 8", 2)
    yield case("ppo-normalized-shared", "Pendulum-v1", "ppo", f"{PPO_SHARED} --normalize-obs --normalize-reward", 2)
    yield case("a2c-shared", "CartPole-v1", "a2c", A2C_SHARED, 2)
    for rung in ("moving-average", "batch-mean", "leave-one-out", "value"):
        yield case(f"reinforce-shared-{rung}", "CartPole-v1", "reinforce", f"{REINFORCE_SHARED} --rung {rung}", 2)
    yield case("actor_critic-shared", "CartPole-v1", "actor_critic", REINFORCE_SHARED, 2)


def images() -> Iterator[tuple[str, Case]]:
    """RAM and whole-image networks."""
    yield case("ram-mnist", "ram/mnist", "ram", IMAGES)
    yield case("ram-shared", "ram/mnist", "ram", IMAGES_SHARED, 2)
    yield case(
        "ram-return",
        "ram/cluttered",
        "ram",
        f"{IMAGES} --credit return --gae-lambda 0.9 --normalize-advantage --n-glimpses 4",
    )
    options = "--credit return --reward correct --core lstm --combine sum --glimpse-coef 0 --core-gradient 0 --copies 2"
    yield case("ram-paper", "ram/mnist", "ram", f"{IMAGES} {options} --rotation 0 --scaling 0 --shear 0 --shift 0")
    options = "--reward probability --frequencies 2 --copies 2 --curriculum 0.5 --location-rate 0.5 --scales 2"
    yield case("ram-options", "ram/cluttered", "ram", f"{IMAGES} {options} --n-glimpses 4")
    for where in ("random", "grid", "centre"):
        yield case(f"ram-{where}", "ram/mnist", "ram", f"{IMAGES} --where {where} --n-glimpses 3")
    yield case("classifier-fc", "ram/mnist", "classifier", f"{IMAGES} --net fc --hidden 32 32")
    yield case("classifier-conv", "ram/mnist", "classifier", f"{IMAGES} --net conv")
    yield case("classifier-shared", "ram/mnist", "classifier", IMAGES_SHARED, 2)
    yield case("classifier-seeds-2", "ram/mnist", "classifier", f"{IMAGES} --seeds 2")


def games() -> Iterator[tuple[str, Case]]:
    """Self-play."""
    yield case("alphazero-tic-tac-toe", "tic-tac-toe", "alphazero", f"{GAMES} {BOARD}")
    yield case("alphazero-tic-tac-toe-two-devices", "tic-tac-toe", "alphazero", f"{GAMES} {BOARD}", 2)
    options = "--search puct --noise 0.25 --alpha 1.0 --forced 2 --temperature-moves 6 --reduction 0.2 --openings 0"
    yield case(
        "alphazero-connect-four-puct",
        "connect-four",
        "alphazero",
        f"{PUCT_GAMES} {BOARD} {options} --resign 0.6 --play-on 0.3",
    )
    gate = "--gate-every 3 --gate-games 8 --gate-simulations 4 --gate-share 0.4 --gate-plies 2"
    yield case("alphago_zero-tic-tac-toe", "tic-tac-toe", "alphago_zero", f"{PUCT_GAMES} {BOARD} {gate}")
    yield case("alphago_zero-tic-tac-toe-two-devices", "tic-tac-toe", "alphago_zero", f"{PUCT_GAMES} {BOARD} {gate}", 2)
    yield case("alphazero-othello-margin", "othello", "alphazero", f"{GAMES} {BOARD} --margin-share 0.3 --kept 12")
    options = "--area-coef 1 --margin-share 0.3 --fast-simulations 2 --fast-share 0.5 --resign 0.5 --play-on 0.3"
    yield case(
        "alphazero-go-5x5",
        "go-5x5",
        "alphazero",
        f"{GAMES} {BOARD} {options} --torso tower --epsilon 0.1 --no-symmetries",
    )
    yield case(
        "alphazero-hex-5x5",
        "hex-5x5",
        "alphazero",
        f"{GAMES} {BOARD} --opening-moves 10 --no-rescale --play-search gumbel",
    )


def recipes() -> Iterator[tuple[str, Case]]:
    """Every recipe, shorter."""
    short = {
        "Acrobot-v1.ppo": "--total-timesteps 14000",
        "CartPole-v1.a2c": "--total-timesteps 4000",
        "CartPole-v1.actor_critic": "--total-timesteps 1800",
        "CartPole-v1.ppo": "--total-timesteps 2000",
        "CartPole-v1.reinforce": "--total-timesteps 1800",
        "LunarLander-v3.ppo": "--total-timesteps 7000 --n-steps 64",
        "MountainCar-v0.ppo": "--total-timesteps 7000",
        "MountainCarContinuous-v0.ppo": "--total-timesteps 14000",
        "Pendulum-v1.ppo": "--total-timesteps 14000",
    }
    for recipe, flags in short.items():
        env, _, algo = recipe.rpartition(".")
        yield case(f"recipe-{recipe}", env, algo, flags)
    for task in ("cluttered-100", "cluttered", "mnist", "translated", "own"):
        for algo in ("ram", "classifier"):
            own = f"--data {DATA} --validation 100" if task == "own" else ""
            yield case(f"recipe-ram-{task}.{algo}", f"ram/{task}", algo, f"{IMAGES} {own}")
    for board in ("connect-four", "hex-11x11", "othello", "tic-tac-toe"):  # go-9x9 takes minutes of both cores
        flags = GAMES.replace("--considered 4 ", "")  # what the recipe has is kept where it costs no time
        yield case(f"recipe-{board}.alphazero", board, "alphazero", flags)


def cases() -> dict[str, Case]:
    """All cases by name."""
    groups = (gradients, hosts, options, seeds, shared, images, games, recipes)
    found = [made for group in groups for made in group()]
    assert len(dict(found)) == len(found)
    return dict(found)


def own_images(path: Path) -> None:
    """A small data set for ram/own: a bright bar at a place that depends on the class, in noise."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 800)
    images = random.integers(0, 60, (800, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 6 * label : 8 + 6 * label, 6:22] = 220
    np.savez(path, images=images, labels=labels)


# ------------------------------------------------------------------------------------------------------------ running


def environment(tree: Path, devices: int) -> dict[str, str]:
    """The environment of a process that runs the code of ``tree``."""
    ours = {"PYTHONPATH": str(tree), "JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **ours}


def check_tree(tree: Path, work: Path) -> None:
    """Refuse to go on where ``import logpi`` finds another checkout than ``tree``."""
    ask = [sys.executable, "-c", "import logpi; print(logpi.__file__)"]
    done = subprocess.run(ask, capture_output=True, text=True, cwd=work, env=environment(tree, 1))
    if not done.stdout.strip() or not Path(done.stdout.strip()).resolve().is_relative_to(tree.resolve()):
        raise SystemExit(f"logpi is not that of {tree}: {done.stdout.strip() or done.stderr.strip()}")


def run(name: str, case: Case, tree: Path, work: Path) -> Outcome:
    """Run one case in a process of its own."""
    folder = work / name
    folder.mkdir(parents=True)
    places = {DATA: str(work / "own.npz"), RUNS: str(folder)}
    command = [sys.executable, "-m", "logpi", *(places.get(word, word) for word in case.command)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment(tree, case.devices))
    seconds = time.perf_counter() - began
    metrics, results = (list(folder.glob(f"*/*/{file}")) for file in ("metrics.jsonl", "result.json"))
    if done.returncode or len(metrics) != 1 or len(results) != 1:
        said = (done.stderr.strip() or done.stdout.strip())[-1500:]
        return Outcome("", "", f"exit code {done.returncode}: {said}", seconds)
    rows = [json.loads(line) for line in metrics[0].read_text().splitlines()]
    kept = [{key: value for key, value in row.items() if key not in CLOCK} for row in rows]
    text = "".join(json.dumps(row) + "\n" for row in kept)
    return Outcome(text, results[0].read_text(), "", seconds)


def run_all(
    chosen: Mapping[str, Case], tree: Path, work: Path, jobs: int, done: Callable[[str, Outcome], None]
) -> None:
    """Run the cases, those of one device side by side and then the others alone; ``done`` is told of each."""
    check_tree(tree, work)
    own_images(work / "own.npz")
    for devices, together in ((1, jobs), (2, 1)):
        mine = {name: case for name, case in chosen.items() if case.devices == devices}
        with ThreadPoolExecutor(together) as pool:
            waiting = {pool.submit(run, name, case, tree, work): name for name, case in mine.items()}
            for future in as_completed(waiting):
                done(waiting[future], future.result())


# ---------------------------------------------------------------------------------------------------------- comparing


def read_renamed(path: Path) -> Renamed:
    """The map of what was renamed."""
    known = tomllib.loads(path.read_text(encoding="utf-8"))
    tables = [known.pop(name, {}) for name in ("verbs", "settings", "values", "metrics", "kept")]
    added = frozenset(known.pop("added", ()))
    if known:
        raise SystemExit(f"{path}: unknown {', '.join(known)}")
    return Renamed(*tables, added)


def translate(command: Sequence[str], renamed: Renamed) -> list[str]:
    """A recorded command in today's words."""
    verb, env, *words = command
    algo = words[words.index("--algo") + 1]
    found = [renamed.verbs.get(verb, verb), renamed.values.get("env", {}).get(env, env)]
    values: Mapping[str, str] = {}
    left_out = False
    for word in words:
        if not word.startswith("--"):
            found += [] if left_out else [values.get(word, word)]
            continue
        flag = word.removeprefix("--").replace("-", "_")
        settings = renamed.settings
        negated = flag.startswith("no_") and not {flag, f"{algo}.{flag}"} & settings.keys()
        name = flag.removeprefix("no_") if negated else flag
        new = settings.get(f"{algo}.{name}", settings.get(name, name))
        values, left_out = renamed.values.get(name, {}), not new
        if new:
            found.append(f"--{'no-' if negated else ''}{new.replace('_', '-')}")
    return found


def rows_of(metrics: str, result: str) -> list[Row]:
    """The rows of a run; the last one is its ``result.json``."""
    rows = [json.loads(line) for line in metrics.splitlines()]
    return [*rows, flat("result", json.loads(result))]


def flat(name: str, value: Any) -> Row:
    """Tables within a table as one row, with keys such as ``result/agreement/share``."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: part for word, inner in value.items() for key, part in flat(f"{name}/{word}", inner).items()}


def renamed_row(row: Row, names: Mapping[str, str]) -> Row:
    """A recorded row by today's keys."""
    found = {}
    for key, value in row.items():
        new = names.get(key, key)
        found[new.removeprefix("-")] = negative(value) if new.startswith("-") else value
    return found


def negative(value: Any) -> Any:
    """Minus a value of a row: numbers, lists of them, and the words for those that JSON lacks."""
    if isinstance(value, list):
        return [negative(v) for v in value]
    if isinstance(value, str):
        return {"inf": "-inf", "-inf": "inf"}.get(value, value)
    return -value


def distance(old: Any, new: Any) -> float:
    """The largest difference of two values, relative to the old one or to 1; inf where they cannot be compared."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return max((distance(a, b) for a, b in zip(old, new, strict=True)), default=0.0)
    if isinstance(old, int | float) and isinstance(new, int | float) and math.isfinite(old) and math.isfinite(new):
        return abs(old - new) / max(1.0, abs(old))
    return 0.0 if json.dumps(old) == json.dumps(new) else math.inf


def verdict(old: Sequence[Row], new: Sequence[Row], renamed: Renamed) -> tuple[str, float, str]:
    """(verdict, largest difference, what is to be said of it)."""
    if len(old) != len(new):
        return "DIFFERENT", math.inf, f"{len(old) - 1} rows were recorded, there are {len(new) - 1}"
    worst, first, alike = 0.0, "", True
    for number, (before, now) in enumerate(zip(old, new, strict=True), 1):
        expected = renamed_row(before, renamed.metrics)
        where = f"row {number}" if number < len(old) else "result.json"
        if missing := [key for key in expected if key not in now]:
            return "DIFFERENT", math.inf, f"{where} lacks {', '.join(missing)}"
        if unknown := sorted(now.keys() - expected.keys() - renamed.added):
            return "DIFFERENT", math.inf, f"{where} has {', '.join(unknown)} besides"
        for key, value in expected.items():
            off = distance(value, now[key])
            alike &= json.dumps(value) == json.dumps(now[key])
            worst = max(worst, off)
            if off > CLOSE and not first:
                first = f"first in {where}, {key}: {value} was recorded, it is {now[key]}"
    return (
        "equal" if alike else f"within {CLOSE:.0e}".replace("e-0", "e-") if worst <= CLOSE else "DIFFERENT",
        worst,
        first,
    )


# ----------------------------------------------------------------------------------------------------------- commands


def record(args: argparse.Namespace, work: Path) -> int:
    """Run the cases and store what they gave; those of an earlier call that are not run again are kept."""
    index_file = args.folder / "index.json"
    args.folder.mkdir(parents=True, exist_ok=True)
    index = json.loads(index_file.read_text()) if index_file.exists() else {}
    failed = []

    def done(name: str, outcome: Outcome) -> None:
        count = outcome.metrics.count("\n")
        print(f"{name}: {outcome.error or f'{count} rows'}, {outcome.seconds:.1f} s", flush=True)
        if outcome.error:
            failed.append(name)
            return
        (args.folder / f"{name}.jsonl").write_text(outcome.metrics)
        (args.folder / f"{name}.result.json").write_text(outcome.result)
        case = chosen[name]
        index[name] = {
            "command": case.command,
            "devices": case.devices,
            "machine": machine().partition(";")[0],
            "jax": versions(sys.executable, ("jax", "jaxlib")),
            "commit": commit(args.tree),
            "date": date.today().isoformat(),
        }
        lines = [f"{json.dumps(key)}: {json.dumps(index[key])}" for key in sorted(index)]
        index_file.write_text("{\n" + ",\n".join(lines) + "\n}\n")

    chosen = {name: case for name, case in cases().items() if fnmatch.fnmatch(name, args.only)}
    if args.missing:
        chosen = {name: case for name, case in chosen.items() if name not in index}
    run_all(chosen, args.tree, work, args.jobs, done)
    print(f"{len(chosen) - len(failed)} recorded" + "".join(f"\nFAILED {name}" for name in failed))
    return bool(failed)


def compare(args: argparse.Namespace, work: Path) -> int:
    """Run what was recorded with another checkout, and tell where it differs."""
    renamed = read_renamed(args.renamed)
    index = json.loads((args.folder / "index.json").read_text())
    recorded = {name: facts for name, facts in index.items() if fnmatch.fnmatch(name, args.only)}
    chosen = {
        name: Case(translate(f["command"], renamed) + renamed.kept.get(name, "").split(), f["devices"])
        for name, f in recorded.items()
    }
    here = machine().partition(";")[0]
    if others := {facts["machine"] for facts in recorded.values()} - {here}:
        print(f"this is {here}; recorded on {'; '.join(sorted(others))}: numbers may differ", file=sys.stderr)
    rows = []

    def done(name: str, outcome: Outcome) -> None:
        if outcome.error:
            found = ("DIFFERENT", math.inf, outcome.error)
        else:
            golden = ((args.folder / f"{name}{end}").read_text() for end in (".jsonl", ".result.json"))
            found = verdict(rows_of(*golden), rows_of(outcome.metrics, outcome.result), renamed)
        word, off, said = found
        rows.append((name, word, f"{off:.1e}" if off else "0", f"{outcome.seconds:.0f}", said.replace("\n", " ")))
        print(f"{name}: {word} {said}", file=sys.stderr, flush=True)

    run_all(chosen, args.tree, work, args.jobs, done)
    print(table(("case", "verdict", "difference", "seconds", "remark"), sorted(rows)))
    words = [word for _, word, *_ in rows]
    print("\n" + ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))))
    return "DIFFERENT" in words or not words


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = made.add_subparsers(dest="verb", required=True)
    for name, text in (("record", "run the cases and store them"), ("compare", "run them again and compare")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("folder", type=Path, help="of the records")
        verb.add_argument("--tree", type=Path, required=True, help="the checkout whose logpi is run")
        verb.add_argument("--only", default="*", metavar="PATTERN", help="cases whose names match, as ppo-*")
        verb.add_argument("--jobs", type=int, default=2, help="cases of one device side by side")
        verb.add_argument("--work", type=Path, metavar="DIR", help="keep the run folders in this new folder")
        if name == "record":
            verb.add_argument("--missing", action="store_true", help="only cases that are not recorded yet")
        else:
            verb.add_argument("--renamed", type=Path, default=RENAMED, metavar="FILE", help="what was renamed")
    args = made.parse_args()
    args.tree = args.tree.resolve()
    act = {"record": record, "compare": compare}[args.verb]
    if args.work:
        args.work.mkdir(parents=True)
        return act(args, args.work.resolve())
    with tempfile.TemporaryDirectory() as work:
        return act(args, Path(work).resolve())


if __name__ == "__main__":
    raise SystemExit(main())
