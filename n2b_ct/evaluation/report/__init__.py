"""The dose-level report: measures per slice, their summary, and one HTML file beside JSON, CSV and figures.

>>> rows = [row for case in cases for row in measure_slice(case, windows)]    # doctest: +SKIP
>>> write_report(out_dir, summarise(rows, windows), panels, provenance)  # doctest: +SKIP
"""

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.measures import measure_slice
from n2b_ct.evaluation.report.document import Provenance
from n2b_ct.evaluation.report.slice_images import Panel
from n2b_ct.evaluation.report.writer import write_report
from n2b_ct.evaluation.summary import Statistic, Summary, summarise

__all__ = [
    "Panel",
    "Provenance",
    "SliceCase",
    "Statistic",
    "Summary",
    "measure_slice",
    "summarise",
    "write_report",
]
