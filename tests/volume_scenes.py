"""Volumes of CT and of everything that lies beside it, small, as arrays ``[slices, rows, cols]``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK

SHAPE = (6, 48, 48)


def body(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """True inside an ellipse."""
    y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    return np.broadcast_to((x / 0.8) ** 2 + (y / 0.65) ** 2 < 1, shape)


def ct(noise_hu: float = 25.0, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Soft tissue with fat, bone and a lung, in air, HU float64."""
    generator = np.random.default_rng(seed)
    hu = np.where(body(shape), 45.0, -1000.0)
    rows, cols = shape[1] // 2, shape[2] // 2
    hu[:, rows - 4 : rows + 4, cols - 14 : cols - 6] = -850
    hu[:, rows - 4 : rows + 4, cols - 4 : cols + 4] = -105
    hu[:, rows - 4 : rows + 4, cols + 6 : cols + 14] = 700
    return hu + generator.normal(0, noise_hu, shape) * np.where(hu > -900, 1.0, 0.4)


def soft_tissue(seed: int = 0) -> np.ndarray:
    """A crop within the body: fat and muscle, no gas."""
    generator = np.random.default_rng(seed)
    hu = np.where(np.indices(SHAPE)[2] < 12, -100.0, 50.0)
    return hu + generator.normal(0, 15, SHAPE)


def labels(n: int) -> np.ndarray:
    """Blocks of ``n`` labels within a body, 0 around it."""
    _, rows, cols = np.indices(SHAPE)
    blocks = 1 + (rows // 4 * 12 + cols // 4) % n
    return np.where(body(), blocks, 0)


def pet() -> np.ndarray:
    """Standardised uptake: not negative, never as much as HU + 1000."""
    return np.random.default_rng(3).gamma(2, 1.5, SHAPE).astype(np.float32)


def save_words(path: Path, words: np.ndarray) -> Path:
    """Write words as they are, in the form that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(words)
    image.SetSpacing((0.8, 0.8, 2.5))
    SimpleITK.WriteImage(image, str(path))
    return path
