"""Detectability of a known low-contrast signal: what d′ means, its interval and its link to AUC.

d′ is the distance between an observer's mean scores for signal present and absent, in standard deviations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import ROUNDING_HU, ROUNDING_SHARE, require_hu

CONFIDENCE = 0.95

DEFINITIONS: dict[str, str] = {
    "d_prime": (
        "Detectability index: (mean score present − mean score absent) / √(mean of the two variances), of the "
        "observer named."
    ),
    "d_prime_interval": (
        f"{100 * CONFIDENCE:g} % interval from the jackknife: each region (or pair of regions that share their noise) "
        "is left out in turn; normal deviates of Student's t."
    ),
    "auc": "Area under the ROC curve of normal scores: Φ(d′ / √2).",
    "cnr": (
        "(Mean inside the insert − mean of its surroundings) / standard deviation of the surroundings, mean over "
        "regions: signed, so that it is 0 on average where nothing is. It knows nothing of noise "
        "texture: a blur raises it."
    ),
}


@dataclass(frozen=True, slots=True)
class Detectability:
    """How well one observer detects one signal.

    Attributes:
        observer: ``"npw"`` or ``"cho"``.
        d_prime: Estimate, free of the bias of testing on the training regions.
        d_prime_low, d_prime_high: 95 % jackknife interval.
        d_prime_resubstitution: Trained and tested on the same regions, biased upwards; for comparison only.
        d_prime_held_out: Each region scored by a template it took no part in; biased slightly downwards.
        n_present, n_absent: Regions.
    """

    observer: str
    d_prime: float
    d_prime_low: float
    d_prime_high: float
    d_prime_resubstitution: float
    d_prime_held_out: float
    n_present: int
    n_absent: int

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""
        return auc_of_d_prime(self.d_prime)


def auc_of_d_prime(d_prime: float) -> float:
    """Φ(d′ / √2)."""
    return float(special.ndtr(d_prime / math.sqrt(2.0)))


def d_prime_of_auc(auc: float) -> float:
    """√2 · Φ⁻¹(AUC).

    Raises:
        DataError: The AUC is not between 0 and 1.
    """
    if not 0.0 < auc < 1.0:
        raise DataError(explain("AUC", "must be above 0 and below 1", f"{auc:g}", "there is no d′ for it"))
    return float(math.sqrt(2.0) * special.ndtri(auc))


def d_prime_of_scores(present: np.ndarray, absent: np.ndarray) -> float:
    """d′ of two sets of scores, corrected for the bias of a standard deviation from few scores (Hedges' factor).

    Raises:
        DataError: The scores do not vary by more than rounding, or there is one of a class.
    """
    if min(len(present), len(absent)) < 2:
        got = f"{len(present)} and {len(absent)}"
        raise DataError(explain("scores", "needs 2 of each class", got, "add realisations"))
    variance = 0.5 * (np.var(present, ddof=1) + np.var(absent, ddof=1))
    if variance <= (ROUNDING_SHARE * max(np.abs(present).max(), np.abs(absent).max())) ** 2:
        raise DataError(explain("scores", "must vary between regions", "one constant", "use noisy realisations"))
    n_free = len(present) + len(absent) - 2
    return float((present.mean() - absent.mean()) / np.sqrt(variance) * (1.0 - 3.0 / (4.0 * n_free - 1.0)))


def measure_cnr(regions_hu: np.ndarray, insert: np.ndarray, surroundings: np.ndarray) -> float | None:
    """Contrast-to-noise ratio; see ``DEFINITIONS["cnr"]``.

    Args:
        regions_hu: ``[regions, rows, cols]``, HU.
        insert: Bool ``[rows, cols]``, the inside of the insert, away from its edge.
        surroundings: Bool ``[rows, cols]``, flat background.

    Returns:
        Positive where the insert is brighter; None where a background is constant.

    Raises:
        DataError: A mask marks fewer than 2 pixels, or the regions hold what is no HU.
    """
    if min(np.count_nonzero(insert), np.count_nonzero(surroundings)) < 2:
        raise DataError(explain("CNR", "each mask needs 2 pixels", "fewer", "use a larger insert or region"))
    require_hu(regions_hu, "regions")
    regions = regions_hu.astype(np.float64)
    contrast = regions[:, insert].mean(axis=1) - regions[:, surroundings].mean(axis=1)
    noise = np.std(regions[:, surroundings], axis=1, ddof=1)
    return float(np.mean(contrast / noise)) if np.all(noise > ROUNDING_HU) else None


def jackknife_error(without: list[np.ndarray]) -> float:
    """Standard error from leave-one-out values, one array per independent sample."""
    spread = sum((v.size - 1) / v.size * float(np.sum((v - v.mean()) ** 2)) for v in without)
    return math.sqrt(spread)


def interval_around(value: float, error: float, n_free: int) -> tuple[float, float]:
    """95 % interval of an estimate with a standard error and at least one degree of freedom."""
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, n_free)) * error
    return value - reach, value + reach
