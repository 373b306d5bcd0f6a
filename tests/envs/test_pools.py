"""EnvPool's environments as host vectors: `pip install 'logpi[fast]'` for these tests."""

import numpy as np
import pytest
from small import stepped

from logpi.envs.host import make_host

pytest.importorskip("envpool")
LANDER = "LunarLander-v3"


def pool(n=4, name=LANDER, **options):
    return make_host(name, n, vectorization="envpool", **options)


def test_an_episode_ends_with_its_true_last_observation_and_a_void_row_resets():
    vector, rng = pool(), np.random.default_rng(0)
    obs = vector.reset(5).obs
    over, begun, ends = np.zeros(4, bool), obs.copy(), 0
    for _ in range(400):
        step = stepped(vector, rng.integers(0, 4, 4))
        np.testing.assert_array_equal(vector.start, step.obs)
        assert not (over & (step.terminated | step.truncated)).any(), "a void row only resets"
        assert (step.reward[over] == 0).all()
        # an episode begins at the top of the picture, and crashes far below it
        assert (step.obs[over, 1] > 1.3).all()
        assert (step.obs[step.terminated, 1] < 1.3).all()
        ends += int(step.terminated.sum())
        over = step.terminated | step.truncated
    assert ends > 8
    assert (begun == obs).all(), "what was returned never changes"
    vector.close()


def test_a_time_limit_truncates():
    vector = pool(2, "Pendulum-v1")  # which nothing terminates
    vector.reset(0)
    for t in range(1, 402):
        step = stepped(vector, np.zeros((2, 1), np.float32))
        assert not step.terminated.any()
        assert step.truncated.all() == (t in (200, 401)), "row 201 only resets"
    vector.close()


def test_the_seed_fixes_the_episodes():
    def played(seed):
        vector = pool(3)
        seen = [vector.reset(seed).obs]
        seen += [stepped(vector, np.full(3, t % 4)).obs for t in range(150)]
        again = vector.reset(seed).obs
        vector.close()
        return np.stack([*seen, again])

    first = played(11)
    np.testing.assert_array_equal(first, played(11))
    np.testing.assert_array_equal(first[0], first[-1], err_msg="a reset with a seed begins anew")
    assert (first[0] != played(12)[0]).any()
    np.testing.assert_array_equal(first[0][1], played(12)[0][0], err_msg="environment i has the seed + i")


def test_continuous_actions_reach_it_in_its_units():
    vector = pool(2, "LunarLanderContinuous-v3")
    vector.reset(0)
    up = stepped(vector, np.array([[9.0, 0.0], [-9.0, 0.0]], np.float32))
    for _ in range(20):
        up = stepped(vector, np.array([[9.0, 0.0], [-9.0, 0.0]], np.float32))
    assert up.obs[0, 3] > up.obs[1, 3], "full main engine against none"
    vector.close()
