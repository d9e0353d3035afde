"""Denoisers of images that learn nothing, by name: what every trained one has to beat.

All take an image on [0, 1], ``[rows, cols]`` or ``[rows, cols, 3]``, and σ of its noise in the same units, and
return float32 of the same shape, not clipped. Where σ is unknown, :func:`estimated_sigma` gives one.

How much they smooth is a fixed function of σ. The forms are common practice; the constants of ``gaussian``, ``nlm``,
``tv`` and ``bilateral`` were chosen on eight training images, every fiftieth of Train400 (five of them for
``nlm``), with white Gaussian noise of σ 15, 25 and 50, by mean PSNR, and never on a test image. What the eight gave
at σ 15 / 25 / 50, in dB, beside the nearest rivals:

======================================================  ======================
gaussian, (σ/25)^¾ px                                   28.9 / 26.8 / 24.5
tv, 0.8 σ (0.7 σ; 0.9 σ)                                30.6 / 28.4 / 25.4 (30.7 / 28.3 / 24.9; 30.4 / 28.3 / 25.6)
bilateral, 1.5 px and 3 σ (2 px and 2.5 σ)              30.3 / 27.7 / 24.1 (30.2 / 27.6 / 24.2)
nlm, patch 7, distance 6, 0.9 σ, weighted patches       30.3 / 28.2 / 25.2
nlm, patch 5, distance 6, 0.65 σ, fast mode             30.2 / 28.0 / 25.1
nlm, patch 7, distance 11, 0.5 σ, fast mode             29.8 / 27.8 / 25.2
======================================================  ======================

References:
    Tomasi and Manduchi 1998, ICCV: the bilateral filter; Zhang and Gunturk 2008, IEEE Trans. Image Process. 17(12):
    its range width in proportion to σ and its spatial width nearly independent of it.
    Buades, Coll, Morel 2005, CVPR: non-local means. Rudin, Osher, Fatemi 1992, Physica D 60: total variation.
    Gu et al. 2014, CVPR: WNNM, with its authors' settings. BM3D: :mod:`n2b_ct.filters.bm3d`, its authors' settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from n2b_ct.errors import ConfigError, explain
from n2b_ct.filters.blur import bilateral_blur
from n2b_ct.filters.bm3d import LICENCE_NOTICE, bm3d, require_bm3d
from n2b_ct.filters.bm3d import NAME as BM3D
from n2b_ct.filters.natural_images import LEAST_SIGMA, by_channel, estimated_sigma, require_image
from n2b_ct.filters.wnnm import wnnm

__all__ = ["BASELINES", "BaselineDenoiser", "baseline", "estimated_sigma", "licence_notices", "require_installed"]

GAUSSIAN_SIGMA_PX_AT_25 = 1.0
GAUSSIAN_POWER = 0.75
NLM_PATCH_PX = 7
NLM_DISTANCE_PX = 6
NLM_STRENGTH = 0.9
TV_STRENGTH = 0.8
BILATERAL_SIGMA_PX = 1.5
BILATERAL_STRENGTH = 3.0

_SIGMA_25 = 25.0 / 255.0


@dataclass(frozen=True, slots=True)
class BaselineDenoiser:
    """One denoiser without training.

    Attributes:
        name: Of the registry.
        description: One line with its parameters, as tables print it.
        apply: ``(image, sigma) -> image``.
    """

    name: str
    description: str
    apply: Callable[[np.ndarray, float], np.ndarray]


def gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of 1 px at σ = 25, that widens as σ^¾; mirrored at the border."""
    require_image(image, sigma)
    width_px = GAUSSIAN_SIGMA_PX_AT_25 * (sigma / _SIGMA_25) ** GAUSSIAN_POWER
    return ndimage.gaussian_filter(image.astype(np.float32), width_px, mode="mirror", axes=(0, 1))


def nlm(image: np.ndarray, sigma: float) -> np.ndarray:
    """Non-local means; noise is taken off the distance of patches, and colour patches are compared whole."""
    require_image(image, sigma)
    if sigma < LEAST_SIGMA or max(image.shape[:2]) == 1:
        return image.astype(np.float32)
    denoised = denoise_nl_means(
        image.astype(np.float64),
        patch_size=NLM_PATCH_PX,
        patch_distance=NLM_DISTANCE_PX,
        h=NLM_STRENGTH * sigma,
        sigma=sigma,
        fast_mode=False,
        preserve_range=True,
        channel_axis=-1 if image.ndim == 3 else None,
    )
    return np.asarray(denoised, np.float32)


def tv(image: np.ndarray, sigma: float) -> np.ndarray:
    """Total variation, ``½ ‖u − image‖² + 0.8 σ · TV(u)``, by Chambolle's algorithm, each colour by itself."""
    require_image(image, sigma)
    if sigma < LEAST_SIGMA:
        return image.astype(np.float32)
    channel_axis = -1 if image.ndim == 3 else None
    weight = TV_STRENGTH * sigma
    return np.asarray(denoise_tv_chambolle(image.astype(np.float64), weight, channel_axis=channel_axis), np.float32)


def bilateral(image: np.ndarray, sigma: float) -> np.ndarray:
    """Average neighbours that look alike, each colour by itself."""
    require_image(image, sigma)
    if sigma < LEAST_SIGMA:
        return image.astype(np.float32)
    grey = image.astype(np.float32)
    return by_channel(lambda channel: bilateral_blur(channel, BILATERAL_STRENGTH * sigma, BILATERAL_SIGMA_PX), grey)


def wnnm_by_channel(image: np.ndarray, sigma: float) -> np.ndarray:
    """Weighted nuclear norm minimisation, each colour by itself."""
    require_image(image, sigma)
    return by_channel(lambda channel: wnnm(channel, sigma, white=1.0), image)


BASELINES: dict[str, BaselineDenoiser] = {
    "gaussian": BaselineDenoiser(
        "gaussian", f"Gaussian blur, {GAUSSIAN_SIGMA_PX_AT_25:g} px at σ 25, widening as σ^{GAUSSIAN_POWER:g}", gaussian
    ),
    "nlm": BaselineDenoiser(
        "nlm",
        f"Non-local means, patch {NLM_PATCH_PX} px, search distance {NLM_DISTANCE_PX} px, h = {NLM_STRENGTH:g} σ, "
        "σ given",
        nlm,
    ),
    "tv": BaselineDenoiser("tv", f"Total variation (Chambolle), λ = {TV_STRENGTH:g} σ", tv),
    "bilateral": BaselineDenoiser(
        "bilateral",
        f"Bilateral filter, {BILATERAL_SIGMA_PX:g} px and {BILATERAL_STRENGTH:g} σ; colours one by one",
        bilateral,
    ),
    "wnnm": BaselineDenoiser(
        "wnnm",
        "WNNM, its authors' settings by σ (patch 6 to 9 px, 8 to 14 iterations); colours one by one",
        wnnm_by_channel,
    ),
    BM3D: BaselineDenoiser(
        BM3D, "BM3D, its authors' package and profile np (block 8 px), σ given; non-commercial licence", bm3d
    ),
}


def baseline(name: str) -> BaselineDenoiser:
    """Look a denoiser up.

    Raises:
        ConfigError: The name is unknown, or its package is not installed.
    """
    if name not in BASELINES:
        raise ConfigError(explain("denoiser", f"must be one of {', '.join(BASELINES)}", name, "choose one of them"))
    require_installed([name])
    return BASELINES[name]


def require_installed(names: Iterable[str]) -> None:
    """Refuse names whose package is absent, before any work is done.

    Args:
        names: Of denoisers, baselines or label filters.

    Raises:
        ConfigError: Says which package, why it is optional and how to install it.
    """
    if BM3D in names:
        require_bm3d()


def licence_notices(names: Iterable[str]) -> tuple[str, ...]:
    """What a command that used these denoisers, baselines or label filters must say once."""
    return (LICENCE_NOTICE,) if BM3D in names else ()
