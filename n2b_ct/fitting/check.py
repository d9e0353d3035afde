"""Which of several denoisers is best on noisy slices of a series, without any reference.

::

    y        slice, y = truth + n with n ~ N(0, Σ)
    z        new noise of the same covariance, drawn from the calibration
    SURE(F)  mean (F(y) − y)² − tr Σ + 2·z·(F(y + εz) − F(y))/ε       its expectation is that of mean (F(y) − truth)²

tr Σ is the same for all denoisers, so only differences to the first one are used, block by block, which also tells how
sure they are. Σ is known up to a tenth or so, so a denoiser must win with a tenth less variance than calibrated, too:
one that removes more than is there cannot.

The second look is at what was removed, r = y − F(y), beside z in the same squares: where r has more power in a band of
frequencies than the noise, it holds anatomy. The third is at mean HU of air, lung, fat, soft tissue and bone.

References:
    Eldar 2009, IEEE Trans. Signal Process. 57(2): generalised SURE. Ramani, Blu, Unser 2008, IEEE Trans. Image
    Process. 17(9): its divergence by one random vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from n2b_ct.hu import Window

Denoise = Callable[[np.ndarray], np.ndarray]
"""From HU ``[rows, cols]`` to HU, all noise that is found removed."""

EPSILON = 0.1
"""Of the noise that is added to see how the denoiser answers."""
BLOCK_PX = 32
SURE_BY = 2.0
"""Standard errors by which the best must be better."""
LEAST_GAIN = 0.002
"""Of the noise's variance; less is not worth a model of its own."""
WEAKER_NOISE = 0.9
"""The calibration's variance may be too high by this factor."""
MOST_EXCESS = 0.1
"""Power of what is removed over the noise's, in any band: so much more than with the first denoiser is too much."""
MOST_SHIFT_HU = 1.0

_BANDS = ((0.02, 0.08), (0.08, 0.16), (0.16, 0.3), (0.3, 0.5))
_CLASSES_HU = {"lung": (-950.0, -500.0), "fat": (-150.0, -30.0), "soft tissue": (-10.0, 150.0), "bone": (250.0, 3000.0)}
_BODY_ABOVE_HU = -950.0
_CLASS_SIGMA_PX, _BODY_SIGMA_PX = 2.0, 4.0
_FEWEST_PIXELS = 500


@dataclass(frozen=True, eq=False)
class Judged:
    """A slice to judge by.

    Attributes:
        hu: Noisy, ``[rows, cols]``.
        noise_hu: New noise of its covariance, ``[draws, rows, cols]``.
        is_padding: True where the scanner padded.
    """

    hu: np.ndarray
    noise_hu: np.ndarray
    is_padding: np.ndarray


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a denoiser compares with the first one.

    Attributes:
        name: Its name.
        gain_hu2: Estimated mean squared error of the first one minus its own, HU²; above zero is better.
        gain_error_hu2: Standard error of that.
        cautious_gain_hu2: The gain if the noise is weaker than calibrated.
        residual_power: Power of what it removes over the noise's, by band of cycles per pixel.
        most_shift_hu: Largest change of mean HU of a tissue against the first one.
        objection: Why it cannot be chosen; empty if it can.
    """

    name: str
    gain_hu2: float
    gain_error_hu2: float
    cautious_gain_hu2: float
    residual_power: dict[str, float]
    most_shift_hu: float
    objection: str

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values."""
        rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return {**rounded, "residual_power": {band: round(value, 3) for band, value in self.residual_power.items()}}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which denoiser was chosen, and why.

    Attributes:
        name: The chosen one.
        why: In words, one line.
        noise_hu: σ of the noise in the slices, as calibrated.
        verdicts: Of all.
    """

    name: str
    why: str
    noise_hu: float
    verdicts: tuple[Verdict, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values."""
        verdicts = [one.plain for one in self.verdicts]
        return {"chosen": self.name, "why": self.why, "noise_hu": round(self.noise_hu, 2), "verdicts": verdicts}


@dataclass(frozen=True, eq=False)
class _Answers:
    """What one denoiser does to one slice: F(y), and the divergence's map, mean over the draws."""

    denoised: np.ndarray
    divergence: np.ndarray


def choose(denoisers: Mapping[str, Denoise], slices: Sequence[Judged], window: Window) -> Choice:
    """Choose a denoiser; the first one, unless another is better for sure.

    Args:
        denoisers: By name; the first is what is used without a fit.
        slices: To judge by.
        window: Pixels outside it do not count.
    """
    masks = [_mask(one, window) for one in slices]
    answers = {name: [_answers(denoise, one) for one in slices] for name, denoise in denoisers.items()}
    first, *others = denoisers
    verdicts = [_verdict(name, answers[name], answers[first], slices, masks) for name in (first, *others)]
    noise_hu = _root_mean_square([one.noise_hu[:, mask] for one, mask in zip(slices, masks, strict=True)])
    verdicts = [verdicts[0], *(_with_objection(one, verdicts[0], LEAST_GAIN * noise_hu**2) for one in verdicts[1:])]
    eligible = [one for one in verdicts[1:] if not one.objection]
    best = max(eligible, key=lambda one: one.gain_hu2, default=verdicts[0])
    return Choice(best.name, _why(best, verdicts, len(slices)), noise_hu, tuple(verdicts))


def _root_mean_square(parts: Sequence[np.ndarray]) -> float:
    values = np.concatenate([one.ravel() for one in parts])
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0


def _mask(one: Judged, window: Window) -> np.ndarray:
    """Mark the body with its lungs, where the window cuts nothing off."""
    std_hu = float(one.noise_hu.std())
    smooth = gaussian_filter(one.hu.astype(np.float32), _BODY_SIGMA_PX)
    inside = (smooth > max(_BODY_ABOVE_HU, window.lower_hu + 2.0 * std_hu)) & (smooth < window.upper_hu - 2.0 * std_hu)
    return np.asarray(inside & window.contains(one.hu) & ~one.is_padding)


def _answers(denoise: Denoise, one: Judged) -> _Answers:
    denoised = denoise(one.hu)
    moved = [z * (denoise(one.hu + np.float32(EPSILON) * z) - denoised) / EPSILON for z in one.noise_hu]
    return _Answers(denoised, np.mean(moved, axis=0))


def _verdict(
    name: str,
    own: Sequence[_Answers],
    first: Sequence[_Answers],
    slices: Sequence[Judged],
    masks: Sequence[np.ndarray],
) -> Verdict:
    fidelity, divergence, weights = (
        np.concatenate(parts)
        for parts in zip(*(_block_gains(*parts) for parts in zip(own, first, slices, masks, strict=True)), strict=True)
    )
    total = max(weights.sum(), 1.0)
    gains = fidelity + divergence
    gain = float(gains.sum() / total)
    spread = np.sum((gains - gain * weights) ** 2) ** 0.5 / total
    cautious = float((fidelity + WEAKER_NOISE * divergence).sum() / total)
    shift = max((abs(one) for one in _shifts(own, first, slices, masks)), default=0.0)
    return Verdict(name, gain, float(spread), cautious, _residual_power(own, slices, masks), shift, "")


def _block_gains(
    own: _Answers, first: _Answers, one: Judged, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over blocks of what SURE gains by fidelity and by divergence, and how many pixels they have."""
    fidelity = (first.denoised - one.hu) ** 2 - (own.denoised - one.hu) ** 2
    divergence = 2.0 * (first.divergence - own.divergence)
    return _block_sums(fidelity, mask), _block_sums(divergence, mask), _block_sums(np.ones(mask.shape), mask)


def _block_sums(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, cols = (-(-side // BLOCK_PX) * BLOCK_PX for side in mask.shape)
    wide = np.zeros((rows, cols))
    wide[: mask.shape[0], : mask.shape[1]] = np.where(mask, values, 0.0)
    return np.asarray(wide.reshape(rows // BLOCK_PX, BLOCK_PX, cols // BLOCK_PX, BLOCK_PX).sum(axis=(1, 3)).ravel())


def _shifts(
    own: Sequence[_Answers], first: Sequence[_Answers], slices: Sequence[Judged], masks: Sequence[np.ndarray]
) -> list[float]:
    """Change of mean HU of each tissue that there is enough of."""
    changes: dict[str, list[np.ndarray]] = {name: [] for name in _CLASSES_HU}
    for mine, other, one, mask in zip(own, first, slices, masks, strict=True):
        smooth = gaussian_filter(one.hu.astype(np.float32), _CLASS_SIGMA_PX)
        for name, (low, high) in _CLASSES_HU.items():
            changes[name].append((mine.denoised - other.denoised)[mask & (smooth > low) & (smooth < high)])
    joined = (np.concatenate(parts) for parts in changes.values())
    return [float(one.mean()) for one in joined if one.size >= _FEWEST_PIXELS]


def _residual_power(own: Sequence[_Answers], slices: Sequence[Judged], masks: Sequence[np.ndarray]) -> dict[str, float]:
    """Power of what was removed over that of the noise, in whole blocks of the body, by band."""
    removed, expected = np.zeros((BLOCK_PX, BLOCK_PX)), np.zeros((BLOCK_PX, BLOCK_PX))
    for mine, one, mask in zip(own, slices, masks, strict=True):
        whole = _block_sums(np.ones(mask.shape), mask) > BLOCK_PX**2 - 0.5
        removed += _power(one.hu - mine.denoised, whole)
        expected += np.mean([_power(z, whole) for z in one.noise_hu], axis=0)
    axis = np.fft.fftfreq(BLOCK_PX)
    frequency = np.hypot(axis[:, None], axis[None])
    bands = {f"{low:g}-{high:g}": (frequency >= low) & (frequency < high) for low, high in _BANDS}
    return {name: float(removed[band].sum() / max(expected[band].sum(), 1e-12)) for name, band in bands.items()}


def _power(image: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Sum of the periodograms of whole blocks under a Hann window."""
    rows, cols = (-(-side // BLOCK_PX) * BLOCK_PX for side in image.shape)
    wide = np.zeros((rows, cols))
    wide[: image.shape[0], : image.shape[1]] = image
    blocks = wide.reshape(rows // BLOCK_PX, BLOCK_PX, cols // BLOCK_PX, BLOCK_PX).swapaxes(1, 2)
    blocks = blocks.reshape(-1, BLOCK_PX, BLOCK_PX)[whole]
    window = np.outer(*[np.sin(np.pi * (np.arange(BLOCK_PX) + 0.5) / BLOCK_PX) ** 2] * 2)
    return np.asarray((np.abs(np.fft.fft2(blocks * window)) ** 2).sum(axis=0))


def _with_objection(one: Verdict, first: Verdict, least_hu2: float) -> Verdict:
    return replace(one, objection=_objection(one, first, least_hu2))


def _objection(one: Verdict, first: Verdict, least_hu2: float) -> str:
    if not one.gain_hu2 > SURE_BY * one.gain_error_hu2:
        return "it is not better by twice the standard error"
    if one.gain_hu2 < least_hu2:
        return f"it is better by {one.gain_hu2:.1f} HU² only"
    if not one.cautious_gain_hu2 > 0.0:
        return "it is better only if the noise is as strong as calibrated"
    worst = max(value - max(1.0, first.residual_power[band]) for band, value in one.residual_power.items())
    if worst > MOST_EXCESS:
        return f"it removes {worst:.0%} more power than the noise has in a band of frequencies"
    if one.most_shift_hu > MOST_SHIFT_HU:
        return f"it shifts a tissue by {one.most_shift_hu:.1f} HU"
    return ""


def _why(best: Verdict, verdicts: Sequence[Verdict], n_slices: int) -> str:
    if best is verdicts[0]:
        reasons = "; ".join(f"{one.name}: {one.objection}" for one in verdicts[1:])
        return f"{best.name}, for none is better for sure on {n_slices} slices ({reasons or 'nothing to compare'})"
    gain, error = best.gain_hu2, best.gain_error_hu2
    return f"{best.name}: mean squared error lower by {gain:.1f} ± {error:.1f} HU² on {n_slices} slices"
