"""Test images: found and checked before training, the same noise for every row."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from n2b_ct.errors import ConfigError, DataError
from n2b_ct.experiments.columns import find_columns
from n2b_ct.experiments.experiment import ExperimentSection

SIGMA_25 = {"kind": "gaussian", "sigma": 25}


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for folder, n in (("truth", 3), ("noisy", 3), ("few", 2), ("tiny", 1), ("colour", 1)):
        (tmp_path / folder).mkdir()
        shape = {"tiny": (8, 8), "colour": (16, 16, 3)}.get(folder, (16, 20))
        for k in range(n):
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / folder / f"p{k}.png")
    return tmp_path


def experiment(*tests, **more):
    named = [{"name": f"t{k}", **test} for k, test in enumerate(tests)]
    values = {"name": "e", "data": {}, "tests": named, "rows": [{"name": "tv", "baseline": {"name": "tv"}}]}
    return ExperimentSection.model_validate(values | more)


def test_image_k_gets_the_noise_of_seed_and_k(root):
    section = experiment({"folder": "truth", "noise": SIGMA_25, "seed": 4}, {"folder": "truth", "noise": SIGMA_25})
    first, second = find_columns(section, root, "gray")
    pair = first.read(1)
    expected = np.random.default_rng([4, 1, 3]).standard_normal((16, 20), dtype=np.float32) * np.float32(25 / 255)
    np.testing.assert_allclose(pair.noisy - pair.truth, expected, atol=1e-6)
    assert pair.name == "p1"
    assert not np.array_equal(pair.noisy, second.read(1).noisy)
    np.testing.assert_array_equal(pair.noisy, first.read(1).noisy)


def test_only_one_gaussian_level_is_a_known_sigma(root):
    noises = [SIGMA_25, SIGMA_25 | {"sigma": [0, 50]}, {"kind": "speckle", "variance": 0.1}]
    columns = find_columns(experiment(*({"folder": "truth", "noise": one} for one in noises)), root, "gray")
    assert [column.sigma for column in columns] == [pytest.approx(25 / 255), None, None]


def test_really_noisy_images_are_paired_with_their_truth_in_order(root):
    (column,) = find_columns(experiment({"folder": "truth", "noisy": "noisy", "select": "1:"}), root, "gray")
    pair = column.read(0)
    np.testing.assert_array_equal(pair.noisy * 255, np.asarray(Image.open(root / "noisy" / "p1.png")))
    np.testing.assert_array_equal(np.rint(pair.truth * 255), np.asarray(Image.open(root / "truth" / "p1.png")))


def test_every_column_that_cannot_be_used_is_named_at_once(root):
    section = experiment(
        {"folder": "absent", "noise": SIGMA_25},
        {"folder": "tiny", "noise": SIGMA_25},
        {"folder": "colour", "noise": SIGMA_25},
        {"folder": "truth", "noisy": "few"},
    )
    with pytest.raises(DataError, match="absent") as caught:
        find_columns(section, root, "gray")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "tests.1.folder: p0.png: test images must be at least 11x11 pixels, got 8x8" in lines[1]
    assert "must be gray" in lines[2]
    assert "tests.3.noisy: must hold as many images as truth, got 2 and 3" in lines[3]


def test_a_gallery_of_images_that_are_not_there_is_refused(root):
    gallery = {"test": "t0", "images": {"p0": None, "lena": None}}
    section = experiment({"folder": "truth", "noise": SIGMA_25}, gallery=gallery)
    with pytest.raises(ConfigError, match=r"gallery\.images: must name images of t0, got lena; such as p0"):
        find_columns(section, root, "gray")
