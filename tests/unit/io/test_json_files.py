"""JSON that an earlier run left: read back, or refused in one line."""

from __future__ import annotations

import pytest

from n2b_ct.errors import DataError
from n2b_ct.io import json_files
from n2b_ct.io.json_files import read_json
from n2b_ct.phantom.piglet import ProgressLog


def test_an_object_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"ä": [1, 2.5, null]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"ä": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must hold JSON, got something else; take the file away, and make it again"),
        (b"{", "must hold JSON, got something else"),
        (b"\xff\xfe", "must hold JSON, got something else"),
        (b"[" * 200_000, "must hold JSON, got something else"),
        (b'{"a":' * 200_000, "must hold JSON, got something else"),
        (b'{"a": ' + b"9" * 5000 + b"}", "must hold JSON, got something else"),
        (b"[1]", "must hold a JSON object, got list"),
        (b" " * 2000, "must have at most 0 MB, got more"),
    ],
)
def test_what_is_no_object_is_refused_in_one_line(tmp_path, monkeypatch, content, said):
    if not content.strip() and content:
        monkeypatch.setattr(json_files, "MOST_BYTES", 1000)
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=f"a.json: {said}") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match=r"a\.json: must be readable, got No such file or directory"):
        read_json(tmp_path / "a.json")


def test_a_damaged_entry_of_the_piglets_progress_log_counts_as_none(tmp_path):
    (tmp_path / "0.json").write_text("{")
    (tmp_path / "1.json").write_text('{"count": 1}')
    assert ProgressLog(tmp_path).read(0, []) is None
    assert ProgressLog(tmp_path).read(1, []) is None
    assert ProgressLog(tmp_path).read(2, []) is None
