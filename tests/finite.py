"""Slices on which formulas like to break, and the check that an answer holds numbers only."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

SIZE = 64


def awkward_slices() -> dict[str, np.ndarray]:
    """Constant, of low rank, nearly constant, and with one value that stands out."""
    rng = np.random.default_rng(0)
    row, col = np.mgrid[:SIZE, :SIZE]
    hot, half = np.full((SIZE, SIZE), 40.0), np.full((SIZE, SIZE), 40.0)
    hot[20, 30], half[:, SIZE // 2 :] = 3000.0, -200.0
    partly = np.full((SIZE, SIZE), 40.0)
    partly[40:, 40:] += rng.normal(0.0, 20.0, (SIZE - 40, SIZE - 40))
    return {
        "zero": np.zeros((SIZE, SIZE)),
        "constant that floats cannot hold": np.full((SIZE, SIZE), 40.1),
        "air": np.full((SIZE, SIZE), -1000.0, np.float32),
        "plane": 0.3 * row + 0.1 * col + 1.0 / 3.0,
        "checkerboard": 40.0 + 10.0 * ((row + col) % 2),
        "rank one": 40.0 + rng.normal(0.0, 10.0, (SIZE, 1)) * np.ones((1, SIZE)),
        "one hot pixel": hot,
        "two halves": half,
        "noise in a corner": partly,
        "noise of rounding": 40.0 + rng.normal(0.0, 1e-12, (SIZE, SIZE)),
        "tiny": rng.normal(0.0, 1e-160, (SIZE, SIZE)),
        "noise": 40.0 + rng.normal(0.0, 10.0, (SIZE, SIZE)),
    }


def not_finite(answer: object, where: str = "") -> list[str]:
    """Name every NaN and infinity in an answer, its properties included."""
    if isinstance(answer, np.ndarray):
        return [] if answer.dtype.kind not in "fc" or np.isfinite(answer).all() else [where]
    if isinstance(answer, float | np.floating):
        return [] if math.isfinite(answer) else [where]
    if isinstance(answer, Mapping):
        return [found for key, value in answer.items() for found in not_finite(value, f"{where}[{key}]")]
    if isinstance(answer, list | tuple):
        return [found for k, value in enumerate(answer) for found in not_finite(value, f"{where}[{k}]")]
    if dataclasses.is_dataclass(answer):
        names = [field.name for field in dataclasses.fields(answer)]
        names += [name for name, kind in vars(type(answer)).items() if isinstance(kind, property)]
        return [found for name in names for found in not_finite(getattr(answer, name), f"{where}.{name}")]
    return []
