"""What a report measures on single slices, each measure by its name; packages outside add theirs.

A measure is a :class:`Measure`, registered as ``MEASURES.register("mae_hu")(Measure(...))`` or offered by an installed
package in the entry-point group ``n2b_ct.measures``. Each stands as a column in ``per_slice.csv``, with its means in
``report.json`` and on the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from n2b_ct.errors import ConfigError, DataError, N2BError, explain
from n2b_ct.evaluation import fidelity, flat_regions, regional_noise, truth_error
from n2b_ct.evaluation.cases import INPUT, REFERENCE, SliceCase
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.flat_regions import MIN_CLASS_PX, TISSUE_CLASSES_HU
from n2b_ct.evaluation.regional_noise import PLACES
from n2b_ct.evaluation.table import Row
from n2b_ct.hu import Window
from n2b_ct.registry import MEASURES


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of one slice of one method.

    Attributes:
        title: As tables and charts head it.
        definition: One or more sentences that define it; printed in every report.
        function: From the method's slice (HU ``[rows, cols]``), the whole case (input, reference, pixel spacing, flat
            regions) and the window to the number; None where the slice has none.
        unit: Of the number; empty for a plain one.
        decimals: That are printed.
        higher_is_better: None where neither direction is; such a measure takes no part in paired tests.
        needs_reference: It is then measured in every window, and only where a slice has a reference; others once.
        is_root: It is a root of a mean square: means of it are formed of its squares, which keep its sign.
    """

    title: str
    definition: str
    function: Callable[[np.ndarray, SliceCase, Window], float | None]
    unit: str = ""
    decimals: int = 2
    higher_is_better: bool | None = None
    needs_reference: bool = False
    is_root: bool = False


MEASURES.expect("must be a Measure", lambda member: isinstance(member, Measure))


def _reference_hu(case: SliceCase) -> np.ndarray:
    if case.reference_hu is None:
        raise DataError(explain(case.subject, "needs a reference", "none", "leave the measure out"))
    return case.reference_hu


def _psnr_db(hu: np.ndarray, case: SliceCase, window: Window) -> float | None:
    return fidelity.psnr(_reference_hu(case), hu, window)


def _ssim(hu: np.ndarray, case: SliceCase, window: Window) -> float:
    return fidelity.ssim(_reference_hu(case), hu, window)


def _rmse_hu(hu: np.ndarray, case: SliceCase, window: Window) -> float:
    return fidelity.rmse_hu(_reference_hu(case), hu, window)


def _truth_error_hu(hu: np.ndarray, case: SliceCase, window: Window) -> float | None:
    reference = _reference_hu(case)
    region = truth_error.truth_region(reference if case.truth_hu is None else case.truth_hu, window)
    if np.count_nonzero(region) < truth_error.MIN_REGION_PX:
        return None
    if case.truth_hu is not None:
        return math.sqrt(float(np.mean((np.asarray(hu, np.float64) - case.truth_hu)[region] ** 2)))
    if case.inserted_noise is None or case.anchor != INPUT:
        return None
    inserted = np.asarray(case.input_hu, np.float64) - reference
    square = case.inserted_noise.squared_error_hu2(hu[region], reference[region], inserted[region])
    return None if square is None else truth_error.signed_root(square)


def _noise_std_hu(hu: np.ndarray, case: SliceCase, _window: Window) -> float | None:
    return flat_regions.noise_std_hu(hu, case.flat_blocks)


def _hu_bias_hu(hu: np.ndarray, case: SliceCase, _window: Window) -> float | None:
    return flat_regions.mean_shift_hu(case.input_hu, hu, case.flat_blocks.mask)


def _place_noise_hu(place: str, hu: np.ndarray, case: SliceCase, _window: Window) -> float | None:
    return flat_regions.noise_std_hu(hu, case.place_blocks[place])


def _ideal_bias_hu(tissue: str, hu: np.ndarray, case: SliceCase, _window: Window) -> float | None:
    """Of the input alone: the shift is the same for every method."""
    if hu is not case.input_hu:
        return None
    ideal_hu = case.class_image_hu if case.best_known_hu is None else case.best_known_hu
    return flat_regions.mean_shift_hu(hu, ideal_hu, case.tissue_masks[tissue], MIN_CLASS_PX)


def _class_bias_hu(tissue: str, hu: np.ndarray, case: SliceCase, _window: Window) -> float | None:
    return flat_regions.mean_shift_hu(case.input_hu, hu, case.tissue_masks[tissue], MIN_CLASS_PX)


PSNR = MEASURES.register("psnr_db")(
    Measure("PSNR", fidelity.DEFINITIONS["psnr_db"], _psnr_db, "dB", 2, higher_is_better=True, needs_reference=True)
)
SSIM = MEASURES.register("ssim")(
    Measure("SSIM", fidelity.DEFINITIONS["ssim"], _ssim, "", 3, higher_is_better=True, needs_reference=True)
)
RMSE = MEASURES.register("rmse_hu")(
    Measure("RMSE", fidelity.DEFINITIONS["rmse_hu"], _rmse_hu, "HU", 1, higher_is_better=False, needs_reference=True)
)
TRUTH_ERROR = MEASURES.register("truth_error_hu")(
    Measure(
        "error against the truth",
        truth_error.DEFINITIONS["truth_error_hu"],
        _truth_error_hu,
        "HU",
        1,
        higher_is_better=False,
        needs_reference=True,
        is_root=True,
    )
)
NOISE = MEASURES.register("noise_std_hu")(
    Measure("noise", flat_regions.DEFINITIONS["noise_std_hu"], _noise_std_hu, "HU", 1, higher_is_better=False)
)
BIAS = MEASURES.register("hu_bias_hu")(Measure("HU bias", flat_regions.DEFINITIONS["hu_bias_hu"], _hu_bias_hu, "HU", 1))
CLASS_BIASES = {name: f"hu_bias_{name}_hu" for name in TISSUE_CLASSES_HU}
"""Tissue class to the name of its measure."""
IDEAL_BIASES = {name: f"ideal_bias_{name}_hu" for name in TISSUE_CLASSES_HU}
"""Tissue class to the name of what an ideal denoiser would show; only the input has it."""
PLACE_NOISES = {name: f"noise_{name}_hu" for name in PLACES}
"""Place to the name of its measure."""
for _names, _title, _definition, _read in (
    (CLASS_BIASES, "HU bias", flat_regions.DEFINITIONS["class_bias_hu"], _class_bias_hu),
    (IDEAL_BIASES, "HU bias of an ideal denoiser", flat_regions.DEFINITIONS["ideal_class_bias_hu"], _ideal_bias_hu),
    (PLACE_NOISES, "noise", regional_noise.DEFINITIONS["noise_by_place"], _place_noise_hu),
):
    for _part, _name in _names.items():
        MEASURES.register(_name)(
            Measure(f"{_title}, {PLACES.get(_part, _part)}", _definition, partial(_read, _part), "HU", 1)
        )
BUILT_IN = (
    "psnr_db",
    "ssim",
    "rmse_hu",
    "truth_error_hu",
    "noise_std_hu",
    "hu_bias_hu",
    *CLASS_BIASES.values(),
    *IDEAL_BIASES.values(),
    *PLACE_NOISES.values(),
)
GROUPED = (*CLASS_BIASES.values(), *IDEAL_BIASES.values(), *PLACE_NOISES.values())
"""Measures that ``report.json`` holds by tissue class or by place."""


def known_measures() -> tuple[dict[str, Measure], list[str]]:
    """Return every measure by its name, and a line for each that cannot be used, whatever its package did wrong."""
    found: dict[str, Measure] = {}
    problems = []
    for name in MEASURES.names():
        try:
            found[name] = MEASURES.get(name)
        except ConfigError as error:
            problems.append(str(error))
    return found, problems


def measure_slice(
    case: SliceCase, windows: Mapping[str, Window], measures: Mapping[str, Measure] | None = None
) -> list[Row]:
    """Measure the input, every candidate and the reference's own noise.

    Args:
        case: The slice; regions are found in its input and shared by all methods.
        windows: Name to window; the first is the primary one.
        measures: By name; all that are known where None.

    Returns:
        Rows by method: first ``input``, then the candidates in their order, last ``reference``, which has noise and
        bias but no fidelity to itself. Measures that need a reference have a row in each window (None in the primary
        one where there is no reference), the others one row without a window.

    Raises:
        DataError: A slice differs in size from its input, or holds NaN, or a candidate has a reserved name, or a
            measure fails.
    """
    _check(case)
    chosen = known_measures()[0] if measures is None else measures
    slices = case.methods | ({} if case.reference_hu is None else {REFERENCE: case.reference_hu})
    return [row for method, hu in slices.items() for row in _measure_method(case, method, hu, windows, chosen)]


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


def _measure_method(
    case: SliceCase,
    method: str,
    hu: np.ndarray,
    windows: Mapping[str, Window],
    measures: Mapping[str, Measure],
) -> list[Row]:
    primary = next(iter(windows))
    has_fidelity = case.reference_hu is not None and method != REFERENCE

    def row(name: str, window: str, value: float | None) -> Row:
        return Row(
            "slices",
            name,
            method,
            value,
            dose=case.dose,
            series=case.series,
            slice_index=case.slice_index,
            position_mm=case.position_mm,
            window=window,
        )

    return [
        row(name, label, _value(name, one, hu, case, window) if has_fidelity else None)
        for label, window in windows.items()
        if has_fidelity or label == primary
        for name, one in measures.items()
        if one.needs_reference
    ] + [
        row(name, "", _value(name, one, hu, case, windows[primary]))
        for name, one in measures.items()
        if not one.needs_reference
    ]


def _value(name: str, measure: Measure, hu: np.ndarray, case: SliceCase, window: Window) -> float | None:
    """The number; whatever code of others raises becomes one clear line."""
    try:
        value = measure.function(hu, case, window)
        return None if value is None or not math.isfinite(value) else float(value)
    except N2BError:
        raise
    except Exception as error:
        remedy = "repair or uninstall the package that offers it"
        got = f"{type(error).__name__} on {case.subject}"
        raise DataError(explain(MEASURES.kind, f"{name} must return a number or None", got, remedy)) from error
