"""The columns of a table: test images, found before any training and read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2b_ct.data.image_files import ImageFile, find_natural_images, find_pairs
from n2b_ct.data.natural_images import Stream, corrupted
from n2b_ct.errors import ConfigError, DataError, N2BError, explain
from n2b_ct.evaluation.fidelity import SSIM_SIZE_PX
from n2b_ct.experiments.experiment import ColumnSection, ExperimentSection
from n2b_ct.io.natural_images import Colour
from n2b_ct.noises.noise import WHITE_8_BIT


@dataclass(frozen=True, slots=True)
class NoisyPair:
    """One test image on [0, 1]: float32 ``[rows, cols]`` or ``[rows, cols, 3]``.

    Attributes:
        name: Its file's, without the ending, and a crop's corner.
        truth: Without noise.
        noisy: What is denoised; neither clipped nor rounded where noise was laid on.
    """

    name: str
    truth: np.ndarray
    noisy: np.ndarray


@dataclass(frozen=True, slots=True)
class Column:
    """Test images under one noise.

    Attributes:
        section: What the experiment says.
        truths: Files of the truth, in order.
        noisy: Files of the noisy images, one for one, where noise is not laid on.
    """

    section: ColumnSection
    truths: tuple[ImageFile, ...]
    noisy: tuple[ImageFile, ...] = ()

    @property
    def name(self) -> str:
        """Heads the column."""
        return self.section.name

    @property
    def image_names(self) -> list[str]:
        """Names of the images, in order."""
        return [file.name for file in self.truths]

    @property
    def sigma(self) -> float | None:
        """σ of the noise on [0, 1], where all images have the same white Gaussian noise."""
        sigma = self.section.noise.known_sigma if self.section.noise is not None else None
        return None if sigma is None else sigma / WHITE_8_BIT

    def read(self, k: int) -> NoisyPair:
        """Read image ``k`` and lay its noise on: the one of ``[seed, k, 3]``, whoever denoises it.

        Raises:
            DataError: A file cannot be read.
        """
        name, truth = self.truths[k].name, self.truths[k].read()
        if self.section.noise is None:
            return NoisyPair(name, truth, self.noisy[k].read())
        noise = self.section.noise.noise()
        return NoisyPair(name, truth, corrupted(truth, noise, self.section.seed, k, Stream.TEST))


def find_columns(section: ExperimentSection, root: Path, colour: Colour) -> tuple[Column, ...]:
    """Find every column's images by their headers, and what the gallery shows of them.

    Raises:
        DataError: With one line for every folder that is missing, empty or does not fit.
        ConfigError: The gallery names an image that its column has not.
    """
    columns, problems = [], []
    for k, test in enumerate(section.tests):
        try:
            columns.append(_find_column(test, root, colour, f"tests.{k}"))
        except N2BError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    _require_shown(section, columns)
    return tuple(columns)


def _find_column(section: ColumnSection, root: Path, colour: Colour, place: str) -> Column:
    if section.noisy is None:
        return Column(section, _large_enough(find_natural_images(section, root, colour, place)))
    truths, noisy = find_pairs(section, place, section.noisy, f"{place}.noisy", root, colour)
    return Column(section, _large_enough(truths), tuple(noisy))


def _large_enough(files: Sequence[ImageFile]) -> tuple[ImageFile, ...]:
    for one in files:
        if min(one.size_px) < SSIM_SIZE_PX:
            got = "x".join(map(str, one.size_px))
            need = f"test images must be at least {SSIM_SIZE_PX}x{SSIM_SIZE_PX} pixels"
            raise DataError(explain(one.subject, need, got, "leave it out"))
    return tuple(files)


def _require_shown(section: ExperimentSection, columns: Sequence[Column]) -> None:
    gallery = section.gallery
    if gallery is None:
        return
    names = next(column.image_names for column in columns if column.name == gallery.test)
    if unknown := [name for name in gallery.images if name not in names]:
        need = f"must name images of {gallery.test}"
        raise ConfigError(explain("gallery.images", need, ", ".join(unknown), f"such as {names[0]}"))
