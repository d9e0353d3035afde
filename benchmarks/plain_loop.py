"""Noise2Blur's convergence stage as one would write it in an afternoon, fairly: what the trainer is measured against.

MONAI's own transforms, image by image, with window and blurred label computed once (as a CacheDataset would keep them);
torch's DataLoader; float32, contiguous; the U-Net doubles, joins and convolves. Same losses, same clamp and anchor,
same Adam.
"""

from __future__ import annotations

from typing import Any

import torch
from monai.transforms import Compose, RandFlipd, RandRotate90d, RandSpatialCropd
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.utils.data import DataLoader, Dataset

from benchmarks.plain_network import plain_network
from n2b_ct.methods.extracted_noise import NoiseAnchor
from n2b_ct.methods.noise2blur import clamp_outliers, clip_to_window


class Patches(Dataset):
    """One noisy patch with its label and one clean patch, cut by MONAI's transforms."""

    def __init__(self, noisy: list[Tensor], blurred: list[Tensor], clean: list[Tensor], patch_px: int, n: int) -> None:
        self._noisy = [{"noisy": x, "blurred": y} for x, y in zip(noisy, blurred, strict=True)]
        self._clean = [{"clean": c} for c in clean]
        self._n = n
        self._cut_noisy = _cutting(["noisy", "blurred"], patch_px)
        self._cut_clean = _cutting(["clean"], patch_px)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> dict[str, Any]:
        k = int(torch.randint(len(self._noisy), ()))
        j = int(torch.randint(len(self._clean), ()))
        return {**self._cut_noisy(self._noisy[k]), **self._cut_clean(self._clean[j])}


def _cutting(keys: list[str], patch_px: int) -> Compose:
    return Compose(
        [
            RandSpatialCropd(keys, roi_size=(patch_px, patch_px), random_size=False),
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandRotate90d(keys, prob=0.75),
        ]
    )


class PlainLoop:
    """The loop, one step at a time.

    Args:
        denoiser: F.
        noise_extractor: H.
        patches: Where batches come from.
        batch_size: Patches of each kind.
        device: Where.
    """

    def __init__(
        self, denoiser: nn.Module, noise_extractor: nn.Module, patches: Patches, batch_size: int, device: torch.device
    ) -> None:
        self._denoiser = plain_network(denoiser).to(device)
        self._extractor = plain_network(noise_extractor).to(device)
        weights = [*self._denoiser.parameters(), *self._extractor.parameters()]
        self._optimizer = torch.optim.Adam(weights, lr=1e-3)
        self._anchor = NoiseAnchor().to(device)
        self._batches = iter(DataLoader(patches, batch_size=batch_size))
        self._device = device

    def step(self) -> None:
        """One step of the convergence stage."""
        batch = next(self._batches)
        x, y_b, c = (batch[key].as_tensor().to(self._device) for key in ("noisy", "blurred", "clean"))
        n_hat = (x - self._denoiser(x)).detach()
        n_tilde = self._extractor(n_hat)
        d = clip_to_window(c + self._anchor(clamp_outliers(n_tilde.detach(), 4.0)))
        loss = l1_loss(n_tilde, x - y_b) + l1_loss(self._denoiser(d), clip_to_window(c))
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._anchor.update(n_tilde.detach(), x - y_b, x)
