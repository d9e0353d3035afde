"""What a section of the page is made of: tables, charts, images, warnings and folds, and their downloads.

They are plain values that the template lays out, without knowing what they mean.
"""

from __future__ import annotations

import csv
import io
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from n2b_ct.evaluation.report.charts import Chart, chart_csv
from n2b_ct.evaluation.report.tables import PageTable, without_empty_columns


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section; which fields it has depends on its kind.

    Attributes:
        kind: A table, charts side by side, an image, lines that must not be overlooked, or parts behind a line that
            opens them.
        title: Caption of a table, or what opens the parts.
        note: Stands beside or below.
        corner: Heads the first column of the table.
        png: The image, and ``alternative`` says in words what it shows.
    """

    kind: Literal["table", "charts", "image", "warning", "fold"]
    title: str = ""
    note: str = ""
    corner: str = ""
    table: PageTable | None = None
    charts: tuple[Chart, ...] = ()
    png: bytes = b""
    alternative: str = ""
    lines: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def files(self) -> list[tuple[str, str]]:
        """Name and data: link of the table, or of each chart's numbers, as CSV."""
        texts = {chart.key: chart_csv(chart) for chart in self.charts}
        if self.table is not None:
            texts[_word(self.title)] = table_csv(self.corner, self.table)
        return [(f"{name}.csv", data_uri(text.encode("utf-8"), "text/csv")) for name, text in texts.items()]

    @property
    def source(self) -> str:
        """The image as a data: link."""
        return data_uri(self.png, "image/png")


@dataclass(frozen=True, slots=True)
class Section:
    """A headed section; ``anchor`` is its id, ``short`` its name in the list of contents.

    Attributes:
        reason: Why it is left out; empty where it is not.
    """

    title: str
    anchor: str = ""
    short: str = ""
    lead: str = ""
    parts: tuple[Part, ...] = ()
    reason: str = ""


def table_part(title: str, corner: str, table: PageTable, note: str = "") -> Part:
    """Return a table with its caption, without columns in which nothing was measured."""
    return Part("table", title, note, corner=corner, table=without_empty_columns(table))


def without_empty(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Leave out tables that hold nothing, and folds that hold nothing else."""
    kept: list[Part] = []
    for part in parts:
        if part.kind == "fold":
            inside = without_empty(part.parts)
            kept += [replace(part, parts=inside)] if inside else []
        elif part.table is None or (part.table.rows and part.table.heads):
            kept.append(part)
    return tuple(kept)


def fold(title: str, parts: Sequence[Part]) -> Part:
    """Return parts behind a line that opens them."""
    return Part("fold", title, parts=tuple(parts))


def charts_part(charts: Sequence[Chart], note: str = "") -> tuple[Part, ...]:
    """A group of charts, or nothing where there is none."""
    return (Part("charts", note=note, charts=tuple(charts)),) if charts else ()


def data_uri(content: bytes, media_type: str) -> str:
    """Put bytes into the page itself."""
    return f"data:{media_type};base64,{b64encode(content).decode('ascii')}"


def table_csv(corner: str, table: PageTable) -> str:
    """A table as it is printed, one line per row, with a plain minus sign; full precision is in report.json."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    heads = [" ".join(words).strip() for words in table.heads]
    writer.writerow([corner, "role", *heads])
    for row in table.rows:
        cells = [" | ".join(line.text for line in cell if line.text).replace("−", "-") for cell in row.cells]
        name = f"'{row.method}" if row.method[:1] in {"=", "+", "-", "@"} else row.method
        writer.writerow([name, row.role, *cells])
    return buffer.getvalue()


def _word(text: str) -> str:
    """A caption as a file name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "table"
