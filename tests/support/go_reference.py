"""Go told slowly: boards as tuples, chains by flood fill, superko by remembering every board. For the tests only."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyspiel

from logpi.games.rules.game import Game
from logpi.games.rules.go import score

Board = tuple[int, ...]  # 0 empty, 1 the first player's, 2 the second's


def neighbours(point: int, size: int) -> list[int]:
    row, column = divmod(point, size)
    around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return [r * size + c for r, c in around if 0 <= r < size and 0 <= c < size]


def region(board: Board, point: int, size: int) -> tuple[set[int], set[int]]:
    """The points of the same content connected to ``point``, and the points that border on them."""
    found, border, todo = {point}, set(), [point]
    while todo:
        for near in neighbours(todo.pop(), size):
            if board[near] != board[point]:
                border.add(near)
            elif near not in found:
                found.add(near)
                todo.append(near)
    return found, border


def played(board: Board, point: int, colour: int, size: int) -> Board | None:
    """The board after a stone, or None where it is suicide or the point is taken."""
    if board[point]:
        return None
    after = list(board)
    after[point] = colour
    for near in neighbours(point, size):
        if after[near] == 3 - colour:
            chain, border = region(tuple(after), near, size)
            if all(after[b] for b in border):
                for stone in chain:
                    after[stone] = 0
    _, border = region(tuple(after), point, size)
    return None if all(after[b] for b in border) else tuple(after)


class Reference:
    """One game: ``play`` moves, ask for ``legal``, ``ended`` and the ``lead`` of the first player on the board."""

    def __init__(self, size: int):
        self.size, self.boards, self.moves = size, [(0,) * size**2], list[int]()

    @property
    def board(self) -> Board:
        return self.boards[-1]

    @property
    def ended(self) -> bool:
        n = self.size**2
        return self.moves[-2:] == [n, n] or len(self.moves) >= 2 * n

    def legal(self) -> list[bool]:
        earlier, colour = set(self.boards), 1 + len(self.moves) % 2
        after = [played(self.board, point, colour, self.size) for point in range(self.size**2)]
        return [*(board is not None and board not in earlier for board in after), True]

    def play(self, action: int) -> None:
        after = self.board
        if action < self.size**2:
            stone = played(self.board, action, 1 + len(self.moves) % 2, self.size)
            assert stone is not None
            after = stone
        self.moves.append(action)
        self.boards.append(after)

    def lead(self) -> int:
        total = 0
        for point, stone in enumerate(self.board):
            owners = {stone} if stone else {self.board[b] for b in region(self.board, point, self.size)[1]}
            total += {frozenset({1}): 1, frozenset({2}): -1}.get(frozenset(owners), 0)
        return total


class Record(NamedTuple):
    """B random games, T moves: what the rules said before each move, and the move; NumPy arrays [B, T, ...]."""

    legal: Any
    cells: Any
    ended: Any
    first_to_move: Any
    outcome: Any
    score: Any
    action: Any


def record(game: Game, seed: int, games: int, passing: float = 0.02) -> Record:
    """Random games to their end: pass with this probability or where nothing else is legal, else a uniform point.

    After its end a game stays as it is, and its moves are passes.
    """

    def move(state: Any, key: jax.Array) -> tuple[Any, Record]:
        which, whether = jax.random.split(key)
        legal, ended = game.legal(state), game.ended(state)
        points = legal.at[-1].set(False)
        must = ended | ~points.any() | (jax.random.uniform(whether) < passing)
        action = jnp.where(must, game.actions - 1, jax.random.categorical(which, jnp.where(points, 0.0, -1e9)))
        after = game.step(state, action.astype(jnp.int32))
        now = Record(
            legal, game.cells(state), ended, game.first_to_move(state), game.outcome(state), score(state), action
        )
        return jax.tree.map(lambda old, new: jnp.where(ended, old, new), state, after), now

    @jax.jit
    def run(keys: jax.Array) -> Record:
        return jax.vmap(lambda key: jax.lax.scan(move, game.init(), jax.random.split(key, game.longest + 1))[1])(keys)

    return Record(*map(np.asarray, run(jax.random.split(jax.random.key(seed), games))))


def against_reference(seen: Record, size: int, komi: float) -> None:
    """Every mask, board, score and end of the recorded games as the slow rules have them."""
    for b in range(len(seen.action)):
        game = Reference(size)
        for t in range(seen.action.shape[1]):
            sign = 1 if t % 2 == 0 else -1
            where = f"game {b}, move {t}: {game.moves}"
            assert seen.first_to_move[b, t] == (sign > 0), where
            assert tuple(seen.cells[b, t].reshape(-1)) == game.board, where
            assert seen.score[b, t] == sign * (game.lead() - komi), where
            assert seen.ended[b, t] == game.ended, where
            if game.ended:
                assert seen.outcome[b, t] == np.sign(sign * (game.lead() - komi)), where
                break
            assert seen.outcome[b, t] == 0, where
            assert list(seen.legal[b, t]) == game.legal(), where
            game.play(int(seen.action[b, t]))
        else:
            raise AssertionError(f"game {b} never ended")


def against_open_spiel(seen: Record, size: int, komi: float) -> dict[str, int]:
    """The same with open_spiel, whose masks leave superko's moves in and call what follows a draw; counts of what met.

    Its simple ko is ours; a move that only we forbid must end its game as a repetition.
    """
    rules = pyspiel.load_game("go", {"board_size": size, "komi": komi})
    found = {"positions": 0, "superko": 0, "two passes": 0, "cap": 0, "first wins": 0}
    for b in range(len(seen.action)):
        state = rules.new_initial_state()
        for t in range(seen.action.shape[1]):
            where = f"game {b}, move {t}: {state.history()}"
            planes = np.reshape(state.observation_tensor(0), (4, size, size))
            assert np.array_equal(seen.cells[b, t], planes[0] + 2 * planes[1]), where
            assert seen.ended[b, t] == state.is_terminal(), where
            if state.is_terminal():
                assert seen.outcome[b, t] == np.sign(state.returns()[t % 2]), where
                found["cap" if t == 2 * size**2 else "two passes"] += 1
                found["first wins"] += int(state.returns()[0] > 0)
                break
            ours, theirs = set(np.flatnonzero(seen.legal[b, t]).tolist()), set(state.legal_actions())
            assert ours <= theirs, where
            for action in theirs - ours:
                repeated = state.child(action)
                assert repeated.is_terminal(), where
                assert repeated.returns() == [0, 0], where
                found["superko"] += 1
            found["positions"] += 1
            state.apply_action(int(seen.action[b, t]))
        else:
            raise AssertionError(f"game {b} never ended")
    return found
