"""A small UCI engine that plays the first legal move of chess. It can be told to misbehave, and when."""

import argparse
import os
import sys
import time

import chess

parser = argparse.ArgumentParser()
parser.add_argument("--fault", default="", help="die, hang, late, illegal, nonsense, none, resign, deaf, chatter")
parser.add_argument("--at", type=int, default=1, help="the move of a game at which it happens")
parser.add_argument("--log", default="", help="every command is written there")
parser.add_argument("--until", default="", help="a file; once it is there the engine behaves")
parser.add_argument("--sleep", type=float, default=0.0, help="seconds of thinking")
options = parser.parse_args()
board = chess.Board()


def say(line):
    print(line, flush=True)


def best():
    fault = options.fault
    if options.until and os.path.exists(options.until):
        fault = ""
    if fault and board.fullmove_number == options.at:
        if options.until:
            open(options.until, "w").close()
        if fault == "die":
            print("out of ideas", file=sys.stderr, flush=True)
            os._exit(3)
        if fault == "hang":
            time.sleep(600)
        if fault == "late":
            time.sleep(0.4)
        said = {"illegal": "a1a8", "nonsense": "\x1b[31m??", "none": "(none)", "resign": "resign"}
        if fault in said:
            return said[fault]
        if fault == "chatter":
            for _ in range(20_000):
                say("info string " + "x" * 100)
    time.sleep(options.sleep)
    return min(move.uci() for move in board.legal_moves)


say("a banner")
for line in sys.stdin:
    words = line.split()
    if options.log:
        with open(options.log, "a") as file:
            file.write(line)
    if words[0] == "uci" and options.fault != "deaf":
        say("id name Fake")
        say("option name Skill Level type spin default 20 min 0 max 20")
        say("option name UCI_Variant type combo default chess var chess var gardner")
        say("uciok")
    elif words[0] == "isready":
        say("readyok")
    elif words[0] == "position":
        board = chess.Board(" ".join(words[2:8]))
        for move in words[9:]:
            board.push_uci(move)
    elif words[0] == "go":
        say("info depth 1 score cp 0")
        say(f"bestmove {best()}")
    elif words[0] == "quit":
        break
