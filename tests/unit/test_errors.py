"""The one line that every error is."""

import pytest

from n2b_ct.errors import explain


def test_an_error_is_subject_requirement_value_remedy():
    assert explain("slice", "must be 2", 3, "cut it") == "slice: must be 2, got 3; cut it"


@pytest.mark.parametrize("odd", ["two\nlines", "bell\a", "\x1b[31mred", "tab\t", "line\u2028separator", "\udcff"])
def test_an_error_stays_one_line_that_any_file_can_hold(odd):
    message = explain(odd, "must be plain", odd, "rename it")
    assert message.isprintable()
    assert len(message.splitlines()) == 1
    message.encode("utf-8")


def test_text_of_any_language_stays_readable():
    assert explain("Ordner Überblick", "must be there", "größer", "看").startswith("Ordner Überblick: must")


def test_a_long_value_is_cut():
    assert len(explain("slice", "must be short", "x" * 10_000, "cut it")) < 600
