"""Some slices of a protocol, spread evenly over its series: those to learn from, and others to judge by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.batch.low_dose_series import require_square_pixels, slice_thickness_mm, tube_current
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.series_task import SeriesTask
from n2b_ct.batch.trees import CTTask
from n2b_ct.errors import DataError, SeriesError, explain
from n2b_ct.fitting.protocols import Protocol
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.volumes import describe_volume, read_volume

MIN_SLICES = 3
"""With fewer, a protocol is not fitted: nothing would tell whether a fit is better."""
ENOUGH_TO_SPLIT = 6
"""With so many, every third is kept for the check; with fewer, all serve both."""


@dataclass(frozen=True, eq=False)
class SampledSlices:
    """Slices of one protocol.

    Attributes:
        hu: Float32 ``[rows, cols]`` each; padding has the slice's lowest HU.
        is_padding: True where the scanner padded, the same shapes.
        currents: Tube current of each, mA, if known.
        pixel_mm, slice_mm: Pixel size and slice thickness, mm; means.
    """

    hu: Sequence[np.ndarray]
    is_padding: Sequence[np.ndarray]
    currents: Sequence[float | None]
    pixel_mm: float
    slice_mm: float

    def __len__(self) -> int:
        return len(self.hu)

    @property
    def side_px(self) -> int:
        """The longest side of any slice."""
        return max(max(one.shape) for one in self.hu)

    @property
    def is_split(self) -> bool:
        """Whether training and check have slices of their own."""
        return len(self) >= ENOUGH_TO_SPLIT

    @property
    def learned(self) -> SampledSlices:
        """Those to learn from."""
        return self._only([k for k in range(len(self)) if k % 3 != 1]) if self.is_split else self

    @property
    def judged(self) -> SampledSlices:
        """Those to judge by."""
        return self._only(list(range(1, len(self), 3))) if self.is_split else self

    def _only(self, chosen: Sequence[int]) -> SampledSlices:
        return replace(
            self,
            hu=[self.hu[k] for k in chosen],
            is_padding=[self.is_padding[k] for k in chosen],
            currents=[self.currents[k] for k in chosen],
        )


@dataclass(frozen=True, slots=True)
class _Slice:
    hu: np.ndarray
    is_padding: np.ndarray
    current: float | None
    pixel_mm: float
    slice_mm: float


def sample_slices(protocol: Protocol, n_slices: int, options: DenoiseOptions) -> SampledSlices:
    """Read slices of a protocol, the middles of equal parts; what cannot be read is left out.

    Args:
        protocol: Whose.
        n_slices: How many at most.
        options: Of the run that reads them: offset of volumes, whether values are HU.

    Raises:
        DataError: There are too few, they have no square pixels, or only volumes that are no CT.
    """
    places = [(task, k) for task in protocol.tasks for k in range(task.n_slices)]
    n = min(n_slices, len(places))
    chosen: dict[int, list[int]] = {}
    for task, index in (places[(2 * k + 1) * len(places) // (2 * n)] for k in range(n)):
        chosen.setdefault(protocol.tasks.index(task), []).append(index)
    found = [one for at, indices in chosen.items() for one in _read(protocol.tasks[at], indices, options)]
    if len(found) < MIN_SLICES:
        remedy = "use the model as it is"
        raise DataError(explain("series", f"needs {MIN_SLICES} slices to fit a model to", len(found), remedy))
    return SampledSlices(
        [one.hu for one in found],
        [one.is_padding for one in found],
        [one.current for one in found],
        float(np.mean([one.pixel_mm for one in found])),
        float(np.mean([one.slice_mm for one in found])),
    )


def _read(task: CTTask, indices: Sequence[int], options: DenoiseOptions) -> Iterator[_Slice]:
    if isinstance(task, SeriesTask):
        yield from _read_series(task, indices)
        return
    spacing_mm = describe_volume(task.path).spacing_mm
    volume = read_volume(task.path, hu_offset=options.volume_offset_hu, assume_hu=options.assume_hu)
    for k in indices:
        hu = volume.hu[k]
        yield _Slice(hu, np.zeros(hu.shape, bool), None, float(np.mean(spacing_mm[1:])), float(spacing_mm[0]))


def _read_series(task: SeriesTask, indices: Sequence[int]) -> Iterator[_Slice]:
    require_square_pixels(task.series)
    pixel_mm = float(np.mean(task.series.pixel_spacing_mm or (1.0, 1.0)))
    for one in read_slices([task.series.instances[k] for k in indices]):
        if isinstance(one, SeriesError):
            continue
        is_all_padding = bool(one.is_padding.all())
        lowest = one.hu.min() if is_all_padding else one.hu[~one.is_padding].min()
        hu = np.where(one.is_padding, lowest, one.hu).astype(np.float32)
        yield _Slice(hu, one.is_padding, tube_current(one), pixel_mm, slice_thickness_mm(task.series))
