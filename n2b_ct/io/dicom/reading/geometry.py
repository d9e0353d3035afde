"""Where slices lie: normals, places along them, what is irregular, and the affine.

All in DICOM's patient system LPS, millimetres (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAME_PLACE_MM = 0.01
TILT_DEGREES = 0.5
_SPACING_TOLERANCE = 0.1  # of the smallest distance


def slice_normal(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of a slice, ``[3]``: row direction times column direction."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(normal / np.linalg.norm(normal))


def place_along(position_mm: Sequence[float], normal: np.ndarray) -> float:
    """Project ImagePositionPatient on the normal, millimetres."""
    return float(np.dot(position_mm, normal))


def most_at_one_place(places_mm: Sequence[float]) -> int:
    """Count the slices of the place that has the most."""
    ends = np.flatnonzero(_ends_place(places_mm))
    return int(np.diff(ends, prepend=-1).max())


def n_places(places_mm: Sequence[float]) -> int:
    """Count the places of slices, one for all that share it."""
    return int(_ends_place(places_mm).sum())


def _ends_place(places_mm: Sequence[float]) -> np.ndarray:
    """Which of the sorted places is the last at its place, bool ``[slices]``."""
    return np.append(np.diff(np.sort(places_mm)) >= SAME_PLACE_MM, True)


def spacing_problems(places_mm: Sequence[float]) -> tuple[str, ...]:
    """Name what is irregular about sorted places.

    Distances that are whole multiples of the smallest one are missing slices, as long as most
    distances are the smallest; anything else is varying spacing.
    """
    distances = np.diff(places_mm)
    distinct = distances[distances >= SAME_PLACE_MM]
    repeated = ("repeated_positions",) if distinct.size < distances.size else ()
    return repeated + _gap_problem(distinct)


def missing_after_mm(places_mm: Sequence[float]) -> tuple[float, ...]:
    """List the places after which slices are missing."""
    places = np.asarray(places_mm)
    distances = np.diff(places)
    smallest = distances[distances >= SAME_PLACE_MM].min(initial=np.inf)
    return tuple(places[:-1][distances > 1.5 * smallest].tolist())


def tilt_problem(positions_mm: np.ndarray, normal: np.ndarray, tilt_degrees: float) -> tuple[str, ...]:
    """Compare the stacking direction with the normal; one place alone trusts GantryDetectorTilt.

    Args:
        positions_mm: ImagePositionPatient of the sorted slices, ``[slices, 3]``.
        normal: Slice normal, ``[3]``.
        tilt_degrees: GantryDetectorTilt.
    """
    along = positions_mm[-1] - positions_mm[0]
    length_mm = float(np.linalg.norm(along))
    if length_mm >= SAME_PLACE_MM:
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
