"""The contents of a folder as text for 80 columns and more.

One short row of numbers for each series, then indented lines of words that fold. Texts from files may hold anything;
control characters are escaped.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pydicom.uid import UID

from n2b_ct.cli.options import with_options
from n2b_ct.data.inventory import Inventory, dose_hints, part_words, patient_numbers, short_number
from n2b_ct.errors import printable
from n2b_ct.io.dicom.reasons import ERRORS, PATTERNS, PROBLEMS, SKIPS
from n2b_ct.io.series import FileRecord, SeriesRef
from n2b_ct.io.volumes import VolumeInfo

_MEANINGS = {**SKIPS, **ERRORS}
_INDENT = " " * 4
_LABEL_WIDTH = 11
_N_EXAMPLES = 3
_SERIES_HEADINGS = ("series", "slices", "size px", "spacing mm", "kernel", "kVp")
_VOLUME_HEADINGS = ("volume", "slices", "size px", "spacing mm", "words")
_DOSE_NOTE = (
    "Dose hints are what headers and names say. Simulated low-dose series often carry the tube current of the full "
    "dose: nothing is computed from them."
)


def inventory_lines(found: Inventory, root: Path, width: int, *, all_files: bool = False) -> list[str]:
    """Describe an inventory for a person.

    Args:
        found: The folder's contents.
        root: The folder; paths are relative to it.
        width: Columns to fill at most.
        all_files: List every file that is not used, with its own reason.
    """
    blocks = [
        _series_lines(found, root, width),
        _volume_lines(found.volumes, root, width),
        _problem_lines(found, width),
        _pattern_lines(found, root, width),
        _unused_lines(found.records, root, width, all_files),
        [_summary(found)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block).splitlines()


# ── Series and volumes ──


def _series_lines(found: Inventory, root: Path, width: int) -> list[str]:
    series = found.series
    rows = [_series_row(one) for one in series]
    patients = patient_numbers(series)
    notes = [
        (
            ("what", _listed([one.description or "no description", _thickness(one), _syntax(one)])),
            ("dose hint", _listed(dose_hints(one))),
            ("part", _listed(f"{keyword} {text or 'absent'}" for keyword, text in part_words(one, patients).items())),
            ("problems", _listed(_problem(code, one) for code in one.problems)),
            ("refused", _refused(found.refused(one), root)),
            ("folder", _relative(one.directory, root)),
        )
        for one in series
    ]
    lines = _table(_SERIES_HEADINGS, rows, notes, width)
    return [*lines, "", *textwrap.wrap(_DOSE_NOTE, width)] if any(map(dose_hints, series)) else lines


def _series_row(one: SeriesRef) -> tuple[str, ...]:
    in_plane = [f"{mm:.4g}" for mm in one.pixel_spacing_mm] if one.pixel_spacing_mm else ["?", "?"]
    spacing = "x".join([*in_plane, _slice_spacing(one)])
    facts = (one.facts.get("ConvolutionKernel", ""), short_number(one.facts.get("KVP", "")))
    return (one.short_uid, str(len(one)), f"{one.rows}x{one.cols}", spacing, *facts)


def _slice_spacing(one: SeriesRef) -> str:
    """Distance of the slices, or its range; a place that repeats is no distance."""
    distances_mm = np.abs(np.diff([instance.position_mm for instance in one.instances]))
    distances_mm = distances_mm[distances_mm > 0.01]
    if not distances_mm.size:
        return "?"
    least, most = distances_mm.min(), distances_mm.max()
    return f"{np.median(distances_mm):.4g}" if most < 1.1 * least else f"{least:.3g}..{most:.3g}"


def _thickness(one: SeriesRef) -> str:
    thickness = short_number(one.facts.get("SliceThickness", ""))
    return f"{thickness} mm thick" if thickness else ""


def _syntax(one: SeriesRef) -> str:
    """Name the transfer syntax."""
    return UID(one.facts.get("TransferSyntaxUID", "")).name


def _problem(code: str, one: SeriesRef) -> str:
    gaps = one.facts.get("missing after (mm)", "")
    detail = f"after {gaps} mm" if code == "missing_slices" and gaps else one.facts.get(code, "")
    return f"{code} ({detail})" if detail else code


def _refused(records: Sequence[FileRecord], root: Path) -> str:
    """Name files that fail the series, and whether the series was inferred."""
    if not records:
        return ""
    named = [
        f"{_relative(one.path, root)} ({one.reason}{', series inferred' if one.inferred_series else ''})"
        for one in records[:_N_EXAMPLES]
    ]
    more = [f"and {len(records) - _N_EXAMPLES} more"] if len(records) > _N_EXAMPLES else []
    return f"{_counted(len(records), 'file')}: {', '.join(named + more)}"


def _volume_lines(volumes: Sequence[VolumeInfo], root: Path, width: int) -> list[str]:
    rows = [
        (
            one.format_name,
            str(one.shape[0]),
            f"{one.shape[1]}x{one.shape[2]}",
            "x".join(f"{mm:.4g}" for mm in (*one.spacing_mm[1:], one.spacing_mm[0])),
            f"{one.word_type}{', compressed' if one.is_compressed else ''}",
        )
        for one in volumes
    ]
    notes = [(("problems", _listed(one.problems)), ("file", _relative(one.path, root))) for one in volumes]
    return _table(_VOLUME_HEADINGS, rows, notes, width)


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Iterable[Sequence[tuple[str, str]]],
    width: int,
) -> list[str]:
    """Lay out rows in columns, the notes of each below it."""
    if not rows:
        return []
    cells = [tuple(map(printable, row)) for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    out = [head]
    for line, own_notes in zip(lines, notes, strict=True):
        out.append(line)
        out += [folded for label, text in own_notes if text for folded in _labelled(label, text, width)]
    return out


def _labelled(label: str, text: str, width: int) -> list[str]:
    first = f"{_INDENT}{label:<{_LABEL_WIDTH}}"
    return _fold(printable(text), first, width)


# ── Problems and unused files ──


def _problem_lines(found: Inventory, width: int) -> list[str]:
    """Explain each problem code once."""
    all_codes = [*(one.problems for one in found.series), *(one.problems for one in found.volumes)]
    codes = dict.fromkeys(code for problems in all_codes for code in problems)
    lines = [line for code in codes for line in _fold(PROBLEMS.get(code, ""), f"{_INDENT}{code}: ", width, hang=8)]
    return ["problems", *lines] if lines else []


def _pattern_lines(found: Inventory, root: Path, width: int) -> list[str]:
    """Describe the patterns over all series, with remedies."""
    lines = ["patterns"] if found.patterns else []
    for one in found.patterns:
        meaning, remedy = PATTERNS[one.code]
        start = f"{_INDENT}{one.code}, {len(one.series)} series: "
        lines += _fold(f"{meaning}; {remedy}", start, width, hang=8)
        names = dict.fromkeys(_relative(series.directory, root) for series in one.series)
        lines += _fold(printable(_examples(list(names))), " " * 8, width)
    return lines


def _unused_lines(records: Sequence[FileRecord], root: Path, width: int, all_files: bool) -> list[str]:
    groups: dict[tuple[str, str], list[FileRecord]] = {}
    for record in records:
        if record.action != "used":
            groups.setdefault((record.action, record.reason), []).append(record)
    lines = ["not used"] if groups else []
    for action, reason in sorted(groups):
        lines += _group_lines(action, reason, groups[action, reason], root, width, all_files)
    return lines


def _group_lines(
    action: str, reason: str, records: Sequence[FileRecord], root: Path, width: int, all_files: bool
) -> list[str]:
    count = _counted(len(records), "file")
    meaning = _MEANINGS.get(reason, "")
    lines = _fold(meaning, f"{_INDENT}{action}: {reason}, {count}: ", width, hang=8)
    if all_files:
        details = (f": {with_options(one.detail)}" if one.detail else "" for one in records)
        texts = (f"{_relative(one.path, root)}{detail}" for one, detail in zip(records, details, strict=True))
        return lines + [line for text in texts for line in _fold(printable(text), " " * 8, width, hang=12)]
    names = [_relative(one.path, root) for one in records[: _N_EXAMPLES + 1]]
    return lines + _fold(printable(_examples(names)), " " * 8, width)


def _summary(found: Inventory) -> str:
    n_slices = sum(map(len, found.series))
    n_skipped = sum(record.action == "skipped" for record in found.records)
    return (
        f"{len(found.series)} series with {_counted(n_slices, 'slice')}, {_counted(len(found.volumes), 'volume')}; "
        f"{_counted(len(found.records), 'file')}, {n_skipped} skipped, {_counted(found.n_errors, 'error')}"
    )


# ── Words ──


def _examples(names: Sequence[str]) -> str:
    more = ["…"] if len(names) > _N_EXAMPLES else []
    return ", ".join([*names[:_N_EXAMPLES], *more])


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(text for text in texts if text)


def _relative(path: Path, root: Path) -> str:
    """Return a path relative to the folder."""
    base = root if root.is_dir() else root.parent
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


def _fold(text: str, first: str, width: int, hang: int | None = None) -> list[str]:
    """Fold a text behind its first words; a path longer than a line is left whole, so that it can be copied."""
    rest = " " * (len(first) if hang is None else hang)
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip().rstrip(":")]
