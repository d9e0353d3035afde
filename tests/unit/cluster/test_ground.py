"""The ground that workers write on: made and marked before, tidied after."""

from __future__ import annotations

import pytest

from n2b_ct.cluster.ground import count_attempts, note_attempt, shared_output_marker
from n2b_ct.errors import OutputError


def test_folders_are_made_and_those_that_stay_empty_go(tmp_path):
    places = [tmp_path / "out" / "p1" / "s1", tmp_path / "out" / "p2" / "s2"]
    with shared_output_marker(places) as mark:
        assert mark.parent == tmp_path / "out"
        assert (tmp_path / "out" / "p2").is_dir()
        places[0].mkdir()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "out", tmp_path / "out" / "p1", places[0]]


def test_the_mark_of_the_only_series_lies_beside_it(tmp_path):
    with shared_output_marker([tmp_path / "out"]) as mark:
        assert mark.parent == tmp_path
        assert not (tmp_path / "out").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_mark_that_a_killed_run_left_goes_with_the_next(tmp_path):
    places = [tmp_path / "out" / "a", tmp_path / "out" / "b"]
    with shared_output_marker(places) as first:
        note_attempt(first, 0)
        with shared_output_marker([tmp_path / "out" / "c", tmp_path / "out" / "d"]):
            assert first.exists()
        with shared_output_marker(places) as second:
            assert (first.exists(), second.exists()) == (False, True)


def test_attempts_are_counted_task_by_task(tmp_path):
    with shared_output_marker([tmp_path / "out"]) as mark:
        for index in (3, 3, 4):
            note_attempt(mark, index)
        assert [count_attempts(mark, index) for index in (2, 3, 4)] == [0, 2, 1]


def test_a_place_that_cannot_be_made_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="file/out: must be writable"),
        shared_output_marker([tmp_path / "file/out/a"]),
    ):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
