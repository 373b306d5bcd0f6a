"""The driver, on a process of a few lines: a run that is cut anywhere gives the same bits as one that is not."""

import dataclasses
import functools
import json
import threading
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from logpi.config.settings import Run
from logpi.driver import compiling
from logpi.driver.driver import Driver, training
from logpi.driver.in_turn import InTurn, each_seed
from logpi.driver.process import COLLECT, GATE, STORE, UPDATE, Process
from logpi.driver.progress import Progress, early, rescaled
from logpi.driver.stages import Evaluation, HostStage, Stage, stream, unwatched
from logpi.errors import LogpiError
from logpi.ops.draws import key_of
from logpi.types import Learner

ROWS, CASES, LIMIT = 5, 7, 6
DATA = np.float32([1.0, -2.0, 0.5])


class Hyper(NamedTuple):
    gain: float = 0.1
    total_timesteps: float = 60.0


class Carry(NamedTuple):
    place: jax.Array  # [3]
    rare: jax.Array  # [] int32, how often the rare stage ran


def init(key):
    params = {"w": jax.random.normal(key, (3,))}
    moves = jax.random.randint(key, (), 8, 21)  # of an iteration: seeds end at different times
    return Learner(params, (), (), (), jnp.int32(0), moves)


def start(learner, key):
    return Carry(jax.random.normal(key, (3,)), jnp.int32(0)), jnp.zeros((ROWS, 3))


def collect(state, now):
    def one(k, made):
        place, rows = made
        place = 0.9 * place + now.data + jax.random.normal(jax.random.fold_in(now.key, k), (3,))
        return place, rows.at[k].set(place)

    place, rows = jax.lax.fori_loop(now.begin, now.end, one, (state.carry.place, state.batch))
    return state._replace(carry=state.carry._replace(place=place), batch=rows), {
        "collect/mean": rows.mean(),
        "finite/observation": jnp.isfinite(rows).all(),
    }


def turn(state, now):
    return state._replace(batch=jnp.sort(state.batch, axis=0)), {"turn/top": state.batch.max()}


def update(state, now, broken=-1):
    learner = state.learner

    def one(k, w):
        noise = jax.random.normal(jax.random.fold_in(now.key, k), (3,))
        return 0.9 * w + learner.hyper.gain * state.batch[k] * noise

    w = jax.lax.fori_loop(now.begin, now.end, one, learner.params["w"])
    w = jnp.where(now.iteration == broken, jnp.nan, w)
    timesteps = learner.timesteps + jnp.where(now.end == 4, learner.extra, 0)
    return state._replace(learner=learner._replace(params={"w": w}, timesteps=timesteps)), {"update/w": w.sum()}


def rare(state, now):
    place = jax.lax.fori_loop(now.begin, now.end, lambda k, x: x * 0.5 + k, state.carry.place)
    count = state.carry.rare + (now.end == 3)
    return state._replace(carry=Carry(place, count)), {"rare/count": count.astype(jnp.float32)}


STAGES = (
    Stage("collect", collect, ("carry", "batch"), COLLECT, units=ROWS),
    Stage("turn", turn, ("batch",), STORE),
    Stage("update", update, ("learner",), UPDATE, units=4),
    Stage("rare", rare, ("carry",), GATE, every=2, units=3),
)


def evaluation():
    """Groups of three cases, each a random walk of up to six steps."""

    def begin(acting, cases, now):
        return jnp.zeros(3) + cases, jnp.zeros(1, jnp.int32)

    def advance(acting, play, now, until):
        def move(play):
            noise = jax.random.normal(jax.random.fold_in(now.key, play[1][0]), (3,))
            return play[0] + acting["w"].sum() * noise, play[1] + 1

        return jax.lax.while_loop(lambda play: play[1][0] < until, move, play)

    def result(play):
        return play[0], jnp.full(3, LIMIT), play[1], play[1] == LIMIT

    def cases(final, number):
        return np.full(3, number + 10.0 * final, np.float32)

    return Evaluation(begin, advance, result, cases, lambda final, asked: asked, LIMIT)


def toy(stages=STAGES, **hyper):
    return Process(
        init, start, stages, evaluation(), lambda learner: learner.params, Hyper(**hyper), rows=20, data=DATA
    )


class Stop:
    """A watch that asks for a stop after a number of a stage's pieces, and goes on asking."""

    def __init__(self, pieces):
        self.left = pieces

    def __call__(self, what, done, total):
        self.left -= what not in ("evaluate", "") and not what.startswith("compiling")
        return self.left <= 0


@pytest.fixture
def unit_by_unit(monkeypatch):
    """Every unit is a piece of its own."""
    monkeypatch.setattr("logpi.driver.driver.PIECE", 0.0)


@pytest.fixture(scope="module")
def driver():
    return Driver(toy(), [7])


def through(driver, state, progress, iterations, watch=unwatched):
    """(state, progress, metrics of the iterations that ended) after ``iterations`` in all, or at a stop."""
    rows = []
    while progress.iteration < iterations:
        state, progress, stopped = driver.iterate(state, progress, watch)
        if stopped:
            break
        rows.append(jax.device_get(state.metrics))
        state, progress = state._replace(metrics={}), Progress(progress.iteration + 1)
        if watch("", 0, 1):
            break
    return state, progress, rows


def resumed(driver, state, progress):
    """The state as it comes back from a checkpoint, whose shapes are as the driver said."""
    kept = jax.device_get(driver.kept.saved(state, progress))
    facts = json.loads(json.dumps(driver.kept.facts(state, progress)))
    like = driver.kept.like(progress, facts)
    assert jax.tree.structure(kept) == jax.tree.structure(like)
    for ours, theirs in zip(jax.tree.leaves(kept), jax.tree.leaves(like), strict=True):
        assert (np.shape(ours), np.asarray(ours).dtype) == (theirs.shape, theirs.dtype)
    return driver.kept.restored(kept, facts)


def same(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(ours), jax.device_get(theirs))


def places():
    """Where a run stands after each piece: (iteration, stages, units) that are over."""
    for iteration in range(3):
        due = [(k, stage) for k, stage in enumerate(STAGES) if (iteration + 1) % stage.every == 0]
        for number, stage in due:
            yield from ((iteration, number, unit) for unit in range(1, stage.units))
            last = number == len(STAGES) - 1
            yield (iteration + 1, 0, 0) if last else (iteration, number + 1, 0)


PLACES = list(places())


@pytest.mark.parametrize("cut", range(1, len(PLACES) + 1))
def test_a_cut_at_any_unit_of_any_stage_gives_the_same_bits(driver, unit_by_unit, cut):
    whole, _, rows = through(driver, driver.init(), Progress(), 3)
    state, progress, first = through(driver, driver.init(), Progress(), 3, Stop(cut))
    assert (progress.iteration, progress.stage, progress.unit) == PLACES[cut - 1]
    state, progress, rest = through(driver, resumed(driver, state, progress), progress, 3)
    assert progress == Progress(3)
    same((state.learner, state.carry), (whole.learner, whole.carry))
    same(first + rest, rows)


def test_large_pieces_give_what_single_units_give(driver, monkeypatch):
    state, _, rows = through(driver, driver.init(), Progress(), 3)
    assert any(pace < 1 for pace in driver._pace.values()), "many units went into a piece"
    monkeypatch.setattr("logpi.driver.driver.PIECE", 0.0)
    other, _, others = through(driver, driver.init(), Progress(), 3)
    same((state.learner, state.carry, rows), (other.learner, other.carry, others))


def test_a_stage_runs_in_one_of_so_many_iterations(driver):
    state, _, rows = through(driver, driver.init(), Progress(), 5)
    assert state.carry.rare == 2
    assert ["rare/count" in row for row in rows] == [False, True, False, True, False]
    usual = {"collect/mean", "finite/observation", "turn/top", "update/w", "finite/parameters"}
    assert all(row.keys() - {"rare/count"} == usual for row in rows)


def test_metrics_of_stages_that_are_over_are_kept_across_a_stop(driver, unit_by_unit):
    state, progress, _ = through(driver, driver.init(), Progress(), 1, Stop(ROWS + 2))
    assert progress == Progress(0, 2, 1)
    assert state.metrics.keys() == {"collect/mean", "finite/observation", "turn/top"}
    assert driver.kept.like(progress).metrics.keys() == state.metrics.keys()


def test_between_two_iterations_no_batch_is_saved(driver, unit_by_unit):
    state, progress, _ = through(driver, driver.init(), Progress(), 1)
    assert driver.kept.saved(state, progress).batch == ()
    state, progress, _ = through(driver, driver.init(), Progress(), 1, Stop(3))
    assert driver.kept.saved(state, progress).batch.shape == (ROWS, 3)


def test_the_old_arrays_of_what_a_stage_replaces_are_given_away(monkeypatch):
    monkeypatch.setattr("logpi.driver.stages.LARGE", 0)
    driver = Driver(toy(), [7])
    before = driver.init()
    after, _, _ = through(driver, before, Progress(), 1)
    for part in (before.learner.params, before.learner.timesteps, before.carry.place, before.batch):
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(part))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((after.learner, after.carry)))


def test_the_seed_and_the_iteration_decide_every_draw(driver):
    first = jax.device_get(driver.init())
    drawn = jax.random.normal(key_of(stream(np.uint32(7), 0)), (3,))
    np.testing.assert_allclose(first.learner.params["w"], drawn, rtol=1e-6)
    same(first.learner.hyper, Hyper(np.float32(0.1), np.float32(60.0)))
    other = Driver(toy(), [8])
    assert not np.allclose(other.init().learner.params["w"], first.learner.params["w"])


@pytest.mark.parametrize("seeds", [[6, 7], [7, 1, 2], [5, 6, 7, 8]])
def test_a_seed_learns_the_same_beside_others_and_stops_at_its_end(driver, seeds):
    beside, rows = Driver(toy(), seeds), []
    state, progress = beside.init(), Progress()
    for event in training(beside, state, progress, Run(log_points=1000, eval_points=0)):
        rows.append(event.timesteps)
        end = event.state
    alone = [event.state for event in training(driver, driver.init(), Progress(), Run(log_points=1000, eval_points=0))]
    k = seeds.index(7)
    mine = jax.tree.map(lambda x: x[k], jax.device_get(end.learner))
    for ours, theirs in zip(jax.tree.leaves(mine), jax.tree.leaves(alone[-1].learner), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    moves = np.asarray(end.learner.extra)
    assert len(set(moves.tolist())) > 1, "seeds end at different times"
    np.testing.assert_array_equal(end.learner.timesteps, moves * -(-60 // moves))
    assert rows[-1] == min(end.learner.timesteps)
    scores = beside.evaluate(end, 3, CASES).score
    assert scores.shape == (len(seeds), CASES)


SEEDS = [5, 7, 3]  # which end at different times
OFTEN = Run(log_points=1000, eval_points=3, eval_episodes=CASES)


@pytest.fixture(scope="module")
def in_turn():
    return InTurn([toy() for _ in SEEDS], SEEDS)


def test_a_seed_learns_the_same_in_turn_with_others(driver, in_turn):
    rows, last = rows_of(training(in_turn, in_turn.init(), Progress(), OFTEN))
    moves = in_turn.timesteps(last.state)
    assert len(set(moves.tolist())) > 1
    assert rows[-1][0]["time/total_timesteps"] == min(moves) >= 60
    k = SEEDS.index(7)
    alone, end = rows_of(training(driver, driver.init(), Progress(), OFTEN))
    same(each_seed(in_turn.parts, last.state)[k][1].learner, end.state.learner)
    for (row, _), (mine, _) in zip(rows, alone, strict=False):
        measured = [name for name in mine if not name.startswith(("time/", "eval/"))]
        assert len(measured) >= 3
        same([row[name][k] for name in measured], [mine[name] for name in measured])
    assert len(rows) > len(alone), "seed 7 rests at the end"
    same(rows[-1][0]["update/w"][k], alone[-1][0]["update/w"])
    assert in_turn.evaluate(last.state, 3, CASES).score.shape == (len(SEEDS), CASES)


@pytest.mark.parametrize(("log_points", "pieces"), [(1000, 1), (1000, 2), (3, 3)])
def test_seeds_that_take_turns_are_stopped_anywhere(in_turn, unit_by_unit, log_points, pieces):
    run = dataclasses.replace(OFTEN, log_points=log_points)
    expected, last = rows_of(training(in_turn, in_turn.init(), Progress(), run))
    state, progress, found, seen = in_turn.init(), Progress(), [], set()
    while True:
        rows, event = rows_of(training(in_turn, state, progress, run, Stop(pieces)))
        found += rows
        if event.finished:
            break
        seen.add((event.progress.seed, event.progress.stage))
        state, progress = resumed(in_turn, event.state, event.progress), event.progress
    assert {seed for seed, _ in seen} == {0, 1, 2}
    assert len(seen) > 5
    same([row for row, _ in found], [row for row, _ in expected])
    same(event.state.learner, last.state.learner)


def test_seeds_that_take_turns_are_compiled_once(monkeypatch):
    made, original = [], compiling.Compiling
    monkeypatch.setattr(
        compiling, "Compiling", lambda programs, *rest: made.extend(programs) or original(programs, *rest)
    )
    InTurn([toy(), toy()], [0, 1]).init()
    assert len(made) == len(set(made)) > 4


def test_a_stop_ends_compilation_at_once():
    release = threading.Event()

    def slow(state, now):
        release.wait(60)  # in its trace
        return collect(state, now)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Driver(toy((STAGES[0]._replace(run=slow), *STAGES[1:])), [0]).init(
            lambda what, done, total: what.startswith("compiling")
        )
    assert time.monotonic() - began < 30
    release.set()


@pytest.mark.parametrize("maker", [lambda toy: Driver(toy, [0]), lambda toy: InTurn([toy, toy], [0, 1])])
def test_a_stop_ends_the_trace_of_a_first_state_at_once(maker):
    release = threading.Event()

    def slow(learner, key):
        release.wait(60)  # in its trace
        return start(learner, key)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        maker(toy()._replace(start=slow)).trace(lambda what, done, total: what.startswith("compiling"))
    assert time.monotonic() - began < 30
    release.set()


def test_what_a_trace_raises_comes_out_of_it():
    def wrong(learner, key):
        raise ValueError("wrong shapes")

    with pytest.raises(ValueError, match="wrong shapes"):
        Driver(toy()._replace(start=wrong), [0]).trace()


def test_an_evaluation_measures_what_is_asked_for_or_nothing_after_a_stop(driver):
    state = driver.init()
    found = driver.evaluate(state, 4, CASES)
    assert (found.score.shape, found.length.tolist()) == ((CASES,), [LIMIT] * CASES)
    same(driver.evaluate(state, 4, CASES).score, found.score)
    same(driver.evaluate(state, 4, 4).score, found.score[:4])
    assert not np.allclose(driver.evaluate(state, 5, CASES).score, found.score)
    assert (driver.evaluate(state, 4, CASES, final=True).score > found.score + 5).all()
    assert driver.evaluate(state, 4, CASES, watch=lambda what, done, total: what == "evaluate") is None
    told = []
    assert driver.evaluate(state, 4, CASES, watch=lambda *now: told.append(now) or len(told) > 2) is None
    assert told[0] == ("evaluate", 0, CASES)


def broken(at, log_points):
    stages = list(STAGES)
    stages[2] = stages[2]._replace(run=functools.partial(update, broken=at))
    driver = Driver(toy(tuple(stages), total_timesteps=200.0), [7])
    run = Run(log_points=log_points, eval_points=0)
    return [event.progress.iteration for event in training(driver, driver.init(), Progress(), run)]


@pytest.mark.parametrize("log_points", [1000, 3])
def test_what_is_not_finite_ends_the_run_with_the_iteration_that_was_ill(log_points):
    with pytest.raises(LogpiError, match="iteration 3: the update made a parameter NaN"):
        broken(2, log_points)


def rows_of(events):
    """Rows without the clock, and scores; and the last event."""
    events = list(events)
    return [(event.row, event.scores) for event in events if event.row], events[-1]


RUN = Run(log_points=3, eval_points=3, checkpoint_points=2, eval_episodes=CASES)


@pytest.mark.parametrize(("log_points", "pieces"), [(3, 2), (1, 1), (1, 2), (1, 3)])
def test_the_loop_gives_the_same_rows_however_often_it_is_stopped(driver, unit_by_unit, log_points, pieces):
    """Where a row covers several iterations, its timesteps may be over before its last one is."""
    run = dataclasses.replace(RUN, log_points=log_points)
    expected, last = rows_of(training(driver, driver.init(), Progress(), run))
    assert last.finished
    assert len(expected) >= log_points - 1
    state, progress, found, stops = driver.init(), Progress(), [], 0
    while True:
        rows, event = rows_of(training(driver, state, progress, run, Stop(pieces)))
        found += rows
        if event.finished:
            break
        assert event.checkpoint or event.row
        stops += 1
        state, progress = resumed(driver, event.state, event.progress), event.progress
    assert stops > 10
    same(found, expected)
    same((event.state.learner, event.state.carry), (last.state.learner, last.state.carry))
    assert event.progress == last.progress


def test_a_stop_in_an_evaluation_comes_back_to_it(driver):
    class Now:
        """Asks for a stop in evaluations alone."""

        def __call__(self, what, done, total):
            return what == "evaluate"

    expected, _ = rows_of(training(driver, driver.init(), Progress(), RUN))
    *_, event = training(driver, driver.init(), Progress(), RUN, Now())
    assert (event.row, event.scores, event.checkpoint, event.finished) == ({}, None, True, False)
    assert event.progress.stage == len(STAGES)
    rows, _ = rows_of(training(driver, resumed(driver, event.state, event.progress), event.progress, RUN))
    same(rows, expected[-len(rows) :])
    assert rows[0][1] is not None


def test_a_finished_run_has_no_more_events(driver):
    *_, last = training(driver, driver.init(), Progress(), RUN)
    assert list(training(driver, resumed(driver, last.state, last.progress), last.progress, RUN)) == []


def test_a_run_ends_where_an_evaluation_reaches_the_score(driver, unit_by_unit):
    whole, _ = rows_of(training(driver, driver.init(), Progress(), RUN))
    scores = [float(score.mean()) for _, score in whole if score is not None]
    stop_at = max(scores[:2])
    assert len(scores) == 3
    run = dataclasses.replace(RUN, stop_at=stop_at)
    rows, last = rows_of(training(driver, driver.init(), Progress(), run))
    assert (last.finished, last.checkpoint, last.progress.ended) == (True, True, "stop_at")
    assert float(rows[-1][1].mean()) >= stop_at
    assert len(rows) < len(whole)
    same(rows, whole[: len(rows)])
    assert list(training(driver, resumed(driver, last.state, last.progress), last.progress, run)) == []

    state, progress, found = driver.init(), Progress(), []
    while not progress.ended:
        more, event = rows_of(training(driver, state, progress, run, Stop(3)))
        found += more
        state, progress = resumed(driver, event.state, event.progress), event.progress
    same(found, rows)
    same((event.state.learner, event.state.carry), (last.state.learner, last.state.carry))

    longer = rescaled(last.progress, last.timesteps, 120.0, RUN)
    assert (longer.ended, longer.iteration) == ("", last.progress.iteration)
    assert (longer.evaluated, longer.saved) == (int(last.timesteps / 120 * 3), int(last.timesteps / 120 * 2))


@pytest.mark.parametrize("log_points", [1000, 1])
def test_a_run_ends_with_the_iteration_in_which_its_time_is_over(driver, log_points):
    run = dataclasses.replace(RUN, log_points=log_points, minutes=1.0)
    seconds = iter([0.0, 59.9, 60.0])
    rows, last = rows_of(training(driver, driver.init(), Progress(), run, clock=lambda: next(seconds)))
    assert (last.finished, last.checkpoint, last.progress.ended, last.progress.iteration) == (True, True, "minutes", 3)
    assert len(rows) == (3 if log_points == 1000 else 2)  # the first iteration has one too
    assert rows[-1][1] is not None, "the last row has an evaluation"
    assert list(training(driver, resumed(driver, last.state, last.progress), last.progress, run)) == []


@pytest.mark.parametrize(
    ("stop_at", "scores", "seconds", "reason"),
    [
        (5.0, 5.0, 0.0, "stop_at"),
        (5.0, 4.9, 0.0, ""),
        (5.0, [6.0, 4.0], 0.0, ""),
        (5.0, [6.0, 5.5], 0.0, "stop_at"),
        (5.0, np.nan, 0.0, ""),
        (np.inf, 1e9, 0.0, ""),
        (5.0, None, 119.9, ""),
        (5.0, None, 120.0, "minutes"),
        (5.0, 7.0, 120.0, "stop_at"),
    ],
)
def test_why_a_run_ends_early(stop_at, scores, seconds, reason):
    found = None if scores is None else np.asarray(scores, np.float32)
    assert early(Run(stop_at=stop_at, minutes=2.0), found, seconds) == reason


def hosted():
    """The process whose first stage is Python around a compiled function."""

    def run(state, key, iteration, inner, watch, seconds):
        place, rows = np.asarray(state.carry.place), []
        for k in range(ROWS):
            if watch("collect", k, ROWS):
                return None
            place = np.asarray(inner(place, jax.random.fold_in(key, k)))
            rows.append(place)
        seconds["world"] += 1.0
        return state._replace(carry=state.carry._replace(place=place), batch=np.stack(rows)), {
            "collect/mean": np.float32(np.mean(rows))
        }

    def inner(place, key):
        return 0.9 * place + jax.random.normal(key, (3,))

    def arguments(state):
        return state.carry.place, jax.random.key(0)

    def shapes(state):
        return {"collect/mean": jax.ShapeDtypeStruct((), jnp.float32)}

    first = HostStage("collect", run, inner, arguments, shapes, shares=("world",), stream=COLLECT)
    return toy((first, *STAGES[1:]))


def test_a_host_stage_is_left_at_any_moment_and_begun_again(unit_by_unit):
    driver = Driver(hosted(), [7])
    whole, _, rows = through(driver, driver.init(), Progress(), 2)
    assert driver.seconds["world"] == 2.0
    for cut, place in {1: (0, 0), 3: (0, 0), 6: (1, 0), 7: (2, 0), 9: (2, 2)}.items():
        state, progress, first = through(driver, driver.init(), Progress(), 2, Stop(cut))
        assert (progress.stage, progress.unit) == place
        state, _, rest = through(driver, resumed(driver, state, progress), progress, 2)
        same((state.learner, state.carry, first + rest), (whole.learner, whole.carry, rows))
