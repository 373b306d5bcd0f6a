"""alpha-zero-general learns Connect Four by its own loop, unmodified: how well it plays after so many minutes.

    python bench/peers/azg_learning.py --source path/to/alpha-zero-general --positions FILE.npz --minutes 30 --out FILE

Settings are those of its `main.py` (100 games an iteration, 25 simulations, a gate of 60 % over 40 games) and of its
own network for the game (Adam, 0.001, ten epochs, batches of 64); only its examples are not written to the disk. The
network itself is one of PyTorch with the layers of logpi's, as in `azg_connect_four.py`. After each iteration the
network that it has kept chooses a move by its own search, with `--simulations`, in each of the positions: `board` [N,
6, 7], 1 the mover's stones and -1 the other's, and `keeping` [N, 7], the moves that keep the value of the game. The
clock stands still meanwhile. Writes a JSON file after each iteration, and prints it at the end.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from azg_connect_four import Player, opened
from torch.nn import functional

SETTINGS = {
    "numIters": 10**6,
    "numEps": 100,
    "tempThreshold": 15,
    "updateThreshold": 0.6,
    "maxlenOfQueue": 200_000,
    "numMCTSSims": 25,
    "arenaCompare": 40,
    "cpuct": 1,
    "numItersForTrainExamplesHistory": 20,
}
EPOCHS, BATCH, LEARNING_RATE = 10, 64, 0.001


class Learner(Player):
    """The peer's interface to a network that learns; its files are in a folder that is thrown away."""

    def train(self, examples: Any) -> None:
        boards, policies, values = zip(*examples, strict=True)
        stones = np.asarray(boards)
        inputs = torch.from_numpy(np.stack([stones == 1, stones == -1], 1).astype(np.float32))
        policy = torch.tensor(np.asarray(policies, np.float32))
        value = torch.tensor(np.asarray(values, np.float32))
        optimizer = torch.optim.Adam(self.net.parameters(), LEARNING_RATE)
        self.net.train()
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(inputs)).split(BATCH):
                log_probabilities, guess = self.net(inputs[rows])
                loss = functional.mse_loss(guess, value[rows]) - (policy[rows] * log_probabilities).sum(1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.net.eval()

    def save_checkpoint(self, folder: str, filename: str) -> None:
        torch.save(self.net.state_dict(), Path(folder) / filename)

    def load_checkpoint(self, folder: str, filename: str) -> None:
        self.net.load_state_dict(torch.load(Path(folder) / filename, weights_only=True))


class EnoughError(Exception):
    """The minutes are over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, metavar="PATH", help="checkout of the peer's repository")
    parser.add_argument("--positions", required=True, metavar="FILE")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--simulations", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    random.seed(args.seed)
    coach_class, mcts, game = opened(args.source)
    asked = np.load(args.positions)
    with tempfile.TemporaryDirectory() as folder:
        coach = coach_class(game, Learner(game), SimpleNamespace(**SETTINGS, checkpoint=folder))
        curve: list[dict[str, float]] = []
        games, moves, paused = 0, 0, 0.0
        begun, play = time.perf_counter(), coach.executeEpisode

        def judged() -> float:
            how = SimpleNamespace(numMCTSSims=args.simulations, cpuct=1)
            kept = []
            for board, keeping in zip(asked["board"], asked["keeping"], strict=True):
                move = int(np.argmax(mcts(game, coach.nnet, how).getActionProb(board.astype(int), temp=0)))
                kept.append(bool(keeping[move]))
            return float(np.mean(kept))

        def tell() -> None:
            nonlocal paused
            now = time.perf_counter()
            minutes = (now - begun - paused) / 60
            curve.append({"minutes": minutes, "moves": moves, "share": judged()})
            found = {"peer": "alpha-zero-general", "settings": SETTINGS, "positions": len(asked["board"])}
            found |= {"simulations": args.simulations, "seed": args.seed, "curve": curve}
            args.out.write_text(json.dumps(found, indent=1) + "\n")
            if minutes >= args.minutes:
                raise EnoughError
            paused += time.perf_counter() - now

        def episode() -> Any:
            """A game of the peer's; at the first one of an iteration the last one's network is judged."""
            nonlocal games, moves
            if games % SETTINGS["numEps"] == 0:
                tell()
            examples = play()
            games, moves = games + 1, moves + len(examples) // 2  # each with its mirror image
            return examples

        coach.executeEpisode = episode
        coach.saveTrainExamples = lambda iteration: None  # pickles
        try:
            coach.learn()
        except EnoughError:
            print(json.dumps(json.loads(args.out.read_text())))


if __name__ == "__main__":
    main()
