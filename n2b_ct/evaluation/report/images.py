"""Grey images of one slice: what went in, what came out, what was taken away, what the truth looks like."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.cases import REFERENCE, SliceCase
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.hu import Window

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

    def within(self, outer: Box) -> dict[str, float]:
        """Place inside another box, in percent of its size, as a style sheet wants it."""
        return {
            "top": 100 * (self.top - outer.top) / outer.height,
            "left": 100 * (self.left - outer.left) / outer.width,
            "width": 100 * self.width / outer.width,
            "height": 100 * self.height / outer.height,
        }


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """One method's PNGs: the slice, its magnified part and, but for the anchor, what it took from the anchor."""

    method: str
    slice_png: bytes
    zoom_png: bytes
    residual_png: bytes | None


@dataclass(frozen=True, slots=True)
class PanelImages:
    """All images of a panel; residuals are grey at 0 and reach black and white at ± ``residual_limit_hu``."""

    panel: Panel
    columns: tuple[ImageColumn, ...]
    zoom_place: dict[str, float]
    residual_limit_hu: float


def draw_panel(panel: Panel, window: Window) -> PanelImages:
    """Render a panel: input, each method, the reference if there is one.

    Raises:
        DataError: A slice holds NaN or differs in size, or a method has no slice here.
    """
    shown = shown_slices(panel)
    input_hu = shown[panel.case.anchor]
    body = find_body(input_hu)
    zoom = find_detail(input_hu, body, window)
    limit_hu = residual_limit_hu([input_hu - shown[name] for name in panel.methods], body)
    columns = tuple(
        _column(name, hu, None if name == panel.case.anchor else input_hu - hu, body, zoom, window, limit_hu)
        for name, hu in shown.items()
    )
    return PanelImages(panel, columns, zoom.within(body), limit_hu)


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


def _column(
    name: str, hu: np.ndarray, removed: np.ndarray | None, body: Box, zoom: Box, window: Window, limit_hu: float
) -> ImageColumn:
    magnified = ndimage.zoom(zoom.cut(hu).astype(np.float64), ZOOM_FACTOR, order=1, grid_mode=True, mode="nearest")
    symmetric = Window(-limit_hu, limit_hu)
    residual = None if removed is None else _grey_png(body.cut(removed), symmetric)
    return ImageColumn(name, _grey_png(body.cut(hu), window), _grey_png(magnified, window), residual)


def _grey_png(hu: np.ndarray, window: Window) -> bytes:
    grey = np.rint(255.0 * window.normalise(hu)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
