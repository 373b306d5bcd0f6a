"""AlphaGo's stages from a folder of expert records, and the panels of the paper: one report.

    python bench/alphago.py --records DIR --work DIR [--only STEP …] [--report]

`expert_records.py` makes the records. Each step is kept in the work folder, with the machine's load when it began, and
is left out where it is there; a training that was interrupted goes on. The steps:

    policy    the supervised policy, and its accuracy on games held out by the number of games learnt from
    rollout   the fast policy of rollouts, its accuracy and its speed
    rl        the reinforced policy, and its points against the supervised one along its training
    games     games of the two policies, for the value network
    value     the value network from one position of each game, and one from as many positions of whole games
    figure2b  squared error by move number: the value network, and rollouts by three policies
    search    the player with λ = 0, 0.5 and 1 against each other, and against its parts
    report    bench/results/alphago.md
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import alphago_panels as panels
from alphago_report import report
from report import BENCH, command_of, machine, parser, shown

from logpi.driver import devices
from logpi.games.agent import GameAgent, load_game_agent
from logpi.games.combine import combine
from logpi.games.methods.alphago_value import one_position, with_result
from logpi.games.records.examples import every_move, read_examples
from logpi.games.rules.make import make_game
from logpi.runs.files import atomic_write
from logpi.runs.folder import RunFolder
from logpi.runs.lookup import agent_folder, find_runs

Json = dict[str, Any]
MIXING = (0.0, 0.5, 1.0)


class Bench:
    """The steps, in a folder."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.work, self.game = args, args.work, make_game(args.game)

    def train(self, name: str, algo: str, *flags: object) -> Path:
        """The run called ``name``, trained to its end in a process of its own."""
        place = self.work / name
        found = list(find_runs(place)) if place.exists() else []
        if found and found[-1].status == "finished":
            return found[-1].path
        with_checkpoint = found and RunFolder(found[-1].path).has_checkpoint
        begin = ["train", self.args.game, "--algo", algo, "--log-dir", place, "--no-tensorboard", *flags]
        command = ["resume", found[-1].path] if with_checkpoint else begin
        subprocess.run([sys.executable, "-m", "logpi", *map(str, command), "--quiet"], check=True)
        return find_runs(place)[-1].path

    def agent(self, name: str) -> GameAgent:
        """The newest agent of a run that has been trained here."""
        run = RunFolder(find_runs(self.work / name)[-1].path)
        return load_game_agent(run.last)

    def path(self, name: str) -> Path:
        return RunFolder(find_runs(self.work / name)[-1].path).last

    # -- steps -----------------------------------------------------------------------------------------------------

    def policy(self) -> Json:
        run = self.train("policy", "alphago", "--records", self.args.records, *self.length("policy"))
        read = read_examples(self.game, str(self.args.records), 0.1, every_move)
        agent, most = self.agent("policy"), self.args.positions
        held = panels.accuracy(agent, read.examples.held_out, most)
        learnt = panels.accuracy(agent, read.examples.training, most)
        return {"held out": held, "learnt from": learnt, "records": read.notes, "run": _facts(run)}

    def rollout(self) -> Json:
        flags = ("--records", self.args.records, "--torso", "patterns", *self.length("rollout"))
        run = self.train("rollout", "alphago", *flags)
        read = read_examples(self.game, str(self.args.records), 0.1, every_move)
        agent = self.agent("rollout")
        held = panels.accuracy(agent, read.examples.held_out, self.args.positions)
        speeds = [panels.speed(self.agent("policy"), agent, batch) for batch in (1, 64)]
        return {"held out": held, "speed": speeds, "run": _facts(run)}

    def rl(self) -> Json:
        run = self.train("rl", "alphago_rl", "--from", self.path("policy"), *self.length("rl"))
        first, found = self.agent("policy"), []
        stages = sorted(RunFolder(run).stages.glob("*"), key=lambda path: int(path.name))
        for place, games in [
            *((stage, self.args.games // 4) for stage in stages[:-1]),
            (self.path("rl"), self.args.games),
        ]:
            agent = load_game_agent(agent_folder(place))
            one = panels.match(agent, first, (1, 1), games, self.args.plies, 0)
            found.append({"moves": agent.facts["facts"].get("timesteps"), **one})
        return {"matches": found, "run": _facts(run)}

    def games(self) -> Json:
        place = self.work / "games"
        command = [BENCH / "policy_records.py", self.path("policy"), self.path("rl"), place]
        command += ["--games", self.args.value_games]
        subprocess.run([sys.executable, *map(str, command)], check=True)
        return {"files": len(list(place.iterdir()))}

    def value(self) -> Json:
        place, most = self.work / "games", self.args.positions
        one = read_examples(self.game, str(place), 0.1, one_position)
        wanted = panels.positions_in(one.examples.training) + panels.positions_in(one.examples.held_out)
        whole = self.few(place, wanted)
        runs = {
            "one": self.train("value-one", "alphago_value", "--records", place, *self.length("value")),
            "all": self.train(
                "value-all", "alphago_value", "--records", whole, "--positions", "all", *self.length("value")
            ),
        }
        # what the second network has learnt from is among the games of the first: both are judged on those held out
        learnt = {"one": one, "all": read_examples(self.game, str(whole), 0.1, with_result)}
        return {
            name: {
                "learnt from": panels.value_error(self.agent(f"value-{name}"), learnt[name].examples.training, most),
                "held out": panels.value_error(self.agent(f"value-{name}"), one.examples.held_out, most),
                "run": _facts(run),
            }
            for name, run in runs.items()
        }

    def few(self, place: Path, wanted: int) -> Path:
        """A folder with as many of the files as hold about ``wanted`` positions of whole games."""
        target = self.work / "games-whole"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for path in sorted(place.iterdir()):
            shutil.copy(path, target)
            read = read_examples(self.game, str(target), 0.1, with_result).examples
            if panels.positions_in(read.training) + panels.positions_in(read.held_out) >= wanted:
                break
        return target

    def figure2b(self) -> Json:
        read = read_examples(self.game, str(self.args.records), 0.1, with_result)
        policies = {"random moves": None, "fast policy": self.agent("rollout"), "RL policy": self.agent("rl")}
        return panels.error_by_move(
            self.agent("value-one"), policies, read.examples.held_out, self.args.points, self.args.rollouts, 10
        )

    def search(self) -> Json:
        players = {}
        for mixing in MIXING:
            place = self.work / f"player-{mixing:g}"
            if not place.exists():
                combine(self.path("policy"), self.path("value-one"), self.path("rollout"), place, mixing=mixing)
            players[f"λ = {mixing:g}"] = (load_game_agent(place), self.args.simulations)
        players["policy alone"] = (self.agent("policy"), 1)
        names, found = list(players), {}
        for a, b in [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]:
            kept = self.work / f"search-{names.index(a)}-{names.index(b)}.json"
            if not kept.exists():
                (one, n), (other, m) = players[a], players[b]
                played = panels.match(one, other, (n, m), self.args.pairing, self.args.plies, 0)
                atomic_write(kept, json.dumps(played).encode())
            found[f"{a} against {b}"] = json.loads(kept.read_text())
        return found | {"simulations": self.args.simulations}

    def length(self, stage: str) -> Sequence[object]:
        """The length of a training, where the command says one."""
        given = getattr(self.args, f"{stage}_timesteps")
        return () if given is None else ("--total-timesteps", given)


STEPS: dict[str, Callable[[Bench], Json]] = {
    name: getattr(Bench, name) for name in ("policy", "rollout", "rl", "games", "value", "figure2b", "search")
}


def _facts(run: Path) -> Json:
    """How a run was trained."""
    return {"timesteps": RunFolder(run).length["timesteps"], "command": " ".join(shown(shlex.split(command_of(run))))}


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--records", type=Path, required=True, help="folder of expert records")
    asked.add_argument("--work", type=Path, required=True, help="folder of the runs and of what was measured")
    asked.add_argument("--game", default="go-9x9")
    asked.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="steps")
    asked.add_argument("--report", action="store_true", help="measure nothing")
    for stage in ("policy", "rollout", "rl", "value"):
        asked.add_argument(f"--{stage}-timesteps", type=float, help=f"length of {stage}; by default the recipe's")
    asked.add_argument("--positions", type=int, default=20_000, help="positions of an accuracy or an error")
    asked.add_argument("--games", type=int, default=400, help="games of the RL policy against the supervised one")
    asked.add_argument("--plies", type=int, default=8, help="random moves of an opening")
    asked.add_argument("--value-games", type=int, default=20_000)
    asked.add_argument("--points", type=int, default=1000, help="positions of figure 2b")
    asked.add_argument("--rollouts", type=int, default=20, help="rollouts of each")
    asked.add_argument("--simulations", type=int, default=100)
    asked.add_argument("--pairing", type=int, default=200, help="games of a pairing of the search")
    args = asked.parse_args()
    devices.prepare()
    args.records, args.work = args.records.resolve(), args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(args)
    for name in [] if args.report else args.only:
        kept = args.work / f"{name}.json"
        if not kept.exists():
            load, began = os.getloadavg()[0], time.monotonic()
            found = STEPS[name](bench)
            about = {"date": time.strftime("%Y-%m-%d"), "load": load, "seconds": time.monotonic() - began}
            atomic_write(
                kept, (json.dumps(found | {"about": about | {"machine": machine()}}, indent=1) + "\n").encode()
            )
            print(f"{name}: {about['seconds']:.0f} s", flush=True)
    report(args.work, args.results)


if __name__ == "__main__":
    main()
