"""The reader inside LoadImaged, against what MONAI's own readers make of the same files."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import PydicomReader
from monai.transforms import Compose, LoadImage, LoadImaged, Orientationd

from n2b_ct.data.reader import CTSeriesReader
from n2b_ct.errors import DataError, SeriesError
from tests.helpers import SERIES_UID, save_series
from tests.volume_scenes import ct, labels, save_words

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")

OTHER_UID = "1.2.826.0.1.3680043.8.498.1.2"
OBLIQUE = (0.96, 0.28, 0.0, -0.28, 0.96, 0.0)


def words(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4000, (24, 32))


@pytest.fixture
def series_dir(tmp_path) -> Path:
    save_series(tmp_path / "series")
    return tmp_path / "series"


def load(source: object, **options: object) -> torch.Tensor:
    return LoadImaged("image", reader=CTSeriesReader, ensure_channel_first=True, **options)({"image": source})["image"]


def in_ras(reader: type, source: object) -> torch.Tensor:
    compose = Compose(
        [
            LoadImaged("image", reader=reader, ensure_channel_first=True),
            Orientationd("image", axcodes="RAS", labels=None),
        ]
    )
    return compose({"image": source})["image"]


def test_a_folder_becomes_hu_by_slices_rows_and_columns(series_dir):
    image = load(series_dir)
    assert image.shape == (1, 3, 24, 32)
    assert image.dtype == torch.float32
    assert image[0, 0, 0, 0] == 900 - 1024


def test_the_metadata_tells_geometry_and_identity(series_dir):
    meta = load(series_dir).meta
    assert tuple(meta["spatial_shape"]) == (3, 24, 32)
    assert meta["space"] == "RAS"
    assert meta["series_instance_uid"] == SERIES_UID
    assert meta["problems"] == "non_square_pixels"
    assert tuple(meta["spacing"]) == pytest.approx((2.0, 0.5, 0.75))


def test_the_affine_maps_a_voxel_to_its_place_in_ras(series_dir):
    affine = load(series_dir).affine.numpy()
    corner_lps_mm = np.array([-16.0, -12.0, 0.0])
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], [*(corner_lps_mm * [-1, -1, 1]), 1])
    np.testing.assert_allclose(affine @ [2, 4, 5, 1], [16.0 - 5 * 0.75, 12.0 - 4 * 0.5, 4.0, 1])


@pytest.mark.parametrize("orientation", [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), OBLIQUE])
def test_turned_to_ras_it_is_what_monai_reads_from_one_clean_series(tmp_path, orientation):
    for index, position_mm in enumerate((0.0, 2.5, 5.0)):
        save_series(
            tmp_path,
            [position_mm],
            f"slice{index}",
            orientation=orientation,
            instance_number=index + 1,
            stored=words(index),
        )
    ours, theirs = (in_ras(reader, tmp_path) for reader in (CTSeriesReader, PydicomReader))
    torch.testing.assert_close(ours.as_tensor(), theirs.as_tensor())
    torch.testing.assert_close(ours.affine, theirs.affine)


@pytest.mark.parametrize("axes", [(-2.0, -1.5, 3.0), (2.0, 1.5, 3.0), (2.0, -1.5, -3.0)])
def test_turned_to_ras_a_nifti_is_what_monai_reads(tmp_path, axes):
    path = tmp_path / "ct.nii.gz"
    hu = np.random.default_rng(0).integers(-1024, 3000, (6, 5, 4)).astype(np.int16)
    affine = np.diag([*axes, 1.0])
    affine[:3, 3] = (10.0, -20.0, 30.0)
    nibabel.save(nibabel.Nifti1Image(hu, affine), path)
    ours, theirs = (in_ras(reader, path) for reader in (CTSeriesReader, "NibabelReader"))
    torch.testing.assert_close(ours.as_tensor(), theirs.as_tensor())
    torch.testing.assert_close(ours.affine, theirs.affine)
    assert load(path).meta["series_instance_uid"] == ""


def test_two_series_in_a_folder_are_named_and_not_mixed(series_dir):
    save_series(series_dir, (0.0, 2.0), "other", series_uid=OTHER_UID)
    with pytest.raises(
        DataError,
        match=rf"must hold one CT series, got {OTHER_UID} \(2 slices\), {SERIES_UID} \(3 slices\); .*series_uid=",
    ):
        load(series_dir)


def test_one_of_two_series_is_chosen_by_its_uid(series_dir):
    save_series(series_dir, (0.0, 2.0), "other", series_uid=OTHER_UID)
    assert load(series_dir, series_uid=OTHER_UID).shape == (1, 2, 24, 32)
    reader = CTSeriesReader(series_uid=SERIES_UID)
    assert LoadImage(reader=reader)(series_dir).shape == (3, 24, 32)


def test_a_uid_that_is_not_there_is_refused(series_dir):
    with pytest.raises(DataError, match=r"series: must hold the series 1\.2\.3, got none"):
        load(series_dir, series_uid="1.2.3")


def test_a_folder_without_ct_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="must hold a CT series, got none; look at it with n2b-ct inspect"):
        load(tmp_path)


def test_files_choose_slices_and_their_series(series_dir):
    paths = save_series(series_dir, (0.0, 2.0, 4.0), "other", series_uid=OTHER_UID)
    image = load(paths[:2])
    assert image.shape == (1, 2, 24, 32)
    assert image.meta["series_instance_uid"] == OTHER_UID
    assert load(paths[1]).shape == (1, 1, 24, 32)


def test_a_namesake_in_a_subfolder_is_not_asked_for(series_dir):
    save_series(series_dir / "deeper", series_uid=OTHER_UID)
    assert load([path for path in series_dir.iterdir() if path.is_file()]).meta["series_instance_uid"] == SERIES_UID


def test_files_of_several_folders_are_refused(tmp_path):
    paths = save_series(tmp_path / "a") + save_series(tmp_path / "b")
    with pytest.raises(DataError, match="must lie in one folder, got files of 2 folders"):
        load(paths)


def test_a_metaimage_off_by_a_constant_is_read_as_hu(tmp_path):
    words = np.rint(ct() + 1000).astype(np.int16)
    path = save_words(tmp_path / "v.mha", words)
    told, silent, assumed = CTSeriesReader(hu_offset=-1000), CTSeriesReader(), CTSeriesReader(assume_hu=True)
    hu, meta = told.get_data(told.read(path))
    np.testing.assert_array_equal(hu, words - 1000.0)
    assert meta["problems"] == ""
    with pytest.raises(SeriesError, match="pass volume_offset_hu=-1024"):
        silent.get_data(silent.read(path))
    assert assumed.get_data(assumed.read(path))[1]["problems"] == "maybe_not_hu"


def test_a_label_map_is_no_ct_to_the_reader(tmp_path):
    reader = CTSeriesReader()
    with pytest.raises(SeriesError, match="must hold HU, not labels"):
        reader.get_data(reader.read(save_words(tmp_path / "v.nii.gz", labels(3).astype(np.uint8))))


def test_several_niftis_are_no_series(tmp_path):
    with pytest.raises(DataError, match="image: must be one volume, got 2 files; load them one by one"):
        load([tmp_path / "a.nii", tmp_path / "b.nii"])


def test_a_broken_nifti_keeps_its_reason(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"broken")
    with pytest.raises(SeriesError, match=r"a\.nii: must be a readable NIfTI file"):
        load(tmp_path / "a.nii")


def test_missing_slices_are_told_in_the_metadata(tmp_path):
    save_series(tmp_path, (0.0, 2.0, 4.0, 8.0))
    assert "missing_slices" in load(tmp_path).meta["problems"]


@pytest.mark.real_data
def test_a_real_series_is_read_in_its_own_hu(shared_data):
    folder = shared_data / "ct_phantom" / "philips_head_5mm_UB_smooth"
    image = load(folder)
    assert image.shape == (1, 14, 512, 512)
    assert -1100 < image.min() < -900
    theirs = in_ras(PydicomReader, folder)
    torch.testing.assert_close(in_ras(CTSeriesReader, folder).as_tensor(), theirs.as_tensor())
    torch.testing.assert_close(load(folder).affine.det().abs(), theirs.affine.det().abs(), rtol=1e-4, atol=0)


def test_a_series_that_is_not_whole_is_refused_or_read_without_its_bad_files(series_dir):
    first, broken, last = sorted(series_dir.iterdir())
    broken.write_bytes(broken.read_bytes()[:560])
    with pytest.raises(SeriesError, match="slice002: must hold its whole header"):
        load(series_dir)
    assert load(series_dir, skip_bad_slices=True).shape == (1, 2, 24, 32)
    with pytest.raises(SeriesError, match="slice002: must hold its whole header"):
        load([first, broken, last])


def test_files_that_nobody_asked_for_may_be_bad(series_dir):
    first, broken, last = sorted(series_dir.iterdir())
    broken.write_bytes(b"")
    assert load([first, last]).shape == (1, 2, 24, 32)
