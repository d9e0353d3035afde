"""``gallery.png``: crops of noisy image, every method and truth side by side, with the PSNR of the whole image."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from n2b_ct.evaluation.report.theme import LIGHT

TRUTH = "truth"
CROP_PX = 128
MAX_COLUMNS = 6
_TILE_INCH = 1.6
_TITLE_INCH = 0.22
_GAP_INCH = 0.06
_HEADING_INCH = 0.3
_DPI = 160


@dataclass(frozen=True, slots=True)
class Panel:
    """One image of the gallery.

    Attributes:
        image: Its name.
        tiles: Heading of a tile, such as ``N2B 28.41 dB``, to the whole image on [0, 1].
        crop: First row, first column and side, pixels; None: the middle.
    """

    image: str
    tiles: Mapping[str, np.ndarray]
    crop: tuple[int, int, int] | None = None


def draw_gallery(panels: Sequence[Panel], title: str) -> bytes:
    """Draw all panels below each other.

    Returns:
        A PNG.
    """
    n_columns = min(MAX_COLUMNS, max(len(panel.tiles) for panel in panels))
    lines = [-(-len(panel.tiles) // n_columns) for panel in panels]
    line_inch = _TILE_INCH + _TITLE_INCH + _GAP_INCH
    width = n_columns * (_TILE_INCH + _GAP_INCH) + _GAP_INCH
    height = _HEADING_INCH * (len(panels) + 1) + sum(lines) * line_inch + _GAP_INCH
    figure = Figure((width, height), facecolor="white")
    words: dict[str, Any] = {"parse_math": False}  # a dollar sign in a name is no mathematics
    figure.text(_GAP_INCH / width, 1 - 0.2 / height, title, fontsize=10, weight="bold", color=LIGHT["ink"], **words)
    top = height - _HEADING_INCH
    for panel, n_lines in zip(panels, lines, strict=True):
        place = (_GAP_INCH / width, (top - 0.2) / height)
        figure.text(*place, panel.image, fontsize=8.5, color=LIGHT["quiet"], **words)
        top -= _HEADING_INCH
        for k, (heading, image) in enumerate(panel.tiles.items()):
            left = _GAP_INCH + (k % n_columns) * (_TILE_INCH + _GAP_INCH)
            bottom = top - (k // n_columns) * line_inch - _TITLE_INCH - _TILE_INCH
            axes = figure.add_axes((left / width, bottom / height, _TILE_INCH / width, _TILE_INCH / height))
            _draw_tile(axes, heading, cropped(image, panel.crop))
        top -= n_lines * line_inch
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    return content.getvalue()


def cropped(image: np.ndarray, crop: tuple[int, int, int] | None) -> np.ndarray:
    """Cut a square out of ``[rows, cols]`` or ``[rows, cols, channels]``; one that reaches outside is moved inside."""
    rows, cols = image.shape[:2]
    side = min(CROP_PX if crop is None else crop[2], rows, cols)
    row, col = ((rows - side) // 2, (cols - side) // 2) if crop is None else crop[:2]
    row, col = min(row, rows - side), min(col, cols - side)
    return image[row : row + side, col : col + side]


def _draw_tile(axes: Any, heading: str, image: np.ndarray) -> None:
    axes.imshow(np.clip(image, 0.0, 1.0), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_title(heading, fontsize=7.5, pad=2.5, color=LIGHT["ink"], parse_math=False)
    axes.set_axis_off()
