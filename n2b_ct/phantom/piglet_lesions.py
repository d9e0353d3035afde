"""The lesions' truth beside a digital piglet's tree: where each is, voxel by voxel, and what it adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from n2b_ct.phantom.anatomy import LENGTH_MM
from n2b_ct.phantom.lesions import Lesion
from n2b_ct.phantom.piglet_plan import PigletPlan

LABELS_FILE = "lesions.npz"


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


def lesion_facts(lesions: tuple[Lesion, ...], labels: np.ndarray) -> list[dict[str, object]]:
    """Give the lesions in the patient coordinate system of the images.

    Args:
        lesions: The animal's.
        labels: Of :func:`lesion_labels`.
    """
    n_voxels = np.bincount(labels.ravel(), minlength=len(lesions) + 1)
    facts: list[dict[str, object]] = []
    for label, lesion in enumerate(lesions, 1):
        x, y, distance = lesion.centre_mm
        facts.append(
            {
                "label": label,
                "organ": lesion.organ,
                "centre_mm": [x, y, round(LENGTH_MM / 2 - distance, 3)],
                "radius_mm": lesion.radius_mm,
                "contrast_hu": lesion.contrast_hu,
                "n_voxels": int(n_voxels[label]),
            }
        )
    return facts


def write_lesion_labels(folder: Path, plan: PigletPlan, labels: np.ndarray) -> None:
    """Write :func:`lesion_labels` for NumPy, slices by ascending SliceLocation; equal labels give equal bytes.

    It is no NIfTI file, because a folder's NIfTI files would be taken for images to denoise.
    """
    locations_mm = np.array([plan.position_mm(index) for index in range(plan.n_slices)])
    np.savez_compressed(folder / LABELS_FILE, labels=labels[::-1], slice_location_mm=locations_mm[::-1])


def _within(axis_mm: np.ndarray, centre_mm: float, reach_mm: float) -> slice:
    """Find the part of an ascending axis within a reach of a centre."""
    return slice(*np.searchsorted(axis_mm, [centre_mm - reach_mm, centre_mm + reach_mm]))
