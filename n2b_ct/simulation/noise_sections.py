"""From a pipeline's noise section to the noise, for images on [0, 1]."""

from __future__ import annotations

from n2b_ct.config.natural_images import (
    CorrelatedNoiseSection,
    GaussianNoiseSection,
    NoiseSection,
    SaltAndPepperNoiseSection,
    SpeckleNoiseSection,
)
from n2b_ct.simulation.image_noise import WHITE_8_BIT, Level
from n2b_ct.simulation.noise_kinds import (
    CorrelatedNoise,
    GaussianNoise,
    ImageNoise,
    SaltAndPepperNoise,
    SpeckleNoise,
    TextNoise,
)


def image_noise(section: NoiseSection) -> ImageNoise:
    """Make the noise that a section names; σ goes from 8-bit grey levels to [0, 1]."""
    if isinstance(section, GaussianNoiseSection):
        return GaussianNoise(_on_unit_scale(section.sigma))
    if isinstance(section, CorrelatedNoiseSection):
        return CorrelatedNoise(_on_unit_scale(section.sigma), section.correlation_px)
    if isinstance(section, SpeckleNoiseSection):
        return SpeckleNoise(section.variance)
    if isinstance(section, SaltAndPepperNoiseSection):
        return SaltAndPepperNoise(section.probability)
    return TextNoise(section.probability, size_px=section.size_px)


def _on_unit_scale(sigma: Level) -> Level:
    if isinstance(sigma, tuple):
        return (sigma[0] / WHITE_8_BIT, sigma[1] / WHITE_8_BIT)
    return sigma / WHITE_8_BIT
