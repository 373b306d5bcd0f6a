"""``logpi VERB …``: finds the verb, parses its flags with tyro, and turns every foreseen mistake into one message.

Importing this module imports neither JAX nor the verbs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import threading

LESS = (
    "n_envs, n_steps or seeds; of board games n_games, replay_size or keep_checkpoints; of images batch_size, "
    "mc_samples or canvas"
)

VERBS = {  # each is a function of that name in the module of that name in this folder
    "train": "train an agent; show, save and film it",
    "resume": "continue an interrupted run exactly where its last checkpoint stood",
    "eval": "evaluate a trained agent: returns, errors on images, or strength in a game",
    "watch": "film a trained agent (or a random one) and open the video",
    "play": "play a board game against an agent in the terminal",
    "arena": "play matches between agents, engines and solvers; Elo with intervals",
    "plot": "draw the learning curves of one run or several",
    "runs": "list the runs in this folder",
    "envs": "list environments, image tasks and games, with their recipes",
    "algos": "list algorithms, each after the one that it changes",
    "check-env": "test an environment of your own, and say what to fix",
    "check-game": "test the rules of a board game of your own, and say what to fix",
    "doctor": "say what this machine has: devices, packages, extras, cache",
}


def overview() -> str:
    """The text of ``logpi --help``."""
    lines = [f"  {name:10} {text}" for name, text in VERBS.items()]
    return "\n".join(
        [
            "logpi: learning by policy gradients",
            "",
            "usage: logpi VERB [options]      (logpi VERB --help tells a verb's options)",
            "       --code FILE.py            import this file where a run or an agent names it",
            *lines,
            "",
            "a first run:  logpi train CartPole-v1",
        ]
    )


def _code_in(argv: list[str]) -> tuple[list[str], list[str]]:
    """(``argv`` without its ``--code FILE`` flags, the files): every verb takes them."""
    rest, code = [], []
    arguments = iter(argv)
    for argument in arguments:
        flag, sign, value = argument.partition("=")
        if flag == "--code":
            code.append(value if sign else next(arguments, ""))
        else:
            rest.append(argument)
    return rest, code


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed with a message, 2 usage, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"logpi {version('logpi')}")
        return 0
    if argv[0] not in VERBS:
        near = difflib.get_close_matches(argv[0], VERBS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"logpi: unknown verb {argv[0]!r}{hint} Allowed: {', '.join(VERBS)}", file=sys.stderr)
        return 2
    from logpi.errors import LogpiError
    from logpi.own_code import name_code

    argv, code = _code_in(argv)
    name_code(*argv[1:], *code)
    verb = argv[0].replace("-", "_")
    try:
        result: int = getattr(importlib.import_module(f"logpi.cli.{verb}"), verb)(argv[1:])
        return result
    except LogpiError as error:
        print(f"logpi {argv[0]}: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"logpi {argv[0]}: out of memory ({error}); lower {LESS}", file=sys.stderr)
        return 1
    except RuntimeError as error:  # JAX's own, which must not be imported for the sake of its name
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"logpi {argv[0]}: the device is out of memory; lower {LESS}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        what = f"; {interrupt}" if str(interrupt) else ""
        print(f"logpi {argv[0]}: interrupted{what}", file=sys.stderr)
        if any(thread.name == "logpi-compile" for thread in threading.enumerate()):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)  # XLA cannot be stopped while it compiles, and a regular exit would wait for it
        return 130
    except BrokenPipeError:  # the reader of our output has gone: `logpi runs | head -1`
        sys.stderr.close()
        return 0
