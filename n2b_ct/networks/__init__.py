"""The networks: a plain U-Net, DnCNN, the blind-spot network, the noise extractor, the form of F's output, and any of
MONAI's by name."""

from n2b_ct.networks.bayes import BayesDenoiser
from n2b_ct.networks.blind_spot import BlindSpotNet
from n2b_ct.networks.build import OutputForm, build_network, count_parameters, size_multiple
from n2b_ct.networks.dncnn import DnCNN
from n2b_ct.networks.heads import DirectHead, LowpassHead, ResidualHead, box_mean
from n2b_ct.networks.noise_extractor import NoiseExtractor
from n2b_ct.networks.noise_scaled import NoiseScaledUNet
from n2b_ct.networks.unet import SimpleUNet

__all__ = [
    "BayesDenoiser",
    "BlindSpotNet",
    "DirectHead",
    "DnCNN",
    "LowpassHead",
    "NoiseExtractor",
    "NoiseScaledUNet",
    "OutputForm",
    "ResidualHead",
    "SimpleUNet",
    "box_mean",
    "build_network",
    "count_parameters",
    "size_multiple",
]
