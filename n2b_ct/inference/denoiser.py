"""A trained model of CT for arrays: HU in, HU out, in the type that was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from n2b_ct.errors import DataError, explain
from n2b_ct.hu import LARGEST_HU
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import device_of, noise_hu, required_strength

HU = TypeVar("HU", np.ndarray, Tensor)
_Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]
_NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)
_FORMS = {2: "[rows, cols]", 3: "[slices, rows, cols]"}


class Denoiser:
    """Denoise slices of CT held in NumPy arrays or torch tensors; :func:`n2b_ct.load` makes one.

    Takes HU as ``[rows, cols]`` or ``[slices, rows, cols]`` and returns the same container, shape, dtype and device;
    the input is never changed. Every slice is denoised by itself, as ``n2b-ct denoise`` does it.

    Any floating-point dtype will do; the network computes in float32. Signed integers of 16 bits and more come back
    rounded to the nearest integer. Unsigned integers are refused: HU are negative in air, so that such values are most
    likely a file's stored words. Of tensors no gradient is kept.

    Args:
        model: The loaded model.

    Attributes:
        model: The same.

    Examples:
        >>> import numpy as np
        >>> import n2b_ct as n2b
        >>> denoiser = n2b.load("runs/abdomen")
        >>> hu = np.random.default_rng(0).normal(40.0, 30.0, (2, 64, 64)).astype(np.int16)
        >>> denoised = denoiser.denoise(hu)
        >>> denoised.shape, denoised.dtype
        ((2, 64, 64), dtype('int16'))
        >>> bool(np.array_equal(denoiser.denoise(hu, strength=0), hu))
        True
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def name(self) -> str:
        """The pipeline that trained it."""
        return self.model.name

    @property
    def window_hu(self) -> tuple[float, float]:
        """Lower and upper HU of its window; pixels outside it never change."""
        return self.model.window.lower_hu, self.model.window.upper_hu

    @property
    def strength(self) -> float:
        """Share of the noise found that is removed where nobody says otherwise, 0 to 1."""
        return self.model.denoising.strength

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return device_of(self.model)

    def denoise(self, hu: HU, *, strength: float | None = None, is_padding: HU | None = None) -> HU:
        """Return ``hu − strength · noise``.

        Args:
            hu: HU, ``[rows, cols]`` or ``[slices, rows, cols]``.
            strength: 0 returns the input, 1 removes all noise found; None: the model's own.
            is_padding: True where the scanner padded, bool of the same shape; such pixels never change.

        Returns:
            Denoised HU; container, shape, dtype and device are those of ``hu``.

        Raises:
            DataError: ``hu`` is no such array, is empty, or holds NaN, infinity or what no HU can be.
            ConfigError: The strength is not from 0 to 1.
        """
        share = np.float32(required_strength(strength, self.model))
        return self._of_each_slice(hu, is_padding, lambda one, noise: one - share * noise)

    def noise(self, hu: HU, *, is_padding: HU | None = None) -> HU:
        """Return the noise found, HU; what :meth:`denoise` removes at strength 1.

        Args:
            hu: HU, ``[rows, cols]`` or ``[slices, rows, cols]``.
            is_padding: True where the scanner padded, bool of the same shape.

        Returns:
            Noise in HU, exactly 0 outside the window and where padded; container, shape, dtype and device are those
            of ``hu``.

        Raises:
            DataError: As :meth:`denoise`.
        """
        return self._of_each_slice(hu, is_padding, lambda _, noise: noise)

    def __repr__(self) -> str:
        return (
            f"Denoiser({self.name!r}, method={self.model.method!r}, window={self.model.window}, device={self.device})"
        )

    def _of_each_slice(self, hu: HU, is_padding: HU | None, combine: _Combine) -> HU:
        """Put what ``combine`` makes of every slice and its noise into a container like ``hu``."""
        values = _values_of(hu)
        padded = np.zeros(values.shape, dtype=bool) if is_padding is None else _mask_of(is_padding, values.shape)
        found = np.empty(values.shape, values.dtype)
        slices = zip(*(one.reshape(-1, *values.shape[-2:]) for one in (values, padded, found)), strict=True)
        for one, one_padded, place in slices:
            noise = noise_hu(self.model, one.astype(np.float32), one_padded)
            place[:] = _as_type(combine(one, noise), place.dtype)
        return _like(hu, found)


def _values_of(hu: np.ndarray | Tensor) -> np.ndarray:
    """Look at HU as a NumPy array, or refuse them.

    Raises:
        DataError: In one line.
    """
    values = _as_array(hu, "hu")
    if values.ndim not in _FORMS or not values.size:
        got = f"shape {list(values.shape)}"
        remedy = "pass a slice or a volume" if values.size else "pass at least one pixel"
        raise DataError(explain("hu", f"must be {' or '.join(_FORMS.values())}", got, remedy))
    kind = values.dtype
    if kind.kind not in "fi" or (kind.kind == "i" and kind.itemsize < 2):
        remedy = "convert stored words to HU first" if kind.kind == "u" else "convert them"
        raise DataError(explain("hu", "must be floats or signed integers of 16 bits or more", kind, remedy))
    if n_broken := values.size - int(np.count_nonzero(np.isfinite(values))):
        raise DataError(explain("hu", "must be finite", f"{n_broken} NaN or infinite values", "replace them by air"))
    if (largest := max(abs(float(values.max())), abs(float(values.min())))) > LARGEST_HU:
        raise DataError(explain("hu", f"must lie within ±{LARGEST_HU:g}", f"{largest:g}", "convert values to HU first"))
    return values


def _mask_of(is_padding: np.ndarray | Tensor, shape: tuple[int, ...]) -> np.ndarray:
    mask = _as_array(is_padding, "is_padding")
    if mask.dtype != bool or mask.shape != shape:
        got = f"{mask.dtype} of shape {list(mask.shape)}"
        raise DataError(explain("is_padding", f"must be bool of shape {list(shape)}", got, "mark every pixel"))
    return mask


def _as_array(given: object, name: str) -> np.ndarray:
    if isinstance(given, Tensor) and given.layout == torch.strided and not given.is_complex():
        dense = given.detach().cpu().as_subclass(Tensor)
        return (dense if given.dtype in _NUMPY_FLOATS or not given.is_floating_point() else dense.float()).numpy()
    if isinstance(given, np.ndarray) and not isinstance(given, np.ma.MaskedArray):
        return np.asarray(given)
    kind = f"{given.dtype} {given.layout}" if isinstance(given, Tensor) else type(given).__name__
    raise DataError(explain(name, "must be a NumPy array or a dense, real torch tensor", kind, "convert it"))


def _as_type(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Convert; to integers by rounding to the nearest, within their range."""
    if dtype.kind != "i":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)


def _like(hu: HU, found: np.ndarray) -> HU:
    """Return the values in a container as ``hu``'s; subclasses of tensors keep what they carry."""
    if isinstance(hu, Tensor):
        return hu.detach().clone().copy_(torch.from_numpy(found))
    return found
