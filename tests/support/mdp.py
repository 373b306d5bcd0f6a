"""Enumerable Markov decision processes in float64: exact values, gradients and all their trajectories.

A tabular softmax policy π(a|s) ∝ exp θ[s, a]. Nothing here uses logpi's formulas: values and ∇J come from backward
recursions over the horizon, expectations from listing every trajectory with its probability.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from logpi.types import Trajectory

GARBAGE = 1e3  # fills void rows: whatever stands there must not matter


class MDP(NamedTuple):
    start: np.ndarray  # [S] distribution of the first state
    move: np.ndarray  # [S, A, S] transition probabilities
    reward: np.ndarray  # [S, A, S]
    terminal: np.ndarray  # [S] bool: entering one ends the episode
    horizon: int  # moves after which the clock (or the rollout) cuts

    @property
    def alive(self):
        return 1.0 - self.terminal


class Episode(NamedTuple):
    probability: float
    states: tuple  # one more than moves
    actions: tuple
    rewards: tuple
    terminated: bool


def termination() -> MDP:
    """A chain that advances by one or two states a move and always terminates: horizon 3 cuts nothing."""
    move, reward = np.zeros((4, 2, 4)), np.zeros((4, 2, 4))
    for s, advance in product(range(3), ((0, (0.7, 0.3)), (1, (0.4, 0.6)))):
        action, chances = advance
        for k, chance in enumerate(chances, 1):
            move[s, action, min(s + k, 3)] += chance
            reward[s, action, min(s + k, 3)] = 2.0 + 0.5 * action - 0.3 * k + 0.4 * s * action
    return MDP(np.array([0.9, 0.1, 0.0, 0.0]), move, reward, np.array([False, False, False, True]), 3)


def truncation() -> MDP:
    """Two states and a rare end; a clock stops the rest after three moves, where much is still to come."""
    move = np.array([[[0.6, 0.3, 0.1], [0.2, 0.8, 0.0]], [[0.5, 0.5, 0.0], [0.1, 0.7, 0.2]], np.zeros((2, 3))])
    reward = np.array([[[1.0, 2.0, -1.0], [0.5, 0.0, 0.0]], [[3.0, 1.0, 0.0], [-0.5, 2.0, 4.0]], np.zeros((2, 3))])
    return MDP(np.array([0.7, 0.3, 0.0]), move, reward, np.array([False, False, True]), 3)


def continuing() -> MDP:
    """Two states, three actions, rewards for ever; the rollout is cut after three moves, without a void row."""
    move = np.array([[[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]], [[0.3, 0.7], [0.8, 0.2], [1.0, 0.0]]])
    reward = np.array([[[1.0, 0.0], [2.0, -1.0], [0.0, 0.5]], [[1.5, 1.0], [0.0, 3.0], [-2.0, 0.0]]])
    return MDP(np.array([0.4, 0.6]), move, reward, np.array([False, False]), 3)


def lanes() -> MDP:
    """Three moves, always: 0 → 1 or 2 → 3 or 4 → the end. A reward of about 2 each, more in the lower lane."""
    move, reward = np.zeros((6, 2, 6)), np.zeros((6, 2, 6))
    for s, action in product(range(5), range(2)):
        layer = (s + 1) // 2
        upper, lower = (5, 5) if layer == 2 else (2 * layer + 1, 2 * layer + 2)
        move[s, action, upper] += 0.8 - 0.5 * action
        move[s, action, lower] += 0.2 + 0.5 * action
        reward[s, action] = 2.0 - 0.2 * action + 0.8 * (s in (2, 4))
    return MDP(np.eye(6)[0], move, reward, np.arange(6) == 5, 3)


def softmax(theta):
    weight = np.exp(theta - theta.max(1, keepdims=True))
    return weight / weight.sum(1, keepdims=True)


def scores(pi):
    """∇_θ log π(a|s) as [S, A, S, A]."""
    S, A = pi.shape
    out = np.zeros((S, A, S, A))
    for s, a in product(range(S), range(A)):
        out[s, a, s] = np.eye(A)[a] - pi[s]
    return out


def values(mdp, pi, gamma=1.0, beyond=None):
    """(Q [H, S, A], V [H+1, S]) by backward recursion; ``beyond`` [S] is what follows the horizon (0 by default)."""
    V = [np.zeros(len(pi)) if beyond is None else beyond]
    Q = []
    for _ in range(mdp.horizon):
        Q.insert(0, (mdp.move * (mdp.reward + gamma * mdp.alive * V[0])).sum(2))
        V.insert(0, (pi * Q[0]).sum(1))
    return np.array(Q), np.array(V)


def objective(mdp, theta, gamma=1.0, beyond=None):
    """J(θ) = E[Σ_{t<H} γ^t r_t + γ^H beyond(s_H)]."""
    return mdp.start @ values(mdp, softmax(theta), gamma, beyond)[1][0]


def gradient(mdp, theta, gamma=1.0, beyond=None, slope_beyond=None):
    """∇J(θ) [S, A] by differentiating the backward recursion; ``slope_beyond`` [S, S, A] is ∇ of ``beyond``."""
    pi = softmax(theta)
    Q, _ = values(mdp, pi, gamma, beyond)
    slope_pi = pi[:, :, None, None] * scores(pi)
    slope = np.zeros((*pi.shape[:1], *pi.shape)) if slope_beyond is None else slope_beyond
    for t in reversed(range(mdp.horizon)):
        slope_q = gamma * np.einsum("sap,p,pij->saij", mdp.move, mdp.alive, slope)
        slope = np.einsum("saij,sa->sij", slope_pi, Q[t]) + np.einsum("sa,saij->sij", pi, slope_q)
    return np.einsum("s,sij->ij", mdp.start, slope)


def transition(mdp, pi):
    """[S, S] chances to be alive in s' one move after s under π."""
    return np.einsum("sa,sap->sp", pi, mdp.move) * mdp.alive


def infinite_value(mdp, pi, gamma):
    """V^π [S] without a horizon, by solving the Bellman equation."""
    gain = np.einsum("sa,sap,sap->s", pi, mdp.move, mdp.reward) * mdp.alive
    return np.linalg.solve(np.eye(len(pi)) - gamma * transition(mdp, pi), gain)


def visits(mdp, pi):
    """[H+1, S] chances that the episode is alive in s at move t."""
    d = [mdp.start]
    for _ in range(mdp.horizon):
        d.append(d[-1] @ transition(mdp, pi))
    return np.array(d)


def by_row(mdp, pi, weight):
    """[H, S, A]: E[weight_t(s_t, a_t) ∇ log π(a_t|s_t)] for each move t; its sum is a policy gradient."""
    return np.einsum("ts,sa,tsa,saij->tij", visits(mdp, pi)[:-1], pi, weight, scores(pi))


def episodes(mdp, pi):
    """Every episode of at most ``horizon`` moves that has a chance."""

    def extend(e):
        s = e.states[-1]
        if e.terminated or len(e.actions) == mdp.horizon:
            yield e
            return
        for a, to in product(range(pi.shape[1]), range(len(pi))):
            if chance := e.probability * pi[s, a] * mdp.move[s, a, to]:
                rewards = (*e.rewards, mdp.reward[s, a, to])
                yield from extend(Episode(chance, (*e.states, to), (*e.actions, a), rewards, bool(mdp.terminal[to])))

    starts = (Episode(chance, (s,), (), (), False) for s, chance in enumerate(mdp.start) if chance)
    return [e for first in starts for e in extend(first)]


def trajectory(columns, pi, n_rows):
    """(probabilities [B], Trajectory [T, B]): each column is a list of episodes with a void row behind each."""
    B = len(columns)
    obs, action = np.zeros((n_rows + 1, B), int), np.zeros((n_rows, B), int)
    reward, discount, mask = np.full((n_rows, B), GARBAGE), np.ones((n_rows, B)), np.zeros((n_rows, B))
    for b, column in enumerate(columns):
        t = 0
        for e in column:
            k = len(e.actions)
            obs[t : t + k + 1, b], action[t : t + k, b], reward[t : t + k, b] = e.states, e.actions, e.rewards
            mask[t : t + k, b], discount[t + k - 1, b] = 1.0, 1.0 - e.terminated
            t += k + 1
    probability = np.array([np.prod([e.probability for e in column]) for column in columns])
    log_prob = np.log(pi[obs[:-1], action])
    return probability, Trajectory(obs, action, log_prob, reward, discount, mask, ())


def estimates(trajectory, pi, psi):
    """Σ_t Ψ_t ∇ log π(a_t|o_t) of each column, [B, S, A], over decisions only."""
    score = scores(pi)[trajectory.obs[:-1], trajectory.action]
    return np.einsum("tb,tb,tbij->bij", np.asarray(psi), trajectory.mask, score)
