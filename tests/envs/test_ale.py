"""ale-py's threads play the games that the wrappers play: frames, rewards, ends and resets, one by one."""

import numpy as np
import pytest
from atari_extra import needs_atari
from small import stepped

from logpi.envs.atari import Preprocessing, preprocessing, standard
from logpi.envs.host import make_host
from logpi.envs.make import make_gymnasium
from logpi.envs.wrappers import Wrapped, layers

BREAKOUT, PONG, INVADERS = "ALE/Breakout-v5", "ALE/Pong-v5", "ALE/SpaceInvaders-v5"
CERTAIN = {"repeat_action_probability": 0.0}  # sticky actions are drawn from other generators
WHOLE = {"episodic_life": False, "clip_reward": False}  # what evaluations leave out


def vectors(game, env_kwargs=None, num_envs=2, **arguments):
    """The same games by the wrappers and by ale-py."""
    wrapped = Wrapped(make_gymnasium(game), layers(standard(**{"noop_max": 0, **arguments})))
    kwargs = {**CERTAIN, **(env_kwargs or {})}
    return [make_host(wrapped, num_envs, vectorization=way, env_kwargs=kwargs) for way in ("sync", "ale")]


@needs_atari
@pytest.mark.parametrize(
    ("game", "arguments", "env_kwargs", "ends"),
    [
        (BREAKOUT, {}, {}, 10),  # each of them a lost life, or a game
        (BREAKOUT, WHOLE, {}, 1),  # FIRE within the step after a lost life
        (BREAKOUT, {"fire_reset": False, "stack_size": 1, "screen_size": 36}, {}, 5),
        (BREAKOUT, {"frame_skip": 3}, {"max_num_frames_per_episode": 200}, 10),  # truncated in the middle of a skip
        (INVADERS, {}, {}, 1),
        (PONG, {"frame_skip": 8}, {"full_action_space": True}, 0),
    ],
)
def test_every_step_is_that_of_the_wrappers(game, arguments, env_kwargs, ends):
    ours, theirs = vectors(game, env_kwargs, **arguments)
    first = [vector.reset(7).obs for vector in (ours, theirs)]
    np.testing.assert_array_equal(*first)
    assert first[0].any()
    rng, found = np.random.default_rng(0), 0
    for _ in range(200):
        action = rng.integers(0, ours.spec.action_space.n, 2)
        wanted, got = stepped(ours, action), stepped(theirs, action)
        for part, left, right in zip(wanted._fields, wanted, got, strict=True):
            np.testing.assert_array_equal(left, right, err_msg=part)
        np.testing.assert_array_equal(ours.start, theirs.start)
        found += int((wanted.terminated | wanted.truncated).sum())
    assert found >= ends
    ours.close()
    theirs.close()


@needs_atari
def test_a_reset_without_a_seed_goes_on_after_a_lost_life_as_the_wrappers_do():
    ours, theirs = vectors(BREAKOUT, num_envs=1)
    for vector in (ours, theirs):
        vector.reset(0)
    rng, lost = np.random.default_rng(1), 0
    for t in range(160):
        action = rng.integers(0, 4, 1)
        ended = [stepped(vector, action).terminated.any() for vector in (ours, theirs)]
        assert ended[0] == ended[1]
        lost += ended[0]
        if ended[0] or t == 20:
            np.testing.assert_array_equal(*[vector.reset().obs for vector in (ours, theirs)])
    assert lost >= 3
    ours.close()
    theirs.close()


@needs_atari
def test_seeds_fix_no_ops_and_sticky_actions():
    def played(seed):
        _, vector = vectors(PONG, {"repeat_action_probability": 0.25}, noop_max=30)
        seen = [vector.reset(seed).obs]
        seen += [stepped(vector, np.full(2, 2 + t // 4 % 2)).obs for t in range(40)]
        vector.close()
        return np.stack(seen)

    first = played(3)
    np.testing.assert_array_equal(first, played(3))
    assert (first != played(4)).any()
    assert (first[:, 0] != first[:, 1]).any(), "each game has a seed of its own"


@pytest.mark.parametrize(
    ("wrappers", "found"),
    [
        (standard(), Preprocessing(30, 4, 84, True, True, True, 4)),
        (
            standard(noop_max=0, frame_skip=2, stack_size=1, episodic_life=False),
            Preprocessing(0, 2, 84, False, True, True),
        ),
        ([*standard(), ("time-limit", {"max_episode_steps": 9})], None),
        ([("clip-reward", {}), *standard()], None),
        ([standard()[0], standard()[2], standard()[1]], None),  # another order
        ([*standard(stack_size=1), ("frame-stack", {"stack_size": 4, "padding_type": "zero"})], None),
        (standard(screen_size=(84, 96)), None),
        ([], None),
    ],
)
def test_the_standard_preprocessing_is_known_again(wrappers, found):
    assert preprocessing(wrappers) == found
