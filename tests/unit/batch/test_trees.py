"""A tree of series and volumes: each to its mirrored place, whole or not at all, one outcome each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from n2b_ct.batch import series_task
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import denoise_tree
from n2b_ct.errors import DataError, OutputError, SeriesError
from n2b_ct.inference.model import Model, load_model
from n2b_ct.io.atomic import REPLACED_PREFIX, hidden_sibling, new_partial
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from tests.helpers import make_ct_dataset, save
from tests.integration.scenes import biased_model, tissue_hu, tree_of, write_series

BIAS_HU = 40.0  # 0.1 of the window's 400 HU
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(biased_model(tmp_path / "model.pt"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_series(tmp_path / "in" / "a" / "deep", tissue_hu(1, size_px=33), uid=1, SeriesDescription="Thorax")
    write_series(tmp_path / "in" / "b", tissue_hu(2, size_px=33), uid=2, SeriesDescription="Abdomen")
    return tmp_path / "in"


def denoise(tree: Path, model: Model, output: str = "out", **options) -> TreeResult:
    return denoise_tree(tree, tree.parent / output, model, DenoiseOptions(**{"created": WHEN, **options}))


def hu_of(path: Path) -> np.ndarray:
    return read_slice(path).hu


def write_volume(path: Path, shape: tuple[int, int, int] = (9, 7, 3), affine: np.ndarray | None = None) -> np.ndarray:
    hu = np.random.default_rng(0).uniform(-100, 100, shape).round().astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([-0.7, -0.7, 3.0, 1.0]) if affine is None else affine), path)
    return hu


def test_every_series_goes_to_its_mirrored_place(tree, model):
    result = denoise(tree, model)
    assert [(one.status, one.n_slices, one.n_clipped_pixels) for one in result.outcomes] == [("done", 3, 0)] * 2
    assert not result.failed
    out = tree.parent / "out"
    assert [one.output for one in result.outcomes] == [out / "a" / "deep", out / "b"]
    assert tree_of(out / "b") == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]


def test_what_the_network_finds_is_taken_away(tree, model):
    result = denoise(tree, model)
    before, after = hu_of(tree / "b" / "slice001.dcm"), hu_of(tree.parent / "out" / "b" / "slice001.dcm")
    np.testing.assert_array_equal(after, before + BIAS_HU)
    assert result.outcomes[0].removed_std_hu == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("strength", "share"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_strength_takes_a_share(tree, model, strength, share):
    denoise(tree, model, strength=strength)
    before, after = hu_of(tree / "b" / "slice001.dcm"), hu_of(tree.parent / "out" / "b" / "slice001.dcm")
    np.testing.assert_array_equal(after, before + share * BIAS_HU)


def test_the_residual_is_the_removed_noise_beside_the_series(tree, model):
    denoise(tree, model, residual=True, strength=0.5)
    out = tree.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "b-residual"]
    np.testing.assert_array_equal(hu_of(out / "b-residual" / "slice001.dcm"), np.full((33, 33), -BIAS_HU))
    uids = {pydicom.dcmread(out / name / "slice001.dcm").SeriesInstanceUID for name in ("b", "b-residual")}
    assert len(uids) == 2


def test_a_selection_is_a_pattern_on_the_description(tree, model):
    result = denoise(tree, model, select="^abd")
    assert [one.output.name for one in result.outcomes] == ["b"]
    assert not (tree.parent / "out" / "a").exists()


def test_one_slice_is_a_series_of_one(tree, model):
    result = denoise_tree(tree / "b" / "slice001.dcm", tree.parent / "one", model, DenoiseOptions())
    assert [one.n_slices for one in result.outcomes] == [1]
    assert tree_of(tree.parent / "one") == ["slice001.dcm"]


def test_series_in_one_folder_are_kept_apart(tree, model):
    write_series(tree / "b" / "x", tissue_hu(3, size_px=33), uid=3)
    for path in (tree / "b" / "x").iterdir():
        path.rename(tree / "b" / f"x-{path.name}")
    (tree / "b" / "x").rmdir()
    result = denoise(tree, model)
    assert [one.status for one in result.outcomes] == ["done"] * 3
    assert len({one.output for one in result.outcomes}) == 3
    derived = scan(tree.parent / "out").series
    assert sorted(len(one) for one in derived) == [3, 3, 3]


def test_a_volume_keeps_affine_type_and_shape(tree, model):
    affine = np.array([[0.0, -0.7, 0.1, 5.0], [0.7, 0.0, 0.0, -3.0], [0.0, 0.1, 2.5, 1.0], [0.0, 0.0, 0.0, 1.0]])
    hu = write_volume(tree / "v.nii.gz", affine=affine)
    result = denoise(tree, model)
    outcome = next(one for one in result.outcomes if one.source.suffix == ".gz")
    assert (outcome.status, outcome.series) == ("done", "")
    written, source = nibabel.load(tree.parent / "out" / "v.nii.gz"), nibabel.load(tree / "v.nii.gz")
    np.testing.assert_array_equal(written.affine, source.affine)
    assert written.get_data_dtype() == np.int16
    np.testing.assert_array_equal(written.get_fdata(), hu + BIAS_HU)


def test_a_volume_beside_a_series_does_not_stand_in_its_way(tree, model):
    write_volume(tree / "b" / "v.nii")
    result = denoise(tree, model, residual=True)
    assert [one.status for one in result.outcomes] == ["done"] * 3
    again = denoise(tree, model, residual=True, if_present="skip")
    assert [one.status for one in again.outcomes] == ["present"] * 3
    assert not any(one.action == "error" for one in result.records)


def test_what_fails_leaves_nothing_and_stops_nobody(tree, model, monkeypatch):
    def failing(model, hu, is_padding=None):
        if hu.mean() == mean_of_b:
            raise DataError("slice: must be x, got y; do z")
        return np.zeros_like(hu)

    mean_of_b = hu_of(tree / "b" / "slice002.dcm").mean()
    write_series(tree / "c", tissue_hu(5, size_px=33), uid=5)
    monkeypatch.setattr(series_task, "noise_hu", failing)
    result = denoise(tree, model, residual=True)
    assert [one.status for one in result.outcomes] == ["done", "failed", "done"]
    assert (result.outcomes[1].reason, result.outcomes[1].detail) == ("DataError", "slice: must be x, got y; do z")
    assert result.failed
    assert sorted(path.name for path in (tree.parent / "out").iterdir()) == ["a", "c", "c-residual"]


def test_files_that_are_no_ct_are_listed_and_no_failure(tree, model):
    (tree / "letter.txt").write_text("dear")
    result = denoise(tree, model)
    assert {(one.path.name, one.action) for one in result.records if one.action != "used"} == {
        ("letter.txt", "skipped")
    }
    assert not result.failed


def test_where_nothing_is_usable_each_kind_of_error_is_shown_once_in_full(tmp_path, model):
    for number in (1, 2):
        dataset = make_ct_dataset()
        dataset.NumberOfFrames = 5
        save(dataset, tmp_path / "in" / f"{number}.dcm")
    (tmp_path / "in" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match=r"got 3 files, none usable \(bad_value, not_dicom\)") as caught:
        denoise(tmp_path / "in", model)
    _, *details = str(caught.value).splitlines()
    assert details == [
        f"{tmp_path / 'in'}: 1.dcm: CT Image Storage must hold one frame, got 5 frames; "
        "export it as Enhanced CT or as one file a slice"
    ]


@pytest.mark.parametrize(("policy", "status"), [("skip", "present"), ("replace", "done")])
def test_outputs_that_are_there_are_kept_or_replaced_as_asked(tree, model, policy, status):
    denoise(tree, model)
    kept = (tree.parent / "out" / "b" / "slice001.dcm").read_bytes()
    result = denoise(tree, model, if_present=policy, created=WHEN + timedelta(days=1))
    assert [one.status for one in result.outcomes] == [status] * 2
    assert ((tree.parent / "out" / "b" / "slice001.dcm").read_bytes() == kept) is (policy == "skip")


def test_outputs_that_are_there_are_refused_before_anything_is_written(tree, model):
    denoise(tree, model, select="abd")
    with pytest.raises(OutputError, match=r"out/b: must not be there yet, got 1 of 2 outputs; pass resume=True"):
        denoise(tree, model)
    assert not (tree.parent / "out" / "a").exists()


def test_two_inputs_never_meet_in_one_place(tree, model):
    write_series(tree / "b-residual", tissue_hu(7, size_px=33), uid=7)
    assert len(denoise(tree, model).outcomes) == 3
    with pytest.raises(OutputError, match="out2/b-residual: must belong to one input only, got two"):
        denoise(tree, model, "out2", residual=True)


def test_an_empty_folder_made_beforehand_makes_way(tree, model):
    (tree.parent / "out" / "b").mkdir(parents=True)
    assert not denoise(tree, model).failed


def test_progress_runs_to_the_end_whatever_is_there_already(tree, model):
    write_volume(tree / "v.nii")
    denoise(tree, model, select="thorax")
    told: list[tuple[int, int]] = []
    options = DenoiseOptions(if_present="skip")
    denoise_tree(tree, tree.parent / "out", model, options, lambda done, total, what: told.append((done, total)))
    assert told[-1] == (9, 9)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_two_runs_of_one_time_write_the_same_bytes(tree, model):
    for output in ("one", "two"):
        denoise(tree, model, output)
    one, two = (
        {path.relative_to(tree.parent / output): path.read_bytes() for path in (tree.parent / output).rglob("*.dcm")}
        for output in ("one", "two")
    )
    assert one == two


def test_every_slice_is_rescaled_by_its_own_slope(tmp_path, model):
    folder = tmp_path / "in" / "a"
    (first, *_) = write_series(folder, tissue_hu(1, size_px=33), uid=1)
    dataset = pydicom.dcmread(first)
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-2100"
    save(dataset, first)
    before = hu_of(first)
    denoise(tmp_path / "in", model)
    after = hu_of(tmp_path / "out" / "a" / first.name)
    moved = (before > -160) & (before < 240)
    np.testing.assert_array_equal(after, np.where(moved, before + BIAS_HU, before))


# ── slices and series that are not as they should be ──


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def test_a_series_with_a_bad_slice_fails_whole(tree, model):
    spoil(tree / "b" / "slice001.dcm")
    result = denoise(tree, model)
    assert [(one.status, one.reason) for one in result.outcomes] == [("done", ""), ("failed", "pixel_truncated")]
    assert not (tree.parent / "out" / "b").exists()


def test_bad_slices_can_be_left_out_and_are_counted(tree, model):
    spoil(tree / "b" / "slice001.dcm")
    result = denoise(tree, model, skip_bad_slices=True, residual=True)
    outcome = result.outcomes[1]
    assert (outcome.status, outcome.n_slices, outcome.n_skipped_slices) == ("done", 2, 1)
    assert "missing_slices" in outcome.problems
    assert result.failed
    assert outcome.warnings == [
        f"{outcome.output}: should hold every slice, got 1 left out; replace the files that were refused"
    ]
    assert tree_of(tree.parent / "out" / "b") == tree_of(tree.parent / "out" / "b-residual")
    assert tree_of(tree.parent / "out" / "b") == ["slice000.dcm", "slice002.dcm"]


@pytest.mark.parametrize("skip", [True, False])
def test_a_slice_that_only_reading_refuses_is_treated_alike(tree, model, monkeypatch, skip):
    bad = tree / "b" / "slice001.dcm"

    def read(instances):
        for one in instances:
            yield SeriesError("pixel_undecodable", "x: must y, got z; w") if one.path == bad else read_slice(one)

    monkeypatch.setattr(series_task, "read_slices", read)
    told: list[tuple[int, int]] = []
    options = DenoiseOptions(skip_bad_slices=skip)
    result = denoise_tree(tree, tree.parent / "out", model, options, lambda done, total, _: told.append((done, total)))
    outcome = result.outcomes[1]
    assert (outcome.status, outcome.n_slices) == (("done", 2) if skip else ("failed", 0))
    (record,) = [record for record in result.records if record.path == bad]
    assert (record.action, record.reason) == ("error", "pixel_undecodable")
    assert len(result.records) == 6
    assert result.failed
    assert told[-1] == (6, 6)
    assert (tree.parent / "out" / "b").exists() is skip


def test_a_series_without_a_single_good_slice_fails_although_slices_may_be_skipped(tree, model, monkeypatch):
    def read(instances):
        return (SeriesError("pixel_undecodable", "x: must y, got z; w") for _ in instances)

    monkeypatch.setattr(series_task, "read_slices", read)
    result = denoise(tree, model, skip_bad_slices=True)
    assert [(one.status, one.reason) for one in result.outcomes] == [("failed", "pixel_undecodable")] * 2
    assert not (tree.parent / "out").exists()


def test_our_own_output_is_refused_unless_forced(tree, model):
    denoise(tree, model)
    result = denoise(tree.parent / "out", model, "again")
    assert [(one.status, one.reason) for one in result.outcomes] == [("failed", "own_output")] * 2
    assert (
        "must not be n2b-ct's own, got its output; denoise its source, or pass force=True" in result.outcomes[0].detail
    )
    assert not (tree.parent / "again").exists()
    forced = denoise(tree.parent / "out", model, "again", allow_own_output=True)
    assert [one.status for one in forced.outcomes] == ["done"] * 2
    assert {"own_output", "already_derived"} <= set(forced.outcomes[0].problems)


def test_a_derived_series_of_others_is_done_and_warned_of(tmp_path, model):
    write_series(tmp_path / "in", tissue_hu(1, size_px=33), uid=1, ImageType=["DERIVED", "SECONDARY", "AXIAL"])
    (outcome,) = denoise(tmp_path / "in", model).outcomes
    assert (outcome.status, "already_derived" in outcome.problems) == ("done", True)
    assert outcome.warnings == [
        f"{tmp_path / 'in'}: should be original images, got derived ones; denoise the originals if they exist"
    ]


def test_clipped_pixels_are_a_problem_from_one_in_ten_thousand_on(tmp_path, model):
    words = np.full((100, 100), 3000)
    words[0, :2] = 4090  # 195 HU, which becomes 235 HU, word 4130 of 4095
    for name, n_words in (("one", 1), ("two", 2)):
        some = words.copy()
        some[0, n_words:] = 3000
        save(make_ct_dataset(stored=some, intercept="-3895", series_uid=f"1.2.{n_words}"), tmp_path / "in" / name / "x")
    one, two = denoise(tmp_path / "in", model).outcomes
    assert (one.n_clipped_pixels, two.n_clipped_pixels, one.n_pixels) == (1, 2, 10_000)
    assert "clipped_pixels" not in one.problems
    assert "clipped_pixels" in two.problems
    assert two.warnings == [
        f"{two.output}: should clip at most 0.01% of its pixels, got 0.02%; look at it, or pass widen_bits=True"
    ]
    widened = denoise(tmp_path / "in", model, "wide", write=WriteOptions(widen_bits=True)).outcomes
    assert [outcome.n_clipped_pixels for outcome in widened] == [0, 0]


def test_dropped_private_creators_are_listed_once(tmp_path, model):
    for path in write_series(tmp_path / "in", tissue_hu(1, size_px=33), uid=1):
        dataset = pydicom.dcmread(path)
        for group, creator in ((0x0043, "GEMS_PARM_01"), (0x0099, "Müller Jörg"), (0x009B, "someone")):
            dataset.private_block(group, creator, create=True).add_new(1, "LO", "x")
        save(dataset, path)
    (outcome,) = denoise(tmp_path / "in", model).outcomes
    assert outcome.dropped_private == ("GEMS_PARM_01", "unknown")
    (kept,) = denoise(tmp_path / "in", model, "kept", write=WriteOptions(keep_private=True)).outcomes
    assert kept.dropped_private == ()


# ── interruptions ──


def test_an_interruption_in_mid_series_leaves_the_finished_ones_and_nothing_else(tree, model, monkeypatch):
    n_calls = 0

    def interrupted(model, hu, is_padding=None):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 5:
            raise KeyboardInterrupt
        return np.zeros_like(hu)

    monkeypatch.setattr(series_task, "noise_hu", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        denoise(tree, model, residual=True)
    assert sorted(path.name for path in (tree.parent / "out").iterdir()) == ["a"]
    assert sorted(path.name for path in (tree.parent / "out" / "a").iterdir()) == ["deep", "deep-residual"]


@pytest.mark.parametrize("policy", ["refuse", "skip", "replace"])
def test_what_a_kill_between_two_renames_moved_away_is_back(tree, model, policy):
    out = tree.parent / "out"
    denoise(tree, model, created=WHEN - timedelta(days=1))
    marked = out / "b" / "slice001.dcm"
    old = marked.read_bytes()
    (out / "b").rename(hidden_sibling(out / "b", REPLACED_PREFIX))
    new_partial(out / "b").mkdir()
    if policy == "refuse":
        with pytest.raises(OutputError, match="must not be there yet"):
            denoise(tree, model)
    else:
        assert not denoise(tree, model, if_present=policy).failed
    assert (marked.read_bytes() == old) is (policy != "replace")
    assert sorted(path.name for path in out.iterdir()) == ["a", "b"]


def test_a_volume_that_a_kill_left_half_written_is_cleaned_up(tree, model):
    write_volume(tree / "v.nii")
    (tree.parent / "out").mkdir()
    new_partial(tree.parent / "out" / "v.nii").write_bytes(b"half")
    denoise(tree, model)
    assert sorted(path.name for path in (tree.parent / "out").iterdir()) == [".n2b-ct", "a", "b", "v.nii"]


# ── what is written ──
