"""Batches in which some patches are a series' own, recorrupted, and the others phantoms with inserted noise.

::

    x         patch of a noisy slice, x = anatomy + n with n ~ N(0, Σ)
    z         new noise of the same covariance, independent of n
    noisy     x + αz            reference     x − z/α

The noise of the two is independent, so a denoiser that learns one from the other by squared errors learns the anatomy,
as well as from a clean reference but more slowly: the loss is the supervised one plus a constant (R2R). The anatomy is
the patient's, which no phantom has.

Pixels where x, x + αz or the target leaves the window are cut off, so their mean is not the anatomy's and they must not
count; a mean over the surroundings tells where that may happen, for choosing pixels by their own noise would bias them.

References:
    Pang, Zheng, Quan, Ji 2021, CVPR, 2043-2052: Recorrupted-to-Recorrupted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor

from n2b_ct.data.patches import Batches
from n2b_ct.hu import Window
from n2b_ct.simulation.body_cells import CELL_PX, body_cells
from n2b_ct.simulation.series_noise import SeriesNoise

_SURROUNDINGS_PX = 9
_STDS_FROM_ENDS = 3.0


@dataclass(frozen=True, slots=True)
class Recorruption:
    """How a series' own patches are used.

    Attributes:
        share: Of the patches of a batch.
        alpha: ``α``: above 1 the input is noisier than the series, below 1 the target.
    """

    share: float
    alpha: float = 1.0


class RecorruptedBatches(Batches):
    """Batch ``k`` is a function of the seed and ``k``: as phantoms', with ``noise`` and ``counted`` beside.

    Args:
        inserted: Batches of phantoms with inserted noise; some of their patches are replaced.
        noise: Of the series, with its slices.
        recorruption: How.
        window: What the network sees.
        patch_px: Side of the patches.
        batch_size: Patches in a batch.
        seed: All draws follow from it.
        share: Which patches of every batch are made, where others make the rest.
    """

    def __init__(
        self,
        inserted: Batches,
        noise: SeriesNoise,
        recorruption: Recorruption,
        window: Window,
        *,
        patch_px: int,
        batch_size: int,
        seed: int,
        share: slice = slice(None),
    ) -> None:
        self.device = inserted.device
        self._inserted, self._noise, self._recorruption, self._window = inserted, noise, recorruption, window
        self._patch_px, self._seed = patch_px, seed
        self._cells = [np.argwhere(body_cells(hu)) * CELL_PX for hu in noise.slices_hu]
        self._replaced = list(range(batch_size))[share]
        self._n_own = round(recorruption.share * batch_size)

    def __len__(self) -> int:
        return len(self._inserted)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        batch = self._inserted[index]
        rng = np.random.default_rng([self._seed, index, 1])
        own = [self._drawn(rng) for _ in range(self._n_own)]
        batch["noise"] = batch["noisy"] - batch["reference"]
        batch["counted"] = torch.ones_like(batch["noisy"])
        for place, number in enumerate(self._replaced):
            if number < self._n_own:
                for key, value in self._made(*own[number]).items():
                    batch[key][place, 0] = torch.from_numpy(value).to(self.device)
        return batch

    def _drawn(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a patch of a slice and new noise for it, HU ``[patch, patch]`` each."""
        index = int(rng.integers(len(self._noise.slices_hu)))
        hu, shown = self._noise.slices_hu[index], self._noise.shown[index]
        row, col = self._corner(index, hu.shape, rng)
        part = np.s_[row : row + self._patch_px, col : col + self._patch_px]
        first, second = rng.permutation(np.resize(np.arange(len(shown)), max(len(shown), 2)))[:2]
        angle = rng.uniform(0.0, 2.0 * math.pi)  # a mixture of two has their covariance, if they are two
        z = math.cos(angle) * shown[first][part] + math.sin(angle) * shown[second][part]
        if first == second:
            z = shown[first][part] * rng.choice([-1.0, 1.0])
        flipped, turns = bool(rng.integers(2)), int(rng.integers(4))
        x, z = (np.rot90(one[::-1] if flipped else one, turns) for one in (hu[part], z))
        return x, z

    def _corner(self, index: int, shape: Sequence[int], rng: np.random.Generator) -> tuple[int, int]:
        cells = self._cells[index]
        middle = cells[rng.integers(len(cells))] + rng.integers(CELL_PX, size=2) if len(cells) else rng.integers(shape)
        corner = [
            int(np.clip(m - self._patch_px // 2, 0, n - self._patch_px)) for m, n in zip(middle, shape, strict=True)
        ]
        return corner[0], corner[1]

    def _made(self, x_hu: np.ndarray, z_hu: np.ndarray) -> dict[str, np.ndarray]:
        """Recorrupt a patch, network units."""
        alpha = self._recorruption.alpha
        x, z = self._window.scale(x_hu), np.asarray(z_hu / self._window.width_hu, np.float32)
        noisy, target = x + alpha * z, x - z / alpha
        margin = _STDS_FROM_ENDS * float(z.std()) * max(1.0, alpha, 1.0 / alpha)
        around = uniform_filter(x, _SURROUNDINGS_PX)
        counted = (around > margin) & (around < 1.0 - margin)
        for one in (x, noisy, target):
            counted &= (one > 0.0) & (one < 1.0)
        values = {"noisy": noisy.clip(0.0, 1.0), "reference": target, "noise": math.hypot(1.0, alpha) * z}
        return {key: np.ascontiguousarray(value, np.float32) for key, value in (values | {"counted": counted}).items()}
