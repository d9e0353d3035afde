"""What a training needs to know of its images, wherever they come from: slices of CT or photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from n2b_ct.config.sections import Pipeline
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.patches import PatchBatches
from n2b_ct.data.slices import InMemoryDataset
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Inputs
from n2b_ct.methods.method import BatchNeeds
from n2b_ct.networks.noise_level import NoiseLevels


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


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is learned from.

    Attributes:
        batches: Of patches.
        validation: Whole images to watch by.
        identity: Which images were read.
        noise_levels: What a teacher found in the noisy images.
    """

    batches: PatchBatches
    validation: InMemoryDataset | None
    identity: DataFingerprint
    noise_levels: NoiseLevels | None = None


class TrainingImages(Protocol):
    """Images by role, found and not yet read."""

    @property
    def n_images(self) -> dict[str, int]:
        """How many there are by role: ``noisy``, ``clean``, ``validation``, ``test``."""
        ...

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Every size that occurs: rows and columns."""
        ...

    @property
    def traits(self) -> ImageTraits:
        """What networks and methods have to know."""
        ...

    @property
    def inputs(self) -> Inputs:
        """The series that they come from, and files that were left out; none for images."""
        ...

    def problems(self, pipeline: Pipeline, needs: BatchNeeds) -> list[str]:
        """One line for everything that keeps the pipeline from training on them."""
        ...

    def identity(
        self, pipeline: Pipeline, teacher_digest: str | None = None, progress: Progress | None = None
    ) -> DataFingerprint:
        """Read what :meth:`load` would, and only say which images those are.

        Raises:
            DataError: As :meth:`load`.
        """
        ...

    def load(
        self,
        pipeline: Pipeline,
        needs: BatchNeeds,
        run_dir: Path,
        device: torch.device,
        teacher: Model | None = None,
        progress: Progress | None = None,
    ) -> TrainingData:
        """Read them.

        Args:
            pipeline: The experiment.
            needs: What its method asks of a batch.
            run_dir: Where a file takes them if they are too many for the memory.
            device: Where training runs; they go there where they fit.
            teacher: The model that a method distils from.
            progress: Called with (done, all, what).

        Raises:
            DataError: Values that are not finite, missing references, or images smaller than the patch.
        """
        ...
