"""Rows of an earlier table in a new one, where they would be the same."""

from __future__ import annotations

from dataclasses import replace

from n2b_ct.experiments.results import Interval, Row, Score, Table

_NOTE = "{}: from the table of "


def with_earlier_rows(table: Table, earlier: Table) -> Table:
    """Take rows that a table has no scores of from an earlier one, and say so in its notes."""
    before = {row.name: row for row in earlier.rows if row.status == "done"} if table.tests == earlier.tests else {}
    kept = {
        row.name: replace(before[row.name], published=row.published, note=row.note)
        for row in table.rows
        if row.status in ("failed", "not run") and row.name in before and _same_settings(row, before[row.name])
    }
    rows = [kept.get(row.name, row) for row in table.rows]
    reference = next((row for row in rows if row.name == table.compare_with), None)
    rows = [
        row if reference is None or (row.name in kept) == (reference.name in kept) else _compared(row, reference)
        for row in rows
    ]
    own_notes = [note for name in kept for note in earlier.notes if note.startswith(_NOTE.format(name))]
    dated = [_NOTE.format(name) + earlier.created[:10] for name in kept if not _is_in(name, own_notes)]
    return replace(table, rows=tuple(rows), notes=(*table.notes, *own_notes, *dated))


def _same_settings(row: Row, other: Row) -> bool:
    """Whether both have the same values of all keys that both know."""
    keys = set(row.settings) & set(other.settings)
    return row.method == other.method and all(row.settings[key] == other.settings[key] for key in keys)


def _compared(row: Row, reference: Row) -> Row:
    """A row against one of another table: the difference of means, without an interval."""
    return replace(row, scores=tuple(_difference(score, reference.score(score.test)) for score in row.scores))


def _difference(score: Score, other: Score | None) -> Score:
    means = (score.psnr_db.mean, None if other is None else other.psnr_db.mean)
    gain = None if means[0] is None or means[1] is None else Interval(means[0] - means[1], None, None)
    return replace(score, psnr_gain_db=gain, p_value=None)


def _is_in(name: str, notes: list[str]) -> bool:
    return any(note.startswith(_NOTE.format(name)) for note in notes)
