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
from n2b_ct.methods.method import ImageTraits, Method


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is learned from.

    Attributes:
        batches: Of patches.
        validation: Whole images to watch by.
        identity: Which images were read.
    """

    batches: PatchBatches
    validation: InMemoryDataset | None
    identity: DataFingerprint


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

    def problems(self, pipeline: Pipeline) -> list[str]:
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
        method: Method,
        run_dir: Path,
        device: torch.device,
        teacher: Model | None = None,
        progress: Progress | None = None,
    ) -> TrainingData:
        """Read them.

        Args:
            pipeline: The experiment.
            method: Its method, which learns from the teacher.
            run_dir: Where a file takes them if they are too many for the memory.
            device: Where training runs; they go there where they fit.
            teacher: The model that the method distils.
            progress: Called with (done, all, what).

        Raises:
            DataError: Values that are not finite, missing references, or images smaller than the patch.
        """
        ...
