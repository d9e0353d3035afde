"""A trained model of CT for arrays: HU in, HU out, in the type that was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from n2b_ct.data.arrays import hu_values, plain_array
from n2b_ct.errors import DataError, ModelError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import device_of, noise_hu, required_strength
from n2b_ct.inference.strength import (
    MIN_REGIONS,
    NoiseGoal,
    Strength,
    choose_strength,
    given_share,
    measure_regions,
    measured_indices,
    required_goal,
)

HU = TypeVar("HU", np.ndarray, Tensor)
_Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Denoiser:
    """Denoise slices of CT held in NumPy arrays or torch tensors; :func:`n2b_ct.load` makes one.

    Takes HU as ``[rows, cols]`` or ``[slices, rows, cols]`` and returns the same container, shape, dtype and device;
    the input is never changed. Every slice is denoised by itself, as ``n2b-ct denoise`` does it.

    Any floating-point dtype is accepted; the network computes in float32. Signed integers of 16 bits and more come back
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
        """Default share of the predicted noise that is removed, 0 to 1."""
        return self.model.denoising.strength

    @property
    def device(self) -> torch.device:
        """Its device."""
        return device_of(self.model)

    def denoise(
        self,
        hu: HU,
        *,
        strength: Strength | None = None,
        reduce: float | None = None,
        target_noise_hu: float | None = None,
        is_padding: HU | None = None,
    ) -> HU:
        """Return ``hu − strength · noise``.

        Args:
            hu: HU, ``[rows, cols]`` or ``[slices, rows, cols]``.
            strength: 0 returns the input, 1 removes all noise found; ``auto``: what leaves the least noise in flat soft
                tissue; None: the model's own.
            reduce: Share by which σ in flat soft tissue is reduced instead, 0 to 1; one strength for all slices.
            target_noise_hu: σ in flat soft tissue that is to be left instead, HU.
            is_padding: True where the scanner padded, bool of the same shape; such pixels never change.

        Returns:
            Denoised HU; container, shape, dtype and device are those of ``hu``.

        Raises:
            DataError: ``hu`` is no such array, is empty, or holds NaN, infinity or what no HU can be; or its noise is
                to be measured and it has too little flat soft tissue.
            ConfigError: The strength or the share is not from 0 to 1, or more than one of the three is given.
            ModelError: The network returns NaN or infinity.
        """
        goal = required_goal(strength, reduce, target_noise_hu)
        share = np.float32(
            required_strength(given_share(strength), self.model) if goal is None else self._share(hu, is_padding, goal)
        )
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

    def _share(self, hu: HU, is_padding: HU | None, goal: NoiseGoal) -> float:
        """Return the strength that reaches a goal in these slices."""
        values, padded = _checked(hu, is_padding)
        slices, paddings = (one.reshape(-1, *values.shape[-2:]) for one in (values, padded))
        chosen = ((slices[k].astype(np.float32), paddings[k]) for k in measured_indices(len(slices)))
        used = choose_strength(measure_regions(self.model, chosen), goal, self.strength)
        if used.problem == "noise_unmeasured":
            got, remedy = f"{used.n_regions}", "give strength=… instead"
            raise DataError(explain("hu", f"needs {MIN_REGIONS} flat regions of soft tissue to measure", got, remedy))
        return used.share

    def _of_each_slice(self, hu: HU, is_padding: HU | None, combine: _Combine) -> HU:
        """Apply ``combine`` to every slice and its noise; return a container like ``hu``."""
        values, padded = _checked(hu, is_padding)
        found = np.empty(values.shape, values.dtype)
        slices = zip(*(one.reshape(-1, *values.shape[-2:]) for one in (values, padded, found)), strict=True)
        for one, one_padded, place in slices:
            noise = noise_hu(self.model, one.astype(np.float32), one_padded)
            if not np.isfinite(noise).all():
                remedy = "train it again, or pass another"
                raise ModelError(explain(f"model {self.name}", "must find finite noise", "NaN or infinity", remedy))
            place[:] = _as_type(combine(one, noise), place.dtype)
        return _like(hu, found)


def _checked(hu: np.ndarray | Tensor, is_padding: np.ndarray | Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Return plain values and padding of one shape."""
    values = hu_values(hu, "hu")
    return values, np.zeros(values.shape, dtype=bool) if is_padding is None else _mask_of(is_padding, values.shape)


def _mask_of(is_padding: np.ndarray | Tensor, shape: tuple[int, ...]) -> np.ndarray:
    mask = plain_array(is_padding, "is_padding")
    if mask.dtype != bool or mask.shape != shape:
        got = f"{mask.dtype} of shape {list(mask.shape)}"
        raise DataError(explain("is_padding", f"must be bool of shape {list(shape)}", got, "mark every pixel"))
    return mask


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
