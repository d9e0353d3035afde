"""Parallel-beam projection and filtered back-projection, fast enough for a laptop.

Sampling on a square pixel grid has the square's own symmetry: the views at θ, 90° − θ, 90° + θ and
180° − θ are one view of the image's four *faces* (as it is, transposed, turned, mirrored). So only the
views below 45° are computed, on four faces at once, and table look-ups fetch all faces of all images
together.

References:
    Kak and Slaney 1988, Principles of Computerized Tomographic Imaging, section 3.3.3, equation (61):
    the sampled ramp. Joseph 1982, IEEE Trans. Med. Imaging 1(3): the line integral by rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft

Apodisation = Callable[[np.ndarray], np.ndarray]
"""Factor of a kernel's frequency response, by frequency in cycles per pixel."""

N_FACES = 4
_SUBPIXELS = 4
"""Look-up tables hold this many linearly or Fourier-interpolated entries per pixel."""
_SUBPIXELS_TO_THE_EDGE = 16
"""The same for kernels that go on to the highest frequencies: the nearest of few entries scatters part of their power
over all frequencies, and at the lowest ones the ramp leaves next to none."""
_BLOCK_VALUES = 2**20
"""Values that back-projection adds to at a time: few enough for a processor's cache."""


@dataclass(frozen=True, slots=True)
class ParallelBeam:
    """A parallel-beam scan of a square image.

    View ``k`` looks along the angle ``(k + 1/2) · 180° / n_views``; bins are one pixel wide and the
    detector covers the image's diagonal, so that nothing is ever truncated.

    Attributes:
        size_px: Rows and columns of the image.
        n_views: Views over 180°, a multiple of four.
        pixel_mm: Pixel size, mm.
    """

    size_px: int
    n_views: int
    pixel_mm: float

    def __post_init__(self) -> None:
        if self.size_px < 2 or self.n_views < N_FACES or self.n_views % N_FACES or not self.pixel_mm > 0:
            msg = "parallel beam: size must be above 1 px, views a positive multiple of 4, pixels above 0 mm"
            raise ValueError(msg)

    @classmethod
    def for_image(cls, size_px: int, pixel_mm: float) -> ParallelBeam:
        """Choose √2 views per pixel row, which keeps view aliasing below the noise."""
        return cls(size_px, N_FACES * math.ceil(math.sqrt(2) * size_px / N_FACES), pixel_mm)

    @property
    def n_bins(self) -> int:
        """Detector bins: the image's side and what its diagonal needs more on both ends."""
        return self.size_px + 2 * math.ceil(self.size_px * (math.sqrt(2) - 1) / 2 + 1)

    @property
    def angles_rad(self) -> np.ndarray:
        """Angle of every view, float64 ``[views]``."""
        return (np.arange(self.n_views) + 0.5) * (math.pi / self.n_views)


def forward_project(image: np.ndarray, beam: ParallelBeam) -> np.ndarray:
    """Integrate an image along every ray.

    Args:
        image: ``[rows, cols]``, square, per mm (attenuation) or any other density.
        beam: The scan.

    Returns:
        Line integrals, image unit × mm, float32 ``[views, bins]``.
    """
    size, n_bins = beam.size_px, beam.n_bins
    table = _row_table(_faces(image[None].astype(np.float32)))
    sinogram = np.empty((beam.n_views, n_bins), np.float32)
    row_starts = np.arange(size, dtype=np.int32)[:, None] * np.int32(table.shape[0] // size)
    samples = np.empty((size * n_bins, N_FACES), np.float32)
    for views, cosine, sine in _base_views(beam):
        columns = _ray_columns(beam, cosine, sine)
        columns += row_starts
        np.take(table, columns.ravel(), axis=0, out=samples, mode="clip")
        integrals = samples.reshape(size, -1).sum(axis=0).reshape(n_bins, N_FACES)
        sinogram[views] = integrals.T * np.float32(beam.pixel_mm / cosine)
    return sinogram


def filtered_back_project(
    sinograms: np.ndarray,
    beam: ParallelBeam,
    *,
    blur_px: float = 0.0,
    apodisation: Apodisation | None = None,
    bins_per_px: int = 1,
    is_band_limited: bool = False,
) -> np.ndarray:
    """Reconstruct images from line integrals; linear in the sinogram.

    The kernel is the ramp times ``exp(−2π²·blur²·f²)``: exactly the ramp followed by a Gaussian blur of
    the image, so the kernel's point spread is known in closed form. Another apodisation may follow.

    Args:
        sinograms: ``[n, views, bins]``; all ``n`` share one pass.
        beam: The scan.
        blur_px: Standard deviation of the kernel's point spread, pixels.
        apodisation: Further factor of the frequency response, by frequency in cycles per pixel.
        bins_per_px: 1 or 2; with 2 the sinograms have twice the beam's bins, each half a pixel wide, and the kernel
            may reach up to one cycle per pixel.
        is_band_limited: Keep only the frequencies that the pixel grid can show, its corners included; each view is cut
            off where its direction leaves their square, so that nothing is aliased. Look-up tables are finer.

    Returns:
        Images, sinogram unit per mm, float32 ``[n, rows, cols]``.
    """
    response = kernel_response(beam, blur_px=blur_px, apodisation=apodisation, bins_per_px=bins_per_px)
    n_entries = _SUBPIXELS
    if is_band_limited:
        response, n_entries = response * _within_grid(beam, len(response), bins_per_px), _SUBPIXELS_TO_THE_EDGE
    filtered = _filter(sinograms, beam, response, bins_per_px, n_entries)
    return _smear(_bin_tables(filtered, beam), beam, math.pi, n_entries)


def mean_over_views(sinogram: np.ndarray, beam: ParallelBeam) -> np.ndarray:
    """Average, at every pixel, over the rays through it; float32 ``[n, rows, cols]``.

    Args:
        sinogram: ``[n, views, bins]``.
        beam: The scan.
    """
    views = np.repeat(sinogram.astype(np.float32), _SUBPIXELS, axis=-1)
    return _smear(_bin_tables(views, beam), beam, 1.0, _SUBPIXELS)


def kernel_response(
    beam: ParallelBeam, *, blur_px: float = 0.0, apodisation: Apodisation | None = None, bins_per_px: int = 1
) -> np.ndarray:
    """Sample the kernel that :func:`filtered_back_project` convolves padded views with.

    Returns:
        Response per mm, float64 ``[padded bins // 2 + 1]``, from zero to half a cycle per bin.
    """
    n_padded = fft.next_fast_len(2 * beam.n_bins * bins_per_px, real=True)
    n_padded += n_padded % 2
    response = ramp_response(n_padded, beam.pixel_mm / bins_per_px, blur_px * bins_per_px)
    if apodisation is not None:
        response *= apodisation(np.linspace(0.0, 0.5 * bins_per_px, len(response)))
    return response


def _within_grid(beam: ParallelBeam, n_frequencies: int, bins_per_px: int) -> np.ndarray:
    """Mark the frequencies of each view that the pixel grid can show, ``[views, frequencies]``."""
    longest = np.maximum(np.abs(np.cos(beam.angles_rad)), np.abs(np.sin(beam.angles_rad)))
    frequency = np.linspace(0.0, 0.5 * bins_per_px, n_frequencies)
    return np.asarray(frequency * longest[:, None] <= 0.5)


def _smear(tables: np.ndarray, beam: ParallelBeam, scale: float, n_entries: int) -> np.ndarray:
    """Average tabulated views at every pixel, times ``scale``, float32 ``[n, rows, cols]``."""
    size, n_channels = beam.size_px, tables.shape[-1]
    total = np.zeros((size, size, n_channels), np.float32)
    n_rows = max(1, _BLOCK_VALUES // (size * n_channels))
    for first in range(0, size, n_rows):
        _add_views(tables, beam, slice(first, min(first + n_rows, size)), total, n_entries)
    faces = total.reshape(size, size, N_FACES, -1).transpose(2, 3, 0, 1)
    return _unfold(faces) * np.float32(scale / beam.n_views)


def ramp_response(n_samples: int, bin_mm: float, blur_px: float) -> np.ndarray:
    """Sample the kernel's frequency response for circular convolution.

    The ramp is transformed from its band-limited impulse response (Kak and Slaney, equation (61)), which
    keeps the mean of the image; ``|f|`` sampled directly would not.

    Args:
        n_samples: Length of the padded projections.
        bin_mm: Distance of neighbouring bins, mm.
        blur_px: Standard deviation of the Gaussian apodisation's point spread, bins.

    Returns:
        Response per mm, float64 ``[n_samples // 2 + 1]``.
    """
    distance = np.minimum(np.arange(n_samples), n_samples - np.arange(n_samples))
    impulse = np.zeros(n_samples)
    odd = distance % 2 == 1
    impulse[odd] = -1.0 / (math.pi * distance[odd] * bin_mm) ** 2
    impulse[0] = 1.0 / (4.0 * bin_mm**2)
    frequency = np.arange(n_samples // 2 + 1) / n_samples
    apodisation = np.exp(-2.0 * (math.pi * blur_px * frequency) ** 2)
    return np.asarray(fft.rfft(impulse).real * bin_mm * apodisation)


def _filter(
    sinograms: np.ndarray, beam: ParallelBeam, response: np.ndarray, bins_per_px: int, n_entries: int
) -> np.ndarray:
    """Convolve with the kernel and interpolate to subpixel bins, float32 ``[n, views, bins · entries]``.

    The first of several bins per pixel lies before the pixel's middle, where the table begins.
    """
    n_padded, n_fine = 2 * (response.shape[-1] - 1), n_entries // bins_per_px
    spectrum = fft.rfft(sinograms.astype(np.float32, copy=False), n_padded, axis=-1)
    spectrum *= (response * n_fine).astype(np.float32)
    fine = fft.irfft(spectrum, n_padded * n_fine, axis=-1)
    first = n_entries * (bins_per_px - 1) // (2 * bins_per_px)
    return np.asarray(fine[..., first : first + beam.n_bins * n_entries], np.float32)


def _bin_tables(filtered: np.ndarray, beam: ParallelBeam) -> np.ndarray:
    """Sort filtered views for look-up, ``[base views, bins · entries, faces · n]``."""
    groups = [views for views, _, _ in _base_views(beam)]
    grouped = filtered[:, groups].transpose(1, 3, 2, 0)
    return np.ascontiguousarray(grouped).reshape(len(groups), filtered.shape[-1], -1)


def _add_views(tables: np.ndarray, beam: ParallelBeam, rows: slice, total: np.ndarray, n_entries: int) -> None:
    """Smear all views over a block of rows of ``total``."""
    block = total[rows].reshape(-1, total.shape[-1])
    samples = np.empty_like(block)
    for table, (_, cosine, sine) in zip(tables, _base_views(beam), strict=True):
        bins = _pixel_bins(beam, rows, cosine, sine, n_entries)
        np.take(table, bins.ravel(), axis=0, out=samples, mode="clip")
        block += samples


def _base_views(beam: ParallelBeam) -> Iterator[tuple[list[int], float, float]]:
    """Walk the views below 45°: the four view numbers they stand for, cosine, sine."""
    half = beam.n_views // 2
    for view in range(beam.n_views // N_FACES):
        angle = float(beam.angles_rad[view])
        group = [view, half - 1 - view, half + view, beam.n_views - 1 - view]
        yield group, math.cos(angle), math.sin(angle)


def _faces(images: np.ndarray) -> np.ndarray:
    """Show images ``[n, rows, cols]`` as the views θ, 90° − θ, 90° + θ, 180° − θ see them; ``[4, n, …]``.

    A ray lies at ``s = x·cos θ + y·sin θ`` with ``y`` upwards, as in scikit-image.
    """
    turned = images[:, ::-1, ::-1].transpose(0, 2, 1)
    rotated = images[:, ::-1].transpose(0, 2, 1)
    return np.stack([images, turned, rotated, images[:, :, ::-1]])


def _unfold(faces: np.ndarray) -> np.ndarray:
    """Undo :func:`_faces` and add the four, ``[n, rows, cols]``."""
    plain, turned, rotated, mirrored = faces
    unturned = turned.transpose(0, 2, 1)[:, ::-1, ::-1]
    unrotated = rotated.transpose(0, 2, 1)[:, ::-1]
    return np.asarray(plain + unturned + unrotated + mirrored[:, :, ::-1])


def _row_table(faces: np.ndarray) -> np.ndarray:
    """Interpolate every row linearly to subpixels between two zeros, ``[rows · entries, faces]``."""
    rows = np.moveaxis(faces[:, 0], 0, -1)
    padded = np.pad(rows, ((0, 0), (1, 1), (0, 0)))
    fine = np.repeat(padded[:, :-1], _SUBPIXELS, axis=1)
    steps = np.tile(np.arange(_SUBPIXELS, dtype=np.float32) / _SUBPIXELS, padded.shape[1] - 1)
    fine += np.repeat(np.diff(padded, axis=1), _SUBPIXELS, axis=1) * steps[:, None]
    return np.pad(fine, ((0, 0), (0, 1), (0, 0))).reshape(-1, N_FACES)


def _ray_columns(beam: ParallelBeam, cosine: float, sine: float) -> np.ndarray:
    """Find where each ray crosses each row, in entries of :func:`_row_table`, int32 ``[rows, bins]``."""
    up = (beam.size_px - 1) / 2 - np.arange(beam.size_px)
    ray = np.arange(beam.n_bins) - (beam.n_bins - 1) / 2
    centre = (beam.size_px + 1) / 2 * _SUBPIXELS + 0.5
    along = (ray / cosine * _SUBPIXELS + centre).astype(np.float32)
    across = (up * sine / cosine * _SUBPIXELS).astype(np.float32)
    columns = np.subtract(along[None], across[:, None])
    np.clip(columns, 0, (beam.size_px + 1) * _SUBPIXELS, out=columns)
    return columns.astype(np.int32)


def _pixel_bins(beam: ParallelBeam, rows: slice, cosine: float, sine: float, n_entries: int) -> np.ndarray:
    """Find the subpixel bin under each pixel of some rows, int32 ``[rows, cols]``."""
    centred = np.arange(beam.size_px) - (beam.size_px - 1) / 2
    along = ((centred * cosine + (beam.n_bins - 1) / 2) * n_entries + 0.5).astype(np.float32)
    across = (-centred[rows] * sine * n_entries).astype(np.float32)
    return np.add(along[None], across[:, None]).astype(np.int32)
