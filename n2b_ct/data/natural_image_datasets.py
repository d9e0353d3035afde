"""Datasets of images for training: noise laid on once or anew for every patch, labels and truths beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.data.fingerprint import image_digest
from n2b_ct.data.image_store import ImageStore, Shape
from n2b_ct.data.natural_images import ImageFile, Stream, channels_first, channels_last, corrupted, to_network
from n2b_ct.data.patches import Finish
from n2b_ct.data.slices import InMemoryDataset, Label
from n2b_ct.errors import DataError, explain
from n2b_ct.io.progress import Progress
from n2b_ct.simulation.noise_kinds import ImageNoise
from n2b_ct.simulation.noise_sections import image_noise

_N_SEEDS = 2**32
_Entry = tuple[str, dict[str, Tensor]]


class Needs(Protocol):
    """Which keys a method needs in a batch."""

    @property
    def clean(self) -> bool:
        """Unpaired clean patches."""

    @property
    def blurred(self) -> bool:
        """Blurred labels."""

    @property
    def reference(self) -> bool:
        """Truths."""

    @property
    def noisy_again(self) -> bool:
        """A second realisation."""


@dataclass(frozen=True, slots=True)
class NaturalImageDatasets:
    """What batches are made of.

    Attributes:
        noisy: Noisy images as the network sees them; their truths, as they are, where noise is drawn anew.
        clean: Clean images as the network sees them.
        finish: Draws the noise of every patch, where it is drawn anew.
    """

    noisy: InMemoryDataset
    clean: InMemoryDataset | None = None
    finish: Finish | None = None


def natural_image_training_datasets(
    section: NaturalImageSection,
    files: Mapping[str, Sequence[ImageFile]],
    needs: Needs,
    label: Label | None,
    seed: int,
    progress: Progress | None = None,
    directory: Path | None = None,
) -> NaturalImageDatasets:
    """Read the images that a method needs, and lay the noise on them.

    Args:
        section: Noise, and how the network sees images.
        files: By role: ``noisy`` and ``clean``.
        needs: What the method asks for.
        label: Makes y_b of one channel ``[rows, cols]`` of a noisy image as the network sees it.
        seed: Names the noise.
        progress: Called with (images done, all images, name).
        directory: Where a file takes the images that do not fit into memory; None: they do.

    Raises:
        DataError: An image cannot be read.
    """
    clean_files = files["clean"] if needs.clean else ()
    steps = _Steps(progress, len(files["noisy"]) + len(clean_files))
    noise = None if section.noise is None else image_noise(section.noise)
    wanted = frozenset(key for key in ("blurred", "reference", "noisy_again") if getattr(needs, key))
    banking = _Loading(section, noise, wanted, label, seed)
    finish: Finish | None = None
    if noise is not None and section.realisations == "fresh":
        finish = FreshNoise(noise, needs.noisy_again, section.logarithm, section.clipped)
        entries = (banking.fresh(file) for _, file in steps.through(files["noisy"]))
    else:
        entries = (banking.fixed(file, index) for index, file in steps.through(files["noisy"]))
    noisy = _bank(entries, _shapes(section, files["noisy"]), directory)
    entries = (banking.clean(file) for _, file in steps.through(clean_files))
    clean = _bank(entries, _shapes(section, clean_files), directory)
    return NaturalImageDatasets(noisy, clean if needs.clean else None, finish)


def natural_image_validation_dataset(
    section: NaturalImageSection, files: Sequence[ImageFile], seed: int = 0
) -> InMemoryDataset:
    """Read the validation images, with a noise that training does not see, and their truths as references.

    Raises:
        DataError: An image cannot be read, or there is no noise to lay on.
    """
    if section.noise is None:
        raise DataError(explain("data.validation", "needs data.noise", "null", "name one, or leave validation out"))
    banking = _Loading(section, image_noise(section.noise), frozenset({"reference"}), None, seed)
    entries = (banking.fixed(file, index, Stream.VALIDATION) for index, file in enumerate(files))
    return _bank(entries, _shapes(section, files))


@dataclass(frozen=True, slots=True)
class FreshNoise:
    """Gives every patch of a batch a noise of its own.

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
        """Replace ``noisy``, which holds the truth, by noisy patches; add ``noisy_again`` where it is wanted."""
        truths = batch["noisy"]
        seeds = random_state.randint(_N_SEEDS, size=(len(truths), 2), dtype=np.uint64)
        names = ("noisy", "noisy_again") if self.again else ("noisy",)
        drawn = {name: self._noisy(truths, seeds[:, column]) for column, name in enumerate(names)}
        return batch | drawn

    def _noisy(self, truths: Tensor, seeds: np.ndarray) -> Tensor:
        return torch.stack([self._one(truth.numpy(), int(seed)) for truth, seed in zip(truths, seeds, strict=True)])

    def _one(self, truth: np.ndarray, seed: int) -> Tensor:
        image = channels_last(truth)
        noisy = self.noise.draw(image.shape, np.random.default_rng(seed))(image)
        return _tensor(to_network(noisy, logarithm=self.logarithm, clipped=self.clipped))


@dataclass(frozen=True, slots=True)
class _Loading:
    """Makes the entries of a dataset: digest of an image as read, and tensors ``[channels, rows, cols]`` by key."""

    section: NaturalImageSection
    noise: ImageNoise | None
    wanted: frozenset[str]
    label: Label | None
    seed: int

    def clip_to_window(self, pixels: np.ndarray, *, noisy: bool = False) -> Tensor:
        clipped = noisy and self.section.clipped
        return _tensor(to_network(pixels, logarithm=self.section.logarithm, clipped=clipped))

    def fixed(self, file: ImageFile, index: int, stream: Stream = Stream.TRAINING) -> _Entry:
        """An image with one noise for ever, its own or a laid one."""
        image = file.read()
        noise = self.noise
        noisy = image if noise is None else corrupted(image, noise, self.seed, index, stream)
        entry = {"noisy": self.clip_to_window(noisy, noisy=True)}
        if "blurred" in self.wanted and self.label is not None:
            entry["blurred"] = _blurred(entry["noisy"], self.label)
        if noise is not None and "reference" in self.wanted:
            entry["reference"] = self.clip_to_window(image)
        if noise is not None and "noisy_again" in self.wanted:
            again = corrupted(image, noise, self.seed, index, Stream.SECOND_REALISATION)
            entry["noisy_again"] = self.clip_to_window(again, noisy=True)
        return image_digest(image), entry

    def clean(self, file: ImageFile) -> _Entry:
        """An image as it is."""
        image = file.read()
        return image_digest(image), {"noisy": self.clip_to_window(image)}

    def fresh(self, file: ImageFile) -> _Entry:
        """A truth that gets its noise patch by patch."""
        image = file.read()
        entry = {"noisy": _tensor(image)}
        if "reference" in self.wanted:
            entry["reference"] = self.clip_to_window(image)
        return image_digest(image), entry


class _Steps:
    """Counts images over several folders."""

    def __init__(self, progress: Progress | None, n_all: int) -> None:
        self._progress, self._n_all, self._n_done = progress, n_all, 0

    def through(self, files: Sequence[ImageFile]) -> Iterator[tuple[int, ImageFile]]:
        for index, file in enumerate(files):
            yield index, file
            self._n_done += 1
            if self._progress is not None:
                self._progress(self._n_done, self._n_all, file.path.name)


def _shapes(section: NaturalImageSection, files: Sequence[ImageFile]) -> list[Shape]:
    return [(section.n_channels, *file.size_px) for file in files]


def _bank(entries: Iterable[_Entry], shapes: Sequence[Shape], directory: Path | None = None) -> InMemoryDataset:
    stores: dict[str, ImageStore] = {}
    digests: list[str] = []
    for k, (digest, entry) in enumerate(entries):
        digests.append(digest)
        for key, image in entry.items():
            if key not in stores:
                stores[key] = ImageStore(shapes, directory)
            stores[key][k].copy_(image)
    images = stores.pop("noisy", ImageStore([]))
    return InMemoryDataset(images, [np.ones(shape[1:], dtype=bool) for shape in shapes], dict(stores), digests)


def _blurred(image: Tensor, label: Label) -> Tensor:
    return torch.stack([torch.from_numpy(np.asarray(label(channel.numpy()), np.float32)) for channel in image])


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(channels_first(pixels), dtype=np.float32))
