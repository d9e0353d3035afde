"""Build the method that a pipeline names, on its networks."""

from __future__ import annotations

from n2b_ct.config.methods import Noise2BlurSection, Noise2VoidSection, SupervisedSection
from n2b_ct.methods.method import Method
from n2b_ct.methods.noise2blur import Noise2Blur
from n2b_ct.methods.noise2void import Masking, Noise2Void
from n2b_ct.methods.supervised import Supervised
from n2b_ct.networks.build import build_network
from n2b_ct.networks.denoiser import build_denoiser


def build_method(section: Noise2BlurSection | SupervisedSection | Noise2VoidSection) -> Method:
    """Build networks and method; weights follow from torch's seed.

    Raises:
        ConfigError: A network's name or arguments are wrong.
    """
    denoiser = build_denoiser(section.denoiser)
    if isinstance(section, SupervisedSection):
        return Supervised(denoiser)
    if isinstance(section, Noise2VoidSection):
        return Noise2Void(denoiser, Masking(section.masked_fraction, section.box_px, section.structure))
    return Noise2Blur(
        denoiser,
        build_network(section.noise_extractor.name, section.noise_extractor.arguments),
        initial_fraction=section.initial_fraction,
        gradient_interruption=section.gradient_interruption,
        clamp_sigma=section.noise_clamp_sigma,
        anchor_rate=section.noise_anchor_rate,
    )
