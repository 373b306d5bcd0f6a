"""Images as a kind of task: classified by glimpses (RAM), or by networks that see the whole image."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logpi.errors import LogpiError
from logpi.ram.settings import SHIPPED, ImageSettings
from logpi.tasks import (
    NO_ENVIRONMENTS,
    NO_WALK,
    NOTHING,
    Answer,
    Band,
    Exported,
    Facts,
    Film,
    Length,
    Measured,
    Own,
    Pictures,
    Question,
    Score,
    Table,
    Task,
    Work,
    no_wrapping,
)

if TYPE_CHECKING:
    from logpi.config.settings import Experiment
    from logpi.driver.process import Process
    from logpi.ram.data.images import Images, Splits
    from logpi.runs.folder import RunFolder
    from logpi.types import Learner, PyTree

TASKS: dict[str, Table] = {  # Mnih et al. 2014, §4.1: settings of the method
    "ram/mnist": {},
    "ram/translated": {"canvas": 60},
    "ram/cluttered": {"canvas": 60, "num_distractors": 4},
    "ram/cluttered-100": {"canvas": 100, "num_distractors": 8},
    "ram/own": {},
}
ROWS_AN_IMAGE = 16  # an image is worth that many small observations when devices share a batch
FILMED = 6  # images
EVERY = 10**9  # images: more than any data has
DIM = 64  # training images without any brighter pixel are likely on another scale than 0 to 255
PASSES = 10  # over an image, whose class probabilities are averaged


def _build(experiment: Experiment, own: Own) -> Work:
    from logpi.driver import devices
    from logpi.methods import method_of
    from logpi.ram import agent
    from logpi.ram.data import datasets
    from logpi.ram.process import image_process

    method, run = experiment.method, experiment.run
    if own._replace(method=None) != NOTHING or experiment.policy:
        raise LogpiError(f"{experiment.algo} has its own network: policy= and algorithm= are of environments")
    if experiment.env_kwargs:
        raise LogpiError(
            f"env_kwargs {', '.join(experiment.env_kwargs)}: {experiment.env} is not an environment and takes no "
            "arguments; what is done to its images are settings of the method, such as --canvas and --num-distractors"
        )
    if experiment.wrappers:
        no_wrapping(experiment.env, experiment.wrappers, None)
    if run.eval_sampled:
        raise LogpiError("eval_sampled is of environments; images: `logpi eval --sampled` draws the locations")
    if experiment.env == "ram/own" and method.data == "mnist":
        raise LogpiError(
            "ram/own needs your images: --data FILE.npz (images, labels), or a folder with a folder for each class"
        )
    images = datasets.load(method.data, method.size)
    shape = images.train_images.shape[1:]
    method = method.fitted(*shape[:2])
    splits, task = agent.splits(images, method), agent.task_of(method, shape, len(images.classes))
    network = experiment.network.fitted(task.scene.height, task.scene.width)
    fitted = dataclasses.replace(experiment, method=method, network=network)
    made = method_of(experiment.algo, own.method)(method, network, task)
    worth = ROWS_AN_IMAGE * method.batch_size * method.copies_per_image
    num_devices = 1 if run.seeds > 1 else devices.sharing(method.batch_size, worth, worth)

    data = agent.data_card(images)

    def save(folder: Path, acting: PyTree, facts: Facts) -> None:
        agent.save_image_agent(folder, acting, fitted, data, facts)

    def process(seed: int) -> Process:
        return image_process(made, task, splits, method.batch_size, method.n_updates, num_devices)

    def begin_with(learner: Learner, folder: Path) -> Learner:
        return agent.adopt(learner, folder, fitted)

    notes = _notes(images, splits, experiment.network, network)
    found, idle = data["data_sha256"], NO_ENVIRONMENTS | NO_WALK
    made_of, source = (num_devices, process, save, begin_with), f"the images or labels of {method.data}"
    return Work(*made_of, data=found, source=source, experiment=fitted, notes=notes, idle=idle)


def _notes(images: Images, splits: Splits, asked: Any, network: Any) -> list[str]:
    """What is learnt from, and the settings of the network that were fitted to it."""
    _, height, width, channels = images.train_images.shape
    counts = ", ".join(f"{len(split.labels):,} {name}" for name, split in splits._asdict().items())
    colour = "grey" if channels == 1 else "colour"
    text = f"images: {counts}; {height}x{width} pixels, {colour}, {len(images.classes)} classes"
    sizes = dataclasses.asdict(network)
    chosen = [f"{name} {sizes[name]}" for name, value in dataclasses.asdict(asked).items() if value != sizes[name]]
    if chosen:
        text += f"; fitted to them: {', '.join(chosen)}"
    notes, brightest = [text], int(images.train_images.max())
    if brightest < DIM:
        notes.append(
            f"dark images: the brightest training pixel is {brightest} of 255; if white is {brightest} in your data, "
            f"save (images * (255 / {brightest})).astype(np.uint8)"
        )
    return notes


def _load(folder: Path, own: Own = NOTHING) -> Any:
    from logpi.ram.agent import load_image_agent

    if others := [name for name in own.given if name != "algo"]:
        raise LogpiError(f"the agent in {folder} classifies images and takes no {others[0]} of your own; leave it out")
    return load_image_agent(folder, own)


def _evaluate(agent: Any, asked: Question) -> Answer:
    from logpi.ram.evaluation import interval, judge

    if asked.seed is not None:
        raise LogpiError("--seed is not for images: all agents are evaluated on the same ones; leave it out")
    if asked.record:
        raise LogpiError("--record is not for images: it records episodes in environments; leave it out")
    split, passes = asked.split or "test", PASSES if asked.passes is None else asked.passes
    found = judge(agent, EVERY if asked.episodes is None else asked.episodes, passes, asked.sampled, split)

    def line(name: str, error: float) -> str:
        low, high = interval(error, found.images)
        return f"  {name:44} error {error:7.2%}   (95 % interval {low:.2%} to {high:.2%})"

    lines = [f"{agent.facts['env']}, {agent.facts['algo']}: {found.images:,} {split} images"]
    lines.append(line("the whole image" if agent.config.sees_whole else "one pass, mean locations", found.one_pass))
    if not agent.config.sees_whole:
        how = "sampled" if asked.sampled else "mean"
        lines.append(line(f"M = {found.passes} passes averaged, {how} locations", found.averaged))
    if found.stopping:
        lines.append("  after glimpse 1, 2, …:  " + "  ".join(f"{error:.2%}" for error in found.after))
        lines.append("  looking until sure:")
        for row in found.stopping:
            glimpses, error = row["mean_glimpses"], row["error"]
            lines.append(f"    {row['threshold']:<6g} {glimpses:5.2f} glimpses   error {error:7.2%}")
    facts = {"env": agent.facts["env"], "split": split, "sampled": asked.sampled, **found._asdict()}
    error = found.one_pass if agent.config.sees_whole else found.averaged
    low, high = interval(error, found.images)
    over = f"{split} images" + ("" if agent.config.sees_whole else f", {found.passes} passes averaged")
    measured = Measured("accuracy", "accuracy", 1.0 - error, 1.0 - high, 1.0 - low, found.images, over)
    return Answer(facts, lines, 1.0 - error, measured)


def _export(agent: Any) -> Exported:
    from logpi.ram.deploy import exported

    return exported(agent)


def _film(agent: Any, wanted: Film) -> Path:
    from logpi.ram import figures

    if wanted.steps is not None:
        raise LogpiError(f"steps is {wanted.steps}: it cuts the films of environments; an image has few glimpses")
    count = FILMED if wanted.episodes is None else wanted.episodes
    return figures.film(agent, wanted.path, count, wanted.seed, wanted.sampled)


def _look(agent: Any, wanted: Pictures) -> Answer:
    from logpi.ram import looks

    return looks.look(agent, wanted)


def _glimpses(agent: Any, wanted: Pictures, places: str, n_glimpses: int | None, seed: int, centre: bool) -> list[Any]:
    from logpi.ram.glimpses import glimpses

    return glimpses(agent, wanted, places, n_glimpses, seed, centre)


def _sheet(agent: Any, wanted: Film) -> dict[str, Path]:
    from logpi.ram import figures

    count = figures.ON_THE_SHEET if wanted.episodes is None else wanted.episodes
    return figures.pictures(agent, wanted.path, wanted.seed, wanted.sampled, count)


def _pictures(agent: Any, folder: RunFolder) -> dict[str, Path]:
    from logpi.ram import figures

    if agent.config.sees_whole:
        return {}
    return figures.pictures(agent, folder.path) | {"video": _film(agent, Film(folder.videos / "best.mp4"))}


def _report(scores: Any, experiment: Experiment) -> list[str]:
    """The test error of one seed, or of several."""
    accuracy, images = scores.mean(1), scores.shape[1]
    if len(accuracy) > 1:
        from logpi.runs.scores import interval as over_seeds

        mean, half = over_seeds(1 - accuracy[:, None])
        of_seeds = f"95 % interval over {len(accuracy)} seeds, {images:,} test images"
        return [f"error {100 * mean[0]:.2f} ± {100 * half[0]:.2f} % ({of_seeds}, one pass)"]
    from logpi.ram.evaluation import interval

    error = float(1 - accuracy[0])
    low, high = interval(error, images)
    of_images = f"95 % interval {100 * low:.2f} to {100 * high:.2f} %; {images:,} test images"
    return [f"error {100 * error:.2f} % ({of_images}, one pass)"]


def _errors(band: Band) -> str:
    """The expected test error, of a band of accuracies."""
    return f"{100 * (1 - band[1]):.3g} to {100 * (1 - band[0]):.3g} %"


def _expected(method: Table, band: Band) -> str:
    return f"error {_errors(band)} after {method.get('total_images', float('nan')):,.0f} images"


def _meant(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("mnist") or "mnist"
    known = {re.sub(r"[^a-z0-9]", "", task.removeprefix("ram/")): task for task in TASKS}
    return f"did you mean the images {known[plain]}?" if plain in known and plain != "own" else ""


def _length(experiment: Experiment) -> Length:
    """An image counts once, however often it is looked at."""
    method = experiment.method
    return Length(int(method.total_timesteps), "images", method.steps_an_image)


def _schedules(settings: ImageSettings) -> list[str]:
    return ["learning_rate (half a cosine to 0)", *(["curriculum"] if settings.curriculum else [])]


def _settle(settings: ImageSettings) -> ImageSettings:
    """``settings`` with an absolute path of the data, so that the run and its agents find it from any folder."""
    if settings.data in SHIPPED:
        return settings
    return dataclasses.replace(settings, data=os.path.abspath(os.path.expanduser(settings.data)))


def _next_step(experiment: Experiment, path: Path) -> str:
    return f"logpi {'eval' if experiment.method.sees_whole else 'watch'} {path}"


TASK = Task(
    name="ram",
    what="images to classify",
    does="classifies images",
    knows=TASKS.__contains__,
    names=lambda: list(TASKS),
    meant=_meant,
    runs_on=lambda name: "device",
    default_method=lambda name: "ram",
    presets=lambda place: TASKS.get(place.name, {}),
    score=lambda name: Score("accuracy", True, 0.0, 1.0),
    length=_length,
    build=_build,
    load=_load,
    evaluate=_evaluate,
    film=_film,
    export=_export,
    pictures=_pictures,
    sheet=_sheet,
    look=_look,
    glimpses=_glimpses,
    filmed=FILMED,
    preview=(4, None),
    hub_task="image-classification",
    report=_report,
    expected=_expected,
    missed=lambda band: f"above the {_errors(band)}",
    next_step=_next_step,
    horizon="total_images",
    schedules=_schedules,
    settle=_settle,
)
