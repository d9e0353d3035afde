"""What makes another series, within which tolerance, and what is only told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2b_ct.io.dicom.reading.slice_geometry import ANGLE_DEGREES, SPACING_SHARE, orientation_labels, spacing_labels
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import SeriesRef
from tests.helpers import make_ct_dataset, save, water_ramp

ORDINARY = {"non_square_pixels"}


def write(folder: Path, changes: list[dict[str, Any]], step_mm: float = 2.0) -> None:
    """Write one slice for each set of changes, along z; names run against the order."""
    for index, change in enumerate(changes):
        slice_of = {
            "position_mm": (-16.0, -12.0, step_mm * index),
            "instance_number": index + 1,
            "stored": water_ramp(first=900 + 10 * index),
        }
        save(make_ct_dataset(**{**slice_of, **change}), folder / f"s{len(changes) - index:03d}")


def told(series: SeriesRef) -> set[str]:
    return set(series.problems) - ORDINARY


def turned(degrees: float) -> tuple[float, ...]:
    a = np.radians(degrees)
    return (float(np.cos(a)), float(np.sin(a)), 0.0, float(-np.sin(a)), float(np.cos(a)), 0.0)


# ── Tolerances ──


def test_direction_cosines_that_jitter_around_a_rounding_edge_are_one_series(tmp_path):
    rng = np.random.default_rng(1)
    for index in range(12):
        dataset = make_ct_dataset(
            position_mm=(-16, -12, 2.0 * index), instance_number=index + 1, stored=water_ramp(first=900 + index)
        )
        angle = np.degrees(np.arcsin(0.0125) + rng.normal(0, 1e-6))
        dataset.ImageOrientationPatient = [f"{cosine:.8f}" for cosine in turned(angle)]
        save(dataset, tmp_path / f"s{index:02d}")
    (series,) = scan(tmp_path).series
    assert len(series) == 12
    assert told(series) == set()
    np.testing.assert_allclose(np.diff([one.position_mm for one in series.instances]), 2.0, atol=1e-6)


@pytest.mark.parametrize(("share", "n_series"), [(0.9, 1), (1.1, 2)])
def test_slices_that_are_turned_further_than_the_tolerance_are_another_series(tmp_path, share, n_series):
    turn = {"orientation": turned(share * ANGLE_DEGREES)}
    write(tmp_path, [{}, {}, turn, turn])
    assert len(scan(tmp_path).series) == n_series


@pytest.mark.parametrize(("share", "n_series"), [(0.9, 1), (1.1, 2)])
def test_a_pixel_spacing_beyond_the_tolerance_is_another_series(tmp_path, share, n_series):
    wider = {"PixelSpacing": [f"{0.5 * (1 + share * SPACING_SHARE):.6g}", "0.75"]}
    write(tmp_path, [{}, {}, wider, wider])
    series = scan(tmp_path).series
    assert len(series) == n_series
    assert all(told(one) == ({"part_of_series"} if n_series == 2 else set()) for one in series)


def test_a_chain_of_small_turns_ends_at_the_tolerance():
    labels = orientation_labels([turned(0.06 * step) for step in range(6)])
    assert labels == orientation_labels([turned(0.06 * step) for step in range(6)])
    assert len(set(labels)) == 3
    for step in range(5):
        assert labels[step + 1] - labels[step] in (0, 1, -1)


def test_what_most_slices_have_is_the_anchor_so_that_both_its_sides_join_it():
    near = [turned(-0.09), *[turned(0.0)] * 3, turned(0.09)]
    assert set(orientation_labels(near)) == {0}
    assert set(orientation_labels(near[::-1])) == {0}
    assert len(set(orientation_labels([turned(-0.09), turned(0.09)]))) == 2


def test_clusters_do_not_depend_on_the_order_of_the_slices():
    rng = np.random.default_rng(0)
    orientations = [turned(float(angle)) for angle in rng.uniform(0, 1, 40)]
    expected = dict(zip(orientations, orientation_labels(orientations), strict=True))
    for _ in range(5):
        mixed = [orientations[k] for k in rng.permutation(40)]
        assert dict(zip(mixed, orientation_labels(mixed), strict=True)) == expected


def test_rows_that_agree_do_not_hide_columns_that_do_not():
    tilted = (1.0, 0.0, 0.0, 0.0, float(np.cos(0.01)), float(np.sin(0.01)))
    assert orientation_labels([turned(0), tilted]) == [0, 1] or orientation_labels([turned(0), tilted]) == [1, 0]


def test_slices_without_a_spacing_join_the_only_one_and_none_of_two():
    assert spacing_labels([(0.5, 0.5), None, (0.5, 0.5)]) == [0, 0, 0]
    assert len(set(spacing_labels([(0.5, 0.5), None, (0.7, 0.7)]))) == 3
    assert spacing_labels([None, None]) == [0, 0]


# ── Patients ──


def test_two_patients_with_one_set_of_uids_are_two_series(tmp_path):
    for patient in ("P1", "P2"):
        shift = 0.0 if patient == "P1" else 1.0
        write(
            tmp_path / patient,
            [
                {"PatientID": patient, "sop_uid": f"1.2.{patient[1]}.{k + 1}", "position_mm": (0, 0, 2.0 * k + shift)}
                for k in range(4)
            ],
        )
    one, two = scan(tmp_path).series
    assert (len(one), len(two)) == (4, 4)
    assert one.patient_key != two.patient_key
    assert told(one) == told(two) == {"uid_shared_by_patients"}
    assert {instance.path.parent.name for instance in one.instances} == {"P1"}


def test_slices_without_patient_belong_to_the_only_patient_of_their_series(tmp_path):
    write(tmp_path, [{}, {"PatientID": ""}, {}, {"PatientID": None}])
    (series,) = scan(tmp_path).series
    assert len(series) == 4
    assert told(series) == {"patient_id_missing"}
    write(tmp_path / "other", [{"series_uid": "1.2.9", "study_uid": "1.2.8"}])
    assert scan(tmp_path / "other").series[0].patient_key == series.patient_key


def test_slices_without_patient_belong_to_none_of_two(tmp_path):
    write(tmp_path, [{"PatientID": patient} for patient in ("P1", "P1", "P2", "P2", "", "")])
    series = scan(tmp_path).series
    assert [len(one) for one in series] == [2, 2, 2]
    assert len({one.patient_key for one in series}) == 3


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("PatientBirthDate", ("19500101", "19610203")), ("PatientSex", ("F", "M")), ("IssuerOfPatientID", ("A", "B"))],
)
def test_one_patient_id_for_two_people_is_told_apart_by_what_else_is_known(tmp_path, keyword, values):
    write(tmp_path, [{keyword: values[k % 2]} for k in range(6)])
    assert [len(one) for one in scan(tmp_path).series] == [3, 3]


def test_a_patients_name_that_is_spelt_two_ways_is_one_patient_and_told(tmp_path):
    write(tmp_path, [{"PatientName": "Müller^Jörg"}, {"PatientName": "Mueller^Joerg"}])
    (series,) = scan(tmp_path).series
    assert told(series) == {"patient_varies"}
    assert "rg" not in series.facts["patient_varies"]


# ── What a series has one of ──


@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("ConvolutionKernel", "B30f", "B60s"),
        ("Manufacturer", "Acme", "Other"),
        ("ManufacturerModelName", "Scanner 1", "Scanner 2"),
        ("SeriesNumber", 3, 4),
        ("FrameOfReferenceUID", "1.2.3", "1.2.4"),
        ("Columns", None, None),
    ],
)
def test_two_series_under_one_uid_come_apart_and_say_so(tmp_path, keyword, one, other):
    first, second = ({keyword: one}, {keyword: other})
    if keyword == "Columns":
        first, second = {}, {"stored": water_ramp(24, 40)}
    write(tmp_path, [first, first, first, second, second])
    parts = scan(tmp_path).series
    assert sorted(len(part) for part in parts) == [2, 3]
    assert all(told(part) == {"part_of_series"} for part in parts)
    assert all(keyword in part.part for part in parts)
    assert len({part.marks[keyword] for part in parts}) == 2


def test_a_slice_without_frame_of_reference_stays_in_its_series(tmp_path):
    write(tmp_path, [{}, {"FrameOfReferenceUID": None}, {}])
    (series,) = scan(tmp_path).series
    assert told(series) == set()


def test_case_and_blanks_of_a_kernel_do_not_split(tmp_path):
    write(tmp_path, [{"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "b30F "}, {"ConvolutionKernel": None}])
    (series,) = scan(tmp_path).series
    assert told(series) == set()


def test_what_changes_with_every_slice_does_not_split_and_is_told(tmp_path):
    write(tmp_path, [{"SeriesNumber": k} for k in range(5)])
    (series,) = scan(tmp_path).series
    assert told(series) == {"setting_varies"}
    assert series.facts["setting_varies"] == "SeriesNumber"


def test_a_series_number_written_in_other_ways_is_the_same_number(tmp_path):
    write(tmp_path, [{"SeriesNumber": written} for written in ("3", "03", "+3", "3 ", "03")])
    (series,) = scan(tmp_path).series
    assert told(series) == set()


# ── What is only told ──


@pytest.mark.parametrize(
    ("code", "odd", "detail"),
    [
        ("kvp_varies", {"KVP": "140"}, "120 in 4 slices, 140 at 4 mm"),
        ("thickness_varies", {"SliceThickness": "5"}, "2 in 4 slices, 5 at 4 mm"),
        ("tilt_varies", {"GantryDetectorTilt": "9"}, "0 in 4 slices, 9 at 4 mm"),
        ("tilt_varies", {"GantryDetectorTilt": "0.6"}, "0 in 4 slices, 0.6 at 4 mm"),
        ("field_of_view_varies", {"ReconstructionDiameter": "400"}, "300 in 4 slices, 400 at 4 mm"),
        ("field_of_view_varies", {"position_mm": (-10.0, -12.0, 4.0)}, "shifted by 6 mm at 4 mm"),
        ("acquisition_varies", {"AcquisitionNumber": 2}, "2 values"),
        ("description_varies", {"SeriesDescription": "Other"}, "2 values"),
    ],
)
def test_one_odd_slice_stays_and_is_told_with_its_place(tmp_path, code, odd, detail):
    usual = {"ReconstructionDiameter": "300", "GantryDetectorTilt": "0"}
    write(tmp_path, [{**usual, **(odd if k == 2 else {})} for k in range(5)])
    (series,) = scan(tmp_path).series
    assert told(series) == {code}
    assert series.facts[code] == detail


@pytest.mark.parametrize(
    "odd",
    [
        {"KVP": "120.9"},
        {"KVP": "120.0"},
        {"SliceThickness": "2.01"},
        {"GantryDetectorTilt": "0.4"},
        {"ReconstructionDiameter": "302"},
        {"position_mm": (-15.4, -12.0, 4.0)},
    ],
)
def test_the_same_setting_written_or_measured_twice_is_not_told(tmp_path, odd):
    usual = {"ReconstructionDiameter": "300", "GantryDetectorTilt": "0"}
    write(tmp_path, [{**usual, **(odd if k == 2 else {})} for k in range(5)])
    (series,) = scan(tmp_path).series
    assert told(series) == set()


def test_an_axial_scan_with_an_acquisition_for_every_slice_is_one_series(tmp_path):
    write(tmp_path, [{"AcquisitionNumber": k + 1, "TableHeight": str(100 + k), "Exposure": 90 + k} for k in range(6)])
    (series,) = scan(tmp_path).series
    assert (len(series), told(series)) == (6, {"acquisition_varies"})


def test_a_field_of_view_that_follows_a_tilted_gantry_is_one(tmp_path):
    angle = np.radians(20)
    tilted = (1, 0, 0, 0, np.cos(angle), -np.sin(angle))
    write(tmp_path, [{"orientation": tilted, "position_mm": (-16, -12, 5.0 * k)} for k in range(6)])
    (series,) = scan(tmp_path).series
    assert told(series) == {"gantry_tilt"}


# ── Passes ──


def test_two_voltages_over_the_same_places_are_two_passes_of_one_series(tmp_path):
    passes = [{"KVP": kvp, "position_mm": (0, 0, 2.0 * k)} for kvp in ("80", "140") for k in range(3)]
    write(tmp_path, [{**one, "instance_number": k} for k, one in enumerate(passes)])
    parts = scan(tmp_path).series
    assert [len(part) for part in parts] == [3, 3]
    assert [part.part for part in parts] == [("KVP",), ("KVP",)]
    assert all(told(part) == set() for part in parts)


def test_two_descriptions_over_the_same_places_are_two_series(tmp_path):
    doses = [{"SeriesDescription": dose, "position_mm": (0, 0, 2.0 * k)} for dose in ("FD", "QD") for k in range(3)]
    write(tmp_path, [{**one, "instance_number": k} for k, one in enumerate(doses)])
    parts = scan(tmp_path).series
    assert [(len(part), part.description, told(part)) for part in parts] == [
        (3, "QD", {"part_of_series"}),
        (3, "FD", {"part_of_series"}),
    ]


def test_a_voltage_that_changes_along_the_patient_makes_no_passes_of_one_repeated_place(tmp_path):
    places = [0.0, 2.0, 4.0, 4.0, 6.0, 8.0]
    write(tmp_path, [{"KVP": "140" if k < 3 else "120", "position_mm": (0, 0, mm)} for k, mm in enumerate(places)])
    (series,) = scan(tmp_path).series
    assert told(series) == {"repeated_positions", "kvp_varies"}


def test_places_that_jitter_are_no_places_of_their_own(tmp_path):
    slices = [{"AcquisitionNumber": k // 2, "position_mm": (0, 0, 2.0 * (k // 2) + 1e-4 * (k % 2))} for k in range(6)]
    write(tmp_path, slices)
    (series,) = scan(tmp_path).series
    assert told(series) == {"repeated_positions", "acquisition_varies"}


def test_the_few_axial_slices_of_one_patient_are_no_scouts_of_anothers_series(tmp_path):
    write(tmp_path / "a", [{"PatientID": "P1", "sop_uid": f"1.2.1.{k}"} for k in range(5)])
    upright = {"PatientID": "P2", "orientation": (1, 0, 0, 0, 0, -1)}
    write(tmp_path / "b", [{**upright, "position_mm": (0, 2.0 * k, 0), "sop_uid": f"1.2.2.{k}"} for k in range(3)])
    assert sorted(len(series) for series in scan(tmp_path).series) == [3, 5]
