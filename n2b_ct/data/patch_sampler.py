"""Draw patches: inside the window, and, of noisy slices, where their noise is seen best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.errors import DataError, explain

_STRUCTURE_KERNEL_PX = 7
_N_TRIES = 50


@dataclass(frozen=True, slots=True)
class Patch:
    """One drawn patch: which image, which corner, and one of the eight flips and turns of the square."""

    image_index: int
    row_px: int
    col_px: int
    flipped: bool
    quarter_turns: int


class PatchSampler:
    """Draws patches of a dataset among the corners where they may begin.

    Attributes:
        patch_px: Side of the patches.
        corners: For every image, bool ``[rows − patch + 1, cols − patch + 1]``: a patch may begin there.
        image_indices: The images that have such corners.

    Args:
        role: Its name, for messages.
        dataset: The slices.
        patch_px: Side of the patches.
        body_fraction: Least share of a patch's pixels inside the window.
        flat_share: The flattest share of the remaining corners is kept; below 1 the dataset needs blurred labels.
        flat_across: The share is that of all images' corners together, else of each image's own.

    Raises:
        DataError: A slice is smaller than the patch, or no patch of any slice holds enough body.
    """

    def __init__(
        self,
        role: str,
        dataset: InMemoryDataset,
        patch_px: int,
        body_fraction: float,
        flat_share: float = 1.0,
        *,
        flat_across: bool = False,
    ) -> None:
        if dataset.smallest_px < patch_px:
            raise DataError(too_small(role, dataset.smallest_px, patch_px))
        self.patch_px = patch_px
        self.corners = [body_share(mask, patch_px) >= body_fraction - 1e-9 for mask in dataset.body]
        if flat_share < 1.0 and "blurred" in dataset.targets:
            self.corners = (
                self._flattest_of_all(dataset, flat_share)
                if flat_across
                else [self._flattest(dataset, k, flat_share) for k in range(len(dataset))]
            )
        self.image_indices = np.flatnonzero([corners.any() for corners in self.corners])
        if self.image_indices.size == 0:
            raise DataError(
                explain(
                    f"role {role}",
                    f"patches of {patch_px} px must lie to {body_fraction:.0%} inside the window",
                    "no such position in any slice",
                    f"use a smaller training.patch_px, a wider data.window or a lower data.{role}_body_fraction",
                )
            )

    def draw(self, random_state: np.random.RandomState) -> Patch:
        """Draw one patch: an image, one of its corners, one of eight flips and turns."""
        index = int(self.image_indices[random_state.randint(len(self.image_indices))])
        corners = self.corners[index]
        for _ in range(_N_TRIES):
            row, col = int(random_state.randint(corners.shape[0])), int(random_state.randint(corners.shape[1]))
            if corners[row, col]:
                break
        else:
            allowed = np.flatnonzero(corners)
            row, col = divmod(int(allowed[random_state.randint(len(allowed))]), corners.shape[1])
        return Patch(index, row, col, bool(random_state.randint(2)), int(random_state.randint(4)))

    def _flattest(self, dataset: InMemoryDataset, index: int, share: float) -> np.ndarray:
        allowed = self.corners[index]
        if not allowed.any():
            return allowed
        residual = (dataset.images[index] - dataset.targets["blurred"][index]).mean(dim=0).numpy()
        structure = structure_share(residual, self.patch_px)
        return allowed & (structure <= np.quantile(structure[allowed], share))

    def _flattest_of_all(self, dataset: InMemoryDataset, share: float) -> list[np.ndarray]:
        """Rank corners of different images by their labels alone, which hardly depend on the noise level."""
        labels = dataset.targets["blurred"]
        steepness = [label_steepness(label.mean(dim=0).numpy(), self.patch_px) for label in labels]
        allowed = [values[corners] for values, corners in zip(steepness, self.corners, strict=True)]
        highest = np.quantile(np.concatenate(allowed), share)
        return [corners & (values <= highest) for values, corners in zip(steepness, self.corners, strict=True)]


def body_share(mask: np.ndarray, patch_px: int) -> np.ndarray:
    """Return the share of True under a patch at every corner.

    Args:
        mask: bool ``[rows, cols]``.
        patch_px: Side of the patch.

    Returns:
        float ``[rows − patch + 1, cols − patch + 1]``.
    """
    return patch_sum(mask, patch_px) / patch_px**2


def structure_share(residual: np.ndarray, patch_px: int) -> np.ndarray:
    """Return the share of n_b = x − y_b that is structure, at every corner: energy kept by a 7×7 mean over all its
    energy.

    Noise loses most of its energy in that mean at any dose, edges keep theirs.

    Args:
        residual: n_b ``[rows, cols]``.
        patch_px: Side of the patch.

    Returns:
        float ``[rows − patch + 1, cols − patch + 1]``, 0 to 1.
    """
    coarse = uniform_filter(residual.astype(np.float64), _STRUCTURE_KERNEL_PX, mode="reflect")
    energy = patch_sum(residual.astype(np.float64) ** 2, patch_px)
    return patch_sum(coarse**2, patch_px) / np.maximum(energy, 1e-12)


def label_steepness(label: np.ndarray, patch_px: int) -> np.ndarray:
    """Return how steep a blurred label is under a patch at every corner: the sum of its squared slopes.

    Args:
        label: y_b ``[rows, cols]``.
        patch_px: Side of the patch.

    Returns:
        float ``[rows − patch + 1, cols − patch + 1]``.
    """
    along_rows, along_cols = np.gradient(label.astype(np.float64))
    return patch_sum(np.asarray(along_rows**2 + along_cols**2), patch_px)


def patch_sum(values: np.ndarray, patch_px: int) -> np.ndarray:
    """Sum ``[rows, cols]`` under a patch at every corner, by a summed-area table."""
    table = np.pad(values.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    near, far = slice(None, -patch_px), slice(patch_px, None)
    return table[far, far] - table[near, far] - table[far, near] + table[near, near]


def too_small(role: str, smallest_px: int, patch_px: int) -> str:
    """Return the error of a role whose smallest slice is smaller than the patch."""
    requirement = f"slices must be at least training.patch_px = {patch_px} wide and high"
    return explain(f"role {role}", requirement, smallest_px, "use a smaller patch_px")
