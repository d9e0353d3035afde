"""Small worlds of images: folders on disk and models made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.inference.model import save_model
from n2b_ct.io.natural_images import NaturalImage, write_natural_image
from n2b_ct.networks.build import build_denoiser

SECTION = DenoiserSection(name="DnCNN", arguments={"n_layers": 3, "n_features": 4}, output="direct")


def natural_image_model(path: Path, colour: str = "gray", *, gain: float = 0.0, **scale: bool) -> Path:
    """Write a model that takes ``gain`` times the image away: 0 is the identity.

    DnCNN says what the noise is; its weights are 0 but for one path through every layer.
    """
    input_scale = NaturalImageScale(colour, **scale)  # type: ignore[arg-type]
    network = build_denoiser(SECTION, input_scale.n_channels).eval()
    weights = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    kernels = [key for key, value in weights.items() if value.ndim == 4]
    for number, key in enumerate(kernels):
        for channel in range(input_scale.n_channels):
            weights[key][channel, channel, 1, 1] = gain if number == len(kernels) - 1 else 1.0
    for key in weights:
        if key.endswith(("running_var",)) or (key.endswith("weight") and weights[key].ndim == 1):
            weights[key] = torch.ones_like(weights[key])
    save_model(
        path, weights=weights, section=SECTION, input_scale=input_scale, name="toy", method="supervised", facts={}
    )
    return path


def random_words(colour: str, bit_depth: int, seed: int, size: tuple[int, int] = (21, 34)) -> np.ndarray:
    """Draw stored values that reach black and white."""
    shape = size if colour == "gray" else (*size, 3)
    words = np.random.default_rng([seed, bit_depth]).integers(0, 2**bit_depth, shape)
    words.flat[:2] = 0, 2**bit_depth - 1
    return words.astype(np.uint8 if bit_depth == 8 else np.uint16)


def write_words(path: Path, words: np.ndarray) -> Path:
    """Write stored values as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".jpg", ".webp"):
        Image.fromarray(words).save(path)
        return path
    bit_depth = 8 * words.dtype.itemsize
    form = {".png": "png", ".bmp": "bmp"}.get(path.suffix, "tiff")
    pixels = words.astype(np.float32) / np.float32(2**bit_depth - 1)
    write_natural_image(path, pixels, NaturalImage(pixels, bit_depth, form))  # type: ignore[arg-type]
    return path
