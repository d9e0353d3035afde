"""Volumes of every form come back word for word, where SimpleITK sees them, with everything their headers say."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from n2b_ct.errors import OutputError, SeriesError
from n2b_ct.io import volumes
from n2b_ct.io.atomic import new_partial
from n2b_ct.io.series import FileRecord
from n2b_ct.io.volume_scan import volumes_among
from n2b_ct.io.volumes import (
    data_paths,
    describe_volume,
    examine_volume,
    write_volume_like,
)
from tests.helpers import assert_nothing_left

read_volume = partial(volumes.read_volume, assume_hu=True)  # words of any kind; test_volume_kind.py asks what is CT

SHAPE = (3, 4, 5)  # [k, j, i] as SimpleITK's arrays run
ENDINGS = (".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd")
TEXT_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")
TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")


def oblique(seed: int = 0) -> np.ndarray:
    """A right-handed rotation, nothing parallel to anything."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * [1, 1, np.sign(np.linalg.det(turn))]


def turns() -> list[np.ndarray]:
    """All 48 ways in which the axes may run along the patient's."""
    return [
        np.eye(3)[list(axes)].T * signs
        for axes in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]


def save(path: Path, *, dtype: str = "int16", direction: np.ndarray | None = None, compress: bool = False) -> Path:
    """Write a volume with SimpleITK: words that are all different, off the origin, with numbers that end nowhere."""
    limits = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    words = np.random.default_rng(1).permutation(60).reshape(SHAPE).astype(dtype)
    words[0, 0, :2] = limits.min, limits.max
    if dtype == "float64":
        words[0, 0, :2] = -1e30, 1e30
    image = SimpleITK.GetImageFromArray(words)
    image.SetSpacing((0.1234567890123456, 2 / 3, 2.5))
    image.SetOrigin((1.1111111111111112, -7e-5, 1e4 / 3))
    image.SetDirection((np.eye(3) if direction is None else direction).ravel())
    image.SetMetaData("comment", "kept: as it is")
    SimpleITK.WriteImage(image, str(path), compress)
    return path


def itk(path: Path) -> SimpleITK.Image:
    return SimpleITK.ReadImage(str(path))


def geometry(image: SimpleITK.Image) -> tuple:
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


def remarks(image: SimpleITK.Image) -> dict[str, str]:
    return {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if "endian" not in key}


def assert_same_volume(one: Path, other: Path) -> None:
    """Hold the law that SimpleITK sees two files as equal: words, type, geometry to the last bit, remarks."""
    before, after = itk(one), itk(other)
    assert before.GetPixelID() == after.GetPixelID()
    assert geometry(before) == geometry(after)
    assert remarks(before) == remarks(after)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(after), SimpleITK.GetArrayFromImage(before))


def rewrite(source: Path, out: Path) -> int:
    return write_volume_like(source, read_volume(source).hu, out)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("ending", TEXT_ENDINGS)
def test_unchanged_hu_keep_every_word_of_every_type(tmp_path, ending, dtype, compress):
    source = save(tmp_path / f"a{ending}", dtype=dtype, direction=oblique(), compress=compress)
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / f"a{ending}"
    assert rewrite(source, out) == 0
    assert_same_volume(source, out)
    assert describe_volume(out).is_compressed is compress


@pytest.mark.parametrize("ending", TEXT_ENDINGS)
def test_unchanged_hu_of_a_plain_file_give_the_same_file(tmp_path, ending):
    source = save(tmp_path / f"a{ending}")
    (tmp_path / "out").mkdir()
    rewrite(source, tmp_path / "out" / f"a{ending}")
    if ending == ".nhdr":  # its data file is named after the header, so that an .mhd beside it keeps its own
        expected = source.read_bytes().replace(b"data file: a.raw", b"data file: a.nhdr.raw")
        assert (tmp_path / "out" / "a.nhdr").read_bytes() == expected
    else:
        assert (tmp_path / "out" / f"a{ending}").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_voxel_lies_where_simpleitk_sees_it(tmp_path, ending):
    for direction in (oblique(), oblique(3), np.diag([1.0, -1.0, -1.0]), np.eye(3)[[1, 2, 0]]):
        source = save(tmp_path / f"a{ending}", direction=direction)
        volume, image = read_volume(source), itk(source)
        for place in np.ndindex(volume.hu.shape):
            place_mm = (volume.affine_lps_mm @ [*place, 1])[:3]
            index = image.TransformPhysicalPointToIndex(place_mm.tolist())
            np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), place_mm, atol=1e-3)
            assert image[index] == volume.hu[place]


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_columns_run_left_rows_back_and_slices_up_for_all_48_orientations(tmp_path, ending):
    for direction in turns():
        source = save(tmp_path / f"a{ending}", direction=direction)
        affine = read_volume(source).affine_lps_mm
        assert affine[2, 0] > 0
        assert affine[1, 1] > 0
        assert affine[0, 2] > 0
        rewrite(source, tmp_path / f"b{ending}")
        assert_same_volume(source, tmp_path / f"b{ending}")
        (tmp_path / f"b{ending}").unlink()


@pytest.mark.parametrize("ending", ENDINGS)
def test_changed_hu_are_rounded_and_clipped_to_the_type(tmp_path, ending):
    source = save(tmp_path / f"a{ending}")
    hu = read_volume(source).hu
    hu[1, 2, :4] = (-990.4, -990.6, 1e6, -1e6)
    assert write_volume_like(source, hu, tmp_path / f"b{ending}") == 2
    back = read_volume(tmp_path / f"b{ending}").hu
    np.testing.assert_array_equal(back[1, 2, :4], (-990, -991, 32767, -32768))
    hu[1, 2, :4] = back[1, 2, :4]
    np.testing.assert_array_equal(back, hu)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_offset_to_hu_is_added_and_taken_off_again(tmp_path, ending):
    source = save(tmp_path / f"a{ending}", dtype="uint16")
    stored = read_volume(source).hu
    hu = read_volume(source, hu_offset=-1000).hu
    np.testing.assert_array_equal(hu, stored - 1000)
    hu[0, 0, 0] = -3.2
    assert write_volume_like(source, hu, tmp_path / f"b{ending}", hu_offset=-1000) == 0
    after = read_volume(tmp_path / f"b{ending}").hu
    assert after[0, 0, 0] == 997
    np.testing.assert_array_equal(after.ravel()[1:], stored.ravel()[1:])


def test_values_off_by_a_constant_are_refused_until_the_constant_is_told(tmp_path):
    words = np.random.default_rng(0).normal(1000, 30, (8, 16, 16))
    words[:, :, :8] = np.random.default_rng(1).normal(0, 73, (8, 16, 8))
    image = SimpleITK.GetImageFromArray(words.astype(np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(
        SeriesError, match=r"must hold HU, got .* whole values from .*; pass volume_offset_hu=-1024"
    ) as caught:
        examine_volume(tmp_path / "a.mha")
    assert caught.value.reason == "maybe_not_hu"
    assert examine_volume(tmp_path / "a.mha", hu_offset=-1000).problems == ()
    assert examine_volume(tmp_path / "a.mha", assume_hu=True).problems == ("maybe_not_hu",)


def test_a_description_needs_no_voxels(tmp_path):
    source = save(tmp_path / "a.nhdr", direction=np.eye(3)[[2, 0, 1]], compress=True)
    found = describe_volume(source)
    assert (found.format_name, found.word_type, found.is_compressed) == ("NRRD", "int16", True)
    assert found.shape == read_volume(source).hu.shape
    np.testing.assert_allclose(found.spacing_mm, np.linalg.norm(read_volume(source).affine_lps_mm[:3, :3], axis=0))
    assert found.data_paths == data_paths(source) == (tmp_path / "a.raw.gz",)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nan_and_vectors_are_refused(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full(SHAPE, np.nan, np.float32)), str(path))
    with pytest.raises(SeriesError, match="must hold finite HU") as caught:
        read_volume(path)
    assert caught.value.reason == "not_finite"
    vectors = SimpleITK.GetImageFromArray(np.zeros((*SHAPE, 3), np.int16), isVector=True)
    SimpleITK.WriteImage(vectors, str(path))
    with pytest.raises(SeriesError, match=r"must (be one volume|hold one number a voxel|have axes)") as caught:
        read_volume(path)
    assert caught.value.reason == "not_3d"


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_plane_is_one_slice(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.arange(20, dtype=np.int16).reshape(4, 5)), str(path))
    assert read_volume(path).hu.shape == (1, 4, 5)
    rewrite(path, tmp_path / f"b{ending}")
    assert_same_volume(path, tmp_path / f"b{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_output_that_must_not_be_is_refused(tmp_path, ending):
    source, out = save(tmp_path / f"a{ending}"), tmp_path / f"b{ending}"
    hu = read_volume(source).hu
    with pytest.raises(OutputError, match="must not be the source"):
        write_volume_like(source, hu, source, overwrite=True)
    with pytest.raises(OutputError, match="must end in"):
        write_volume_like(source, hu, tmp_path / "b.tif")
    with pytest.raises(SeriesError, match="must be finite HU"):
        write_volume_like(source, np.full(hu.shape, np.nan), out)
    with pytest.raises(SeriesError, match=r"must be \(3, 4, 5\), got \(4, 3, 5\)"):
        write_volume_like(source, np.zeros((4, 3, 5)), out)
    assert not out.exists()
    write_volume_like(source, hu, out)
    with pytest.raises(OutputError, match="must not exist yet"):
        write_volume_like(source, hu, out)
    write_volume_like(source, hu, out, overwrite=True)


@pytest.mark.parametrize("ending", [".nhdr", ".mhd"])
def test_a_data_file_that_is_another_s_is_not_overwritten(tmp_path, ending):
    source = save(tmp_path / f"a{ending}")
    (tmp_path / "out").mkdir()
    data = tmp_path / "out" / ("b.raw" if ending == ".mhd" else "b.nhdr.raw")
    data.write_bytes(b"somebody's")
    with pytest.raises(OutputError, match="must not exist yet"):
        rewrite(source, tmp_path / "out" / f"b{ending}")
    assert data.read_bytes() == b"somebody's"


@pytest.mark.parametrize(
    ("ending", "step"),
    [(".nhdr", "nrrd.encoded"), (".mhd", "metaimage.encoded")]
    + [(ending, f"data_files.{step}") for ending in (".nhdr", ".mhd") for step in ("sync", "write_atomically")],
)
def test_a_kill_leaves_no_header_without_its_data(tmp_path, ending, step, monkeypatch):
    source = save(tmp_path / f"a{ending}")
    out = tmp_path / "out" / f"b{ending}"
    out.parent.mkdir()
    rewrite(source, out)
    hu = read_volume(source).hu

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"n2b_ct.io.volume_formats.{step}", die)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            write_volume_like(source, hu + 5, out, overwrite=True)
    if step.endswith("encoded"):
        np.testing.assert_array_equal(read_volume(out).hu, hu)
    else:
        assert not out.exists()
    write_volume_like(source, hu, out, overwrite=True)
    np.testing.assert_array_equal(read_volume(out).hu, hu)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_where_writing_fails(tmp_path, ending):
    source = save(tmp_path / f"a{ending}")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(OutputError, match="must be writable"):
        rewrite(source, out / "none" / f"b{ending}")
    assert_nothing_left(out)


def test_the_same_volume_twice_is_the_same_file(tmp_path):
    source = save(tmp_path / "a.nrrd", compress=True)
    for name in ("b.nrrd", "c.nrrd"):
        rewrite(source, tmp_path / name)
    assert (tmp_path / "b.nrrd").read_bytes() == (tmp_path / "c.nrrd").read_bytes()


def test_volumes_are_known_by_name_and_data_files_by_their_headers():
    names = ("b.nii", "c.NII.GZ", "d.nrrd", "d.MHD", "e.dcm", "d.raw", "f.hdr", "nii")
    records = [FileRecord(Path(name), "skipped", "not_dicom") for name in names]
    records += [FileRecord(Path("g.nii"), "used"), FileRecord(Path("h.nii"), "skipped", "duplicate")]
    assert [str(path) for path in volumes_among(records)] == ["b.nii", "c.NII.GZ", "d.nrrd", "d.MHD"]


def test_what_a_killed_writer_left_is_cleaned_up_by_the_next(tmp_path):
    source = save(tmp_path / "a.mhd")
    (tmp_path / "out").mkdir()
    new_partial(tmp_path / "out" / "a.raw").write_bytes(b"half")
    rewrite(source, tmp_path / "out" / "a.mhd")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mhd", "a.raw"]


@pytest.mark.real_data
@pytest.mark.parametrize("dose", ["010", "055", "100"])
def test_simulated_phantoms_in_numbered_files_come_back_word_for_word(shared_data, tmp_path, dose):
    source = shared_data / "ct_sim_lcd" / f"dose_{dose}_signal_absent" / "signal_absent.mhd"
    with pytest.raises(SeriesError, match="pass volume_offset_hu=-1024"):
        examine_volume(source)
    assert examine_volume(source, hu_offset=-1000).problems == ()
    volume = read_volume(source, hu_offset=-1000)
    assert volume.hu.shape == (10, 256, 256)
    np.testing.assert_array_equal(volume.hu + 1000, SimpleITK.GetArrayFromImage(itk(source)))
    assert write_volume_like(source, volume.hu, tmp_path / "a.mhd", hu_offset=-1000) == 0
    assert_same_volume(source, tmp_path / "a.mhd")


@pytest.mark.real_data
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_real_series_as_a_volume_keeps_its_geometry_and_words(shared_data, tmp_path, ending):
    folder = shared_data / "ct_clean" / "acrin_flt_013_5mm_B10f"
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    SimpleITK.WriteImage(SimpleITK.ReadImage(names), str(tmp_path / f"a{ending}"))
    assert examine_volume(tmp_path / f"a{ending}").problems == ()
    assert rewrite(tmp_path / f"a{ending}", tmp_path / f"b{ending}") == 0
    assert_same_volume(tmp_path / f"a{ending}", tmp_path / f"b{ending}")


@pytest.mark.real_data
def test_a_volume_of_dcm2niix_keeps_its_geometry_and_words(shared_data, tmp_path):
    program = shutil.which("dcm2niix")
    if program is None:
        pytest.skip("dcm2niix is not here: Debian's package dcm2niix brings it")
    folder = shared_data / "ct_clean" / "acrin_flt_013_5mm_B10f"
    subprocess.run([program, "-f", "a", "-o", tmp_path, folder], check=True, capture_output=True)
    (source,) = tmp_path.glob("*.nii")
    assert examine_volume(source).problems == ()
    assert rewrite(source, tmp_path / "b.nii") == 0
    assert source.read_bytes() == (tmp_path / "b.nii").read_bytes()
    before, after = nibabel.load(source), nibabel.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(before.affine, after.affine)
    np.testing.assert_array_equal(before.get_fdata(), after.get_fdata())
