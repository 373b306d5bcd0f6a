"""Soft alarms: what the metrics of a run say where it does not learn, each with what to try.

A pure function of the rows of ``metrics.jsonl``: the same rows raise the same alarms, in a resumed run too. An alarm
looks at columns by name, and a method raises those of the columns that it logs (docs/run-folder.md lists them). The
thresholds are rules of thumb of the field; docs/it-does-not-learn.md has their sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logpi.runs.metrics import STEPS, Row
from logpi.runs.scores import significant
from logpi.tasks import Limits

ENTROPY, KL, CLIPPED = "train/entropy_loss", "train/approx_kl", "train/clip_fraction"
EXPLAINED, BOUNDS = "train/explained_variance", "rollout/actions_at_bounds"
RETURN, LENGTH, EPISODES, EVALUATION = (
    "rollout/ep_rew_mean",
    "rollout/ep_len_mean",
    "rollout/episodes",
    "eval/mean_reward",
)
COLUMNS = (STEPS, ENTROPY, KL, CLIPPED, EXPLAINED, BOUNDS, RETURN, LENGTH, EPISODES, EVALUATION)
PADDED = 16  # rows for each step of an episode, from which they are remarked on
IN_A_ROW = 3  # rows that must agree
EVERY = 5  # rows between two looks
Floats = NDArray[np.float64]


class History(NamedTuple):
    """The rows of one seed so far."""

    columns: Mapping[str, Floats]  # [R] by name; nan where a row lacks it
    done: float  # fraction of the run that is over
    limits: Limits

    def known(self, name: str) -> Floats:
        """The finite values of a column, in order."""
        column = self.columns[name]
        return column[np.isfinite(column)]

    def lately(self, name: str, rows: int = IN_A_ROW) -> Floats:
        """The last ``rows`` finite values of a column; [0] where there are fewer."""
        known = self.known(name)
        return known[-rows:] if len(known) >= rows else known[:0]

    def entropy(self) -> Floats:
        """[R] the policy's entropy as a fraction of the uniform one's; [0] where that is not known."""
        most = self.limits.max_entropy
        return -self.known(ENTROPY) / most if most else np.zeros(0)


class Alarm(NamedTuple):
    """One symptom."""

    name: str
    seen: Callable[[History], str]  # what was seen, in words; "" if it was not
    advice: str


def alarms(rows: Sequence[Row], total: float, limits: Limits) -> dict[str, str]:
    """The alarms that the rows of a run raise at their end, by name, in words.

    Args:
        rows: of ``metrics.jsonl``.
        total: timesteps of the whole run.
        limits: what the metrics are read against.
    """
    found: dict[str, str] = {}
    for number, history in enumerate(histories(rows, total, limits)):
        for alarm in ALARMS:
            if alarm.name not in found and (seen := alarm.seen(history)):
                where = f" (seed number {number + 1} of this run)" if number else ""
                found[alarm.name] = f"{seen}{where}. Try {alarm.advice}"
    return found


def histories(rows: Sequence[Row], total: float, limits: Limits) -> list[History]:
    """The rows of each seed."""
    if not rows:
        return []
    seeds = max((len(value) for value in rows[-1].values() if isinstance(value, list)), default=1)
    table = {
        name: np.array([np.broadcast_to(np.asarray(row.get(name, np.nan), float), seeds) for row in rows])
        for name in COLUMNS
    }
    done = float(np.min(table[STEPS][-1])) / total
    return [History({name: column[:, k] for name, column in table.items()}, done, limits) for k in range(seeds)]


def _all_above(name: str, threshold: float, text: str) -> Callable[[History], str]:
    def seen(history: History) -> str:
        values = history.lately(name)
        return text.format(significant(values[-1])) if len(values) and values.min() > threshold else ""

    return seen


def _no_entropy(history: History) -> str:
    entropy = history.entropy()[-IN_A_ROW:]
    if history.done >= 0.5 or len(entropy) < IN_A_ROW or entropy.max() >= 0.02:
        return ""
    return f"the policy hardly explores any more: its entropy is {100 * entropy[-1]:.2g} % of a uniform policy's"


def _no_value(history: History) -> str:
    values = history.lately(EXPLAINED, 10)
    if history.done < 0.25 or not len(values) or np.median(values) >= 0 or _rises(history):
        return ""
    return f"the value function predicts worse than a constant: explained variance {significant(np.median(values))}"


def _at_bounds(history: History) -> str:
    values = history.lately(BOUNDS)
    if history.done < 0.1 or not len(values) or values.min() <= 0.9:
        return ""
    return f"{100 * values[-1]:.0f} % of the actions lie at or beyond their bounds"


def _rises(history: History) -> bool:
    """Whether training's return in the last third of the rows is above that in the first."""
    returns = history.known(RETURN)
    third = len(returns) // 3
    return bool(third and returns[-third:].mean() > returns[:third].mean())


def _constant(history: History) -> bool:
    returns, episodes = history.known(RETURN), history.known(EPISODES)
    enough = len(returns) >= 5 and len(episodes) > 0 and episodes[-1] >= 20
    return bool(enough and np.ptp(returns) <= 1e-6 * max(1.0, abs(returns[0])))


def _constant_return(history: History) -> str:
    if not _constant(history):
        return ""
    episodes, value = history.known(EPISODES)[-1], history.known(RETURN)[-1]
    return f"all {episodes:,.0f} episodes so far have the same return, {significant(value)}: nothing tells them apart"


def _only_truncated(history: History) -> str:
    limit, lengths = history.limits.max_episode_steps, history.known(LENGTH)
    if limit is None or history.done < 0.25 or len(lengths) < 9 or _constant(history):
        return ""
    if lengths.min() < limit - 0.5 or _rises(history):
        return ""
    return f"every episode was cut by the time limit of {limit:,} steps, and the return does not rise"


def _never_ended(history: History) -> str:
    episodes, steps = history.known(EPISODES), history.columns[STEPS][-1]
    if history.limits.max_episode_steps is not None or not len(episodes) or episodes[-1] or steps < 10_000:
        return ""
    return f"no episode has ended in {steps:,.0f} steps, and the environment has no time limit"


def _padded(history: History) -> str:
    rows, lengths = history.limits.rows, history.lately(LENGTH)
    if rows is None or history.done < 0.2 or not len(lengths) or lengths.max() * PADDED > rows:
        return ""
    return f"trajectories of {rows:,} rows hold episodes of {lengths[-1]:,.0f} steps: the rest is computed in vain"


def _nothing_moves(history: History) -> str:
    kl = history.lately(KL, 5)
    if history.done >= 0.9:  # schedules end near 0
        return ""
    if len(kl):
        return f"the updates hardly change the policy: KL {significant(kl.max())}" if kl.max() < 1e-6 else ""
    entropy = history.entropy()[-10:]
    still = len(entropy) == 10 and np.ptp(entropy) < 1e-6
    return "the updates hardly change the policy: its entropy has not moved for 10 rows" if still else ""


def _everything_moves(history: History) -> str:
    kl, entropy = history.lately(KL, 1), history.entropy()[-2:]
    if len(kl) and kl[-1] > 1:
        return f"the last updates changed the policy beyond recognition: KL {significant(kl[-1])}"
    if len(entropy) == 2 and entropy[0] > 0.5 and entropy[1] < 0.05:
        return "the policy's entropy fell from over 50 % to under 5 % of a uniform policy's within one row"
    return ""


def _greedy_far_under(history: History) -> str:
    returns, evaluation = history.columns[RETURN], history.columns[EVALUATION]
    both = np.isfinite(returns) & np.isfinite(evaluation)
    if not history.limits.greedy or history.done < 0.2 or both.sum() < 2:
        return ""
    last = zip(evaluation[both][-2:], returns[both][-2:], strict=True)
    if not all(far_under(greedy, sampled, history.known(RETURN)) for greedy, sampled in last):
        return ""
    score, training = significant(evaluation[both][-1]), significant(returns[both][-1])
    return f"the greedy policy scores {score} where training, with sampled actions, has {training}"


def far_under(greedy: float, sampled: float, returns: Floats) -> bool:
    """Whether a greedy score is far under the one with sampled actions: by a quarter of what training has moved.

    Args:
        greedy: mean return of greedy episodes.
        sampled: mean return of training's.
        returns: of training, row by row.
    """
    return bool(sampled - greedy > max(0.25 * np.ptp(returns), 0.05 * abs(sampled)))


LOWER = "a lower --learning-rate"
ALARMS = (
    Alarm("entropy", _no_entropy, f"--ent-coef 0.01, or {LOWER}"),
    Alarm(
        "kl",
        _all_above(KL, 0.1, "each update changes the policy too much: KL {} (usual: under 0.05)"),
        f"{LOWER}, a smaller --n-epochs, or --target-kl 0.03",
    ),
    Alarm(
        "clip_fraction",
        _all_above(CLIPPED, 0.5, "most of each update is cut off by the clipping: clip fraction {}"),
        f"{LOWER} or a smaller --n-epochs",
    ),
    Alarm(
        "explained_variance",
        _no_value,
        "--normalize-reward, longer rollouts (--n-steps), or a larger network; look whether the observations hold what "
        "the return depends on",
    ),
    Alarm(
        "actions_at_bounds",
        _at_bounds,
        "a smaller --log-std-init, or --squash; look whether the bounds of the action space are what you mean",
    ),
    Alarm(
        "constant_return",
        _constant_return,
        "a reward that differs before the goal is reached, more exploration (--ent-coef 0.01), or longer training; "
        "`logpi check-env` shows the rewards of random play",
    ),
    Alarm(
        "truncated",
        _only_truncated,
        "a reward that shows progress before the goal, or a longer time limit",
    ),
    Alarm("never_ended", _never_ended, "a time limit (gymnasium.wrappers.TimeLimit), so that episodes begin anew"),
    Alarm(
        "padded",
        _padded,
        "a shorter time limit (--env-kwargs max_episode_steps=N), or ppo or a2c, whose rollouts are cut anywhere",
    ),
    Alarm("nothing_moves", _nothing_moves, "a higher --learning-rate; look whether any reward differs from 0"),
    Alarm("everything_moves", _everything_moves, LOWER),
    Alarm(
        "greedy",
        _greedy_far_under,
        "--eval-sampled, which evaluates sampled actions; `logpi eval --sampled` and `logpi watch --sampled` show them",
    ),
)
