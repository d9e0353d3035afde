"""Denoise one image: whole, or in overlapping tiles where it is large."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor

from n2b_ct.data.natural_images import channels_first, channels_last, from_network, to_network
from n2b_ct.errors import DataError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import device_of, reflected, removed
from n2b_ct.io.natural_images.natural_image import Colour, colour_of

WHOLE_LIMIT_PX = 4_000_000
"""Larger images are denoised in tiles: a network of 64 maps needs about a kilobyte a pixel."""
TILE_PX = 768
"""Side of a tile without its margin."""
HALO_PX = 128
"""Margin of a tile on every side."""


def denoise_natural_image(
    model: Model,
    image: np.ndarray,
    strength: float | None = None,
    *,
    per_channel: bool = False,
    whole_limit_px: int = WHOLE_LIMIT_PX,
) -> np.ndarray:
    """Denoise an image; beyond its border the network sees its reflection.

    An image of more than ``whole_limit_px`` pixels is denoised in tiles with a margin of 128 px. No seam is left where
    the network's receptive field is smaller, as in the shipped ones: the pixels are those of the whole image. (A
    network that normalises by the statistics of what it sees has tiles of different means.)

    A model of the logarithm leaves the mean of every channel where it was (:func:`_with_mean_of`).

    Args:
        model: The denoiser.
        image: float ``[rows, cols]`` or ``[rows, cols, 3]``, 0 black and 1 white.
        strength: 0 removes nothing, 1 all noise found; None: the model's own.
        per_channel: Let a model of gray images denoise the channels of an RGB image one by one.
        whole_limit_px: Pixels up to which an image is denoised whole.

    Returns:
        float32 of the same shape, not clipped.

    Raises:
        DataError: The model was trained on images of the other colour.
    """
    require_colour(model, colour_of(image), per_channel=per_channel)
    scale = model.scale
    network_input = to_network(channels_first(image), logarithm=scale.logarithm, clipped=scale.clipped)
    images = network_input[:, None] if scale.colour == "gray" else network_input[None]
    noise = np.concatenate([_noise(model, image, whole_limit_px) for image in images])
    share = np.float32(model.denoising.strength if strength is None else strength)
    denoised = from_network(network_input - share * noise, logarithm=scale.logarithm)
    if scale.logarithm:
        denoised = _with_mean_of(from_network(network_input, logarithm=True), denoised)
    return channels_last(denoised)


def _with_mean_of(noisy: np.ndarray, denoised: np.ndarray) -> np.ndarray:
    """Scale every channel of ``[channels, rows, cols]`` to the mean that it had before denoising.

    Speckle x = y + n·y has the mean of y, but its logarithm has not that of ln y: E ln(1 + n) < 0, −0.055 at v = 0.1.
    What removes noise in the logarithm without knowing n's law, as Noise2Noise, Noise2Void and Noise2Blur do, ends
    darker by as much: the bias of homomorphic filters. There it is an offset, so here it is a factor.
    """
    before, after = (image.mean(axis=(-2, -1), keepdims=True, dtype=np.float64) for image in (noisy, denoised))
    factor = np.divide(before, after, out=np.ones_like(before), where=after > 0)
    return np.asarray(denoised * factor.astype(np.float32))


def require_colour(model: Model, colour: Colour, subject: str = "image", *, per_channel: bool = False) -> None:
    """Refuse an image of another colour than the model's.

    Raises:
        DataError: Say ``per_channel`` to let a model of gray images denoise RGB.
    """
    expected = model.scale.colour
    if colour == expected or (expected == "gray" and per_channel):
        return
    gray_remedy = "pass per_channel=True, or a model trained with data.colour: rgb"
    remedy = gray_remedy if expected == "gray" else "pass a model trained with data.colour: gray"
    raise DataError(explain(subject, f"must be {expected}, as what the model was trained on", colour, remedy))


def _noise(model: Model, image: np.ndarray, whole_limit_px: int) -> np.ndarray:
    """Find the noise of ``[channels, rows, cols]`` in the network's units."""
    tensor = torch.from_numpy(np.ascontiguousarray(image))[None].to(device_of(model))
    rows, cols = image.shape[-2:]
    find = removed if rows * cols <= whole_limit_px else _removed_in_tiles
    with torch.inference_mode():
        noise = find(model, reflected(tensor, model.multiple_px))[..., :rows, :cols]
    return np.asarray(noise[0].float().cpu().numpy())


def _removed_in_tiles(model: Model, image: Tensor) -> Tensor:
    """Assemble the centres of overlapping tiles; tile ends and steps lie on the network's pixel grid."""
    side, halo = (_on_grid(px, model.multiple_px) for px in (TILE_PX, HALO_PX))
    noise = torch.empty_like(image)
    rows, cols = image.shape[-2:]
    for row, col in product(range(0, rows, side), range(0, cols, side)):
        top, left = max(row - halo, 0), max(col - halo, 0)
        tile = removed(model, image[..., top : row + side + halo, left : col + side + halo])
        noise[..., row : row + side, col : col + side] = tile[..., row - top :, col - left :][..., :side, :side]
    return noise


def _on_grid(length_px: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-length_px // multiple) * multiple
