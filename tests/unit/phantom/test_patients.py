"""Digital patients: a seed is a patient, slices hang together, lesions stand where they are said to stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.phantom.patients import REGIONS, Patient, draw_patient

VIEW_MM = 480.0
SIZE_PX = 96


@pytest.fixture(scope="module", params=REGIONS)
def patient(request: pytest.FixtureRequest) -> Patient:
    return draw_patient(3, request.param)


def middle_mm(patient: Patient) -> float:
    first, last = patient.z_range_mm
    return (first + last) / 2


def view(patient: Patient, z_mm: float, size_px: int = SIZE_PX, **options: float) -> np.ndarray:
    return patient.slice_hu(z_mm, size_px=size_px, pixel_mm=VIEW_MM / size_px, **options)


def test_a_seed_is_a_patient() -> None:
    first, again, other = (draw_patient(seed, "pelvis", "child") for seed in (3, 3, 4))
    here = view(first, middle_mm(first))
    assert again.lesions == first.lesions
    np.testing.assert_array_equal(view(again, middle_mm(again)), here)
    assert np.abs(view(other, middle_mm(other)) - here).mean() > 10.0


def test_neighbouring_slices_look_alike(patient: Patient) -> None:
    z_mm = middle_mm(patient)
    here, near, far = (view(patient, z_mm + shift) for shift in (0.0, 0.5, 60.0))
    assert np.abs(here - near).mean() < 0.3 * np.abs(here - far).mean()


def test_a_fine_grid_shows_the_patient_of_a_coarse_one(patient: Patient) -> None:
    z_mm = middle_mm(patient)
    fine, coarse = (np.minimum(view(patient, z_mm, size), 2000.0) for size in (2 * SIZE_PX, SIZE_PX))
    pooled = fine.reshape(SIZE_PX, 2, SIZE_PX, 2).mean(axis=(1, 3))
    assert np.corrcoef(pooled.ravel(), coarse.ravel())[0, 1] > 0.99
    assert abs(pooled.mean() - coarse.mean()) < 5.0


def test_a_thick_slice_is_the_mean_of_its_sub_slices(patient: Patient) -> None:
    z_mm = middle_mm(patient)
    planes = [view(patient, z_mm + shift) for shift in (-0.75, 0.75)]
    np.testing.assert_allclose(view(patient, z_mm, thickness_mm=3.0), np.mean(planes, axis=0), atol=1e-3)


def test_without_a_table_only_air_lies_below_the_patient(patient: Patient) -> None:
    z_mm = middle_mm(patient)
    assert view(patient, z_mm, table=False)[-1].max() == -1000.0
    assert view(patient, z_mm).min() >= -1000.0
    assert view(patient, z_mm).dtype == np.float32


def test_a_lesion_adds_its_contrast_at_its_centre_and_nothing_beside_it(patient: Patient) -> None:
    healthy = replace(patient, lesions=())
    axis = (np.arange(SIZE_PX) - (SIZE_PX - 1) / 2) * VIEW_MM / SIZE_PX
    largest = sorted(patient.lesions, key=lambda lesion: -lesion.radius_mm)[:4]
    for lesion in largest:
        x, y, z = lesion.centre_mm
        alone = replace(patient, lesions=(lesion,))
        change = view(alone, z, table=False) - view(healthy, z, table=False)
        away = np.hypot(axis[None] - x, axis[:, None] - y)
        inside = away < lesion.radius_mm - 0.5 * VIEW_MM / SIZE_PX
        assert inside.any()
        np.testing.assert_allclose(change[inside], lesion.contrast_hu, atol=0.01)
        np.testing.assert_allclose(change[away > lesion.radius_mm + VIEW_MM / SIZE_PX], 0.0, atol=1e-3)


def test_lesions_of_many_sizes_and_contrasts_stand_in_every_region(patient: Patient) -> None:
    first, last = patient.z_range_mm
    assert len(patient.lesions) > 25
    assert all(first < lesion.centre_mm[2] < last for lesion in patient.lesions)
    assert all(1.0 <= lesion.radius_mm <= 10.0 for lesion in patient.lesions)
    faint = [lesion.contrast_hu for lesion in patient.lesions if lesion.organ == "soft tissue"]
    assert all(3.0 <= abs(contrast) <= 60.0 for contrast in faint)
    assert min(faint) < 0.0 < max(faint)


def test_tissues_differ_between_patients_by_a_few_hu_and_air_does_not() -> None:
    patients = [draw_patient(seed, "pelvis", "infant") for seed in (1, 2)]
    for patient in patients:
        air, _, fat, water, *_ = patient.shift_hu
        assert air == 0.0
        assert abs(fat) <= 14.0
        assert abs(water) <= 6.0
    assert patients[0].shift_hu != patients[1].shift_hu
    shifted = replace(patients[0], lesions=(), texture=0.0)
    plain = replace(shifted, shift_hu=(0.0,) * 7)
    change = view(shifted, middle_mm(shifted), table=False) - view(plain, middle_mm(plain), table=False)
    assert change[0].max() == 0.0
    assert np.abs(change).max() > 1.0


def test_unknown_regions_and_ages_are_refused() -> None:
    with pytest.raises(DataError, match=r"region: must be one of the phantom's, got tail; choose head"):
        draw_patient(0, "tail")
    with pytest.raises(DataError, match="age group: must be one of three, got old; choose adult, child, infant"):
        draw_patient(0, "thorax", "old")
