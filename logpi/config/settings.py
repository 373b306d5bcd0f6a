"""Every setting of every method, as frozen dataclasses; the comment beside a field is its documentation.

Names are Stable-Baselines3's. Float fields are traced arrays inside a learner, so that changing one compiles nothing;
the others are part of the program. Nothing here imports JAX: ``--help`` is quick.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, NamedTuple

Activation = Literal["tanh", "relu", "silu"]
Torso = Literal["auto", "mlp", "cnn"]
Memory = Literal["none", "gru", "lstm"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "linear"]
LocationPolicy = Literal["learned", "random", "grid", "centre"]
Reward = Literal["log-probability", "probability", "correct"]
AdvantageEstimator = Literal["antithetic", "return"]
Core = Literal["rectifier", "lstm"]
Search = Literal["gumbel", "puct"]
Combine = Literal["product", "sum"]
Rung = Literal[
    "total-reward",
    "reward-to-go",
    "discounted",
    "moving-average",
    "batch-mean",
    "leave-one-out",
    "value",
]


@dataclasses.dataclass(frozen=True)
class Network:
    """The network: separate torsos for policy and value, or a shared one."""

    torso: Torso = "auto"  # auto: cnn (Mnih et al. 2015) for images of at least 36x36 pixels, else mlp
    hidden: tuple[int, ...] = (64, 64)  # units of each layer of the mlp
    activation: Activation = "tanh"  # between layers of the mlp
    memory: Memory = "none"  # recurrent cell between torso and heads
    memory_size: int = 64  # units of the recurrent cell
    shared: bool = False  # one torso for policy and value (always so with a memory or a cnn)
    squash: bool = False  # tanh-squashed Gaussian for Box actions instead of a clipped one
    log_std_init: float = 0.0  # log of the Gaussian's first standard deviation, in units of half the action range


@dataclasses.dataclass(frozen=True)
class ControlSettings:
    """What every method needs."""

    total_timesteps: float = 1e5  # environment moves to learn from, the schedules' horizon; void rows do not count
    n_envs: int = 8  # environments stepped side by side, B
    learning_rate: float = 3e-4  # optimizer's step size
    lr_schedule: Schedule = "constant"  # linear: to 0 at total_timesteps
    gamma: float = 0.99  # discount γ per move
    ent_coef: float = 0.0  # weight of the entropy bonus
    max_grad_norm: float = math.inf  # clip the global gradient norm to this
    optimizer: Optimizer = "adam"  # from optax
    normalize_obs: bool = False  # float observations minus their running mean, over their deviation; in the agent
    normalize_reward: bool = False  # divide rewards by the running deviation of the discounted return


@dataclasses.dataclass(frozen=True)
class Reinforce(ControlSettings):
    """REINFORCE (Williams 1992): complete trajectories, any rung of the Ψ ladder."""

    rung: Rung = "value"  # the weight Ψ_t; see docs/theme.md
    n_steps: int = 1000  # longest trajectory, where the environment itself has no time limit
    learning_rate: float = 3e-3  # α, of the policy
    vf_learning_rate: float = 3e-3  # of the learned baseline V
    vf_steps: int = 1  # gradient steps on V for each trajectory batch
    normalize_psi: bool = False  # Ψ with mean 0 and deviation 1 over the batch


@dataclasses.dataclass(frozen=True)
class ActorCritic(ControlSettings):
    """The textbook actor-critic: m = n_envs trajectories, A_t = Σ γ^{t'-t} r - V_φ, two step sizes α and β."""

    n_steps: int = 1000  # longest trajectory, where the environment itself has no time limit
    learning_rate: float = 3e-3  # α, of the actor θ
    vf_learning_rate: float = 3e-3  # β, of the critic φ


@dataclasses.dataclass(frozen=True)
class A2C(ControlSettings):
    """Advantage actor-critic (Mnih et al. 2016): short rollouts, bootstrapped."""

    n_envs: int = 16
    n_steps: int = 8  # rows of one rollout, T
    learning_rate: float = 7e-4
    gae_lambda: float = 1.0  # 1: each row uses all the rewards up to the cut
    vf_coef: float = 0.5  # weight of the value loss
    max_grad_norm: float = 0.5
    optimizer: Optimizer = "rmsprop"
    normalize_advantage: bool = False  # advantages with mean 0 and deviation 1 over the batch


@dataclasses.dataclass(frozen=True)
class PPO(ControlSettings):
    """Proximal policy optimization (Schulman et al. 2017)."""

    n_steps: int = 128  # rows of one rollout, T
    batch_size: int = 256  # decisions of a minibatch; must divide n_steps * n_envs
    n_epochs: int = 4  # passes over the rollout
    gae_lambda: float = 0.95  # λ of the advantage estimate
    clip_range: float = 0.2  # ε of the surrogate
    clip_schedule: Schedule = "constant"  # linear: to 0 at total_timesteps
    vf_coef: float = 0.5  # weight of the value loss
    max_grad_norm: float = 0.5
    target_kl: float = math.inf  # leave out the updates of a rollout once the approximate KL passes 1.5 times this
    normalize_advantage: bool = True  # advantages with mean 0 and deviation 1 over each minibatch


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """What every method that classifies images needs."""

    total_images: float = 2e6  # images to learn from, the schedules' horizon
    batch_size: int = 128  # images of one update
    n_updates: int = 100  # updates of one iteration, the least that is logged or saved
    learning_rate: float = 2e-3  # after the warm-up it falls to 0 along a half cosine
    warmup: float = 25_600.0  # images over which the learning rate rises from 0
    optimizer: Optimizer = "adam"  # from optax
    max_grad_norm: float = math.inf  # clip the global gradient norm to this
    ema_decay: float = 0.999  # per update, of the moving average of the parameters: the agent that is kept
    data: str = "mnist"  # mnist, fashion-mnist, an .npz file with images and labels, or a folder of images by class
    validation_size: int = 5_000  # training images kept for the periodic evaluation, and not learnt from
    canvas: int = 0  # pixels of the side on which the image is placed at random; 0: the image as it is
    num_distractors: int = 0  # clutter: patches of other training images at random places
    distractor_size: int = 8  # pixels of a patch's side
    curriculum: float = 0.0  # share of total_images over which the pieces of a training image grow from 0 to all
    rotation: float = 10.0  # augmentation of a training image, uniform within ±: degrees
    scaling: float = 0.1  # log of the factor of each side
    shear: float = 0.1
    shift: float = 1.0  # pixels

    @property
    def steps_an_image(self) -> int:
        """Timesteps of one episode."""
        return 1

    @property
    def total_timesteps(self) -> float:
        return self.total_images * self.steps_an_image


@dataclasses.dataclass(frozen=True)
class RAM(ImageSettings):
    """The recurrent attention model (Mnih et al. 2014): glimpses over images, their places learned by REINFORCE."""

    n_glimpses: int = 7  # T, glimpses of one image: its timesteps
    location_policy: LocationPolicy = (
        "learned"  # who chooses the places; the others are the baselines that attention must beat
    )
    init_location_range: float = 0.5  # the first place is uniform within ± this of the centre
    std_start: float = 0.1  # standard deviation of the place drawn, of half the image's side
    std_end: float = 0.04  # the same at total_images, linear in between
    mc_samples: int = 1  # M, Monte-Carlo copies of each image of a batch, looked at with places of their own
    glimpse_coef: float = 0.3  # weight of the classification loss after the glimpses before the last; the paper: 0
    reward: Reward = "log-probability"  # of the true label after a glimpse, or the paper's 1 if it is likeliest
    advantage_estimator: AdvantageEstimator = (
        "antithetic"  # A_t of a place: over its mirror image at the mean, or R - b
    )
    gae_lambda: float = (
        1.0  # λ of advantage_estimator "return" alone; 1: the last reward minus the baseline, as in the paper
    )
    normalize_advantage: bool = False  # advantages with mean 0 and deviation 1 over each batch
    core_grad_scale: float = 1.0  # share of REINFORCE's gradient that goes on into the core network
    location_lr_scale: float = 1.0  # the location network's learning rate, as a share of the others'

    @property
    def steps_an_image(self) -> int:
        return self.n_glimpses


@dataclasses.dataclass(frozen=True)
class RamNetwork:
    """The recurrent attention model's network, in the paper's parts."""

    patch: int = 8  # pixels of a retina patch's side
    scales: int = 1  # k, patches of a glimpse; each covers twice the side of the one before
    sensor_size: int = 128  # units of h_g and h_l
    glimpse_size: int = 256  # units of g
    core: Core = "rectifier"  # the core network's units
    core_size: int = 256  # units of h
    location_size: int = 128  # units of the location network's hidden layer
    baseline_size: int = 64  # units of the baseline's
    combine: Combine = "product"  # of what and where in g: relu(a(1 + w) + w), or the paper's relu(a + w)
    fourier_features: int = 0  # octaves of sines and cosines by which the glimpse network gets the place, beside itself


@dataclasses.dataclass(frozen=True)
class Classifier(ImageSettings):
    """The same images, seen whole: what attention is compared with."""


@dataclasses.dataclass(frozen=True)
class WholeImageNetwork:
    """A network that sees the whole image, as in the paper's tables."""

    net: Literal["fc", "conv"] = "conv"  # fully connected, or convolutional with one hidden layer on top
    hidden: tuple[int, ...] = (256, 256)  # units of the fully connected layers of fc
    channels: tuple[int, ...] = (8,)  # of the convolutions
    kernel: int = 10  # pixels of a convolution's side
    stride: int = 5  # of the convolutions
    units: int = 256  # of the layer on top of the convolutions


@dataclasses.dataclass(frozen=True)
class SelfPlaySettings:
    """What learning a board game from its own games needs. The agent is a moving average of the parameters."""

    total_timesteps: float = 2e6  # moves of self-play, the schedule's horizon
    n_games: int = 256  # games side by side, B
    n_steps: int = 16  # moves of each game in one iteration, T
    simulations: int = 32  # of the search, a move
    search: Search = "gumbel"  # of self-play: Danihelka et al. 2022, or the papers' PUCT
    play_search: Search = "puct"  # of evaluations and matches, where the best move is wanted and nothing is explored
    max_considered_actions: int = 16  # Gumbel: moves that the root begins with, m
    c_visit: float = 50.0  # Gumbel: σ(q) = (c_visit + max N) c_scale q
    c_scale: float = 0.1
    rescale_values: bool = (
        True  # Gumbel: q relative to the node's least and greatest, as mctx; else to -1 and 1, as the paper
    )
    c_init: float = 1.25  # PUCT: C(s) = log((1 + N + c_base) / c_base) + c_init
    c_base: float = 19652.0
    fpu_reduction: float = 0.0  # PUCT: what a move without a visit is worth less than its node; below 0: it has Q = 0
    dirichlet_fraction: float = 0.25  # PUCT: share of Dirichlet noise in the root's prior
    dirichlet_alpha: float = 0.0  # PUCT: of that noise; 0: 10 / the number of legal moves, which is about the papers'
    temperature: float = 1.0  # PUCT: moves are drawn by N ^ (1 / temperature)
    temperature_plies: int = 30  # PUCT: for so many moves of a game
    temperature_end: float = 0.0  # PUCT: and by this behind them; 0: the most visited move
    forced_playouts_k: float = (
        0.0  # PUCT: forced playouts (Wu 2019), k of n_forced = √(k P N); 0: none, the paper's is 2
    )
    max_children: int = 0  # moves that a node of the tree keeps, those of the largest prior; 0: all
    random_opening_fraction: float = 0.5  # share of the games that begin with random moves, which are not learnt from
    random_opening_plies: int = 8  # 1 to so many
    random_move_fraction: float = (
        0.0  # share of the moves that are drawn at random instead, behind which the value's trace is cut
    )
    random_move_plies: int = 20  # among so many first moves of a game
    playout_cap_simulations: int = 0  # playout-cap randomisation (Wu 2019): of moves only played on by; 0: none
    playout_cap_probability: float = 0.75  # of the moves that are searched so
    resign_threshold: float = 2.0  # a player resigns whose search value is below minus this; above 1: never
    no_resign_fraction: float = 0.1  # share of the games in which nobody resigns, to measure how often that were wrong
    td_lambda: float = 0.9  # λ of the value's target; 1: the outcome, as in the papers
    replay_size: float = 4e5  # moves that are learnt from, the newest
    replay_ratio: float = 4.0  # how often a move is learnt from, on average
    batch_size: int = 512  # moves of one update
    learning_rate: float = 2e-3  # it falls along a half cosine
    final_learning_rate: float = 1e-4  # to this at total_timesteps
    weight_decay: float = 0.1  # of the parameters, decoupled (Loshchilov & Hutter 2019), times the learning rate
    vf_coef: float = 1.0  # weight of the value loss
    score_utility_weight: float = (
        0.0  # Go, Othello: of a game's value, for the points by which it is won (Wu 2019); 0: none
    )
    ownership_coef: float = (
        0.0  # Go: weight of the loss of whose each point will be, and of the score (Wu 2019); 0: none
    )
    max_grad_norm: float = 1.0  # clip the global gradient norm to this
    optimizer: Optimizer = "adam"  # from optax
    ema_decay: float = 0.99  # per update, of the moving average of the parameters
    symmetries: bool = True  # learn from each move under a symmetry of the board drawn at random
    eval_simulations: int = 64  # of the search in evaluations
    eval_opponent_simulations: int = 64  # random games a move of the plain search that the agent is judged against


@dataclasses.dataclass(frozen=True)
class AlphaZero(SelfPlaySettings):
    """AlphaZero (Silver et al. 2018): the newest network plays."""


@dataclasses.dataclass(frozen=True)
class AlphaGoZero(SelfPlaySettings):
    """AlphaGo Zero (Silver et al. 2017): a newer network plays once it has beaten the best one."""

    search: Search = "puct"
    random_opening_fraction: float = 0.0
    td_lambda: float = 1.0
    gating_interval: int = 20  # iterations between two matches of the newest network against the best
    gating_games: int = 128  # of a match; the paper has 400
    gating_threshold: float = 0.55  # of the points, which the newest must exceed
    gating_simulations: int = 32
    gating_opening_plies: int = (
        4  # a match's games begin with 1 to so many random moves, each opening played by both sides
    )


@dataclasses.dataclass(frozen=True)
class BoardNetwork:
    """The network for boards: residual blocks, a policy head and a value head."""

    torso: Literal["mlp", "tower"] = "mlp"  # fully connected blocks, or the papers' 3x3 convolutions
    units: int = 256  # of a layer (mlp), channels (tower)
    blocks: int = 3
    value_units: int = 64  # of the value head's hidden layer


Settings = ControlSettings | ImageSettings | SelfPlaySettings  # of a method
ALGORITHMS: dict[str, type[Settings]] = {
    "reinforce": Reinforce,
    "actor_critic": ActorCritic,
    "a2c": A2C,
    "ppo": PPO,
    "ram": RAM,
    "classifier": Classifier,
    "alphazero": AlphaZero,
    "alphago_zero": AlphaGoZero,
}
NETWORKS: dict[str, type[Any]] = {
    "ram": RamNetwork,
    "classifier": WholeImageNetwork,
    "alphazero": BoardNetwork,
    "alphago_zero": BoardNetwork,
}  # of the methods that have not the usual one


SHIPPED = ("mnist", "fashion-mnist")  # data with a name; any other is a path
TASKS: dict[str, dict[str, int]] = {  # images to classify (Mnih et al. 2014, §4.1): settings of ImageSettings
    "ram/mnist": {},
    "ram/translated": {"canvas": 60},
    "ram/cluttered": {"canvas": 60, "num_distractors": 4},
    "ram/cluttered-100": {"canvas": 100, "num_distractors": 8},
    "ram/own": {},
}

BOARDS = ("tic-tac-toe", "connect-four", "othello")  # games; of these there are boards of many sizes, as hex-11x11:
SIZED_BOARDS = ("hex", "go")
EXAMPLE_BOARDS = (*BOARDS, "hex-11x11", "go-9x9", "go-19x19")
PGX = "pgx:"  # begins the names of the package pgx's games, as pgx:animal_shogi


def is_game(name: str) -> bool:
    """Whether ``name`` is that of a board game, one that there is or not."""
    return name in BOARDS or name.startswith((*(f"{game}-" for game in SIZED_BOARDS), PGX))


def score_of(env: str) -> str:
    """What an evaluation of ``env`` measures."""
    if env in TASKS:
        return "accuracy"
    if is_game(env):
        return "value kept" if env == "connect-four" else "mean result"
    return "mean return of an episode"


@dataclasses.dataclass(frozen=True)
class Run:
    """What to run, and what to keep of it."""

    seed: int = 0  # of everything random in this run
    seeds: int = 1  # how many (seed, seed+1, …) to train at once in one program: device environments, images
    eval_episodes: int = 20  # greedy episodes of each periodic evaluation, on seeds or images that are not learnt from
    eval_points: int = 20  # periodic evaluations in the run, evenly spread over total_timesteps
    final_episodes: int = 100  # greedy episodes of the evaluation at the end
    checkpoint_points: int = 10  # checkpoints in the run, evenly spread over total_timesteps
    keep_checkpoints: int = 3  # newest checkpoints to keep
    log_points: int = 200  # rows of metrics in the run, at most one an iteration
    video: bool = True  # record a video of the trained agent at the end
    tensorboard: bool = True  # write TensorBoard's event file
    log_dir: str = "runs"  # the run folder is made in here
    vectorization: Literal["sync", "async"] = "sync"  # host environments: in this process, or one process each
    autoreset: Literal["next_step", "same_step", "disabled"] = "next_step"  # host environments' vector


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that decides the outcome of a run: what config.toml holds."""

    env: str
    algo: str
    run: Run
    method: Any  # of the algorithm: one of ALGORITHMS
    network: Any  # Network, or the algorithm's own of NETWORKS
    env_kwargs: dict[str, object] = dataclasses.field(default_factory=dict)


class Length(NamedTuple):
    """How long a training is, in timesteps, and in what it is counted for people."""

    timesteps: int
    unit: str = "steps"
    each: int = 1  # timesteps of one


def length_of(experiment: Experiment) -> Length:
    """How much ``experiment`` learns from; an image counts once, however often it is looked at."""
    method = experiment.method
    if isinstance(method, ImageSettings):
        return Length(int(method.total_timesteps), "images", method.steps_an_image)
    return Length(int(method.total_timesteps), "moves" if isinstance(method, SelfPlaySettings) else "steps")
