"""Images of slices: grey PNGs of a panel, and whole HU for the page's viewer, packed so that many slices fit in.

For the viewer each image is cropped to the patient, clipped to 12 bits and rounded to 1 HU. What is stored is its
mixed second difference, which is small where the image is smooth and which two running sums undo exactly::

    d(r, c) = v(r, c) − v(r−1, c) − v(r, c−1) + v(r−1, c−1)        v outside the image is 0
    word(r, c) = 2 d for d ≥ 0, −2 d − 1 otherwise                 small numbers of either sign become small words

All low bytes, then all high bytes, deflated (RFC 1950), in base64. ``viewer_planes.js`` undoes it.
"""

from __future__ import annotations

import io
import math
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.cases import INPUT, REFERENCE, SliceCase
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.report.formatting import PSNR_DECIMALS, SSIM_DECIMALS
from n2b_ct.evaluation.report.formatting import number as decimal
from n2b_ct.evaluation.summary import Summary, dose_label
from n2b_ct.hu import WINDOWS, Window

ZOOM_PX = 96
ZOOM_FACTOR = 4
BODY_HU = -300.0
BODY_MARGIN_PX = 8
RESIDUAL_STEP_HU = 25.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A slice to be shown, with the methods to show; ``caption`` says why this one."""

    case: SliceCase
    methods: tuple[str, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a slice, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, hu: np.ndarray) -> np.ndarray:
        """The part of the slice inside the box."""
        return hu[self.top : self.top + self.height, self.left : self.left + self.width]


def draw_panel(panel: Panel, window: Window) -> dict[str, dict[str, bytes]]:
    """Render a panel: input, each method, the reference if there is one.

    Returns:
        Method to its PNGs: ``""`` the slice, ``zoom`` its magnified part and, but for the anchor, ``residual`` what it
        took from the anchor, grey at 0, black and white at the limit of :func:`residual_limit_hu`.

    Raises:
        DataError: A slice holds NaN or differs in size, or a method has no slice here.
    """
    shown = shown_slices(panel)
    input_hu = shown[panel.case.anchor]
    body = find_body(input_hu)
    detail = find_detail(input_hu, body, window)
    limit_hu = residual_limit_hu([input_hu - shown[name] for name in panel.methods], body)
    symmetric = Window(-limit_hu, limit_hu)
    drawn = {}
    for name, hu in shown.items():
        zoomed = ndimage.zoom(detail.cut(hu).astype(np.float64), ZOOM_FACTOR, order=1, grid_mode=True, mode="nearest")
        drawn[name] = {"": _grey_png(body.cut(hu), window), "zoom": _grey_png(zoomed, window)}
        if name != panel.case.anchor:
            drawn[name]["residual"] = _grey_png(body.cut(input_hu - hu), symmetric)
    return drawn


def shown_slices(panel: Panel) -> dict[str, np.ndarray]:
    """Input (or its anchor), the panel's methods and the reference, each checked, in the order of the columns."""
    case = panel.case
    missing = [name for name in panel.methods if name not in case.candidates]
    if missing:
        remedy = f"choose among {', '.join(case.candidates) or 'none'}"
        raise DataError(explain(case.subject, "a panel shows methods that were run", ", ".join(missing), remedy))
    shape = case.input_hu.shape
    slices = {case.anchor: case.input_hu} | {name: case.candidates[name] for name in panel.methods}
    if case.reference_hu is not None:
        slices[REFERENCE] = case.reference_hu
    return {name: require_slice(hu, f"{case.subject}, {name}", shape) for name, hu in slices.items()}


def find_body(hu: np.ndarray) -> Box:
    """The box around everything denser than air, with a margin; the whole slice where there is nothing."""
    inside = ndimage.gaussian_filter(hu, 2.0) > BODY_HU
    if not inside.any():
        return Box(0, 0, *hu.shape)
    edges = []
    for axis in (0, 1):
        hit = np.flatnonzero(inside.any(axis=1 - axis))
        first = max(0, int(hit[0]) - BODY_MARGIN_PX)
        last = min(hu.shape[axis], int(hit[-1]) + 1 + BODY_MARGIN_PX)
        edges.append((first, last - first))
    return Box(edges[0][0], edges[1][0], edges[0][1], edges[1][1])


def find_detail(hu: np.ndarray, body: Box, window: Window) -> Box:
    """The square with most detail among those that lie in soft tissue as fully as any does."""
    height, width = min(ZOOM_PX, body.height), min(ZOOM_PX, body.width)
    smooth_hu = ndimage.gaussian_filter(body.cut(hu), 3.0)
    size = (height, width)
    share = ndimage.uniform_filter(window.contains(smooth_hu).astype(np.float64), size, mode="constant")
    detail = ndimage.gaussian_gradient_magnitude(window.clip(smooth_hu), 1.0)
    score = np.where(share > 0.98 * share.max(), ndimage.uniform_filter(detail, size), -1.0)
    reachable = np.zeros_like(score, dtype=bool)
    reachable[height // 2 : body.height - height // 2 + 1, width // 2 : body.width - width // 2 + 1] = True
    row, col = np.unravel_index(int(np.argmax(np.where(reachable, score, -2.0))), score.shape)
    top = min(max(0, int(row) - height // 2), body.height - height)
    left = min(max(0, int(col) - width // 2), body.width - width)
    return Box(body.top + top, body.left + left, height, width)


def residual_limit_hu(residuals_hu: list[np.ndarray], body: Box) -> float:
    """A round limit, HU, that holds 99 % of what the methods removed inside the body."""
    if not residuals_hu:
        return RESIDUAL_STEP_HU
    reach = max(float(np.percentile(np.abs(body.cut(residual)), 99.0)) for residual in residuals_hu)
    return RESIDUAL_STEP_HU * max(1, math.ceil(reach / RESIDUAL_STEP_HU))


def _grey_png(hu: np.ndarray, window: Window) -> bytes:
    grey = np.rint(255.0 * window.normalise(hu)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


SHOWN_AS = {INPUT: "low dose", REFERENCE: "normal dose"}
LOWEST_HU = -1024
HIGHEST_HU = 3071
MAX_BYTES = 22_000_000
"""Of all packed slices in base64, less what the numbers take: with its plots a page then stays below 25 MB."""


@dataclass(frozen=True, slots=True)
class ViewerSlice:
    """One slice of the viewer.

    Attributes:
        planes: Method to its packed image, the input (or what stands in its place) first.
        residual_limit_hu: Where residuals reach black and white unless the reader says otherwise.
    """

    panel: Panel
    rows: int
    cols: int
    planes: dict[str, str]
    residual_limit_hu: float

    def blocks(self, number: int) -> dict[str, str]:
        """Element id to packed image, for the slice of this number in the page."""
        return {f"plane-{number}-{k}": packed for k, packed in enumerate(self.planes.values())}

    @property
    def n_bytes(self) -> int:
        """Characters that the slice adds to the page."""
        return sum(len(packed) for packed in self.planes.values())


def viewer_slices(panels: Sequence[Panel], max_bytes: int = MAX_BYTES) -> list[ViewerSlice]:
    """Pack the panels; where they are too many for one page, leave out some of the dose that has most.

    Raises:
        DataError: A slice holds NaN or differs in size, or a method has no slice here.
    """
    kept = [_viewer_slice(panel) for panel in panels]
    while len(kept) > 1 and sum(entry.n_bytes for entry in kept) > max_bytes:
        doses = [entry.panel.case.dose for entry in kept]
        fullest = max(doses, key=doses.count)
        places = [k for k, dose in enumerate(doses) if dose == fullest]
        del kept[places[len(places) // 2]]
    return kept


def viewer_view(slices: Sequence[ViewerSlice], summary: Summary) -> dict[str, Any]:
    """What the viewer knows beside its images: windows, methods, doses, and where each slice lies.

    Args:
        slices: At least one.
        summary: Names the windows, the roles and the order of the methods; its table has what stands above the images.
    """
    present = {method for entry in slices for method in entry.planes}
    methods = [name for name in summary.roles if name in present]
    windows = dict(summary.windows) | {name: window for name, window in WINDOWS.items() if name != "full"}
    return {
        "windows": [{"name": name, "lower": w.lower_hu, "upper": w.upper_hu} for name, w in windows.items()],
        "methods": [{"name": name, "label": SHOWN_AS.get(name, name), "role": summary.roles[name]} for name in methods],
        "anchor": slices[0].panel.case.anchor,
        "shown": _shown_at_first(summary, methods),
        "doses": list(dict.fromkeys(dose_label(entry.panel.case.dose) for entry in slices)),
        "slices": [_slice_view(entry, k, summary) for k, entry in enumerate(slices)],
    }


def pack(hu: np.ndarray) -> str:
    """Pack one image, ``[rows, cols]`` in HU, as base64 text."""
    whole = np.rint(np.clip(hu, LOWEST_HU, HIGHEST_HU)).astype(np.int32)
    difference = np.diff(np.diff(whole, axis=0, prepend=0), axis=1, prepend=0)
    words = np.where(difference >= 0, 2 * difference, -2 * difference - 1).astype(np.uint16)
    raw = (words & 0xFF).astype(np.uint8).tobytes() + (words >> 8).astype(np.uint8).tobytes()
    return b64encode(zlib.compress(raw, 9)).decode("ascii")


def _shown_at_first(summary: Summary, methods: Sequence[str]) -> list[str]:
    """Input, up to two methods, models before the best baseline, and the reference: what a laptop has room for."""
    best = next(
        (row.method for row in summary.table.of_part("best_baselines") if row.level == summary.overall.label), None
    )
    judged = [name for name in methods if summary.roles[name] == "model"]
    judged += [best] if best is not None else []
    judged += [name for name in methods if summary.roles[name] == "baseline" and name not in judged]
    return [name for name in methods if summary.roles[name] in {"input", "reference"} or name in judged[:2]]


def _slice_view(entry: ViewerSlice, number: int, summary: Summary) -> dict[str, Any]:
    case = entry.panel.case
    own = summary.table.records("slices", dose=case.dose, series=case.series, slice_index=case.slice_index)
    measures: dict[str, dict[str, float | None]] = {}
    for record in own:
        if record["window"] in (summary.primary_window, ""):
            measures.setdefault(record["method"], {}).update(record)
    position = "" if case.position_mm is None else f", {decimal(case.position_mm, 1)} mm"
    return {
        "dose": dose_label(case.dose),
        "series": case.series,
        "index": case.slice_index,
        "label": f"{case.subject}{position}",
        "caption": entry.panel.caption,
        "rows": entry.rows,
        "cols": entry.cols,
        "limit": entry.residual_limit_hu,
        "measures": {method: _measures(values) for method, values in measures.items()},
        "planes": dict(zip(entry.planes, entry.blocks(number), strict=True)),
    }


def _measures(values: Mapping[str, float | None]) -> str:
    texts = (
        ("psnr_db", "{} dB", PSNR_DECIMALS),
        ("ssim", "SSIM {}", SSIM_DECIMALS),
        ("noise_std_hu", "noise {} HU", 1),
    )
    return " · ".join(
        text.format(decimal(values[name], decimals)) for name, text, decimals in texts if values.get(name) is not None
    )


def _viewer_slice(panel: Panel) -> ViewerSlice:
    shown = shown_slices(panel)
    anchor_hu = shown[panel.case.anchor]
    body = find_body(anchor_hu)
    limit_hu = residual_limit_hu([anchor_hu - shown[name] for name in panel.methods], body)
    planes = {name: pack(body.cut(hu)) for name, hu in shown.items()}
    return ViewerSlice(panel, body.height, body.width, planes, limit_hu)
