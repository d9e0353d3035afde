"""The charts as PNG files beside the page, for slides and papers."""

from __future__ import annotations

from n2b_ct.evaluation.report.charts import draw_charts, png_bytes
from n2b_ct.evaluation.report.figures import dose_charts, noise_charts
from n2b_ct.evaluation.report.nps_planes import nps_planes_png
from n2b_ct.evaluation.report.physics_figures import (
    OBSERVERS,
    autocorrelation_charts,
    d_prime_charts,
    nps_charts,
    texture_charts,
    ttf_charts,
)
from n2b_ct.evaluation.report.summary import Summary


def figure_files(summary: Summary) -> dict[str, bytes]:
    """Every group of charts on one sheet, path to PNG; groups with nothing to draw are left out."""
    sheets = {
        "dose_curves": (*dose_charts(summary), *noise_charts(summary)),
        "nps": (*nps_charts(summary), *texture_charts(summary)),
        "ttf": tuple(chart for level in summary.levels for chart in ttf_charts(summary, level.label)),
        "residual_autocorrelation": autocorrelation_charts(summary),
    }
    planes = nps_planes_png(summary)
    sheets |= {f"detectability_{observer}": d_prime_charts(summary, observer) for observer in OBSERVERS}
    files = {f"figures/{name}.png": png_bytes(draw_charts(charts)) for name, charts in sheets.items() if charts}
    return files if planes is None else files | {"figures/nps_planes.png": planes}
