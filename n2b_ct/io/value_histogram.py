"""A histogram of a volume's values, filled piece by piece, and how its neighbouring values differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from n2b_ct.io.volume_formats.header import Scale

_LEAST, _GREATEST = -8192, 16383
_WHOLE_TOLERANCE = 0.01  # labels that were scaled into another type are whole but for rounding
_N_ENOUGH = 2**22


class ValueHistogram:
    """Counts values as the file's own scale gives them; all HU of CT and all common labels have a bin of their own.

    Counting ends when enough values were seen and ``is_enough`` says so; what comes then is only looked at for NaN.

    Args:
        scale: From words to values.
        is_enough: Whether no more values need to be counted; asked after every piece.
    """

    def __init__(self, scale: Scale, is_enough: Callable[[ValueHistogram], bool] = lambda _: False) -> None:
        self._scale, self._is_enough = scale, is_enough
        self._bins = np.zeros(_GREATEST - _LEAST + 1, dtype=np.int64)
        self._n_labelled_pairs, self._n_equal_pairs = 0, 0
        self._steps, self._changes_of_step = 0.0, 0.0
        self.least, self.greatest = np.inf, -np.inf
        self.is_whole, self.is_finite, self.is_settled = True, True, False

    def add(self, words: np.ndarray) -> None:
        """Count the words of one piece, flat and in the file's order."""
        if self.is_settled and words.dtype.kind != "f":
            return
        values = self._scale.plane_hu(words)
        is_finite = np.isfinite(values)
        if not is_finite.all():
            self.is_finite = False
            values = values[is_finite]
        if values.size and not self.is_settled:
            self._count(values)
            self.is_settled = self.n_values >= _N_ENOUGH and self._is_enough(self)

    @property
    def n_values(self) -> int:
        """How many were counted."""
        return int(self._bins.sum())

    @property
    def flatness(self) -> float:
        """Share of neighbours in a row, not both 0, that are equal: near 1 for labels, small where there is noise."""
        return self._n_equal_pairs / max(self._n_labelled_pairs, 1)

    @property
    def roughness(self) -> float:
        """How much steps in a row change, over the steps: 1.7 for white noise, small for what only ever glides."""
        return self._changes_of_step / self._steps if self._steps else np.inf

    def n_between(self, lower: float, upper: float) -> int:
        """Count values from ``lower`` up to but without ``upper``."""
        return int(self._within(lower, upper).sum())

    def n_distinct(self, lower: float = -np.inf, upper: float = np.inf) -> int:
        """Count different whole values in a range; values beyond all bins count as one."""
        return int(np.count_nonzero(self._within(lower, upper)))

    def n_most_common(self, lower: float, upper: float) -> int:
        """How often the most common value of a range occurs."""
        return int(self._within(lower, upper).max(initial=0))

    def percentile(self, percent: float, lower: float = -np.inf) -> float:
        """Percentile of the values from ``lower`` on, to the next whole number."""
        counts = np.cumsum(self._within(lower, np.inf))
        if not counts.size or not counts[-1]:
            return 0.0
        place = int(np.searchsorted(counts, percent / 100 * counts[-1]))
        return float(_place(lower) + place + _LEAST)

    def _within(self, lower: float, upper: float) -> np.ndarray:
        return self._bins[_place(lower) : _place(upper)]

    def _count(self, values: np.ndarray) -> None:
        rounded = np.rint(values)
        self.is_whole = self.is_whole and bool((np.abs(values - rounded) <= _WHOLE_TOLERANCE).all())
        self.least, self.greatest = min(self.least, float(values.min())), max(self.greatest, float(values.max()))
        places = (np.clip(rounded, _LEAST, _GREATEST) - _LEAST).astype(np.intp)
        self._bins += np.bincount(places, minlength=self._bins.size)
        steps = np.diff(values.astype(np.float64))
        self._steps += float(np.abs(steps).sum())
        self._changes_of_step += float(np.abs(np.diff(steps)).sum())
        if self.is_whole:
            is_equal, is_labelled = rounded[1:] == rounded[:-1], (rounded[1:] != 0) | (rounded[:-1] != 0)
            self._n_labelled_pairs += int(np.count_nonzero(is_labelled))
            self._n_equal_pairs += int(np.count_nonzero(is_equal & is_labelled))


def _place(value: float) -> int:
    """Place of the first bin that is not below a value."""
    return int(np.ceil(np.clip(value, _LEAST, _GREATEST + 1))) - _LEAST
