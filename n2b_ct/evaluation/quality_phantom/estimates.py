"""A number with its 95 % interval from repeats: each image is left out in turn (jackknife)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.evaluation.detectability import interval_around, jackknife_error

LEAST_IMAGES = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the bounds of its 95 % interval, as far as they exist."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def plain(self) -> dict[str, float | None]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


NOTHING = Estimate(None)


def jackknifed(measure: Callable[..., float], *samples: np.ndarray) -> Estimate:
    """Estimate from independent samples, whose first axis counts images.

    Args:
        measure: From the samples, or from the samples less one image, to a number.
        samples: Each ``[images, …]``.

    Returns:
        Without an interval where a sample has fewer than three images.
    """
    value = float(measure(*samples))
    if not math.isfinite(value):
        return NOTHING
    if min(map(len, samples)) < LEAST_IMAGES:
        return Estimate(value)
    without = [
        np.array([measure(*_less(samples, own, k)) for k in range(len(sample))]) for own, sample in enumerate(samples)
    ]
    error = jackknife_error(without)
    if not math.isfinite(error):
        return Estimate(value)
    return Estimate(value, *interval_around(value, error, sum(len(sample) - 1 for sample in samples)))


def _less(samples: Sequence[np.ndarray], own: int, k: int) -> list[np.ndarray]:
    return [np.delete(sample, k, axis=0) if number == own else sample for number, sample in enumerate(samples)]
