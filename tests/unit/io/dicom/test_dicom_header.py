"""What a scan keeps of a header."""

from __future__ import annotations

import pytest

from n2b_ct.io.dicom.reading.slice_geometry import most_at_one_location
from n2b_ct.io.dicom.scan import scan
from tests.helpers import make_ct_dataset, save


def test_facts_tell_dose_and_encoding_and_no_patient(tmp_path):
    dose = {
        "CTDIvol": 4.25,
        "Exposure": 120,
        "ExposureTime": 500,
        "XRayTubeCurrent": 240,
        "ExposureModulationType": "XYZ_EC",
        "SpacingBetweenSlices": "2.5",
    }
    save(make_ct_dataset(**dose), tmp_path / "slice")
    (series,) = scan(tmp_path).series
    assert {keyword: series.facts[keyword] for keyword in dose} == {k: str(v) for k, v in dose.items()}
    assert series.facts["TransferSyntaxUID"] == "1.2.840.10008.1.2.1"
    assert not [keyword for keyword in series.facts if keyword.startswith(("Patient", "OtherPatient"))]


@pytest.mark.parametrize(
    ("character_set", "is_known"),
    [
        ("ISO_IR 192", True),
        ("GB18030", True),
        (["", "ISO 2022 IR 87"], True),
        ("", True),
        (None, True),
        ("ISO_IR 999", False),
        (["ISO_IR 100", "UTF8"], False),
    ],
)
def test_character_sets_are_those_of_the_standard(tmp_path, character_set, is_known):
    dataset = make_ct_dataset(PatientName="x", SpecificCharacterSet="")
    path = save(dataset, tmp_path / "slice")
    if character_set is None:
        del dataset.SpecificCharacterSet
        save(dataset, path)
    else:
        value = "\\".join([character_set] if isinstance(character_set, str) else character_set).encode()
        value += b" " * (len(value) % 2)
        empty = b"\x08\x00\x05\x00CS"
        content = path.read_bytes()
        path.write_bytes(content.replace(empty + bytes(2), empty + len(value).to_bytes(2, "little") + value))
    (series,) = scan(tmp_path).series
    assert ("unknown_character_set" not in series.problems) == is_known


@pytest.mark.parametrize(
    ("locations_mm", "n_expected"), [([1.0], 1), ([2.0, 0.0, 1.0], 1), ([0.0, 1.0, 0.004, 1.0, 0.001], 3)]
)
def test_the_fullest_place_is_counted(locations_mm, n_expected):
    assert most_at_one_location(locations_mm) == n_expected
