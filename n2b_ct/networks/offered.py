"""The networks that a file may name: ours, and those of MONAI that map an image to an image of its size.

A list of names, not "any class of the module": the others are classifiers, parts of networks, or fetch weights.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from importlib.util import find_spec

from torch import nn

from n2b_ct.errors import ConfigError, explain
from n2b_ct.networks.bayes import BayesDenoiser
from n2b_ct.networks.dncnn import DnCNN
from n2b_ct.networks.noise_extractor import NoiseExtractor
from n2b_ct.networks.unet import SimpleUNet

OWN_NETWORKS: dict[str, type[nn.Module]] = {
    "SimpleUNet": SimpleUNet,
    "NoiseExtractor": NoiseExtractor,
    "DnCNN": DnCNN,
    "BayesDenoiser": BayesDenoiser,
}

MONAI_NETWORKS: dict[str, str] = {
    "AttentionUnet": "attentionunet",
    "AutoEncoder": "autoencoder",
    "BasicUNet": "basic_unet",
    "DynUNet": "dynunet",
    "FlexibleUNet": "flexible_unet",
    "HighResNet": "highresnet",
    "LocalNet": "regunet",
    "MedNeXt": "mednext",
    "RegUNet": "regunet",
    "Restormer": "restormer",
    "SegResNet": "segresnet",
    "SegResNetDS": "segresnet_ds",
    "SwinUNETR": "swin_unetr",
    "UNet": "unet",
    "VNet": "vnet",
}
"""Class of MONAI to the file of ``monai.networks.nets`` that defines it."""

_NEEDED_PACKAGES = {"Restormer": "einops", "SwinUNETR": "einops"}


def network_class(name: str) -> type[nn.Module]:
    """Find a class by its name; MONAI's are imported late, for that takes seconds.

    Raises:
        ConfigError: No network of that name is offered, or a package that it needs is not installed.
    """
    if name in OWN_NETWORKS:
        return OWN_NETWORKS[name]
    if name not in MONAI_NETWORKS:
        raise ConfigError(_unknown_name(name))
    package = _NEEDED_PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        requirement = f"needs the package {package} for {name}"
        raise ConfigError(explain("network.name", requirement, "none", f"pip install {package}, or use SimpleUNet"))
    found: type[nn.Module] = getattr(import_module(f"monai.networks.nets.{MONAI_NETWORKS[name]}"), name)
    return found


def _unknown_name(name: str) -> str:
    offered = [*OWN_NETWORKS, *MONAI_NETWORKS]
    close = difflib.get_close_matches(name[:64], offered, n=3)
    remedy = f"did you mean {' or '.join(close)}?" if close else "use SimpleUNet"
    return explain("network.name", f"must be one of {', '.join(offered)}", name, remedy)
