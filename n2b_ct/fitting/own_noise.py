"""The noise of a protocol, measured in its own slices, and whether the physics of the simulation describes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from n2b_ct.errors import DataError, explain
from n2b_ct.fitting.sampled_slices import SampledSlices
from n2b_ct.simulation.calibration import MOST_MISFIT, Calibration, calibrate
from n2b_ct.simulation.calibration_regions import line_integrals, measure_regions
from n2b_ct.simulation.projection import ParallelBeam
from n2b_ct.simulation.series_noise import SeriesNoise, series_noise_fields

LEAST_COUNT = 3.0
"""Photons; darker rays have noise that is far from Gaussian."""
MOST_STARVED = 0.1
"""Largest share of such rays among those through the body."""

_USE_BASE = "use the model as it is"
_IN_BODY = 0.5
_SMOOTHING_PX = 1.0


def calibrated(slices: SampledSlices) -> Calibration:
    """Measure photons and texture.

    Raises:
        DataError: Too few flat regions, no noise, a texture that is no filtered ramp's, or rays that run dry.
    """
    measured = [
        measure_regions(hu, slices.pixel_mm, current) for hu, current in zip(slices.hu, slices.currents, strict=True)
    ]
    beam = ParallelBeam.for_image(slices.side_px, slices.pixel_mm)
    found = calibrate(measured, beam, slices.slice_mm)
    if found.misfit > MOST_MISFIT:
        requirement = f"noise must fit a filtered ramp within {MOST_MISFIT:g}"
        remedy = f"{_USE_BASE}: iterative or learned reconstruction shapes noise otherwise"
        raise DataError(explain("series", requirement, f"{found.misfit:.2f}", remedy))
    starved = max(_starved_share(hu, found) for hu in _few(slices.hu))
    if starved > MOST_STARVED:
        requirement = f"at most {MOST_STARVED:.0%} of the rays through the body may count below {LEAST_COUNT:g} photons"
        raise DataError(explain("series", requirement, f"{starved:.0%}", _USE_BASE))
    return found


def own_noise(slices: SampledSlices, calibration: Calibration, n_fields: int, seed: int) -> SeriesNoise:
    """Draw noise of the slices' own covariance; see :func:`n2b_ct.simulation.series_noise.series_noise_fields`."""
    return series_noise_fields(slices.hu, calibration, n_fields=n_fields, seed=seed, currents=slices.currents)


def _few(slices: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [slices[k] for k in sorted({0, len(slices) // 2, len(slices) - 1})]


def _starved_share(hu: np.ndarray, calibration: Calibration) -> float:
    """Share of the rays through the body whose expected count is below the least."""
    integrals, _ = line_integrals(gaussian_filter(hu, _SMOOTHING_PX), calibration.pixel_mm, calibration.bowtie)
    through_body = integrals[integrals > _IN_BODY]
    if not through_body.size:
        return 0.0
    darkest = np.log(calibration.photons / LEAST_COUNT)
    return float(np.mean(through_body > darkest))
