"""Board games as a kind of task: learned by self-play, evaluated on labelled positions or in matches."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logpi import games
from logpi.errors import LogpiError
from logpi.tasks import (
    NO_ENVIRONMENTS,
    NO_WALK,
    NOTHING,
    Agent,
    Answer,
    Exported,
    Facts,
    Film,
    Length,
    Measured,
    Own,
    Place,
    Question,
    Score,
    Table,
    Task,
    Verdict,
    Work,
    no_wrapping,
)

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.driver.process import Process
    from logpi.games.method import GameMethod
    from logpi.runs.folder import RunFolder
    from logpi.types import Learner, PyTree

SEED = 10_000  # of an evaluation's games, unless another is asked for


def _refuse_others(experiment: Experiment, own: Own) -> None:
    """Raise what is wrong with settings that are not of games."""
    if own._replace(method=None) != NOTHING or experiment.policy:
        raise LogpiError(f"{experiment.algo} has its own network: policy= and algorithm= are of environments")
    if experiment.env_kwargs:
        raise LogpiError(
            f"env_kwargs {', '.join(experiment.env_kwargs)}: {experiment.env} is a game and takes none; settings "
            "of its rules stand in its name, as in go-9x9:komi=5.5"
        )
    if experiment.wrappers:
        no_wrapping(experiment.env, experiment.wrappers, None)
    if experiment.run.eval_sampled:
        raise LogpiError("eval_sampled is of environments; in a game the search decides on the move: leave it out")


def _build(experiment: Experiment, own: Own) -> Work:
    from logpi.driver import devices
    from logpi.games.agent import adopt, save_game_agent
    from logpi.games.evaluation.judges import evaluations, evaluators_of, measured, scale
    from logpi.games.evaluation.walk import SHORT, walking
    from logpi.games.rules.make import make_game
    from logpi.methods import method_of

    method = experiment.method
    _refuse_others(experiment, own)
    game = make_game(experiment.env)
    num_devices = devices.shared_by(*method.shared)
    system: GameMethod = method_of(experiment.algo, own.method)(method, experiment.network, game, num_devices)

    material = system.material()

    def save(folder: Path, acting: PyTree, facts: Facts) -> None:
        save_game_agent(folder, acting, experiment, facts)

    @functools.cache
    def made() -> Process:
        evaluators = evaluators_of(game, method, system.search, -(-plan.episodes // num_devices))
        return system.process(evaluators, material.data, num_devices)._replace(plan=plan)

    def facts(scores: Any) -> Facts:
        return measured(game, method, scores)

    def begin_with(learner: Learner, folder: Path) -> Learner:
        return adopt(learner, folder, experiment)

    def process(seed: int) -> Process:
        return made()  # pure functions: every seed has the same

    without = {
        "method.ownership_coef": "" if game.ownership else f"{experiment.env} has no points that belong to a side",
        "method.score_utility_weight": "" if game.margin else f"{experiment.env} is won or lost without points",
    }

    def closing(params: PyTree) -> Callable[[PyTree], Verdict]:
        walked = walking(game, system.search, params, method.eval_simulations)
        more = system.closing(material.data, params)

        def verdict(acting: PyTree) -> Verdict:
            found = walked(acting)
            return found._replace(lines=[*found.lines, *more(acting)])

        return verdict

    plan = evaluations(experiment.run, method, game)
    return Work(
        *(num_devices, process, save, begin_with, facts, material.fingerprint, material.source),
        in_turn=True,
        keeps_stages=True,
        notes=material.notes,
        scale=scale(game, method),
        closing=closing,
        idle=NO_ENVIRONMENTS | without | (NO_WALK if game.longest > SHORT else {}),
        files=material.files,
    )


def _load(folder: Path, own: Own = NOTHING) -> Any:
    from logpi.games.agent import load_game_agent

    if others := [name for name in own.given if name != "algo"]:
        raise LogpiError(f"the agent in {folder} plays a board game and takes no {others[0]} of your own; leave it out")
    return load_game_agent(folder, own)


def _untuned(place: Place) -> Mapping[str, Table]:
    return {"method": dict(games.SUITED.get(place.name, {}))}


def _evaluate(agent: Any, asked: Question) -> Answer:
    from logpi.games.evaluation.judges import evaluate_agent, said
    from logpi.games.evaluation.walk import walking

    for name in ("sampled", "passes", "split", "record"):
        if getattr(asked, name):
            raise LogpiError(f"--{name} is not for agents of board games; leave it out")
    seed = SEED if asked.seed is None else asked.seed
    facts = evaluate_agent(agent, 10**9 if asked.episodes is None else asked.episodes, seed)
    config, lines = agent.config, [f"{facts['game']}: {said(facts, agent.config)}"]
    lines += walking(agent.game, agent.think, agent.params, config.eval_simulations)(agent.params).lines
    measured = Measured(
        what=f"{facts['what']} ({config.eval_simulations} simulation{'s' * (config.eval_simulations != 1)} a move)",
        metric="mean_result",
        mean=facts["mean"],
        low=facts["low"],
        high=facts["high"],
        cases=facts["count"],
        over=facts["over"],
        seed=seed,
    )
    return Answer(facts, lines, facts["mean"], measured)


def _export(agent: Any) -> Exported:
    from logpi.games.deploy import exported

    return exported(agent)


def _film(agent: Agent, wanted: Film) -> Path:
    raise LogpiError(
        f"an agent of {agent.facts['env']} is not filmed; `logpi play {agent.facts['env']} --agent FOLDER --side none` "
        "shows it playing"
    )


def _pictures(agent: Agent, folder: RunFolder) -> dict[str, Path]:
    return {}


def remark(name: str) -> str:
    """Known issues of a game's rules, in one sentence; "" where there are none.

    Raises:
        LogpiError: it is one of pgx's that cannot be used here.
    """
    if not name.startswith(games.PGX):
        return ""
    from logpi.games.rules.pgx import remarks

    found = remarks(name.removeprefix(games.PGX))
    return f"{name} has the rules of the package pgx: {'; '.join(found)} (docs/pgx.md)" if found else ""


def _settle(settings: Any) -> Any:
    """``settings`` with absolute paths, so that the run and its agents find them from any folder."""
    given = {name: path for name in getattr(settings, "paths", ()) if (path := getattr(settings, name))}
    return dataclasses.replace(
        settings, **{name: os.path.abspath(os.path.expanduser(path)) for name, path in given.items()}
    )


def _score(name: str) -> Score:
    return Score("value kept", False, 0.0, 1.0) if name == games.LABELLED else Score("mean result", False, -1.0, 1.0)


def _report(scores: Any, experiment: Experiment) -> list[str]:
    from logpi.games.evaluation.judges import summary
    from logpi.games.rules.make import make_game

    return [summary(make_game(experiment.env), experiment.method, scores)]


TASK = Task(
    name="games",
    what="a board game",
    does="learns board games",
    knows=games.is_known,
    names=games.game_names,
    meant=games.meant,
    runs_on=lambda name: "device",
    default_method=lambda name: "alphazero",
    score=_score,
    length=lambda experiment: Length(int(experiment.method.total_timesteps), "moves"),
    build=_build,
    load=_load,
    evaluate=_evaluate,
    film=_film,
    export=_export,
    pictures=_pictures,
    films=False,
    remark=remark,
    untuned=_untuned,
    report=_report,
    settle=_settle,
    schedules=lambda settings: ["learning_rate (half a cosine to final_learning_rate)"],
    next_step=lambda experiment, path: f"logpi play {experiment.env} --agent {path}",
)
