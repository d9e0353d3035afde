"""What a camera's sensor makes of light: photons, read noise, a fixed pattern, black level and rounding.

At ISO ``S`` white is ``N = full_well_e · 100 / S`` electrons. A pixel that sees the share ``y`` of white holds

    e ~ Poisson(N · (1 + p) · y) + Normal(0, read_noise_e²)

electrons, where p is its own gain error, the same in every exposure. Its word is ``black_level + e / N`` of what is
left above the black level, rounded and cut off at both ends. Hence the variance of the raw value is linear in light:
``y / N + (read_noise_e / N)² + rounding``, the signal-dependent noise of Foi et al.

References:
    Foi, Trimeche, Katkovnik, Egiazarian 2008, Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data, IEEE TIP 17(10).
    Plötz and Roth 2017, Benchmarking denoising algorithms with real photographs, CVPR (DND).
    Abdelhamed, Lin, Brown 2018, A high-quality denoising dataset for smartphone cameras, CVPR (SIDD).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from n2b_ct.config.section import Section

_BASE_ISO = 100.0
_PATTERN_SEED = 20180618


class SensorSection(Section):
    """A sensor; the defaults are of a phone's."""

    full_well_e: float = Field(6000.0, gt=0)
    """Electrons of a white pixel at ISO 100."""
    read_noise_e: float = Field(2.5, ge=0)
    """Standard deviation of reading a pixel, electrons."""
    fixed_pattern: float = Field(0.0, ge=0, le=0.2)
    """Standard deviation of the pixels' gains, as a share of the signal; the same in every exposure, and so in the
    mean of many."""
    bits: int = Field(10, ge=8, le=16)
    """Of a raw word."""
    black_level: float = Field(0.0625, ge=0, lt=0.5)
    """Share of the words that lies below black, so that noise around black is not cut off."""

    def exposure(self, light: np.ndarray, iso: float, rng: np.random.Generator) -> np.ndarray:
        """Expose once.

        Args:
            light: ``[rows, cols]``, share of white at every pixel, 0 or more.
            iso: ISO setting; twice of it is half the electrons.
            rng: Source of the noise.

        Returns:
            Raw values, float64 ``[rows, cols]``: black is 0, white is 1; noise reaches below 0.
        """
        return self._words(self._electrons(light, iso), iso, rng)

    def mean_exposure(self, light: np.ndarray, iso: float, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the mean of ``n`` exposures, as :meth:`exposure`; its noise is √n times smaller."""
        electrons, total = self._electrons(light, iso), np.zeros(light.shape)
        for _ in range(n):
            total += self._words(electrons, iso, rng)
        return total / n

    def noise_variance(self, light: np.ndarray, iso: float) -> np.ndarray:
        """Return the variance of the raw value where neither end is near and rounding is fine."""
        white_e, step = self._white_e(iso), 1 / self._white_words
        return np.asarray(light / white_e + (self.read_noise_e / white_e) ** 2 + step**2 / 12)

    @property
    def _most(self) -> int:
        return 2**self.bits - 1

    @property
    def _black_word(self) -> int:
        return round(self.black_level * self._most)

    @property
    def _white_words(self) -> int:
        return self._most - self._black_word

    def _white_e(self, iso: float) -> float:
        return self.full_well_e * _BASE_ISO / iso

    def _electrons(self, light: np.ndarray, iso: float) -> np.ndarray:
        """Expected electrons; the fixed pattern belongs to the sensor, whatever it looks at."""
        expected = self._white_e(iso) * np.maximum(light, 0).astype(np.float64)
        if self.fixed_pattern == 0:
            return expected
        pattern = np.random.default_rng(_PATTERN_SEED).standard_normal(light.shape)
        return np.asarray(expected * np.maximum(1 + self.fixed_pattern * pattern, 0))

    def _words(self, electrons: np.ndarray, iso: float, rng: np.random.Generator) -> np.ndarray:
        read = rng.poisson(electrons) + self.read_noise_e * rng.standard_normal(electrons.shape)
        words = np.rint(self._black_word + self._white_words * read / self._white_e(iso))
        return np.asarray((np.clip(words, 0, self._most) - self._black_word) / self._white_words)
