"""The room of board games: a board, players, and the searches that they made, simulation by simulation."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from logpi.errors import LogpiError
from logpi.page.answers import body_of, json_answer
from logpi.page.asked import Kept, whole
from logpi.page.state import Page
from logpi.runs.files import Json

if TYPE_CHECKING:
    from logpi.arena.board_game import BoardGame
    from logpi.arena.players.base import Player
    from logpi.arena.players.offered import Offer
    from logpi.arena.search_tree import SearchTree

MOST_MOVES = 2_000
SIMULATIONS = range(2, 5_001)
BOARDS, PLAYERS, TREES = 64, 4, 256  # games at some move, players and searches that are kept
TREE_BYTES = 2**28
LONGEST_RECORD = 2**20  # characters


class Room:
    """Games, players and searches that the next request will likely be about. All of it is used by one thread."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.boards: Kept[BoardGame] = Kept(BOARDS)
        self.players: Kept[Player] = Kept(PLAYERS)
        self.trees: Kept[tuple[BoardGame, SearchTree]] = Kept(TREES, TREE_BYTES, lambda kept: kept[1].bytes)
        self.searches = 0

    # -- boards ----------------------------------------------------------------------------------------------------

    def board(self, asked: Json) -> BoardGame:
        """The game that a request is about: a name and the numbers of its moves."""
        from logpi.arena.board_game import BoardGame
        from logpi.games.rules.make import make_game

        name, moves = game_name(asked.get("game")), moves_in(asked.get("moves", []))
        known = len(moves)
        while known and (name, moves[:known]) not in self.boards:
            known -= 1
        game = self.boards.find((name, moves[:known])) or BoardGame(make_game(name))
        for place in range(known, len(moves)):
            game = game.play(moves[place])
        self.boards.put((name, moves), game)
        self.boards.put((name, ()), game.undo(len(moves)))
        return game

    def open(self, asked: Json) -> Json:
        """The board and the players of a game."""
        from logpi.arena.board_game import looks_of
        from logpi.arena.players.offered import list_players

        game = self.board(asked)
        offers = [offer._asdict() for offer in list_players(game.game, self.page.home)]
        return {"looks": looks_of(game.game), "view": game.view(), "players": offers, "suffix": game.suffix}

    def view(self, asked: Json) -> Json:
        """What is on the board."""
        game = self.board(asked)
        return {**game.view(), "written": game.moves}

    def record(self, asked: Json) -> Json:
        """The game as the text of a file."""
        players = asked.get("players", ["player 1", "player 2"])
        if not (isinstance(players, list) and len(players) == 2 and all(isinstance(one, str) for one in players)):
            raise LogpiError("players: the names of two players")
        game = self.board(asked)
        text = game.text((players[0][:200], players[1][:200]))
        return {"name": f"{game.game.title}{game.suffix}", "text": text}

    def read(self, asked: Json) -> Json:
        """The moves of the last game in the text of a file."""
        text = asked.get("text")
        if not isinstance(text, str) or len(text) > LONGEST_RECORD:
            raise LogpiError(f"text: a record of at most {LONGEST_RECORD:,} characters")
        game = self.board({"game": asked.get("game")})
        moves = list(game.opened(text).now.actions)
        self.board({"game": asked.get("game"), "moves": moves})  # not from a position that was set up otherwise
        return {"moves": moves}

    # -- players ---------------------------------------------------------------------------------------------------

    def player(self, asked: Json, game: BoardGame) -> Player:
        """The player that a request names: one of those that the room offers, and no command."""
        from logpi.arena.players.make import make_player
        from logpi.arena.players.offered import list_players

        text, simulations = asked.get("player"), whole(asked, "simulations", SIMULATIONS, 200)
        key = (game.game.id, str(text), simulations)
        found = self.players.find(key)
        if found is None:
            offers: dict[object, Offer] = {offer.text: offer for offer in list_players(game.game, self.page.home)}
            if text not in offers:
                known = ", ".join(map(str, offers))
                raise LogpiError(f"no player {str(text)!r:.200} of {game.game.id}; allowed: {known}")
            found = make_player(f"{text}:{simulations}" if offers[text].searches else str(text), game.game)
            for gone in self.players.put(key, found):
                gone.close()
        return found

    def prepare(self, asked: Json) -> Json:
        """Load a player and compile what it needs for a move."""
        from logpi.arena.search_tree import searching

        began, game = time.perf_counter(), self.board(asked)
        player, start = self.player(asked, game), game.undo(len(game.positions) - 1).now
        trees = searching(player)
        if trees is not None:
            trees([start])
        game.view()
        return {"seconds": time.perf_counter() - began}

    def think(self, asked: Json) -> Json:
        """What a player would play, and its search where it can be looked at."""
        from logpi.arena.search_tree import searching

        game = self.board(asked)
        if not game.legal:
            raise LogpiError(f"the game is over: {game.ending}")
        player, began = self.player(asked, game), time.perf_counter()
        trees, tree = searching(player), None
        if trees is not None:
            (tree,) = trees([game.now])
            answer = tree.answer
        else:
            (answer,) = player.choose([game.now])
        seconds = time.perf_counter() - began
        if answer.action not in game.legal:
            raise LogpiError(f"{player.name} wants to play {game.game.name(answer.action)}, which is illegal")
        facts = {"action": answer.action, "name": game.game.written(game.now.state, answer.action)}
        facts |= {"value": answer.value, "seconds": seconds, "line": _line(game, answer.variation), "search": None}
        return facts if tree is None else {**facts, **self._kept(game, tree)}

    def _kept(self, game: BoardGame, tree: SearchTree) -> Json:
        self.searches += 1
        self.trees.put(self.searches, (game, tree))
        return {"search": self.searches, "tree": tree.to_json()}

    def node(self, asked: Json) -> Json:
        """A node of a search: its position, and P and V of its moves; N and Q follow from the tree."""
        found = self.trees.find(asked.get("search"))
        if found is None:
            raise LogpiError("this search is no longer kept; search the position again")
        game, tree = found
        node = whole(asked, "node", range(tree.simulations + 1))
        at = game
        for below in tree.path(node)[1:]:
            at = at.play(int(tree.action[below]))
        return {"view": at.view(), "moves": [move._asdict() for move in tree.moves(node)]}


def game_name(given: object) -> str:
    """The name of a game that needs no file and no package of its own.

    Raises:
        LogpiError: it is another one.
    """
    from logpi.games import GAMES, SIZED, entries, game_names

    sized = "|".join(SIZED)
    forms = rf"(?:{sized})-[1-9][0-9]?x[1-9][0-9]?"
    if isinstance(given, str) and (given in GAMES or given in entries() or re.fullmatch(forms, given)):
        return given
    raise LogpiError(f"no game {str(given)!r:.100} here; allowed: {', '.join(game_names())}")


def moves_in(given: object) -> tuple[int, ...]:
    """The moves of a request, as numbers of actions."""
    if not isinstance(given, list) or len(given) > MOST_MOVES or not all(type(move) is int for move in given):
        raise LogpiError(f"moves: a list of at most {MOST_MOVES:,} whole numbers")
    return tuple(given)


def _line(game: BoardGame, actions: tuple[int, ...]) -> list[str]:
    """Moves that follow, as people write them."""
    with contextlib.suppress(LogpiError):
        for action in actions:
            game = game.play(action)
    return game.moves[-len(actions) :] if actions else []


def routes(page: Page) -> list[BaseRoute]:
    """What the room answers."""
    room = Room(page)

    def route(name: str, answer: Any) -> Route:
        async def endpoint(request: Request) -> Response:
            return json_answer(await page.work(answer, await body_of(request)))

        return Route(f"/api/play/{name}", endpoint, methods=["POST"])

    async def games(request: Request) -> Response:
        from logpi.games import game_names

        return json_answer({"games": game_names()})

    answers = {
        "open": room.open,
        "board": room.view,
        "record": room.record,
        "read": room.read,
        "prepare": room.prepare,
        "think": room.think,
        "node": room.node,
    }
    return [Route("/api/play/games", games), *(route(name, answer) for name, answer in answers.items())]
