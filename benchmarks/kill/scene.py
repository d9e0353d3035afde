"""The world of the kill runs: a tree of several series, native and compressed, a NIfTI volume, and a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from benchmarks.fuzz.seeds import ROOT_UID, ct_dataset
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.hu import Window
from n2b_ct.inference.model import save_model
from n2b_ct.networks.build import build_denoiser

N_SLICES = 6
N_SLICES_EARLY = 4
_ENCODERS: Mapping[str, str] = {JPEGLSLossless: "pyjpegls", RLELossless: "pydicom"}
_SERIES: Mapping[str, str] = {
    "one/native": ExplicitVRLittleEndian,
    "one/implicit": ImplicitVRLittleEndian,
    "two/jpeg_ls": JPEGLSLossless,
    "two/rle": RLELossless,
    "three": ExplicitVRLittleEndian,
}


def write_scene(folder: Path, n_slices: int = N_SLICES) -> Path:
    """Write the input tree, or how it was when only so many slices of each series were there; equal bytes each time."""
    for number, (place, syntax) in enumerate(_SERIES.items(), start=1):
        (folder / place).mkdir(parents=True)
        for index in range(n_slices):
            dataset = _slice(number, index, syntax)
            dataset.save_as(folder / place / f"slice{index:02d}.dcm", enforce_file_format=True)
    (folder / "volumes").mkdir()
    hu = np.random.default_rng(7).integers(-1000, 1000, (32, 40, n_slices)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([0.5, 0.75, 2.0, 1.0])), folder / "volumes" / "head.nii.gz")
    return folder


def write_model(path: Path) -> Path:
    """Write a model whose denoiser adds a constant within its window: F(x) = x + 0.1."""
    section = DenoiserSection(name="SimpleUNet", output="residual", arguments={"n_features": 2, "depth": 2})
    weights = {key: value * 0 for key, value in build_denoiser(section).state_dict().items()}
    weights["network.last.bias"] += 0.1
    window = Window(-160.0, 240.0)
    save_model(path, weights=weights, section=section, input_scale=window, name="constant", method="none", facts={})
    return path


def _slice(number: int, index: int, syntax: str) -> Dataset:
    is_compressed = syntax in _ENCODERS
    identity: dict[str, Any] = {
        "StudyInstanceUID": f"{ROOT_UID}.{number}",
        "SeriesInstanceUID": f"{ROOT_UID}.{number}.1",
        "SOPInstanceUID": f"{ROOT_UID}.{number}.1.{index + 1}",
    }
    native = ExplicitVRLittleEndian if is_compressed else syntax
    dataset = ct_dataset(transfer_syntax=native, place=index, **identity)
    if is_compressed:
        dataset.compress(syntax, encoding_plugin=_ENCODERS[syntax], generate_instance_uid=False)
    return dataset
