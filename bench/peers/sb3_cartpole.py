"""Stable-Baselines3 PPO on CartPole-v1 with RL Zoo's settings: seconds from start to a solved, saved agent.

    python bench/peers/sb3_cartpole.py --seed 0 --threads 1

Needs `pip install stable-baselines3`. Every `--eval-every` steps the agent is screened greedily on 20
episodes; at 475 or more it is confirmed on 100 fresh episodes, then saved. Prints one JSON line; exits with 1
if 100,000 steps pass without a confirmed agent. `--threads 0` leaves torch's default of one thread a core,
somewhat faster on an idle machine and far slower on a shared one: for a fair comparison run both and take the
faster.
"""

import time

START = time.perf_counter()  # before the heavy imports, which a user waits for too

ZOO = {
    "learning_rate": lambda remaining: 1e-3 * remaining,
    "clip_range": lambda remaining: 0.2 * remaining,
    "n_steps": 32,
    "batch_size": 256,
    "n_epochs": 20,
    "gamma": 0.98,
    "gae_lambda": 0.8,
    "ent_coef": 0.0,
    "device": "cpu",
}


def solve(seed: int, eval_every: int, path: str) -> dict[str, object]:
    """Train until a confirmed score of 475; seconds count from the process's first line."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    eval_env = make_vec_env("CartPole-v1", n_envs=20, seed=seed + 10_000)

    class StopWhenSolved(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.next_eval, self.score, self.solved = eval_every, 0.0, False
            self.eval_seconds = self.failed_seconds = 0.0

        def _on_step(self) -> bool:
            if self.num_timesteps < self.next_eval:
                return True
            self.next_eval += eval_every
            begin = time.perf_counter()
            for episodes in (20, 100):
                self.score, _ = evaluate_policy(self.model, eval_env, n_eval_episodes=episodes)
                self.solved = bool(self.score >= 475)
                if not self.solved:
                    break
            seconds = time.perf_counter() - begin
            self.eval_seconds += seconds
            self.failed_seconds += 0.0 if self.solved else seconds
            return not self.solved

    stop = StopWhenSolved()
    model = PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=seed), seed=seed, **ZOO)
    begin = time.perf_counter()
    model.learn(100_000, callback=stop)
    learn_seconds = time.perf_counter() - begin - stop.eval_seconds
    model.save(path)
    total = time.perf_counter() - START
    return {
        "peer": "sb3",
        "seed": seed,
        "solved": stop.solved,
        "seconds_total": round(total, 3),
        "seconds_without_failed_evals": round(total - stop.failed_seconds, 3),
        "seconds_evals": round(stop.eval_seconds, 3),
        "timesteps": model.num_timesteps,
        "score": float(stop.score),
        "fps": round(model.num_timesteps / learn_seconds),
    }


def main() -> None:
    import argparse
    import json
    import os
    import sys
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eval-every", type=int, default=5_000, metavar="STEPS")
    parser.add_argument("--threads", type=int, default=1, help="torch threads; 0 leaves torch's default")
    parser.add_argument("--save", metavar="PATH", help="agent file (default: a temporary one)")
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        result = solve(args.seed, args.eval_every, args.save or os.path.join(scratch, "agent.zip"))
    print(json.dumps(result | {"threads": args.threads}))
    sys.exit(0 if result["solved"] else 1)


if __name__ == "__main__":
    main()
