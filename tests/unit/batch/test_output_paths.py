"""Where denoised files go: a mirror of the tree, never inside the input, never two in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2b_ct.batch.output_paths import (
    is_occupied,
    mirrored_dirs,
    mirrored_file,
    remove_if_empty,
    require_no_overlap,
    residual_path,
)
from n2b_ct.errors import OutputError
from n2b_ct.io.series import InstanceRef, SeriesRef


def series(path: Path, uid: str = "1.2.3") -> SeriesRef:
    return SeriesRef(uid, "1.2", "p", "", 8, 8, None, (), (InstanceRef(path, "1", 0.0),))


def test_the_output_mirrors_the_input(tmp_path):
    found = [series(tmp_path / "a" / "b" / "x.dcm"), series(tmp_path / "c" / "y.dcm")]
    assert mirrored_dirs(found, tmp_path, Path("out")) == [Path("out/a/b"), Path("out/c")]
    assert mirrored_file(tmp_path / "a" / "v.nii", tmp_path, Path("out")) == Path("out/a/v.nii")


def test_a_series_folder_and_a_single_file_go_to_the_output_itself(tmp_path):
    (tmp_path / "x.dcm").touch()
    one = [series(tmp_path / "x.dcm")]
    assert mirrored_dirs(one, tmp_path, Path("out")) == [Path("out")]
    assert mirrored_dirs(one, tmp_path / "x.dcm", Path("out")) == [Path("out")]
    assert mirrored_file(tmp_path / "x.dcm", tmp_path / "x.dcm", Path("out")) == Path("out/x.dcm")


def test_series_that_share_a_folder_get_subfolders_of_their_own(tmp_path):
    found = [series(tmp_path / "a" / "x", "1.2.3"), series(tmp_path / "a" / "y", "1.2.4"), series(tmp_path / "b" / "z")]
    targets = mirrored_dirs(found, tmp_path, Path("out"))
    assert len(set(targets)) == 3
    assert [target.parent for target in targets] == [Path("out/a"), Path("out/a"), Path("out")]
    assert all(target.name.startswith("series-") for target in targets[:2])
    assert mirrored_dirs(found, tmp_path, Path("out")) == targets


def test_a_series_above_another_gets_a_subfolder(tmp_path):
    found = [series(tmp_path / "a" / "x", "1.2.3"), series(tmp_path / "a" / "b" / "y", "1.2.4")]
    above, below = mirrored_dirs(found, tmp_path, Path("out"))
    assert above.parent == Path("out/a")
    assert below == Path("out/a/b")


@pytest.mark.parametrize("volume", ["a/v.nii", "a/b/v.nii"])
def test_a_series_beside_or_above_a_volume_gets_a_subfolder(tmp_path, volume):
    (target,) = mirrored_dirs([series(tmp_path / "a" / "x")], tmp_path, Path("out"), [tmp_path / volume])
    assert target.parent == Path("out/a")


def test_parts_of_one_series_get_folders_of_their_own(tmp_path):
    parts = [
        SeriesRef("1.2.3", "1.2", "p", "", 8, 8, None, (), (InstanceRef(tmp_path / "a" / name, uid, 0.0),))
        for name, uid in (("x", "1"), ("y", "2"))
    ]
    one, two = mirrored_dirs(parts, tmp_path, Path("out"))
    assert one != two
    assert one.parent == two.parent == Path("out/a")


def test_a_series_spread_over_folders_is_mirrored_from_what_they_share(tmp_path):
    instances = tuple(InstanceRef(tmp_path / "s" / name / "x", name, 0.0) for name in ("a", "b"))
    spread = SeriesRef("1.2.3", "1.2", "p", "", 8, 8, None, (), instances)
    assert mirrored_dirs([spread], tmp_path, Path("out")) == [Path("out/s")]


def test_no_place_is_made_of_a_uids_text(tmp_path):
    found = [series(tmp_path / "x", "../../evil"), series(tmp_path / "y", "..")]
    assert all(
        target.parent == Path("out") and ".." not in target.parts
        for target in mirrored_dirs(found, tmp_path, Path("out"))
    )


@pytest.mark.parametrize(
    ("target", "residual"),
    [
        ("out/a", "out/a-residual"),
        ("out", "out-residual"),
        ("out/v.nii.gz", "out/v-residual.nii.gz"),
        ("out/v.nii", "out/v-residual.nii"),
        ("out/V.NII.GZ", "out/V-residual.NII.GZ"),
        ("out/a.b", "out/a.b-residual"),
    ],
)
def test_the_residual_lies_beside(target, residual):
    assert residual_path(Path(target)) == Path(residual)


def test_the_residual_of_the_working_folder_has_a_place_too(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert residual_path(Path()) == tmp_path / "here-residual"


@pytest.mark.parametrize("output", ["in", "in/out", "in/a/b", ".", "in/../in/x", "link"])
def test_an_output_that_overlaps_the_input_is_refused(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="must lie outside the input folder, got input in; choose another"):
        require_no_overlap(Path("in"), Path(output))


@pytest.mark.parametrize("output", ["out", "in-denoised", "other/in"])
def test_an_output_apart_from_the_input_is_fine(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    require_no_overlap(Path("in"), Path(output))


def test_the_output_of_one_file_may_lie_beside_it_but_not_hold_it(tmp_path):
    (tmp_path / "v.nii.gz").touch()
    require_no_overlap(tmp_path / "v.nii.gz", tmp_path / "out")
    for output in (tmp_path / "v.nii.gz", tmp_path):
        with pytest.raises(OutputError, match="must lie outside"):
            require_no_overlap(tmp_path / "v.nii.gz", output)


def test_an_empty_folder_is_no_output(tmp_path):
    assert not is_occupied(tmp_path / "none")
    assert not is_occupied(tmp_path)
    (tmp_path / "file").touch()
    assert is_occupied(tmp_path)
    assert is_occupied(tmp_path / "file")


def test_only_empty_folders_make_way(tmp_path):
    (tmp_path / "empty" / "too").mkdir(parents=True)
    (tmp_path / "full" / "x").mkdir(parents=True)
    (tmp_path / "full" / "x" / "file").touch()
    for name in ("empty", "full", "none"):
        remove_if_empty(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
