"""Slices of CT as training images: by role, through the window, with blurred labels, references or neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from n2b_ct.config.method import MethodConfig
from n2b_ct.config.sections import DataSection, Pipeline
from n2b_ct.data.clean_phantoms import CleanPhantoms
from n2b_ct.data.dataset import InMemoryDataset, Sample, filled_dataset
from n2b_ct.data.fingerprint import image_digest
from n2b_ct.data.image_source import ImageTraits, Label, NetworkUnit, Role, Sampling
from n2b_ct.data.image_store import ImageStore, Shape
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.neighbours import neighbour_images, neighbour_indices, with_neighbours
from n2b_ct.data.patch_sampler import too_small
from n2b_ct.data.roles import Roles, RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.filters import mean_blur
from n2b_ct.hu import AIR_BELOW_HU, Window
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs

_AIR_KERNEL_PX = 9


def ct_source(section: DataSection, roles: Roles, method: MethodConfig) -> CTSource:
    """Return the slices usable for training; where the method needs a second observation, those with neighbours.

    Raises:
        DataError: No slice has such a neighbour.
    """
    if (neighbours := method.second_observation()) is not None:
        roles = replace(roles, noisy=with_neighbours(roles.noisy, neighbours))
    phantoms = CleanPhantoms(section.clean, roles.noisy) if section.clean is not None else None
    return CTSource(section, roles, phantoms)


@dataclass(frozen=True, slots=True)
class CTSource:
    """Slices by role, of a manifest's series or of arrays: an :class:`~n2b_ct.data.image_source.ImageSource`.

    Attributes:
        section: Window and shares of patches.
        roles: The slices.
        phantoms: Clean slices of no scan; None: those of the roles.
    """

    section: DataSection
    roles: Roles
    phantoms: CleanPhantoms | None = None

    @property
    def n_images(self) -> dict[str, int]:
        """Number of slices by role."""
        return {role: len(self._sizes_px(role)) for role in ("noisy", "clean", "validation", "test")}

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of all slices in use."""
        return tuple(
            sorted({size for role in ("noisy", "clean", "validation", "test") for size in self._sizes_px(role)})
        )

    @property
    def traits(self) -> ImageTraits:
        """One channel, clipped to the window."""
        unit = NetworkUnit(self.input_scale.width_hu, "HU", "hu", "slice")
        return ImageTraits(n_channels=1, n_noisy=len(self.roles.noisy), clipped=True, unit=unit)

    @property
    def input_scale(self) -> Window:
        """HU that become [0, 1] for the network."""
        return self.section.window.window

    @property
    def inputs(self) -> Inputs:
        """The series in use, and files that were left out."""
        return self.roles.inputs

    @property
    def sampling(self) -> Sampling:
        """Return patch limits: in the body; noisy ones where their slice is flattest."""
        return {
            "noisy_body_fraction": self.section.noisy_body_fraction,
            "noisy_flat_share": self.section.noisy_flat_share,
            "clean_body_fraction": self.section.clean_body_fraction,
        }

    @property
    def digest_keys(self) -> tuple[str, ...]:
        """Every role and its references."""
        return tuple(key for role in ("noisy", "clean", "validation") for key in (role, f"{role} reference"))

    def shapes(self, role: Role) -> list[Shape]:
        """Return one channel, rows and columns of every slice."""
        return [(1, *size) for size in self._sizes_px(role)]

    def problems(self, pipeline: Pipeline) -> list[str]:
        """Return a line for empty roles, slices smaller than the patch, missing references."""
        needs_clean = pipeline.method.needs.clean
        problems = self.phantoms.problems(pipeline.training.patch_px) if self.phantoms and needs_clean else []
        for role in ("noisy", "clean") if needs_clean and self.phantoms is None else ("noisy",):
            slices, patch_px = self._slices(role), pipeline.training.patch_px
            if not slices:
                phantoms = ", or set data.clean to phantom" if role == "clean" else ""
                remedy = self._remedy("see the manifest's split and data.doses", f"pass {role}=") + phantoms
                problems.append(explain(f"role {role}", "must hold at least one slice", 0, remedy))
            smallest = min((min(one.series.size_px) for one in slices), default=patch_px)
            if smallest < patch_px:
                problems.append(too_small(role, smallest, patch_px))
        return problems + self._missing_references(pipeline)

    def _missing_references(self, pipeline: Pipeline) -> list[str]:
        problems = []
        if pipeline.method.needs.reference and any(one.reference is None for one in self.roles.noisy):
            requirement = f"{pipeline.method.name} training needs a reference for every slice"
            remedy = self._remedy("name one in the manifest, or train noise2blur", "pass references=")
            problems.append(explain("role noisy", requirement, "none for some", remedy))
        if any(one.reference is None for one in self.roles.validation):
            remedy = "name one in the manifest, or leave the role out"
            problems.append(explain("role validation", "needs a reference for every slice", "none for some", remedy))
        return problems

    def dataset(
        self, role: Role, pipeline: Pipeline, directory: Path | None = None, progress: Progress | None = None
    ) -> InMemoryDataset:
        """Read the slices of a role; clean ones are not clipped, so that noise can be added before the window.

        Raises:
            DataError: Values that are not finite, or a missing reference.
        """
        if role == "clean" and self.phantoms is not None:
            return self._phantom_dataset(self.phantoms, directory, progress)
        slices, is_noisy = self._slices(role), role == "noisy"
        dataset = load_slices(
            slices,
            self.input_scale,
            label=pipeline.method.label_filter() if is_noisy else None,
            with_reference=_with_reference(role, pipeline),
            clipped=role != "clean",
            directory=directory,
            progress=progress,
        )
        if is_noisy and (neighbours := pipeline.method.second_observation()) is not None:
            again = neighbour_images(slices, dataset.images, neighbours)
            dataset.targets["noisy_again"] = ImageStore.of(again, directory)
        return dataset

    def _phantom_dataset(
        self, phantoms: CleanPhantoms, directory: Path | None, progress: Progress | None
    ) -> InMemoryDataset:
        samples = (
            Sample({"image": _tensor(self.input_scale.scale(hu))}, {"images": digest}, body_mask(hu, self.input_scale))
            for hu, digest in phantoms.slices_hu(progress)
        )
        return filled_dataset(samples, self.shapes("clean"), directory)

    def own_batches(
        self,
        pipeline: Pipeline,  # noqa: ARG002 (for sources that make some)
        share: slice,  # noqa: ARG002
        device: torch.device,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> None:
        """Return None: batches are cut from the images."""
        return

    def digests(self, role: Role, pipeline: Pipeline, progress: Progress | None = None) -> dict[str, list[str]]:
        """Return the digests of slices and of references, without keeping slices in memory.

        Raises:
            DataError: As :meth:`dataset`.
        """
        if role == "clean" and self.phantoms is not None:
            return {"images": self.phantoms.digests(progress)}
        return slice_digests(self._slices(role), with_reference=_with_reference(role, pipeline), progress=progress)

    def fresh_noise(self, pipeline: Pipeline) -> None:  # noqa: ARG002 (for sources that have some)
        """Return None: slices keep their noise."""
        return

    def settings(self, pipeline: Pipeline) -> dict[str, Any]:
        """Return the window, and which slices are each other's neighbours."""
        neighbours = pipeline.method.second_observation()
        indices = None if neighbours is None else neighbour_indices(self.roles.noisy, neighbours)
        return {
            "window": [self.input_scale.lower_hu, self.input_scale.upper_hu],
            "neighbours": None if indices is None else [list(found) for found in indices],
        }

    def _sizes_px(self, role: str) -> list[tuple[int, int]]:
        """Rows and columns of every slice of a role."""
        if role == "clean" and self.phantoms is not None:
            return self.phantoms.sizes_px
        return [one.series.size_px for one in self._slices(role)]

    def _slices(self, role: str) -> tuple[RoleSlice, ...]:
        slices: tuple[RoleSlice, ...] = getattr(self.roles, role)
        return slices

    def _remedy(self, of_files: str, of_arrays: str) -> str:
        return of_arrays if self.section.manifest is None else of_files


def load_slices(
    slices: Sequence[RoleSlice],
    window: Window,
    *,
    label: Label | None = None,
    with_reference: bool = False,
    clipped: bool = True,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> InMemoryDataset:
    """Read slices and normalise them by the window.

    Args:
        slices: What to read; runs of one series are read together.
        window: HU that become [0, 1].
        label: Makes the blurred label y_b from a whole windowed slice ``[rows, cols]``.
        with_reference: Read each slice's normal-dose counterpart too.
        clipped: Clip to the window.
        directory: Folder of a memory-mapped file for slices that do not fit into memory; None: in memory.
        progress: Called with (slices done, all slices, series name).

    Raises:
        DataError: A slice holds values that are not finite, or lacks the reference asked for.
    """

    def sample(slice_hu: np.ndarray, reference_hu: np.ndarray | None) -> Sample:
        windowed = window.normalise(slice_hu)
        tensors = {"image": _tensor(windowed if clipped else window.scale(slice_hu))}
        if label is not None:
            tensors["blurred"] = _tensor(label(windowed))
        if reference_hu is not None:
            tensors["reference"] = _tensor(window.normalise(reference_hu))
        return Sample(tensors, _digests(slice_hu, reference_hu), body_mask(slice_hu, window))

    pairs = _slices_hu(slices, with_reference=with_reference, progress=progress)
    return filled_dataset((sample(*pair) for pair in pairs), _shapes(slices), directory)


def slice_digests(
    slices: Sequence[RoleSlice], *, with_reference: bool = False, progress: Progress | None = None
) -> dict[str, list[str]]:
    """Return the digests that :func:`load_slices` gives a dataset, without keeping slices in memory.

    Raises:
        DataError: As :func:`load_slices`.
    """
    digests: dict[str, list[str]] = {}
    for pair in _slices_hu(slices, with_reference=with_reference, progress=progress):
        for key, digest in _digests(*pair).items():
            digests.setdefault(key, []).append(digest)
    return digests


def body_mask(hu: np.ndarray, window: Window) -> np.ndarray:
    """Mark pixels usable for training: inside the window, and not in the air around the body.

    Air is where the mean of 9×9 pixels lies below -950 HU; lung is denser, and noise does not reach that mean.

    Args:
        hu: HU ``[rows, cols]``.
        window: What the network sees.

    Returns:
        bool ``[rows, cols]``.
    """
    return window.contains(hu) & (mean_blur(hu, _AIR_KERNEL_PX) > AIR_BELOW_HU)


def _with_reference(role: Role, pipeline: Pipeline) -> bool:
    return role == "validation" or (role == "noisy" and pipeline.method.needs.reference)


def _shapes(slices: Sequence[RoleSlice]) -> list[Shape]:
    return [(1, *one.series.size_px) for one in slices]


def _digests(slice_hu: np.ndarray, reference_hu: np.ndarray | None) -> dict[str, str]:
    own = {"images": image_digest(slice_hu)}
    return own if reference_hu is None else own | {"reference": image_digest(reference_hu)}


def _slices_hu(
    slices: Sequence[RoleSlice], *, with_reference: bool, progress: Progress | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Read HU and reference HU, ``[rows, cols]`` each; slices that follow each other in a series are read together."""
    n_done = 0
    for series, run in groupby(slices, key=lambda one: one.series):
        of_series = list(run)
        read = _finite(series, series.read_hu([one.index for one in of_series]))
        references: Iterable[np.ndarray | None] = _references_hu(of_series) if with_reference else repeat(None)
        for pair in zip(read, references, strict=False):
            yield pair
            n_done += 1
            if progress is not None:
                progress(n_done, len(slices), series.name)


def _references_hu(slices: Sequence[RoleSlice]) -> Iterator[np.ndarray]:
    missing = [one for one in slices if one.reference is None]
    if missing:
        raise DataError(
            explain(
                f"series {missing[0].series.name}",
                "supervised training needs a reference for every noisy slice",
                "none",
                "name one in the manifest, or train noise2blur",
            )
        )
    for series, run in groupby(slices, key=lambda one: one.reference):
        assert isinstance(series, DatasetSeries)  # noqa: S101 (checked above)
        yield from _finite(series, series.read_hu([one.reference_index or 0 for one in run]))


def _finite(series: DatasetSeries, hu: np.ndarray) -> np.ndarray:
    broken = ~np.isfinite(hu).all(axis=(1, 2))
    if broken.any():
        raise DataError(
            explain(
                f"series {series.name}",
                "HU must be finite",
                f"{int(broken.sum())} slices with NaN or infinity",
                "repair them, or leave them out with slices",
            )
        )
    return hu


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None]
