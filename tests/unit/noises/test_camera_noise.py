"""A camera's noise: linear in light on the sensor, shared by neighbours in the photograph."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.errors import DataError
from n2b_ct.noises.bayer import bayer_mosaic, demosaiced
from n2b_ct.noises.camera import CameraNoise, CameraNoiseConfig, ProcessingSection, from_srgb, to_srgb
from n2b_ct.noises.sensor import SensorSection

N_STANDARD_ERRORS = 5.0
NO_JPEG = ProcessingSection(jpeg_quality=None)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scene(size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Soft light of soft colours, as a lens shows them."""
    soft = ndimage.gaussian_filter(generator(3).standard_normal((*size, 4)), (5, 5, 0))
    soft = soft[..., :3] / 3 + soft[..., 3:]
    return (0.5 + 0.4 * np.tanh(0.5 * soft / soft.std())).astype(np.float32)


def gray(level: float, size: tuple[int, int] = (128, 128)) -> np.ndarray:
    return np.full((*size, 3), level, np.float32)


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return -10 * math.log10(np.mean((one.astype(float) - other) ** 2))


def photographed(image: np.ndarray, noise: CameraNoise, seed: int = 0) -> np.ndarray:
    return noise.draw(image.shape, generator(seed))(image)


# ── The mosaic ──


def test_the_mosaic_begins_with_red_and_ends_its_first_square_with_blue():
    image = np.arange(2 * 4 * 3).reshape(2, 4, 3)
    np.testing.assert_array_equal(bayer_mosaic(image), [[0, 4, 6, 10], [13, 17, 19, 23]])


@pytest.mark.parametrize("how", ["malvar", "bilinear"])
@pytest.mark.parametrize("size", [(8, 10), (9, 7), (2, 2)])
def test_interpolation_keeps_the_pixels_that_were_seen_and_every_gray(how, size):
    image = generator().random((*size, 3))
    found = demosaiced(bayer_mosaic(image), how)
    np.testing.assert_array_equal(bayer_mosaic(found), bayer_mosaic(image))
    np.testing.assert_allclose(demosaiced(np.full(size, 0.3), how), np.full((*size, 3), 0.3), atol=1e-15)


@pytest.mark.parametrize("how", ["malvar", "bilinear"])
def test_a_ramp_of_any_colours_is_interpolated_exactly_inside(how):
    rows, cols = np.mgrid[:20, :24]
    image = np.stack([0.1 + 0.02 * rows, 0.5 - 0.01 * cols + 0.01 * rows, 0.03 * cols], axis=-1)
    found = demosaiced(bayer_mosaic(image), how)
    np.testing.assert_allclose(found[3:-3, 3:-3], image[3:-3, 3:-3], atol=1e-12)


def test_malvar_follows_a_gray_edge_better_than_bilinear_interpolation():
    rows, cols = np.mgrid[:40, :40]
    edge = np.repeat((1 / (1 + np.exp(-(cols + 0.4 * rows - 28) / 0.7)))[..., None], 3, axis=-1)
    mosaic = bayer_mosaic(edge)
    assert psnr_db(demosaiced(mosaic, "malvar"), edge) > psnr_db(demosaiced(mosaic, "bilinear"), edge) + 5


# ── The sensor ──


@pytest.mark.parametrize("iso", [100.0, 1600.0])
def test_the_variance_of_raw_values_grows_linearly_with_light(iso):
    sensor = SensorSection(bits=14)
    levels = np.array([0.0, 0.1, 0.3, 0.5, 0.7])
    raws = [sensor.exposure(np.full((200, 200), level), iso, generator(k)) for k, level in enumerate(levels)]
    found = np.array([raw.var() for raw in raws])
    white_e = 6000 * 100 / iso
    np.testing.assert_allclose(
        found, sensor.noise_variance(levels, iso), rtol=N_STANDARD_ERRORS * math.sqrt(3 / 40_000)
    )
    slope, at_black = np.polyfit(levels, found, 1)
    assert slope == pytest.approx(1 / white_e, rel=0.05)
    assert at_black == pytest.approx((2.5 / white_e) ** 2, rel=0.5, abs=0.05 * slope)


def test_raw_values_are_light_on_average_and_reach_below_black():
    raw = SensorSection().exposure(np.full((200, 200), 0.01), 1600.0, generator())
    assert raw.mean() == pytest.approx(0.01, abs=N_STANDARD_ERRORS * raw.std() / 200)
    assert raw.min() < 0


def test_raw_values_are_words_of_so_many_bits_and_white_is_the_last():
    sensor = SensorSection(bits=8, black_level=0.0)
    raw = sensor.exposure(np.linspace(0, 2, 4000).reshape(40, 100), 400.0, generator())
    np.testing.assert_allclose(raw * 255, np.rint(raw * 255), atol=1e-9)
    assert (raw.min(), raw.max()) == (0.0, 1.0)


def test_the_mean_of_many_exposures_has_so_much_less_variance():
    light, sensor = np.full((150, 150), 0.4), SensorSection()
    mean = sensor.mean_exposure(light, 800.0, 16, generator())
    assert mean.var() == pytest.approx(sensor.noise_variance(np.array(0.4), 800.0) / 16, rel=0.06)


def test_a_fixed_pattern_stays_in_the_mean_of_many_exposures_and_is_the_same_in_all():
    light, sensor = np.full((60, 60), 0.4), SensorSection(fixed_pattern=0.05)
    first, second = (sensor.mean_exposure(light, 100.0, 30, generator(seed)) for seed in (1, 2))
    assert first.std() == pytest.approx(0.05 * 0.4, rel=0.1)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.95


# ── The photograph ──


def test_srgb_has_the_values_of_its_standard():
    light = np.array([0.0, 0.001, 0.0031308, 0.214041, 1.0])
    np.testing.assert_allclose(to_srgb(light), [0.0, 0.01292, 0.04045, 0.5, 1.0], atol=2e-5)
    np.testing.assert_allclose(from_srgb(to_srgb(light)), light, atol=1e-6)


def test_without_noise_a_soft_scene_comes_back_to_49_db_and_to_45_through_jpeg():
    image = scene()
    photograph = NO_JPEG.developed(NO_JPEG.light(image))
    compressed = ProcessingSection(jpeg_quality=95)
    assert psnr_db(photograph / 255, image) > 49
    assert psnr_db(compressed.written(photograph) / 255, image) > 45


def test_a_lens_blurs_light_as_a_gaussian():
    point = np.zeros((21, 21, 3), np.float32)
    point[10, 10] = 1.0
    light = ProcessingSection(lens_blur_px=1.0, white_balance=(1.0, 1.0)).light(point)
    assert light.sum() == pytest.approx(1.0, rel=1e-3)
    assert light[10, 10] == pytest.approx(1 / (2 * math.pi), rel=0.02)


def neighbour_correlation(noise: np.ndarray) -> float:
    flat = noise - noise.mean(axis=(0, 1))
    return float((flat[:, 1:] * flat[:, :-1]).mean() / (flat**2).mean())


def test_processing_makes_neighbours_share_noise_that_was_independent_on_the_sensor():
    image, sensor = gray(0.5), SensorSection()
    raw = sensor.exposure(NO_JPEG.light(image), 1600.0, generator())
    same_colour = raw[::2, ::2] - raw[::2, ::2].mean()
    assert abs((same_colour[:, 1:] * same_colour[:, :-1]).mean() / same_colour.var()) < 0.08
    sections = (NO_JPEG, ProcessingSection(), ProcessingSection(demosaicing="bilinear", jpeg_quality=None))
    found = [neighbour_correlation(photographed(image, CameraNoise(1600.0, sensor, section))) for section in sections]
    np.testing.assert_allclose(found, [0.39, 0.34, 0.60], atol=0.05)


def test_noise_grows_with_the_iso_and_red_has_more_than_green():
    noises = [photographed(gray(0.5), CameraNoise(iso, processing=NO_JPEG)) - 0.5 for iso in (200.0, 800.0, 3200.0)]
    spread = [float(noise.std()) for noise in noises]
    assert spread[1] / spread[0] == pytest.approx(2, rel=0.15)
    assert spread[2] / spread[1] == pytest.approx(2, rel=0.15)
    red, green, _ = noises[1].std(axis=(0, 1))
    assert red > 1.2 * green


def test_a_photograph_is_repeatable_eight_bit_and_leaves_the_scene_alone():
    image, noise = scene(), CameraNoise((400.0, 3200.0))
    before, corruption = image.copy(), noise.draw(image.shape, generator())
    x = corruption(image)
    assert (x.dtype, x.shape) == (np.float32, image.shape)
    np.testing.assert_array_equal(x * 255, np.rint(x * 255))
    np.testing.assert_array_equal(corruption(image), x)
    np.testing.assert_array_equal(noise.draw(image.shape, generator())(image), x)
    assert not np.array_equal(noise.draw(image.shape, generator(1))(image), x)
    np.testing.assert_array_equal(image, before)


def test_what_is_noisy_is_what_the_cameras_file_says():
    photograph = (255 * scene()).astype(np.uint8)
    section = ProcessingSection(jpeg_quality=60)
    assert section.jpeg(photograph)[:2] == b"\xff\xd8"
    assert not np.array_equal(section.written(photograph), photograph)
    np.testing.assert_array_equal(NO_JPEG.written(photograph), photograph)


@pytest.mark.parametrize(("shape", "said"), [((8, 8), "8x8"), ((8, 8, 1), "8x8x1")])
def test_gray_images_are_refused_in_one_line(shape, said):
    with pytest.raises(DataError, match=rf"^noise camera: images must be RGB .*, got {said}; set data.colour: rgb"):
        CameraNoise(800.0).draw(shape, generator())


def test_a_pipeline_says_what_the_camera_is_and_must_be_in_colour():
    values = {"kind": "natural_images", "noisy": {"folder": "f"}, "colour": "rgb"}
    noise = {"kind": "camera", "iso": [400, 3200], "sensor": {"bits": 12}, "processing": {"jpeg_quality": None}}
    section = NaturalImageSection.model_validate(values | {"noise": noise})
    assert section.noise.noise() == CameraNoise((400.0, 3200.0), SensorSection(bits=12), NO_JPEG)
    with pytest.raises(ValueError, match="noise camera needs colour: rgb"):
        NaturalImageSection.model_validate(values | {"noise": noise, "colour": "gray"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iso": 0}, "must be above 0"),
        ({"processing": {"demosaicing": "ahd"}}, "malvar"),
        ({"processing": {"jpeg_quality": 101}}, "less than or equal to 100"),
        ({"sensor": {"bits": 4}}, "greater than or equal to 8"),
    ],
)
def test_what_no_camera_has_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CameraNoiseConfig.model_validate({"iso": 800} | changes)
