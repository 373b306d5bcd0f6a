"""Sizes that follow from the images: those of the recipes where the images have the recipes' sizes."""

import dataclasses
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logpi.config.experiments import resolve
from logpi.config.stored import experiment_from_table, experiment_to_table, recipe_for
from logpi.ram import network, whole_image
from logpi.ram.fit import COVERED, patch_for, scales_for
from logpi.ram.methods.classifier import Classifier
from logpi.ram.methods.ram import RAM
from logpi.ram.settings import RamNetwork, WholeImageNetwork
from logpi.runs.create import toml_text
from logpi.tasks import NOTHING, task_of

SIDES = st.integers(1, 4096)


@pytest.mark.parametrize(("side", "task"), [(60, "ram/translated"), (60, "ram/cluttered"), (100, "ram/cluttered-100")])
def test_the_fit_repeats_the_recipes(side, task):
    tuned = recipe_for(task, "ram").tables["network"]
    fitted = RamNetwork(patch=0, scales=0).fitted(side, side)
    assert (fitted.patch, fitted.scales) == (tuned["patch"], tuned["scales"])
    usual = WholeImageNetwork()
    seen = WholeImageNetwork(kernel=0, stride=0).fitted(60, 60)
    assert (seen.kernel, seen.stride) == (usual.kernel, usual.stride)
    assert RamNetwork(patch=0).fitted(28, 28).patch == RamNetwork().patch


@given(SIDES, SIDES)
def test_whatever_the_images_the_fitted_network_takes_them(height, width):
    net = RamNetwork(patch=0, scales=0).fitted(height, width)
    network.check(net, (height, width))
    assert 1 <= net.patch <= min(height, width)
    coarsest = net.patch * 2 ** (net.scales - 1)
    assert coarsest >= COVERED * max(height, width)
    whole_image.check(WholeImageNetwork(kernel=0, stride=0).fitted(height, width), (height, width, 3))
    assert 1 <= RAM(distractor_size=0, num_distractors=1).fitted(height, width).distractor_size <= min(height, width)


def test_what_was_asked_for_is_kept():
    assert RamNetwork(patch=5, scales=2).fitted(60, 60) == RamNetwork(patch=5, scales=2)
    assert RamNetwork(patch=5, scales=0).fitted(60, 60).scales == scales_for(5, 60, 60) == 5
    assert RamNetwork(patch=0, scales=1).fitted(60, 60) == RamNetwork(patch=patch_for(60, 60), scales=1)
    assert Classifier(distractor_size=3, num_distractors=1).fitted(60, 60).distractor_size == 3


@pytest.mark.parametrize("algo", ["ram", "classifier"])
def test_a_run_of_ones_own_images_keeps_the_fitted_sizes(tmp_path, algo):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", images=rng.integers(0, 256, (36, 40, 56), np.uint8), labels=np.arange(36) % 3)
    asked, _ = resolve("ram/own", algo, {"method": {"data": str(tmp_path / "own.npz")}})
    work = task_of("ram/own").build(asked, NOTHING)
    kept = experiment_from_table(tomllib.loads(toml_text(experiment_to_table(work.experiment))))
    assert kept.network == asked.network.fitted(40, 56)
    assert 0 not in [
        getattr(kept.network, name) for name in ("patch", "scales", "kernel") if hasattr(kept.network, name)
    ]
    assert kept.method.distractor_size == 0, "there are none"
    again = task_of("ram/own").build(kept, NOTHING)
    assert again.experiment == kept, "a resumed run fits nothing anew"
    assert "40x56 pixels, grey, 3 classes; fitted to them: " in work.notes[0]
    assert "fitted" not in again.notes[0]
    sizes = dataclasses.replace(asked, method=dataclasses.replace(asked.method, canvas=100, num_distractors=2))
    placed = task_of("ram/own").build(sizes, NOTHING).experiment
    assert placed.network == asked.network.fitted(100, 100)
    assert placed.method.distractor_size == 11


def test_what_is_not_used_is_not_fitted():
    assert WholeImageNetwork(net="fc", kernel=0).fitted(60, 60).kernel == 0
    assert Classifier(distractor_size=0).fitted(60, 60).distractor_size == 0
