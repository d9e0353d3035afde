"""The console's line on a verdict."""

from __future__ import annotations

from n2b_ct.cli.report import verdict_line
from n2b_ct.evaluation.verdicts import Verdict


def test_a_green_verdict_has_no_reasons():
    assert verdict_line(Verdict("base", "green", ())) == "verdict: base is green"


def test_the_first_two_reasons_are_told_and_the_rest_is_counted():
    found = verdict_line(Verdict("nlm", "red", ("first", "second", "third", "fourth")))
    assert found == "verdict: nlm is red: first; second; 2 more in the report"
