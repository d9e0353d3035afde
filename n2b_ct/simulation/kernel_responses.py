"""What a reconstruction kernel makes of anatomy and of noise: radial responses, and a prior over them.

::

    M(f) = exp(−½·(max(f − fp, 0)/f0)^q) · (1 + b·(f/fb)²·exp(1 − (f/fb)²))      f in cycles per pixel
    A(f) = M(f) · exp(−2π²·s²·f²)                  anatomy: the detector and the focal spot blur it before the kernel
    N(f) = M(f) · exp(−½·(f/fn)^qn)                noise: iterative reconstruction takes its high frequencies

``f0`` and ``q`` are the two numbers that :mod:`n2b_ct.simulation.noise_texture` fits to a real series. A plateau ``fp``
keeps all frequencies up to a point, as sharp kernels do; a boost ``b`` lifts those around ``fb`` above one, as kernels
for lung and bone do, whose edges overshoot.

The filters are for images on a grid of pixels. Noise from beyond the grid's frequencies is folded back in power, as in
a scanner's own sampling, and at low frequencies noise may fall less than the ramp: where the bare ramp's noise has the
power ``|f|``, the filter is ``sqrt(Σ hypot(f_k, fl)·N(f_k)² / |f|)`` over ``f`` and its aliases ``f_k``.

Not modelled: kernels without rotational symmetry, adaptive filters that differ from place to place, and what iterative
and learned reconstructions do to anatomy.

References:
    Riederer, Pelc, Chesler 1978, Phys. Med. Biol. 23(3): noise power after filtered back-projection.
    Solomon, Christianson, Samei 2012, Med. Phys. 39(10): noise texture of kernels of different manufacturers.
    Samei and Richard 2015, Med. Phys. 42(1): how iterative reconstruction changes noise texture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from n2b_ct.simulation.noise_texture import NoiseTexture

LARGEST_FREQUENCY = 1.0
"""Cycles per pixel; nothing beyond is folded back."""
CUTOFFS_PER_PX = (0.07, 0.7)
"""From the smoothest kernel on pixels of 0.25 mm, as an infant's scan has them, to a sharp one on pixels of 1 mm."""
EXPONENTS = (1.5, 6.0)
BLURS_PX = (0.15, 0.55)
FLOORS_PER_PX = (0.01, 0.06)

_N_ENTRIES = 1024
_PLATEAU_PROBABILITY, _BOOST_PROBABILITY, _ITERATIVE_PROBABILITY, _FLOOR_PROBABILITY = 0.25, 0.3, 0.2, 0.5


@dataclass(frozen=True, slots=True)
class KernelResponse:
    """A kernel, in cycles per pixel.

    Attributes:
        cutoff_per_px: ``f0``.
        exponent: ``q``.
        plateau_per_px: ``fp``.
        boost: ``b``; 0: the kernel never overshoots.
        boost_per_px: ``fb``.
        noise_cutoff_per_px: ``fn``; infinite: noise and anatomy pass the same kernel.
        noise_exponent: ``qn``.
        noise_floor_per_px: ``fl``: below it the noise's power falls no further, as real scans' does not.
        blur_px: ``s``, the standard deviation of what blurs the anatomy alone, pixels.
    """

    cutoff_per_px: float
    exponent: float
    plateau_per_px: float = 0.0
    boost: float = 0.0
    boost_per_px: float = 0.5
    noise_cutoff_per_px: float = math.inf
    noise_exponent: float = 2.0
    noise_floor_per_px: float = 0.0
    blur_px: float = 0.0

    @classmethod
    def of_texture(cls, texture: NoiseTexture, blur_px: float = 0.0) -> KernelResponse:
        """The kernel whose noise has a texture that was fitted."""
        return cls(texture.cutoff_per_px, texture.exponent, blur_px=blur_px)

    def modulation(self, frequency_per_px: np.ndarray) -> np.ndarray:
        """M: the kernel alone."""
        fall = (np.maximum(frequency_per_px - self.plateau_per_px, 0.0) / self.cutoff_per_px) ** self.exponent
        relative = (frequency_per_px / self.boost_per_px) ** 2
        return np.asarray(np.exp(-0.5 * fall) * (1.0 + self.boost * relative * np.exp(1.0 - relative)))

    def anatomy(self, frequency_per_px: np.ndarray) -> np.ndarray:
        """A: what becomes of a sharp image."""
        blur = np.exp(-2.0 * (math.pi * self.blur_px * frequency_per_px) ** 2)
        return np.asarray(self.modulation(frequency_per_px) * blur)

    def noise(self, frequency_per_px: np.ndarray) -> np.ndarray:
        """N: what becomes of noise reconstructed with the bare ramp."""
        loss = np.exp(-0.5 * (frequency_per_px / self.noise_cutoff_per_px) ** self.noise_exponent)
        return np.asarray(self.modulation(frequency_per_px) * loss)

    def noise_power(self, frequency_per_px: np.ndarray) -> np.ndarray:
        """Spectrum of the noise behind the kernel, up to a factor."""
        return np.asarray(np.hypot(frequency_per_px, self.noise_floor_per_px) * self.noise(frequency_per_px) ** 2)

    @property
    def is_sharp(self) -> bool:
        """Whether most of the noise lies above a quarter of a cycle per pixel, as with kernels for lung and bone."""
        frequency = np.linspace(0.0, 0.7, 141)
        power = frequency * self.noise_power(frequency)
        return bool(power[frequency > 0.25].sum() > 0.5 * power.sum())


def draw_response(rng: np.random.Generator) -> KernelResponse:
    """Draw a kernel from the prior: any sharpness, a quarter with a plateau, some edge-enhancing, some iterative."""
    cutoff, plateau = log_uniform(rng, *CUTOFFS_PER_PX), 0.0
    if rng.random() < _PLATEAU_PROBABILITY:
        plateau = cutoff * rng.uniform(0.2, 0.9)
    is_boosted, is_iterative = rng.random() < _BOOST_PROBABILITY, rng.random() < _ITERATIVE_PROBABILITY
    return KernelResponse(
        cutoff_per_px=cutoff - plateau,
        exponent=log_uniform(rng, *EXPONENTS),
        plateau_per_px=plateau,
        boost=log_uniform(rng, 0.1, 1.2) if is_boosted else 0.0,
        boost_per_px=cutoff * rng.uniform(0.5, 1.2),
        noise_cutoff_per_px=log_uniform(rng, 0.08, 0.5) if is_iterative else math.inf,
        noise_exponent=rng.uniform(1.0, 3.0),
        noise_floor_per_px=draw_noise_floor(rng),
        blur_px=rng.uniform(*BLURS_PX),
    )


def draw_noise_floor(rng: np.random.Generator) -> float:
    """Draw the frequency below which noise falls no further; half of all scans have none."""
    return log_uniform(rng, *FLOORS_PER_PX) if rng.random() < _FLOOR_PROBABILITY else 0.0


def log_uniform(rng: np.random.Generator, lowest: float, highest: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(math.exp(rng.uniform(math.log(lowest), math.log(highest))))


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """Kernels as factors of ``rfft2`` of square images.

    Attributes:
        anatomy: Float32 ``[kernels, size, size // 2 + 1]``.
        noise: For noise of the bare ramp, the same shape.
        noise_gain: Variance of the noise after its kernel over that before, ``[kernels]``.
    """

    anatomy: np.ndarray
    noise: np.ndarray
    noise_gain: np.ndarray


def filters(responses: Sequence[KernelResponse], size_px: int) -> Filters:
    """Sample kernels on the frequencies of a square image."""
    grid = _grid(size_px)
    frequency = np.linspace(0.0, LARGEST_FREQUENCY, _N_ENTRIES)
    anatomy = np.stack([response.anatomy(frequency) for response in responses]).astype(np.float32)
    power = np.stack([response.noise_power(frequency) for response in responses]).astype(np.float32)
    power = np.pad(power, ((0, 0), (0, 1)))  # nothing beyond the largest frequency
    squared = np.take(power, grid.entries[0], axis=1)
    for entries in grid.entries[1:]:
        squared += np.take(power, entries, axis=1)
    gain = (squared * grid.weight).sum(axis=(1, 2)) / (grid.ramp * grid.weight).sum()
    return Filters(np.take(anatomy, grid.entries[0], axis=1), np.sqrt(squared / grid.ramp), gain)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The frequencies of ``rfft2``.

    Attributes:
        entries: Where a table over frequencies holds each of them, then its three aliases within one cycle per pixel,
            ``[4, size, size // 2 + 1]``.
        ramp: Power of the bare ramp's noise, up to a factor.
        weight: How often each frequency counts in the whole plane.
    """

    entries: np.ndarray
    ramp: np.ndarray
    weight: np.ndarray


@lru_cache(maxsize=8)
def _grid(size_px: int) -> _Grid:
    down, right = np.abs(np.fft.fftfreq(size_px))[:, None], np.fft.rfftfreq(size_px)[None]
    radii = [np.hypot(a, b) for a in (down, 1.0 - down) for b in (right, 1.0 - right)]
    entries = np.rint(np.stack(radii) / LARGEST_FREQUENCY * (_N_ENTRIES - 1))
    entries[np.stack(radii) > LARGEST_FREQUENCY] = _N_ENTRIES
    weight = np.full(right.shape[1], 2.0)
    weight[0] = 1.0
    if size_px % 2 == 0:
        weight[-1] = 1.0
    ramp = np.maximum(radii[0], 0.5 / size_px).astype(np.float32)
    return _Grid(entries.astype(np.intp), ramp, weight.astype(np.float32))
