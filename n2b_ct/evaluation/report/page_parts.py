"""What a section of the page is made of: plain values that the template lays out, without knowing what they mean."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from n2b_ct.evaluation.report.charts import Chart, chart_csv
from n2b_ct.evaluation.report.tables import Table


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table; ``corner`` heads its first column."""

    caption: str
    corner: str
    table: Table
    note: str = ""
    kind: Literal["table"] = "table"

    @property
    def file(self) -> tuple[str, str]:
        """Name and data: link of the table as CSV."""
        return f"{_word(self.caption)}.csv", data_uri(table_csv(self).encode("utf-8"), "text/csv")


@dataclass(frozen=True, slots=True)
class ChartPart:
    """A group of charts side by side."""

    charts: tuple[Chart, ...]
    note: str = ""
    kind: Literal["charts"] = "charts"

    @property
    def files(self) -> list[tuple[str, str]]:
        """Name and data: link of each chart's numbers as CSV."""
        return [(f"{c.key}.csv", data_uri(chart_csv(c).encode("utf-8"), "text/csv")) for c in self.charts]


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image that is no chart; ``alternative`` says in words what it shows."""

    title: str
    png: bytes
    alternative: str
    note: str = ""
    kind: Literal["image"] = "image"

    @property
    def source(self) -> str:
        """The image itself as a data: link."""
        return data_uri(self.png, "image/png")


@dataclass(frozen=True, slots=True)
class WarningPart:
    """Lines that must not be overlooked."""

    lines: tuple[str, ...]
    kind: Literal["warning"] = "warning"


@dataclass(frozen=True, slots=True)
class FoldPart:
    """Parts behind a line that opens them."""

    title: str
    parts: tuple[Part, ...]
    kind: Literal["fold"] = "fold"


Part = TablePart | ChartPart | ImagePart | WarningPart | FoldPart


@dataclass(frozen=True, slots=True)
class Section:
    """A headed section; ``anchor`` is its id, ``short`` its name in the list of contents."""

    anchor: str
    short: str
    title: str
    lead: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """A section that is left out, and why."""

    title: str
    reason: str


def charts_part(charts: Sequence[Chart], note: str = "") -> tuple[ChartPart, ...]:
    """A group of charts, or nothing where there is none."""
    return (ChartPart(tuple(charts), note),) if charts else ()


def data_uri(content: bytes, media_type: str) -> str:
    """Put bytes into the page itself."""
    return f"data:{media_type};base64,{b64encode(content).decode('ascii')}"


def table_csv(part: TablePart) -> str:
    """A table as it is printed, one line per row, with a plain minus sign; full precision is in report.json."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    heads = [" ".join(words).strip() for words in part.table.heads]
    writer.writerow([part.corner, "role", *heads])
    for row in part.table.rows:
        cells = [" | ".join(line.text for line in cell if line.text).replace("−", "-") for cell in row.cells]
        name = f"'{row.method}" if row.method[:1] in {"=", "+", "-", "@"} else row.method
        writer.writerow([name, row.role, *cells])
    return buffer.getvalue()


def _word(text: str) -> str:
    """A caption as a file name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "table"
