"""The protocol of training images: CT slices, on disk or as arrays, and natural images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

import numpy as np
import torch

from n2b_ct.config.sections import Pipeline
from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.image_store import Shape
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.data.patches import Batches, Finish
from n2b_ct.hu import Window
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs

Label = Callable[[np.ndarray], np.ndarray]
"""Makes the blurred label y_b of a whole channel ``[rows, cols]``, in network units."""

Role = Literal["noisy", "clean", "validation"]


@dataclass(frozen=True, slots=True)
class NetworkUnit:
    """The size of the network's 1 in physical units.

    Attributes:
        size: In HU, or 8-bit grey levels.
        name: ``HU`` or ``grey levels``.
        suffix: Of columns in the history: ``hu`` or ``grey``.
        image: What one image is called: ``slice`` or ``image``.
    """

    size: float
    name: str
    suffix: str
    image: str


@dataclass(frozen=True, slots=True)
class ImageTraits:
    """Properties of the images that networks and methods depend on.

    Attributes:
        n_channels: 1, or 3 for RGB.
        n_noisy: How many noisy images there are.
        clipped: Noisy images end at 0 and 1.
        unit: The unit of 1.
    """

    n_channels: int
    n_noisy: int
    clipped: bool
    unit: NetworkUnit


class Sampling(TypedDict, total=False):
    """Where patches may lie, as :class:`~n2b_ct.data.patches.PatchBatches` takes it."""

    noisy_body_fraction: float
    noisy_flat_share: float
    flat_across: bool
    clean_body_fraction: float


@dataclass(frozen=True, slots=True)
class OwnBatches:
    """Batches that a source makes itself.

    Attributes:
        batches: They.
        digests: Of the images that they are made of, as those of a dataset.
    """

    batches: Batches
    digests: dict[str, list[str]]


class ImageSource(Protocol):
    """Images by role, found but not read."""

    @property
    def n_images(self) -> dict[str, int]:
        """Number of images by role: ``noisy``, ``clean``, ``validation``, and ``test`` where there is one."""

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Every size that occurs: rows and columns."""

    @property
    def traits(self) -> ImageTraits:
        """Properties that networks and methods depend on."""

    @property
    def input_scale(self) -> Window | NaturalImageScale:
        """What becomes [0, 1] for the network."""

    @property
    def inputs(self) -> Inputs:
        """The series they come from, and files that were left out; none for natural images."""

    @property
    def sampling(self) -> Sampling:
        """Where patches may lie."""

    @property
    def digest_keys(self) -> tuple[str, ...]:
        """Keys of a fingerprint: roles, and ``<role> reference`` where references are read separately."""

    def shapes(self, role: Role) -> list[Shape]:
        """Return channels, rows and columns of every image of a role."""

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Return one line for each reason why the pipeline cannot train on them."""

    def dataset(
        self, role: Role, pipeline: Pipeline, directory: Path | None = None, progress: Progress | None = None
    ) -> InMemoryDataset:
        """Read the images of a role in network units; noisy ones with the targets that the method needs.

        Args:
            role: Which; ``validation`` comes with its references.
            pipeline: The experiment.
            directory: Folder of a memory-mapped file for images that do not fit into memory; None: in memory.
            progress: Called with (images done, all of the role, name).

        Raises:
            DataError: An image cannot be read or holds values that are not finite, or a reference is missing.
        """

    def own_batches(
        self, pipeline: Pipeline, share: slice, device: torch.device, progress: Progress | None = None
    ) -> OwnBatches | None:
        """Return batches that the source makes itself; None where they are cut from the datasets of the roles.

        Args:
            pipeline: The experiment.
            share: Which patches of every batch are made, where other processes make the rest.
            device: Where training runs.
            progress: Called with (images done, all, what).

        Raises:
            DataError: As :meth:`dataset`.
        """

    def digests(self, role: Role, pipeline: Pipeline, progress: Progress | None = None) -> dict[str, list[str]]:
        """Return the digests that :meth:`dataset` would have, without keeping images in memory.

        Raises:
            DataError: As :meth:`dataset`.
        """

    def fresh_noise(self, pipeline: Pipeline) -> Finish | None:
        """Return what draws new noise for every patch; None where each image keeps its noise."""

    def settings(self, pipeline: Pipeline) -> dict[str, Any]:
        """Return the preprocessing settings as plain values, without labels and teacher."""
