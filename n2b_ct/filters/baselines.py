"""Baselines by name: denoisers without training for images and CT slices, with which every trained one is compared.

A baseline is one function ``(image, sigma, **parameters) -> image``, registered by :func:`baseline`. As an object it
takes images on [0, 1]; :mod:`n2b_ct.evaluation.ct_baselines` puts it on HU slices, with the parameters for CT.

How much they smooth is a fixed function of σ, but for ``adaptive_median``, which is for impulses and ignores σ. The
forms are common practice. For images, the constants of ``gaussian``, ``nlm``, ``tv`` and ``bilateral`` were chosen on
eight training images, every fiftieth of Train400 (five of them for ``nlm``), with white Gaussian noise of σ 15, 25 and
50, by mean PSNR, and never on a test image. What the eight gave at σ 15 / 25 / 50, in dB, beside the nearest rivals:

======================================================  ======================
gaussian, (σ/25)^¾ px                                   28.9 / 26.8 / 24.5
tv, 0.8 σ (0.7 σ; 0.9 σ)                                30.6 / 28.4 / 25.4 (30.7 / 28.3 / 24.9; 30.4 / 28.3 / 25.6)
bilateral, 1.5 px and 3 σ (2 px and 2.5 σ)              30.3 / 27.7 / 24.1 (30.2 / 27.6 / 24.2)
nlm, patch 7, distance 6, 0.9 σ, weighted patches       30.3 / 28.2 / 25.2
nlm, patch 5, distance 6, 0.65 σ, fast mode             30.2 / 28.0 / 25.1
nlm, patch 7, distance 11, 0.5 σ, fast mode             29.8 / 27.8 / 25.2
======================================================  ======================

For CT they were fixed from common practice and not tuned on any slice that a report judges. WNNM and BM3D take noise
for white, which CT noise is not: they keep more of it than of white noise of the same σ.

References:
    Tomasi and Manduchi 1998, ICCV: the bilateral filter; Zhang and Gunturk 2008, IEEE Trans. Image Process. 17(12):
    its range width in proportion to σ and its spatial width nearly independent of it.
    Buades, Coll, Morel 2005, CVPR: non-local means; Darbon et al. 2008, ISBI: its fast mode.
    Rudin, Osher, Fatemi 1992, Physica D 60: total variation; Chambolle 2004, J. Math. Imaging Vis. 20: the algorithm.
    Gu et al. 2014, CVPR: WNNM, with its authors' settings. BM3D: :mod:`n2b_ct.filters.bm3d`, its authors' settings.
    The adaptive median filter: :mod:`n2b_ct.filters.adaptive_median`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from n2b_ct.errors import DataError, explain
from n2b_ct.filters.adaptive_median import LARGEST_WINDOW_PX
from n2b_ct.filters.adaptive_median import adaptive_median as adaptive_median_image
from n2b_ct.filters.blur import bilateral_blur
from n2b_ct.filters.bm3d import LICENCE_NOTICE, require_bm3d
from n2b_ct.filters.bm3d import bm3d as bm3d_image
from n2b_ct.filters.image_input import LEAST_SIGMA, by_channel, require_image
from n2b_ct.filters.wnnm import wnnm as wnnm_image
from n2b_ct.registry import BASELINES, blamed

CT_WHITE_HU = 1000.0
"""HU range that a baseline gets as black to white by default. The block thresholds of WNNM and BM3D were set
for photographs; on the real pairs BM3D gave the same with 400, 1000 and 4000 HU."""

_SIGMA_25 = 25.0 / 255.0
_ESTIMATED = "σ estimated from flat tissue of the same slice"


def _nothing_required() -> None:
    """Do nothing: most baselines need no optional package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A denoiser without training.

    Attributes:
        name: Of the registry.
        function: ``(image, sigma, **parameters)``: from floats ``[rows, cols]``, of photographs also
            ``[rows, cols, 3]``, and σ of their noise in the same units, to the denoised ones, not clipped.
        description: One line with its parameters, as tables of images print it.
        ct_description: The same as reports on CT print it.
        ct_parameters: The function's keyword arguments on CT that differ from its defaults, which are for images.
        ct_white_hu: HU that the function sees as 1; 1 for one that works on any scale.
        ct_sigma: σ passed to the function for every slice, on its own scale; None: estimated from the slice.
        relative_cost: Roughly, its time in that of a network.
        licence_notice: Licence notice to print where it was used.
        require_installed: Raises a ConfigError where a package is missing.
    """

    name: str
    function: Callable[..., np.ndarray]
    description: str
    ct_description: str
    ct_parameters: Mapping[str, Any] = field(default_factory=dict)
    ct_white_hu: float = CT_WHITE_HU
    ct_sigma: float | None = None
    relative_cost: float = 1.0
    licence_notice: str = ""
    require_installed: Callable[[], object] = _nothing_required

    def __call__(self, image: np.ndarray, sigma: float) -> np.ndarray:
        """Denoise an image on [0, 1].

        Args:
            image: ``[rows, cols]`` or ``[rows, cols, 3]``; noise may reach beyond black and white.
            sigma: σ of its noise, in the same units.

        Returns:
            Float32 of the same shape, not clipped.

        Raises:
            ConfigError: Its package is not installed.
            DataError: It is no image, or no noise level.
        """
        require_image(image, sigma)
        floating = image if np.issubdtype(image.dtype, np.floating) else image.astype(np.float32)
        return self.applied(floating, sigma)

    def applied(self, image: np.ndarray, sigma: float, **parameters: Any) -> np.ndarray:
        """Return what the function makes of an image, float32.

        Raises:
            DataError: It raised something, or returned another shape.
        """
        subject, requirement = f"baseline {self.name}", f"must return numbers of shape {list(image.shape)}"
        with blamed(subject, requirement):
            denoised = np.asarray(self.function(image, sigma, **parameters), np.float32)
        if denoised.shape != image.shape:
            remedy = "repair the baseline, or leave it out"
            raise DataError(explain(subject, requirement, f"shape {list(denoised.shape)}", remedy))
        return denoised


BASELINES.expect("must be a function decorated by baseline", lambda member: isinstance(member, Baseline))


def baseline(
    name: str,
    description: str,
    *,
    ct_description: str = "",
    ct_parameters: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Callable[[Callable[..., np.ndarray]], Baseline]:
    """Return a decorator that registers a function as a :class:`Baseline`.

    Args:
        name: As files and the command line say it.
        description: One line; ``{size_px}`` stands for the function's parameter of that name.
        ct_description: The same for CT; that of images where empty.
        ct_parameters: The function's keyword arguments on CT that differ from its defaults.
        facts: Other attributes of :class:`Baseline`.

    Raises:
        ConfigError: The name is already in use.
    """

    def register(function: Callable[..., np.ndarray]) -> Baseline:
        own = {one.name: one.default for one in inspect.signature(function).parameters.values()}
        on_ct = own | dict(ct_parameters or {})
        suffixes = () if facts.get("ct_sigma") is not None else (_ESTIMATED,)
        return BASELINES.register(name)(
            Baseline(
                name=name,
                function=function,
                description=description.format_map(own),
                ct_description=", ".join(((ct_description or description).format_map(on_ct), *suffixes)),
                ct_parameters=ct_parameters or {},
                **facts,
            )
        )

    return register


@baseline(
    "gaussian",
    "Gaussian blur, {sigma_px_at_25:g} px at σ 25, widening as σ^{power:g}",
    ct_description="Gaussian blur, σ {sigma_px_at_25:g} px",
    ct_white_hu=1.0,
    ct_sigma=_SIGMA_25,
)
def gaussian(image: np.ndarray, sigma: float, *, sigma_px_at_25: float = 1.0, power: float = 0.75) -> np.ndarray:
    """Blur with a Gaussian of 1 px at σ = 25, that widens as σ^¾; mirrored at the border. On CT always 1 px."""
    return ndimage.gaussian_filter(image, sigma_px_at_25 * (sigma / _SIGMA_25) ** power, mode="mirror", axes=(0, 1))


@baseline(
    "nlm",
    "Non-local means, patch {patch_px} px, search distance {distance_px} px, h = {strength:g} σ, σ given",
    ct_description="Non-local means, patch {patch_px} px, search distance {distance_px} px, h = {strength:g} σ",
    ct_parameters={"patch_px": 5, "strength": 0.8, "is_fast": True},
    ct_white_hu=1.0,
)
def nlm(
    image: np.ndarray,
    sigma: float,
    *,
    patch_px: int = 7,
    distance_px: int = 6,
    strength: float = 0.9,
    is_fast: bool = False,
) -> np.ndarray:
    """Non-local means; colour patches are compared whole.

    For images, noise is taken off the distance of patches. On CT it is scikit-image's fast mode as its own example
    advises: h = 0.8 σ, patches of 5 × 5 and a search distance of 6 px, nothing taken off.
    """
    if sigma < LEAST_SIGMA or max(image.shape[:2]) == 1:
        return image
    return denoise_nl_means(
        image.astype(np.float64),
        patch_size=patch_px,
        patch_distance=distance_px,
        h=strength * sigma,
        sigma=0.0 if is_fast else sigma,
        fast_mode=is_fast,
        preserve_range=True,
        channel_axis=-1 if image.ndim == 3 else None,
    )


@baseline("tv", "Total variation (Chambolle), λ = {strength:g} σ", ct_parameters={"strength": 1.0}, ct_white_hu=1.0)
def tv(image: np.ndarray, sigma: float, *, strength: float = 0.8) -> np.ndarray:
    """Total variation, ``½ ‖u − image‖² + λ · TV(u)`` with λ = 0.8 σ, by Chambolle's algorithm, each colour by itself.

    On CT λ = σ. Dimensions alone ask for a λ that is proportional to σ, for all terms scale with HU then; the factor 1
    is the plainest choice and was not tuned.
    """
    if sigma < LEAST_SIGMA:
        return image
    channel_axis = -1 if image.ndim == 3 else None
    return denoise_tv_chambolle(image.astype(np.float64), strength * sigma, channel_axis=channel_axis)


@baseline(
    "bilateral",
    "Bilateral filter, {sigma_px:g} px and {strength:g} σ; colours one by one",
    ct_description="Bilateral filter, {sigma_px:g} px and {strength:g} σ",
    ct_white_hu=1.0,
)
def bilateral(image: np.ndarray, sigma: float, *, sigma_px: float = 1.5, strength: float = 3.0) -> np.ndarray:
    """Average neighbours that look alike, each colour by itself."""
    image = image.astype(np.float32)
    if sigma < LEAST_SIGMA:
        return image
    return by_channel(lambda channel: bilateral_blur(channel, strength * sigma, sigma_px), image)


@baseline(
    "wnnm",
    "WNNM, its authors' settings by σ (patch 6 to 9 px, 8 to 14 iterations); colours one by one",
    ct_description="WNNM (Gu et al. 2014), its authors' settings by σ (patch 6 to 9 px)",
    relative_cost=600.0,
)
def wnnm(image: np.ndarray, sigma: float) -> np.ndarray:
    """Weighted nuclear norm minimisation, each colour by itself; a minute or two for a slice of 512 × 512."""
    return by_channel(lambda channel: wnnm_image(channel, sigma, white=1.0), image)


@baseline(
    "bm3d",
    "BM3D, its authors' package and profile np (block 8 px), σ given; non-commercial licence",
    ct_description="BM3D by its authors' package (profile np, block 8 px), for non-commercial use only",
    relative_cost=40.0,
    licence_notice=LICENCE_NOTICE,
    require_installed=require_bm3d,
)
def bm3d(image: np.ndarray, sigma: float) -> np.ndarray:
    """BM3D, an optional package for non-commercial use; a quarter of WNNM's time."""
    return bm3d_image(image, sigma)


@baseline(
    "adaptive_median",
    "Adaptive median filter, windows of 3 to {largest_window_px} px; colours one by one; for impulses, without σ",
    ct_description="Adaptive median filter, windows of 3 to {largest_window_px} px",
    ct_white_hu=1.0,
    ct_sigma=_SIGMA_25,
)
def adaptive_median(image: np.ndarray, sigma: float, *, largest_window_px: int = LARGEST_WINDOW_PX) -> np.ndarray:  # noqa: ARG001
    """The adaptive median filter, for salt and pepper, each colour by itself as it was published; σ has no effect."""
    return by_channel(lambda channel: adaptive_median_image(channel, largest_window_px), image.astype(np.float32))


def installed_baseline(name: str) -> Baseline:
    """Return the baseline of this name.

    Raises:
        ConfigError: The name is unknown, or its package is not installed.
    """
    found: Baseline = BASELINES.get(name)
    found.require_installed()
    return found


def licence_notices(names: Iterable[str]) -> tuple[str, ...]:
    """Return licence notices that a command using these baselines must print once."""
    return tuple(dict.fromkeys(notice for name in names if (notice := BASELINES.get(name).licence_notice)))
