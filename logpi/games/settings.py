"""Settings of the methods that learn board games from self-play, and of their network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from logpi.config.settings import Optimizer, Use, above, at_least, finite, fraction, not_negative, ranged, timesteps

Search = Literal["gumbel", "puct"]
UPDATE_COST = 4.0  # of learning from one move, in network evaluations of the search (an estimate)


@dataclasses.dataclass(frozen=True)
class GameSettings:
    """What every method that learns a board game needs: how long and how fast it learns, and how its agent plays."""

    # Training length in moves, of self-play or of records; the learning rate's schedule ends there
    total_timesteps: float = timesteps(2e6)
    learning_rate: float = not_negative(2e-3)  # Initial learning rate, falling along half a cosine
    final_learning_rate: float = not_negative(1e-4)  # Final learning rate, reached at total_timesteps
    weight_decay: float = not_negative(0.1)  # Weight decay per update (AdamW), as a multiple of learning rate; 0: none
    max_grad_norm: float = above(0, 1.0)  # Maximum global gradient norm (gradient clipping)
    optimizer: Optimizer = "adam"  # Gradient optimizer, from Optax
    play_search: Search = "puct"  # Search in evaluations and matches, without exploration: gumbel or puct
    max_considered_actions: int = at_least(1, 16)  # Gumbel: number m of root moves with which sequential halving begins
    c_visit: float = not_negative(50.0)  # Gumbel: c_visit of σ(q) = (c_visit + max N) c_scale q, in visits
    c_scale: float = not_negative(0.1)  # Gumbel: c_scale of σ(q); the paper has 1, with q not rescaled
    # Gumbel: q rescaled to its node's range, as in mctx; off: from [-1, 1], as in the paper
    rescale_values: bool = True
    c_init: float = not_negative(1.25)  # PUCT: c_init of C(s) = log((1 + N + c_base) / c_base) + c_init
    # PUCT: visits N at which C(s) = c_init + log((1 + N + c_base) / c_base) begins to grow
    c_base: float = above(0, 19652.0)
    # PUCT: first-play urgency (FPU) reduction: unvisited moves have their node's mean value minus this; negative: Q = 0
    fpu_reduction: float = finite(0.0)
    # Maximum number of children per node, those of largest prior; 0: all legal moves
    max_children: int = not_negative(0)
    score_utility_weight: float = fraction(0.0)  # Weight of the final margin in a game's value (Go, Othello; Wu 2019)
    eval_simulations: int = at_least(1, 64)  # Number of search simulations per move in evaluations
    # Number of rollouts per move of plain MCTS, the opponent in evaluations
    eval_opponent_simulations: int = at_least(1, 64)

    paths: ClassVar[tuple[str, ...]] = ()  # names of the settings that are paths
    uses: ClassVar[tuple[Use, ...]] = (
        Use(
            ("max_considered_actions", "c_visit", "c_scale", "rescale_values"),
            lambda c: "gumbel" in c.searches,
            "search or play_search is gumbel",
        ),
        Use(("c_init", "c_base", "fpu_reduction"), lambda c: "puct" in c.searches, "search or play_search is puct"),
    )

    @property
    def searches(self) -> tuple[str, ...]:
        """The kinds of search that a run makes, in training and in play."""
        return (self.play_search,)

    @property
    def move_cost(self) -> float:
        """Time of one move of training, in network evaluations (an estimate)."""
        return UPDATE_COST

    @property
    def shared(self) -> tuple[int, ...]:
        """Counts that devices which share a learner divide among them."""
        return ()


@dataclasses.dataclass(frozen=True)
class SampledSettings(GameSettings):
    """What learning from positions that are drawn needs. The agent is a moving average of the parameters."""

    batch_size: int = at_least(1, 512)  # Batch size: number of moves per gradient update
    ema_decay: float = fraction(0.99)  # Exponential moving average (EMA) of the parameters: decay per update
    symmetries: bool = True  # Data augmentation: a random symmetry of the board for each sampled move

    @property
    def shared(self) -> tuple[int, ...]:
        return (self.batch_size,)


@dataclasses.dataclass(frozen=True)
class RecordSettings(SampledSettings):
    """What learning a board game from records of games needs."""

    # Records of games: a file (SGF, PGN, KIF, CSA, SFEN or JSON lines), or a folder of such files
    records: str = ""
    # Fraction of the games that are not learned from; the policy's accuracy is measured on them
    held_out: float = fraction(0.1)
    held_out_sample: int = at_least(1, 512)  # Number of their positions that are measured at each iteration
    n_updates: int = at_least(1, 16)  # Number of updates per iteration

    fixed: ClassVar[tuple[str, ...]] = ("held_out",)  # shapes
    paths = ("records",)


@dataclasses.dataclass(frozen=True)
class PolicyGameSettings(GameSettings):
    """What learning from the policy's own games against earlier selves needs."""

    # Number n of games per update; the policy moves first in half of them
    n_games: int = ranged(128, lambda x, _: x >= 2 and x % 2 == 0, "an even number, at least 2")
    pool_interval: int = at_least(1, 50)  # Iterations after which the policy joins the pool of opponents
    pool_size: int = at_least(2, 20)  # Maximum number of opponents in the pool; the oldest but the first leaves

    @property
    def move_cost(self) -> float:
        """Of a move of the policy, of the opponent's, and of learning from the first."""
        return 2.0 + UPDATE_COST

    @property
    def shared(self) -> tuple[int, ...]:
        return (self.n_games // 2,)


@dataclasses.dataclass(frozen=True)
class SelfPlaySettings(SampledSettings):
    """What learning a board game from its own games needs."""

    n_games: int = at_least(1, 256)  # Number of parallel self-play games, B
    n_steps: int = at_least(1, 16)  # Number of moves of each game per iteration, T
    simulations: int = at_least(1, 32)  # Number of search simulations per move of self-play
    # Search in self-play: gumbel (Gumbel AlphaZero, Danihelka et al. 2022) or puct (AlphaZero)
    search: Search = "gumbel"
    dirichlet_fraction: float = fraction(0.25)  # PUCT: fraction ε of Dirichlet noise in the root's prior
    dirichlet_alpha: float = not_negative(0.0)  # PUCT: Dirichlet concentration α; 0: 10 / number of legal moves
    temperature: float = not_negative(1.0)  # PUCT: temperature τ of sampling moves by N^(1/τ)
    temperature_plies: int = not_negative(30)  # PUCT: number of first plies whose moves are sampled at temperature
    # PUCT in self-play: temperature T of moves after the first temperature_plies, drawn by visits^(1/T); 0: the most
    # visited move
    temperature_end: float = not_negative(0.0)
    forced_playouts_k: float = not_negative(0.0)  # PUCT: k of forced playouts, √(k P N) (Wu 2019: 2); 0: none
    random_opening_fraction: float = fraction(0.5)  # Fraction of games that begin with random plies, not learned from
    # Maximum number of random opening plies, drawn uniformly from 1 to this
    random_opening_plies: int = not_negative(8)
    # Probability of a random move in self-play; value targets are cut there
    random_move_fraction: float = fraction(0.0)
    random_move_plies: int = not_negative(20)  # Number of first plies in which random_move_fraction holds
    # Playout cap randomization (Wu 2019): simulations of the small search, whose moves are not learned from; 0: off
    playout_cap_simulations: int = not_negative(0)
    # Playout cap randomization: probability that a move has the small search (1 - p of Wu 2019)
    playout_cap_probability: float = fraction(0.75)
    # Resignation threshold: a player gives up where search values its position below minus this; above 1: never
    resign_threshold: float = not_negative(2.0)
    no_resign_fraction: float = fraction(0.1)  # Fraction of games without resignation, to estimate false resignations
    td_lambda: float = fraction(0.9)  # Parameter λ of the TD(λ) value target; 1: the game's outcome alone (AlphaZero)
    replay_size: float = above(0, 4e5)  # Replay buffer size, in moves
    replay_ratio: float = not_negative(4.0)  # Replay ratio: average number of times that each move is learned from
    vf_coef: float = not_negative(1.0)  # Weight of the value loss
    ownership_coef: float = not_negative(0.0)  # Weight of the auxiliary ownership and score loss (Go; Wu 2019); 0: none

    fixed: ClassVar[tuple[str, ...]] = (
        "replay_size",
        "replay_ratio",
        "playout_cap_probability",
        "ownership_coef",
    )  # shapes and numbers of updates
    uses = (
        Use(
            (
                *("dirichlet_fraction", "dirichlet_alpha", "forced_playouts_k"),
                *("temperature", "temperature_plies", "temperature_end"),
            ),
            lambda c: c.search == "puct",
            "search is puct",
        ),
        Use(("random_opening_plies",), lambda c: c.random_opening_fraction > 0, "random_opening_fraction is above 0"),
        Use(("random_move_plies",), lambda c: c.random_move_fraction > 0, "random_move_fraction is above 0"),
        Use(
            ("playout_cap_probability",),
            lambda c: c.playout_cap_simulations > 0,
            "playout_cap_simulations is above 0",
        ),
        Use(("no_resign_fraction",), lambda c: c.resign_threshold <= 1, "resign_threshold is at most 1"),
    )

    @property
    def searches(self) -> tuple[str, ...]:
        """Of self-play, and of evaluations and matches."""
        return self.search, self.play_search

    @property
    def move_cost(self) -> float:
        """Of a move of self-play, and of learning from it."""
        search = self.simulations * (1 - self.playout_cap_probability * bool(self.playout_cap_simulations))
        return search + UPDATE_COST * self.replay_ratio

    @property
    def shared(self) -> tuple[int, ...]:
        return self.n_games, self.batch_size


@dataclasses.dataclass(frozen=True)
class BoardNetwork:
    """The network for boards: residual blocks, a policy head and a value head."""

    # Kind of network: residual blocks, fully connected (mlp) or of 3x3 convolutions (tower), or a linear one (patterns)
    torso: Literal["mlp", "tower", "patterns"] = "mlp"
    units: int = at_least(1, 256)  # Width: units per layer of an mlp, channels per convolution of a residual tower
    blocks: int = not_negative(3)  # Number of residual blocks
    value_units: int = at_least(1, 64)  # Number of hidden units of the value head

    uses: ClassVar[tuple[Use, ...]] = (
        Use(("units", "blocks", "value_units"), lambda c: c.torso != "patterns", "torso is mlp or tower"),
    )
