"""Where training images come from: one protocol for slices of CT, on disk or as arrays, and for natural images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

import numpy as np

from n2b_ct.config.sections import Pipeline
from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.image_store import Shape
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.data.patches import Finish
from n2b_ct.hu import Window
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Inputs

Label = Callable[[np.ndarray], np.ndarray]
"""Makes the blurred label y_b of a whole channel ``[rows, cols]``, in network units."""

Role = Literal["noisy", "clean", "validation"]


@dataclass(frozen=True, slots=True)
class NetworkUnit:
    """What 1 is to the network, for people.

    Attributes:
        size: In what people read: HU, or 8-bit grey levels.
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
    """What networks and methods have to know of the images.

    Attributes:
        n_channels: 1, or 3 for RGB.
        n_noisy: How many noisy images there are.
        clipped: Noisy images end at 0 and 1.
        unit: What 1 is.
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


class ImageSource(Protocol):
    """Images by role, found and not yet read."""

    @property
    def n_images(self) -> dict[str, int]:
        """Number of images by role: ``noisy``, ``clean``, ``validation``, and ``test`` where there is one."""

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Every size that occurs: rows and columns."""

    @property
    def traits(self) -> ImageTraits:
        """What networks and methods have to know."""

    @property
    def sees(self) -> Window | NaturalImageScale:
        """What the network sees as [0, 1]."""

    @property
    def inputs(self) -> Inputs:
        """The series that they come from, and files that were left out; none for natural images."""

    @property
    def sampling(self) -> Sampling:
        """Where patches may lie."""

    @property
    def digest_keys(self) -> tuple[str, ...]:
        """Roles, and ``<role> reference`` where references are read for themselves: what a fingerprint tells apart."""

    def shapes(self, role: Role) -> list[Shape]:
        """Return channels, rows and columns of every image of a role."""

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Return one line for everything that keeps the pipeline from training on them."""

    def dataset(
        self, role: Role, pipeline: Pipeline, directory: Path | None = None, progress: Progress | None = None
    ) -> InMemoryDataset:
        """Read the images of a role as the network sees them; noisy ones with the targets that the method needs.

        Args:
            role: Which; ``validation`` comes with its references.
            pipeline: The experiment.
            directory: Where a file takes images that do not fit into memory; None: they do.
            progress: Called with (images done, all of the role, name).

        Raises:
            DataError: An image cannot be read or holds values that are not finite, or a reference is missing.
        """

    def digests(self, role: Role, pipeline: Pipeline, progress: Progress | None = None) -> dict[str, list[str]]:
        """Return the digests that :meth:`dataset` would have, and keep no image.

        Raises:
            DataError: As :meth:`dataset`.
        """

    def fresh_noise(self, pipeline: Pipeline) -> Finish | None:
        """Return what draws the noise of every patch anew; None where images keep theirs."""

    def settings(self, pipeline: Pipeline) -> dict[str, Any]:
        """Return what decides how the network sees the images, in plain values, beside labels and teacher."""
