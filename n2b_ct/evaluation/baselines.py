"""Denoisers without learning that every report carries: a model that does not beat them has learned nothing.

Their parameters were fixed from common practice, not tuned on any slice that a report judges. The noise level
that all but the Gaussian need is estimated from the slice itself, never from a reference. WNNM and BM3D take noise
for white, which CT noise is not: they keep more of it than of white noise of the same σ.

Every report has the quick ones (:data:`DEFAULT_BASELINES`); the others stand in it if asked for. WNNM takes a minute
or two for a slice of 512 × 512, BM3D a quarter of one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from n2b_ct.errors import ConfigError, explain
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.flat_regions import estimate_noise_std_hu
from n2b_ct.filters.baselines import BILATERAL_SIGMA_PX, BILATERAL_STRENGTH, require_installed
from n2b_ct.filters.blur import bilateral_blur
from n2b_ct.filters.bm3d import bm3d as bm3d_image
from n2b_ct.filters.wnnm import wnnm as wnnm_image

GAUSSIAN_SIGMA_PX = 1.0
NLM_PATCH_PX = 5
NLM_DISTANCE_PX = 6
NLM_STRENGTH = 0.8
TV_STRENGTH = 1.0
IMAGE_WIDTH_HU = 1000.0
"""HU that WNNM and BM3D see as black to white. Their block thresholds were set for photographs; on the real pairs
BM3D gave the same with 400, 1000 and 4000 HU."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One baseline: ``apply`` maps an HU slice to an HU slice, ``description`` is printed in reports."""

    name: str
    description: str
    apply: Callable[[np.ndarray], np.ndarray]


def gaussian_blur(hu: np.ndarray, sigma_px: float = GAUSSIAN_SIGMA_PX) -> np.ndarray:
    """Blur a slice with a Gaussian, mirrored at the border; float32, same shape.

    Raises:
        DataError: The slice is not 2-D or holds NaN.
    """
    return ndimage.gaussian_filter(require_slice(hu, "input"), sigma_px, mode="mirror").astype(np.float32)


def nlm(hu: np.ndarray, sigma_hu: float | None = None) -> np.ndarray:
    """Denoise a slice by non-local means; float32, same shape.

    The filter strength h = 0.8 σ with 5 × 5 patches and a search distance of 6 px is what scikit-image's own
    example advises for its fast mode.

    Args:
        hu: HU, ``[rows, cols]``.
        sigma_hu: Noise standard deviation; estimated from the slice where None.

    Raises:
        DataError: The slice is not 2-D or holds NaN.

    References:
        Buades et al. 2005, CVPR; Darbon et al. 2008, ISBI (the fast mode).
    """
    image_hu, noise_hu = _slice_and_noise(hu, sigma_hu)
    if noise_hu <= 0.0:
        return image_hu.astype(np.float32)
    denoised_hu = denoise_nl_means(
        image_hu,
        patch_size=NLM_PATCH_PX,
        patch_distance=NLM_DISTANCE_PX,
        h=NLM_STRENGTH * noise_hu,
        fast_mode=True,
        preserve_range=True,
    )
    return np.asarray(denoised_hu, dtype=np.float32)


def tv(hu: np.ndarray, sigma_hu: float | None = None) -> np.ndarray:
    """Denoise a slice by total variation; float32, same shape.

    Minimises ``½ ‖u − hu‖² + λ · TV(u)`` with λ = σ. Dimensions alone ask for a λ that is proportional to σ, for all
    terms scale with HU then; the factor 1 is the plainest choice and was not tuned.

    Args:
        hu: HU, ``[rows, cols]``.
        sigma_hu: Noise standard deviation; estimated from the slice where None.

    Raises:
        DataError: The slice is not 2-D or holds NaN.

    References:
        Rudin, Osher, Fatemi 1992, Physica D 60; Chambolle 2004, J. Math. Imaging Vis. 20 (the algorithm).
    """
    image_hu, noise_hu = _slice_and_noise(hu, sigma_hu)
    if noise_hu <= 0.0:
        return image_hu.astype(np.float32)
    return np.asarray(denoise_tv_chambolle(image_hu, weight=TV_STRENGTH * noise_hu), dtype=np.float32)


def bilateral(hu: np.ndarray, sigma_hu: float | None = None) -> np.ndarray:
    """Denoise a slice by a bilateral filter, with the widths that suited photographs; float32, same shape.

    Args:
        hu: HU, ``[rows, cols]``.
        sigma_hu: Noise standard deviation; estimated from the slice where None.

    Raises:
        DataError: The slice is not 2-D or holds NaN.

    References:
        Tomasi and Manduchi 1998, ICCV.
    """
    image_hu, noise_hu = _slice_and_noise(hu, sigma_hu)
    image_hu = image_hu.astype(np.float32)
    return image_hu if noise_hu <= 0.0 else bilateral_blur(image_hu, BILATERAL_STRENGTH * noise_hu, BILATERAL_SIGMA_PX)


def wnnm(hu: np.ndarray, sigma_hu: float | None = None) -> np.ndarray:
    """Denoise a slice by weighted nuclear norm minimisation; float32, same shape. Takes a minute or two.

    Args:
        hu: HU, ``[rows, cols]``.
        sigma_hu: Noise standard deviation; estimated from the slice where None.

    Raises:
        DataError: The slice is not 2-D, holds NaN or is smaller than a patch.

    References:
        Gu et al. 2014, CVPR.
    """
    return _as_image(lambda picture, sigma: wnnm_image(picture, sigma, white=1.0), hu, sigma_hu)


def bm3d(hu: np.ndarray, sigma_hu: float | None = None) -> np.ndarray:
    """Denoise a slice by BM3D, an optional package for non-commercial use; float32, same shape.

    Args:
        hu: HU, ``[rows, cols]``.
        sigma_hu: Noise standard deviation; estimated from the slice where None.

    Raises:
        ConfigError: The package is not installed.
        DataError: The slice is not 2-D or holds NaN.

    References:
        Mäkinen, Azzari, Foi 2020, IEEE Trans. Image Process. 29.
    """
    return _as_image(bm3d_image, hu, sigma_hu)


BASELINES: dict[str, Baseline] = {
    "gaussian": Baseline("gaussian", f"Gaussian blur, σ {GAUSSIAN_SIGMA_PX:g} px", gaussian_blur),
    "nlm": Baseline(
        "nlm",
        f"Non-local means, patch {NLM_PATCH_PX} px, search distance {NLM_DISTANCE_PX} px, h = {NLM_STRENGTH:g} σ, "
        "σ estimated from flat tissue of the same slice",
        nlm,
    ),
    "tv": Baseline(
        "tv",
        f"Total variation (Chambolle), λ = {TV_STRENGTH:g} σ, σ estimated from flat tissue of the same slice",
        tv,
    ),
    "bilateral": Baseline(
        "bilateral",
        f"Bilateral filter, {BILATERAL_SIGMA_PX:g} px and {BILATERAL_STRENGTH:g} σ, "
        "σ estimated from flat tissue of the same slice",
        bilateral,
    ),
    "wnnm": Baseline(
        "wnnm",
        "WNNM (Gu et al. 2014), its authors' settings by σ (patch 6 to 9 px), σ estimated from flat tissue of the same "
        "slice",
        wnnm,
    ),
    "bm3d": Baseline(
        "bm3d",
        "BM3D by its authors' package (profile np, block 8 px), for non-commercial use only; σ estimated from flat "
        "tissue of the same slice",
        bm3d,
    ),
}
DEFAULT_BASELINES = ("gaussian", "nlm", "tv")


def chosen_baselines(names: Sequence[str], others: Collection[str]) -> dict[str, Baseline]:
    """Look baselines up by name.

    Args:
        names: Of the baselines.
        others: Names that are taken.

    Raises:
        ConfigError: A name is unknown, or taken, or its package is not installed.
    """
    if unknown := [name for name in names if name not in BASELINES]:
        raise ConfigError(
            explain("--baseline", f"must be among {', '.join(BASELINES)}", ", ".join(unknown), "choose one of them")
        )
    if doubled := set(names) & set(others):
        raise ConfigError(
            explain("a method", "must not bear a baseline's name", ", ".join(sorted(doubled)), "name it otherwise")
        )
    require_installed(names)
    return {name: BASELINES[name] for name in names}


def _as_image(denoise: Callable[[np.ndarray, float], np.ndarray], hu: np.ndarray, sigma_hu: float | None) -> np.ndarray:
    """Denoise by a denoiser of pictures on [0, 1]; nothing is clipped, so that no HU is lost."""
    image_hu, noise_hu = _slice_and_noise(hu, sigma_hu)
    if noise_hu <= 0.0:
        return image_hu.astype(np.float32)
    return IMAGE_WIDTH_HU * denoise(image_hu / IMAGE_WIDTH_HU, noise_hu / IMAGE_WIDTH_HU)


def _slice_and_noise(hu: np.ndarray, sigma_hu: float | None) -> tuple[np.ndarray, float]:
    """Check the slice, and estimate σ of its noise where nobody says it."""
    image_hu = require_slice(hu, "input")
    return image_hu, estimate_noise_std_hu(image_hu) if sigma_hu is None else sigma_hu
