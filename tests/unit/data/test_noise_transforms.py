"""Noises among MONAI's transforms: seeded as MONAI seeds, any kind of data, gray and RGB."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, CopyItemsd

from n2b_ct.data.noise_transforms import RandImageNoise, RandImageNoiseD, RandImageNoised, RandImageNoiseDict
from n2b_ct.errors import DataError
from n2b_ct.noises.correlated import CorrelatedNoise
from n2b_ct.noises.gaussian import GaussianNoise
from n2b_ct.noises.salt_and_pepper import SaltAndPepperNoise, apply_salt_and_pepper, draw_salt_and_pepper
from n2b_ct.noises.speckle import SpeckleNoise
from n2b_ct.noises.text import TextNoise

GAUSSIAN = GaussianNoise(sigma=0.1)
EVERY_NOISE = [GAUSSIAN, CorrelatedNoise(0.1, 0.8), SpeckleNoise(0.1), SaltAndPepperNoise(0.15), TextNoise(0.1)]


def image(channels: int = 1) -> np.ndarray:
    """Channel-first, another grey in every pixel, none black."""
    return np.linspace(0.1, 0.9, channels * 40 * 48, dtype=np.float32).reshape(channels, 40, 48)


def as_array(data: np.ndarray) -> np.ndarray:
    return data


def as_meta_tensor(data: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(data), meta={"filename_or_obj": "image.png"})


@pytest.mark.parametrize("kind", [as_array, torch.from_numpy, as_meta_tensor])
@pytest.mark.parametrize("channels", [1, 3], ids=["gray", "RGB"])
@pytest.mark.parametrize("noise", EVERY_NOISE, ids=lambda noise: type(noise).__name__)
def test_the_kind_of_data_and_its_shape_are_kept(noise, channels, kind):
    clean = kind(image(channels))
    noisy = RandImageNoise(noise).set_random_state(seed=1)(clean)
    assert type(noisy) is type(clean)
    assert noisy.shape == clean.shape
    assert np.asarray(noisy).dtype == np.float32
    assert (np.asarray(noisy) != image(channels)).any()
    np.testing.assert_array_equal(np.asarray(clean), image(channels))


def test_the_image_keeps_its_meta_data():
    noisy = RandImageNoised("image", GAUSSIAN)({"image": as_meta_tensor(image())})["image"]
    assert noisy.meta["filename_or_obj"] == "image.png"


def test_channels_are_turned_last_and_back():
    transform = RandImageNoise(SaltAndPepperNoise(0.3, white=5.0)).set_random_state(seed=2)
    noisy = transform(image(3))
    seed = np.random.RandomState(2)
    seed.rand()  # decides with `prob`, before the noise
    rng = np.random.default_rng(seed.randint(2**32, dtype=np.uint64))
    grains = draw_salt_and_pepper((40, 48), 0.3, rng)
    for channel, clean in zip(noisy, image(3), strict=True):
        np.testing.assert_array_equal(channel, apply_salt_and_pepper(clean, grains, white=5.0))


@pytest.mark.parametrize("noise", EVERY_NOISE, ids=lambda noise: type(noise).__name__)
def test_a_seed_fixes_the_noise_and_every_call_draws_anew(noise):
    first, again, other = (RandImageNoise(noise).set_random_state(seed=seed) for seed in (3, 3, 4))
    runs = [[transform(image()) for _ in range(2)] for transform in (first, again, other)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[0][1]).any()
    assert (runs[0][0] != runs[2][0]).any()


def test_the_array_and_the_dictionary_transform_agree():
    array = RandImageNoise(GAUSSIAN).set_random_state(seed=5)
    dictionary = RandImageNoised("image", GAUSSIAN).set_random_state(seed=5)
    for _ in range(3):
        np.testing.assert_array_equal(array(image()), dictionary({"image": image()})["image"])


def test_compose_seeds_it_and_two_copies_are_two_realisations():
    def run(seed: int) -> dict:
        chain = Compose(
            [
                CopyItemsd("clean", times=2, names=["first", "second"]),
                RandImageNoised("first", GAUSSIAN),
                RandImageNoised("second", GAUSSIAN),
            ]
        )
        return chain.set_random_state(seed=seed)({"clean": image(), "name": "a"})

    first, again, other = run(0), run(0), run(1)
    np.testing.assert_array_equal(first["first"], again["first"])
    np.testing.assert_array_equal(first["second"], again["second"])
    assert (np.asarray(first["first"]) != np.asarray(other["first"])).any()
    noises = [(np.asarray(first[key]) - image()).ravel() for key in ("first", "second")]
    assert abs(np.corrcoef(*noises)[0, 1]) < 5 / np.sqrt(image().size)
    np.testing.assert_array_equal(first["clean"], image())
    assert first["name"] == "a"


def test_keys_share_one_noise():
    noisy = RandImageNoised(["a", "b"], GAUSSIAN)({"a": image(), "b": image() + 1.0})
    np.testing.assert_allclose(noisy["b"] - noisy["a"], 1.0, atol=1e-6)


def test_prob_is_the_share_of_noisy_images():
    transform = RandImageNoised("image", GAUSSIAN, prob=0.25).set_random_state(seed=0)
    n_noisy = sum(bool((transform({"image": image()})["image"] != image()).any()) for _ in range(400))
    assert abs(n_noisy - 100) < 5 * np.sqrt(400 * 0.25 * 0.75)


def test_drawn_noise_can_be_applied_again():
    transform = RandImageNoise(GAUSSIAN)
    first = transform(image())
    np.testing.assert_array_equal(transform(image(), randomize=False), first)


def test_a_missing_key_is_skipped_only_where_that_is_allowed():
    data = {"b": image()}
    noisy = RandImageNoised(["a", "b"], GAUSSIAN, allow_missing_keys=True)(data)
    assert (noisy["b"] != image()).any()
    with pytest.raises(KeyError, match="a"):
        RandImageNoised(["a", "b"], GAUSSIAN)(data)


def test_the_loader_seeds_it_from_torch():
    def run(seed: int) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            dataset = Dataset([{"image": image()}] * 4, RandImageNoised("image", GAUSSIAN))
            return torch.cat([batch["image"] for batch in DataLoader(dataset, batch_size=2, num_workers=0)])

    first, again, other = run(6), run(6), run(7)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_the_dictionary_transform_has_monais_three_names():
    assert RandImageNoiseD is RandImageNoiseDict is RandImageNoised


def test_an_image_without_channels_is_refused():
    with pytest.raises(DataError, match="image: must be channels x rows x cols, got 40x48"):
        RandImageNoise(GAUSSIAN)(image()[0])


def test_keys_of_different_shapes_are_refused():
    with pytest.raises(DataError, match="must be drawn for an image of the same size"):
        RandImageNoised(["a", "b"], GAUSSIAN)({"a": image(), "b": image(3)})


@pytest.mark.parametrize("prob", [-0.5, 2.0])
def test_an_impossible_prob_is_named(prob):
    with pytest.raises(DataError, match="prob: must be from 0 to 1, got"):
        RandImageNoise(GAUSSIAN, prob=prob)
    with pytest.raises(DataError, match="prob: must be from 0 to 1, got"):
        RandImageNoised("image", GAUSSIAN, prob=prob)
