"""The piglet's tree: the real set's layout and traps, reproducible, whole or absent."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from n2b_ct.errors import DataError, OutputError
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.original import write_original
from n2b_ct.phantom.piglet import PigletSummary, ProgressLog, simulate_slice, write_piglet
from n2b_ct.phantom.piglet_plan import PigletPlan, dose_label

N_SLICES = 10
SMALL: dict[str, Any] = {"n_slices": N_SLICES, "size_px": 64}
DESCRIPTIONS = ["FBP FULL", "FBP 50", "FBP 25", "FBP 10", "FBP 5", "ASIR 40 FULL"]


@pytest.fixture(scope="module")
def piglet(tmp_path_factory: pytest.TempPathFactory) -> PigletSummary:
    return write_piglet(tmp_path_factory.mktemp("data") / "piglet", **SMALL)


def headers(folder: Path) -> dict[str, pydicom.Dataset]:
    return {path.name: pydicom.dcmread(path, stop_before_pixels=True) for path in folder.iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_tree_is_the_real_sets(piglet: PigletSummary) -> None:
    study_dir = piglet.output_dir / "DICOM" / "PA0" / "ST0"
    assert sorted(path.name for path in study_dir.iterdir()) == [f"SE{k}" for k in range(6)]
    for folder in study_dir.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == sorted(f"IM{k}" for k in range(N_SLICES))
    assert sorted(path.name for path in piglet.output_dir.iterdir()) == ["DICOM", "lesions.npz", "piglet.json"]


def test_descriptions_name_reconstruction_and_dose_and_the_first_folder_is_no_fbp(piglet: PigletSummary) -> None:
    assert list(piglet.series_dirs) == DESCRIPTIONS
    for description, folder in piglet.series_dirs.items():
        assert {header.SeriesDescription for header in headers(folder).values()} == {description}
    assert piglet.series_dirs["ASIR 40 FULL"].name == "SE0"


def test_file_numbers_are_not_the_order_of_slice_locations(piglet: PigletSummary) -> None:
    by_name = headers(piglet.series_dirs["FBP 10"])
    by_number = sorted(by_name, key=lambda name: int(name[2:]))
    by_location = sorted(by_name, key=lambda name: by_name[name].SliceLocation)
    assert by_number not in (by_location, by_location[::-1])
    locations = np.array([float(by_name[name].SliceLocation) for name in by_location])
    np.testing.assert_allclose(np.diff(locations), 566.25 / N_SLICES, atol=1e-5)
    assert by_name[by_location[-1]].InstanceNumber == 1


def test_the_packages_own_scanner_finds_six_sound_series(piglet: PigletSummary) -> None:
    found = scan(piglet.output_dir)
    assert sorted(series.description for series in found.series) == sorted(DESCRIPTIONS)
    assert {series.problems for series in found.series} == {()}
    assert len({series.study_instance_uid for series in found.series}) == 1
    assert len({series.patient_key for series in found.series}) == 1


def test_the_files_hold_the_simulated_hu(piglet: PigletSummary) -> None:
    plan = PigletPlan(**SMALL)
    _, images = simulate_slice(plan, 6)
    folder = piglet.series_dirs["FBP 25"]
    dataset = pydicom.dcmread(folder / f"IM{plan.file_number(6)}")
    assert float(dataset.SliceLocation) == pytest.approx(plan.position_mm(6), abs=1e-5)
    np.testing.assert_array_equal(dataset.pixel_array - 1024.0, np.clip(np.rint(images[2]), -1024, 3071))


def test_lower_doses_are_noisier_as_photons_demand(piglet: PigletSummary) -> None:
    noise = piglet.noise_hu
    assert list(noise) == DESCRIPTIONS[:5]
    assert 5.0 < noise["FBP FULL"] < 16.0
    for description, dose in (("FBP 50", 0.5), ("FBP 25", 0.25), ("FBP 10", 0.1), ("FBP 5", 0.05)):
        assert noise[description] / noise["FBP FULL"] == pytest.approx(1 / math.sqrt(dose), rel=0.12)


def test_noise_does_not_depend_on_the_matrix() -> None:
    deviation = []
    for size_px in (96, 160):
        truth, images = simulate_slice(PigletPlan(n_slices=20, size_px=size_px), 15)
        is_soft = (truth > 20) & (truth < 90)
        deviation.append((images[0] - truth)[is_soft].std())
    assert deviation[0] == pytest.approx(deviation[1], rel=0.15)


def test_the_truth_beside_the_tree_names_lesions_that_the_images_show(piglet: PigletSummary) -> None:
    truth = json.loads(piglet.truth_path.read_text())
    assert [one["description"] for one in truth["series"]] == DESCRIPTIONS
    assert truth["series"][0]["noise_hu"] == piglet.noise_hu["FBP FULL"]
    assert truth["parameters"]["photons"] > 1e3
    for lesion in truth["lesions"]:
        x, y, z = lesion["centre_mm"]
        assert max(abs(x), abs(y)) < 120
        assert abs(z) < 566.25 / 2
        assert 3.0 <= lesion["radius_mm"] <= 8.0
        assert 10.0 <= abs(lesion["contrast_hu"]) <= 50.0


def test_the_labels_beside_the_tree_lie_on_the_slices(piglet: PigletSummary) -> None:
    with np.load(piglet.output_dir / "lesions.npz") as truth:
        labels, locations_mm = truth["labels"], truth["slice_location_mm"]
    headers_here = headers(piglet.series_dirs["FBP FULL"]).values()
    np.testing.assert_allclose(locations_mm, sorted(float(h.SliceLocation) for h in headers_here), atol=1e-6)
    assert labels.shape == (N_SLICES, 64, 64)


def test_the_same_call_gives_the_same_bytes_whatever_the_workers(piglet: PigletSummary, tmp_path: Path) -> None:
    again = write_piglet(tmp_path / "again", n_workers=2, **SMALL)
    assert contents(again.output_dir) == contents(piglet.output_dir)


def test_another_seed_gives_another_animal_and_other_uids(tmp_path: Path) -> None:
    few = {"n_slices": 8, "size_px": 64, "doses": (1.0,), "decoy": False}
    folders = [write_piglet(tmp_path / str(seed), seed=seed, **few).series_dirs["FBP FULL"] for seed in (1, 2)]
    first, second = (pydicom.dcmread(folder / "IM0") for folder in folders)
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert first.PatientID != second.PatientID
    assert np.abs(first.pixel_array.astype(float) - second.pixel_array).mean() > 1.0


def test_pixels_read_back_through_the_packages_reader(piglet: PigletSummary) -> None:
    series = next(s for s in scan(piglet.output_dir).series if s.description == "FBP FULL")
    volume = read_series(series)
    assert volume.hu.shape == (N_SLICES, 64, 64)
    assert volume.hu.min() >= -1024.0
    assert not volume.is_padding.any()


def test_progress_counts_every_slice(tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    write_piglet(
        tmp_path / "p", n_slices=8, size_px=64, doses=(1.0,), decoy=False, progress=lambda *call: calls.append(call)
    )
    assert calls == [(k, 8, "slices") for k in range(1, 9)]


def test_a_full_piglet_has_the_real_sets_spacing() -> None:
    plan = PigletPlan()
    assert plan.spacing_mm == pytest.approx(0.625)
    assert sorted(plan.file_number(k) for k in range(906)) == list(range(906))
    assert [dose_label(dose) for dose in plan.doses] == ["FULL", "50", "25", "10", "5"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_slices": 7}, "piglet slices: must be 8 to"),
        ({"n_slices": 10**6}, "piglet slices: must be 8 to"),
        ({"size_px": 100}, "piglet size: must be 64 to 1024, a multiple of 16, got 100"),
        ({"size_px": 4096}, "piglet size"),
        ({"field_of_view_mm": 50.0}, "piglet field of view"),
        ({"doses": (1.0, 0.0)}, "piglet doses: must be above 0"),
        ({"doses": (1.0, 0.5, 0.5)}, "piglet doses: must differ"),
        ({"doses": (0.5,)}, "piglet doses: must hold the full dose"),
        ({"seed": -1}, "piglet seed"),
    ],
)
def test_impossible_piglets_are_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_piglet(tmp_path / "p", **change)
    assert list(tmp_path.iterdir()) == []


def test_an_older_piglet_is_replaced_only_on_demand(piglet: PigletSummary, tmp_path: Path) -> None:
    few: dict[str, Any] = {"n_slices": 8, "size_px": 64, "doses": (1.0,), "decoy": False}
    write_piglet(tmp_path / "p", **few)
    before = contents(tmp_path / "p")
    with pytest.raises(OutputError, match="must not exist yet"):
        write_piglet(tmp_path / "p", seed=1, **few)
    assert contents(tmp_path / "p") == before
    write_piglet(tmp_path / "p", seed=1, overwrite=True, **few)
    assert contents(tmp_path / "p") != before
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"must be new or hold piglet\.json"):
        write_piglet(tmp_path / "p", overwrite=True, **SMALL)
    assert (tmp_path / "p" / "thesis.txt").read_text() == "mine"


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    write_piglet(tmp_path / "p", n_slices=8, size_px=64, doses=(1.0,), decoy=False)
    assert (tmp_path / "p" / "piglet.json").is_file()


def fail_after(n_files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full after some files, the last of which is half there."""
    written: list[Path] = []

    def break_down(path: Path, dataset: pydicom.Dataset) -> None:
        if len(written) == n_files:
            path.write_bytes(b"half a file")
            raise OSError(28, "No space left on device")
        written.append(path)
        write_original(path, dataset)

    monkeypatch.setattr("n2b_ct.phantom.piglet.write_original", break_down)


def test_a_failure_before_the_first_slice_is_whole_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(5, monkeypatch)
    with pytest.raises(OutputError, match="must be writable, got No space left on device"):
        write_piglet(tmp_path / "p", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_is_taken_up_where_it_stopped_and_the_bytes_do_not_tell(
    piglet: PigletSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_after(6 * 4 + 3, patch)
        with pytest.raises(OutputError, match="the same call again goes on where this one stopped"):
            write_piglet(tmp_path / "p", **SMALL)
    assert [path.name.startswith(".partial-") for path in tmp_path.iterdir()] == [True]
    made: list[int] = []
    monkeypatch.setattr(
        "n2b_ct.phantom.piglet.simulate_slice", lambda plan, k: made.append(k) or simulate_slice(plan, k)
    )
    assert write_piglet(tmp_path / "p", **SMALL).noise_hu == piglet.noise_hu
    assert made == [4, 5, 6, 7, 8, 9]
    assert contents(tmp_path / "p") == contents(piglet.output_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_slice_whose_file_was_spoilt_meanwhile_is_made_again(
    piglet: PigletSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_after(6 * 4, patch)
        with pytest.raises(OutputError, match="must be writable"):
            write_piglet(tmp_path / "p", **SMALL)
    one = next(tmp_path.rglob(f"SE2/IM{PigletPlan(**SMALL).file_number(1)}"))
    one.write_bytes(one.read_bytes()[:-1] + b"?")
    write_piglet(tmp_path / "p", **SMALL)
    assert contents(tmp_path / "p") == contents(piglet.output_dir)


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"{}", b'{"sha256": []}'])
def test_a_damaged_note_finishes_no_slice(tmp_path: Path, note: bytes) -> None:
    (tmp_path / "0.json").write_bytes(note)
    assert ProgressLog(tmp_path).read(0, []) is None


def test_another_animal_goes_on_with_nothing_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few: dict[str, Any] = {"n_slices": 8, "size_px": 64, "doses": (1.0,), "decoy": False, "seed": 1}
    with monkeypatch.context() as patch:
        fail_after(6 * 4, patch)
        with pytest.raises(OutputError, match="must be writable"):
            write_piglet(tmp_path / "p", **SMALL)
    write_piglet(tmp_path / "p", **few)
    write_piglet(tmp_path / "q", **few)
    assert contents(tmp_path / "p") == contents(tmp_path / "q")


_KILLED = """
import sys
from pathlib import Path
from n2b_ct.phantom.piglet import write_piglet
if __name__ == "__main__":
    write_piglet(Path(sys.argv[1]), n_slices=10, size_px=64, n_workers=2,
                 progress=lambda done, total, what: print(done, flush=True))
"""


def test_a_killed_run_is_taken_up_and_its_workers_die_with_it(piglet: PigletSummary, tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text(_KILLED)
    (tmp_path / "out").mkdir()
    command = [sys.executable, str(script), str(tmp_path / "out" / "p")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["1\n", "2\n"]
        process.kill()
        process.stdout.read()  # ends when the last process that holds the pipe has ended
    assert [path.name.startswith(".partial-") for path in (tmp_path / "out").iterdir()] == [True]
    write_piglet(tmp_path / "out" / "p", **SMALL)
    assert contents(tmp_path / "out" / "p") == contents(piglet.output_dir)


def test_a_disk_too_small_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("n2b_ct.phantom.resumable_folder.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="output: needs"):
        write_piglet(tmp_path / "p", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class DyingPool:
        def __init__(self, *arguments: object, **options: object) -> None:
            pass

        def submit(self, *arguments: object) -> None:
            raise BrokenProcessPool

        def shutdown(self, **options: object) -> None:
            pass

    monkeypatch.setattr("n2b_ct.simulation.ordered_pool.ProcessPoolExecutor", DyingPool)
    with pytest.raises(OutputError, match="workers: must stay alive"):
        write_piglet(tmp_path / "p", n_workers=2, **SMALL)
    assert list(tmp_path.iterdir()) == []
