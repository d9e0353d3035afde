"""What varies within a series although its attributes are given once: noted as a problem, for some scans vary.

A head scan changes its thickness or its tube voltage half way, an axial scan is one acquisition a slice. None of it
makes another series, and whoever computes with the first slice's value should know.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from n2b_ct.io.dicom.reading.slice_geometry import SAME_LOCATION_MM, TILT_DEGREES
from n2b_ct.io.dicom.reading.slice_header import SETTINGS, SliceHeader

NUMBER_SHARE = 0.01
"""Numbers that differ by less than this share are the same setting, written or measured twice."""
SHIFT_PX = 1.0
"""A field of view that moves by more than a pixel is another one."""

_N_VALUES_TOLD = 3

_Value = str | float | None


def variations(ordered: Sequence[SliceHeader], locations_mm: Sequence[float], normal: np.ndarray) -> dict[str, str]:
    """Say what varies among the sorted slices of a series, as problem codes with the values.

    Args:
        ordered: The slices.
        locations_mm: Where they lie along the normal.
        normal: Slice normal, ``[3]``.
    """
    found = {
        "kvp_varies": _varying_numbers(ordered, locations_mm, lambda one: _number(one.pass_mark("KVP"))),
        "thickness_varies": _varying_numbers(
            ordered, locations_mm, lambda one: _number(one.facts.get("SliceThickness", ""))
        ),
        "tilt_varies": _varying_numbers(ordered, locations_mm, lambda one: one.tilt_degrees, TILT_DEGREES),
        "field_of_view_varies": _varying_numbers(ordered, locations_mm, lambda one: one.field_of_view_mm)
        or _shift(ordered, locations_mm, normal),
        "acquisition_varies": _n_values(ordered, lambda one: one.pass_mark("AcquisitionNumber")),
        "description_varies": _n_values(ordered, lambda one: one.facts.get("SeriesDescription", "")),
        "patient_varies": _n_values(ordered, _constant("PatientName")),
        "setting_varies": ", ".join(keyword for keyword in SETTINGS if _n_values(ordered, _constant(keyword))),
    }
    return {code: text for code, text in found.items() if text}


def _constant(keyword: str) -> Callable[[SliceHeader], str]:
    return lambda header: header.constant(keyword)


def _known(ordered: Sequence[SliceHeader], value: Callable[[SliceHeader], _Value]) -> dict[_Value, list[int]]:
    """Locations in the series by value; a slice that lacks it says nothing."""
    found: dict[_Value, list[int]] = defaultdict(list)
    for index, header in enumerate(ordered):
        if (here := value(header)) not in ("", None):
            found[here].append(index)
    return found


def _n_values(ordered: Sequence[SliceHeader], value: Callable[[SliceHeader], _Value]) -> str:
    """How many values there are, where they may not be shown or say nothing."""
    n_values = len(_known(ordered, value))
    return f"{n_values} values" if n_values > 1 else ""


def _varying_numbers(
    ordered: Sequence[SliceHeader],
    locations_mm: Sequence[float],
    value: Callable[[SliceHeader], float | None],
    tolerance: float = 0.0,
) -> str:
    """The most frequent values of a number that varies, and where a single odd slice lies."""
    found = _known(ordered, value)
    numbers = [float(number) for number in found if number is not None]
    limit = tolerance or NUMBER_SHARE * max(map(abs, numbers), default=0.0)
    if len(numbers) < 2 or max(numbers) - min(numbers) <= limit:
        return ""
    often = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    texts = [f"{number:g} {_where(indices, locations_mm)}" for number, indices in often[:_N_VALUES_TOLD]]
    return ", ".join([*texts, *(["…"] if len(often) > _N_VALUES_TOLD else [])])


def _where(indices: Sequence[int], locations_mm: Sequence[float]) -> str:
    return f"at {locations_mm[indices[0]]:g} mm" if len(indices) == 1 else f"in {len(indices)} slices"


def _shift(ordered: Sequence[SliceHeader], locations_mm: Sequence[float], normal: np.ndarray) -> str:
    """How far the first pixel leaves the line from the first slice to the last, which a tilted gantry keeps to."""
    positions_mm = np.array([header.position_mm for header in ordered])
    locations = np.asarray(locations_mm)
    within = positions_mm - locations[:, None] * normal
    length_mm = locations[-1] - locations[0]
    along = (locations - locations[0]) / length_mm if length_mm >= SAME_LOCATION_MM else np.zeros(len(locations))
    strayed = within - within[0] - along[:, None] * (within[-1] - within[0])
    spacing_mm = next((one.pixel_spacing_mm for one in ordered if one.pixel_spacing_mm), (1.0, 1.0))
    distance_mm = np.linalg.norm(strayed, axis=1)
    worst = int(distance_mm.argmax())
    if distance_mm[worst] <= SHIFT_PX * max(spacing_mm):
        return ""
    return f"shifted by {distance_mm[worst]:.3g} mm at {locations[worst]:g} mm"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
