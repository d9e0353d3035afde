"""Dose-reduction potential: at which dose a denoised image detects as well as the input does at full dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import interpolate, optimize

from n2b_ct.errors import DataError, explain

_LARGEST_D_PRIME = 1e9

DEFINITIONS: dict[str, str] = {
    "dose_reduction_potential_percent": (
        "100 · (1 − dose at which the denoised d′ equals the input's d′ at the highest dose / highest dose). d′ is "
        "made to rise with dose (isotonic regression) and interpolated over log dose without overshoot (PCHIP). Never "
        "extrapolated: outside the doses measured there is no number, only the bound."
    ),
}


@dataclass(frozen=True, slots=True)
class DosePotential:
    """Where the denoised d′ reaches the input's at the highest dose.

    Attributes:
        target_d_prime: The input's d′ at the highest dose.
        dose_fraction: Dose of equal d′ over the highest dose; None where no measured dose brackets it.
        reduction_percent: 100 · (1 − dose_fraction).
        remark: What is known instead where there is no number; empty otherwise.
        is_reached: Whether the denoised d′ is as high at some measured dose, or between two.
    """

    target_d_prime: float
    dose_fraction: float | None
    reduction_percent: float | None
    remark: str
    is_reached: bool


def dose_reduction_potential(
    doses: Sequence[float], input_d_prime: Sequence[float], denoised_d_prime: Sequence[float]
) -> DosePotential:
    """Read the dose of equal d′ off two curves; see :data:`DEFINITIONS`.

    Args:
        doses: Doses, above 0, each once, in any order and unit.
        input_d_prime: The input's d′ at each dose.
        denoised_d_prime: The method's d′ at each dose.

    Raises:
        DataError: There are fewer than two doses, the lists differ in length, a dose is not above 0 or comes twice,
            or a d′ is not finite or beyond 1e9.
    """
    dose, plain, denoised = _require_curves(doses, input_d_prime, denoised_d_prime)
    target = float(plain[-1])
    rising = np.asarray(optimize.isotonic_regression(denoised).x)
    if rising[0] > target:
        remark = f"below the lowest dose measured, {dose[0] / dose[-1]:.3g} of full"
        return DosePotential(target, None, None, remark, is_reached=True)
    if rising[-1] < target:
        return DosePotential(target, None, None, "not reached at any dose measured", is_reached=False)
    k = int(np.argmax(rising >= target))
    if rising[k] == target:
        fraction = float(dose[k] / dose[-1])
    else:
        fraction = _crossing(np.log(dose), rising, target, k) / float(dose[-1])
    return DosePotential(target, fraction, 100.0 * (1.0 - fraction), "", is_reached=True)


def _crossing(log_dose: np.ndarray, rising: np.ndarray, target: float, k: int) -> float:
    """The dose between the measured ones before and at ``k`` where the curve meets the target."""
    curve = interpolate.PchipInterpolator(log_dose, rising)

    def excess(x: float) -> float:
        return float(curve(x)) - target

    below, above = float(log_dose[k - 1]), float(log_dose[k])
    if not excess(below) < 0.0 < excess(above):
        return float(np.exp(above))  # the curve meets it there, but for rounding
    return float(np.exp(optimize.brentq(excess, below, above)))


def _require_curves(
    doses: Sequence[float], input_d_prime: Sequence[float], denoised_d_prime: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_doses = len(set(doses))
    if n_doses < 2 or not len(doses) == n_doses == len(input_d_prime) == len(denoised_d_prime):
        need = "needs two or more different doses with one d′ of input and method each"
        got = f"{n_doses} doses, {len(input_d_prime)} and {len(denoised_d_prime)} values"
        raise DataError(explain("dose curve", need, got, "measure every method at every dose"))
    curves = np.array([doses, input_d_prime, denoised_d_prime], dtype=np.float64)
    if not np.isfinite(curves).all() or curves[0].min() <= 0.0 or np.abs(curves[1:]).max() > _LARGEST_D_PRIME:
        remedy = "leave out doses without a d′"
        raise DataError(explain("dose curve", "doses above 0 and finite d′", "an impossible value", remedy))
    dose, plain, denoised = curves[:, np.argsort(curves[0])]
    if np.diff(np.log(dose)).min() <= 0.0:
        raise DataError(explain("dose curve", "needs different doses", "two alike but for rounding", "leave one out"))
    return dose, plain, denoised
