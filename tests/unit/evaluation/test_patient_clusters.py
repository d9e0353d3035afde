"""Whose slices a report speaks of: one patient in many series is one, and nobody is counted twice for lack of an ID."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.evaluation.cases import CaseSource, SliceCase
from n2b_ct.evaluation.folder_report import compare_folders
from n2b_ct.evaluation.patients import few_patients_line, number_patients, unknown_patients_line
from tests.integration.scenes import tissue_hu, write_series

N_SLICES = 2


@pytest.fixture
def six_series(tmp_path) -> dict[str, Path]:
    """Six series of one patient below ``low`` and ``denoised``, one in each folder; the last two name no patient."""
    for k in range(6):
        hu = tissue_hu(k, size_px=32)[:N_SLICES]
        changes = {"PatientID": ""} if k > 3 else {}
        write_series(tmp_path / "low" / f"p{k}", hu, uid=100 + k, patient="one", **changes)
        write_series(tmp_path / "denoised" / f"p{k}", hu + 1.0, uid=200 + k, patient="one", **changes)
    return {"noisy_input": tmp_path / "low", "candidate": tmp_path / "denoised"}


def patients_in(folders: dict[str, Path], **options) -> list[str]:
    compared = compare_folders({"n2b": folders["candidate"]}, noisy_input=folders["noisy_input"], **options)
    return list(number_patients(compared.sources).values())


def test_one_patient_in_several_series_is_one_and_those_without_an_id_are_unknown(six_series):
    assert sorted(patients_in(six_series)) == ["", "", "patient 1", "patient 1", "patient 1", "patient 1"]


def test_folders_name_the_patients_where_the_user_says_so(six_series):
    assert sorted(patients_in(six_series, patient_folders=True)) == [f"patient {k}" for k in range(1, 7)]


def test_a_report_numbers_patients_and_never_shows_their_key():
    case = SliceCase("A", 0.25, 0, np.zeros((4, 4)), {})
    keys = {"A": "digest x", "B": "digest y", "C": "digest x", "D": ""}
    sources = [CaseSource(name, 0, 0.25, None, lambda: (case, []), key) for name, key in keys.items()]
    assert number_patients(sources) == {"A": "patient 1", "B": "patient 2", "C": "patient 1", "D": ""}


def test_the_manifest_s_word_stands_above_the_header():
    array = DatasetSeries("A", None, np.zeros((1, 4, 4)), (0.0,), "key", (4, 4))
    assert array.known_patient == ""
    assert replace(array, patient="L143").known_patient == replace(array, name="B", patient="L143").known_patient != ""


def test_series_without_a_patient_are_told_and_how_to_name_theirs():
    line = unknown_patients_line(["A", "B", "B"], {"A": "patient 1", "B": ""})
    assert line.startswith("1 of 2 series name no patient (no PatientID, or a volume), so they count as one: say whose")
    assert unknown_patients_line(["A"], {"A": "patient 1"}) == unknown_patients_line(["B"], {}) == ""


def test_too_few_patients_leave_the_tests_out():
    assert few_patients_line(5).startswith("Tests between methods need 6 patients or more, and there are 5: they are")
    assert few_patients_line(6) == ""
