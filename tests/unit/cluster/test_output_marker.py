"""The shared output marker: folders made before the tasks, attempts counted, all removed after."""

from __future__ import annotations

import pytest

from n2b_ct.cluster.output_marker import count_attempts, note_attempt, shared_output_marker
from n2b_ct.errors import OutputError


def test_folders_are_made_and_those_that_stay_empty_go(tmp_path):
    paths = [tmp_path / "out" / "p1" / "s1", tmp_path / "out" / "p2" / "s2"]
    with shared_output_marker(paths) as marker:
        assert marker.parent == tmp_path / "out"
        assert (tmp_path / "out" / "p2").is_dir()
        paths[0].mkdir()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "out", tmp_path / "out" / "p1", paths[0]]


def test_the_mark_of_the_only_series_lies_beside_it(tmp_path):
    with shared_output_marker([tmp_path / "out"]) as marker:
        assert marker.parent == tmp_path
        assert not (tmp_path / "out").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_mark_that_a_killed_run_left_goes_with_the_next(tmp_path):
    paths = [tmp_path / "out" / "a", tmp_path / "out" / "b"]
    with shared_output_marker(paths) as first:
        note_attempt(first, 0)
        with shared_output_marker([tmp_path / "out" / "c", tmp_path / "out" / "d"]):
            assert first.exists()
        with shared_output_marker(paths) as second:
            assert (first.exists(), second.exists()) == (False, True)


def test_attempts_are_counted_task_by_task(tmp_path):
    with shared_output_marker([tmp_path / "out"]) as marker:
        for index in (3, 3, 4):
            note_attempt(marker, index)
        assert [count_attempts(marker, index) for index in (2, 3, 4)] == [0, 2, 1]


def test_a_place_that_cannot_be_made_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="file/out: must be writable"),
        shared_output_marker([tmp_path / "file/out/a"]),
    ):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
