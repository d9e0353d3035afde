"""Scans of quality phantoms, drawn for tests: a round body on a table, blurred inserts, CT-like noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK

from n2b_ct.config.quality_phantom import QualityPhantom
from n2b_ct.evaluation.disks import Disk, disk_hu
from n2b_ct.evaluation.quality_phantom.placement import Placement

PIXEL_MM = (1.1, 1.1)
SHAPE = (208, 208)
BLUR_MM = 0.6
PLACE = Placement((104.4, 101.7), 12.0, False, PIXEL_MM)


def draw_phantom(phantom: QualityPhantom, place: Placement = PLACE, inserts: bool = True) -> np.ndarray:
    """The phantom without noise, HU ``[rows, cols]``, on a table of 100 HU that it touches."""
    body = Disk(place.centre_px, phantom.radius_mm, 1000.0 + phantom.background_hu, BLUR_MM)
    image = disk_hu(SHAPE, body, place.pixel_mm) - 1000.0
    for insert in phantom.inserts if inserts else ():
        disk = Disk(place.insert_px(insert), insert.radius_mm, phantom.contrast_hu(insert), BLUR_MM)
        image += disk_hu(SHAPE, disk, place.pixel_mm)
    top = int(place.centre_px[0] + phantom.radius_mm / place.pixel_mm[0]) - 1
    image[top : top + 5, 15:-15] = np.maximum(image[top : top + 5, 15:-15], 100.0)
    return image


def ct_noise(n: int, sd_hu: float, seed: int) -> np.ndarray:
    """Noise whose power rises with frequency, then falls, ``[n, rows, cols]``."""
    frequency = np.hypot(np.fft.fftfreq(SHAPE[0])[:, None], np.fft.fftfreq(SHAPE[1])[None])
    transfer = np.sqrt(frequency) * np.exp(-((frequency / 0.3) ** 2))
    transfer *= sd_hu / np.sqrt(np.mean(transfer**2))
    white = np.random.default_rng(seed).normal(size=(n, *SHAPE))
    return np.fft.ifft2(np.fft.fft2(white) * transfer).real


def save_volume(slices_hu: np.ndarray, path: Path, pixel_mm: tuple[float, float] = PIXEL_MM) -> Path:
    """Write slices as one volume of whole HU."""
    image = SimpleITK.GetImageFromArray(np.rint(slices_hu).astype(np.int16))
    image.SetSpacing((pixel_mm[1], pixel_mm[0], 3.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))
    return path


def save_repeats(image_hu: np.ndarray, noise_hu: np.ndarray, folder: Path) -> Path:
    """Write one volume of one slice for each repeat."""
    for k, noise in enumerate(noise_hu):
        save_volume((image_hu + noise)[None], folder / f"repeat_{k}.nii.gz")
    return folder
