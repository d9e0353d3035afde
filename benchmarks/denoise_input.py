"""What a denoising job is measured on: series of a phantom, and an untrained network."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from pydicom.dataset import Dataset
from pydicom.uid import UID

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.model import save_model
from n2b_ct.io.dicom.elements import stable_uid
from n2b_ct.io.dicom.writing.original import OriginalSeries, original_dataset
from n2b_ct.networks.build import build_denoiser

SIZE_PX = 512
_NOISE_HU, _N_DIFFERENT = 25.0, 10


def write_model(folder: Path) -> Path:
    """An untrained network: how fast it is does not hang on its weights."""
    section, path = DenoiserSection(), folder / "model.pt"
    torch.manual_seed(0)
    weights = build_denoiser(section).state_dict()
    save_model(
        path, weights=weights, section=section, input_scale=WINDOWS["full"], name="baseline", method="none", facts={}
    )
    return path


def write_series(
    folder: Path,
    n_slices: int,
    size_px: int,
    *,
    syntax: str | None = None,
    series_number: int = 0,
    n_different: int = _N_DIFFERENT,
) -> None:
    """Write a body of water with noise; some images come again, under names of their own."""
    series = _series(size_px, series_number)
    images = [_image(series, number, syntax) for number in range(n_different)]
    folder.mkdir(parents=True)
    for index in range(n_slices):
        content = _file_of(images[index % n_different], series, index)
        (folder / f"{index:04d}.dcm").write_bytes(content)


def write_hollow_series(folder: Path, n_slices: int, size_px: int, *, series_number: int, n_private: int) -> None:
    """Write headers, some of their elements private, with a hole where a disk would hold the pixels."""
    series = _series(size_px, series_number)
    image = _image(series, 0)
    block = image.private_block(0x0019, "BENCHMARK", create=True)
    for number in range(n_private):
        block.add_new(number, "LO", f"value {number}")
    n_pixel_bytes = len(image.PixelData)
    folder.mkdir(parents=True)
    for index in range(n_slices):
        content = _file_of(image, series, index)
        path = folder / f"{index:04d}.dcm"
        path.write_bytes(content[:-n_pixel_bytes])
        os.truncate(path, len(content))


def _series(size_px: int, number: int) -> OriginalSeries:
    names = ("benchmark", f"series {number}", number + 1, "benchmark", "phantom", "none")
    return OriginalSeries(*names, size_px, 0.7, 1.0, 1.0, "none", 200)


def _image(series: OriginalSeries, number: int, syntax: str | None = None) -> Dataset:
    rng = np.random.default_rng([series.number, number])
    rows, cols = np.mgrid[-1 : 1 : series.size_px * 1j, -1 : 1 : series.size_px * 1j]
    clean_hu = np.where(rows**2 / 0.4 + cols**2 / 0.7 < 1, 0.0, -1000.0)
    noisy_hu = clean_hu + rng.normal(0.0, _NOISE_HU, clean_hu.shape)
    image = original_dataset(series, noisy_hu, instance_number=1, position_mm=0)
    if syntax is not None:
        image.compress(UID(syntax), generate_instance_uid=False)
    return image


def _file_of(image: Dataset, series: OriginalSeries, index: int) -> bytes:
    """Give an image a name and a place of its own, and encode it."""
    image.SOPInstanceUID = UID(stable_uid("benchmark", str(series.number), str(index)))
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.InstanceNumber, image.SliceLocation, image.ImagePositionPatient = index + 1, index, [0, 0, index]
    content = BytesIO()
    image.save_as(content, enforce_file_format=True)
    return content.getvalue()
