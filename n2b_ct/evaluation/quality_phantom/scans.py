"""Repeated scans of a phantom, as they lie in folders: which images are repeats of which, with or without inserts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from n2b_ct.config.quality_phantom import QualityPhantom
from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.folders import FolderSeries, VolumeCache, find_folder
from n2b_ct.evaluation.quality_phantom.slice_choice import chosen_slices
from n2b_ct.io.series import Inputs

PRESENT, ABSENT = "present", "absent"
POSITION_TOLERANCE_MM = 0.1
SPACING_TOLERANCE = 0.01
CORNER_TOLERANCE_PX = 0.5
_UNKNOWN_MM = 1.0


@dataclass(frozen=True, eq=False)
class Repeats:
    """Images of the same thing.

    Attributes:
        hu: ``[images, rows, cols]``, float32.
        group: Which images show exactly the same, ``[images]``: the same slice of several series; the slices of one
            series, where there are no others.
    """

    hu: np.ndarray
    group: np.ndarray

    @cached_property
    def noise_hu(self) -> np.ndarray | None:
        """Each image minus the mean of its group, with the variance of one image; None where none has a repeat."""
        noise = self.hu.astype(np.float32)
        has_repeat = np.zeros(len(noise), dtype=bool)
        for key in np.unique(self.group):
            own = self.group == key
            n = int(np.count_nonzero(own))
            if n > 1:
                noise[own] = (noise[own] - noise[own].mean(axis=0, dtype=np.float64)) * np.sqrt(n / (n - 1.0))
                has_repeat |= own
        return noise[has_repeat] if has_repeat.any() else None


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What was given under one name.

    Attributes:
        absent: The same without inserts, where it was scanned.
        states_mm: The files state the pixel size.
        remarks: What a reader must know.
    """

    name: str
    present: Repeats
    absent: Repeats | None
    pixel_mm: tuple[float, float]
    states_mm: bool
    remarks: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.present.hu.shape[1], self.present.hu.shape[2]


@dataclass(frozen=True, slots=True)
class ReadScan:
    """A scan, None where it cannot be measured; a line for each thing that was left out; and what was read."""

    scan: Scan | None
    problems: list[str]
    inputs: Inputs


def read_scan(
    phantom: QualityPhantom, name: str, folder: Path, absent: Path | None, cache: VolumeCache, skip_bad_slices: bool
) -> ReadScan:
    """Read the scans of one name.

    Args:
        phantom: How they were scanned.
        name: Heads its row, and the messages about it.
        folder: A folder or file; of a phantom scanned with and without inserts, also one that holds both.
        absent: The scans without inserts, where they lie elsewhere.
        cache: Keeps the volumes that were read last.
        skip_bad_slices: Leave out slices that cannot be used.
    """
    both = phantom.scans == "present_absent"
    places = {PRESENT: folder}
    if both and (other := absent or _sibling(folder)) is not None:
        places[ABSENT] = other
    found: dict[str, list[FolderSeries]] = {}
    problems: list[str] = []
    inputs = Inputs((), ())
    for role, place in places.items():
        try:
            label = name if role == PRESENT else f"{name}, {ABSENT}"
            content = find_folder(label, place, cache, skip_bad_slices=skip_bad_slices)
        except DataError as error:
            problems += str(error).splitlines()
            continue
        found[role], inputs = content.series, inputs.merged(content.inputs)
        problems += content.problems
    if both and ABSENT not in places:
        found = _by_words(found.get(PRESENT, []))
    return _assembled(phantom, name, found, problems, inputs)


def _assembled(
    phantom: QualityPhantom, name: str, found: dict[str, list[FolderSeries]], problems: list[str], inputs: Inputs
) -> ReadScan:
    present, lines = _of_one_geometry(name, found.get(PRESENT, []))
    problems += lines
    if not present:
        if not problems:
            problems.append(explain(name, "must hold scans with the inserts", "none", "name the folder of these"))
        return ReadScan(None, problems, inputs)
    absent, lines = _of_one_geometry(f"{name}, absent", found.get(ABSENT, []), present[0])
    problems += lines
    if phantom.scans == "present_absent" and not absent:
        need, remedy = (
            "must have scans without the inserts too",
            "pass absent={NAME: DIR}, or the background of the others stands in",
        )
        problems.append(explain(name, need, "none", remedy))
    try:
        with_inserts, remarks = _stacked(phantom, present)
        without = _stacked(phantom, absent)[0] if absent else None
        with_inserts, n_same = _without_copies(with_inserts)
        without, n_same_absent = (None, 0) if without is None else _without_copies(without)
    except DataError as error:
        return ReadScan(None, [*problems, _about(name, str(error))], inputs)
    if n_same + n_same_absent:
        need, got = "repeats must be scans of their own", f"{n_same + n_same_absent} copies of other images"
        problems.append(explain(name, need, got, "left out; export each scan once"))
    first = present[0]
    is_volume = not first.study_uid
    states_mm = not (is_volume and first.pixel_mm == (_UNKNOWN_MM, _UNKNOWN_MM))
    if with_inserts.noise_hu is None:
        need, remedy = "needs a repeat for noise by subtraction", "scan twice; noise is taken from flat regions"
        problems.append(explain(name, need, "one image", remedy))
    scan = Scan(name, with_inserts, without, first.pixel_mm, states_mm, remarks)
    return ReadScan(scan, problems, inputs)


def _about(name: str, line: str) -> str:
    return line if line.startswith(name) else f"{name}, {line}"


def _sibling(folder: Path) -> Path | None:
    """``dose_100_absent`` beside ``dose_100_present``."""
    other = folder.with_name(folder.name.replace(PRESENT, ABSENT))
    return other if other != folder and other.exists() else None


def _by_words(every: Iterable[FolderSeries]) -> dict[str, list[FolderSeries]]:
    """Series by the word in their folder: what says absent is absent, all else present."""
    found: dict[str, list[FolderSeries]] = {PRESENT: [], ABSENT: []}
    for one in every:
        found[ABSENT if ABSENT in one.folder.lower() else PRESENT].append(one)
    return found


def _of_one_geometry(
    name: str, every: Sequence[FolderSeries], like: FolderSeries | None = None
) -> tuple[list[FolderSeries], list[str]]:
    """The series that share the first one's geometry, and a line for each other geometry."""
    kept: list[FolderSeries] = []
    others: dict[str, list[str]] = {}
    for one in every:
        got = _difference(like or (kept[0] if kept else one), one)
        if got:
            others.setdefault(got, []).append(one.name)
        else:
            kept.append(one)
    need, remedy = "repeats must share the geometry of the first", "left out; scan and reconstruct all alike"
    return kept, [explain(f"{name}, {_named(names)}", need, got, remedy) for got, names in others.items()]


def _named(names: Sequence[str]) -> str:
    """One series by its name, several by the first and their number."""
    return names[0] if len(names) == 1 else f"{len(names)} series, the first {names[0]}"


def _difference(first: FolderSeries, other: FolderSeries) -> str:
    """In what another series' geometry differs; empty where it does not."""
    if other.size_px != first.size_px:
        return " and ".join("x".join(map(str, size)) for size in (other.size_px, first.size_px))
    if not np.allclose(other.pixel_mm, first.pixel_mm, rtol=SPACING_TOLERANCE, atol=0.0):
        return " and ".join(f"pixels of {one.pixel_mm[0]:.3f} mm" for one in (other, first))
    apart_px = np.abs(other.corner_mm - first.corner_mm) / np.array(first.pixel_mm)
    return f"a shift of {apart_px.max():.1f} px" if apart_px.max() > CORNER_TOLERANCE_PX else ""


def _stacked(phantom: QualityPhantom, every: Sequence[FolderSeries]) -> tuple[Repeats, tuple[str, ...]]:
    """The slices that show the inserts, of all series; slices of one position are one group.

    Raises:
        DataError: A slice cannot be read.
    """
    first = every[0]
    indices, remarks = chosen_slices(phantom, first)
    images = [first.read(k) for k in indices]
    group = list(range(len(indices))) if len(every) > 1 else [0] * len(indices)
    for other in every[1:]:
        for number, k in enumerate(indices):
            away = np.abs(np.array(other.positions_mm) - first.positions_mm[k])
            if away.min() <= POSITION_TOLERANCE_MM:
                images.append(other.read(int(np.argmin(away))))
                group.append(number)
    if len(every) == 1 and len(indices) > 1:
        remarks += ("its slices are taken for repeats of each other; neighbours share noise where slices overlap",)
    return Repeats(np.stack(images).astype(np.float32), np.array(group)), remarks


def _without_copies(repeats: Repeats) -> tuple[Repeats, int]:
    """Leave out images that equal an earlier one word by word, which no two scans do, and count them."""
    seen: set[bytes] = set()
    kept = []
    for k, image in enumerate(repeats.hu):
        digest = hashlib.sha256(image.tobytes()).digest()
        if digest not in seen:
            kept.append(k)
        seen.add(digest)
    return Repeats(repeats.hu[kept], repeats.group[kept]), len(repeats.hu) - len(kept)


def with_roles_swapped(scan: Scan) -> Scan:
    """Present for absent, and the other way round."""
    return scan if scan.absent is None else replace(scan, present=scan.absent, absent=scan.present)
