"""The command line: ``logpi VERB …`` finds the verb's function, and turns every expected error into one message.

Importing this module imports neither JAX nor the verbs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

from logpi.cli.output import flush_output, replace_what_cannot_be_shown, say, warn
from logpi.errors import INTERRUPTED

TYPE_CHECKING = False  # as typing has it, whose import would be a tenth of `logpi --help`
if TYPE_CHECKING:
    from typing import NoReturn

LESS = (
    "n_envs, n_steps or seeds (environments); n_games, replay_size or keep_checkpoints (board games); batch_size, "
    "mc_samples or canvas (images)"
)

TRAINING = ("train", "resume", "compare", "sweep")
LONG = ("train", "resume", "compare", "sweep", "play", "arena", "analyze")  # what they do is more than what they print
VERBS = {  # name -> what it does; each is a function of that name in this folder's module of that name
    "train": "train an agent; display, save and film it",
    "resume": "continue an interrupted run from its last checkpoint, or a finished one for longer",
    "stop": "let a running run save and end",
    "ui": "open a page in the browser: runs, curves, agents to watch and to play",
    "gallery": "write environments with films of their agents, scores and commands as a plain site",
    "eval": "evaluate a trained agent: returns, test error on images, or strength in a game",
    "watch": "film a trained or a random agent and open the video",
    "look": "classify pictures of your own with an agent trained on images",
    "export": "write how an agent acts as an ONNX model, for other programs",
    "bundle": "write an agent with its card, score and video into a folder that any machine loads",
    "push": "send a bundle to the Hugging Face hub",
    "pull": "fetch a bundle from the Hugging Face hub",
    "combine": "put a policy, a value network and a fast policy together into AlphaGo's player",
    "play": "play a board game against an agent in the terminal",
    "engine": "serve an agent to other programs by UCI, USI or GTP",
    "analyze": "evaluate recorded games and positions, and mark mistakes in the record",
    "arena": "play matches between agents, engines and solvers; Elo with intervals",
    "compare": "compare methods over environments and seeds, with intervals; a page, tables, figures",
    "sweep": "search for settings, many configurations in one program; a recipe for train --config",
    "variance": "measure how noisy each gradient estimate is, from the whole reward to Q - V",
    "plot": "draw the learning curves of one or more runs",
    "runs": "list the runs in a folder with their status and size; delete, prune or archive some",
    "envs": "list environments, image tasks and board games, with their recipes",
    "agents": "list the trained agents that come with logpi",
    "algos": "list algorithms, each with its parent: the one that it changes",
    "check-env": "test your own environment and say what to fix",
    "check-game": "test the rules of your own board game and say what to fix",
    "doctor": "report on this machine: devices, packages, extras, cache",
}


def overview() -> str:
    """The text of ``logpi --help``."""
    lines = [f"  {name:10} {text}" for name, text in VERBS.items()]
    return "\n".join(
        [
            "logpi: learning by policy gradients",
            "",
            "usage: logpi VERB [options]      (logpi VERB --help lists a verb's options)",
            "       --code FILE.py            import this file if a run or an agent names it",
            "       --trust                   import whatever code the run or the agent names; it is shown first",
            *lines,
            "",
            "a first run:  logpi train CartPole-v1",
        ]
    )


def _trust_in(argv: list[str]) -> tuple[list[str], list[str], bool]:
    """(``argv`` without ``--code FILE`` and ``--trust``, the files, whether ``--trust`` is there), for every verb."""
    rest, code, trust = [], [], False
    arguments = iter(argv)
    for argument in arguments:
        flag, sign, value = argument.partition("=")
        if flag == "--code":
            code.append(value if sign else next(arguments, ""))
        elif argument == "--trust":
            trust = True
        else:
            rest.append(argument)
    return rest, code, trust


def run() -> NoReturn:
    """The command ``logpi``: ``main`` in a process of its own.

    An interrupted process, and one that failed while a program was being compiled beside it, skips what a regular exit
    waits for: XLA cannot be stopped while it compiles, and libraries that were interrupted in their import may never
    end.
    """
    code = main()
    if code == INTERRUPTED or (code and _compiles()):
        os._exit(code)
    sys.exit(code)


def _compiles() -> bool:
    compiling = sys.modules.get("logpi.driver.compiling")  # not imported for this: it would bring JAX
    return compiling is not None and compiling.under_way()


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed with a message, 2 usage, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    replace_what_cannot_be_shown()
    if not argv or argv[0] in ("-h", "--help", "help"):
        argv = ["help"]
    try:
        code = _answer(argv)
    except BrokenPipeError:  # the reader of our output has gone: `logpi runs | head -1`
        code = 1 if argv[0] in LONG else 0
        if code:
            warn(f"logpi {argv[0]}: the output has no reader any more; ended before its end")
    flush_output()
    return code


def _answer(argv: list[str]) -> int:
    """The exit code of a command whose first word is there."""
    if argv == ["help"]:
        say(overview())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        say(f"logpi {version('logpi')}")
        return 0
    if argv[0] not in VERBS:
        import difflib

        near = difflib.get_close_matches(argv[0], VERBS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        warn(f"logpi: unknown verb {argv[0]!r}{hint} Allowed: {', '.join(VERBS)}")
        return 2
    return _run(argv)


def _run(argv: list[str]) -> int:
    """The exit code of a verb; every expected error becomes one message."""
    from logpi.errors import LogpiError
    from logpi.own_code import command
    from logpi.training.signals import EARLY, ending_at_once

    argv, code, trust = _trust_in(argv)
    verb = argv[0].replace("-", "_")
    try:
        with command(code, trust), ending_at_once(EARLY) if verb in TRAINING else contextlib.nullcontext():
            result: int = getattr(importlib.import_module(f"logpi.cli.{verb}"), verb)(argv[1:])
        return result
    except LogpiError as error:
        warn(f"logpi {argv[0]}: {error}")
        return 1
    except MemoryError as error:
        warn(f"logpi {argv[0]}: out of memory ({error}); lower {LESS}")
        return 1
    except RuntimeError as error:  # JAX raises a subclass; importing JAX for its name would be slow
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        warn(f"logpi {argv[0]}: the device is out of memory; lower {LESS}")
        return 1
    except KeyboardInterrupt as interrupt:
        what = f"; {interrupt}" if str(interrupt) else ""
        warn(f"logpi {argv[0]}: interrupted{what}")
        return INTERRUPTED
