"""Other people's programs see the same volume in a derived series as in its source."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 (its customary name)

from n2b_ct.io.dicom.writing.derivation import WriteOptions
from tests.dicom_tools import dcm2niix, dcmftest, gdcminfo, require_tools
from tests.integration.odd_headers import ODD_HEADERS, write_odd_series
from tests.integration.twins import Twin, TwinMaker

REAL_SERIES = {
    "ct_clean/acrin_flt_013_5mm_B10f": 1,
    "ct_clean/totalseg_body_3mm_J2K": 1,
    "ct_head/ge_hispeed_tilt_variable_spacing": 2,
    "ct_lowdose_pairs/mayo_L192_3mm_D45/QD": 2,
    "ct_noisy/rider_pilot_chest_1.25mm": 1,
    "ct_phantom/philips_head_5mm_UB_smooth": 1,
}
"""Series and how many volumes dcm2niix makes of each: a second one with even spacing where the source's is uneven."""


@pytest.fixture(scope="module")
def twins_of(tmp_path_factory: pytest.TempPathFactory) -> TwinMaker:
    return TwinMaker(tmp_path_factory.mktemp("twins"))


def series_dir(twins: list[Twin]) -> Path:
    return twins[0].derived.parent


def assert_same_nifti(derived: dict[str, Path], source: dict[str, Path]) -> None:
    assert derived.keys() == source.keys()
    for name, path in source.items():
        before, after = nibabel.load(path), nibabel.load(derived[name])
        np.testing.assert_array_equal(after.affine, before.affine)
        assert after.header.get_zooms() == before.header.get_zooms()
        np.testing.assert_array_equal(np.asanyarray(after.dataobj), np.asanyarray(before.dataobj))


@pytest.mark.real_data
@pytest.mark.parametrize("folder", REAL_SERIES)
def test_dcm2niix_makes_the_same_volumes_of_both(folder, shared_data, twins_of, tmp_path):
    require_tools("dcm2niix")
    twins = twins_of(shared_data / folder)
    source = dcm2niix(shared_data / folder, tmp_path / "source")
    derived = dcm2niix(series_dir(twins), tmp_path / "derived")
    assert len(source) == REAL_SERIES[folder]
    assert_same_nifti(derived, source)


def test_dcm2niix_makes_the_same_volume_and_overlay_of_a_series_with_an_odd_header(twins_of, tmp_path):
    require_tools("dcm2niix")
    source = write_odd_series(tmp_path / "everything", "everything")
    derived = dcm2niix(series_dir(twins_of(source)), tmp_path / "derived")
    assert list(derived) == ["volume.nii", "volume_ROI1.nii"]
    assert_same_nifti(derived, dcm2niix(source, tmp_path / "source"))


def test_dcm2niix_leaves_derived_series_out_when_told_to_ignore_them(twins_of, tmp_path):
    """``-i y`` means "ignore derived, localizer and 2D images"; the user guide warns of it."""
    require_tools("dcm2niix")
    source = write_odd_series(tmp_path / "plain", "plain")
    assert list(dcm2niix(source, tmp_path / "source", "-i", "y")) == ["volume.nii"]
    assert dcm2niix(series_dir(twins_of(source)), tmp_path / "derived", "-i", "y") == {}


def read_series(paths: list[Path]) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    return reader.Execute()


def assert_same_image(twins: list[Twin]) -> None:
    ordered = sorted(twins, key=lambda twin: along_normal(twin.derived))
    before = read_series([twin.source for twin in ordered])
    after = read_series([twin.derived for twin in ordered])
    for measure in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(after, measure)() == getattr(before, measure)()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(after), sitk.GetArrayFromImage(before))


def along_normal(path: Path) -> float:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    across, down = np.reshape([float(value) for value in header.ImageOrientationPatient], (2, 3))
    return float(np.cross(across, down) @ [float(value) for value in header.ImagePositionPatient])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ODD_HEADERS)
def test_simpleitk_reads_the_same_image_from_both(name, twins_of, tmp_path_factory):
    source = tmp_path_factory.mktemp("itk") / name
    assert_same_image(twins_of(write_odd_series(source, name)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compression", ["jpeg-ls", "jpeg2000", "rle"])
def test_simpleitk_reads_the_same_image_from_a_compressed_series(compression, twins_of, tmp_path):
    source = write_odd_series(tmp_path / "plain", "plain")
    assert_same_image(twins_of(source, write=WriteOptions(compression=compression)))


@pytest.mark.parametrize("compression", ["jpeg2000", "rle"])
def test_dcm2niix_makes_the_same_volume_of_a_compressed_series(compression, twins_of, tmp_path):
    """JPEG-LS is left out: Debian's dcm2niix is built without it."""
    require_tools("dcm2niix")
    source = write_odd_series(tmp_path / "plain", "plain")
    derived = dcm2niix(series_dir(twins_of(source, write=WriteOptions(compression=compression))), tmp_path / "derived")
    assert_same_nifti(derived, dcm2niix(source, tmp_path / "source"))


@pytest.mark.real_data
@pytest.mark.parametrize("folder", REAL_SERIES)
def test_dcmtk_takes_every_derived_file_for_dicom(folder, shared_data, twins_of):
    require_tools("dcmftest")
    assert dcmftest([twin.derived for twin in twins_of(shared_data / folder)]) == []


@pytest.mark.real_data
@pytest.mark.parametrize("folder", [one for one in REAL_SERIES if "J2K" not in one])
def test_gdcm_describes_the_same_image(folder, shared_data, twins_of):
    """The series with blank SOP classes is left out: GDCM takes its source for no image."""
    require_tools("gdcminfo")
    for twin in twins_of(shared_data / folder)[:3]:
        assert gdcminfo(twin.derived) == gdcminfo(twin.source)


@pytest.mark.real_data
def test_gdcm_takes_a_repaired_series_for_images(shared_data, twins_of):
    require_tools("gdcminfo")
    twins = twins_of(shared_data / "ct_clean/totalseg_body_3mm_J2K")
    assert "CT Image Storage" in gdcminfo(twins[0].derived)[0]
