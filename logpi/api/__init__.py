"""The Python API: all that the commands do. ``logpi.train`` and its neighbours are loaded from here when first used."""

from logpi.api.agents import contents, evaluate, film, film_random, glimpses, load, look, sheet
from logpi.api.laboratory import variance
from logpi.api.runs import resume, resuming, train, training
from logpi.training.outcome import Outcome

__all__ = [
    "Outcome",
    "contents",
    "evaluate",
    "film",
    "film_random",
    "glimpses",
    "load",
    "look",
    "resume",
    "resuming",
    "sheet",
    "train",
    "training",
    "variance",
]
