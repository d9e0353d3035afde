"""Where slices lie, in DICOM's patient system LPS and millimetres (PS3.3 C.7.6.2.1.1), and which of them lie alike.

Rounded numbers make bad keys, since two equal ones may round apart; so slices lie alike in clusters. A cluster is all
that lies within the tolerance of its anchor, and the anchor is the value that most slices have (of equally many the
smallest). So values whose spread is below the tolerance are never parted, a chain of small steps ends at the tolerance
instead of joining everything, and neither depends on the order of the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

SAME_LOCATION_MM = 0.01
TILT_DEGREES = 0.5
_SPACING_TOLERANCE = 0.1  # of the smallest distance
ANGLE_DEGREES = 0.1
"""Orientations closer than this are one: three decimals of a direction cosine, the coarsest that is written (PS3.3
C.7.6.2.1.1 names no precision), are off by 0.05 degrees at most, and a gantry or a reformat turns by 0.5 or more."""

SPACING_SHARE = 1e-3
"""Pixel spacings closer than this share are one: six digits of text are off by 1e-6, three decimals of 0.5 mm by 1e-3,
and the smallest step of a field of view, 1 mm of 500, is 2e-3."""

_CHORD = 2 * np.sin(np.radians(ANGLE_DEGREES) / 2)
_NEAR = 1e-9  # of the tolerance: what binary numbers add to decimal ones

Values = tuple[float, ...]
_IsApart = Callable[[np.ndarray, np.ndarray], np.ndarray]


def slice_normal(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of a slice, ``[3]``: row direction times column direction."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(normal / np.linalg.norm(normal))


def location_along_normal(position_mm: Sequence[float], normal: np.ndarray) -> float:
    """Project ImagePositionPatient on the normal, millimetres."""
    return float(np.dot(position_mm, normal))


def most_at_one_location(locations_mm: Sequence[float]) -> int:
    """Count the slices of the location that has the most."""
    ends = np.flatnonzero(_ends_location(locations_mm))
    return int(np.diff(ends, prepend=-1).max())


def n_locations(locations_mm: Sequence[float]) -> int:
    """Count the locations of slices, one for all that share it."""
    return int(_ends_location(locations_mm).sum())


def _ends_location(locations_mm: Sequence[float]) -> np.ndarray:
    """Which of the sorted locations is the last at its location, bool ``[slices]``."""
    return np.append(np.diff(np.sort(locations_mm)) >= SAME_LOCATION_MM, True)


def spacing_problems(locations_mm: Sequence[float]) -> tuple[str, ...]:
    """Name what is irregular about sorted locations.

    Distances that are whole multiples of the smallest one are missing slices, as long as most
    distances are the smallest; anything else is varying spacing.
    """
    distances = np.diff(locations_mm)
    distinct = distances[distances >= SAME_LOCATION_MM]
    repeated = ("repeated_positions",) if distinct.size < distances.size else ()
    return repeated + _gap_problem(distinct)


def missing_after_mm(locations_mm: Sequence[float]) -> tuple[float, ...]:
    """List the locations after which slices are missing."""
    locations = np.asarray(locations_mm)
    distances = np.diff(locations)
    smallest = distances[distances >= SAME_LOCATION_MM].min(initial=np.inf)
    return tuple(locations[:-1][distances > 1.5 * smallest].tolist())


def tilt_problem(positions_mm: np.ndarray, normal: np.ndarray, tilt_degrees: float) -> tuple[str, ...]:
    """Compare the stacking direction with the normal; one location alone trusts GantryDetectorTilt.

    Args:
        positions_mm: ImagePositionPatient of the sorted slices, ``[slices, 3]``.
        normal: Slice normal, ``[3]``.
        tilt_degrees: GantryDetectorTilt.
    """
    along = positions_mm[-1] - positions_mm[0]
    length_mm = float(np.linalg.norm(along))
    if length_mm >= SAME_LOCATION_MM:
        cosine = abs(float(along @ normal)) / length_mm
        tilt_degrees = float(np.degrees(np.arccos(min(cosine, 1.0))))
    return ("gantry_tilt",) if abs(tilt_degrees) > TILT_DEGREES else ()


def volume_affine(
    first_mm: Sequence[float],
    last_mm: Sequence[float],
    n_slices: int,
    orientation: Sequence[float],
    spacing_mm: tuple[float, float],
    thickness_mm: float,
) -> np.ndarray:
    """Map voxel indices (slice, row, col) to LPS millimetres, ``[4, 4]`` (PS3.3 equation C.7.6.2.1-1).

    The slice step is the mean one, sheared where the gantry was tilted; a single slice steps by its
    thickness along the normal.
    """
    affine = np.eye(4)
    if n_slices > 1:
        affine[:3, 0] = np.subtract(last_mm, first_mm) / (n_slices - 1)
    else:
        affine[:3, 0] = slice_normal(orientation) * thickness_mm
    affine[:3, 1] = np.multiply(orientation[3:], spacing_mm[0])
    affine[:3, 2] = np.multiply(orientation[:3], spacing_mm[1])
    affine[:3, 3] = first_mm
    return affine


def _gap_problem(distances_mm: np.ndarray) -> tuple[str, ...]:
    if distances_mm.size < 2:
        return ()
    multiples = distances_mm / distances_mm.min()
    if multiples.max() < 1 + _SPACING_TOLERANCE:
        return ()
    is_whole = bool((np.abs(multiples - np.rint(multiples)) <= _SPACING_TOLERANCE).all())
    is_mostly_smallest = np.median(np.rint(multiples)) == 1
    return ("missing_slices",) if is_whole and is_mostly_smallest else ("varying_spacing",)


def orientation_labels(orientations: Sequence[Values]) -> list[int]:
    """Number the cluster of each ImageOrientationPatient; rows and columns must both point alike."""
    return _labels(orientations, _turned_apart)


def spacing_labels(spacings_mm: Sequence[Values | None]) -> list[int]:
    """Number the cluster of each PixelSpacing; slices without one join the others where these are one cluster."""
    known = [spacing for spacing in spacings_mm if spacing is not None]
    numbers = iter(_labels(known, _scaled_apart))
    labels = [None if spacing is None else next(numbers) for spacing in spacings_mm]
    of_unknown = 0 if len(set(labels) - {None}) <= 1 else -1
    return [of_unknown if label is None else label for label in labels]


def _labels(values: Sequence[Values], is_apart: _IsApart) -> list[int]:
    distinct = Counter(values)
    if len(distinct) <= 1:
        return [0] * len(values)
    left = np.array(sorted(distinct, key=lambda value: (-distinct[value], value)))
    found: dict[Values, int] = {}
    n_clusters = 0
    while len(left):
        apart = is_apart(left, left[0])
        found |= dict.fromkeys(map(tuple, left[~apart].tolist()), n_clusters)
        left = left[apart]
        n_clusters += 1
    return [found[tuple(map(float, value))] for value in values]


def _turned_apart(orientations: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Which of ``[n, 6]`` cosines point elsewhere than the anchor, bool ``[n]``."""
    vectors, wanted = orientations.reshape(-1, 2, 3), anchor.reshape(2, 3)
    units, of_anchor = (one / np.linalg.norm(one, axis=-1, keepdims=True) for one in (vectors, wanted))
    chords = np.linalg.norm(units - of_anchor, axis=-1)
    return np.asarray(chords.max(axis=1) > _CHORD * (1 + _NEAR))


def _scaled_apart(spacings_mm: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Which of ``[n, 2]`` spacings differ from the anchor, bool ``[n]``."""
    return np.asarray((np.abs(spacings_mm - anchor) > SPACING_SHARE * (1 + _NEAR) * anchor).any(axis=1))
