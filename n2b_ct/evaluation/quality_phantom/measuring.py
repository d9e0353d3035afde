"""All measures of all scans of a phantom, each scan on its own; what cannot be measured becomes one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from n2b_ct.config.quality_phantom import QualityPhantom
from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.folders import VolumeCache
from n2b_ct.evaluation.quality_phantom.insert_measures import InsertResult, measure_insert
from n2b_ct.evaluation.quality_phantom.linearity import Linearity, fit_linearity
from n2b_ct.evaluation.quality_phantom.noise_measures import NoiseResult, measure_noise
from n2b_ct.evaluation.quality_phantom.placement import STRONG_HU, Placement, is_reversed, place_phantom
from n2b_ct.evaluation.quality_phantom.regions import Regions
from n2b_ct.evaluation.quality_phantom.scans import Scan, read_scan, with_roles_swapped
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs

SAME_CENTRE_PX = 1.0
SAME_SIZE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """What one name shows.

    Attributes:
        mean_hu: Mean of all images with inserts, to be shown, ``[rows, cols]``.
        inserts: In the phantom's order, as far as they could be measured.
        remarks: What a reader must know.
    """

    name: str
    placement: Placement
    mean_hu: np.ndarray
    noise: NoiseResult | None
    inserts: tuple[InsertResult, ...]
    linearity: Linearity | None
    n_present: int
    n_absent: int
    remarks: tuple[str, ...] = ()

    def insert(self, name: str) -> InsertResult | None:
        """One insert's result, by its name."""
        return next((one for one in self.inserts if one.insert.name == name), None)


@dataclass(frozen=True, slots=True, eq=False)
class PhantomSummary:
    """The numbers of a phantom report.

    Attributes:
        scans: In the order given; the first is what the others are compared with.
        problems: A line for each thing that could not be used.
        inputs: All that was read.
    """

    phantom: QualityPhantom
    scans: tuple[ScanResult, ...]
    problems: tuple[str, ...]
    inputs: Inputs

    def scan(self, name: str) -> ScanResult:
        """One scan's result, by its name."""
        return next(one for one in self.scans if one.name == name)


def measure_scans(
    phantom: QualityPhantom,
    images: Mapping[str, Path],
    absent: Mapping[str, Path],
    *,
    hu_offset: float = 0.0,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
    progress: Progress | None = None,
) -> PhantomSummary:
    """Read and measure the scans of every name.

    Raises:
        DataError: Nothing can be measured; one line for each reason.
    """
    cache = VolumeCache(2, hu_offset, assume_hu)
    problems: list[str] = []
    inputs = Inputs((), ())
    placed: list[tuple[Scan, Placement]] = []
    for k, (name, folder) in enumerate(images.items()):
        if progress is not None:
            progress(k, len(images), name)
        read = read_scan(phantom, name, folder, absent.get(name), cache, skip_bad_slices)
        problems += read.problems
        inputs = inputs.merged(read.inputs)
        if read.scan is not None:
            found = _placed(phantom, read.scan, problems)
            placed += [found] if found else []
    results = [_measured(phantom, scan, placement, problems) for scan, placement in _aligned(placed)]
    if progress is not None:
        progress(len(images), len(images), "")
    if not results:
        raise DataError("\n".join(problems))
    return PhantomSummary(phantom, tuple(results), tuple(dict.fromkeys(problems)), inputs)


def _placed(phantom: QualityPhantom, scan: Scan, problems: list[str]) -> tuple[Scan, Placement] | None:
    """Find the phantom, and exchange what is swapped; a line where it cannot be found."""
    try:
        placement = _placement(phantom, scan)
        if scan.absent is not None and is_reversed(phantom, _pattern(scan), placement):
            need = "present must show the inserts, and absent none"
            remedy = "measured with the two exchanged; name the folders the other way round"
            problems.append(explain(scan.name, need, "the inserts in absent", remedy))
            scan = with_roles_swapped(scan)
            placement = _placement(phantom, scan)
    except DataError as error:
        problems.append(f"{scan.name}, {error}")
        return None
    return scan, placement


def _placement(phantom: QualityPhantom, scan: Scan) -> Placement:
    stacks = [scan.present] if scan.absent is None else [scan.present, scan.absent]
    body = np.mean([stack.hu.mean(axis=0, dtype=np.float64) for stack in stacks], axis=0)
    return place_phantom(phantom, body, _pattern(scan), scan.pixel_mm, scan.states_mm)


def _pattern(scan: Scan) -> np.ndarray:
    """Where the inserts are looked for: what scans with them show and scans without do not."""
    mean = scan.present.hu.mean(axis=0, dtype=np.float64)
    return mean if scan.absent is None else mean - scan.absent.hu.mean(axis=0, dtype=np.float64)


def _aligned(placed: Sequence[tuple[Scan, Placement]]) -> list[tuple[Scan, Placement]]:
    """One place for scans of one geometry: that of the scan which shows the pattern most clearly.

    Before and after a denoiser the same pixels are measured, also where it left too little to be found.
    """
    aligned = []
    for scan, own in placed:
        alike = [place for other, place in placed if other.shape == scan.shape and _is_same_place(place, own)]
        best = max(alike, key=lambda place: place.z or 0.0)
        aligned.append((scan, replace(best, remarks=best.remarks if best is own else _facts(own))))
    return aligned


def _is_same_place(one: Placement, other: Placement) -> bool:
    apart = np.abs(np.subtract(one.centre_px, other.centre_px)).max()
    return bool(apart <= SAME_CENTRE_PX and np.allclose(one.pixel_mm, other.pixel_mm, rtol=SAME_SIZE))


def _facts(placement: Placement) -> tuple[str, ...]:
    return tuple(line for line in placement.remarks if "pixel size" in line)


def _measured(phantom: QualityPhantom, scan: Scan, placement: Placement, problems: list[str]) -> ScanResult:
    regions = Regions(phantom, placement, scan.shape)
    inserts: list[InsertResult] = []
    for insert in phantom.inserts:
        problem = regions.outside_problem(insert)
        try:
            if not problem:
                inserts.append(measure_insert(scan, regions, insert))
        except DataError as error:
            problem = str(error)
        problems += [f"{scan.name}, {problem}"] if problem else []
    noise = None
    try:
        noise = measure_noise(scan, regions)
    except DataError as error:
        problems.append(f"{scan.name}, {error}")
    return ScanResult(
        name=scan.name,
        placement=placement,
        mean_hu=scan.present.hu.mean(axis=0, dtype=np.float64),
        noise=noise,
        inserts=tuple(inserts),
        linearity=_linearity(phantom, inserts),
        n_present=len(scan.present.hu),
        n_absent=0 if scan.absent is None else len(scan.absent.hu),
        remarks=(*scan.remarks, *placement.remarks),
    )


def _linearity(phantom: QualityPhantom, inserts: Sequence[InsertResult]) -> Linearity | None:
    """The line through all inserts; None for a phantom that is not made for it."""
    known = [(one.insert.name, one.insert.hu, one.hu.value) for one in inserts if one.hu.value is not None]
    if phantom.largest_contrast_hu < STRONG_HU or not known:
        return None
    try:
        return fit_linearity(*zip(*known, strict=True))
    except DataError:
        return None
