"""summary.json: what was trained, on what, for how long, and what the noise looked like at the end."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import n2b_ct
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.image_source import ImageSource
from n2b_ct.io.atomic import write_text_atomically
from n2b_ct.io.json_files import read_json
from n2b_ct.training.processor import device_name

SUMMARY_FILE = "summary.json"


def training_summary(
    pipeline: Pipeline,
    images: ImageSource,
    *,
    device: torch.device,
    autocast: torch.dtype | None,
    n_parameters: int,
    seconds: float,
    last_row: Mapping[str, float],
    data_digest: str,
) -> dict[str, Any]:
    """Collect the facts of a finished training, plain values."""
    return {
        "pipeline": pipeline.name,
        "method": pipeline.method.name,
        "iterations": pipeline.training.iterations,
        "seed": pipeline.training.seed,
        "n_images": {role: images.n_images[role] for role in ("noisy", "clean")},
        "data_digest": data_digest,
        "n_parameters": n_parameters,
        "seconds": round(seconds, 1),
        "last": dict(last_row),
        "device": str(device),
        "processor": device_name(device),
        "precision": "bf16" if autocast is not None else "fp32",
        "threads": torch.get_num_threads(),
        "versions": {
            "n2b_ct": n2b_ct.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def write_summary(summary: Mapping[str, Any], path: Path) -> None:
    """Write it, at once or not at all."""
    write_text_atomically(path, json.dumps(summary, indent=2) + "\n")


def read_summary(path: Path) -> dict[str, Any]:
    """Read the summary of a finished run.

    Raises:
        DataError: It is damaged.
    """
    return read_json(path)
