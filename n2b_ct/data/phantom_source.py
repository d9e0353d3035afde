"""Digital patients as training images: noise-free slices, with noise inserted anew into every patch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from n2b_ct.config.phantom_data import PhantomSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.dataset import InMemoryDataset, Sample, filled_dataset
from n2b_ct.data.image_source import ImageTraits, NetworkUnit, OwnBatches, Role, Sampling
from n2b_ct.data.image_store import Shape
from n2b_ct.data.inserted_noise import (
    MARGIN_PX,
    AnyNoise,
    Images,
    InsertedNoiseBatches,
    NoisePrior,
    OneKernel,
    Storage,
    stored,
    through_kernels,
)
from n2b_ct.data.patches import Batches
from n2b_ct.data.recorruption import RecorruptedBatches, Recorruption
from n2b_ct.errors import explain
from n2b_ct.hu import SCANNER_FLOOR_HU, Window
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs
from n2b_ct.phantom.training_slices import (
    HU_UNIT,
    NOISE_UNIT,
    PIXELS_MM,
    REGIONS,
    SliceRole,
    SliceSettings,
    StoredSlice,
    make_slices,
    region_problems,
    slices_folder,
)
from n2b_ct.simulation.body_cells import CELL_PX, body_cells
from n2b_ct.simulation.kernel_responses import filters
from n2b_ct.simulation.series_noise import SeriesNoise

_ROLES: dict[Role, SliceRole] = {"noisy": "train", "validation": "validation"}


def phantom_source(section: PhantomSection, root: Path | None = None) -> PhantomSource:
    """Return the phantoms of a section; they are made when they are read.

    Args:
        section: Which.
        root: Folder that keeps them; None: the section's, else ``n2b-ct`` in the user's cache.
    """
    settings = SliceSettings(section.seed, section.size_px, section.n_noise_fields)
    return PhantomSource(section, settings, slices_folder(root or section.root, settings))


@dataclass(frozen=True, slots=True)
class PhantomSource:
    """Phantoms by role: an :class:`~n2b_ct.data.image_source.ImageSource`.

    Attributes:
        section: How many, and how strong their noise.
        made_from: What the slices follow from.
        folder: Where they are kept.
        noise: Insert this series' noise alone; None: any.
        recorruption: Learn from the slices of that series too; None: from phantoms alone.
    """

    section: PhantomSection
    made_from: SliceSettings
    folder: Path
    noise: SeriesNoise | None = None
    recorruption: Recorruption | None = None

    @property
    def n_images(self) -> dict[str, int]:
        """Number of slices by role; none is clean by itself, as every noisy one has its truth."""
        return {"noisy": self.section.n_slices, "clean": 0, "validation": self.section.n_validation_slices}

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """The one size."""
        return ((self.section.size_px, self.section.size_px),)

    @property
    def traits(self) -> ImageTraits:
        """One channel, clipped to the window."""
        unit = NetworkUnit(self.input_scale.width_hu, "HU", "hu", "slice")
        return ImageTraits(n_channels=1, n_noisy=self.section.n_slices, clipped=True, unit=unit)

    @property
    def input_scale(self) -> Window:
        """HU that become [0, 1] for the network."""
        return self.section.window.window

    @property
    def pixels_mm(self) -> tuple[float, float]:
        """Smallest and largest pixel that is drawn."""
        return PIXELS_MM

    @property
    def inputs(self) -> Inputs:
        """No series."""
        return Inputs()

    @property
    def sampling(self) -> Sampling:
        """Nothing: the phantoms draw their patches themselves."""
        return {}

    @property
    def digest_keys(self) -> tuple[str, ...]:
        """The roles."""
        return ("noisy", "clean", "validation")

    def shapes(self, role: Role) -> list[Shape]:
        """Return one channel, rows and columns of every slice."""
        return [(1, *self.sizes_px[0])] * self.n_images[role]

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Return a line for unknown regions, a method that learns from something else, and slices below the patch."""
        problems, needs = region_problems("data.regions", self._regions), pipeline.method.needs
        if not needs.reference or needs.clean or needs.blurred or needs.noisy_again or needs.distilled:
            requirement = "phantoms train methods that learn from images and their truth"
            problems.append(explain("data.kind", requirement, pipeline.method.name, "use noise_insertion"))
        least = pipeline.training.patch_px + 2 * MARGIN_PX
        if self.section.size_px < least:
            requirement = f"must be at least training.patch_px and {2 * MARGIN_PX}, {least}"
            problems.append(explain("data.size_px", requirement, self.section.size_px, "use a smaller patch_px"))
        return problems

    def own_batches(
        self, pipeline: Pipeline, share: slice, device: torch.device, progress: Progress | None = None
    ) -> OwnBatches:
        """Make the slices that are missing, and return batches of patches with noise drawn anew.

        Raises:
            DataError, OutputError: The slices cannot be made or read.
        """
        slices = self._slices("noisy", progress)
        planes = [one.pixels() for one in slices]
        if pipeline.training.cache == "memory":
            planes = [np.array(one) for one in planes]
        cells = [one.cells * CELL_PX for one in slices]
        stds_hu = [one.facts["field_std_hu"] for one in slices]
        training = pipeline.training
        batches: Batches = InsertedNoiseBatches(
            Images([one[:1] for one in planes], HU_UNIT, cells, CELL_PX),
            self._series_fields() or Images([one[1:] for one in planes], NOISE_UNIT, cells, CELL_PX, stds_hu),
            self._prior(),
            self.input_scale,
            is_paired=self.noise is None,
            patch_px=training.patch_px,
            batch_size=training.batch_size,
            n_batches=training.iterations,
            seed=training.seed,
            device=device,
            share=share,
        )
        if self.noise is not None and self.recorruption is not None:
            batches = RecorruptedBatches(
                batches,
                self.noise,
                self.recorruption,
                self.input_scale,
                patch_px=training.patch_px,
                batch_size=training.batch_size,
                seed=training.seed,
                share=share,
            )
        return OwnBatches(batches, {"images": [one.facts["digest"] for one in slices]})

    def make(self, progress: Progress | None = None) -> None:
        """Make the slices to learn from that are missing.

        Raises:
            OutputError: They cannot be made.
        """
        self._slices("noisy", progress)

    def dataset(
        self,
        role: Role,
        pipeline: Pipeline,  # noqa: ARG002 (for sources that prepare targets)
        directory: Path | None = None,
        progress: Progress | None = None,
    ) -> InMemoryDataset:
        """Return whole slices with one noise each, and their truth.

        Raises:
            DataError, OutputError: The slices cannot be made or read.
        """
        slices = self._slices(role, progress)
        return filled_dataset(self._samples(slices), self.shapes(role), directory)

    def digests(
        self,
        role: Role,
        pipeline: Pipeline,  # noqa: ARG002 (for sources that read references for themselves)
        progress: Progress | None = None,
    ) -> dict[str, list[str]]:
        """Return the digests of the slices.

        Raises:
            DataError, OutputError: They cannot be made.
        """
        return {"images": [one.facts["digest"] for one in self._slices(role, progress)]}

    def fresh_noise(self, pipeline: Pipeline) -> None:  # noqa: ARG002 (for sources whose batches are cut for them)
        """Return None: own batches have it."""
        return

    def settings(self, pipeline: Pipeline) -> dict[str, Any]:  # noqa: ARG002 (for sources that depend on it)
        """Return the window and what the noise is drawn from."""
        window = [self.input_scale.lower_hu, self.input_scale.upper_hu]
        series = None if self.noise is None else self.noise.digest
        if self.recorruption is not None:
            series = f"{series}, recorrupted: {self.recorruption}"
        noise_hu = list(self.section.noise_hu)
        return {"window": window, "noise_hu": noise_hu, "phantoms": self.made_from.digest, "series": series}

    @property
    def _regions(self) -> tuple[str, ...]:
        return REGIONS if self.section.regions is None else self.section.regions

    def _prior(self) -> NoisePrior:
        return AnyNoise(self.section.noise_hu) if self.noise is None else OneKernel(self.noise.response)

    def _series_fields(self) -> Images | None:
        """The fields of the series, at their own strength."""
        if self.noise is None:
            return None
        cells = [np.argwhere(body_cells(hu)) * CELL_PX for hu in self.noise.slices_hu]
        fields = list(self.noise.fields)
        return Images(fields, 1.0, cells, CELL_PX, [[1.0] * len(of_slice) for of_slice in fields])

    def _slices(self, role: Role, progress: Progress | None) -> list[StoredSlice]:
        n_slices, n_workers, regions = self.n_images[role], self.section.n_workers, self._regions
        if not n_slices:
            return []
        return make_slices(
            self.folder,
            self.made_from,
            _ROLES[role],
            n_slices,
            regions=regions,
            n_workers=n_workers,
            progress=progress,
        )

    def _samples(self, slices: list[StoredSlice]) -> Iterator[Sample]:
        for number, one in enumerate(slices):
            noisy, truth = self._pair(one, np.random.default_rng([self.section.seed, 2, number]))
            yield Sample({"image": noisy, "reference": truth}, {"images": one.facts["digest"]})

    def _pair(self, one: StoredSlice, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return a whole slice with noise, and without, ``[1, rows, cols]`` in network units."""
        draw, pixels = self._prior().draw(rng), one.pixels()
        kernels = filters([draw.response], self.section.size_px)
        own_std_hu = one.facts["field_std_hu"][0] if self.noise is None else self.noise.std_hu
        strength = draw.strength(own_std_hu, float(kernels.noise_gain[0]))
        anatomy = pixels[:1] * np.float32(HU_UNIT)
        field = pixels[1:2] * np.float32(NOISE_UNIT * strength)
        truth, noise = through_kernels(anatomy, field, kernels, torch.device("cpu"))
        return stored(truth, noise, [Storage(SCANNER_FLOOR_HU, is_rounded=True)], self.input_scale)
