"""Slices that are alike within a tolerance: rounded numbers make bad keys, since two equal ones may round apart.

A cluster is all that lies within the tolerance of its anchor, and the anchor is the value that most slices have (of
equally many the smallest). So values whose spread is below the tolerance are never parted, a chain of small steps ends
at the tolerance instead of joining everything, and neither depends on the order of the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

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
