"""Photographs as training images: folders by role, under a noise that is laid on or their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from n2b_ct.config.natural_images import ImageFolder, NaturalImageSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.fingerprint import DataFingerprint, image_digest
from n2b_ct.data.natural_image_datasets import natural_image_training_datasets, natural_image_validation_dataset
from n2b_ct.data.natural_images import ImageFile, find_natural_images
from n2b_ct.data.patches import PatchBatches
from n2b_ct.errors import explain
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Inputs
from n2b_ct.methods.method import ImageTraits, Method, NetworkUnit
from n2b_ct.simulation.image_noise import WHITE_8_BIT
from n2b_ct.training.data import TrainingData
from n2b_ct.training.distribution import share_of_batch
from n2b_ct.training.storage import choose_storage, needed_bytes

_ROLES = ("noisy", "clean")


@dataclass(frozen=True, slots=True)
class NaturalImageSource:
    """Images by role.

    Attributes:
        section: Folders, colour and noise.
        files: For every role that the section names, its images in order.
    """

    section: NaturalImageSection
    files: dict[str, list[ImageFile]]

    @property
    def n_images(self) -> dict[str, int]:
        """Images by role."""
        return {role: len(self.files.get(role, ())) for role in ("noisy", "clean", "validation")}

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of all images in use."""
        return tuple(sorted({one.size_px for files in self.files.values() for one in files}))

    @property
    def traits(self) -> ImageTraits:
        """Channels and range, as the section says."""
        section = self.section
        unit = NetworkUnit(WHITE_8_BIT, "grey levels", "grey", "image")
        return ImageTraits(section.n_channels, len(self.files["noisy"]), section.clipped, unit)

    @property
    def inputs(self) -> Inputs:
        """No series: an image that cannot be used stops the training."""
        return Inputs()

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Roles and noise that are missing, images smaller than the patch."""
        section, method, needs = self.section, pipeline.method.name, pipeline.method.needs
        problems = []
        if needs.clean and section.clean is None:
            problems.append(explain("data.clean", f"{method} needs clean images", "null", "name a folder"))
        if (needs.reference or needs.noisy_again) and section.noise is None:
            requirement = f"{method} needs noise to lay on clean images"
            problems.append(explain("data.noise", requirement, "null", "name one, or train noise2blur"))
        if section.realisations == "fresh" and (needs.blurred or needs.distilled):
            requirement = f"{method} needs images that keep their noise"
            problems.append(explain("data.realisations", requirement, "fresh", "use one"))
        return problems + list(self._too_small(pipeline.training.patch_px, with_clean=needs.clean))

    def _too_small(self, patch_px: int, *, with_clean: bool) -> Iterator[str]:
        for role in ("noisy", "clean") if with_clean else ("noisy",):
            for one in self.files.get(role, ()):
                if min(one.size_px) < patch_px:
                    size = f"{one.size_px[0]}x{one.size_px[1]}"
                    requirement = f"must be at least training.patch_px = {patch_px} wide and high"
                    remedy = "leave it out, or use a smaller patch_px"
                    yield explain(f"data.{role}.folder: {one.path.name}", requirement, size, remedy)

    def load(
        self,
        pipeline: Pipeline,
        method: Method,
        run_dir: Path,
        device: torch.device,
        teacher: Model | None = None,
        progress: Progress | None = None,
    ) -> TrainingData:
        """Read the images that the method needs, lay the noise on them, make batches of patches.

        Raises:
            DataError: An image cannot be read, or is smaller than the patch.
        """
        section, training, needs = self.section, pipeline.training, pipeline.method.needs
        noisy, clean = ([(section.n_channels, *one.size_px) for one in self.files.get(role, ())] for role in _ROLES)
        storage = choose_storage(needed_bytes(needs, noisy, clean), training.cache, run_dir, device)
        datasets = natural_image_training_datasets(
            section, self.files, needs, pipeline.method.label_filter(), training.seed, progress, storage.directory
        )
        if teacher is not None:
            datasets.noisy.targets["distilled"] = method.learn_from(teacher.denoiser, datasets.noisy.images, progress)
        batches = PatchBatches(
            datasets.noisy,
            datasets.clean,
            patch_px=training.patch_px,
            batch_size=training.batch_size,
            n_batches=training.iterations,
            seed=training.seed,
            noisy_flat_share=section.noisy_flat_share,
            flat_across=True,
            finish=datasets.finish,
            device=storage.device,
            share=share_of_batch(training),
        )
        validation = self.files.get("validation")
        watched = natural_image_validation_dataset(section, validation) if validation else None
        read = {"noisy": datasets.noisy, "clean": datasets.clean, "validation": watched}
        images = {role: dataset.digests if dataset is not None else [] for role, dataset in read.items()}
        seen_as = _seen_as(pipeline, section, None if teacher is None else teacher.digest)
        return TrainingData(batches, watched, DataFingerprint(images, seen_as))

    def identity(
        self, pipeline: Pipeline, teacher_digest: str | None = None, progress: Progress | None = None
    ) -> DataFingerprint:
        """Read the images that the method needs, and say which they are."""
        roles = ("noisy", "clean", "validation") if pipeline.method.needs.clean else ("noisy", "validation")
        n_all, images = sum(len(self.files.get(role, ())) for role in roles), {"clean": list[str]()}
        for role in roles:
            images[role] = []
            for file in self.files.get(role, ()):
                images[role].append(_digest(file))
                if progress is not None:
                    progress(sum(map(len, images.values())), n_all, file.path.name)
        return DataFingerprint(images, _seen_as(pipeline, self.section, teacher_digest))


def _seen_as(pipeline: Pipeline, section: NaturalImageSection, teacher_digest: str | None) -> dict[str, Any]:
    how = section.model_dump(mode="json", include={"colour", "noise", "realisations", "logarithm", "clipped"})
    return how | {
        "seed": pipeline.training.seed,
        "labels": pipeline.method.label_settings(),
        "teacher": teacher_digest,
    }


def _digest(file: ImageFile) -> str:
    """Digest an image; one that the rows of a table share is read once while its file stays as it is."""
    try:
        status = file.path.stat()
    except OSError:
        return image_digest(file.read())  # whose error says what is wrong
    return _digest_once(file, (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino))


@lru_cache(maxsize=100_000)
def _digest_once(file: ImageFile, status: tuple[int, ...]) -> str:  # noqa: ARG001 (part of the key)
    return image_digest(file.read())


def find_natural_images_of(section: NaturalImageSection, root: Path) -> NaturalImageSource:
    """Find the images of every role, by their headers alone.

    Raises:
        DataError: A folder is missing or empty, or a file is no image of the colour asked for.
    """
    named: dict[str, ImageFolder | None] = {
        "noisy": section.noisy,
        "clean": section.clean,
        "validation": section.validation,
    }
    folders = {role: folder for role, folder in named.items() if folder is not None}
    return NaturalImageSource(
        section,
        {role: find_natural_images(folder, root, section.colour, f"data.{role}") for role, folder in folders.items()},
    )
