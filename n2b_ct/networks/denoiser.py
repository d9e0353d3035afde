"""The denoiser F as a pipeline's section describes it."""

from __future__ import annotations

from torch import nn

from n2b_ct.config.methods import DenoiserSection
from n2b_ct.networks.build import build_network
from n2b_ct.networks.confinement import MOST_PARAMETERS


def build_denoiser(section: DenoiserSection, n_channels: int = 1, most_weights: int = MOST_PARAMETERS) -> nn.Module:
    """Build F with its output form; weights follow from torch's seed.

    Args:
        section: Network, arguments and output form.
        n_channels: Of its images: 1, or 3 for RGB.
        most_weights: A network of more is refused before it is whole.

    Raises:
        ConfigError: The network's name or an argument is wrong.
    """
    return build_network(
        section.name,
        section.arguments,
        section.output,
        kernel_px=section.lowpass_kernel_px,
        passes=section.lowpass_passes,
        n_channels=n_channels,
        most_weights=most_weights,
    )
