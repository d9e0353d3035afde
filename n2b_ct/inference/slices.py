"""Denoise one slice: ``denoised = input − strength · noise``, and nothing outside the window moves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from n2b_ct.errors import ConfigError, SeriesError, explain
from n2b_ct.inference.model import Model


def noise_hu(model: Model, hu: np.ndarray, is_padding: np.ndarray | None = None) -> np.ndarray:
    """Estimate the noise of a slice.

    The whole slice is seen at once, reflected to the network's multiple. Scanner padding is filled with the lowest
    real HU first, so that it cannot bleed over the border.

    Args:
        model: The denoiser.
        hu: HU ``[rows, cols]``.
        is_padding: True where the scanner padded.

    Returns:
        Noise in HU, float32 ``[rows, cols]``; exactly 0 where padded or outside the window.
    """
    padded = np.zeros(hu.shape, dtype=bool) if is_padding is None else is_padding
    image = model.window.normalise(_without_padding(hu, padded))
    with torch.inference_mode():
        noise = removed(model, torch.from_numpy(image)[None, None].to(device_of(model)))
    noise_in_hu = noise[0, 0].float().cpu().numpy() * np.float32(model.window.width_hu)
    return np.where(model.window.contains(hu) & ~padded, noise_in_hu, np.float32(0))


def denoise_hu(
    model: Model, hu: np.ndarray, is_padding: np.ndarray | None = None, strength: float | None = None
) -> np.ndarray:
    """Denoise a slice, HU ``[rows, cols]`` in and out.

    Args:
        model: The denoiser.
        hu: HU.
        is_padding: True where the scanner padded.
        strength: 0 returns the input, 1 removes all noise found; None: the model's own.
    """
    share = np.float32(model.denoising.strength if strength is None else strength)
    return hu - share * noise_hu(model, hu, is_padding)


def required_strength(strength: float | None, model: Model) -> float:
    """Return the share of the noise found that is to be removed; where None is asked for, the model's own.

    Raises:
        ConfigError: It is not from 0 to 1.
    """
    if strength is None:
        return model.denoising.strength
    try:
        share = float(strength)
    except (TypeError, ValueError, OverflowError):
        share = float("nan")
    if not 0 <= share <= 1:
        raise ConfigError(explain("strength", "must be from 0 to 1", strength, "0 removes nothing, 1 all noise found"))
    return share


def device_of(model: Model) -> torch.device:
    """The device of the model's weights."""
    return next((p.device for p in model.denoiser.parameters()), torch.device("cpu"))


def removed(model: Model, image: Tensor) -> Tensor:
    """Return what F removes from ``[1, channels, rows, cols]``, averaged over the model's test-time augmentation.

    Raises:
        SeriesError: ``memory_limit``: the network needs more memory than there is.
    """
    try:
        return _removed(model, image)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        size, network = f"{image.shape[-2]}x{image.shape[-1]} pixels", model.section.name
        remedy = "use a machine with more, or a smaller network"
        message = explain(f"{network} on {size}", "must fit into memory", "more than there is", remedy)
        raise SeriesError("memory_limit", message) from error


def is_out_of_memory(error: Exception) -> bool:
    """Return whether torch ran out of memory, on a GPU or elsewhere."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _removed(model: Model, image: Tensor) -> Tensor:
    turned = [_turned(image, turns, flipped) for flipped in (False, True) for turns in range(4)]
    found = [_removed_once(model, one) for one in turned[: model.denoising.test_time_augmentation]]
    back = [_turned_back(one, number % 4, number >= 4) for number, one in enumerate(found)]
    return back[0] if len(back) == 1 else torch.stack(back).mean(dim=0)


def _removed_once(model: Model, image: Tensor) -> Tensor:
    network_input = reflected(image, model.multiple_px).contiguous(memory_format=torch.channels_last)
    return (network_input - model.denoiser(network_input))[..., : image.shape[-2], : image.shape[-1]]


def _turned(image: Tensor, quarter_turns: int, flipped: bool) -> Tensor:
    return torch.rot90(image.flip(-2) if flipped else image, quarter_turns, (-2, -1))


def _turned_back(image: Tensor, quarter_turns: int, flipped: bool) -> Tensor:
    back = torch.rot90(image, -quarter_turns, (-2, -1))
    return back.flip(-2) if flipped else back


def _without_padding(hu: np.ndarray, is_padding: np.ndarray) -> np.ndarray:
    if not is_padding.any() or is_padding.all():
        return hu
    return np.where(is_padding, hu[~is_padding].min(), hu)


def reflected(image: Tensor, multiple: int) -> Tensor:
    """Extend ``[1, channels, rows, cols]`` at the bottom and right by reflection, in as many steps as it needs.

    Returns:
        ``[1, channels, rows', cols']``, the next multiples; a side of one pixel is repeated.
    """
    rows, cols = (-(-side // multiple) * multiple for side in image.shape[-2:])
    while image.shape[-2:] != (rows, cols):
        down = min(rows - image.shape[-2], image.shape[-2] - 1)
        right = min(cols - image.shape[-1], image.shape[-1] - 1)
        if down <= 0 and right <= 0:
            return pad(image, (0, cols - image.shape[-1], 0, rows - image.shape[-2]), mode="replicate")
        image = pad(image, (0, max(right, 0), 0, max(down, 0)), mode="reflect")
    return image
