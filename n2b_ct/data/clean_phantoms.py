"""Noise-free slices of digital patients as the clean images of a training: ``data.clean: phantom``.

They are shown by the kernels of the noisy series, as far as the noise of their flat regions tells
(:mod:`n2b_ct.simulation.calibration`); where it does not, by kernels of the prior. So clean slices are as sharp as the
noisy ones, and the denoiser learns neither to sharpen nor to blur.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from n2b_ct.config.phantom_data import CleanPhantomSection
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.io.progress import Progress
from n2b_ct.phantom.training_slices import (
    HU_UNIT,
    REGIONS,
    SliceSettings,
    StoredSlice,
    make_slices,
    region_problems,
    slices_folder,
)
from n2b_ct.simulation.calibration import MOST_MISFIT, calibrate
from n2b_ct.simulation.calibration_regions import measure_regions
from n2b_ct.simulation.kernel_responses import BLURS_PX, KernelResponse, draw_response, filters
from n2b_ct.simulation.projection import ParallelBeam

MOST_SLICES = 6
"""Of each noisy series so many tell its kernel."""

_PIXEL_MM, _SLICE_MM = 0.75, 3.0  # they weigh rays against each other; a texture in pixels hardly depends on them
_N_DIGITS = 3
_KERNEL_STREAM = 3


@dataclass(frozen=True, slots=True)
class CleanPhantoms:
    """Noise-free slices, made when they are read.

    Attributes:
        section: How many, and of whom.
        noisy: The noisy slices, whose kernels show them.
    """

    section: CleanPhantomSection
    noisy: tuple[RoleSlice, ...]

    @property
    def sizes_px(self) -> list[tuple[int, int]]:
        """Rows and columns of each."""
        return [(self.section.size_px, self.section.size_px)] * self.section.n_slices

    def problems(self, patch_px: int) -> list[str]:
        """Return a line for unknown parts of the body, and for slices smaller than the patch."""
        problems = region_problems("data.clean.regions", self.section.regions or ())
        if self.section.size_px < patch_px:
            requirement = f"must be at least training.patch_px, {patch_px}"
            problems.append(explain("data.clean.size_px", requirement, self.section.size_px, "raise it"))
        return problems

    def slices_hu(self, progress: Progress | None = None) -> Iterator[tuple[np.ndarray, str]]:
        """Yield them one by one, HU, float32 ``[rows, cols]``, with their digests.

        Raises:
            DataError, OutputError: They cannot be made or read, or a noisy slice cannot be read.
        """
        for slice_, response in self._shown(progress):
            sharp = slice_.pixels()[0] * np.float32(HU_UNIT)
            factor = filters([response], len(sharp)).anatomy[0]
            shown = np.fft.irfft2(np.fft.rfft2(sharp) * factor, s=sharp.shape)
            yield shown.astype(np.float32), _digest(slice_, response)

    def digests(self, progress: Progress | None = None) -> list[str]:
        """Return a digest of each slice and its kernel.

        Raises:
            DataError, OutputError: As :meth:`slices_hu`.
        """
        return [_digest(slice_, response) for slice_, response in self._shown(progress)]

    def _shown(self, progress: Progress | None) -> Iterator[tuple[StoredSlice, KernelResponse]]:
        """Give each slice its kernel: those of the series take turns, each with a blur that is drawn."""
        section, found = self.section, kernels(self.noisy)
        settings = SliceSettings(section.seed, section.size_px, n_noise_fields=0)
        folder = slices_folder(section.root, settings)
        slices = make_slices(
            folder,
            settings,
            "train",
            section.n_slices,
            regions=section.regions or REGIONS,
            n_workers=section.n_workers,
            progress=progress,
        )
        for number, slice_ in enumerate(slices):
            rng = np.random.default_rng([section.seed, _KERNEL_STREAM, number])
            known = found[number % len(found)] if found else None
            blur_px = round(float(rng.uniform(*BLURS_PX)), _N_DIGITS)
            yield slice_, draw_response(rng) if known is None else replace(known, blur_px=blur_px)


def _digest(slice_: StoredSlice, response: KernelResponse) -> str:
    return hashlib.sha256(f"{slice_.facts['digest']}{response}".encode()).hexdigest()[:16]


def kernels(noisy: Sequence[RoleSlice]) -> list[KernelResponse | None]:
    """Measure the kernel of each series; None where its noise does not tell.

    Raises:
        DataError, SeriesError: A slice cannot be read.
    """
    by_series = [list(of_one) for _, of_one in groupby(noisy, key=lambda one: one.series.name)]
    return [_kernel(_spread(of_one)) for of_one in by_series]


def _spread(slices: Sequence[RoleSlice]) -> Sequence[RoleSlice]:
    """Take a few from everywhere in a series."""
    places = np.linspace(0, len(slices) - 1, min(MOST_SLICES, len(slices)))
    return [slices[int(place)] for place in places]


def _kernel(slices: Sequence[RoleSlice]) -> KernelResponse | None:
    hu = slices[0].series.read_hu([one.index for one in slices])
    beam = ParallelBeam.for_image(max(hu.shape[1:]), _PIXEL_MM)
    try:
        found = calibrate([measure_regions(one, _PIXEL_MM) for one in hu], beam, _SLICE_MM)
    except DataError:  # too few flat regions, or no noise in them
        return None
    if found.misfit > MOST_MISFIT:
        return None
    return KernelResponse(round(found.texture.cutoff_per_px, _N_DIGITS), round(found.texture.exponent, _N_DIGITS))
