"""HU linearity: how measured HU follow nominal ones, by a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.detectability import CONFIDENCE
from n2b_ct.evaluation.quality_phantom.estimates import Estimate

LEAST_INSERTS = 3
LEAST_SPAN_HU = 100.0

DEFINITIONS: dict[str, str] = {
    "hu_linearity": (
        "Straight line of measured on nominal HU by least squares, over all inserts; 95 % intervals of slope and "
        "intercept from Student's t. Where nominal HU are a material's and not this rod's at this energy, the line "
        "tells a change between two rows better than it tells a truth."
    ),
}


@dataclass(frozen=True, slots=True)
class Linearity:
    """A line through measured against nominal HU.

    Attributes:
        largest_deviation_hu: Of an insert from its nominal HU, signed, and ``insert`` is its name.
    """

    slope: Estimate
    intercept_hu: Estimate
    r_squared: float
    largest_deviation_hu: float
    insert: str
    n_inserts: int


def fit_linearity(names: Sequence[str], nominal_hu: Sequence[float], measured_hu: Sequence[float]) -> Linearity:
    """Fit measured on nominal HU.

    Raises:
        DataError: There are fewer than three inserts, or their nominal HU span less than 100 HU.
    """
    nominal, measured = np.asarray(nominal_hu, dtype=np.float64), np.asarray(measured_hu, dtype=np.float64)
    span_hu = float(np.ptp(nominal)) if nominal.size else 0.0
    if nominal.size < LEAST_INSERTS or span_hu < LEAST_SPAN_HU:
        need = f"needs {LEAST_INSERTS} inserts over {LEAST_SPAN_HU:g} HU"
        got = f"{nominal.size} over {span_hu:g} HU"
        raise DataError(explain("HU linearity", need, got, "use a phantom with several materials"))
    line = stats.linregress(nominal, measured)
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, nominal.size - 2))
    deviation = measured - nominal
    worst = int(np.argmax(np.abs(deviation)))
    return Linearity(
        slope=_around(line.slope, reach * line.stderr),
        intercept_hu=_around(line.intercept, reach * line.intercept_stderr),
        r_squared=float(line.rvalue**2),
        largest_deviation_hu=float(deviation[worst]),
        insert=names[worst],
        n_inserts=int(nominal.size),
    )


def _around(value: float, reach: float) -> Estimate:
    return Estimate(float(value), float(value - reach), float(value + reach))
