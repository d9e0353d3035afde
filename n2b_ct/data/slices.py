"""The slice dataset: every training slice once in memory, windowed, with its blurred label or its reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from n2b_ct.data.fingerprint import image_digest, image_digests
from n2b_ct.data.image_store import ImageStore
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.filters import mean_blur
from n2b_ct.hu import AIR_BELOW_HU, Window
from n2b_ct.io.progress import Progress

_AIR_KERNEL_PX = 9
Label = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class InMemoryDataset:
    """Slices, or images, in network units.

    Attributes:
        images: One ``[channels, rows, cols]`` float32 tensor an image; slices have one channel.
        targets: For each key (``blurred``, ``reference`` …) a tensor of the same size for every image.
        body: For every image, bool ``[rows, cols]``: the pixels that lie inside the window and are not air;
            of an image, all.
        digests: Of every image, as it was read.
        reference_digests: Of every reference, likewise.
    """

    images: Sequence[Tensor]
    body: list[np.ndarray]
    targets: dict[str, Sequence[Tensor]] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    reference_digests: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def smallest_px(self) -> int:
        """The shortest side of any slice."""
        return min(min(image.shape[-2:]) for image in self.images)


def load_dataset(
    slices: Sequence[RoleSlice],
    window: Window,
    *,
    label: Label | None = None,
    with_reference: bool = False,
    clipped: bool = True,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> InMemoryDataset:
    """Read slices and put them through the window.

    Args:
        slices: What to read; runs of one series are read together.
        window: HU that become [0, 1].
        label: Makes the blurred label y_b from a whole windowed slice ``[rows, cols]``.
        with_reference: Read each slice's normal-dose counterpart too.
        clipped: Clip to the window; clean slices stay whole, so that noise can be added before they meet it.
        directory: Where a file takes the slices that do not fit into memory; None: they do.
        progress: Called with (slices done, all slices, series name).

    Raises:
        DataError: A slice holds values that are not finite, or lacks the reference asked for.
    """
    shapes = [(1, *one.series.size_px) for one in slices]
    keys = [key for key, wanted in (("blurred", label is not None), ("reference", with_reference)) if wanted]
    dataset = InMemoryDataset(ImageStore(shapes, directory), [], {key: ImageStore(shapes, directory) for key in keys})
    for series, roles in _series_runs(slices):
        first = len(dataset.body)
        for k, slice_hu in enumerate(_slices_hu(series, roles), start=first):
            dataset.digests.append(image_digest(slice_hu))
            seen = window.normalise(slice_hu)
            _put(dataset.images[k], seen if clipped else window.scale(slice_hu))
            dataset.body.append(body_mask(slice_hu, window))
            if label is not None:
                _put(dataset.targets["blurred"][k], label(seen))
            if progress is not None:
                progress(k + 1, len(slices), series.name)
        if with_reference:
            for k, reference_hu in enumerate(_references_hu(roles), start=first):
                dataset.reference_digests.append(image_digest(reference_hu))
                _put(dataset.targets["reference"][k], window.normalise(reference_hu))
    return dataset


def slice_digests(
    slices: Sequence[RoleSlice], *, with_reference: bool = False, progress: Progress | None = None
) -> tuple[list[str], list[str]]:
    """Digest slices, and their references where they are asked for, as :func:`load_dataset` does, and keep none.

    Raises:
        DataError: As :func:`load_dataset`.
    """
    digests: list[str] = []
    references: list[str] = []
    for series, roles in _series_runs(slices):
        digests += image_digests(_slices_hu(series, roles))
        references += image_digests(_references_hu(roles)) if with_reference else []
        if progress is not None:
            progress(len(digests), len(slices), series.name)
    return digests, references


def body_mask(hu: np.ndarray, window: Window) -> np.ndarray:
    """Mark where a slice can teach: inside the window, and not in the air around the body.

    Air is where the mean of 9×9 pixels lies below -950 HU; lung is denser, and noise does not reach that mean.

    Args:
        hu: HU ``[rows, cols]``.
        window: What the network sees.
    """
    return window.contains(hu) & (mean_blur(hu, _AIR_KERNEL_PX) > AIR_BELOW_HU)


def _series_runs(slices: Sequence[RoleSlice]) -> Iterator[tuple[DatasetSeries, list[RoleSlice]]]:
    """Slices that follow each other in one series: they are read together."""
    for series, run in groupby(slices, key=lambda role: role.series):
        yield series, list(run)


def _slices_hu(series: DatasetSeries, roles: Sequence[RoleSlice]) -> np.ndarray:
    return _finite(series, series.read_hu([role.index for role in roles]))


def _references_hu(roles: Sequence[RoleSlice]) -> Iterator[np.ndarray]:
    missing = [role for role in roles if role.reference is None or role.reference_index is None]
    if missing:
        raise DataError(
            explain(
                f"series {missing[0].series.name}",
                "supervised training needs a reference for every noisy slice",
                "none",
                "name one in the manifest, or train noise2blur",
            )
        )
    for series, run in groupby(roles, key=lambda role: role.reference):
        assert isinstance(series, DatasetSeries)  # noqa: S101 (checked above)
        indices = [role.reference_index or 0 for role in run]
        yield from _finite(series, series.read_hu(indices))


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


def _put(place: Tensor, image: np.ndarray) -> None:
    place.copy_(torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None])
