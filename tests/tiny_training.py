"""A training that is over in a moment: four small slices, a tiny network, four iterations."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from n2b_ct.config import Pipeline
from n2b_ct.data.arrays import array_roles
from n2b_ct.data.ct_source import CTSource, ct_source
from n2b_ct.training.run import run_training

CPU = torch.device("cpu")
SMALL_UNET = {"arguments": {"n_features": 2, "depth": 2}}
SMALL_BAYES = {"name": "BayesDenoiser", "output": "direct", "arguments": {"n_features": 2, "steps": [1]}}
TRAINING = {
    "iterations": 4,
    "batch_size": 2,
    "patch_px": 16,
    "log_every": 2,
    "precision": "fp32",
    "learning_rate": 0.02,
}


@lru_cache
def slices_hu() -> dict[str, np.ndarray]:
    """Four noisy slices whose anatomy drifts, their truth, and others; HU."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:40, :40]
    drift = np.arange(4)[:, None, None]
    truth = 40.0 + 60.0 * np.sin((rows + drift) / 7.0) + 40.0 * np.cos(cols / (5.0 + drift / 6.0))
    return {
        "noisy": truth + rng.normal(0.0, 30.0, truth.shape),
        "references": truth,
        "clean": 30.0 + 80.0 * np.sin(cols / 9.0) * np.cos((rows + drift) / 6.0),
    }


def tiny_pipeline(name: str = "supervised", training: dict[str, Any] | None = None, **method: Any) -> Pipeline:
    """A pipeline on arrays, with checkpoints and validations every second iteration."""
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {"manifest": None, "noisy_flat_share": 1.0},
            "method": {"name": name, "denoiser": SMALL_UNET, **method},
            "training": {**TRAINING, "checkpoint_every": 2, "validate_every": 2, **(training or {})},
        }
    )


def tiny_images(pipeline: Pipeline, *, with_validation: bool = True, **changes: np.ndarray) -> CTSource:
    """The slices by role; two of them, of a side that is no multiple of the network's, to validate on."""
    hu = {**slices_hu(), **changes}
    if with_validation:
        hu |= {"validation": hu["noisy"][:2, :39, :37], "truths": hu["references"][:2, :39, :37]}
    return ct_source(pipeline.ct, array_roles(**hu), pipeline.method)


def train_tiny(pipeline: Pipeline, run_dir: Path, **options: Any) -> dict[str, Any]:
    """Train it whole; returns the summary."""
    return run_training(pipeline, tiny_images(pipeline), run_dir, CPU, **options)
