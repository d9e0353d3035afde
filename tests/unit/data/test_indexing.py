"""Manifests for trees that have none: doses from words, series known again, roles proposed."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2b_ct.data.found import find_series
from n2b_ct.data.indexing import dose_hint, manifest_for
from n2b_ct.data.manifest import Manifest
from n2b_ct.errors import DataError
from n2b_ct.io.dicom.scan import scan
from tests.helpers import save_series


def uid(number: int) -> dict[str, str]:
    return {"series_uid": f"1.2.826.0.1.3680043.8.498.{number}", "study_uid": "1.2.826.0.1.3680043.8.498.77"}


@pytest.mark.parametrize(
    ("text", "dose"),
    [
        ("Abdomen 25%", 0.25),
        ("thorax 12.5 percent", 0.125),
        ("Quarter Dose", 0.25),
        ("QD", 0.25),
        ("half dose", 0.5),
        ("FULL", 1.0),
        ("FD", 1.0),
        ("routine dose", 1.0),
        ("FBP FULL", 1.0),
        ("FBP 5", 0.05),
        ("FBP 50", 0.5),
        ("Thorax 5mm B30", None),
        ("QDX", None),
        ("", None),
        ("slice 7", None),
    ],
)
def test_a_dose_is_read_from_words(text, dose):
    assert dose_hint(text) == (None if dose is None else pytest.approx(dose))


def test_an_index_reads_back_and_finds_every_series_again(tmp_path):
    save_series(tmp_path / "one", SeriesDescription="FD", **uid(1))
    save_series(tmp_path / "two", prefix="a", SeriesDescription="Quarter", **uid(2))
    save_series(tmp_path / "two", prefix="b", SeriesDescription="half", **uid(3))
    save_series(tmp_path / "two" / "below", **uid(4))
    found = scan(tmp_path).series
    manifest = Manifest.model_validate(manifest_for(found, tmp_path, "mine"))
    again = find_series(manifest, tmp_path, list(manifest.series))
    assert [one.source.series_instance_uid for one in again.values()] == [one.series_instance_uid for one in found]
    assert sorted(one.dose or 0 for one in again.values()) == [0, 0.25, 0.5, 1.0]


def test_lower_doses_are_proposed_as_noisy_and_the_others_as_clean(tmp_path):
    save_series(tmp_path / "a", SeriesDescription="25 %", **uid(1))
    save_series(tmp_path / "b", SeriesDescription="unknown", **uid(2))
    values = manifest_for(scan(tmp_path).series, tmp_path, "mine")
    assert values["splits"]["default"]["noisy"] == ["series_1"]
    assert values["splits"]["default"]["clean"] == ["series_2"]


def test_a_folders_name_tells_the_dose_where_the_description_does_not(tmp_path):
    save_series(tmp_path / "QD", SeriesDescription="Thorax", **uid(1))
    assert manifest_for(scan(tmp_path).series, tmp_path, "mine")["series"]["series_1"]["dose"] == 0.25


def test_a_manifest_names_no_patient(tmp_path):
    save_series(tmp_path / "a")
    assert "patient-7" not in str(manifest_for(scan(tmp_path).series, tmp_path, "mine"))


def test_an_empty_folder_is_said():
    with pytest.raises(DataError, match="must hold at least one CT series, got 0; see n2b-ct inspect"):
        manifest_for([], Path("empty"), "mine")
