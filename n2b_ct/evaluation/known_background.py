"""The noise of a denoised slice without its background: from the same slice with its noise turned round.

::

    T         what the slice shows without the noise that is known: the truth, or the reference of inserted noise
    e         the noise that is known, input − T
    noise     ½ · (D(T + e) − D(T − e)) · √(variance of all noise / variance of e)

Noise is as likely as its negative, and the anatomy is the same in both, so half the difference holds noise alone: the
background is known exactly, as in the task of a model observer that knows it. What a denoiser makes of noise whatever
its sign, and what it takes from anatomy, cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from n2b_ct.evaluation.cases import INPUT, REFERENCE, SliceCase

DEFINITIONS: dict[str, str] = {
    "d_prime_known_background": (
        "d′ of an observer that knows the background: the signal is the mean of denoised(with) − denoised(without); "
        "the noise is half the difference of the denoised slice and the denoised slice with its noise turned round, so "
        "no anatomy is left in either. It needs the noise: a noise-free truth, or a reference into which the input's "
        "noise was inserted, which then stands for all of the noise, scaled to its variance. Dose reduction is read "
        "off it where it exists. Without it, anatomy that is left counts as noise, the more so the higher the dose: "
        "that d′ is not one of noise alone."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class MirroredSlice:
    """A slice with its known noise turned round.

    Attributes:
        hu: HU ``[rows, cols]``.
        scale: From the known noise to all of the input's.
        reference_scale: From the known noise to the reference's own; 0 for a reference without noise.
    """

    hu: np.ndarray
    scale: float
    reference_scale: float

    def noise_hu(self, case: SliceCase, denoised: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the noise of the input, of every method and of a noisy reference, HU ``[rows, cols]``.

        Args:
            case: The slice and what methods made of it.
            denoised: Method to what it made of the mirrored slice.
        """
        half = 0.5 * (case.input_hu - self.hu.astype(np.float64))
        found = {INPUT: self.scale * half}
        found |= {
            name: 0.5 * self.scale * (case.candidates[name] - hu.astype(np.float64)) for name, hu in denoised.items()
        }
        return found | ({REFERENCE: self.reference_scale * half} if self.reference_scale else {})


def mirrored_slice(case: SliceCase) -> MirroredSlice | None:
    """Turn a slice's noise round where it is known; None where it is not."""
    if case.anchor != INPUT:
        return None
    if case.truth_hu is not None:
        return MirroredSlice(_mirrored(case.input_hu, case.truth_hu), 1.0, 0.0)
    inserted = case.inserted_noise
    if case.reference_hu is None or inserted is None or inserted.factor is None:
        return None
    own = inserted.factor * (1.0 + inserted.covariance) - inserted.covariance
    whole = 1.0 + own + 2.0 * inserted.covariance
    return MirroredSlice(
        _mirrored(case.input_hu, case.reference_hu), float(np.sqrt(whole)), float(np.sqrt(max(own, 0.0)))
    )


def _mirrored(input_hu: np.ndarray, without_hu: np.ndarray) -> np.ndarray:
    return np.asarray(2.0 * without_hu.astype(np.float64) - input_hu, np.float32)
