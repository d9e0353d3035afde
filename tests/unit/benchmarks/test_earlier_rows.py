"""Rows of an earlier table in a new one."""

from __future__ import annotations

import pytest

from benchmarks.earlier_rows import with_earlier_rows
from n2b_ct.experiments.results import Interval, Machine, Row, Score, Table, TableColumn


def row(name, psnr_db=None, status="done", **settings):
    gain = Interval(-9.0, -9.5, -8.5)
    scores = (
        ()
        if psnr_db is None
        else (Score("t", Interval(psnr_db, 1, 99), Interval(0.9, None, None), gain, 0.1, 2, 0, 1),)
    )
    return Row(name, "trained", status, method="m", settings=settings, scores=scores)


def table(*rows, created="2026-01-02T00:00:00+00:00", n_images=2, notes=()):
    return Table(
        experiment="tiny",
        description="",
        command="",
        created=created,
        machine=Machine("a processor", 2, 1, None, None),
        versions={},
        colour="gray",
        tests=(TableColumn("t", "folder", n_images, {}, 0),),
        compare_with="U-Net",
        rows=rows,
        sources={},
        notes=notes,
        definitions={},
    )


EARLIER = table(
    row("U-Net", 30.0, steps=1), row("N2B", 29.0, steps=1), row("BM3D", 28.0), created="2025-06-07T01:02:03+00:00"
)


def test_a_row_without_scores_stays_as_it_was_and_a_note_says_from_when():
    new = table(row("U-Net", 31.0, steps=1), row("N2B", 29.5, steps=1), row("BM3D", status="failed"))
    found = with_earlier_rows(new, EARLIER)
    assert [one.score("t").psnr_db.mean for one in found.rows] == [31.0, 29.5, 28.0]
    assert found.notes == ("BM3D: from the table of 2025-06-07",)


def test_a_row_that_stays_is_compared_with_the_new_reference_without_an_interval():
    new = table(row("U-Net", 31.0, steps=1), row("N2B", 29.5, steps=1), row("BM3D", status="not run"))
    _, made, kept = with_earlier_rows(new, EARLIER).rows
    assert kept.scores[0].psnr_gain_db == Interval(-3.0, None, None)
    assert kept.scores[0].p_value is None
    assert made.scores[0].psnr_gain_db == Interval(-9.0, -9.5, -8.5)


def test_where_the_reference_stays_the_new_rows_are_compared_with_it():
    new = table(row("U-Net", status="not run", steps=1), row("N2B", 29.5, steps=1), row("BM3D", status="not run"))
    _, made, kept = with_earlier_rows(new, EARLIER).rows
    assert made.scores[0].psnr_gain_db == Interval(-0.5, None, None)
    assert kept.scores[0].psnr_gain_db == Interval(-9.0, -9.5, -8.5)


@pytest.mark.parametrize(
    "new",
    [
        table(row("N2B", status="not run", steps=2)),
        table(row("N2B", status="not run", steps=1), n_images=3),
        table(row("another", status="not run", steps=1)),
    ],
    ids=["other settings", "other images", "another name"],
)
def test_what_would_not_be_the_same_is_not_taken(new):
    assert with_earlier_rows(new, EARLIER) == new


def test_a_key_that_only_one_table_knows_does_not_count():
    new = table(row("N2B", status="not run", steps=1, added=True))
    assert with_earlier_rows(new, EARLIER).rows[0].score("t").psnr_db.mean == 29.0


def test_a_row_that_stays_twice_keeps_its_first_date():
    new = table(row("U-Net", 31.0, steps=1), row("BM3D", status="failed"))
    again = with_earlier_rows(new, with_earlier_rows(new, EARLIER))
    assert again.notes == ("BM3D: from the table of 2025-06-07",)
