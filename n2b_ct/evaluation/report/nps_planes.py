"""Two-dimensional noise power spectra as images: one row a dose level, one column a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from n2b_ct.evaluation.report.charts import png_bytes
from n2b_ct.evaluation.report.figures import MEASURED
from n2b_ct.evaluation.report.summary import Summary

_CELL_INCH = 1.45
_HEAD_INCH = 0.35


def nps_planes_png(summary: Summary) -> bytes | None:
    """Draw every spectrum, each black at 0 and white at its own peak; None where there is none.

    The middle is frequency 0, the edge the Nyquist frequency; a streak is noise with a direction.
    """
    methods = _methods(summary)
    levels = [level.label for level in summary.levels if summary.table.records("texture", level=level.label)]
    if not methods or not levels:
        return None
    width, height = (_CELL_INCH * (len(methods) + 0.4), _CELL_INCH * len(levels) + _HEAD_INCH)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    cells = figure.subplots(len(levels), len(methods), squeeze=False)
    for row, level in enumerate(levels):
        for column, method in enumerate(methods):
            _draw(cells[row][column], summary.table.get("texture", "plane_hu2_mm2", level, method))
            if row == 0:
                cells[row][column].set_title(method, fontsize=9, parse_math=False)
        cells[row][0].set_ylabel(level, fontsize=9, parse_math=False)
    figure.tight_layout(pad=0.4)
    return png_bytes(figure)


def planes_in_words(summary: Summary) -> str:
    """Say what the image shows, for those who cannot see it."""
    methods = ", ".join(_methods(summary))
    return f"Two-dimensional noise power spectra of {methods} at every dose level, each scaled to its own peak"


def _methods(summary: Summary) -> list[str]:
    records = summary.table.records("texture")
    known = {one["method"] for one in records if one["plane_hu2_mm2"]}
    return [name for name in summary.of_role(*MEASURED) if name in known]


def _draw(axes: Any, plane_hu2_mm2: Sequence[Sequence[float]] | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if not plane_hu2_mm2:
        axes.set_frame_on(False)
        return
    plane = np.asarray(plane_hu2_mm2)
    axes.imshow(plane, cmap="gray", vmin=0.0, vmax=max(float(plane.max()), 1e-12), interpolation="nearest")
