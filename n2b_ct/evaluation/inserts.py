"""Known disks put into flat tissue of the noisy slice, and denoised with it: what resolution and d′ are made of.

A denoiser is judged on the difference ``denoised(with disk) − denoised(without)``: both hold the same noise and
anatomy, so what is left is how this disk came through in this noise. One denoiser has as many transfer functions as
there are contrasts and doses, hence several tasks. All disks of a slice are put in at once, far apart, and the whole
slice is denoised again, exactly as a slice is in use: no crops, no borders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from n2b_ct.evaluation.cases import INPUT, REFERENCE, SliceCase
from n2b_ct.evaluation.disks import Disk, Task, disk_hu, roi_centre_px
from n2b_ct.evaluation.known_background import mirrored_slice
from n2b_ct.evaluation.rois import Rois, flat_squares

Denoiser = Callable[[np.ndarray], np.ndarray]

MAX_POSITIONS = 12
POSITION_FLATNESS = 3.0
N_SLICES_WITH_INSERTS = 24
MAX_ROUNDS = 3
DETECTION_TASKS_MM_HU = ((2.5, 20.0), (1.5, 50.0))
MIN_DETECTION_RADIUS_PX = 1.5
RESOLUTION_RADIUS_MM = 4.0
RESOLUTION_CONTRASTS_HU = (50.0, 150.0, 500.0)
MIN_RESOLUTION_RADIUS_PX = 4.5
REACH_OF_RADIUS = 1.8

DEFINITIONS: dict[str, str] = {
    "inserted_disks": (
        "Disks of known radius and contrast are added to the noisy slice in flat soft tissue, and the whole slice is "
        f"denoised with and without them; up to {N_SLICES_WITH_INSERTS} slices a dose. Their positions are squares "
        f"that do not overlap, up to {MAX_POSITIONS} a slice, spread over it, with a mean squared gradient of at most "
        f"{POSITION_FLATNESS:g} times that of the flattest blocks, which noise alone seldom exceeds. To a reference "
        "with noise they are only added, as nothing is denoised there. The disks are sharp, each pixel holding the "
        "share of its area that is covered, unless a blur is given: what the scanner's own blur would do to a lesion "
        "is then not in the numbers, for no method. The noise is that of the slice: the disk adds none."
    ),
    "inserted_ttf": (
        "The task transfer function is measured on denoised(with) − denoised(without), averaged over the positions of "
        "a dose. The input's row is the inserted disk itself. 100 · fitted / inserted contrast is the recovery, and "
        "f50 is compared with the input's."
    ),
    "inserted_d_prime": (
        "Present regions are those of the slice denoised with the disk, absent ones the same positions without it, as "
        "pairs of the same noise. The plane through its surroundings is subtracted from each region, so that the organ "
        "it lies in is no noise; what anatomy is left counts as noise, for every method alike."
    ),
}


@dataclass(frozen=True, slots=True)
class InsertPlan:
    """Which disks are inserted.

    Attributes:
        detection: Low-contrast tasks, for d′.
        resolution: Larger disks of several contrasts, for the TTF.
    """

    detection: tuple[Task, ...]
    resolution: tuple[Task, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All of them."""
        return self.detection + self.resolution

    def size_px(self, pixel_mm: tuple[float, float]) -> int:
        """Rows and columns of the square around a disk: room for the largest and what the TTF needs around it."""
        return 2 * int(np.ceil(REACH_OF_RADIUS * max(task.radius_mm for task in self.tasks) / min(pixel_mm))) + 2


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """One disk at one position: regions of every method with and without it, ``[size, size]``, HU.

    Attributes:
        truth: The reference's region; None unless the reference is free of noise.
        noise: Every method's noise there without the background, ``[size, size]``; empty where it is not known.
    """

    dose: float | None
    series: str
    task: Task
    pixel_mm: tuple[float, float]
    present: Mapping[str, np.ndarray]
    absent: Mapping[str, np.ndarray]
    truth: np.ndarray | None
    noise: Mapping[str, np.ndarray] = field(default_factory=dict)


def plan_inserts(coarsest_mm: float, blur_sigma_mm: float = 0.0) -> InsertPlan:
    """Choose the disks: fixed in mm, larger only where pixels are too coarse for them.

    Args:
        coarsest_mm: The largest pixel side of all slices, so that every slice gets the same tasks.
        blur_sigma_mm: σ of the system's blur, taken as a round Gaussian, where it is known.
    """
    resolution_mm = max(RESOLUTION_RADIUS_MM, MIN_RESOLUTION_RADIUS_PX * coarsest_mm)
    return InsertPlan(
        detection=tuple(
            _task(contrast_hu, max(radius_mm, MIN_DETECTION_RADIUS_PX * coarsest_mm), blur_sigma_mm)
            for radius_mm, contrast_hu in DETECTION_TASKS_MM_HU
        ),
        resolution=tuple(_task(contrast_hu, resolution_mm, blur_sigma_mm) for contrast_hu in RESOLUTION_CONTRASTS_HU),
    )


def n_rounds(n_slices: int) -> int:
    """How often a slice with inserts is denoised again: more often where there are few slices."""
    return min(MAX_ROUNDS, max(1, N_SLICES_WITH_INSERTS // max(n_slices, 1)))


def insert_disks(
    case: SliceCase, denoisers: Mapping[str, Denoiser], plan: InsertPlan, rounds: int, number: int, noise_free: bool
) -> list[Insert]:
    """Insert disks into a slice, denoise it again by every method and cut the regions out.

    Args:
        case: The slice, already denoised without disks.
        denoisers: Method name to a function from HU to HU; methods without a slice in the case are left out.
        plan: The disks.
        rounds: How often; in each round every position gets another task, so that none gets a task twice.
        number: Of the slice, so that slices start with different tasks.
        noise_free: Keep the reference's regions as truth.
    """
    if case.pixel_mm is None:
        return []
    positions = find_positions(case.input_hu, plan.size_px(case.pixel_mm))
    used = {name: run for name, run in denoisers.items() if name in case.candidates}
    if not positions.corners:
        return []
    without = {INPUT: positions.cut(case.input_hu)} | {name: positions.cut(case.candidates[name]) for name in used}
    reference = None if case.reference_hu is None else positions.cut(case.reference_hu)
    noise = _noise(case, used, positions)
    found: list[Insert] = []
    for turn in range(rounds):
        tasks = [_task_of(plan, position, turn, number) for position in range(len(positions.corners))]
        signals = np.stack([task_signal(task, positions.size_px, case.pixel_mm) for task in tasks])
        image = _inserted(case.input_hu, positions, signals)
        regions = {INPUT: image} | {name: run(image) for name, run in used.items()}
        present = {name: positions.cut(hu) for name, hu in regions.items()}
        absent = without
        if reference is not None and not noise_free:
            present, absent = present | {REFERENCE: reference + signals}, without | {REFERENCE: reference}
        found += [
            Insert(
                dose=case.dose,
                series=case.series,
                task=task,
                pixel_mm=case.pixel_mm,
                present={name: cut[k].astype(np.float32) for name, cut in present.items()},
                absent={name: cut[k].astype(np.float32) for name, cut in absent.items()},
                truth=reference[k] if noise_free and reference is not None else None,
                noise={name: cut[k].astype(np.float32) for name, cut in noise.items()},
            )
            for k, task in enumerate(tasks)
        ]
    return found


def _noise(case: SliceCase, denoisers: Mapping[str, Denoiser], positions: Rois) -> dict[str, np.ndarray]:
    """Noise of every method at the positions, without the background; nothing where it is not known."""
    mirrored = mirrored_slice(case)
    if mirrored is None:
        return {}
    noise = mirrored.noise_hu(case, {name: run(mirrored.hu) for name, run in denoisers.items()})
    return {name: positions.cut(hu) for name, hu in noise.items() if np.isfinite(hu).all()}


def find_positions(noisy_hu: np.ndarray, size_px: int) -> Rois:
    """Find flat squares of soft tissue for disks, spread over the slice; there may be none."""
    found = flat_squares(noisy_hu, size_px, POSITION_FLATNESS)
    n = min(len(found), MAX_POSITIONS)
    corners = tuple(found[int((k + 0.5) * len(found) / n)] for k in range(n))
    return Rois(corners, size_px, (noisy_hu.shape[0], noisy_hu.shape[1]))


def _task(contrast_hu: float, radius_mm: float, blur_sigma_mm: float) -> Task:
    return Task(f"{contrast_hu:g} HU, radius {radius_mm:.3g} mm", contrast_hu, radius_mm, blur_sigma_mm)


def _task_of(plan: InsertPlan, position: int, turn: int, number: int) -> Task:
    """Detection tasks and one for resolution take turns; so over the rounds a position gets each kind once."""
    kind = (position + turn + number) % (len(plan.detection) + 1)
    if kind < len(plan.detection):
        return plan.detection[kind]
    return plan.resolution[(position // (len(plan.detection) + 1) + number) % len(plan.resolution)]


def _inserted(hu: np.ndarray, positions: Rois, signals: np.ndarray) -> np.ndarray:
    image = hu.astype(np.float32, copy=True)
    size = positions.size_px
    for (row, col), signal in zip(positions.corners, signals.astype(np.float32), strict=True):
        image[row : row + size, col : col + size] += signal
    return image


def task_signal(task: Task, size_px: int, pixel_mm: tuple[float, float]) -> np.ndarray:
    """The disk in the middle of a square of 0 HU, ``[size_px, size_px]``."""
    return disk_hu((size_px, size_px), task_disk(task, size_px), pixel_mm)


def task_disk(task: Task, size_px: int) -> Disk:
    """The disk in the middle of a square."""
    return Disk(roi_centre_px(size_px), task.radius_mm, task.contrast_hu, task.blur_sigma_mm)
