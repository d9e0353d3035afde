"""The summary of all experiments on natural images: methods down, noises across, ours over the papers'.

A table that compares methods gives a column for each of its noises; one that compares variants of a single method (an
ablation) is one line of text. Nothing here names an experiment: a new table is taken up by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from n2b_ct.errors import ConfigError
from n2b_ct.experiments.markdown import LEVEL_SYMBOLS, number, signed
from n2b_ct.experiments.results import Published, Row, Table, TableColumn
from n2b_ct.registry import NOISES

FOLDER = "experiments"
REFERENCE = "U-Net"
_NOISES = ("gaussian", "speckle", "salt_and_pepper", "text")
_OTHER_BASELINES = "best other filter"
_COLOURS = {"rgb": "RGB"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_PARTS_OF_A_WORK = 3
_Grid = list[list[str]]


@dataclass(frozen=True)
class Cells:
    """One column of the summary: a table's rows under one of its noises."""

    table: Table
    test: TableColumn

    def row(self, name: str) -> Row | None:
        """The row of a method."""
        return next((row for row in self.table.rows if row.name == name), None)

    def psnr(self, row: Row | None) -> float | None:
        """Our mean, dB."""
        score = row.score(self.test.name) if row is not None else None
        return score.psnr_db.mean if score is not None else None

    def gap(self, row: Row) -> float | None:
        """Our mean less that of the U-Net."""
        psnr, reference = self.psnr(row), self.psnr(self.row(REFERENCE))
        return None if psnr is None or reference is None or row.name == REFERENCE else psnr - reference

    @property
    def best(self) -> float | None:
        """The highest of ours."""
        return max((psnr for row in self.table.rows if (psnr := self.psnr(row)) is not None), default=None)

    def published(self, row: Row | None) -> Published | None:
        """The value of the source that has most rows of the column, else the row's first."""
        values = [value for value in (row.published if row is not None else ()) if self._is_of(value)]
        return next((value for value in values if value.source == self.usual_source), values[0] if values else None)

    def published_gap(self, value: Published) -> float | None:
        """That value less the same source's for the U-Net."""
        reference = self.row(REFERENCE)
        twins = reference.published if reference is not None else ()
        twin = next((one for one in twins if self._is_of(one) and one.source == value.source), None)
        is_own = twin is value or twin is None or twin.psnr_db is None or value.psnr_db is None
        return None if is_own else value.psnr_db - twin.psnr_db

    @property
    def usual_source(self) -> str | None:
        """The source that has most rows of the column."""
        values = [value for row in self.table.rows for value in row.published if self._is_of(value)]
        counted = Counter(value.source for value in values).most_common(1)
        return counted[0][0] if counted else None

    def _is_of(self, value: Published) -> bool:
        return value.test == self.test.name and value.psnr_db is not None


def compares_methods(table: Table) -> bool:
    """Whether the rows are several methods, not variants of one."""
    return len({row.method for row in table.rows if row.kind in ("trained", "baseline")}) > 1


def summary(tables: Iterable[Table]) -> str:
    """All methods under all noises, gray and then RGB, and where the papers' values come from."""
    compared = sorted(filter(compares_methods, tables), key=_place)
    columns = [Cells(table, test) for table in compared for test in _different_noises(table)]
    methods, sources = _methods(compared), _sources(columns)
    parts = []
    for colour in dict.fromkeys(table.colour for table in compared):
        own = [column for column in columns if column.table.colour == colour]
        parts.append(_grid(_COLOURS.get(colour, colour), own, methods, list(sources)))
    return "\n\n".join([*parts, _citations(sources)] if sources else parts)


def ablations(tables: Iterable[Table]) -> str:
    """One line for each table of variants of a single method: its rows' PSNR in its first column."""
    return "\n".join(_ablation(Cells(table, table.tests[0])) for table in tables if not compares_methods(table))


# ── Which rows, columns and sources ──


def _place(table: Table) -> tuple[bool, int, str]:
    kind = str(table.tests[0].noise.get("kind", ""))
    return (table.colour != "gray", _NOISES.index(kind) if kind in _NOISES else len(_NOISES), table.experiment)


def _different_noises(table: Table) -> list[TableColumn]:
    """The columns without those that repeat a noise on other images."""
    return [test for k, test in enumerate(table.tests) if test.noise not in [one.noise for one in table.tests[:k]]]


def _methods(tables: Sequence[Table]) -> list[str]:
    """Names of the rows that have a place of their own, in the order of the longest table: all that are trained, and
    what the papers have too."""
    by_length = sorted(tables, key=lambda table: -len(table.rows))
    rows = [row for table in by_length for row in table.rows if row.kind != "input"]
    named = {row.name for row in rows if row.kind == "trained" or row.published}
    return [name for name in dict.fromkeys(row.name for row in rows) if name in named]


def _sources(columns: Sequence[Cells]) -> dict[str, str]:
    """Key to work of every source that is shown, the one with most values first."""
    shown = [
        (value.source, column.table.sources[value.source])
        for column in columns
        for row in column.table.rows
        if (value := column.published(row)) is not None
    ]
    works = {source: ", ".join(citation.split(", ")[:_PARTS_OF_A_WORK]) for source, citation in shown}
    counted = Counter(source for source, _ in shown)
    return dict(sorted(works.items(), key=lambda work: -counted[work[0]]))


# ── Cells ──


def _grid(colour: str, columns: Sequence[Cells], methods: Sequence[str], sources: Sequence[str]) -> str:
    """The columns of one colour, and the methods that they have."""
    methods = [name for name in methods if any(column.row(name) for column in columns)]
    lines: _Grid = [[f"{colour} images", "", *map(_heading, columns)], ["---"] * (len(columns) + 2)]
    lines.append(["noisy", "ours", *(_own(column, column.row("input")) for column in columns)])
    for name in methods:
        lines += _of_method(name, columns, sources)
    others = [_best_of_others(column, methods) for column in columns]
    lines += [[_OTHER_BASELINES, "ours", *others]] if any(others) else []
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of_method(name: str, columns: Sequence[Cells], sources: Sequence[str]) -> _Grid:
    """Ours, and the papers' where there are any."""
    ours = [name, "ours", *(_own(column, column.row(name)) for column in columns)]
    papers = [_paper(column, column.row(name), sources) for column in columns]
    return [ours, ["", "papers", *papers]] if any(papers) else [ours]


def _own(column: Cells, row: Row | None) -> str:
    """PSNR and the difference to the U-Net; what keeps a row of the table from having one."""
    if row is None:
        return ""
    psnr = column.psnr(row)
    if psnr is None:
        return "failed" if row.status == "failed" else "not run"
    text = f"**{number(psnr, 2)}**" if psnr == column.best else number(psnr, 2)
    return text + _below("" if row.kind == "input" else column.gap(row))


def _best_of_others(column: Cells, methods: Sequence[str]) -> str:
    """The best baseline without a place of its own, with its name."""
    rows = [row for row in column.table.rows if row.kind == "baseline" and row.name not in methods]
    measured = {psnr: row for row in rows if (psnr := column.psnr(row)) is not None}
    return f"{measured[max(measured)].name}<br>{_own(column, measured[max(measured)])}" if measured else ""


def _paper(column: Cells, row: Row | None, sources: Sequence[str]) -> str:
    """A paper's value, in italics where its images differ, and its difference to the U-Net of the same source."""
    value = column.published(row)
    if value is None:
        return ""
    k = sources.index(value.source)
    mark = str(k + 1).translate(_SUPERSCRIPTS) if k else ""
    text = f"*{number(value.psnr_db, 2)}*{mark}" if value.differs else f"{number(value.psnr_db, 2)}{mark}"
    return text + _below(column.published_gap(value))


def _below(gap: float | str | None) -> str:
    return f"<br>{signed(gap)}" if isinstance(gap, float) else ""


def _citations(sources: dict[str, str]) -> str:
    """The source without a mark, and those with one."""
    usual, *others = sources.values()
    marked = [f"{str(k).translate(_SUPERSCRIPTS)} {work}" for k, work in enumerate(others, start=2)]
    return "; ".join([f"Papers: {usual}", *marked]) + "."


# ── Words ──


def _heading(column: Cells) -> str:
    """Noise, level with a link to the experiment's page; blind where a range of levels was learned."""
    test, table = column.test, column.table
    kind = str(test.noise.get("kind", ""))
    link = f"[{_level(test) or test.name}]({FOLDER}/{table.experiment}.md)"
    return "<br>".join(part for part in (_title(kind), link, "blind" if _is_blind(column) else "") if part)


def _level(test: TableColumn) -> str:
    levels = {key: value for key, value in test.noise.items() if key in LEVEL_SYMBOLS}
    return "".join(f"{LEVEL_SYMBOLS[key]} {_range(value)}" for key, value in levels.items())


def _range(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace(" to ", "–")


def _title(kind: str) -> str:
    try:
        return (NOISES.get(kind).title or kind).removesuffix(" noise")
    except ConfigError:
        return kind


def _is_blind(column: Cells) -> bool:
    trained = next((row.settings for row in column.table.rows if row.kind == "trained"), {})
    return any(str(trained.get(f"data.noise.{key}", "")).startswith("[") for key in LEVEL_SYMBOLS)


def _ablation(column: Cells) -> str:
    table = column.table
    rows = " · ".join(_in_words(column, row) for row in table.rows if row.kind != "input")
    page = f"{FOLDER}/{table.experiment}.md"
    return f"- [{table.description or table.experiment}]({page}), {column.test.name}: {rows}"


def _in_words(column: Cells, row: Row) -> str:
    psnr, value = column.psnr(row), column.published(row)
    own = number(psnr, 2) if psnr is not None else "not run"
    return f"{row.name} {own}" + (f" (paper {number(value.psnr_db, 2)})" if value is not None else "")
