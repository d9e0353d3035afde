"""A photograph as a camera takes it in little light: unprocessed to what the sensor saw, exposed, and processed again.

    light        l = M(B(γ⁻¹(image)) / w)          γ⁻¹ undoes sRGB's curve, B is the lens, w the white balance's gains,
                                                   and M keeps one colour a pixel: :mod:`n2b_ct.noises.bayer`
    raw          r = sensor(l)                     photons, read noise, rounding: :mod:`n2b_ct.noises.sensor`
    photograph   x = JPEG(8 bits(γ(D(w · r))))     D interpolates the mosaic, as dcraw does: after the white balance

The noise grows with light, has colours, is shared by neighbours because of D and JPEG, and is cut off at black and
white: what methods that take noise for white, or for independent from pixel to pixel, cannot know.

References:
    Brooks, Mildenhall, Xue, Chen, Sharlet, Barron 2019, Unprocessing images for learned raw denoising, CVPR.
    IEC 61966-2-1:1999 (sRGB).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field
from scipy import ndimage

from n2b_ct.config.noise import LevelOrRange, NoiseConfig, within
from n2b_ct.config.section import Section
from n2b_ct.errors import DataError, explain
from n2b_ct.noises.bayer import Demosaicing, bayer_mosaic, demosaiced
from n2b_ct.noises.noise import WHITE_8_BIT, Corruption, Level, draw_level
from n2b_ct.noises.sensor import SensorSection
from n2b_ct.registry import NOISES

_Iso = Annotated[LevelOrRange, within("must be above 0", lambda level: level > 0)]
_Gain = Annotated[float, Field(ge=1, le=8)]
_LINEAR_BELOW, _LINEAR_SLOPE, _OFFSET, _EXPONENT = 0.0031308, 12.92, 0.055, 2.4
_N_SEEDS = 2**63


class ProcessingSection(Section):
    """How a camera makes a photograph of raw values."""

    lens_blur_px: float = Field(0.0, ge=0, le=8)
    """Standard deviation of what lens and pixel blur before the mosaic is seen; 0: the image is as sharp as the lens.
    Small pictures are sharper than any lens, and a mosaic of them is interpolated badly."""
    white_balance: tuple[_Gain, _Gain] = (2.0, 1.7)
    """Gains of red and blue, in units of green's."""
    demosaicing: Demosaicing = "malvar"
    """``malvar`` (Malvar, He, Cutler 2004) or ``bilinear``."""
    jpeg_quality: int | None = Field(95, ge=1, le=100)
    """Pillow's quality of the JPEG, with half the colours' resolution (4:2:0); null: none."""

    def light(self, image: np.ndarray) -> np.ndarray:
        """Return what a sensor sees of a scene.

        Args:
            image: ``[rows, cols, 3]`` on [0, 1], sRGB.

        Returns:
            float64 ``[rows, cols]``, share of white; red and blue are darker than green by the white balance.
        """
        light = from_srgb(np.clip(image, 0, 1).astype(np.float64))
        if self.lens_blur_px > 0:
            light = ndimage.gaussian_filter(light, self.lens_blur_px, mode="mirror", axes=(0, 1))
        return bayer_mosaic(light / self._gains)

    def developed(self, raw: np.ndarray) -> np.ndarray:
        """Return the photograph of raw values, before JPEG.

        Args:
            raw: ``[rows, cols]``, black 0 and white 1.

        Returns:
            uint8 ``[rows, cols, 3]``.
        """
        balanced = raw * bayer_mosaic(np.broadcast_to(self._gains, (*raw.shape, 3)))
        linear = np.clip(demosaiced(balanced, self.demosaicing), 0, 1)
        return np.rint(WHITE_8_BIT * to_srgb(linear)).astype(np.uint8)

    def jpeg(self, photograph: np.ndarray) -> bytes:
        """Encode uint8 ``[rows, cols, 3]`` as the file that the camera writes."""
        buffer = io.BytesIO()
        quality = self.jpeg_quality or 100
        Image.fromarray(photograph).save(buffer, format="JPEG", quality=quality, subsampling="4:2:0")
        return buffer.getvalue()

    def written(self, photograph: np.ndarray) -> np.ndarray:
        """Return uint8 ``[rows, cols, 3]`` as it is read again from the camera's file."""
        if self.jpeg_quality is None:
            return photograph
        with Image.open(io.BytesIO(self.jpeg(photograph)), formats=["JPEG"]) as image:
            return np.asarray(image)

    @property
    def _gains(self) -> np.ndarray:
        red, blue = self.white_balance
        return np.array([red, 1.0, blue])


_SENSOR, _PROCESSING = SensorSection(), ProcessingSection()


def from_srgb(values: np.ndarray) -> np.ndarray:
    """Undo sRGB's curve: stored values on [0, 1] become light."""
    knee = _LINEAR_BELOW * _LINEAR_SLOPE
    return np.where(values <= knee, values / _LINEAR_SLOPE, ((values + _OFFSET) / (1 + _OFFSET)) ** _EXPONENT)


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Apply sRGB's curve to light on [0, 1]."""
    curve = (1 + _OFFSET) * np.maximum(light, _LINEAR_BELOW) ** (1 / _EXPONENT) - _OFFSET
    return np.where(light <= _LINEAR_BELOW, _LINEAR_SLOPE * light, curve)


@dataclass(frozen=True, slots=True)
class CameraNoise:
    """Everything that a camera in little light does to a scene.

    Attributes:
        iso: ISO setting, or its range.
        sensor: Where the noise arises.
        processing: What spreads it over neighbours and colours.
    """

    iso: Level
    sensor: SensorSection = _SENSOR
    processing: ProcessingSection = _PROCESSING

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw the ISO, then the seed of one exposure: how much noise there is depends on the scene.

        Raises:
            DataError: The images are not RGB.
        """
        if len(shape) != 3 or shape[2] != 3:
            got = "x".join(map(str, shape))
            need = "images must be RGB (rows x cols x 3), as a camera sees one colour a pixel"
            raise DataError(explain("noise camera", need, got, "set data.colour: rgb, or choose another noise"))
        iso = draw_level(self.iso, rng)
        return partial(self._photograph, iso=iso, seed=int(rng.integers(_N_SEEDS)))

    def _photograph(self, image: np.ndarray, iso: float, seed: int) -> np.ndarray:
        raw = self.sensor.exposure(self.processing.light(image), iso, np.random.default_rng(seed))
        photograph = self.processing.written(self.processing.developed(raw))
        return photograph.astype(np.float32) / np.float32(WHITE_8_BIT)


@NOISES.register("camera")
class CameraNoiseConfig(NoiseConfig):
    """A camera in little light: heteroscedastic, demosaiced, compressed."""

    title = "camera noise"
    rgb_only: ClassVar[bool] = True
    kind: Literal["camera"] = "camera"
    iso: _Iso
    """ISO setting, or its range."""
    sensor: SensorSection = _SENSOR
    """Where the noise arises."""
    processing: ProcessingSection = _PROCESSING
    """What spreads it over neighbours and colours."""

    def noise(self) -> CameraNoise:
        """Return the noise for images on [0, 1]."""
        return CameraNoise(self.iso, self.sensor, self.processing)
