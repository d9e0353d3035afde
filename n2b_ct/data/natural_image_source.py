"""Natural images as training images: folders by role, with noise added once, drawn anew for every patch, or their own.

The label of a noisy image is made of each channel by itself, as the network sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.dataset import InMemoryDataset, Sample, filled_dataset
from n2b_ct.data.fingerprint import image_digest
from n2b_ct.data.image_files import ImageFile, find_natural_images, find_pairs
from n2b_ct.data.image_source import ImageTraits, Label, NetworkUnit, Role, Sampling
from n2b_ct.data.image_store import Shape
from n2b_ct.data.natural_images import (
    NaturalImageScale,
    Stream,
    channels_first,
    channels_last,
    corrupted,
    to_network,
)
from n2b_ct.errors import DataError, explain
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs
from n2b_ct.noises.noise import WHITE_8_BIT, ImageNoise, noisy_image

_N_SEEDS = 2**32
_VALIDATION_SEED = 0
_REFERENCE = "reference"


def natural_image_source(section: NaturalImageSection, root: Path) -> NaturalImageSource:
    """Find the images of every role, by their headers alone.

    Raises:
        DataError: A folder is missing or empty, a file is no image of the colour asked for, or noisy images and their
            truths do not pair.
    """
    named = {"noisy": section.noisy, "clean": section.clean, "validation": section.validation}
    files = {
        role: find_natural_images(folder, root, section.colour, f"data.{role}")
        for role, folder in named.items()
        if folder is not None
    }
    if section.reference is not None:
        pairs = find_pairs(section.noisy, "data.noisy", section.reference, "data.reference", root, section.colour)
        files["noisy"], files[_REFERENCE] = pairs
    return NaturalImageSource(section, files)


@dataclass(frozen=True, slots=True)
class NaturalImageSource:
    """Images by role: an :class:`~n2b_ct.data.image_source.ImageSource`.

    Attributes:
        section: Folders, colour and noise.
        files: For every role that the section names, its images in order, and, where noisy images have their own
            noise, their ``reference``.
    """

    section: NaturalImageSection
    files: dict[str, list[ImageFile]]

    @property
    def n_images(self) -> dict[str, int]:
        """Number of images by role."""
        return {role: len(self.files.get(role, ())) for role in ("noisy", "clean", "validation")}

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of all images in use."""
        return tuple(sorted({one.size_px for files in self.files.values() for one in files}))

    @property
    def traits(self) -> ImageTraits:
        """Channels and range, from the section."""
        unit = NetworkUnit(WHITE_8_BIT, "grey levels", "grey", "image")
        return ImageTraits(self.section.n_channels, len(self.files["noisy"]), self.section.clipped, unit)

    @property
    def input_scale(self) -> NaturalImageScale:
        """Black is 0 and white is 1, in the logarithm where the section says so."""
        return NaturalImageScale(self.section.colour, self.section.logarithm, self.section.clipped)

    @property
    def inputs(self) -> Inputs:
        """Empty: an image that cannot be used stops the training."""
        return Inputs()

    @property
    def sampling(self) -> Sampling:
        """Noisy patches come from the flattest corners of all images together."""
        return {"noisy_flat_share": self.section.noisy_flat_share, "flat_across": True}

    @property
    def digest_keys(self) -> tuple[str, ...]:
        """The roles, and references where they are files: else they are the images before noise."""
        of_files = (f"noisy {_REFERENCE}",) if self.files.get(_REFERENCE) else ()
        return ("noisy", *of_files, "clean", "validation")

    def shapes(self, role: Role) -> list[Shape]:
        """Return channels, rows and columns of every image."""
        return [(self.section.n_channels, *file.size_px) for file in self.files.get(role, ())]

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Return a line for roles and noise that are missing, and for images smaller than the patch."""
        section, method, needs = self.section, pipeline.method.name, pipeline.method.needs
        problems = []
        if needs.clean and section.clean is None:
            problems.append(explain("data.clean", f"{method} needs clean images", "null", "name a folder"))
        has_reference = not needs.reference or section.reference is not None
        if section.noise is None and (needs.noisy_again or not has_reference):
            requirement = f"{method} needs noise to add to clean images"
            remedy = "name one, or train noise2blur" if needs.noisy_again else "name one, or data.reference"
            problems.append(explain("data.noise", requirement, "null", remedy))
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

    def dataset(
        self, role: Role, pipeline: Pipeline, directory: Path | None = None, progress: Progress | None = None
    ) -> InMemoryDataset:
        """Read the images of a role and add the noise; where it is drawn anew, noisy images are returned clean.

        Raises:
            DataError: An image cannot be read, or there is no noise for validation.
        """
        noise = self._noise()
        if role == "validation" and noise is None:
            remedy = "name one, or leave validation out"
            raise DataError(explain("data.validation", "needs data.noise", "null", remedy))
        files = _told(self.files.get(role, ()), progress)
        samples = (self._sample(role, pipeline, noise, index, file.read()) for index, file in files)
        if self._reads_references(role, pipeline):
            paired = map(self._with_reference, samples, self.files[_REFERENCE])
            return filled_dataset(paired, self.shapes(role), directory)
        return filled_dataset(samples, self.shapes(role), directory)

    def own_batches(
        self,
        pipeline: Pipeline,  # noqa: ARG002 (for sources that make some)
        share: slice,  # noqa: ARG002
        device: torch.device,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> None:
        """Return None: batches are cut from the images."""
        return

    def digests(
        self,
        role: Role,
        pipeline: Pipeline,
        progress: Progress | None = None,
    ) -> dict[str, list[str]]:
        """Return the digests of the images, and of references that are files.

        Raises:
            DataError: An image cannot be read.
        """
        images = [_digest(file) for _, file in _told(self.files.get(role, ()), progress)]
        if not self._reads_references(role, pipeline):
            return {"images": images}
        return {"images": images, _REFERENCE: [_digest(file) for file in self.files[_REFERENCE]]}

    def fresh_noise(self, pipeline: Pipeline) -> FreshNoise | None:
        """Return what draws new noise for every patch; None where each image keeps its noise."""
        noise = self._noise()
        if noise is None or self.section.realisations != "fresh":
            return None
        return FreshNoise(noise, pipeline.method.needs.noisy_again, self.section.logarithm, self.section.clipped)

    def settings(self, pipeline: Pipeline) -> dict[str, Any]:
        """Return the settings of noise and scaling."""
        keys = {"colour", "noise", "realisations", "logarithm", "clipped"}
        return self.section.model_dump(mode="json", include=keys) | {"seed": pipeline.training.seed}

    def _noise(self) -> ImageNoise | None:
        return None if self.section.noise is None else self.section.noise.noise()

    def _reads_references(self, role: Role, pipeline: Pipeline) -> bool:
        return role == "noisy" and pipeline.method.needs.reference and bool(self.files.get(_REFERENCE))

    def _with_reference(self, sample: Sample, file: ImageFile) -> Sample:
        """Add the truth that was found in a file."""
        truth = file.read()
        tensors = {**sample.tensors, _REFERENCE: self._network_input(truth)}
        return Sample(tensors, {**sample.digests, _REFERENCE: image_digest(truth)})

    def _sample(
        self, role: Role, pipeline: Pipeline, noise: ImageNoise | None, index: int, image: np.ndarray
    ) -> Sample:
        """Return the index-th image of a role with its targets; without noise where it is drawn anew."""
        needs, seed = pipeline.method.needs, pipeline.training.seed
        if role == "clean":
            tensors = {"image": self._network_input(image)}
        elif role == "validation":
            tensors = self._pair(image, noise, _VALIDATION_SEED, index, Stream.VALIDATION, with_reference=True)
        elif self.section.realisations == "fresh":
            tensors = {"image": _tensor(image)} | ({"reference": self._network_input(image)} if needs.reference else {})
        else:
            tensors = self._pair(image, noise, seed, index, Stream.TRAINING, with_reference=needs.reference)
            if needs.blurred and (label := pipeline.method.label_filter()) is not None:
                tensors["blurred"] = _blurred(tensors["image"], label)
            if needs.noisy_again and noise is not None:
                again = corrupted(image, noise, seed, index, Stream.SECOND_REALISATION)
                tensors["noisy_again"] = self._network_input(again, is_noisy=True)
        return Sample(tensors, {"images": image_digest(image)})

    def _pair(
        self,
        image: np.ndarray,
        noise: ImageNoise | None,
        seed: int,
        index: int,
        stream: Stream,
        *,
        with_reference: bool,
    ) -> dict[str, Tensor]:
        """Return an image with noise added, and the clean image as reference; no reference for images with their own
        noise."""
        if noise is None:
            return {"image": self._network_input(image, is_noisy=True)}
        reference = {"reference": self._network_input(image)} if with_reference else {}
        return {"image": self._network_input(corrupted(image, noise, seed, index, stream), is_noisy=True)} | reference

    def _network_input(self, pixels: np.ndarray, *, is_noisy: bool = False) -> Tensor:
        clipped = is_noisy and self.section.clipped
        return _tensor(to_network(pixels, logarithm=self.section.logarithm, clipped=clipped))


@dataclass(frozen=True, slots=True)
class FreshNoise:
    """Draws new noise for every patch of a batch.

    Attributes:
        noise: Kind and level.
        again: Draw a second realisation too.
        logarithm, clipped: How the network sees the result.
    """

    noise: ImageNoise
    again: bool
    logarithm: bool
    clipped: bool

    def __call__(self, batch: dict[str, Tensor], random_state: np.random.RandomState) -> dict[str, Tensor]:
        """Replace the clean patches in ``noisy`` by noisy ones; add ``noisy_again`` where it is needed."""
        truths = batch["noisy"]
        seeds = random_state.randint(_N_SEEDS, size=(len(truths), 2), dtype=np.uint64)
        names = ("noisy", "noisy_again") if self.again else ("noisy",)
        drawn = {name: self._noisy(truths, seeds[:, column]) for column, name in enumerate(names)}
        return batch | drawn

    def _noisy(self, truths: Tensor, seeds: np.ndarray) -> Tensor:
        return torch.stack([self._one(truth.numpy(), int(seed)) for truth, seed in zip(truths, seeds, strict=True)])

    def _one(self, truth: np.ndarray, seed: int) -> Tensor:
        image = channels_last(truth)
        noisy = noisy_image(image, self.noise, np.random.default_rng(seed))
        return _tensor(to_network(noisy, logarithm=self.logarithm, clipped=self.clipped))


def _told(files: Sequence[ImageFile], progress: Progress | None) -> Iterator[tuple[int, ImageFile]]:
    """Number the files, and tell when each is done."""
    for index, file in enumerate(files):
        yield index, file
        if progress is not None:
            progress(index + 1, len(files), file.path.name)


def _digest(file: ImageFile) -> str:
    """Digest an image; cached while its file is unchanged, as rows of a table share images."""
    status = file.status
    return image_digest(file.read()) if status is None else _digest_once(file, status)  # whose error says what is wrong


@lru_cache(maxsize=100_000)
def _digest_once(file: ImageFile, status: tuple[int, ...]) -> str:  # noqa: ARG001 (part of the key)
    return image_digest(file.read())


def _blurred(image: Tensor, label: Label) -> Tensor:
    return torch.stack([torch.from_numpy(np.asarray(label(channel.numpy()), np.float32)) for channel in image])


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(channels_first(pixels), dtype=np.float32))
