"""The ground truth beside a digital piglet's images: parameters, noise and lesions in two files.

``piglet.json`` has the parameters, the measured noise and where each lesion is; ``lesions.npz`` labels their voxels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.io.json_files import read_json
from n2b_ct.phantom.anatomy import LENGTH_MM
from n2b_ct.phantom.lesions import Lesion
from n2b_ct.phantom.piglet_plan import PigletPlan
from n2b_ct.version import __version__

TRUTH_FILE = "piglet.json"
LABELS_FILE = "lesions.npz"
SOFT_TISSUE_HU = (20.0, 90.0)
TOLERANCE_MM = 0.1


@dataclass(frozen=True, slots=True)
class NoiseSums:
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
    def of(cls, truth_hu: np.ndarray, images_hu: np.ndarray) -> NoiseSums:
        """Sum over one slice: truth ``[rows, cols]``, images ``[series, rows, cols]``."""
        low, high = SOFT_TISSUE_HU
        is_soft = (truth_hu > low) & (truth_hu < high)
        noise = (images_hu[:, is_soft] - truth_hu[is_soft]).astype(np.float64)
        return cls(int(is_soft.sum()), noise.sum(axis=1), (noise**2).sum(axis=1))

    @classmethod
    def total(cls, parts: Sequence[NoiseSums]) -> NoiseSums:
        """Add sums, in the given order."""
        count = sum(one.count for one in parts)
        sums = np.sum([one.sums for one in parts], axis=0)
        return cls(count, sums, np.sum([one.squares for one in parts], axis=0))

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


def lesion_labels(plan: PigletPlan, lesions: tuple[Lesion, ...]) -> np.ndarray:
    """Number the voxels whose centre lies in a lesion, from 1 in the lesions' order; 0 elsewhere.

    Returns:
        uint8 ``[slices, rows, cols]``, slices from the nose.
    """
    labels = np.zeros((plan.n_slices, plan.size_px, plan.size_px), np.uint8)
    across = (np.arange(plan.size_px) - (plan.size_px - 1) / 2) * plan.pixel_mm
    along = (np.arange(plan.n_slices) + 0.5) * plan.spacing_mm
    for label, lesion in enumerate(lesions, 1):
        x, y, z = lesion.centre_mm
        places = ((along, z), (across, y), (across, x))
        window = tuple(_within(axis, centre, lesion.radius_mm) for axis, centre in places)
        dz, dy, dx = along[window[0]] - z, across[window[1]] - y, across[window[2]] - x
        squared = dz[:, None, None] ** 2 + dy[None, :, None] ** 2 + dx[None, None] ** 2
        labels[window][squared < lesion.radius_mm**2] = label
    return labels


def lesion_entries(lesions: tuple[Lesion, ...], labels: np.ndarray) -> list[dict[str, object]]:
    """Give the lesions in the patient coordinate system of the images.

    Args:
        lesions: The animal's.
        labels: Of :func:`lesion_labels`.
    """
    n_voxels = np.bincount(labels.ravel(), minlength=len(lesions) + 1)
    entries: list[dict[str, object]] = []
    for label, lesion in enumerate(lesions, 1):
        x, y, distance = lesion.centre_mm
        entries.append(
            {
                "label": label,
                "organ": lesion.organ,
                "centre_mm": [x, y, round(LENGTH_MM / 2 - distance, 3)],
                "radius_mm": lesion.radius_mm,
                "contrast_hu": lesion.contrast_hu,
                "n_voxels": int(n_voxels[label]),
            }
        )
    return entries


def write_lesion_labels(folder: Path, plan: PigletPlan, labels: np.ndarray) -> None:
    """Write :func:`lesion_labels` for NumPy, slices by ascending SliceLocation; equal labels give equal bytes.

    It is no NIfTI file, because a folder's NIfTI files would be taken for images to denoise.
    """
    locations_mm = np.array([plan.position_mm(index) for index in range(plan.n_slices)])
    np.savez_compressed(folder / LABELS_FILE, labels=labels[::-1], slice_location_mm=locations_mm[::-1])


def _within(axis_mm: np.ndarray, centre_mm: float, reach_mm: float) -> slice:
    """Find the part of an ascending axis within a reach of a centre."""
    return slice(*np.searchsorted(axis_mm, [centre_mm - reach_mm, centre_mm + reach_mm]))


@dataclass(frozen=True, slots=True, eq=False)
class LesionTruth:
    """Where the lesions of a data set are.

    Attributes:
        labels: Lesion number by voxel, 0 outside, ``[slices, rows, cols]``.
        slice_location_mm: SliceLocation of every slice.
        contrast_hu: Lesion number to what it adds.
    """

    labels: np.ndarray
    slice_location_mm: np.ndarray
    contrast_hu: Mapping[int, float]

    def at(self, slice_location_mm: float | None, size_px: tuple[int, int]) -> np.ndarray | None:
        """Labels of the slice at a location, ``[rows, cols]``; None where there is no lesion or no such slice."""
        if slice_location_mm is None or self.labels.shape[1:] != size_px:
            return None
        distance = np.abs(self.slice_location_mm - slice_location_mm)
        nearest = int(distance.argmin())
        found = self.labels[nearest]
        return found if distance[nearest] <= TOLERANCE_MM and found.any() else None


def read_lesion_truth(root: Path) -> LesionTruth | None:
    """Read a digital piglet's lesions; None where the folder holds no such truth.

    Raises:
        DataError: The truth is there and cannot be read.
    """
    if not ((root / TRUTH_FILE).is_file() and (root / LABELS_FILE).is_file()):
        return None
    try:
        facts = read_json(root / TRUTH_FILE)["lesions"]
        with np.load(root / LABELS_FILE, allow_pickle=False) as stored:
            labels, locations = stored["labels"], stored["slice_location_mm"]
        contrasts = {int(fact["label"]): _contrast_hu(fact["contrast_hu"]) for fact in facts}
    except (DataError, OSError, ValueError, KeyError, TypeError, MemoryError, BadZipFile) as error:
        remedy = "make the digital piglet again, or take the files away"
        raise DataError(explain(f"{TRUTH_FILE}, {LABELS_FILE}", "must hold lesions", "damage", remedy)) from error
    return LesionTruth(labels, locations, contrasts)


def _contrast_hu(stored: object) -> float:
    """A true contrast, with which others are compared."""
    contrast = float(str(stored))
    if not (math.isfinite(contrast) and contrast):
        raise ValueError(stored)
    return contrast
