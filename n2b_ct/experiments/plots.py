"""``scores.png``, mean PSNR of every method beside the published one, and ``gallery.png``, crops side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from n2b_ct.evaluation.report.theme import LIGHT
from n2b_ct.experiments.results import Published, Row, Table

_DPI = 160
_PANEL_INCH, _NAMES_INCH, _ROW_INCH, _MARGIN_INCH = 3.6, 1.7, 0.27, 1.25
_INKS = {"trained": LIGHT["model-1"], "baseline": LIGHT["baseline-1"], "published": LIGHT["quiet"]}
_WORDS: dict[str, Any] = {"parse_math": False}  # a dollar sign in a name is no mathematics
_LABEL_OFFSET_PT = (0, 4.5)
TRUTH = "truth"
CROP_PX = 128
MAX_COLUMNS = 6
_TILE_INCH = 1.6
_TITLE_INCH = 0.22
_GAP_INCH = 0.06
_HEADING_INCH = 0.3


def draw_scores(table: Table) -> bytes:
    """Draw a dot per method and column, its interval, and hollow diamonds for published values.

    The noisy images are far below every method and would press the others together: their PSNR stands in the title.

    Returns:
        A PNG.
    """
    rows = [row for row in table.rows if row.kind != "input" and row.status in ("done", "published")]
    width = _NAMES_INCH + _PANEL_INCH * len(table.tests) + 0.2
    height = _MARGIN_INCH + _ROW_INCH * max(len(rows), 3)
    figure = Figure((width, height), facecolor="white")
    bottom, panel_height = 0.5 / height, (height - _MARGIN_INCH) / height
    for k, test in enumerate(table.tests):
        left = (_NAMES_INCH + k * _PANEL_INCH) / width
        axes = figure.add_axes((left, bottom, (_PANEL_INCH - 0.25) / width, panel_height))
        _draw_panel(axes, table, rows, test.name, shows_names=k == 0)
    heading: dict[str, Any] = {"fontsize": 10, "weight": "bold", "color": LIGHT["ink"], **_WORDS}
    figure.text(0.12 / width, 1 - 0.27 / height, table.experiment, **heading)
    legend = "● ours with its 95 % interval (blue: trained, green: not)    ◇ published (grey: for other images)"
    figure.text(0.12 / width, 0.1 / height, legend, fontsize=7, color=LIGHT["quiet"])
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    return content.getvalue()


def _draw_panel(axes: Any, table: Table, rows: list[Row], test: str, *, shows_names: bool) -> None:
    for place, row in enumerate(rows):
        _draw_row(axes, row, test, place)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    names = [row.name for row in rows] if shows_names else [""] * len(rows)
    axes.set_yticks(np.arange(len(rows)), names, fontsize=8, **_WORDS)
    axes.set_title(f"{test}{_input_words(table, test)}", fontsize=8.5, color=LIGHT["ink"], loc="left", **_WORDS)
    axes.set_xlabel("PSNR, dB", fontsize=8, color=LIGHT["quiet"], labelpad=1.5)
    axes.tick_params(colors=LIGHT["quiet"], labelsize=8, length=0)
    axes.grid(color=LIGHT["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.margins(x=0.12)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_row(axes: Any, row: Row, test: str, place: int) -> None:
    for value in row.published:
        if value.test == test and value.psnr_db is not None:
            _draw_published(axes, value, place)
    score = row.score(test)
    if score is None or score.psnr_db.mean is None:
        return
    ink, interval = _INKS[row.kind], score.psnr_db
    if interval.low is not None and interval.high is not None:
        axes.plot([interval.low, interval.high], [place, place], color=ink, linewidth=1.2, alpha=0.45)
    axes.plot([interval.mean], [place], "o", color=ink, markersize=5)
    axes.annotate(
        f"{interval.mean:.2f}",
        (interval.mean, place),
        _LABEL_OFFSET_PT,
        textcoords="offset points",
        fontsize=6.5,
        ha="center",
        color=ink,
    )


def _draw_published(axes: Any, value: Published, place: int) -> None:
    ink = LIGHT["method-input"] if value.differs else LIGHT["model-2"]
    alpha = 0.55 if value.differs else 1.0
    axes.plot([value.psnr_db], [place], "D", markerfacecolor="none", color=ink, markersize=5, alpha=alpha)


def _input_words(table: Table, test: str) -> str:
    for row in table.rows:
        score = row.score(test)
        if row.kind == "input" and score is not None and score.psnr_db.mean is not None:
            return f" (noisy: {score.psnr_db.mean:.2f} dB)"
    return ""


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
    figure.text(_GAP_INCH / width, 1 - 0.2 / height, title, fontsize=10, weight="bold", color=LIGHT["ink"], **_WORDS)
    top = height - _HEADING_INCH
    for panel, n_lines in zip(panels, lines, strict=True):
        place = (_GAP_INCH / width, (top - 0.2) / height)
        figure.text(*place, panel.image, fontsize=8.5, color=LIGHT["quiet"], **_WORDS)
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
    axes.set_title(heading, fontsize=7.5, pad=2.5, color=LIGHT["ink"], **_WORDS)
    axes.set_axis_off()
