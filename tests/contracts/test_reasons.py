"""Reason codes: the code, the user guide and the table of bad input say the same."""

from __future__ import annotations

import ast
import re

import pytest

from n2b_ct.io.dicom.reasons import ERRORS, PATTERNS, PROBLEMS, SKIPS, action_of
from tests.bad_input import ROWS
from tests.conftest import REPOSITORY

_RAISES_A_CODE = re.compile(r"^_?(?:SeriesError|refusal|refused)$")


def documented(heading: str) -> dict[str, tuple[str, str]]:
    """Code to (meaning, remedy), of one table of the user guide."""
    guide = (REPOSITORY / "docs" / "user-guide.md").read_text(encoding="utf-8")
    section = guide.partition(f"### {heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) \|$", section, re.MULTILINE)
    return {code: (meaning, remedy) for code, meaning, remedy in rows}


@pytest.mark.parametrize(
    ("heading", "codes"), [("Skipped", SKIPS), ("Errors", ERRORS), ("Used, but worth knowing", PROBLEMS)]
)
def test_the_user_guide_explains_every_code_and_no_other(heading, codes):
    found = documented(heading)
    assert {code: meaning for code, (meaning, _) in found.items()} == codes
    assert [code for code, (_, remedy) in found.items() if not remedy.strip()] == []


def test_the_user_guide_explains_every_pattern_and_no_other():
    assert documented("Patterns of a whole folder") == PATTERNS


def test_a_code_either_skips_or_fails():
    assert SKIPS.keys() & ERRORS.keys() == set()
    assert {action_of(code) for code in SKIPS} == {"skipped"}
    assert {action_of(code) for code in ERRORS} == {"error"}


def test_every_code_that_the_package_raises_is_listed():
    raised = {
        call.args[0].value
        for path in (REPOSITORY / "n2b_ct").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
        if _RAISES_A_CODE.match(getattr(call.func, "id", getattr(call.func, "attr", "")))
    }
    assert {"bad_value", "missing_uid", "pixel_truncated"} <= raised
    assert raised - SKIPS.keys() - ERRORS.keys() == set()


def test_every_row_of_bad_input_has_a_test_of_its_own():
    found = [
        int(number)
        for path in (REPOSITORY / "tests" / "integration").glob("test_bad_input_rows_*.py")
        for number in re.findall(r"^def test_row_(\d\d)_\w+\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert set(found) == ROWS.keys() == set(range(1, 54))
