"""Build the method that a pipeline names, on its networks."""

from __future__ import annotations

from n2b_ct.config import methods as sections
from n2b_ct.methods.dbsn import Dbsn
from n2b_ct.methods.method import BatchNeeds, Method
from n2b_ct.methods.noise2blur import Noise2Blur
from n2b_ct.methods.noise2noise import Noise2Noise
from n2b_ct.methods.noise2void import Masking, Noise2Void
from n2b_ct.methods.supervised import Supervised
from n2b_ct.methods.upi import Upi
from n2b_ct.networks.build import build_network
from n2b_ct.networks.denoiser import build_denoiser
from n2b_ct.networks.noise_level import NoiseLevels
from n2b_ct.training.data import ImageTraits

_NEEDS: dict[type, BatchNeeds] = {
    sections.Noise2BlurSection: Noise2Blur.needs,
    sections.SupervisedSection: Supervised.needs,
    sections.Noise2VoidSection: Noise2Void.needs,
    sections.Noise2NoiseSection: Noise2Noise.needs,
    sections.DbsnSection: Dbsn.needs,
    sections.UpiSection: Upi.needs,
}


def needs_of(section: sections.Method) -> BatchNeeds:
    """Say what a method's batches must hold, before anything is built."""
    return _NEEDS[type(section)]


def learning_rate_factors(section: sections.Method) -> dict[str, float]:
    """Say which networks learn at another rate than ``training.learning_rate``, by name."""
    if isinstance(section, sections.Noise2BlurSection) and section.noise_extractor.learning_rate_factor != 1.0:
        return {"noise_extractor": section.noise_extractor.learning_rate_factor}
    return {}


def build_method(section: sections.Method, traits: ImageTraits) -> Method:
    """Build networks and method; weights follow from torch's seed.

    Raises:
        ConfigError: A network's name or arguments are wrong.
    """
    denoiser = build_denoiser(section.denoiser, traits.n_channels)
    if isinstance(section, sections.SupervisedSection):
        return Supervised(denoiser, loss=section.loss)
    if isinstance(section, sections.Noise2VoidSection):
        return Noise2Void(denoiser, Masking(section.masked_fraction, section.box_px, section.structure))
    if isinstance(section, sections.Noise2NoiseSection):
        return Noise2Noise(denoiser, loss=section.loss, max_difference=section.max_difference)
    if isinstance(section, sections.DbsnSection):
        levels = NoiseLevels(traits.n_noisy, traits.n_channels, section.first_noise_std)
        return Dbsn(denoiser, levels, bound_weight=section.bound_weight)
    if isinstance(section, sections.UpiSection):
        levels = NoiseLevels(traits.n_noisy, traits.n_channels)
        return Upi(denoiser, levels, distillation_weight=section.distillation_weight, clipped=traits.clipped)
    extractor = section.noise_extractor
    return Noise2Blur(
        denoiser,
        build_network(extractor.name, extractor.arguments, n_channels=traits.n_channels),
        initial_fraction=section.initial_fraction,
        gradient_interruption=section.gradient_interruption,
        clamp_sigma=section.noise_clamp_sigma,
        anchor_rate=section.noise_anchor_rate,
        clipped=traits.clipped,
    )
