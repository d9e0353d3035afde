"""``n2b-ct denoise`` on what anonymisers and scanners really leave: shared UIDs, jittering cosines, odd rescales."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from n2b_ct.cli import run
from tests.helpers import make_ct_dataset, save, water_ramp
from tests.integration.scenes import WINDOW, biased_model, tissue_hu

SQUARE = {"PixelSpacing": ["0.8", "0.8"]}
BIAS_HU = 0.1 * (WINDOW.upper_hu - WINDOW.lower_hu)


def write(folder: Path, n_slices: int, first: int = 0, prefix: str = "IM", **changes: Any) -> None:
    """A series whose pixels nobody else has."""
    for k in range(n_slices):
        slice_of = {
            "position_mm": (-16.0, -12.0, 2.5 * k),
            "instance_number": k + 1,
            "stored": water_ramp(first=900 + first + 10 * k),
            "sop_uid": f"1.2.3.{first}.{k + 1}",
        }
        save(make_ct_dataset(**{**SQUARE, **slice_of, **changes}), folder / f"{prefix}{k}.dcm")


def denoised(
    source: Path, model: Path, *more: str
) -> tuple[int, list[dict[str, Any]], dict[str, list[pydicom.Dataset]]]:
    """Exit code, entries of the JSON, and data sets by folder of the output."""
    output = source.parent / "out"
    code = run(["denoise", str(source), str(output), "--model", str(model), "--json", f"{output}.json", *more])
    entries = json.loads(Path(f"{output}.json").read_text())["series"]
    files: dict[str, list[pydicom.Dataset]] = {}
    for path in sorted(output.rglob("*.dcm")):
        files.setdefault(path.parent.relative_to(output).as_posix(), []).append(pydicom.dcmread(path))
    return code, entries, files


def values(files: Sequence[pydicom.Dataset], keyword: str) -> set[str]:
    return {str(one[keyword].value) for one in files}


@pytest.mark.parametrize("repeats_instances", [False, True])
def test_two_patients_under_one_set_of_uids_are_denoised_apart(tmp_path, identity, repeats_instances):
    for number, patient in enumerate(("patient1", "patient2")):
        same = {"sop_uid": None} if repeats_instances else {}
        write(tmp_path / "in" / patient, 4, 500 * number, PatientID=patient, **same)
    code, entries, files = denoised(tmp_path / "in", identity)
    assert (code, [(one["status"], one["n_slices"]) for one in entries]) == (0, [("done", 4), ("done", 4)])
    assert {folder: values(found, "PatientID") for folder, found in files.items()} == {
        "patient1": {"patient1"},
        "patient2": {"patient2"},
    }
    both = [one for found in files.values() for one in found]
    assert len(values(both, "SeriesInstanceUID")) == 2
    assert len(values(both, "SOPInstanceUID")) == 8
    assert all("uid_shared_by_patients" in one["problems"] for one in entries)


def test_instances_that_two_studies_number_alike_are_all_denoised(tmp_path, identity):
    for number in (1, 2):
        uids = {
            "study_uid": f"1.2.{number}",
            "series_uid": f"1.2.{number}.1",
            "PatientID": f"P{number}",
            "sop_uid": None,
        }
        write(tmp_path / "in" / str(number), 3, 500 * number, **uids)
    code, entries, files = denoised(tmp_path / "in", identity)
    assert (code, [one["n_slices"] for one in entries]) == (0, [3, 3])
    assert len(values([one for found in files.values() for one in found], "SOPInstanceUID")) == 6


def test_jittering_cosines_give_one_series_in_one_folder(tmp_path, identity):
    rng = np.random.default_rng(1)
    for k in range(6):
        turn = np.arcsin(0.0125) + rng.normal(0, 1e-6)
        dataset = make_ct_dataset(position_mm=(0, 0, 2.5 * k), instance_number=k + 1, stored=water_ramp(first=900 + k))
        cosines = (np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0)
        dataset.ImageOrientationPatient = [f"{cosine:.8f}" for cosine in cosines]
        save(dataset, tmp_path / "in" / f"IM{k}.dcm")
    code, entries, files = denoised(tmp_path / "in", identity)
    assert (code, len(entries), entries[0]["n_slices"]) == (0, 1, 6)
    assert "missing_slices" not in entries[0]["problems"]
    assert {folder: len(found) for folder, found in files.items()} == {".": 6}


def test_resuming_finds_every_part_present_under_its_own_uids(tmp_path, identity):
    for number, patient in enumerate(("P1", "P2")):
        write(tmp_path / "in" / patient, 4, 500 * number, PatientID=patient, sop_uid=None)
    write(tmp_path / "in" / "P1", 2, 1500, prefix="sharp", PatientID="P1", ConvolutionKernel="B60")
    for number, patient in enumerate(("P3", "", "P3")):
        one = {"series_uid": "1.2.33", "study_uid": "1.2.3", "PatientID": patient, "IssuerOfPatientID": patient[:1]}
        write(tmp_path / "in" / "P3", 1, 2000 + number, prefix=f"{number}", position_mm=(0, 0, 2.0 * number), **one)
    code, entries, files = denoised(tmp_path / "in", identity)
    assert (code, sorted(one["n_slices"] for one in entries)) == (0, [2, 3, 4, 4])
    again, entries, same_files = denoised(tmp_path / "in", identity, "--resume")
    assert (again, {one["status"] for one in entries}) == (0, {"present"})
    everything = [one for found in same_files.values() for one in found]
    assert (len(everything), len(values(everything, "SOPInstanceUID"))) == (13, 13)
    assert len(values(everything, "SeriesInstanceUID")) == 4
    assert files.keys() == same_files.keys()


# ── Rescales ──

_RESCALES = {
    "photon counting": {"intercept": "-8192", "bits_stored": 16},
    "extended": {"slope": "10", "intercept": "-10240"},
    "negative": {"slope": "-1", "intercept": "3071"},
    "negative and signed": {"slope": "-0.5", "intercept": "100", "is_signed": True, "bits_stored": 16},
    "fraction": {"slope": "0.0488281", "intercept": "-1024", "bits_stored": 16},
    "outside the circle -3024": {"intercept": "-1024", "is_signed": True, "bits_stored": 16},
}
_OUTSIDE_HU = {"photon counting": -8192, "extended": -10240, "outside the circle -3024": -3024}


def stored_series(folder: Path, name: str) -> list[np.ndarray]:
    """Write tissue under a rescale, with its value outside the circle; returns the words."""
    rescale = _RESCALES[name]
    slope, intercept = float(rescale.get("slope", 1)), float(rescale["intercept"])
    found = []
    for k, hu in enumerate(tissue_hu(3, size_px=48)):
        rows, cols = np.mgrid[-1:1:48j, -1:1:48j]
        hu = np.where(rows**2 + cols**2 > 1, _OUTSIDE_HU.get(name, -1000), hu)
        words = np.rint((hu - intercept) / slope).astype(int)
        dataset = make_ct_dataset(stored=words, position_mm=(0, 0, 2.0 * k), instance_number=k + 1, **SQUARE, **rescale)
        save(dataset, folder / f"IM{k}.dcm")
        found.append(words)
    return found


@pytest.mark.parametrize("name", _RESCALES)
def test_an_odd_rescale_comes_back_as_it_was_and_takes_new_values_to_half_a_step(tmp_path, identity, name):
    words = stored_series(tmp_path / "in", name)
    code, _, files = denoised(tmp_path / "in", identity)
    assert code == 0
    for before, after in zip(words, files["."], strict=True):
        np.testing.assert_array_equal(after.pixel_array, before)
    code, entries, files = denoised(tmp_path / "in", biased_model(tmp_path / "biased.pt"), "--overwrite")
    assert (code, entries[0]["n_clipped_pixels"]) == (0, 0)
    slope, intercept = float(_RESCALES[name].get("slope", 1)), float(_RESCALES[name]["intercept"])
    for before, after in zip(words, files["."], strict=True):
        hu, new_hu = before * slope + intercept, after.pixel_array * slope + intercept
        within = (hu >= WINDOW.lower_hu) & (hu <= WINDOW.upper_hu)
        np.testing.assert_array_equal(after.pixel_array[~within], before[~within])
        assert np.abs(np.abs(new_hu - hu)[within] - BIAS_HU).max() <= abs(slope) / 2 + 1e-3
