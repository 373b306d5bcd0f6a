"""Go by the Tromp-Taylor rules, without suicide.

Area scoring, two passes in a row end the game, and *positional superko*: a stone may not recreate any earlier position
of the game, whichever player is to move; such moves are illegal, they do not lose. By *situational superko* (AGA, New
Zealand) it may not recreate one that had the same player to move. Suicide is forbidden, as in Chinese rules
(Tromp-Taylor allows it for two stones or more). After 2 * size ** 2 moves the game is scored as it is.

Players strictly alternate also where there is a handicap: Black's stones and White's passes between them are the first
moves of the game, and no others are legal there.

A position is the additive Zobrist sum of its stones, 64 bits as two words, each modulo 2 ** 32: what a capture removes
is then a sum over the chain. Two different positions of one game share a sum with probability 2 ** -64 each.

A point p is the *only* liberty of a neighbouring chain exactly when the chain's pseudo-liberties (pairs of a stone and
an adjacent empty point) are as many as its stones next to p. So one segment sum decides suicide and capture everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from logpi.errors import LogpiError
from logpi.games.rules import boards
from logpi.games.rules.game import Game
from logpi.games.rules.go_notation import LOOKS, action_of, name_of, sgf
from logpi.games.rules.go_settings import KOMI, check_settings, handicap_moves, name_with
from logpi.games.rules.protocols import Gtp, Komi, Protocols
from logpi.types import Array

SIZES = range(5, 20)
BLOCK = 8  # earlier positions compared at a time


class State(NamedTuple):
    """N = size ** 2 points, row by row from the top; 2N moves at most. Never changed in place."""

    chain: Array  # [N] int16: 0 empty, k > 0 a chain of the player to move, -k of the other; point k - 1 is in it
    hashes: Array  # [H, 2] uint32: row t is the position after t moves; rows to come are 0 as the empty board's
    moves: Array  # [] int32: t
    recent: Array  # [2] int16: the last action and the one before it; -1 where there was none
    komi: Array  # [] float32: points for the second player


def ownership(state: State) -> Array:
    """Whose each point is, if all stones on the board are alive: [N] int8, 1 the player to move, -1 the other, 0 none.

    The player whose stone is there or, of an empty region, whose stones alone touch it. The region is flooded until
    nothing changes: under ``vmap``, as long as the slowest position takes.
    """
    size = _size(state)
    row = state.chain.reshape(size, size)
    bit = (1 << np.arange(size, dtype=np.uint32))[None]
    stones = jnp.stack([jnp.sum(jnp.where(own, bit, 0), axis=1, dtype=jnp.uint32) for own in (row > 0, row < 0)])
    empty = jnp.sum(jnp.where(row == 0, bit, 0), axis=1, dtype=jnp.uint32)[None]

    def grow(reached: Array) -> Array:
        tall = jnp.pad(reached, ((0, 0), (1, 1)))
        near = tall[:, :-2] | tall[:, 2:] | (reached << 1) | (reached >> 1)
        return reached | (near & empty)

    reached, _ = jax.lax.while_loop(
        lambda now: jnp.any(now[0] != now[1]), lambda now: (grow(now[0]), now[0]), (grow(stones), stones)
    )
    mine, theirs = ((r[:, None] & bit) != 0 for r in reached)
    return (mine.astype(jnp.int8) - theirs.astype(jnp.int8)).reshape(-1)


def score(state: State) -> Array:
    """By how many points the player to move leads, komi counted: [] float32."""
    area = jnp.sum(ownership(state), dtype=jnp.int32).astype(jnp.float32)
    return area - jnp.where(_first_to_move(state), state.komi, -state.komi)


def go(size: int, komi: float = KOMI, handicap: int = 0, superko: str = "positional") -> Game:
    """Go on size x size points; action size ** 2 is the pass.

    ``komi`` are points for White, a whole or half number; ``handicap`` stones of Black stand on the places of GTP's
    ``fixed_handicap`` (0, or 2 to 9; 4 on 7x7 and boards of even size, none on smaller ones); ``superko`` is
    "positional" or "situational".
    Nine planes are observed: the mover's stones, the other's, the last move, the one before it, the point where a
    single stone was just taken (simple ko forbids it, if it is ko), the stones of chains with one, two and three
    liberties (as Silver et al. 2016 and Wu 2019; Silver et al. 2017 have none), and everywhere the komi the mover gets
    (negative: gives), divided by the size.
    ``outcome`` and ``margin`` flood only boards of games that have ended; of the others they are 0. LogpiError for a
    size that is not 5 to 19, or a setting that is not allowed.
    """
    if size not in SIZES:
        raise LogpiError(f"go: size {size!r} is not a board size; choose 5 to 19, such as 9, 13 or 19")
    check_settings(komi, superko)
    n = size**2
    fixed, situational = handicap_moves(size, handicap), superko == "situational"
    name = name_with(size, komi, handicap, superko)

    def margin(state: State) -> Array:
        over = _ended(state)
        return jnp.where(over, score(state._replace(chain=jnp.where(over, state.chain, 0))), 0.0)

    symmetries = boards.square(size)
    return Game(
        id=name,
        shape=(size, size),
        actions=n + 1,
        longest=2 * n,
        init=lambda: _init(size, komi),
        step=_step,
        legal=lambda state: _with_handicap(state, _legal(state, situational), fixed),
        ended=_ended,
        outcome=lambda state: jnp.sign(margin(state)),
        observe=_observe,
        cells=_cells,
        first_to_move=_first_to_move,
        symmetries=symmetries,
        action_symmetries=boards.with_pass(symmetries),
        name=lambda action: name_of(action, size),
        parse=lambda text: action_of(text, size),
        ownership=ownership,
        margin=margin,
        looks=LOOKS,
        protocols=Protocols(
            sgf=sgf(size, superko),
            gtp=Gtp("go", superko=superko),
            # a komi that a record has does not make it another game: what is learnt sees the komi
            komi=Komi(
                lambda state: float(state.komi), lambda points: go(size, points, handicap, superko)._replace(id=name)
            ),
            setup=len(fixed),
        ),
    )


def _size(state: State) -> int:
    return math.isqrt(state.chain.shape[0])


def _zobrist(state: State) -> tuple[Array, Array]:
    """[N, 2] uint32 each: what a stone of the player to move adds at each point, and what one of the other does."""
    n = state.chain.shape[0]
    words = np.random.PCG64(20160309).random_raw(2 * n).astype("<u8").view("<u4").reshape(2, n, 2)
    first = _first_to_move(state)
    return jnp.where(first, words[0], words[1]), jnp.where(first, words[1], words[0])


def _first_to_move(state: State) -> Array:
    return state.moves % 2 == 0


def _ended(state: State) -> Array:
    n = state.chain.shape[0]
    return jnp.all(state.recent == n) | (state.moves >= 2 * n)


def _neighbours(points: Array, size: int, outside: int) -> list[Array]:
    """[N] above, left, right and below each point; ``outside`` beyond the edge.

    Rows are laid out one column apart, so that a neighbour is a fixed distance away and its array a slice.
    """
    wide = size + 1
    board = jnp.pad(points.reshape(size, size), ((1, 1), (0, 1)), constant_values=outside).reshape(-1)
    spans = (board[wide + d : wide + d + size * wide] for d in (-wide, -1, 1, wide))
    return [span.reshape(size, wide)[:, :size].reshape(-1) for span in spans]


def _room(chain: Array, size: int) -> Array:
    """[N] int32: empty neighbours of each point."""
    return sum((near.astype(jnp.int32) for near in _neighbours(chain == 0, size, False)), jnp.zeros((), jnp.int32))


def liberties(state: State) -> Array:
    """How many empty points adjoin the chain of each point: [N] int32, 0 where there is no stone."""
    size, chain = _size(state), state.chain
    near = [jnp.abs(x).astype(jnp.int32) for x in _neighbours(chain, size, 0)]
    once = [near[0]]
    for k, label in enumerate(near[1:], 1):
        again = sum((label == x for x in near[:k]), jnp.zeros((), bool))
        once.append(jnp.where(again, 0, label))
    count = jnp.zeros(size**2 + 1, jnp.int32).at[jnp.stack(once)].add((chain == 0).astype(jnp.int32)[None])
    return jnp.where(chain == 0, 0, count[jnp.abs(chain).astype(jnp.int32)])


def _init(size: int, komi: float) -> State:
    n = size**2
    return State(
        jnp.zeros(n, jnp.int16),
        jnp.zeros((-(-(2 * n + 1) // BLOCK) * BLOCK, 2), jnp.uint32),
        jnp.int32(0),
        jnp.full(2, -1, jnp.int16),
        jnp.float32(komi),
    )


def _step(state: State, action: Array) -> State:
    size, chain = _size(state), state.chain
    n = size**2
    at = jnp.arange(n) == action  # nowhere, if it is the pass
    around = jnp.stack(_neighbours(chain, size, 0))
    beside = jnp.sum(jnp.where(at[None], around, 0), axis=1, dtype=jnp.int16)  # [4] chains next to the stone
    member = chain[None] == beside[:, None]  # [4, N]
    open_to = jnp.sum(jnp.where(member, _room(chain, size)[None], 0), axis=1)
    stones_next = jnp.sum(beside[:, None] == beside[None], axis=1)
    dies = (beside < 0) & (open_to == stones_next)
    taken = jnp.any(member & dies[:, None], axis=0)
    joined = at | jnp.any(member & (beside > 0)[:, None], axis=0)
    board = jnp.where(joined, (action + 1).astype(jnp.int16), jnp.where(taken, 0, chain))

    mine, theirs = _zobrist(state)
    change = jnp.where(at[:, None], mine, 0) - jnp.where(taken[:, None], theirs, 0)
    position = state.hashes[state.moves] + jnp.sum(change, axis=0, dtype=jnp.uint32)
    return State(
        -board,
        state.hashes.at[state.moves + 1].set(position),
        state.moves + 1,
        jnp.stack([action.astype(jnp.int16), state.recent[0]]),
        state.komi,
    )


def _legal(state: State, situational: bool) -> Array:
    size, chain = _size(state), state.chain
    mine, theirs = _zobrist(state)
    room = _room(chain, size)
    label = jnp.abs(chain).astype(jnp.int32)
    each = jnp.concatenate([room.astype(jnp.uint32)[:, None], theirs], axis=1)
    chains = jnp.zeros((size**2 + 1, 3), jnp.uint32).at[label].add(each)
    open_to, low, high = (_neighbours(column, size, 0) for column in chains[label].T)
    near = _neighbours(chain, size, 0)

    fits, takes = room > 0, jnp.zeros_like(room, bool)
    change_low, change_high = mine[:, 0], mine[:, 1]
    for k, other in enumerate(near):
        stones_next = sum(((other == x).astype(jnp.uint32) for x in near), jnp.zeros((), jnp.uint32))
        fits |= (other > 0) & (open_to[k] > stones_next)
        dies = (other < 0) & (open_to[k] == stones_next)
        takes |= dies
        for x in near[:k]:
            dies &= other != x  # each chain is taken once
        change_low -= jnp.where(dies, low[k], 0)
        change_high -= jnp.where(dies, high[k], 0)
    candidates = (chain == 0) & (fits | takes)
    now = state.hashes[state.moves]
    allowed = candidates & ~_seen(state, now[0] + change_low, now[1] + change_high, situational)
    return jnp.append(allowed, True)


def _with_handicap(state: State, allowed: Array, fixed: Sequence[int]) -> Array:
    """The next of the moves that place the handicap, then what is ``allowed``."""
    if not fixed:
        return allowed
    stone = jnp.arange(len(allowed)) == jnp.asarray(fixed)[jnp.minimum(state.moves, len(fixed) - 1)]
    return jnp.where(state.moves < len(fixed), stone, allowed)


def _seen(state: State, low: Array, high: Array, situational: bool) -> Array:
    """Which of N positions, given as their words, the game has had before the present one: [N] bool.

    ``situational``: those alone count that had the same player to move, who is then the one to move after a stone.
    """
    blocks = state.hashes.reshape(-1, BLOCK, 2)

    def compare(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        block, found = carry
        for k, earlier in enumerate(blocks[block]):
            same = (low == earlier[0]) & (high == earlier[1])
            found |= same & ((state.moves + 1 - k) % 2 == 0) if situational else same  # BLOCK is even
        return block + 1, found

    started = (jnp.int32(0), jnp.zeros_like(low, bool))
    return jax.lax.while_loop(lambda carry: carry[0] * BLOCK < state.moves, compare, started)[1]


def _observe(state: State) -> Array:
    size, chain, last = _size(state), state.chain, state.recent[0]
    n = size**2
    mine, theirs = _zobrist(state)
    point = jnp.arange(n)
    # what stood before the last move would stand again if the mover took that stone back from here
    removed = jnp.sum(jnp.where((point == last)[:, None], theirs, 0), axis=0, dtype=jnp.uint32)
    again = (state.hashes[state.moves] - removed)[None] + mine
    before = state.hashes[jnp.maximum(state.moves - 1, 0)]
    ko = (chain == 0) & (last >= 0) & (last < n) & jnp.all(again == before[None], axis=1)
    komi = jnp.where(_first_to_move(state), -state.komi, state.komi) / size
    free = liberties(state)
    few = (free == count for count in (1, 2, 3))
    planes = (chain > 0, chain < 0, point == last, point == state.recent[1], ko, *few, jnp.full(n, komi))
    return jnp.stack([plane.astype(jnp.float32) for plane in planes], axis=-1).reshape(size, size, len(planes))


def _cells(state: State) -> Array:
    stones = jnp.stack([state.chain > 0, state.chain < 0]).reshape(2, _size(state), _size(state))
    return boards.players(stones, _first_to_move(state))
