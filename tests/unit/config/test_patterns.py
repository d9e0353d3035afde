"""Regular expressions of files and options: those that end in time."""

from __future__ import annotations

import pytest

from n2b_ct.batch.trees import select_series
from n2b_ct.config.patterns import MOST_TEXT, checked_pattern, is_found
from n2b_ct.data.manifest import SeriesEntry
from n2b_ct.errors import DataError

LETTERS = "a" * 200 + "!"


@pytest.mark.parametrize(
    "pattern",
    [
        r"thorax.*B30|abdomen",
        r"^1\.2\.840\.113619\.2\.55$",
        r"quarter|QD|25 ?%",
        r"(?i)full.?dose",
        r"\bFD\b",
        r"[ab]*c+",
        r"\d{1,2}mm.*B\d{2}",
        r"(ab)+",
        r"",
    ],
)
def test_what_people_write_is_taken(pattern):
    assert checked_pattern(pattern).pattern == pattern


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)*$", "(a?)*b", "((a*)b?)*c", "(a{1,30}){1,30}$", "(?:a+b?){20}$"])
def test_a_repeat_in_a_repeat_is_refused(pattern):
    with pytest.raises(ValueError, match="must have no repeat and no alternative inside a repeat"):
        checked_pattern(pattern)


@pytest.mark.parametrize("pattern", ["a?" * 30 + "a" * 30, "a*" * 10 + "$", "(a|aa)" * 30 + "$", "a*b*a*b*a*$"])
def test_many_repeats_are_refused(pattern):
    with pytest.raises(ValueError, match="must have at most 4 repeats and 8 repeats, optional parts and alternatives"):
        checked_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(", "[", "a{99999999999}", "(" * 400, "*"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match="must be a regular expression: "):
        checked_pattern(pattern)


def test_a_long_pattern_is_refused():
    with pytest.raises(ValueError, match="must have at most 500 characters"):
        checked_pattern("a" * 501)


def test_a_long_text_is_searched_at_its_beginning():
    assert is_found(checked_pattern("^a+$"), "a" * 10**6)
    assert not is_found(checked_pattern("b"), "a" * MOST_TEXT + "b")
    assert not is_found(checked_pattern("a*a*a*$b"), LETTERS)


def test_a_manifest_and_an_option_refuse_it_in_one_line():
    with pytest.raises(ValueError, match="SeriesDescription must have no repeat and no alternative inside a repeat"):
        SeriesEntry(where={"SeriesDescription": "(a+)+$"})
    with pytest.raises(DataError, match=r"select: must have no repeat .*, got \(a\+\)\+\$; quote it, or make it"):
        select_series([], "(a+)+$")
