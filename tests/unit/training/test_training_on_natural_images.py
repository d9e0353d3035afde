"""Natural images as training images: what keeps a pipeline from training on them, and what its batches hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from n2b_ct.config import Pipeline
from n2b_ct.data.natural_image_source import natural_image_source
from n2b_ct.errors import DataError
from n2b_ct.methods.method import BatchNeeds, build_method
from n2b_ct.methods.supervised import SupervisedConfig
from n2b_ct.training.images import load_training_data
from n2b_ct.training.run import require_ready

SIZE_PX = 24
CPU = torch.device("cpu")


@pytest.fixture
def root(tmp_path):
    """Two folders of gray images; the image's number is its grey level."""
    for folder, first in (("noisy", 0), ("clean", 100)):
        (tmp_path / folder).mkdir()
        for k in range(3):
            Image.new("L", (SIZE_PX, SIZE_PX), first + k).save(tmp_path / folder / f"{k}.png")
    return tmp_path


def pipeline(method="noise2blur", **data):
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {
                "kind": "natural_images",
                "noisy": {"folder": "noisy"},
                "clean": {"folder": "clean"},
                "noise": {"kind": "gaussian", "sigma": 10},
                **data,
            },
            "method": {"name": method, "denoiser": {"arguments": {"n_features": 2, "depth": 2}}},
            "training": {"iterations": 3, "batch_size": 4, "patch_px": 16},
        }
    )


def batches_of(loaded, root):
    images = natural_image_source(loaded.data, root)
    method = build_method(loaded.method, images.traits)
    return load_training_data(images, loaded, method, root, CPU).batches


def test_images_are_counted_by_role(root):
    images = natural_image_source(pipeline().data, root)
    assert images.n_images == {"noisy": 3, "clean": 3, "validation": 0}
    assert images.sizes_px == ((SIZE_PX, SIZE_PX),)
    assert (images.traits.n_channels, images.traits.n_noisy, images.traits.clipped) == (1, 3, False)
    require_ready(pipeline(), images)


@pytest.mark.parametrize(
    ("method", "data", "line"),
    [
        ("noise2blur", {"clean": None}, "data.clean: noise2blur needs clean images, got null"),
        ("supervised", {"noise": None}, "data.noise: supervised needs noise to add to clean images, got null"),
        ("noise2blur", {"realisations": "fresh"}, "data.realisations: noise2blur needs images that keep their noise"),
    ],
)
def test_what_is_missing_gets_a_line(root, method, data, line):
    loaded = pipeline(method, **data)
    with pytest.raises(DataError, match=line):
        require_ready(loaded, natural_image_source(loaded.data, root))


def test_an_image_smaller_than_the_patch_is_named(root):
    Image.new("L", (9, 40), 0).save(root / "noisy" / "small.png")
    loaded = pipeline()
    with pytest.raises(DataError, match=r"data.noisy.folder: small.png: must be at least .* = 16 .*, got 40x9; leave"):
        require_ready(loaded, natural_image_source(loaded.data, root))


def test_a_batch_holds_what_the_method_needs_and_where_each_patch_comes_from(root):
    class Both(SupervisedConfig):
        needs = BatchNeeds(reference=True, clean=True)

    method = Both(denoiser={"arguments": {"n_features": 2, "depth": 2}})
    batch = batches_of(pipeline("supervised").model_copy(update={"method": method}), root)[0]
    assert set(batch) == {"noisy", "reference", "clean", "index"}
    grey = (batch["reference"][:, 0, 0, 0] * 255).round().long()
    assert torch.equal(grey, batch["index"])
    assert set((batch["clean"] * 255).round().unique().tolist()) <= {100.0, 101.0, 102.0}
    assert torch.std(batch["noisy"] - batch["reference"]) == pytest.approx(10 / 255, rel=0.1)


def test_fresh_noise_differs_from_batch_to_batch_and_is_drawn_again_for_a_resumed_run(root):
    batches = batches_of(pipeline("supervised", realisations="fresh"), root)
    noises = [(batches[k]["noisy"] - batches[k]["reference"]).numpy() for k in (0, 1, 0)]
    assert np.array_equal(noises[0], noises[2])
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.1
    assert noises[0].std() == pytest.approx(10 / 255, rel=0.1)


def test_progress_counts_over_both_roles(root):
    loaded, told = pipeline(), []
    images = natural_image_source(loaded.data, root)
    method = build_method(loaded.method, images.traits)
    load_training_data(images, loaded, method, root, CPU, progress=lambda *step: told.append(step))
    assert told == [(number, 6, f"{(number - 1) % 3}.png") for number in range(1, 7)]
