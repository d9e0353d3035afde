"""What happened to faint lesions: a sentence that names every method, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.low_contrast.results import (
    DISAGREEMENT_BY_INPUT,
    GRADES,
    INSERTED,
    STRUCTURE,
    Grade,
    LowContrast,
    low_contrast,
)
from n2b_ct.evaluation.low_contrast.tasks import CONTRASTS_HU
from n2b_ct.evaluation.report.formatting import bounded, counted, listing, number
from n2b_ct.evaluation.report.low_contrast_charts import low_contrast_levels
from n2b_ct.evaluation.report.tables import Line, PageTable, TableRow, missing_cell
from n2b_ct.evaluation.summary import Summary

WARNING = "⚠"


def low_contrast_sentence(summary: Summary, methods: Sequence[str]) -> str:
    """Say which sizes and contrasts are lost, at risk and safe, method by method, at the lowest dose that is known.

    Empty where nothing was measured.
    """
    level = next(iter(low_contrast_levels(summary)), None)
    rows = [one for one in low_contrast(summary.table) if one.level == level and one.method in methods]
    if not rows:
        return ""
    where = f" at {level}" if len(summary.levels) > 1 else ""
    clauses = "; ".join(_clause(method, [one for one in rows if one.method == method]) for method in methods)
    return f"Lesions of low contrast{where} — {clauses}. {_seen_by(rows)}"


def low_contrast_table(summary: Summary, level: str) -> PageTable:
    """Contrast that is left over the recovered diameter and the grade, methods by lesion."""
    records = summary.table.records("low_contrast", level=level)
    found = {(one["method"], one["task"]): one for one in records}
    tasks = list(dict.fromkeys(task for _, task in found))

    def cell(method: str, key: Task) -> tuple[Line, ...]:
        own = found.get((method, key))
        if own is None:
            return missing_cell()
        percent, low, high = (None if own[k] is None else 100 * own[k] for k in ("recovery", "low", "high"))
        share = bounded(percent, low, high, 0)
        left, *interval = share.split(" [")
        lines = [Line(f"{left} %"), *(Line(f"[{part}") for part in interval), Line(_graded(own["grade"]))]
        if own["size_recovered_mm"] is not None:
            lines.append(Line(f"{number(own['size_recovered_mm'], 1)} mm wide"))
        return tuple(lines)

    heads = tuple((f"{task.contrast_hu:g} HU", f"{2 * task.radius_mm:g} mm{_mark(records, task)}") for task in tasks)
    methods = [name for name in summary.of_role("baseline", "model") if any(key[0] == name for key in found)]
    rows = (TableRow(name, summary.roles[name], tuple(cell(name, task) for task in tasks)) for name in methods)
    return PageTable(heads, tuple(rows))


def measured_words(summary: Summary) -> str:
    """How the shares were measured, for the caption."""
    kinds = dict.fromkeys(one.measured_on for one in low_contrast(summary.table))
    text = f"Share of the contrast that is left, with its 95 % interval. Measured on {listing(list(kinds))}"
    marked = any(kind not in (INSERTED, STRUCTURE) for kind in kinds)
    return f"{text}{'; * marks places where candidates differ' if marked else ''}."


def _clause(method: str, rows: Sequence[LowContrast]) -> str:
    """Places where candidates differ first, for there single lesions are known."""
    if not rows:
        return f"{method}: not measured"
    places = [one for one in rows if one.measured_on not in (INSERTED, STRUCTURE)]
    others = [one for one in rows if one not in places]
    if not places and all(one.grade == "safe" for one in others):
        return f"{method}: all of {_span(rows)} are safe"
    elsewhere = ", ".join(_by_grade(others))
    parts = [
        *_by_grade(places, says_safe_share=True),
        *([f"elsewhere {elsewhere}" if places else elsewhere] if others else []),
    ]
    return f"{method}: {', '.join(parts)}"


def _by_grade(rows: Sequence[LowContrast], says_safe_share: bool = False) -> list[str]:
    parts = []
    for grade in reversed(GRADES):
        own = [one for one in rows if one.grade == grade]
        if own:
            share = _left(own) if says_safe_share or grade != "safe" else ""
            parts.append(f"{_graded(grade)}: {_lesions(own)}{share}")
    return parts


def _graded(grade: Grade) -> str:
    return f"{WARNING} {grade}" if grade == "lost" else grade


def _span(rows: Sequence[LowContrast]) -> str:
    contrasts, sizes = sorted({one.contrast_hu for one in rows}), sorted({one.size_mm for one in rows})
    return f"{contrasts[0]:g} to {contrasts[-1]:g} HU and {sizes[0]:g} to {sizes[-1]:g} mm"


def _lesions(rows: Sequence[LowContrast]) -> str:
    """Name lesions by size, sizes with the same contrasts together: ``5 and 10 HU at 3 mm, all at 5 and 10 mm``."""
    by_size: dict[float, list[str]] = {}
    for one in sorted(rows, key=lambda row: (row.size_mm, row.contrast_hu)):
        by_size.setdefault(one.size_mm, []).append(f"{one.contrast_hu:g}")
    sizes_of: dict[str, list[str]] = {}
    for size, contrasts in by_size.items():
        named = "all" if len(contrasts) == len(CONTRASTS_HU) else f"{listing(contrasts)} HU"
        sizes_of.setdefault(named, []).append(f"{size:g}")
    return ", ".join(f"{named} at {listing(sizes)} mm" for named, sizes in sizes_of.items())


def _left(rows: Sequence[LowContrast]) -> str:
    """The share that is left."""
    lowest, highest = (number(100 * pick(one.recovery for one in rows), 0) for pick in (min, max))
    share = lowest if lowest == highest else f"{lowest} to {highest}"
    return f" ({share} % of the contrast is left)"


def _seen_by(rows: Sequence[LowContrast]) -> str:
    """What this can see and what it cannot."""
    kinds = {one.measured_on for one in rows}
    if kinds == {INSERTED}:
        return "Measured on lesions that were inserted into soft tissue before denoising, with the background known."
    places = [one for one in rows if one.measured_on not in (INSERTED, STRUCTURE)]
    judge = "the noisy input" if any(one.measured_on == DISAGREEMENT_BY_INPUT for one in places) else "the reference"
    parts = []
    if places:
        named = _lesions(list({(one.size_mm, one.contrast_hu): one for one in places}.values()))
        n = max(one.n_lesions for one in places)
        parts.append(f"{named}: at {counted(n, 'place')} where candidates differ and {judge} shows who is right")
    if STRUCTURE in kinds:
        parts.append(f"{'all others' if places else 'all'}: over all structure of the reference of that size together")
    return (
        f"Measured in finished images ({'; '.join(parts)}): a single lesion that no other candidate shows is not seen."
    )


def _mark(records: Sequence[Mapping[str, object]], task: Task) -> str:
    kinds = {one["measured_on"] for one in records if one["task"] == task}
    return "" if kinds <= {INSERTED, STRUCTURE} else " *"
