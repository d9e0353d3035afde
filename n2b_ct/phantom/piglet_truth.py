"""What is true of a digital piglet, and how noisy it came out: ``piglet.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2b_ct import __version__

TRUTH_FILE = "piglet.json"
SOFT_TISSUE_HU = (20.0, 90.0)


@dataclass(frozen=True, slots=True)
class NoiseTally:
    """Sums over soft-tissue pixels of image minus noise-free image, by series.

    Attributes:
        count: Pixels.
        sums: Sums, float64 ``[series]``.
        squares: Sums of squares, float64 ``[series]``.
    """

    count: int
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, truth_hu: np.ndarray, images_hu: np.ndarray) -> NoiseTally:
        """Tally one slice: truth ``[rows, cols]``, images ``[series, rows, cols]``."""
        low, high = SOFT_TISSUE_HU
        is_soft = (truth_hu > low) & (truth_hu < high)
        noise = (images_hu[:, is_soft] - truth_hu[is_soft]).astype(np.float64)
        return cls(int(is_soft.sum()), noise.sum(axis=1), (noise**2).sum(axis=1))

    @classmethod
    def total(cls, tallies: Sequence[NoiseTally]) -> NoiseTally:
        """Add tallies, in the given order."""
        count = sum(tally.count for tally in tallies)
        sums = np.sum([tally.sums for tally in tallies], axis=0)
        return cls(count, sums, np.sum([tally.squares for tally in tallies], axis=0))

    def sigma_hu(self) -> list[float]:
        """Standard deviation of the noise by series, HU."""
        n = max(self.count, 1)
        variance = self.squares / n - (self.sums / n) ** 2
        return [round(float(sigma), 2) for sigma in np.sqrt(np.maximum(variance, 0.0))]


def write_truth(
    path: Path,
    parameters: dict[str, object],
    lesions: list[dict[str, object]],
    series_dirs: dict[str, Path],
    noise_hu: dict[str, float],
) -> None:
    """Write the truth beside the images, readable and with nothing that changes between equal runs.

    Args:
        path: The file.
        parameters: What the simulation was told.
        lesions: Centre in the patient coordinate system, radius, contrast.
        series_dirs: Folder of every series, relative.
        noise_hu: Noise in soft tissue of the series where it is known.
    """
    series = [
        {"description": name, "folder": folder.as_posix(), "noise_hu": noise_hu.get(name)}
        for name, folder in series_dirs.items()
    ]
    content = {
        "format": 1,
        "made_by": f"n2b-ct {__version__}",
        "noise_measured_in_hu": list(SOFT_TISSUE_HU),
        "parameters": parameters,
        "series": series,
        "lesions": lesions,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
