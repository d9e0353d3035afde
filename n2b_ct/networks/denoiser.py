"""The denoiser F as a pipeline's section describes it."""

from __future__ import annotations

from torch import nn

from n2b_ct.config.methods import DenoiserSection
from n2b_ct.networks.build import build_network


def build_denoiser(section: DenoiserSection) -> nn.Module:
    """Build F with its output form; weights follow from torch's seed.

    Raises:
        ConfigError: The network's name or an argument is wrong.
    """
    return build_network(
        section.name,
        section.arguments,
        section.output,
        kernel_px=section.lowpass_kernel_px,
        passes=section.lowpass_passes,
    )
