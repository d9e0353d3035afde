"""A row's denoiser: an image in, an image out, and what its scores depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import n2b_ct
from n2b_ct.config.experiment import BaselineRow, RowSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.errors import ConfigError
from n2b_ct.filters.baselines import baseline, estimated_sigma, licence_notices, require_installed
from n2b_ct.inference.model import load_natural_image_model
from n2b_ct.inference.natural_images import denoise_natural_image
from n2b_ct.simulation.image_noise import WHITE_8_BIT
from n2b_ct.training.labels import label_filters


@dataclass(frozen=True, slots=True)
class RowDenoiser:
    """What a row does to an image.

    Attributes:
        identity: Plain values that its scores depend on.
        denoise: From a noisy image, and σ of its noise where it is known, to the denoised one, all on [0, 1].
    """

    identity: Mapping[str, Any]
    denoise: Callable[[np.ndarray, float | None], np.ndarray]


def input_denoiser() -> RowDenoiser:
    """The noisy images as they are."""
    return RowDenoiser({"input": n2b_ct.__version__}, lambda noisy, _: noisy)


def trained_denoiser(run_dir: Path, device: torch.device) -> RowDenoiser:
    """The model of a run folder.

    Raises:
        ModelError: There is none, or it is not of images.
    """
    model = load_natural_image_model(run_dir, device)
    identity = {"model": model.digest, "version": n2b_ct.__version__}
    return RowDenoiser(identity, lambda noisy, _: denoise_natural_image(model, noisy))


def baseline_denoiser(section: BaselineRow) -> RowDenoiser:
    """A denoiser without training; it is told the noise level, or estimates it.

    Raises:
        ConfigError: Its package is not installed.
    """
    chosen = baseline(section.name)

    def denoise(noisy: np.ndarray, sigma: float | None) -> np.ndarray:
        told = section.sigma / WHITE_8_BIT if section.sigma is not None else sigma
        return chosen.apply(noisy, estimated_sigma(noisy) if told is None else told)

    identity = {**section.model_dump(mode="json"), "how": chosen.description, "version": n2b_ct.__version__}
    return RowDenoiser(identity, denoise)


def missing_package(row: RowSection, pipeline: Pipeline | None) -> str:
    """One line where a row needs an optional package that is not installed, else nothing."""
    try:
        require_installed(_filters(row, pipeline))
    except ConfigError as error:
        return str(error)
    return ""


def notices(row: RowSection, pipeline: Pipeline | None) -> tuple[str, ...]:
    """What must be said where a row was used."""
    return licence_notices(_filters(row, pipeline))


def _filters(row: RowSection, pipeline: Pipeline | None) -> list[str]:
    """Names of the row's baseline denoiser or label filter."""
    if row.baseline is not None:
        return [row.baseline.name]
    return list(label_filters(pipeline.method)) if pipeline is not None else []
