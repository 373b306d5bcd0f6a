"""What a comparison says of runs: their scores, what is unequal or missing, and who may be called better."""

import json
import math
import re

import numpy as np
import pytest

import logpi
from logpi.comparison import statistics
from logpi.comparison.cells import entries, numbers, tabulated
from logpi.comparison.checks import Remark, remarks
from logpi.comparison.folder import existing
from logpi.comparison.references import RANDOM, given, known
from logpi.comparison.report import numbers_of
from logpi.errors import LogpiError
from logpi.tasks import task_of

GOOD, BAD = [400.0 + k for k in range(12)], [100.0 + k for k in range(12)]


def compared(*folders, references=None, labels=None):
    """The numbers of a comparison of runs."""
    pairs = list(zip(labels or [""] * len(folders), folders, strict=True))
    table, said = tabulated(entries(pairs))
    return numbers_of(table, [Remark(text) for text in said], references or {}, 500)


def says(facts, *words):
    text = "\n".join(facts["remarks"])
    for word in words:
        assert re.search(word, text), f"{word}\nis not in\n{text}"


def test_numbers_are_those_of_the_seeds(made):
    facts = compared(made("ppo", GOOD), made("a2c", BAD))
    scale = known("CartPole-v1")
    assert facts["seeds"]["CartPole-v1"]["ppo"]["scores"] == GOOD
    normalised = scale.normalised(np.array(GOOD))
    found = facts["pooled"]["methods"]["ppo"]
    assert found["iqm"]["value"] == pytest.approx(float(statistics.iqm([normalised])))
    assert found["optimality_gap"]["value"] == pytest.approx(1 - normalised.mean())
    assert found["mean"]["low"] < found["mean"]["value"] < found["mean"]["high"]
    assert facts["per_environment"]["CartPole-v1"]["a2c"]["mean"]["value"] == pytest.approx(np.mean(BAD))
    (pair,) = facts["pairs"]
    assert (pair["x"], pair["y"], pair["probability"]) == ("ppo", "a2c", 1.0)
    assert pair["p_holm"] == pair["p"] < 0.01
    assert facts["verdict"].startswith("ppo is better than every other method")
    assert facts["remarks"] == []


def test_runs_that_differ_in_the_seed_alone_are_one_method(made):
    facts = compared(made("ppo", GOOD[:5]), made("ppo", GOOD[5:], seed=5), made("a2c", BAD))
    assert facts["seeds"]["CartPole-v1"]["ppo"]["seeds"] == list(range(12))
    assert facts["labels"] == ["ppo", "a2c"]


@pytest.mark.parametrize(
    ("count", "named", "warned"), [(2, False, True), (3, True, True), (9, True, True), (10, True, False)]
)
def test_few_seeds_name_no_winner_or_are_warned_of(made, count, named, warned):
    """Two environments, so that three seeds can be significant at all."""
    runs = [
        made(algo, scores[:count], env=env)
        for algo, scores in (("ppo", GOOD), ("a2c", BAD))
        for env in ("CartPole-v1", "Pendulum-v1", "Acrobot-v1")
    ]
    facts = compared(*runs)
    assert ("ppo is better than every other" in facts["verdict"]) == named
    assert bool(facts["remarks"]) == warned
    if not named:
        assert "no winner is named with fewer than 3" in facts["verdict"]


def test_no_winner_without_a_difference(made):
    facts = compared(made("ppo", GOOD), made("a2c", GOOD))
    assert facts["pairs"][0]["probability"] == 0.5
    assert facts["verdict"].startswith("No method is better than every other")


def test_a_seed_that_ended_in_nan_counts_as_the_lowest(made):
    facts = compared(made("ppo", [*GOOD[:11], math.nan]), made("a2c", BAD))
    says(facts, r"ppo, CartPole-v1, seed 11: its final score is nan; it counts as the lowest score")
    assert facts["per_environment"]["CartPole-v1"]["ppo"]["n"] == 12
    expected = np.mean([*GOOD[:11], RANDOM["CartPole-v1"]])
    assert facts["per_environment"]["CartPole-v1"]["ppo"]["mean"]["value"] == pytest.approx(expected)
    assert facts["seeds"]["CartPole-v1"]["ppo"]["counted_as_lowest"] == [11]


def test_a_run_that_failed_is_named(made):
    single = made("ppo", None, seed=11, seeds=1)
    single.fail("iteration 7: the update made a parameter NaN")
    facts = compared(made("ppo", GOOD[:11]), single, made("a2c", BAD))
    says(facts, r"ppo, CartPole-v1, seed 11: ended in NaN or infinity \(iteration 7.*counts as the lowest")
    assert facts["per_environment"]["CartPole-v1"]["ppo"]["n"] == 12
    several = made("dqn", None, seeds=12)
    several.fail("iteration 7 (seed number 3 of this run)")
    facts = compared(several, made("a2c", BAD))
    says(
        facts, r"dqn, CartPole-v1, seeds 0 to 11: no score, one of them ended in NaN.*one by one", "no seed has a score"
    )
    assert "No winner is named" in facts["verdict"]


def test_a_run_without_a_result_is_named_and_its_seeds_are_missing(made):
    facts = compared(made("ppo", GOOD[:11]), made("ppo", None, seed=11, seeds=1), made("a2c", BAD))
    says(facts, r"ppo, CartPole-v1, seed 11: no score, interrupted at 1,000 steps; `logpi resume .*` goes on")
    assert facts["per_environment"]["CartPole-v1"]["ppo"]["n"] == 11
    assert facts["seeds"]["CartPole-v1"]["ppo"]["without_score"] == [11]


def test_missing_seeds_are_named(made):
    facts = compared(made("ppo", GOOD[:10]), made("a2c", BAD))
    says(facts, r"ppo, CartPole-v1: missing seeds 10, 11", "seeds were trained ppo 10 at once, a2c 12 at once")


def test_a_seed_that_is_there_twice_counts_once(made):
    facts = compared(made("ppo", GOOD), made("ppo", GOOD[:3]), made("a2c", BAD))
    says(facts, r"ppo, CartPole-v1, seed 2 is there twice: .*CartPole-v1_2 is not counted")
    assert facts["per_environment"]["CartPole-v1"]["ppo"]["n"] == 12


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"steps": 2000}, "budgets differ: ppo 1,000 steps, a2c 2,000 steps"),
        ({"result": {"timesteps": 1200}}, "learnt from 1,000 to 1,200 timesteps"),
        ({"result": {"ended_by": "minutes"}}, r"a2c \(seeds 0 to 11\) ended early by its minutes"),
        ({"config": {"env_kwargs": {"gravity": 5.0}}}, "arguments of the environment differ: ppo {}, a2c "),
        ({"versions": {"gymnasium": "0.9"}}, r"versions of gymnasium differ: ppo [\d.]+, a2c 0.9"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unequal_is_named_and_no_winner_is(made, changed, words):
    facts = compared(made("ppo", GOOD), made("a2c", BAD, **changed))
    says(facts, words)
    assert "No winner is named" in facts["verdict"]


@pytest.mark.parametrize(
    "changed", [{"versions": {"jax": "0.1"}}, {"result": {"episodes": 7}}, {"machine": {"cores": 999}}], ids=str
)
def test_what_is_unequal_and_may_not_matter_is_named(made, changed):
    facts = compared(made("ppo", GOOD), made("a2c", BAD, **changed))
    assert facts["remarks"]
    assert "ppo is better" in facts["verdict"]


def test_other_vectors_are_named(made):
    ways = [{"config": {"run": {"vectorization": way}}} for way in ("sync", "envpool")]
    facts = compared(made("ppo", GOOD, **ways[0]), made("a2c", BAD, **ways[1]))
    says(facts, "vectors of training differ: ppo sync, a2c envpool")
    assert "ppo is better" in facts["verdict"]


def test_two_versions_of_an_environment_are_not_one(made):
    table, _ = tabulated(entries([("", made("ppo", GOOD, env=env)) for env in ("LunarLander-v2", "LunarLander-v3")]))
    assert any("LunarLander-v2 and LunarLander-v3 are versions of one environment" in r.text for r in remarks(table))


def test_environments_without_references_are_left_out_of_what_is_pooled(made):
    label = {"label": "return"}
    runs = [
        made(algo, scores, env=env, score=label)
        for algo, scores in (("ppo", GOOD), ("a2c", BAD))
        for env in ("CartPole-v1", "X-v0")
    ]
    facts = compared(*runs)
    says(facts, "X-v0 has no reference scores: it is left out of what is pooled")
    assert facts["pooled"]["environments"] == ["CartPole-v1"]
    assert facts["pairs"][0]["environments"] == ["CartPole-v1", "X-v0"], "a pair needs no scale"
    facts = compared(*runs, references={"X-v0": given("X-v0", [0, 1000])})
    assert facts["pooled"]["environments"] == ["CartPole-v1", "X-v0"]
    alone = compared(runs[1], runs[3])
    assert alone["pooled"]["normalised"] is False
    assert "optimality_gap" not in alone["pooled"]["methods"]["ppo"]


def test_a_method_without_a_run_in_an_environment_is_named(made):
    facts = compared(made("ppo", GOOD), made("a2c", BAD), made("ppo", GOOD, env="Acrobot-v1"))
    says(facts, "a2c has no run in Acrobot-v1")
    assert facts["pooled"]["environments"] == ["CartPole-v1"]


def test_references_lie_between_random_and_good_play():
    for env, random in RANDOM.items():
        assert known(env).low == random < known(env).high
        assert task_of(env).name == "control"
    assert known("nothing") is None
    for pair in ([1], [1, 1], "ab", [0, math.inf], 3):
        with pytest.raises(LogpiError, match="reference of E"):
            given("E", pair)


def test_names_of_seeds():
    assert [numbers(x) for x in ([3], [0, 1, 2], [2, 0], [0, 1, 5], [])] == [
        "seed 3", "seeds 0 to 2", "seeds 0, 2", "seeds 0, 1, 5", "no seed",
    ]  # fmt: skip


def test_files_of_a_comparison(made, tmp_path):
    """Page, tables, figures and numbers; what a name says does not become HTML."""
    nasty = "<script>alert(1)</script>|x$\\frac$"
    good, bad = made("ppo", GOOD), made("a2c", BAD)
    found = logpi.compare([f"{nasty}={good.path}", bad.path], out=tmp_path / "out", resamples=200)
    page, text = found.page.read_text(), (tmp_path / "out" / "comparison.md").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert set(re.findall(r"https?://[^\"'<> ]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert text == found.text
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert facts["labels"] == [nasty, "a2c"]
    assert facts["verdict"] in text.replace("\\", "") or nasty in facts["verdict"]
    figures = {path.stem for path in (tmp_path / "out" / "figures").glob("*.svg")}
    assert figures == {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert figures >= {
        "iqm",
        "median",
        "mean",
        "optimality_gap",
        "profiles",
        "improvement",
        "1_scores",
        "1_curves",
        "1_seconds",
    }
    assert page.count("<svg") == len(figures)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", page)) <= {(i, "") for i in ids} | {
        ("", i) for i in ids
    }
    for caption in re.findall(r'aria-label="([^"]+)"', page):
        assert "n = 12 seeds" in caption
        assert "interval" in caption


def test_curves_share_an_axis_in_steps_and_in_seconds(made, tmp_path):
    runs = [made("ppo", GOOD).path, made("a2c", BAD).path]
    facts = logpi.compare(runs, out=tmp_path / "out", resamples=200).facts
    curve = facts["curves"]["CartPole-v1"]
    assert (curve["at"][0], curve["at"][-1], len(curve["at"])) == (200, 1000, 101)
    last = [math.sqrt(5) * (k + 1) for k in range(12)]
    assert curve["methods"]["ppo"]["value"][-1] == pytest.approx(float(statistics.iqm([np.array(last)])))
    assert (
        curve["methods"]["ppo"]["low"][-1] < curve["methods"]["ppo"]["value"][-1] < curve["methods"]["ppo"]["high"][-1]
    )
    clock = json.loads((tmp_path / "out" / "seconds.json").read_text())
    seconds = clock["curves"]["CartPole-v1"]
    assert (seconds["at"][0], seconds["at"][-1]) == (2.0, 10.0)
    assert seconds["methods"]["ppo"]["value"][-1] == pytest.approx(curve["methods"]["ppo"]["value"][-1])
    assert clock["runs"]["CartPole-v1"]["ppo"][0]["seconds"] == 10.0


def test_one_seed_has_no_interval(made, tmp_path):
    found = logpi.compare([made("ppo", [1.0]).path, made("a2c", [2.0]).path], out=tmp_path / "out", resamples=200)
    assert math.isnan(found.facts["per_environment"]["CartPole-v1"]["ppo"]["iqm"]["low"])
    assert "nan" not in found.text
    assert "No winner is named" in found.verdict


def test_a_folder_of_runs_and_a_comparison_are_runs(made, tmp_path):
    run = made("ppo", GOOD)
    made("a2c", BAD)
    assert [label for label, _ in existing(str(tmp_path / "runs"))] == ["", ""]
    assert existing(f"mine={run.path}") == [("mine", run)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogpiError, match="empty holds no run"):
        existing(str(tmp_path / "empty"))
    with pytest.raises(LogpiError, match="nothing to compare"):
        logpi.compare(out=tmp_path / "none")
    with pytest.raises(LogpiError, match="is not a run folder"):
        logpi.compare(["missing"], out=tmp_path / "none")


def test_an_altered_result_is_refused(made, tmp_path):
    run = made("ppo", GOOD)
    run.result_file.write_text('{"mean_reward": [1, 2]}')
    with pytest.raises(LogpiError, match=r"has 2 scores of 12 seeds: it was altered"):
        logpi.compare([run.path], out=tmp_path / "out")
