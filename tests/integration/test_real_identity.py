"""An identity network over real CT: what comes out holds the very words that went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 (its customary name)

from n2b_ct.cli import run
from n2b_ct.io.dicom.ct_reader import read_slice, stored_values
from tests.integration.scenes import identity_model

pytestmark = pytest.mark.real_data

FOLDERS = {
    "ct_clean/acrin_flt_013_5mm_B10f": 1,
    "ct_clean/totalseg_body_3mm_J2K": 1,
    "ct_head": 1,
    "ct_lowdose_pairs": 8,
    "ct_noisy": 1,
    "ct_phantom": 2,
}


def read_volume(paths: list[Path]) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    return reader.Execute()


def by_position(folder: Path) -> list[Path]:
    def place(path: Path) -> float:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        across, down = np.reshape([float(value) for value in header.ImageOrientationPatient], (2, 3))
        return float(np.cross(across, down) @ [float(value) for value in header.ImagePositionPatient])

    return sorted((path for path in folder.iterdir() if path.is_file()), key=place)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_word_of_every_slice_survives(folder, shared_data, tmp_path, capsys):
    model = identity_model(tmp_path / "identity.pt")
    source, output = shared_data / folder, tmp_path / "out"
    command = ["denoise", str(source), str(output), "--model", str(model)]
    assert run([*command, *(["--repair-uids"] if "J2K" in folder else [])]) == 0
    written = sorted(path for path in output.rglob("*") if path.is_file())
    originals = [source / path.relative_to(output) for path in written]
    assert sorted(originals) == sorted(path for path in source.rglob("*") if path.is_file())
    for original, derived in zip(originals, written, strict=True):
        before, after = read_slice(original), read_slice(derived)
        np.testing.assert_array_equal(stored_values(after.dataset), stored_values(before.dataset))
        np.testing.assert_array_equal(after.hu, before.hu)
        np.testing.assert_array_equal(after.is_padding, before.is_padding)
    assert len({path.parent for path in written}) == FOLDERS[folder]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("folder", [one for one in FOLDERS if "head" not in one])
def test_geometry_is_unchanged_in_simpleitk(folder, shared_data, tmp_path):
    model = identity_model(tmp_path / "identity.pt")
    source, output = shared_data / folder, tmp_path / "out"
    command = ["denoise", str(source), str(output), "--model", str(model)]
    assert run([*command, *(["--repair-uids"] if "J2K" in folder else [])]) == 0
    for derived in {path.parent for path in output.rglob("*") if path.is_file()}:
        originals = by_position(source / derived.relative_to(output))
        before = read_volume(originals)
        after = read_volume([derived / path.name for path in originals])
        for measure in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(after, measure)() == getattr(before, measure)()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(after), sitk.GetArrayFromImage(before))
