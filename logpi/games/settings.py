"""Settings of the methods that learn board games from self-play, and of their network."""

from __future__ import annotations

import dataclasses
from typing import Literal

from logpi.config.settings import Optimizer, above, at_least, finite, fraction, not_negative, timesteps

Search = Literal["gumbel", "puct"]


@dataclasses.dataclass(frozen=True)
class SelfPlaySettings:
    """What learning a board game from its own games needs. The agent is a moving average of the parameters."""

    total_timesteps: float = timesteps(2e6)  # moves of self-play, the schedule's horizon
    n_games: int = at_least(1, 256)  # games side by side, B
    n_steps: int = at_least(1, 16)  # moves of each game in one iteration, T
    simulations: int = at_least(1, 32)  # of the search, a move
    search: Search = "gumbel"  # of self-play: Danihelka et al. 2022, or the papers' PUCT
    play_search: Search = "puct"  # of evaluations and matches, where the best move is wanted and nothing is explored
    max_considered_actions: int = at_least(1, 16)  # Gumbel: moves that the root begins with, m
    c_visit: float = not_negative(50.0)  # Gumbel: σ(q) = (c_visit + max N) c_scale q
    c_scale: float = not_negative(0.1)
    rescale_values: bool = True  # Gumbel: q relative to its node's least and greatest (mctx); else to -1 and 1 (paper)
    c_init: float = not_negative(1.25)  # PUCT: C(s) = log((1 + N + c_base) / c_base) + c_init
    c_base: float = above(0, 19652.0)
    fpu_reduction: float = finite(
        0.0
    )  # PUCT: what a move without a visit is worth less than its node; below 0: it has Q = 0
    dirichlet_fraction: float = fraction(0.25)  # PUCT: share of Dirichlet noise in the root's prior
    dirichlet_alpha: float = not_negative(
        0.0
    )  # PUCT: of that noise; 0: 10 / the number of legal moves, which is about the papers'
    temperature: float = not_negative(1.0)  # PUCT: moves are drawn by N ^ (1 / temperature)
    temperature_plies: int = not_negative(30)  # PUCT: for so many moves of a game
    temperature_end: float = not_negative(0.0)  # PUCT: and by this behind them; 0: the most visited move
    forced_playouts_k: float = not_negative(
        0.0
    )  # PUCT: k of forced playouts, n_forced = √(k P N) (Wu 2019: 2); 0: none
    max_children: int = not_negative(0)  # moves that a node of the tree keeps, those of the largest prior; 0: all
    random_opening_fraction: float = fraction(
        0.5
    )  # share of the games that begin with random moves, which are not learnt from
    random_opening_plies: int = not_negative(8)  # 1 to so many
    random_move_fraction: float = fraction(
        0.0
    )  # share of moves drawn at random instead; the value's trace is cut there
    random_move_plies: int = not_negative(20)  # among so many first moves of a game
    playout_cap_simulations: int = not_negative(
        0
    )  # playout-cap randomisation (Wu 2019): of moves only played on by; 0: none
    playout_cap_probability: float = fraction(0.75)  # of the moves that are searched so
    resign_threshold: float = not_negative(
        2.0
    )  # a player resigns whose search value is below minus this; above 1: never
    no_resign_fraction: float = fraction(
        0.1
    )  # share of the games in which nobody resigns, to measure how often that were wrong
    td_lambda: float = fraction(0.9)  # λ of the value's target; 1: the outcome, as in the papers
    replay_size: float = above(0, 4e5)  # moves that are learnt from, the newest
    replay_ratio: float = not_negative(4.0)  # how often a move is learnt from, on average
    batch_size: int = at_least(1, 512)  # moves of one update
    learning_rate: float = not_negative(2e-3)  # it falls along a half cosine
    final_learning_rate: float = not_negative(1e-4)  # to this at total_timesteps
    weight_decay: float = not_negative(
        0.1
    )  # of the parameters, decoupled (Loshchilov & Hutter 2019), times the learning rate
    vf_coef: float = not_negative(1.0)  # weight of the value loss
    score_utility_weight: float = fraction(0.0)  # Go, Othello: weight of the points in a game's value (Wu 2019)
    ownership_coef: float = not_negative(0.0)  # Go: weight of the loss of ownership and score (Wu 2019); 0: none
    max_grad_norm: float = above(0, 1.0)  # clip the global gradient norm to this
    optimizer: Optimizer = "adam"  # from optax
    ema_decay: float = fraction(0.99)  # per update, of the moving average of the parameters
    symmetries: bool = True  # learn from each move under a symmetry of the board drawn at random
    eval_simulations: int = at_least(1, 64)  # of the search in evaluations
    eval_opponent_simulations: int = at_least(
        1, 64
    )  # random games a move of the plain search that the agent is judged against


@dataclasses.dataclass(frozen=True)
class BoardNetwork:
    """The network for boards: residual blocks, a policy head and a value head."""

    torso: Literal["mlp", "tower"] = "mlp"  # fully connected blocks, or the papers' 3x3 convolutions
    units: int = at_least(1, 256)  # of a layer (mlp), channels (tower)
    blocks: int = not_negative(3)
    value_units: int = at_least(1, 64)  # of the value head's hidden layer
