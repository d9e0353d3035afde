"""Batches of noise-free anatomy with inserted noise, drawn anew for every patch.

::

    x = floor(rint(A ∗ (c·anatomy + shift) + s·(N ∗ field)))        y = floor(A ∗ (c·anatomy + shift))

``A`` and ``N`` are one kernel's responses for anatomy and for noise (:mod:`n2b_ct.simulation.kernel_responses`),
``field`` is noise reconstructed with the bare ramp (:mod:`n2b_ct.simulation.noise_fields`), ``s`` its strength and
``floor`` the lowest HU that a scanner stores. Both are cut with a margin, filtered by one transform, and the margin is
cut off. Half of the time the field is that of the same slice at the same place, so that noise follows the body; else it
is any other's at any place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from n2b_ct.data.patches import Batches
from n2b_ct.hu import AIR_HU, SCANNER_FLOOR_HU, Window
from n2b_ct.simulation.kernel_responses import (
    BLURS_PX,
    Filters,
    KernelResponse,
    draw_noise_floor,
    draw_response,
    filters,
    log_uniform,
)

MARGIN_PX = 16
"""Cut off after the filters: their reach."""
HIGHEST_HU = 3071.0
"""What scanners store."""

_PAIRED_PROBABILITY = 0.5
_BODY_PROBABILITY = 0.97
_SHARP_FACTOR = 2.2
_CONTRAST_PROBABILITY, _CONTRASTS, _SHIFT_HU = 0.4, (0.4, 1.4), 50.0
_SOFT_HU = (-300.0, 500.0)
_FLOORS_HU, _FLOOR_SHARES = (SCANNER_FLOOR_HU, AIR_HU, -np.inf), (0.65, 0.15, 0.2)
_ROUNDED_PROBABILITY = 0.85


@dataclass(frozen=True, slots=True)
class Images:
    """Slices of one kind, stored as whole numbers.

    Attributes:
        planes: Of each slice, ``[n, rows, cols]``: one plane of anatomy, or several noise fields.
        unit: What 1 stands for: HU, or standard deviations of a field in the body.
        cells: Of each slice, upper left corners of squares that hold some of the body, ``[n, 2]``.
        cell_px: Side of those squares.
        stds_hu: Of each slice, the standard deviation of each field in the body, HU; none for anatomy.
    """

    planes: Sequence[np.ndarray]
    unit: float
    cells: Sequence[np.ndarray]
    cell_px: int
    stds_hu: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, slots=True)
class NoiseDraw:
    """Kernel and strength of one patch's noise.

    Attributes:
        response: The kernel.
        std_hu: Standard deviation in the body behind the kernel, HU; None: the field as it is.
        factor: Times this.
    """

    response: KernelResponse
    std_hu: float | None
    factor: float = 1.0

    def strength(self, own_std_hu: float, gain: float) -> float:
        """What a field of unit standard deviation is multiplied by, before the kernel.

        Args:
            own_std_hu: The field's own, HU.
            gain: Of the kernel.
        """
        wanted = own_std_hu if self.std_hu is None else self.std_hu / max(gain, 1e-12) ** 0.5
        return self.factor * wanted


class NoisePrior(Protocol):
    """Draws kernels and strengths."""

    def draw(self, rng: np.random.Generator) -> NoiseDraw:
        """Draw those of one patch."""


@dataclass(frozen=True, slots=True)
class AnyNoise:
    """Any kernel at any dose.

    Attributes:
        range_hu: Lowest and highest noise in the body; sharp kernels reach twice as far, as they do in the lung.
    """

    range_hu: tuple[float, float]

    def draw(self, rng: np.random.Generator) -> NoiseDraw:
        """Draw a kernel, and a strength whose logarithm is uniform."""
        response = draw_response(rng)
        lowest, highest = self.range_hu
        return NoiseDraw(response, log_uniform(rng, lowest, highest * (_SHARP_FACTOR if response.is_sharp else 1.0)))


@dataclass(frozen=True, slots=True)
class OneKernel:
    """One kernel at about the strength that the fields have: the noise of one series.

    Attributes:
        response: The kernel.
        factors: Lowest and highest factor of the strength.
    """

    response: KernelResponse
    factors: tuple[float, float] = (0.8, 1.25)

    def draw(self, rng: np.random.Generator) -> NoiseDraw:
        """Draw a factor, and what a texture does not tell: the anatomy's blur, low frequencies beyond the ramp's."""
        blur_px, floor = float(rng.uniform(*BLURS_PX)), draw_noise_floor(rng)
        response = replace(self.response, blur_px=blur_px, noise_floor_per_px=floor)
        return NoiseDraw(response, None, log_uniform(rng, *self.factors))


@dataclass(frozen=True, slots=True)
class _Crop:
    """A square of one plane, and one of its eight flips and turns."""

    slice_index: int
    plane: int
    row_px: int
    col_px: int
    flipped: bool
    quarter_turns: int

    def cut(self, images: Images, size_px: int) -> np.ndarray:
        """Cut it, float32 ``[size, size]``."""
        plane = images.planes[self.slice_index][self.plane]
        region = plane[self.row_px : self.row_px + size_px, self.col_px : self.col_px + size_px]
        region = np.rot90(region[::-1] if self.flipped else region, self.quarter_turns)
        return region * np.float32(images.unit)


@dataclass(frozen=True, slots=True)
class _Patch:
    """What is drawn for one patch."""

    anatomy: _Crop
    field: _Crop
    noise: NoiseDraw
    contrast: float
    shift_hu: float
    floor_hu: float
    is_rounded: bool


class InsertedNoiseBatches(Batches):
    """Batch ``k`` is a function of the seed and ``k``: ``noisy`` and its truth ``reference``.

    Args:
        anatomy: Noise-free slices, one plane each.
        fields: Noise fields; if they are the same slices', noise can lie where it belongs.
        prior: Draws kernels and strengths.
        window: What the network sees.
        patch_px: Side of the patches.
        batch_size: Patches in a batch.
        n_batches: How many batches there are.
        seed: All draws follow from it.
        is_paired: Field ``k`` belongs to slice ``k``.
        device: Where the batches are filtered.
        share: Which patches of every batch are made, where others make the rest; all are drawn.
    """

    def __init__(
        self,
        anatomy: Images,
        fields: Images,
        prior: NoisePrior,
        window: Window,
        *,
        patch_px: int,
        batch_size: int,
        n_batches: int,
        seed: int,
        is_paired: bool = True,
        device: torch.device | str = "cpu",
        share: slice = slice(None),
    ) -> None:
        self.device = torch.device(device)
        self._anatomy, self._fields, self._prior, self._window = anatomy, fields, prior, window
        self._patch_px, self._batch_size, self._n_batches, self._seed = patch_px, batch_size, n_batches, seed
        self._is_paired, self._share = is_paired, share

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        patches = self._drawn_batch(index)[self._share]
        noisy, truth = self._made(patches)
        indices = [patch.anatomy.slice_index for patch in patches]
        return {"noisy": noisy[:, None], "reference": truth[:, None], "index": torch.tensor(indices)}

    @property
    def _size_px(self) -> int:
        return self._patch_px + 2 * MARGIN_PX

    def _drawn_batch(self, index: int) -> list[_Patch]:
        rng = np.random.default_rng([self._seed, index])
        return [self._drawn(rng) for _ in range(self._batch_size)]

    def _drawn(self, rng: np.random.Generator) -> _Patch:
        anatomy = self._crop(self._anatomy, int(rng.integers(len(self._anatomy.planes))), rng)
        if self._is_paired and rng.random() < _PAIRED_PROBABILITY:
            field = replace(anatomy, plane=int(rng.integers(len(self._fields.planes[anatomy.slice_index]))))
        else:
            field = self._crop(self._fields, int(rng.integers(len(self._fields.planes))), rng)
        has_contrast = rng.random() < _CONTRAST_PROBABILITY
        return _Patch(
            anatomy,
            field,
            self._prior.draw(rng),
            contrast=log_uniform(rng, *_CONTRASTS) if has_contrast else 1.0,
            shift_hu=float(rng.uniform(-_SHIFT_HU, _SHIFT_HU)) if has_contrast else 0.0,
            floor_hu=float(rng.choice(_FLOORS_HU, p=_FLOOR_SHARES)),
            is_rounded=bool(rng.random() < _ROUNDED_PROBABILITY),
        )

    def _crop(self, images: Images, index: int, rng: np.random.Generator) -> _Crop:
        """Draw a plane and a place of a slice, mostly in the body."""
        n_planes, rows, cols = images.planes[index].shape
        cells = images.cells[index]
        if len(cells) and rng.random() < _BODY_PROBABILITY:
            row, col = cells[rng.integers(len(cells))] + rng.integers(images.cell_px, size=2)
        else:
            row, col = rng.integers(rows), rng.integers(cols)
        half, size = self._size_px // 2, self._size_px
        corner = int(np.clip(row - half, 0, rows - size)), int(np.clip(col - half, 0, cols - size))
        return _Crop(index, int(rng.integers(n_planes)), *corner, bool(rng.integers(2)), int(rng.integers(4)))

    def _made(self, patches: Sequence[_Patch]) -> tuple[Tensor, Tensor]:
        """Cut, filter and add what was drawn: noisy patches and their truth, network units ``[n, rows, cols]``."""
        anatomy = np.stack([_adjusted(one, one.anatomy.cut(self._anatomy, self._size_px)) for one in patches])
        fields = np.stack([one.field.cut(self._fields, self._size_px) for one in patches])
        kernels = filters([one.noise.response for one in patches], self._size_px)
        own = [self._fields.stds_hu[one.field.slice_index][one.field.plane] for one in patches]
        strengths = [
            one.noise.strength(std, float(gain))
            for one, std, gain in zip(patches, own, kernels.noise_gain, strict=True)
        ]
        fields *= np.array(strengths, np.float32)[:, None, None]
        inner = slice(MARGIN_PX, MARGIN_PX + self._patch_px)
        truth, noise = (images[:, inner, inner] for images in through_kernels(anatomy, fields, kernels, self.device))
        storage = [Storage(one.floor_hu, one.is_rounded) for one in patches]
        return stored(truth, noise, storage, self._window)


def through_kernels(
    anatomy: np.ndarray, fields: np.ndarray, kernels: Filters, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Show anatomy and noise as kernels do; the images' edges wrap around.

    Args:
        anatomy: Noise-free HU, float32 ``[n, size, size]``.
        fields: Noise of the bare ramp, HU, the same shape.
        kernels: One for each.
        device: Where it is done.

    Returns:
        Both, on the device.
    """
    both = torch.from_numpy(np.concatenate([anatomy, fields])).to(device)
    response = torch.from_numpy(np.concatenate([kernels.anatomy, kernels.noise])).to(device)
    shown = torch.fft.irfft2(torch.fft.rfft2(both) * response, s=both.shape[-2:])
    return shown[: len(anatomy)], shown[len(anatomy) :]


@dataclass(frozen=True, slots=True)
class Storage:
    """How a scanner stores an image.

    Attributes:
        floor_hu: Lower HU become this; minus infinity: none.
        is_rounded: HU are whole numbers.
    """

    floor_hu: float
    is_rounded: bool


def stored(truth: Tensor, noise: Tensor, storage: Sequence[Storage], window: Window) -> tuple[Tensor, Tensor]:
    """Add noise and store the sum.

    Args:
        truth: HU, ``[n, rows, cols]``.
        noise: HU, the same shape.
        storage: One for each.
        window: What the network sees.

    Returns:
        The noisy images and their truth, which is clipped as they are, in network units.
    """
    floor = torch.tensor([one.floor_hu for one in storage], device=truth.device)[:, None, None]
    is_rounded = torch.tensor([one.is_rounded for one in storage], device=truth.device)[:, None, None]
    noisy = truth + noise
    noisy = torch.where(is_rounded, noisy.round(), noisy)
    noisy, truth = (images.maximum(floor).clamp(max=HIGHEST_HU) for images in (noisy, truth))
    scaled = ((images - window.lower_hu) / window.width_hu for images in (noisy, truth))
    noisy, truth = (images.clamp(0.0, 1.0) for images in scaled)
    return noisy, truth


def _adjusted(patch: _Patch, anatomy_hu: np.ndarray) -> np.ndarray:
    """Change contrast and mean of soft tissue now and then, so that weaker contrasts than the phantoms' occur."""
    lowest, highest = _SOFT_HU
    if patch.contrast == 1.0 or anatomy_hu.min() < lowest or anatomy_hu.max() > highest:
        return anatomy_hu
    mean = anatomy_hu.mean()
    return np.asarray(mean + np.float32(patch.contrast) * (anatomy_hu - mean) + np.float32(patch.shift_hu))
