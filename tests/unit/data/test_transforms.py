"""Our MONAI transforms, alone and among MONAI's own."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import (
    Compose,
    RandFlipd,
    RandRotate90d,
    RandSpatialCropd,
    ScaleIntensityRanged,
    SqueezeDimd,
)

from n2b_ct.data.transforms import (
    BlurredLabel,
    BlurredLabelD,
    BlurredLabeld,
    BlurredLabelDict,
    HUWindow,
    HUWindowD,
    HUWindowd,
    HUWindowDict,
)
from n2b_ct.errors import ConfigError
from n2b_ct.filters import gaussian_blur, mean_blur
from n2b_ct.hu import WINDOWS, Window

KEYS = ("image", "blurred")


def hu_slice(seed: int = 0, shape: tuple[int, ...] = (1, 40, 48)) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1024.0, 1500.0, shape).astype(np.float32)


def as_array(hu: np.ndarray) -> np.ndarray:
    return hu


def as_tensor(hu: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(hu)


def as_meta_tensor(hu: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(hu), affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0])))


every_kind = pytest.mark.parametrize("kind", [as_array, as_tensor, as_meta_tensor])


def random_patches() -> list:
    return [
        RandSpatialCropd(KEYS, roi_size=(16, 16), random_size=False),
        RandFlipd(KEYS, prob=0.5, spatial_axis=0),
        RandRotate90d(KEYS, prob=0.5),
    ]


@every_kind
def test_the_window_agrees_with_monai(kind):
    image = kind(hu_slice())
    monai = ScaleIntensityRanged("image", a_min=-160, a_max=240, b_min=0.0, b_max=1.0, clip=True)
    ours, theirs = (transform({"image": image})["image"] for transform in (HUWindowd("image", "abdomen"), monai))
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), atol=1e-6)


def test_the_window_maps_known_hu():
    hu = np.array([-1024, -160, 40, 240, 3071], dtype=np.int16)
    np.testing.assert_array_equal(HUWindow("abdomen")(hu), np.float32([0, 0, 0.5, 1, 1]))


@every_kind
def test_the_kind_of_data_is_kept_and_becomes_float32(kind):
    image = kind(hu_slice().astype(np.int16))
    for transform in (HUWindow("bone"), BlurredLabel()):
        result = transform(image)
        assert type(result) is type(image)
        assert result.dtype in (np.float32, torch.float32)
        assert result.shape == image.shape


def test_the_affine_survives():
    image = as_meta_tensor(hu_slice())
    windowed = BlurredLabeld("image")(HUWindowd("image", "lung")({"image": image}))
    for key in KEYS:
        torch.testing.assert_close(windowed[key].affine, image.affine)


@every_kind
def test_the_input_is_left_alone(kind):
    hu = hu_slice()
    data = {"image": kind(hu.copy()), "patient": 3}
    result = BlurredLabeld("image")(HUWindowd("image", "lung")(data))
    np.testing.assert_array_equal(np.asarray(data["image"]), hu)
    assert set(data) == {"image", "patient"}
    assert result["patient"] == 3


@pytest.mark.parametrize("window", [Window(-160.0, 240.0), "abdomen", (-160, 240), [-160.0, 240.0]])
def test_a_window_comes_in_every_form(window):
    assert HUWindow(window).window == WINDOWS["abdomen"]


@pytest.mark.parametrize("window", ["liver", (240, -160), (1, 2, 3), 7, ("low", "high")])
def test_no_window_is_refused(window):
    with pytest.raises(ConfigError, match=r"window: must be (one of abdomen, |a lower HU and a higher one)"):
        HUWindow(window)


@every_kind
def test_compose_undoes_the_window_inside_it(kind):
    hu = hu_slice()
    compose = Compose([HUWindowd("image", "full"), BlurredLabeld("image")])
    restored = compose.inverse(compose({"image": kind(hu)}))
    np.testing.assert_allclose(np.asarray(restored["image"]), hu, atol=2e-3)


def test_what_the_window_clipped_stays_clipped():
    window = HUWindow("abdomen")
    np.testing.assert_allclose(window.inverse(window(hu_slice())), hu_slice().clip(-160, 240), atol=1e-3)


def test_the_label_is_the_filter_of_the_whole_slice():
    image = hu_slice()
    np.testing.assert_array_equal(BlurredLabel()(image), mean_blur(image, 17))
    blur = partial(gaussian_blur, sigma_px=2.0)
    np.testing.assert_array_equal(BlurredLabeld("image", blur=blur)({"image": image})["blurred"], blur(image))


def test_a_volume_is_blurred_within_its_slices():
    volume = hu_slice(shape=(1, 3, 20, 24))
    np.testing.assert_array_equal(BlurredLabel()(volume)[0, 1], mean_blur(volume[0, 1], 17))


def test_every_image_gets_its_own_label():
    data = {"a": hu_slice(1), "b": hu_slice(2)}
    labelled = BlurredLabeld(("a", "b"), label_key=("a_label", "b_label"))(data)
    for key in data:
        np.testing.assert_array_equal(labelled[f"{key}_label"], mean_blur(data[key], 17))


def test_a_missing_key_is_an_error_unless_allowed():
    with pytest.raises(KeyError, match="image"):
        BlurredLabeld("image")({})
    assert BlurredLabeld("image", allow_missing_keys=True)({}) == {}
    assert HUWindowd("image", "lung", allow_missing_keys=True)({}) == {}


def test_image_and_label_are_cropped_flipped_and_turned_alike():
    hu = hu_slice(shape=(1, 64, 64))
    windowed = HUWindow("full")(hu)
    label_of = dict(zip(windowed.ravel().tolist(), mean_blur(windowed, 17).ravel().tolist(), strict=True))
    compose = Compose([HUWindowd("image", "full"), BlurredLabeld("image"), *random_patches()])
    compose.set_random_state(seed=3)
    for _ in range(8):
        patch = compose({"image": as_meta_tensor(hu)})
        assert patch["image"].shape == patch["blurred"].shape == (1, 16, 16)
        expected = [label_of[value] for value in patch["image"].flatten().tolist()]
        assert patch["blurred"].flatten().tolist() == expected


def test_a_slice_of_a_volume_is_cropped_alike():
    compose = Compose(
        [
            HUWindowd("image", "full"),
            BlurredLabeld("image", blur=lambda image: image + 7.0),
            RandSpatialCropd(KEYS, roi_size=(1, 16, 16), random_size=False),
            SqueezeDimd(KEYS, dim=1),
        ]
    ).set_random_state(seed=1)
    patch = compose({"image": as_meta_tensor(hu_slice(shape=(1, 5, 32, 32)))})
    assert patch["image"].shape == (1, 16, 16)
    torch.testing.assert_close(patch["blurred"] - patch["image"], torch.full((1, 16, 16), 7.0))


def test_the_label_is_made_once_and_cached_while_patches_differ():
    n_blurs = []

    def counted(image: np.ndarray) -> np.ndarray:
        n_blurs.append(1)
        return mean_blur(image, 5)

    compose = Compose([HUWindowd("image", "lung"), BlurredLabeld("image", blur=counted), *random_patches()])
    slices = [{"image": as_meta_tensor(hu_slice(seed))} for seed in range(3)]
    dataset = CacheDataset(slices, compose, progress=False, num_workers=1)
    epochs = [[patch["image"] for patch in dataset] for _ in range(2)]
    assert len(n_blurs) == 3
    assert not torch.equal(epochs[0][0], epochs[1][0])


def test_a_seed_repeats_the_patches():
    def batch(seed: int) -> torch.Tensor:
        compose = Compose([HUWindowd("image", "lung"), BlurredLabeld("image"), *random_patches()])
        slices = [{"image": as_meta_tensor(hu_slice(index))} for index in range(4)]
        dataset = CacheDataset(slices, compose, progress=False, num_workers=1)
        loader = DataLoader(dataset, batch_size=4, generator=torch.Generator().manual_seed(seed))
        loaded = next(iter(loader))  # MONAI's loader seeds the transforms from its generator
        return torch.stack([loaded["image"].as_tensor(), loaded["blurred"].as_tensor()])

    assert batch(5).shape == (2, 4, 1, 16, 16)
    torch.testing.assert_close(batch(5), batch(5), rtol=0, atol=0)
    assert not torch.equal(batch(5), batch(6))


def test_the_dictionary_transforms_have_monais_aliases():
    assert HUWindowD is HUWindowDict is HUWindowd
    assert BlurredLabelD is BlurredLabelDict is BlurredLabeld
