"""Faint lesions put into soft tissue and denoised with it: how much of each comes through.

The slice is denoised with the lesions and without: both hold the same noise and the same anatomy, so the background
is known and the difference holds the lesion alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from n2b_ct.evaluation.cases import INPUT, SliceCase
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.inserts import POSITION_FLATNESS, Denoiser, task_signal
from n2b_ct.evaluation.low_contrast.tasks import MIN_DIAMETER_PX, SIZES_MM, lesion_tasks, reading_size_px
from n2b_ct.evaluation.rois import Rois, flat_squares

MAX_LESIONS = 18
MIN_SLICES = 6
MAX_ROUNDS = 3

DEFINITIONS: dict[str, str] = {
    "inserted_lesions": (
        f"Sharp disks of every contrast and size, up to {MAX_LESIONS} at a time, are added to flat soft tissue of the "
        "noisy slice, and the whole slice is denoised with and without them; the difference holds the lesion alone. "
        "The noise is that of the slice."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class LesionInsert:
    """One lesion at one position.

    Attributes:
        difference: Method to with − without the lesion, HU ``[size, size]``; the input's is the lesion itself.
    """

    dose: float | None
    series: str
    task: Task
    pixel_mm: tuple[float, float]
    difference: Mapping[str, np.ndarray]


def lesion_rounds(n_slices: int) -> int:
    """How often a slice with lesions is denoised again: once, more often where there are few slices."""
    return min(MAX_ROUNDS, max(1, -(-MIN_SLICES // max(n_slices, 1))))


def insert_lesions(
    case: SliceCase, denoisers: Mapping[str, Denoiser], rounds: int, number: int, blur_sigma_mm: float = 0.0
) -> list[LesionInsert]:
    """Insert lesions into a slice, denoise it again by every method and keep what they became.

    Args:
        case: The slice, already denoised without lesions.
        denoisers: Method name to a function from HU to HU; methods without a slice in the case are left out.
        rounds: How often, with other tasks at every position each time.
        number: Of the slice, so that slices start with different tasks.
        blur_sigma_mm: σ of the system's blur, where it is known.
    """
    if case.pixel_mm is None or SIZES_MM[0] < MIN_DIAMETER_PX * max(case.pixel_mm):
        return []
    positions = lesion_positions(case.input_hu, case.pixel_mm)
    used = {name: run for name, run in denoisers.items() if name in case.candidates}
    tasks = lesion_tasks(blur_sigma_mm)
    found: list[LesionInsert] = []
    for turn in range(rounds if positions.corners and used else 0):
        own = [tasks[(k + 4 * turn + 2 * number) % len(tasks)] for k in range(len(positions.corners))]
        signals = [task_signal(task, positions.size_px, case.pixel_mm).astype(np.float32) for task in own]
        image = with_signals(case.input_hu, positions, signals)
        differences = {name: run(image) - case.candidates[name] for name, run in used.items()}
        cut = {name: positions.cut(hu) for name, hu in differences.items() if np.isfinite(hu).all()}
        found += [
            LesionInsert(
                case.dose,
                case.series,
                task,
                case.pixel_mm,
                {INPUT: signal, **{name: regions[k].astype(np.float32) for name, regions in cut.items()}},
            )
            for k, (task, signal) in enumerate(zip(own, signals, strict=True))
        ]
    return found


def lesion_positions(noisy_hu: np.ndarray, pixel_mm: tuple[float, float]) -> Rois:
    """Find flat squares of soft tissue for lesions, spread over the slice; there may be none."""
    size_px = reading_size_px(SIZES_MM[-1], pixel_mm)
    found = flat_squares(noisy_hu, size_px, POSITION_FLATNESS)
    n = min(len(found), MAX_LESIONS)
    corners = tuple(found[int((k + 0.5) * len(found) / n)] for k in range(n))
    return Rois(corners, size_px, (noisy_hu.shape[0], noisy_hu.shape[1]))


def with_signals(hu: np.ndarray, positions: Rois, signals: list[np.ndarray]) -> np.ndarray:
    """Add one square to each position of a slice, float32 of the same shape."""
    image, size = hu.astype(np.float32, copy=True), positions.size_px
    for (row, col), signal in zip(positions.corners, signals, strict=True):
        image[row : row + size, col : col + size] += signal
    return image
