"""Blurred labels ``y_b`` (Lin et al. 2019, arXiv 1912.01158, Eq. 1: ``y_b = x − n_b``).

A label must be free of noise; sharpness does not matter: the paper uses a mean filter of 17 pixels on CT and found
little difference between filters that remove all noise (Table 3).

Every function takes ``[..., rows, cols]``, blurs each slice by itself and leaves its input alone.
Beyond the border the image is mirrored and the border pixel repeated (``d c b a | a b c d``): a
symmetric kernel then keeps the mean of the slice exactly. Floating point keeps its type, integers
become float32.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field
from scipy import ndimage

from n2b_ct.config.section import Section
from n2b_ct.errors import ConfigError, DataError, explain
from n2b_ct.registry import LABEL_FILTERS, blamed, is_subclass

_ROWS_AND_COLS = (-2, -1)
_N_BYTES, _MOST_BINS = 256, 1024
"""Values of a byte, and of the largest histogram that scikit-image slides without loss of speed."""
_MOST_KERNEL_PX, _MOST_SIGMA_PX = 255, 64.0  # time and memory of some filters grow with them


class LabelFilter(Section):
    """A filter that makes blurred labels; a pipeline names it, and its fields are its keys there."""

    licence_notice: ClassVar[str] = ""
    """Licence notices that a command using it must print once."""

    filter: str
    """As it is registered."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the blurred label of ``[..., rows, cols]``, network units, same shape."""
        raise NotImplementedError

    def label(self, image: np.ndarray) -> np.ndarray:
        """Return what :meth:`apply` makes of ``[..., rows, cols]``, once it is a label.

        Raises:
            DataError: The filter raised something, or returned another shape, NaN or infinity.
        """
        subject = f"{LABEL_FILTERS.kind} {self.filter}"
        requirement = f"must return numbers of shape {list(image.shape)}"
        with blamed(subject, requirement):
            label = np.asarray(self.apply(image))
            is_finite = bool(np.isfinite(label).all())
        if label.shape != image.shape or not is_finite:
            got = "NaN or infinity" if not is_finite else f"shape {list(label.shape)}"
            raise DataError(explain(subject, requirement, got, "repair the filter, or choose another"))
        return label

    def require_installed(self) -> None:
        """Check that the packages it needs are installed.

        Raises:
            ConfigError: Says which, and how to install it.
        """


LABEL_FILTERS.expect("must be a class derived from LabelFilter", lambda member: is_subclass(member, LabelFilter))


def _odd(value: int) -> int:
    if value % 2 == 0:
        msg = "must be odd, so that the box has a centre"
        raise ValueError(msg)
    return value


_OddPx = Annotated[int, AfterValidator(_odd)]


@LABEL_FILTERS.register("mean")
class MeanBlur(LabelFilter):
    """A box mean: the paper's filter for CT."""

    filter: Literal["mean"] = "mean"
    kernel_px: _OddPx = Field(17, ge=3, le=_MOST_KERNEL_PX)
    """Side of the box, odd."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the mean around every pixel; as :meth:`LabelFilter.apply`."""
        return mean_blur(image, self.kernel_px)


@LABEL_FILTERS.register("gaussian")
class GaussianBlur(LabelFilter):
    """A Gaussian."""

    filter: Literal["gaussian"] = "gaussian"
    sigma_px: float = Field(5.0, gt=0, le=_MOST_SIGMA_PX)
    """Standard deviation; 5 px is what a kernel size of 31, the paper's, stands for in OpenCV."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the Gaussian-weighted mean; as :meth:`LabelFilter.apply`."""
        return gaussian_blur(image, self.sigma_px)


@LABEL_FILTERS.register("median")
class MedianBlur(LabelFilter):
    """A square median."""

    filter: Literal["median"] = "median"
    kernel_px: _OddPx = Field(17, ge=3, le=99)
    """Side of the square, odd."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the median around every pixel; as :meth:`LabelFilter.apply`."""
        return median_blur(image, self.kernel_px)


@LABEL_FILTERS.register("bilateral")
class BilateralBlur(LabelFilter):
    """A bilateral filter: keeps edges, so the label keeps structure."""

    filter: Literal["bilateral"] = "bilateral"
    sigma_color: float = Field(0.5, gt=0)
    """Range standard deviation in network units (1 is the whole window)."""
    sigma_spatial_px: float = Field(5.0, gt=0, le=_MOST_SIGMA_PX)
    """Spatial standard deviation."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the mean of neighbours that look alike; as :meth:`LabelFilter.apply`."""
        return bilateral_blur(image, self.sigma_color, self.sigma_spatial_px)


def mean_blur(image: np.ndarray, kernel_px: int = 17) -> np.ndarray:
    """Replace every pixel by the mean of the square around it.

    Args:
        image: ``[..., rows, cols]``.
        kernel_px: Side of the square, odd.

    Returns:
        Same shape; the mean of every slice is kept.

    Raises:
        ConfigError: ``kernel_px`` is even or below 1.
    """
    _require_odd(kernel_px)
    blurred: np.ndarray = ndimage.uniform_filter(_as_floating(image), kernel_px, mode="reflect", axes=_ROWS_AND_COLS)
    return blurred


def gaussian_blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Convolve with a Gaussian, cut off at four standard deviations.

    Args:
        image: ``[..., rows, cols]``.
        sigma_px: Standard deviation in pixels, above 0.

    Returns:
        Same shape; the mean of every slice is kept.

    Raises:
        ConfigError: ``sigma_px`` is not above 0.
    """
    _require_positive("sigma_px", sigma_px)
    blurred: np.ndarray = ndimage.gaussian_filter(
        _as_floating(image), sigma_px, mode="reflect", truncate=4.0, axes=_ROWS_AND_COLS
    )
    return blurred


def median_blur(image: np.ndarray, kernel_px: int) -> np.ndarray:
    """Replace every pixel by the median of the square around it: the label for salt and pepper.

    Images of at most 1,024 different values, as those of an 8-bit file with coloured text, take a sliding histogram,
    with the same result: at 35 pixels in a fortieth of the time.

    Args:
        image: ``[..., rows, cols]``.
        kernel_px: Side of the square, odd.

    Returns:
        Same shape, only values that occur in ``image``.

    Raises:
        ConfigError: ``kernel_px`` is even or below 1.
    """
    _require_odd(kernel_px)
    floating = _as_floating(image)
    values, ranks = np.unique(floating, return_inverse=True)
    if 0 < len(values) <= _MOST_BINS:
        words = ranks.reshape(floating.shape).astype(np.uint8 if len(values) <= _N_BYTES else np.uint16)
        few: np.ndarray = values[_histogram_median(words, kernel_px)]
        return few
    blurred: np.ndarray = ndimage.median_filter(floating, kernel_px, mode="reflect", axes=_ROWS_AND_COLS)
    return blurred


def bilateral_blur(image: np.ndarray, sigma_color: float, sigma_spatial_px: float) -> np.ndarray:
    """Average neighbours that look alike (Tomasi & Manduchi 1998); edges stay.

    Written out here because the one of scikit-image 0.26 reads its table of spatial weights with the
    wrong row length, so that its kernel is skewed.

    Args:
        image: ``[..., rows, cols]``.
        sigma_color: Standard deviation of likeness, in the units of ``image``. Well above the noise,
            or the noise stays in the label.
        sigma_spatial_px: Standard deviation of distance, cut off at three.

    Returns:
        Same shape.

    Raises:
        ConfigError: A sigma is not above 0.
    """
    _require_positive("sigma_color", sigma_color)
    _require_positive("sigma_spatial_px", sigma_spatial_px)
    floating = _as_floating(image)
    reach_px = math.ceil(3 * sigma_spatial_px)
    total_change, total_weight = np.zeros_like(floating), np.zeros_like(floating)
    least = float(np.finfo(floating.dtype).tiny)
    for distance_px, neighbour in _neighbours(floating, reach_px):
        change = neighbour - floating
        with np.errstate(over="ignore"):  # far from alike: a weight of 0
            unlikeness = (change / max(sigma_color, least)) ** 2
        weight = np.exp(-((distance_px / sigma_spatial_px) ** 2 + unlikeness) / 2)
        total_change += weight * change
        total_weight += weight
    blurred: np.ndarray = floating + total_change / total_weight
    return blurred


def _neighbours(image: np.ndarray, reach_px: int) -> Iterator[tuple[float, np.ndarray]]:
    """Yield every shift of ``image`` within a square, with its distance in pixels."""
    rows, cols = image.shape[-2:]
    border = [(0, 0)] * (image.ndim - 2) + [(reach_px, reach_px)] * 2
    mirrored = np.pad(image, border, mode="symmetric")
    for row, col in itertools.product(range(2 * reach_px + 1), repeat=2):
        distance_px = math.hypot(row - reach_px, col - reach_px)
        yield distance_px, mirrored[..., row : row + rows, col : col + cols]


def _histogram_median(words: np.ndarray, kernel_px: int) -> np.ndarray:
    """Return the median of whole numbers ``[..., rows, cols]``, mirrored at the border as elsewhere."""
    from skimage.filters import rank

    square, reach_px = np.ones((kernel_px, kernel_px), np.uint8), kernel_px // 2
    inside = (slice(reach_px, -reach_px or None),) * 2
    slices = words.reshape(-1, *words.shape[-2:])
    medians = [rank.median(np.pad(one, reach_px, mode="symmetric"), square)[inside] for one in slices]
    return np.stack(medians).reshape(words.shape)


def _as_floating(image: np.ndarray) -> np.ndarray:
    return image if np.issubdtype(image.dtype, np.floating) else image.astype(np.float32)


def _require_odd(kernel_px: int) -> None:
    if kernel_px < 1 or kernel_px % 2 == 0:
        raise ConfigError(explain("kernel_px", "must be odd and at least 1", kernel_px, "use 17 as the paper does"))


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(explain(name, "must be above 0", value, "raise it"))
