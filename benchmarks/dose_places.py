"""Noise at the places of a slice where simulation and scan may differ: tissue by tissue, from the centre to the rim.

Every measure takes images of noise alone: a scan less its truth, or a lower dose less its full dose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from n2b_ct.simulation.calibration_regions import soft_tissue
from n2b_ct.simulation.noise_texture import hann_periodograms

PLACES = ("soft", "lung", "near bone", "centre", "rim", "edges")
TILE_PX = 24

_SMOOTHING_PX = 2.0
_RIM_MM, _SKIN_MM = 30.0, 4.0
_CENTRE_ABOVE = 0.6
"""Of the largest depth."""
_EDGE_HU_PER_PX = 60.0
_FEWEST_PX = 300
_SECTOR_DEG = 30.0
_LOWEST_PER_PX = 0.08


def places(hu: np.ndarray, pixel_mm: float) -> dict[str, np.ndarray]:
    """Mark the places of a slice with little noise, bool ``[rows, cols]`` each; they may overlap."""
    smooth = ndimage.gaussian_filter(hu, _SMOOTHING_PX)
    solid = ndimage.binary_opening(smooth > -300.0, iterations=6)
    body = ndimage.binary_fill_holes(solid)
    depth_mm = ndimage.distance_transform_edt(body) * pixel_mm
    soft, bone = soft_tissue(hu), smooth > 250.0
    around = ndimage.binary_dilation(bone, iterations=10) & ~ndimage.binary_dilation(bone, iterations=3)
    steep = ndimage.gaussian_gradient_magnitude(hu, _SMOOTHING_PX) > _EDGE_HU_PER_PX
    return {
        "soft": soft,
        "lung": ndimage.binary_erosion((smooth < -600.0) & (smooth > -950.0) & body, iterations=4),
        "near bone": around & (smooth > -100.0) & (smooth < 250.0),
        "centre": soft & (depth_mm > _CENTRE_ABOVE * depth_mm.max()),
        "rim": soft & (depth_mm < _RIM_MM),
        "edges": ndimage.binary_dilation(steep) & body & (depth_mm > _SKIN_MM),
    }


def compared(
    real: Sequence[np.ndarray], simulated: Sequence[np.ndarray], where: Sequence[dict[str, np.ndarray]]
) -> dict[str, Any]:
    """Compare the noise of slices, simulated over real.

    Args:
        real: Noise alone, HU, ``[rows, cols]`` each.
        simulated: The same.
        where: The :func:`places` of each slice.

    Returns:
        ``real_hu``: σ in soft tissue; by place the ratio of σ, None where there is too little of it;
        ``mean_frequency``: its ratio; ``anisotropy_real`` and ``anisotropy_simulated``: power at frequencies along the
        rows over that along the columns; ``mean_real_hu`` and ``mean_simulated_hu``: mean of the noise in soft tissue.
    """
    variances = [{name: _variance(noises, where, name) for name in PLACES} for noises in (real, simulated)]
    powers = [_mean_power(noises, where) for noises in (real, simulated)]
    frequencies, anisotropies = [_mean_frequency(one) for one in powers], [_anisotropy(one) for one in powers]
    means = [
        np.mean(np.concatenate([n[w["soft"]] for n, w in zip(ns, where, strict=True)])) for ns in (real, simulated)
    ]
    ratios = {name: _ratio(variances[1][name], variances[0][name]) for name in PLACES}
    return {
        "real_hu": round(float(np.sqrt(variances[0]["soft"])), 1),
        **ratios,
        "mean_frequency": round(frequencies[1] / frequencies[0], 3),
        "anisotropy_real": round(anisotropies[0], 2),
        "anisotropy_simulated": round(anisotropies[1], 2),
        "mean_real_hu": round(float(means[0]), 2),
        "mean_simulated_hu": round(float(means[1]), 2),
    }


HEADER = (
    "| σ HU, real | soft σ | lung | near bone | edges | mean frequency | centre → rim | anisotropy, real → simulated "
    "|\n"
    "|---|---|---|---|---|---|---|---|"
)


def row_of(found: dict[str, Any]) -> str:
    """Write a comparison as the cells of :data:`HEADER`."""
    ratios = {name: "–" if found[name] is None else f"{found[name]:.2f}" for name in PLACES}
    cells = [
        f"{found['real_hu']:.1f}",
        *(ratios[name] for name in ("soft", "lung", "near bone", "edges")),
        f"{found['mean_frequency']:.2f}",
        f"{ratios['centre']} → {ratios['rim']}",
        f"{found['anisotropy_real']:.2f} → {found['anisotropy_simulated']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _variance(noises: Sequence[np.ndarray], where: Sequence[dict[str, np.ndarray]], name: str) -> float | None:
    values = np.concatenate([noise[masks[name]] for noise, masks in zip(noises, where, strict=True)])
    return float(np.mean(values.astype(np.float64) ** 2)) if len(values) >= _FEWEST_PX else None


def _ratio(simulated: float | None, real: float | None) -> float | None:
    return round(float(np.sqrt(simulated / real)), 3) if simulated is not None and real else None


def _mean_power(noises: Sequence[np.ndarray], where: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
    """Mean periodogram of all tiles of nothing but soft tissue, ``[tile, tile]``."""
    step, tiles = TILE_PX // 2, list[np.ndarray]()
    for noise, masks in zip(noises, where, strict=True):
        for row in range(0, noise.shape[0] - TILE_PX + 1, step):
            for col in range(0, noise.shape[1] - TILE_PX + 1, step):
                tile = np.s_[row : row + TILE_PX, col : col + TILE_PX]
                if masks["soft"][tile].all():
                    tiles.append(noise[tile])
    return np.asarray(hann_periodograms(np.stack(tiles)).mean(axis=0))


def _mean_frequency(power: np.ndarray) -> float:
    axis = np.fft.fftfreq(TILE_PX)
    return float((np.hypot(axis[:, None], axis[None]) * power).sum() / power.sum())


def _anisotropy(power: np.ndarray) -> float:
    axis = np.abs(np.fft.fftfreq(TILE_PX))
    angle, used = (
        np.degrees(np.arctan2(axis[:, None], axis[None])),
        np.hypot(axis[:, None], axis[None]) > _LOWEST_PER_PX,
    )
    return float(power[used & (angle < _SECTOR_DEG)].sum() / power[used & (angle > 90.0 - _SECTOR_DEG)].sum())
