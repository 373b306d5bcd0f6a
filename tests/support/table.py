"""Tables of games against an agent, and sessions after moves written in words."""

from logpi.arena.players.base import begin
from logpi.arena.terminal.board import Display
from logpi.arena.terminal.panel import view
from logpi.arena.terminal.session import Session, make_table, moved, reply
from logpi.games.rules.make import make_game

ASCII, UNICODE, COLOUR = Display(False, False), Display(False, True), Display(True, True)
_tables = {}


def table(name, display=ASCII):
    """A table for a game against "agent", compiled once."""
    if name not in _tables:
        _tables[name] = make_table(make_game(name), "agent", ASCII)
    return _tables[name]._replace(display=display)


def session(name, moves="", side="first"):
    """A table, and a session after moves written in words."""
    t = table(name)
    s = Session((begin(t.game),), side)
    for move in moves.split():
        s = moved(t, s, t.game.parse(move))
    return t, s


def told(lines):
    """Lines as one plain text without spaces at their ends."""
    return "\n".join(getattr(line, "plain", line).rstrip() for line in lines)


def board(name, moves="", display=ASCII):
    t, s = session(name, moves)
    return told(view(t._replace(display=display), s, width=0)).split("\n\n")[0]


def played(s):
    return [s.now.game.name(action) for action in s.now.actions]


def say(t, s, *lines):
    """The last reply to lines said one after the other."""
    for line in lines:
        answer = reply(t, s, line)
        s = answer.session
    return answer
