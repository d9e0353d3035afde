"""Methods on networks made by hand, for equations computed by hand."""

from __future__ import annotations

from typing import Any

from torch import nn

from n2b_ct.methods.method import ImageTraits, Method, NetworkUnit, build_method
from n2b_ct.registry import METHODS

HU = NetworkUnit(1000.0, "HU", "hu", "slice")
CT = ImageTraits(n_channels=1, n_noisy=3, clipped=True, unit=HU)
NATURAL_IMAGES = ImageTraits(
    n_channels=1, n_noisy=3, clipped=False, unit=NetworkUnit(255.0, "grey levels", "grey", "image")
)


def toy_method(
    name: str, traits: ImageTraits = CT, networks: dict[str, nn.Module] | None = None, **values: Any
) -> Method:
    """Build a method by its name and keys, and put other networks in the place of its own."""
    method = build_method(METHODS.get(name).Config.model_validate(values), traits)
    method.networks.update(networks or {})
    return method
