"""alpha-zero-general's self-play of Connect Four, its own search, rules and loop unmodified: positions per second.

    python bench/peers/azg_connect_four.py --source path/to/alpha-zero-general --simulations 32 --seconds 20

`--source` is a checkout of github.com/suragnair/alpha-zero-general, whose `Coach.executeEpisode`, `MCTS` and
`Connect4Game` are imported; needs `pip install torch numpy tqdm`. Its own network for the game is for Keras; here it is
one of PyTorch with the layers of logpi's (residual MLP, three blocks of 256, untrained). Its code is of NumPy 1: the
name `np.int` and the way to hash a board, both gone, are given back from outside. Settings are those of its `main.py`
but for the number of simulations. Prints one JSON line; whole games are timed, after one to warm up.
"""

import argparse
import json
import sys
import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

UNITS, BLOCKS, VALUE_UNITS = 256, 3, 64  # as logpi.config.settings.BoardNetwork


class PolicyValue(nn.Module):
    """Boards [B, 2, rows, columns] to the logarithms of move probabilities [B, A] and values [B]."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, UNITS)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.RMSNorm(UNITS), nn.Linear(UNITS, UNITS), nn.ReLU(), nn.Linear(UNITS, UNITS))
            for _ in range(BLOCKS)
        )
        self.last = nn.RMSNorm(UNITS)
        self.policy = nn.Linear(UNITS, actions)
        self.value = nn.Sequential(nn.Linear(UNITS, VALUE_UNITS), nn.ReLU(), nn.Linear(VALUE_UNITS, 1), nn.Tanh())

    def forward(self, boards: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.first(boards.flatten(1))
        for block in self.blocks:
            x = x + block(x)
        x = functional.relu(self.last(x))
        return functional.log_softmax(self.policy(x), 1), self.value(x)[:, 0]


class Player:
    """The peer's interface to a network, one board at a time, as its own networks have it."""

    def __init__(self, game: Any) -> None:
        rows, columns = game.getBoardSize()
        self.net = PolicyValue(2 * rows * columns, game.getActionSize()).eval()

    def predict(self, board: np.ndarray) -> tuple[np.ndarray, float]:
        with torch.inference_mode():
            stones = torch.from_numpy(np.stack([board == 1, board == -1]).astype(np.float32))
            log_probabilities, value = self.net(stones[None])
        return torch.exp(log_probabilities)[0].numpy(), float(value[0])


def opened(source: str) -> tuple[Any, Any, Any]:
    """(Coach, MCTS, an instance of Connect4Game) of the checkout at ``source``."""
    np.int = int
    sys.path.insert(0, source)
    coach_class, mcts = import_module("Coach").Coach, import_module("MCTS").MCTS
    rules = import_module("connect4.Connect4Game").Connect4Game
    rules.stringRepresentation = lambda self, board: board.tobytes()
    return coach_class, mcts, rules()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, metavar="PATH", help="checkout of the peer's repository")
    parser.add_argument("--simulations", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    coach_class, mcts, game = opened(args.source)
    coach = coach_class(game, Player(game), SimpleNamespace(numMCTSSims=args.simulations, cpuct=1, tempThreshold=15))

    def play() -> tuple[int, float, float]:
        """Positions of one game, seconds, and those of this process on a core."""
        begun, used = time.perf_counter(), time.process_time()
        coach.mcts = mcts(game, coach.nnet, coach.args)  # as its own loop does before each game
        positions = len(coach.executeEpisode()) // 2  # each with its mirror image
        return positions, time.perf_counter() - begun, time.process_time() - used

    play()
    games, until = [], time.perf_counter() + args.seconds
    while time.perf_counter() < until:
        games.append(play())
    positions, seconds, used = (sum(column) for column in zip(*games, strict=True))
    print(
        json.dumps(
            {
                "peer": "alpha-zero-general",
                "simulations": args.simulations,
                "games": len(games),
                "moves_a_game": positions / len(games),
                "positions_per_second": positions / seconds,
                "share_of_core": used / seconds,
                "parameters": sum(p.numel() for p in coach.nnet.net.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main()
