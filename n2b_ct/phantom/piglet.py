"""The digital piglet on disk: one animal, several doses, laid out like the real data set of Yi and Babyn.

::

    <output_dir>/piglet.json                  what is true: lesions, parameters, measured noise
    <output_dir>/lesions.npz                  where the lesions are: their numbers on the slices' grid
    <output_dir>/DICOM/PA0/ST0/SE<k>/IM<j>    one folder per series; no extension

As in the real set, folder numbers say nothing, file numbers are not the slices' order (sort by
SliceLocation), SeriesDescription holds reconstruction and dose, and one more reconstruction, not FBP,
lies among the others. All levels share the full-dose scan's noise (:func:`n2b_ct.simulation.dose.scan`).

References:
    Yi and Babyn 2018, J. Digit. Imaging 31, 655-669; no pixel of it is used.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from n2b_ct.errors import DataError
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.dicom.elements import content_digest
from n2b_ct.io.dicom.writing.original import original_dataset, write_original
from n2b_ct.io.json_files import read_json
from n2b_ct.io.progress import Progress
from n2b_ct.phantom.anatomy import Animal, grow_animal, slice_hu
from n2b_ct.phantom.ground_truth import (
    TRUTH_FILE,
    NoiseSums,
    lesion_entries,
    lesion_labels,
    write_lesion_labels,
    write_truth,
)
from n2b_ct.phantom.piglet_plan import FIELD_OF_VIEW_MM, SLICE_THICKNESS_MM, PigletPlan
from n2b_ct.phantom.resumable_folder import PartialFolder, require_space, resumable_folder
from n2b_ct.simulation.dose import STANDARD, kernel_blur, scan
from n2b_ct.simulation.ordered_pool import OrderedPool

SERIES_ROOT = Path("DICOM/PA0/ST0")


@dataclass(frozen=True, slots=True)
class PigletSummary:
    """What was written.

    Attributes:
        output_dir: The data set's folder.
        truth_path: Its ``piglet.json``.
        n_slices: Slices of every series.
        series_dirs: Folder of every series by SeriesDescription.
        noise_hu: Standard deviation of the noise in soft tissue by SeriesDescription, HU; FBP series only.
    """

    output_dir: Path
    truth_path: Path
    n_slices: int
    series_dirs: dict[str, Path]
    noise_hu: dict[str, float]


def write_piglet(
    output_dir: Path,
    *,
    n_slices: int = 906,
    size_px: int = 512,
    field_of_view_mm: float = FIELD_OF_VIEW_MM,
    doses: Sequence[float] = (1.0, 0.5, 0.25, 0.1, 0.05),
    seed: int = 0,
    decoy: bool = True,
    n_workers: int = 1,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> PigletSummary:
    """Write a digital piglet; the folder is there whole or not at all, and equal calls give equal bytes.

    A call that was killed or failed is taken up by the next equal one; the bytes do not tell.

    Args:
        output_dir: The new folder.
        n_slices: Slices of every series, spread evenly over the animal; 906 are 0.625 mm apart.
        size_px: Rows and columns.
        field_of_view_mm: Side of the image, mm.
        doses: Dose fractions, 1 among them.
        seed: Names the animal and its noise.
        decoy: Add a series of another reconstruction, as the real set has them.
        n_workers: Processes. The bytes do not depend on it; above 1, a script must guard its main part.
        progress: Called with (slices done, all, what).
        overwrite: Replace a piglet that is there already; nothing else is ever replaced.

    Raises:
        DataError: A parameter is outside its range.
        OutputError: The folder is there already, or cannot be written, or a worker failed.
    """
    plan = PigletPlan(n_slices, size_px, float(field_of_view_mm), tuple(map(float, doses)), seed, decoy)
    output_dir = Path(output_dir)
    with resumable_folder(output_dir, TRUTH_FILE, plan.made_of, overwrite=overwrite) as partial:
        folders = _make_series_folders(plan, partial.tree_dir)
        noise = _make_slices(plan, folders, ProgressLog(partial.progress_dir), n_workers, progress)
        noise_hu = {s.description: sigma for s, sigma in zip(plan.series, noise.sigma_hu(), strict=False)}
        series_dirs = {
            s.description: f.relative_to(partial.tree_dir) for s, f in zip(plan.series, folders, strict=True)
        }
        _write_truths(plan, partial, series_dirs, noise_hu)
    final_dirs = {description: output_dir / folder for description, folder in series_dirs.items()}
    return PigletSummary(output_dir, output_dir / TRUTH_FILE, n_slices, final_dirs, noise_hu)


@dataclass(frozen=True, slots=True)
class ProgressLog:
    """The finished slices of a run, so that the next one can resume: of each its noise and the digests of its files.

    Attributes:
        folder: Where.
    """

    folder: Path

    def write(self, index: int, paths: Sequence[Path], noise: NoiseSums) -> None:
        """Record that a slice's files are written.

        Raises:
            OutputError: The log cannot be written.
        """
        entry = {
            "sha256": [content_digest(path) for path in paths],
            "count": noise.count,
            "sums": noise.sums.tolist(),
            "squares": noise.squares.tolist(),
        }
        write_atomically(self._path(index), lambda file: file.write(json.dumps(entry).encode()))

    def read(self, index: int, paths: Sequence[Path]) -> NoiseSums | None:
        """Return a finished slice's noise; None where a file is missing or changed, or the entry damaged."""
        try:
            entry = read_json(self._path(index))
            if entry["sha256"] != [content_digest(path) for path in paths]:
                return None
            return NoiseSums(entry["count"], np.array(entry["sums"]), np.array(entry["squares"]))
        except (DataError, FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _path(self, index: int) -> Path:
        return self.folder / f"{index}.json"


def simulate_slice(plan: PigletPlan, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Scan one slice at every dose.

    Returns:
        The noise-free image as the kernel shows it, HU float32 ``[rows, cols]``, and all series' images,
        HU float32 ``[series, rows, cols]``, the decoy last.
    """
    phantom = thick_slice_hu(plan, index)
    images = scan(
        phantom,
        plan.doses,
        pixel_mm=plan.pixel_mm,
        photons=plan.photons,
        electronic_variance=plan.electronic_variance,
        rng=np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(index,))),
    )
    if plan.decoy:
        full = images[plan.doses.index(1.0)]
        images = np.concatenate([images, (0.6 * full + 0.4 * gaussian_filter(full, 1.5))[None]])
    return kernel_blur(phantom, STANDARD), images


def thick_slice_hu(plan: PigletPlan, index: int) -> np.ndarray:
    """Average two planes within the slice's thickness: slanting surfaces are as soft as a scanner shows them."""
    planes = [
        slice_hu(_animal(plan.seed), plan.distance_mm(index) + offset, plan.size_px, plan.field_of_view_mm)
        for offset in (-SLICE_THICKNESS_MM / 4, SLICE_THICKNESS_MM / 4)
    ]
    return np.asarray((planes[0] + planes[1]) / 2, np.float32)


def _make_series_folders(plan: PigletPlan, root: Path) -> list[Path]:
    """Make the series' folders, the decoy's first, so that nobody may take the first one for FBP."""
    require_space(root, plan.n_slices * len(plan.series) * plan.size_px**2 * 2)
    names = [*range(1, len(plan.series)), 0] if plan.decoy else list(range(len(plan.series)))
    folders = [root / SERIES_ROOT / f"SE{name}" for name in names]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def _make_slices(
    plan: PigletPlan, folders: Sequence[Path], log: ProgressLog, n_workers: int, progress: Progress | None
) -> NoiseSums:
    """Make all slices here or in other processes, and add up their noise in the slices' order."""
    make = functools.partial(_make_slice, plan, folders, log)
    parts: list[NoiseSums] = []
    with OrderedPool(n_workers) as pool:
        for index, noise in pool.map(make, ((index, (index,)) for index in range(plan.n_slices))):
            parts.append(noise)
            if progress is not None:
                progress(index + 1, plan.n_slices, "slices")
    return NoiseSums.total(parts)


def _make_slice(plan: PigletPlan, folders: Sequence[Path], log: ProgressLog, index: int) -> NoiseSums:
    """Simulate one slice and write it into every series, unless a run before this one has done so."""
    paths = [folder / f"IM{plan.file_number(index)}" for folder in folders]
    noise = log.read(index, paths)
    if noise is not None:
        return noise
    truth, images = simulate_slice(plan, index)
    for series, path, image in zip(plan.series, paths, images, strict=True):
        path.unlink(missing_ok=True)
        dataset = original_dataset(series, image, instance_number=index + 1, position_mm=plan.position_mm(index))
        write_original(path, dataset)
    noise = NoiseSums.of(truth, images[: len(plan.doses)])
    log.write(index, paths, noise)
    return noise


def _write_truths(
    plan: PigletPlan, partial: PartialFolder, series_dirs: dict[str, Path], noise_hu: dict[str, float]
) -> None:
    """Write beside the images what is true of them."""
    lesions = _animal(plan.seed).lesions
    labels = lesion_labels(plan, lesions)
    write_lesion_labels(partial.tree_dir, plan, labels)
    write_truth(partial.tree_dir / TRUTH_FILE, plan.facts(), lesion_entries(lesions, labels), series_dirs, noise_hu)


@lru_cache(maxsize=1)
def _animal(seed: int) -> Animal:
    """Grow the animal once in every process."""
    return grow_animal(seed)
