"""The NPW observer's d′ from spectra, without any signal in an image: a cross check of the one on regions.

::

    d′² = [∬ |W|² · TTF² df]² / ∬ |W|² · TTF² · NPS df

with W the Fourier transform of the task, a disk of contrast C and radius R: ``C · R · J₁(2πRf) / f``. No eye filter and
no internal noise. It holds for a linear system with stationary noise, so a denoiser may disagree with it; the
difference says how far from linear the denoiser is.

References:
    ICRU Report 87 (2012): d′ of the NPW observer from NPS, MTF and task.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.texture import RadialPower

DEFINITIONS: dict[str, str] = {
    "npw_spectral_d_prime": (
        "NPW d′ of a disk from the radial noise power spectrum, the task transfer function and the disk's Fourier "
        "transform, integrated over the disk of frequencies up to Nyquist; no eye filter. Exact only for a linear "
        "system with stationary noise. Below the first ring the spectrum is taken as constant."
    ),
}
STEPS_PER_RING = 20


def npw_d_prime(
    nps: RadialPower,
    radius_mm: float,
    contrast_hu: float,
    ttf_frequency_per_mm: np.ndarray | None = None,
    ttf: np.ndarray | None = None,
) -> float:
    """Compute d′ of a disk from spectra.

    Args:
        nps: Radial noise power spectrum.
        radius_mm: The disk's radius.
        contrast_hu: Its contrast before blur.
        ttf_frequency_per_mm: Frequencies of ``ttf``, rising; None for a system without blur.
        ttf: Task transfer function, 1 at zero frequency, taken as 0 beyond its last sample.

    Raises:
        DataError: The spectrum holds no noise where the task has power.
    """
    n_steps = STEPS_PER_RING * nps.frequency_per_mm.size
    edge = nps.frequency_per_mm[-1]
    step = edge / n_steps
    f = (np.arange(n_steps) + 0.5) * step
    task = np.abs(contrast_hu) * radius_mm * special.j1(2.0 * np.pi * radius_mm * f) / f
    transfer = np.ones_like(f)
    if ttf is not None and ttf_frequency_per_mm is not None:
        transfer = np.interp(f, ttf_frequency_per_mm, ttf, right=0.0)
    signal = (task * transfer) ** 2 * 2.0 * np.pi * f * step
    noise = float(signal @ np.interp(f, nps.frequency_per_mm, nps.power_hu2_mm2))
    if noise <= 0.0:
        raise DataError(explain("noise power spectrum", "must hold noise", "no power", "measure it on noisy slices"))
    return float(signal.sum() / np.sqrt(noise))
