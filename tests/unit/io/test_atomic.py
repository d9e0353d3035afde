"""A file is there whole or not at all."""

from __future__ import annotations

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.io.atomic import write_atomically
from tests.helpers import assert_nothing_left


def test_a_file_is_written_and_an_old_one_replaced(tmp_path):
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "file", lambda file, content=content: file.write(content))
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_left_when_writing_fails(tmp_path):
    def fail(file):
        file.write(b"half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_atomically(tmp_path / "file", fail)
    assert_nothing_left(tmp_path)


def test_a_full_disk_is_an_output_error_and_leaves_the_old_file(tmp_path):
    def fill(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(OutputError, match="must be writable, got No space left on device"):
        write_atomically(tmp_path / "file", fill)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="must be writable"):
        write_atomically(tmp_path / "none" / "file", lambda file: file.write(b""))
