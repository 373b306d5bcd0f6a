"""Settings of the methods that learn board games from self-play, and of their network."""

from __future__ import annotations

import dataclasses
from typing import Literal

from logpi.config.settings import Optimizer, above, at_least, finite, fraction, not_negative, timesteps

Search = Literal["gumbel", "puct"]


@dataclasses.dataclass(frozen=True)
class SelfPlaySettings:
    """What learning a board game from its own games needs. The agent is a moving average of the parameters."""

    total_timesteps: float = timesteps(2e6)  # Training length in moves of self-play; also the schedule's horizon
    n_games: int = at_least(1, 256)  # Number of parallel self-play games, B
    n_steps: int = at_least(1, 16)  # Moves of each game per iteration, T
    simulations: int = at_least(1, 32)  # Search simulations per move of self-play
    search: Search = "gumbel"  # Search in self-play: Gumbel AlphaZero (Danihelka et al. 2022), or the papers' PUCT
    play_search: Search = "puct"  # Search in evaluations and matches, without exploration
    max_considered_actions: int = at_least(1, 16)  # Gumbel: number m of root moves at the start of sequential halving
    c_visit: float = not_negative(50.0)  # Gumbel: c_visit of σ(q) = (c_visit + max N) c_scale q, in visits
    c_scale: float = not_negative(0.1)  # Gumbel: c_scale of σ(q); the paper has 1, with q not rescaled
    rescale_values: bool = True  # Gumbel: q rescaled by its node's range (mctx), or from [-1, 1] where off (paper)
    c_init: float = not_negative(1.25)  # PUCT: c_init of C(s) = log((1 + N + c_base) / c_base) + c_init
    c_base: float = above(0, 19652.0)  # PUCT: c_base of C(s), in visits
    # PUCT: first-play urgency (FPU) reduction: unvisited moves have their node's mean value minus this; negative: Q = 0
    fpu_reduction: float = finite(0.0)
    dirichlet_fraction: float = fraction(0.25)  # PUCT: fraction ε of Dirichlet noise in the root's prior, 0 to 1
    dirichlet_alpha: float = not_negative(0.0)  # PUCT: Dirichlet concentration α; 0: 10 / number of legal moves
    temperature: float = not_negative(1.0)  # PUCT: temperature τ of sampling moves by N^(1/τ)
    temperature_plies: int = not_negative(30)  # PUCT: number of opening plies sampled at temperature
    temperature_end: float = not_negative(0.0)  # PUCT: temperature after temperature_plies; 0: the most visited move
    forced_playouts_k: float = not_negative(0.0)  # PUCT: k of forced playouts, √(k P N) (Wu 2019: 2); 0: none
    max_children: int = not_negative(0)  # Maximum children per node of the search tree, those of largest prior; 0: all
    random_opening_fraction: float = fraction(0.5)  # Fraction of games with random opening plies, not learned from
    random_opening_plies: int = not_negative(8)  # Maximum number of random opening plies; uniform from 1
    random_move_fraction: float = fraction(0.0)  # Probability of a random move; the value's λ-return is cut there
    random_move_plies: int = not_negative(20)  # Number of first plies in which random_move_fraction holds
    # Playout cap randomization (Wu 2019): simulations of the small search, whose moves are not learned from; 0: off
    playout_cap_simulations: int = not_negative(0)
    playout_cap_probability: float = fraction(0.75)  # Playout cap randomization: probability of the small search
    resign_threshold: float = not_negative(2.0)  # Resignation below minus this search value; above 1: never
    no_resign_fraction: float = fraction(0.1)  # Fraction of games without resignation, to estimate false resignations
    td_lambda: float = fraction(0.9)  # TD(λ) of the value target: λ, 0 to 1; 1: the game's outcome (papers)
    replay_size: float = above(0, 4e5)  # Replay buffer size, in moves
    replay_ratio: float = not_negative(4.0)  # Replay ratio: average number of times that each move is learned from
    batch_size: int = at_least(1, 512)  # Moves per update (batch size)
    learning_rate: float = not_negative(2e-3)  # Initial learning rate; half a cosine to final_learning_rate
    final_learning_rate: float = not_negative(1e-4)  # Learning rate at total_timesteps
    weight_decay: float = not_negative(0.1)  # Decoupled weight decay (AdamW), times the learning rate; 0: none
    vf_coef: float = not_negative(1.0)  # Weight of the value loss
    score_utility_weight: float = fraction(0.0)  # Weight of the score margin in a game's value (Go, Othello; Wu 2019)
    ownership_coef: float = not_negative(0.0)  # Weight of the auxiliary ownership and score loss (Go; Wu 2019); 0: none
    max_grad_norm: float = above(0, 1.0)  # Maximum global gradient norm (gradient clipping)
    optimizer: Optimizer = "adam"  # Gradient optimizer, from Optax
    ema_decay: float = fraction(0.99)  # Exponential moving average (EMA) of the parameters: decay per update
    symmetries: bool = True  # Data augmentation: a random symmetry of the board for each sampled move
    eval_simulations: int = at_least(1, 64)  # Search simulations per move in evaluations
    eval_opponent_simulations: int = at_least(1, 64)  # Rollouts per move of plain MCTS, the opponent in evaluations


@dataclasses.dataclass(frozen=True)
class BoardNetwork:
    """The network for boards: residual blocks, a policy head and a value head."""

    torso: Literal["mlp", "tower"] = "mlp"  # Residual blocks: fully connected (mlp) or 3x3 convolutions (tower)
    units: int = at_least(1, 256)  # Units per layer of an mlp, channels of a tower
    blocks: int = not_negative(3)  # Number of residual blocks
    value_units: int = at_least(1, 64)  # Hidden units of the value head
