"""Small worlds for whole commands: synthetic patients on disk, a manifest, a pipeline, a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.hu import Window
from n2b_ct.inference.model import save_model
from n2b_ct.io.atomic import RECORDS_DIR
from n2b_ct.networks.build import build_denoiser
from tests.helpers import make_ct_dataset, save

SIZE_PX = 64
N_SLICES = 3
NOISE_HU = 30.0
WINDOW = Window(-160.0, 240.0)
TINY_NETWORK: dict[str, Any] = {"name": "SimpleUNet", "arguments": {"n_features": 4, "depth": 2}}


def tissue_hu(seed: int, n_slices: int = N_SLICES, size_px: int = SIZE_PX) -> np.ndarray:
    """Soft tissue with a few round organs, HU ``[slices, rows, cols]``; no air, so that any patch will do."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:size_px, :size_px]
    hu = np.full((n_slices, size_px, size_px), 20.0)
    for _ in range(6):
        row, col, radius = rng.uniform(0, size_px), rng.uniform(0, size_px), rng.uniform(4, size_px / 3)
        hu[:, (rows - row) ** 2 + (cols - col) ** 2 < radius**2] += rng.uniform(-60, 60)
    return hu


def with_noise(hu: np.ndarray, seed: int, sigma_hu: float = NOISE_HU) -> np.ndarray:
    """Add white Gaussian noise."""
    return hu + np.random.default_rng(seed).normal(0.0, sigma_hu, hu.shape)


def write_series(folder: Path, hu: np.ndarray, *, uid: int, patient: str = "p", **options: Any) -> list[Path]:
    """Write a DICOM series of whole HU, 12 bits with the customary intercept; ``uid`` makes its identity."""
    words = np.clip(np.rint(hu + 1024), 0, 4095).astype(int)
    paths = []
    for index, stored in enumerate(words):
        dataset = make_ct_dataset(
            **{
                "stored": stored,
                "position_mm": (-16.0, -12.0, 2.0 * index),
                "instance_number": index + 1,
                "series_uid": f"1.2.826.0.1.3680043.8.498.{uid}.1",
                "study_uid": f"1.2.826.0.1.3680043.8.498.{uid}",
                "PatientID": patient,
                **options,
            }
        )
        paths.append(save(dataset, folder / f"slice{index:03d}.dcm"))
    return paths


def write_patients(root: Path, size_px: int = SIZE_PX) -> Path:
    """Write ``clean`` (patient a), ``noisy`` and its ``full`` twin (b), ``test`` and ``test_full`` (c)."""
    for number, (name, seed) in enumerate([("clean", 1), ("full", 2), ("test_full", 3)]):
        write_series(root / name, tissue_hu(seed, size_px=size_px), uid=10 + number, patient="abc"[number])
    write_series(root / "noisy", with_noise(tissue_hu(2, size_px=size_px), 12), uid=20, patient="b")
    write_series(root / "test", with_noise(tissue_hu(3, size_px=size_px), 13), uid=21, patient="c")
    return root


def manifest_values(**changes: Any) -> dict[str, Any]:
    """The manifest of :func:`write_patients`."""
    names = ("clean", "full", "noisy", "test", "test_full")
    low = {"noisy", "test"}
    return {
        "format": 1,
        "name": "patients",
        "series": {name: {"path": name, "dose": 0.25 if name in low else 1.0} for name in names},
        "splits": {
            "default": {
                "rule": "series",
                "clean": ["clean"],
                "noisy": [{"series": "noisy", "reference": "full"}],
                "test": [{"series": "test", "reference": "test_full"}],
            }
        },
        **changes,
    }


def pipeline_values(method: str = "noise2blur", **training: Any) -> dict[str, Any]:
    """A pipeline that trains in a second or two."""
    noise2blur = {"noise_extractor": {"arguments": {"n_features": 4}}, "blur": {"filter": "mean", "kernel_px": 5}}
    return {
        "data": {"manifest": "patients.yaml", "window": "abdomen"},
        "method": {
            "name": method,
            "denoiser": {**TINY_NETWORK, "lowpass_kernel_px": 5},
            **(noise2blur if method == "noise2blur" else {}),
        },
        "training": {
            "iterations": 12,
            "batch_size": 2,
            "patch_px": 32,
            "precision": "fp32",
            "log_every": 4,
            "checkpoint_every": 4,
            "validate_every": 4,
            **training,
        },
        "report": {"baselines": ["gaussian"]},
    }


def write_yaml_file(path: Path, values: dict[str, Any]) -> Path:
    """Write plain values as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def write_world(folder: Path, **training: Any) -> Path:
    """Write patients, manifest and pipeline; returns the pipeline's path."""
    write_patients(folder / "data")
    write_yaml_file(folder / "patients.yaml", manifest_values())
    return write_yaml_file(folder / "tiny.yaml", pipeline_values(**training))


def identity_model(path: Path, *, output: str = "residual", arguments: dict[str, Any] | None = None) -> Path:
    """Write a model file whose denoiser returns its input: a residual network with a last layer of zeros."""
    section = DenoiserSection(
        name="SimpleUNet", output=output, arguments=arguments or {"n_features": 2, "depth": 3, "max_features": 4}
    )
    denoiser = build_denoiser(section)
    weights = {key: torch.zeros_like(value) for key, value in denoiser.state_dict().items()}
    return write_model(path, section, weights)


def biased_model(path: Path, bias: float = 0.1) -> Path:
    """Write a model file whose denoiser adds a constant: F(x) = x + bias, in network units."""
    section = DenoiserSection(name="SimpleUNet", output="residual", arguments={"n_features": 2, "depth": 2})
    weights = {key: torch.zeros_like(value) for key, value in build_denoiser(section).state_dict().items()}
    weights["network.last.bias"] += bias
    return write_model(path, section, weights)


def smoothing_model(path: Path) -> Path:
    """Write a model file whose denoiser is a box mean of 5 pixels: a network of zeros and the form ``lowpass``."""
    arguments = {"n_features": 2, "depth": 2}
    section = DenoiserSection(
        name="SimpleUNet", output="lowpass", lowpass_kernel_px=5, lowpass_passes=1, arguments=arguments
    )
    weights = {key: torch.zeros_like(value) for key, value in build_denoiser(section).state_dict().items()}
    return write_model(path, section, weights)


def write_model(path: Path, section: DenoiserSection, weights: dict[str, torch.Tensor]) -> Path:
    """Write a model file as a training would."""
    save_model(path, weights=weights, section=section, input_scale=WINDOW, name="toy", method="none", facts={})
    return path


def error_lines(stderr: str) -> list[str]:
    """The lines of stderr that report a problem."""
    return [line for line in stderr.splitlines() if line.startswith("error: ")]


def tree_of(folder: Path) -> list[str]:
    """Everything below a folder but the records of outputs, as sorted relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if RECORDS_DIR not in path.parts)


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    """The weights of a run's model."""
    weights: dict[str, torch.Tensor] = torch.load(run_dir / "model.pt", weights_only=True)["weights"]
    return weights


def assert_same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Hold that two models are the same, bit for bit."""
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
