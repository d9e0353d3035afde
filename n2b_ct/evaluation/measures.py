"""One slice, every method: the rows that everything else in a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.cases import INPUT, REFERENCE, SliceCase
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.fidelity import measure_fidelity
from n2b_ct.evaluation.flat_regions import (
    MIN_CLASS_PX,
    FlatBlocks,
    find_flat_blocks,
    mean_shift_hu,
    noise_std_hu,
    tissue_class_masks,
)
from n2b_ct.hu import Window


@dataclass(frozen=True, slots=True)
class SliceMeasure:
    """One row: a slice, a method, a window. None where something does not exist, never NaN.

    Attributes:
        window: Name of the window that the fidelity numbers belong to.
        psnr_db: None without a reference, and for a slice identical to its reference.
        identical: True where the method's slice equals the reference inside the window.
        noise_std_hu: Noise in flat soft tissue; the same in every window.
        hu_bias_hu: Mean shift against the anchor (the input) in flat soft tissue; the same in every window.
        class_bias_hu: Mean shift against the anchor per tissue class; None where the class is too small.
    """

    dose: float | None
    series: str
    slice_index: int
    position_mm: float | None
    method: str
    window: str
    psnr_db: float | None
    ssim: float | None
    rmse_hu: float | None
    identical: bool
    noise_std_hu: float | None
    hu_bias_hu: float | None
    class_bias_hu: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Regions:
    blocks: FlatBlocks
    flat: np.ndarray
    classes: Mapping[str, np.ndarray]


def measure_slice(case: SliceCase, windows: Mapping[str, Window]) -> list[SliceMeasure]:
    """Measure the input, every candidate and the reference's own noise.

    Args:
        case: The slice; regions are found in its input and shared by all methods.
        windows: Name to window; the first is the primary one. Without a reference only that one gets a row.

    Returns:
        Rows by method, then window: first ``input``, then the candidates in their order, last ``reference``,
        which has noise and bias but no fidelity to itself.

    Raises:
        DataError: A slice differs in size from its input, or holds NaN, or a candidate has a reserved name.
    """
    _check(case)
    regions = _find_regions(case.input_hu)
    rows = [row for name, hu in case.methods.items() for row in _measure_method(case, name, hu, regions, windows)]
    if case.reference_hu is not None:
        rows.append(_row(case, REFERENCE, case.reference_hu, regions, next(iter(windows))))
    return rows


def _check(case: SliceCase) -> None:
    for name in (INPUT, REFERENCE):
        if name in case.candidates:
            remedy = "name the method otherwise"
            raise DataError(explain(case.subject, f"{name} is no method's name", f"a method {name}", remedy))
    shape = require_slice(case.input_hu, f"{case.subject}, {INPUT}").shape
    for name, hu in case.candidates.items():
        require_slice(hu, f"{case.subject}, {name}", shape)
    if case.reference_hu is not None:
        require_slice(case.reference_hu, f"{case.subject}, {REFERENCE}", shape)


def _find_regions(input_hu: np.ndarray) -> _Regions:
    blocks = find_flat_blocks(input_hu)
    return _Regions(blocks, blocks.mask, tissue_class_masks(input_hu))


def _measure_method(
    case: SliceCase, name: str, hu: np.ndarray, regions: _Regions, windows: Mapping[str, Window]
) -> list[SliceMeasure]:
    primary = next(iter(windows))
    own = _row(case, name, hu, regions, primary)
    if case.reference_hu is None:
        return [own]
    return [_with_fidelity(own, case.reference_hu, hu, label, window) for label, window in windows.items()]


def _row(case: SliceCase, name: str, hu: np.ndarray, regions: _Regions, window: str) -> SliceMeasure:
    """What needs no reference: noise and bias."""
    return SliceMeasure(
        dose=case.dose,
        series=case.series,
        slice_index=case.slice_index,
        position_mm=case.position_mm,
        method=name,
        window=window,
        psnr_db=None,
        ssim=None,
        rmse_hu=None,
        identical=False,
        noise_std_hu=noise_std_hu(hu, regions.blocks),
        hu_bias_hu=mean_shift_hu(case.input_hu, hu, regions.flat),
        class_bias_hu={
            label: mean_shift_hu(case.input_hu, hu, mask, MIN_CLASS_PX) for label, mask in regions.classes.items()
        },
    )


def _with_fidelity(
    own: SliceMeasure, reference_hu: np.ndarray, hu: np.ndarray, label: str, window: Window
) -> SliceMeasure:
    fidelity = measure_fidelity(reference_hu, hu, window)
    return replace(
        own,
        window=label,
        psnr_db=fidelity.psnr_db,
        ssim=fidelity.ssim,
        rmse_hu=fidelity.rmse_hu,
        identical=fidelity.psnr_db is None,
    )
