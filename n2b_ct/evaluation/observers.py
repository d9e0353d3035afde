"""Model observers on image regions: non-prewhitening (NPW) and channelised Hotelling (CHO).

::

    NPW:  t = sᵀ g                      s: the signal as the template, no eye filter, no internal noise
    CHO:  t = (K⁻¹ Δv̄)ᵀ v,  v = Uᵀ g   U: Laguerre-Gauss channels, K: covariance of v, no internal noise

Regions ``g`` of a class must be independent of one another. Where the same noise carries the signal once and once not
(an inserted disk), pass the two stacks in the same order and ``paired=True``.

References:
    Barrett & Myers 2004, Foundations of Image Science, chapter 13: NPW, Hotelling observer.
    Gallas & Barrett 2003, J. Opt. Soc. Am. A 20(9): Laguerre-Gauss channels.
    Wunderlich & Noo 2009, IEEE Trans. Med. Imaging 28(8): the bias of d′² estimated from few regions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import require_hu
from n2b_ct.evaluation.detectability import Detectability, d_prime_of_scores, interval_around, jackknife_error
from n2b_ct.evaluation.disks import roi_centre_px

N_CHANNELS = 6
CHANNEL_WIDTH_PER_RADIUS = 3.0
"""Six channels of this width keep 94 % of the unchannelised Hotelling d′ of a sharp disk in white noise."""
MIN_REGIONS = 8

_LEAST_WIDTH_PX = 1e-3
_ROUNDING = 1e-12
"""What outputs of constant regions differ by, as a part of them."""

DEFINITIONS: dict[str, str] = {
    "npw": (
        "Non-prewhitening observer: correlates each region with the signal as it appears in the image; no eye filter, "
        "no internal noise. The signal must be known: a template that is learned from a few noisy regions holds more "
        "of their noise than of the signal. Of inserted disks, the mean of denoised(with) − denoised(without) is the "
        "template, as both hold the same noise."
    ),
    "cho": (
        f"Channelised Hotelling observer: {N_CHANNELS} Laguerre-Gauss channels, {CHANNEL_WIDTH_PER_RADIUS:g} times the "
        "disk's radius wide, no internal noise. d′² is freed from the optimism of training and testing on the same "
        "regions in closed form (normal channel outputs): (ν − p − 1)/ν · d̂² − p · (1/n + 1/m), with ν = n + m − 2 "
        "and p channels; for pairs whose noise has the correlation ρ, ν = 2(n − 1)/(1 + ρ²) and the last term is the "
        "noise of the mean difference."
    ),
}


def npw(
    present_hu: np.ndarray, absent_hu: np.ndarray, template: np.ndarray | None = None, *, paired: bool = False
) -> Detectability:
    """Measure the NPW observer's d′.

    Args:
        present_hu: Regions with the signal, ``[regions, rows, cols]``, HU.
        absent_hu: Regions without, ``[regions, rows, cols]``.
        template: The signal as it appears in the image, ``[rows, cols]``, known from elsewhere than these noisy
            regions.
        paired: Region k of both stacks shares its noise.

    Raises:
        DataError: There is no template, or it is not the regions' size, holds NaN or is constant; there are fewer
            than 8 regions, they differ in size, hold NaN or do not vary.
    """
    present, absent = _require_classes(present_hu, absent_hu, paired)
    own = _require_template(template, present_hu.shape[1:])
    scores = (present @ own, absent @ own)
    d_prime = d_prime_of_scores(*scores)
    error = jackknife_error(_leave_one_out(*scores, d_prime_of_scores, paired))
    low, high = interval_around(d_prime, error, _n_free(present, absent, paired))
    return Detectability("npw", d_prime, low, high, d_prime, d_prime, len(present), len(absent))


def cho(present_hu: np.ndarray, absent_hu: np.ndarray, channels: np.ndarray, *, paired: bool = False) -> Detectability:
    """Measure the channelised Hotelling observer's d′.

    Args:
        present_hu: Regions with the signal, ``[regions, rows, cols]``, HU.
        absent_hu: Regions without, ``[regions, rows, cols]``.
        channels: ``[rows · cols, channels]``, as from :func:`laguerre_gauss_channels`.
        paired: Region k of both stacks shares its noise.

    Raises:
        DataError: There are fewer than 8 regions or too few for the channels, they differ in size, hold NaN or do
            not vary.
    """
    present, absent = (stack @ channels for stack in _require_classes(present_hu, absent_hu, paired))
    n_free, n_channels = _n_free(present, absent, paired), channels.shape[1]
    if n_free < n_channels + 3:
        got = f"{len(present)} and {len(absent)}"
        raise DataError(explain("regions", f"{n_channels} channels need more", got, "add regions or drop channels"))
    _require_variation(present, absent)

    def squared(with_signal: np.ndarray, without: np.ndarray) -> float:
        return _unbiased_square(with_signal, without, paired)

    square = squared(present, absent)
    error = jackknife_error(_leave_one_out(present, absent, squared, paired))
    low, high = (math.sqrt(max(limit, 0.0)) for limit in interval_around(square, error, n_free))
    return Detectability(
        "cho",
        math.sqrt(max(square, 0.0)),
        low,
        high,
        math.sqrt(_plain_square(present, absent)),
        d_prime_of_scores(*_held_out(present, absent, _hotelling_template, paired)),
        len(present),
        len(absent),
    )


def disk_channels(size_px: int, radius_px: float) -> np.ndarray:
    """Laguerre-Gauss channels for a disk in the middle of a square region, ``[size_px², 6]``."""
    return laguerre_gauss_channels(size_px, CHANNEL_WIDTH_PER_RADIUS * radius_px)


def laguerre_gauss_channels(
    size_px: int, width_px: float, n_channels: int = N_CHANNELS, centre_px: tuple[float, float] | None = None
) -> np.ndarray:
    """Laguerre-Gauss functions around a point of a square region, ``[size_px², n_channels]``, of unit norm.

    ``u_j(r) = √2 / a · exp(−π r² / a²) · L_j(2π r² / a²)``: a complete set for round signals of known place.

    Args:
        size_px: Rows and columns of the region.
        width_px: a; see :func:`disk_channels`.
        n_channels: From j = 0 on.
        centre_px: (row, col) of the point; None: the region's centre.

    Raises:
        DataError: The width is not above 0, or so small that no pixel lies in the channels.

    References:
        Gallas & Barrett 2003.
    """
    if not _LEAST_WIDTH_PX <= width_px < math.inf:
        raise DataError(explain("channels", "must have a width above 0 px", f"{width_px:g}", "use the disk's radius"))
    centre = roi_centre_px(size_px) if centre_px is None else centre_px
    row, col = (np.arange(size_px) - at for at in centre)
    q = 2.0 * np.pi * (row[:, None] ** 2 + col[None] ** 2).ravel() / width_px**2
    columns = [special.eval_laguerre(j, q) * np.exp(-0.5 * q) for j in range(n_channels)]
    if not all(column.any() for column in columns):
        remedy = "use wider channels, or an odd number of rows"
        raise DataError(explain("channels", "must reach a pixel", f"a width of {width_px:g} px", remedy))
    return np.stack([column / np.linalg.norm(column) for column in columns], axis=1)


def _plain_square(present: np.ndarray, absent: np.ndarray) -> float:
    """d̂² = Δv̄ᵀ K⁻¹ Δv̄ with the pooled covariance, trained and tested on the same regions."""
    difference = present.mean(axis=0) - absent.mean(axis=0)
    return float(difference @ _solve(_covariance(present, absent), difference))


def _unbiased_square(present: np.ndarray, absent: np.ndarray, paired: bool) -> float:
    """d̂² without the bias of few regions; it may fall below 0 where there is no signal.

    ``E[K⁻¹] = ν / (ν − p − 1) · Σ⁻¹`` (inverse Wishart), and the noise of Δv̄ adds ``tr(Σ⁻¹ Cov Δv̄)``, which is
    ``p · (1/n + 1/m)`` for independent classes. Twins whose noise has the correlation ρ carry ν = 2(n − 1)/(1 + ρ²)
    degrees of freedom (Satterthwaite): n − 1 where it is the same, 2(n − 1) where it is independent.
    """
    n, m, p = len(present), len(absent), present.shape[1]
    square = _plain_square(present, absent)
    if not paired:
        n_free = n + m - 2
        return (n_free - p - 1) / n_free * square - p * (1.0 / n + 1.0 / m)
    of_difference = np.atleast_2d(np.cov(present - absent, rowvar=False))
    spread = float(np.trace(_solve(_covariance(present, absent), of_difference)))
    correlation = max(0.0, 1.0 - spread / (2.0 * p))
    shared_free = 2.0 * (n - 1) / (1.0 + correlation**2)
    return (shared_free - p - 1) / shared_free * (square - spread / n)


def _require_variation(present: np.ndarray, absent: np.ndarray) -> None:
    """Channel outputs must vary by more than rounding."""
    outputs = np.concatenate([present - present.mean(axis=0), absent - absent.mean(axis=0)])
    rounding = _ROUNDING * max(np.abs(present).max(), np.abs(absent).max())
    if np.linalg.svd(outputs, compute_uv=False)[-1] <= rounding * math.sqrt(len(outputs)):
        raise _singular()


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve with a covariance, which may be singular without one region even where it is not with it."""
    try:
        if np.linalg.matrix_rank(matrix) == len(matrix):
            return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError as error:
        raise _singular() from error
    raise _singular()


def _singular() -> DataError:
    remedy = "use noisy realisations and channels that differ"
    return DataError(explain("channel outputs", "must vary between regions", "a singular covariance", remedy))


def _covariance(present: np.ndarray, absent: np.ndarray) -> np.ndarray:
    n, m = len(present) - 1, len(absent) - 1
    pooled = (n * np.cov(present, rowvar=False) + m * np.cov(absent, rowvar=False)) / (n + m)
    return np.atleast_2d(pooled)


def _hotelling_template(present: np.ndarray, absent: np.ndarray) -> np.ndarray:
    return _solve(_covariance(present, absent), present.mean(axis=0) - absent.mean(axis=0))


def _held_out(
    present: np.ndarray,
    absent: np.ndarray,
    train: Callable[[np.ndarray, np.ndarray], np.ndarray],
    paired: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Score every region by a template trained without it (and without its twin), from the midpoint of the means."""

    def score(region: np.ndarray, with_signal: np.ndarray, without: np.ndarray) -> float:
        midpoint = 0.5 * (with_signal.mean(axis=0) + without.mean(axis=0))
        return float(train(with_signal, without) @ (region - midpoint))

    scores_present = [
        score(g, np.delete(present, k, axis=0), np.delete(absent, k, axis=0) if paired else absent)
        for k, g in enumerate(present)
    ]
    scores_absent = [
        score(g, np.delete(present, k, axis=0) if paired else present, np.delete(absent, k, axis=0))
        for k, g in enumerate(absent)
    ]
    return np.array(scores_present), np.array(scores_absent)


def _leave_one_out(
    present: np.ndarray, absent: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], float], paired: bool
) -> list[np.ndarray]:
    """The measure without each region in turn: one array per independent sample."""
    if paired:
        pairs = range(len(present))
        return [np.array([measure(np.delete(present, k, axis=0), np.delete(absent, k, axis=0)) for k in pairs])]
    return [
        np.array([measure(np.delete(present, k, axis=0), absent) for k in range(len(present))]),
        np.array([measure(present, np.delete(absent, k, axis=0)) for k in range(len(absent))]),
    ]


def _n_free(present: np.ndarray, absent: np.ndarray, paired: bool) -> int:
    """Degrees of freedom of the pooled covariance; twins that share their noise count once."""
    return len(present) - 1 if paired else len(present) + len(absent) - 2


def _require_classes(present_hu: np.ndarray, absent_hu: np.ndarray, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    if present_hu.ndim != 3 or present_hu.shape[1:] != absent_hu.shape[1:]:
        got = f"{present_hu.shape} and {absent_hu.shape}"
        raise DataError(explain("regions", "both stacks are [regions, rows, cols] of one size", got, "cut them alike"))
    n_regions = len(present_hu), len(absent_hu)
    if min(n_regions) < MIN_REGIONS or (paired and n_regions[0] != n_regions[1]):
        need = f"needs at least {MIN_REGIONS} regions a class" + (", as many of both" if paired else "")
        raise DataError(explain("d′", need, f"{n_regions[0]} and {n_regions[1]}", "add realisations"))
    for stack in (present_hu, absent_hu):
        require_hu(stack, "regions")
    present, absent = (stack.reshape(len(stack), -1).astype(np.float64) for stack in (present_hu, absent_hu))
    return present, absent


def _require_template(template: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """The template as a vector of float64."""
    remedy = "pass the signal as it appears in the image, known from its geometry or from noise-free differences"
    if template is None:
        raise DataError(explain("npw", "needs the signal as its template", "none", remedy))
    if template.shape != shape:
        sizes = " and ".join("x".join(map(str, size)) for size in (template.shape, shape))
        raise DataError(explain("npw", "template and regions must share one size", sizes, "cut them alike"))
    require_hu(template, "template")
    if template.min() == template.max():
        raise DataError(explain("npw", "needs a template that varies", "one constant", remedy))
    return template.astype(np.float64).ravel()
