"""CT slices as training images: roles of a manifest's split, seen through the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from n2b_ct.config.method import MethodConfig
from n2b_ct.config.sections import DataSection, Pipeline
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.image_store import ImageStore
from n2b_ct.data.neighbours import neighbour_images, neighbour_positions, with_neighbours
from n2b_ct.data.patch_sampler import too_small
from n2b_ct.data.patches import PatchBatches
from n2b_ct.data.roles import Roles
from n2b_ct.data.slices import InMemoryDataset, load_dataset, slice_digests
from n2b_ct.errors import explain
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Inputs
from n2b_ct.methods.method import ImageTraits, Method, NetworkUnit
from n2b_ct.training.data import TrainingData
from n2b_ct.training.distribution import share_of_batch
from n2b_ct.training.storage import Storage, choose_storage, needed_bytes


@dataclass(frozen=True, slots=True)
class CTImages:
    """Slices by role.

    Attributes:
        section: Window and shares of patches.
        roles: The slices.
    """

    section: DataSection
    roles: Roles

    @property
    def n_images(self) -> dict[str, int]:
        """Slices by role."""
        roles = self.roles
        by_role = {"noisy": roles.noisy, "clean": roles.clean, "validation": roles.validation, "test": roles.test}
        return {role: len(slices) for role, slices in by_role.items()}

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of all series in use."""
        roles = self.roles
        slices = (*roles.noisy, *roles.clean, *roles.validation, *roles.test)
        return tuple(sorted({one.series.size_px for one in slices}))

    @property
    def traits(self) -> ImageTraits:
        """One channel, clipped to the window."""
        unit = NetworkUnit(self.section.window.window.width_hu, "HU", "hu", "slice")
        return ImageTraits(n_channels=1, n_noisy=len(self.roles.noisy), clipped=True, unit=unit)

    @property
    def inputs(self) -> Inputs:
        """The series in use, and files that were left out."""
        return self.roles.inputs

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Empty roles, slices smaller than the patch, missing references."""
        patch_px, needs = pipeline.training.patch_px, pipeline.method.needs
        problems = []
        needed = {"noisy": self.roles.noisy} | ({"clean": self.roles.clean} if needs.clean else {})
        for role, slices in needed.items():
            if not slices:
                remedy = "see the manifest's split and data.doses"
                problems.append(explain(f"role {role}", "must hold at least one slice", 0, remedy))
            smallest = min((min(one.series.size_px) for one in slices), default=patch_px)
            if smallest < patch_px:
                problems.append(too_small(role, smallest, patch_px))
        return problems + self._missing_references(pipeline)

    def _missing_references(self, pipeline: Pipeline) -> list[str]:
        problems = []
        if pipeline.method.needs.reference and any(one.reference is None for one in self.roles.noisy):
            requirement = f"{pipeline.method.name} training needs a reference for every slice"
            remedy = "name one in the manifest, or train noise2blur"
            problems.append(explain("role noisy", requirement, "none for some", remedy))
        if any(one.reference is None for one in self.roles.validation):
            remedy = "name one in the manifest, or leave the role out"
            problems.append(explain("role validation", "needs a reference for every slice", "none for some", remedy))
        return problems

    def load(
        self,
        pipeline: Pipeline,
        method: Method,
        run_dir: Path,
        device: torch.device,
        teacher: Model | None = None,
        progress: Progress | None = None,
    ) -> TrainingData:
        """Read the slices that the method needs; make batches of patches.

        Raises:
            DataError: Values that are not finite, missing references, or slices smaller than the patch.
        """
        window, training, needs = self.section.window.window, pipeline.training, pipeline.method.needs
        storage = self._storage(pipeline, run_dir, device)
        noisy = load_dataset(
            self.roles.noisy,
            window,
            label=pipeline.method.label_filter(),
            with_reference=needs.reference,
            directory=storage.directory,
            progress=progress,
        )
        if (neighbours := pipeline.method.second_observation()) is not None:
            again = neighbour_images(self.roles.noisy, noisy.images, neighbours)
            noisy.targets["noisy_again"] = ImageStore.of(again, storage.directory)
        if teacher is not None:
            noisy.targets["distilled"] = method.learn_from(teacher.denoiser, noisy.images, progress)
        clean = None
        if needs.clean:
            clean = load_dataset(
                self.roles.clean, window, clipped=False, directory=storage.directory, progress=progress
            )
        batches = PatchBatches(
            noisy,
            clean,
            patch_px=training.patch_px,
            batch_size=training.batch_size,
            n_batches=training.iterations,
            seed=training.seed,
            noisy_body_fraction=self.section.noisy_body_fraction,
            noisy_flat_share=self.section.noisy_flat_share,
            clean_body_fraction=self.section.clean_body_fraction,
            device=storage.device,
            share=share_of_batch(training),
        )
        validation = self._validation()
        images = _by_role({"noisy": noisy, "clean": clean, "validation": validation})
        seen_as = self._seen_as(pipeline, None if teacher is None else teacher.digest)
        return TrainingData(batches, validation, DataFingerprint(images, seen_as))

    def identity(
        self, pipeline: Pipeline, teacher_digest: str | None = None, progress: Progress | None = None
    ) -> DataFingerprint:
        """Read the slices that the method needs, and say which they are."""
        roles, needs, images = self.roles, pipeline.method.needs, {}
        wanted = {"noisy": roles.noisy, "clean": roles.clean if needs.clean else (), "validation": roles.validation}
        for role, slices in wanted.items():
            with_reference = role == "validation" or (role == "noisy" and needs.reference)
            images[role], images[_reference(role)] = slice_digests(
                slices, with_reference=with_reference, progress=progress
            )
        return DataFingerprint(images, self._seen_as(pipeline, teacher_digest))

    def _seen_as(self, pipeline: Pipeline, teacher_digest: str | None) -> dict[str, Any]:
        window, method = self.section.window.window, pipeline.method
        neighbours = method.second_observation()
        positions = None if neighbours is None else neighbour_positions(self.roles.noisy, neighbours)
        return {
            "window": [window.lower_hu, window.upper_hu],
            "labels": method.label_settings(),
            "neighbours": None if positions is None else [list(places) for places in positions],
            "teacher": teacher_digest,
        }

    def _storage(self, pipeline: Pipeline, run_dir: Path, device: torch.device) -> Storage:
        noisy, clean = ([(1, *one.series.size_px) for one in role] for role in (self.roles.noisy, self.roles.clean))
        return choose_storage(
            needed_bytes(pipeline.method.needs, noisy, clean), pipeline.training.cache, run_dir, device
        )

    def _validation(self) -> InMemoryDataset | None:
        if not self.roles.validation:
            return None
        return load_dataset(self.roles.validation, self.section.window.window, with_reference=True)


def _by_role(datasets: Mapping[str, InMemoryDataset | None]) -> dict[str, list[str]]:
    """Digests of the images of every role and of their references; none where nothing was read."""
    images: dict[str, list[str]] = {}
    for role, dataset in datasets.items():
        images[role] = dataset.digests if dataset is not None else []
        images[_reference(role)] = dataset.reference_digests if dataset is not None else []
    return images


def _reference(role: str) -> str:
    return f"{role} reference"


def ct_images(section: DataSection, roles: Roles, method: MethodConfig) -> CTImages:
    """Return the slices that a method can learn from; where it needs a second observation, those with neighbours.

    Raises:
        DataError: No slice has such a neighbour.
    """
    if (neighbours := method.second_observation()) is not None:
        roles = replace(roles, noisy=with_neighbours(roles.noisy, neighbours))
    return CTImages(section, roles)
