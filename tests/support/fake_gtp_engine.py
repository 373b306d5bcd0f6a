"""A small GTP engine that plays Hex: the first empty cell. It can be told to misbehave, and how often it has to."""

import argparse
import os
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--fault", default="", help="die, hang, illegal, nonsense, resign, refuse, fail or mute")
parser.add_argument("--at", type=int, default=1, help="the move of a game at which it happens")
parser.add_argument("--log", default="", help="every command is written there")
parser.add_argument("--noise", type=int, default=0, help="bytes on stderr before every reply")
parser.add_argument("--child", default="", help="start a child that sleeps, and write its number there")
parser.add_argument("--stay", action="store_true", help="do not leave at quit or at the end of the input")
parser.add_argument("--unnumbered", action="store_true", help="know no numbers of commands")
parser.add_argument("--banner", default="a banner that is no reply", help="said at the start")
parser.add_argument("--form", default="{sign}{number} {text}\n\n", help="of a reply")
parser.add_argument("--unasked", default="", help="said before every reply")
options = parser.parse_args()

size, taken = 11, []


def genmove():
    own = len(taken) // 2 + 1
    if options.fault and own == options.at:
        if options.fault == "die":
            print("out of ideas", file=sys.stderr, flush=True)
            os._exit(3)
        if options.fault == "hang":
            time.sleep(600)
        odd = {"illegal": taken[0] if taken else "z99", "nonsense": "??", "resign": "resign"}
        if options.fault in odd:
            return odd[options.fault]
        if options.fault == "fail":
            raise ValueError("no move comes to mind")
    cells = (f"{chr(97 + column)}{row + 1}" for row in range(size) for column in range(size))
    return next(cell for cell in cells if cell not in taken)


def answer(command, *words):
    global size
    if command == "protocol_version":
        return "2"
    if command == "name":
        return "Fake"
    if command == "version":
        return "1.0"
    if command == "known_command":
        return "false"
    if command == "boardsize":
        if int(words[0]) > 11:
            raise ValueError("unacceptable size")
        size = int(words[0])
    elif command == "clear_board":
        taken.clear()
    elif command == "play":
        if words[1] in taken or (options.fault == "refuse" and len(taken) >= options.at):
            raise ValueError("illegal move")
        taken.append(words[1])
    elif command == "genmove":
        taken.append(genmove())
        return taken[-1]
    elif command != "quit":
        raise ValueError("unknown command")
    return ""


if options.child:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(options.child, "w") as file:
        file.write(str(child.pid))
print(options.banner, flush=True)
for line in sys.stdin:
    words = line.split()
    number = words.pop(0) if words[0].isdigit() and not options.unnumbered else ""
    if options.log:
        with open(options.log, "a") as file:
            file.write(" ".join(words) + "\n")
    sys.stderr.write("x" * options.noise)
    try:
        sign, text = "=", answer(*words)
    except ValueError as error:
        sign, text = "?", str(error)
    if options.fault != "mute":
        print(options.unasked + options.form.format(sign=sign, number=number, text=text), end="", flush=True)
    if words == ["quit"] and not options.stay:
        break
while options.stay:
    time.sleep(1)
