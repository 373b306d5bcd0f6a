"""The scripts on the textbook's claims: their worlds are what they say, and each writes its table and its picture.

One of them trains here; in the others made-up curves stand for runs, as a training compiles for seconds.
"""

import json
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import quick_compilation

CLAIMS = Path(__file__).parents[2] / "bench" / "claims"


@pytest.fixture(scope="module", autouse=True)
def claims():
    """The scripts can be imported, and compile quickly."""
    with pytest.MonkeyPatch.context() as patch, quick_compilation():
        patch.syspath_prepend(CLAIMS)
        yield


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The report of a script at tiny sizes."""

    def report(script, *flags):
        name = script.__name__
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--seeds", "2", "--results", str(tmp_path), *flags])
        script.main()
        text = (tmp_path / "claims" / f"{name}.md").read_text("utf-8")
        assert (tmp_path / "claims" / f"{name}.png").stat().st_size > 5_000
        assert f"python bench/claims/{name}.py --seeds 2" in text
        return text

    return report


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Curves of 2 seeds in place of a training: the first reaches ``top`` half-way, the second at the end."""
    import shared

    def use(script, top):
        def trained(env, algo, seeds, folder, label="", **settings):
            steps = np.array([100.0, 200.0, 400.0])
            rows = [
                {"time/total_timesteps": t, "train/loss": [0.5, 0.125], "train/td_error": [t**2, t**-2]} for t in steps
            ]
            (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            return shared.Curves(steps, top - np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), [], tmp_path)

        monkeypatch.setattr(script, "trained", trained)

    return use


def test_exact_maxima_of_the_blind_agent(written, monkeypatch):
    import local_maxima

    process = local_maxima.count_process()
    land = local_maxima.landscape(process)
    p = 1 / (1 + np.exp(-np.array([*land.maxima, land.between])))
    slope = 18 * ((1 - p) ** 5 - 5 * p * (1 - p) ** 4) + 24 * (
        5 * p**4 * (1 - p) - p**5
    )  # of 18 p (1-p)^5 + 24 p^5 (1-p)
    np.testing.assert_allclose(slope, 0, atol=1e-6)
    assert land.heights[0] < land.heights[1]
    ends = (np.array([-1.0, -0.5, 0.5, 1.0]), np.array([land.maxima[0]] * 3 + [land.maxima[1]]))
    monkeypatch.setattr(local_maxima, "sampled", lambda *arguments: ends)
    (row,) = [
        line for line in written(local_maxima, "--starts", "4", "--ascent", "10").splitlines() if " 64 traj" in line
    ]
    assert [cell.strip() for cell in row.split("|")[2:6]] == ["4", "3, 1", "4", "1"]  # 0.5 ends in the other basin


def test_the_star_diverges_in_expectation_and_a_table_does_not(written, made_up):
    """The expected linear update grows with Baird's features, and shrinks with a table: what the script samples."""
    import divergence

    growth = {}
    for name, features in (("star", divergence.FEATURES), ("table", divergence.TABLE)):
        following = np.tile(features[6], (7, 1))
        growth[name] = np.linalg.eigvals(features.T @ (0.99 * following - features)).real.max()
    assert growth["star"] > 0.1
    assert growth["table"] < 0
    made_up(divergence, 0.0)
    assert re.search(r"table in place .* 1 of 2 +\| 1 ", written(divergence)), "16 times, and a 16th"


@pytest.mark.parametrize("n", [1, 3])
def test_the_deep_sea_pays_who_always_goes_right(n):
    import exploration

    env = exploration.deep_sea(n)
    for actions in np.ndindex(*(2,) * n):
        state, _ = env.reset(jax.random.key(0))
        total, over = 0.0, False
        for action in actions:
            assert not over
            state, _, reward, over = env.step(state, jnp.int32(action), jax.random.key(0))
            total += float(reward)
        assert over
        assert total == pytest.approx(all(actions) - 0.01 / n * sum(actions), abs=1e-6)


def test_a_way_through_the_sea_is_found_and_told(written, monkeypatch):
    import exploration

    monkeypatch.setattr(exploration, "WAYS", dict(list(exploration.WAYS.items())[:1]))
    assert "2 of 2" in written(exploration, "--steps", "3000", "--lengths", "2")  # a quarter of random episodes find it


def test_the_corridor_has_its_best_policy_where_the_book_says():
    """Right with 0.59, a return of -11.6 (Sutton & Barto 2018, example 13.1), from the script's own transitions."""
    import samples

    env = samples.corridor()
    square, action = jnp.meshgrid(jnp.arange(3), jnp.arange(2), indexing="ij")
    step = jax.vmap(jax.vmap(lambda s, a: env.step(s, a, jax.random.key(0))[0]))
    move = np.eye(4)[np.asarray(step(square, action))][..., :3]  # [S, A, S'] without the goal
    chances = np.linspace(0.02, 0.98, 97)
    values = [np.linalg.solve(np.eye(3) - (1 - p) * move[:, 0] - p * move[:, 1], -np.ones(3))[0] for p in chances]
    assert chances[np.argmax(values)] == pytest.approx(0.59, abs=0.01)
    assert max(values) == pytest.approx(-11.66, abs=0.01)


def test_the_cliff_is_gymnasiums():
    import gymnasium
    import samples

    table = gymnasium.make("CliffWalking-v1").unwrapped.P
    env = samples.cliff()
    square, action = jnp.meshgrid(jnp.arange(36), jnp.arange(4), indexing="ij")
    found = jax.vmap(jax.vmap(lambda s, a: env.step(s, a, jax.random.key(0))[1:]))(square, action)
    for s, a in np.ndindex(36, 4):
        ((_, following, reward, over),) = table[s][a]
        assert (int(found[0][s, a]), float(found[1][s, a]), bool(found[2][s, a])) == (following, reward, over)


def test_samples_are_counted_to_the_first_good_evaluation(written, made_up):
    import samples

    made_up(samples, 475.0)
    text = written(samples)
    assert "300 (200 to 400)" in text
    assert text.count("2 of 2") == sum(len(task.methods) for task in samples.TASKS)


def test_right_decisions_are_read_from_the_return(written, made_up):
    import simple_policy

    env = simple_policy.grasp(2)
    reward = float(env.step(jnp.array([0.5]), jnp.int32(1), jax.random.key(0))[2])
    assert reward == pytest.approx(np.cos(np.pi) + 0.1, abs=1e-5)
    assert simple_policy.right_decisions(0.1, 2) == pytest.approx(1.0)
    made_up(simple_policy, 0.1)
    assert "none (linear) | 100 ± 0" in written(simple_policy, "--waves", "1")


def test_exact_variances_and_the_table_of_rungs(written, made_up, monkeypatch):
    import less_variance

    lanes, refund, choice = ([float(x) for x in less_variance.exact_row(case)[1:]] for case in less_variance.cases())
    assert lanes[0] > lanes[1] > lanes[2]
    assert refund[2] < refund[0] < refund[1]
    p = 1 / (1 + np.exp(-less_variance.SURE))  # two components of ∇ log π, equal but for their sign
    assert choice[0] == pytest.approx(2 * (p * (1 - p) ** 2 - (p * (1 - p)) ** 2), rel=1e-3)
    assert choice[2] > choice[0]
    made_up(less_variance, 400.0)
    logs = {rung: np.log([1.0, 0.25]) for rung in less_variance.RUNGS}
    monkeypatch.setattr(less_variance, "ratios", lambda seeds, trajectories: logs)
    assert "| 1 / 2.0 " in written(less_variance)


def test_the_best_policy_of_a_random_process_is_not_beaten_and_reached(written, monkeypatch):
    import good_enough
    from local_maxima import ascended

    process = good_enough.random_process(0)
    j = ascended(lambda theta: good_enough.objective(process, theta), np.zeros((1, *process.shape)), 1.0, 3_000)[1]
    assert 0.99 < good_enough.share(process, j)[0] <= 1.0
    made = [good_enough.Group(f"random processes, {word}", "here", np.ones((2, 3))) for word in good_enough.POLICIES]
    monkeypatch.setattr(good_enough, "exact_groups", lambda *arguments: made)
    for part in ("sampled_groups", "cartpole"):
        monkeypatch.setattr(good_enough, part, lambda *arguments: [])
    assert "100% (100% to 100%)" in written(good_enough)


def test_intervals_hold_what_they_should():
    import shared

    assert shared.median(np.arange(1.0, 11.0)) == (5.5, 2.0, 9.0)  # ranks 2 and 9 of 10: 97.9 %
    assert shared.median(np.array([1.0, np.inf, np.inf])) == (np.inf, 1.0, np.inf)
    assert shared.proportion(np.ones((10, 1), bool)) == "100% (69% to 100%)"  # Clopper & Pearson 1934
