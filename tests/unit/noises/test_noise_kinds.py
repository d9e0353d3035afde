"""Noises as values: levels checked when they are written, every realisation a pure function."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.noises.correlated import CorrelatedNoise
from n2b_ct.noises.gaussian import GaussianNoise
from n2b_ct.noises.salt_and_pepper import SaltAndPepperNoise
from n2b_ct.noises.speckle import SpeckleNoise
from n2b_ct.noises.text import TextNoise

KINDS = [
    GaussianNoise(sigma=0.1),
    GaussianNoise(sigma=(0.01, 0.2)),
    CorrelatedNoise(sigma=0.1, correlation_px=0.8),
    SpeckleNoise(variance=(0.01, 0.2)),
    SaltAndPepperNoise(probability=(0.1, 0.3)),
    TextNoise(probability=(0.1, 0.2)),
]
every_kind = pytest.mark.parametrize("noise", KINDS, ids=str)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@every_kind
@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 1), (40, 48, 3)], ids=["gray", "one channel", "RGB"])
def test_a_corruption_is_noisy_repeatable_and_leaves_the_image_alone(noise, shape):
    image = generator(5).random(shape, dtype=np.float32)
    before = image.copy()
    corruption = noise.draw(shape, generator())
    noisy = corruption(image)
    assert noisy.shape == shape
    assert noisy.dtype == np.float32
    assert (noisy != image).any()
    np.testing.assert_array_equal(corruption(image), noisy)
    np.testing.assert_array_equal(noise.draw(shape, generator())(image), noisy)
    np.testing.assert_array_equal(image, before)


@every_kind
def test_every_draw_is_another_realisation(noise):
    rng, image = generator(), np.full((40, 48), 0.5)
    first, second = (noise.draw(image.shape, rng)(image) for _ in range(2))
    assert (first != second).any()


def test_a_range_gives_every_image_a_level_of_its_own():
    rng, image = generator(), np.zeros((64, 64))
    sigmas = [GaussianNoise(sigma=(0.0, 50.0)).draw(image.shape, rng)(image).std() for _ in range(50)]
    assert min(sigmas) < 10.0
    assert 40.0 < max(sigmas) < 55.0


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_white_is_the_white_of_the_scale(white):
    image = np.full((60, 60), 0.5 * white)
    grains = SaltAndPepperNoise(0.5, white).draw(image.shape, generator())(image)
    text = TextNoise(0.5, white).draw(image.shape, generator())(image)
    assert set(np.unique(grains)) == {0.0, 0.5 * white, white}
    assert 0.5 * white < text.max() <= white


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(sigma=-1.0), r"noise\.sigma: must be 0 or more, got -1"),
        (lambda: GaussianNoise(sigma=(50.0, 0.0)), r"noise\.sigma: must be one level, or the lowest and the highest"),
        (lambda: GaussianNoise(sigma=(1.0, 2.0, 3.0)), r"noise\.sigma: must be one level"),
        (lambda: CorrelatedNoise(sigma=1.0, correlation_px=0.0), r"noise\.correlation_px: must be above 0"),
        (lambda: SpeckleNoise(variance=(0.1, 0.4)), r"noise\.variance: must be 0 or more and below 1/3, got 0\.4"),
        (lambda: SaltAndPepperNoise(probability=2.0), r"noise\.probability: must be from 0 to 1, got 2\.0"),
        (lambda: SaltAndPepperNoise(probability=0.1, white=-1.0), r"noise\.white: must be above 0"),
        (lambda: TextNoise(probability=2.0), r"noise\.probability: must be from 0 to 0\.9 for text, got 2\.0"),
        (lambda: TextNoise(probability=0.1, white=0.0), r"noise\.white: must be above 0"),
        (lambda: TextNoise(probability=0.1, size_px=(30, 20)), r"noise\.size_px: must be a size of 4 or more"),
    ],
)
def test_a_level_out_of_range_is_refused_when_it_is_written(make, message):
    with pytest.raises(DataError, match=message):
        make()
