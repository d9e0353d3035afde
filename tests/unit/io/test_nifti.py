"""NIfTI volumes are turned to [slices, rows, cols] and back without changing a word."""

from __future__ import annotations

import gzip
import itertools
import struct
import tracemalloc
from functools import partial

import nibabel
import numpy as np
import pytest
import SimpleITK

from n2b_ct.errors import OutputError, SeriesError
from n2b_ct.io import volumes
from n2b_ct.io.volume_formats.nifti import Nifti
from n2b_ct.io.volumes import write_volume_like
from tests.helpers import assert_nothing_left

read_volume = partial(volumes.read_volume, assume_hu=True)  # words of any kind; test_volume_kind.py asks what is CT

SHAPE = (5, 4, 3)


def save_nifti(path, words=None, affine=None, slope=1.0, intercept=0.0):
    words = np.arange(60, dtype=np.int16).reshape(SHAPE, order="F") - 30 if words is None else words
    image = nibabel.Nifti1Image(words, np.diag([0.5, 0.75, 2.0, 1.0]) if affine is None else affine)
    image.header["descrip"] = b"made by a test"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a comment to keep"))
    content = bytearray(image.to_bytes())
    content[112:120] = struct.pack("<ff", slope, intercept)  # scl_slope and scl_inter, NIfTI-1 header
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def affine_of(axes: str) -> np.ndarray:
    """An affine whose voxel axes run to these letters, 0.5, 0.75 and 2 mm, off the origin."""
    start = nibabel.orientations.axcodes2ornt(tuple(axes))
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for voxel_axis, (world_axis, sign) in enumerate(start):
        affine[int(world_axis), voxel_axis] = sign * (0.5, 0.75, 2.0)[voxel_axis]
    affine[:3, 3] = (11, -7, 30)
    return affine


def test_an_lps_file_is_read_in_its_own_order(tmp_path):
    path = save_nifti(tmp_path / "ct.nii", affine=affine_of("LPS"))
    volume = read_volume(path)
    assert volume.hu.shape == (3, 4, 5)
    assert volume.hu.dtype == np.float32
    assert (volume.hu[0, 0, 0], volume.hu[0, 0, 1], volume.hu[0, 1, 0], volume.hu[1, 0, 0]) == (-30, -29, -25, -10)
    assert volume.source == path
    assert not volume.is_padding.any()


def test_a_ras_file_is_flipped_to_the_display_order(tmp_path):
    lps = read_volume(save_nifti(tmp_path / "lps.nii", affine=affine_of("LPS"))).hu
    ras = read_volume(save_nifti(tmp_path / "ras.nii", affine=affine_of("RAS"))).hu
    np.testing.assert_array_equal(ras, lps[:, ::-1, ::-1])


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LAS", "PIR", "SAL", "IPR"])
def test_the_affine_places_every_voxel_where_simpleitk_does(tmp_path, axes):
    path = save_nifti(tmp_path / "ct.nii", affine=affine_of(axes))
    volume, image = read_volume(path), SimpleITK.ReadImage(str(path))
    for slice_index, row, col in ((0, 0, 0), (1, 2, 0), tuple(length - 1 for length in volume.hu.shape)):
        place_mm = (volume.affine_lps_mm @ [slice_index, row, col, 1])[:3]
        index = image.TransformPhysicalPointToIndex(place_mm.tolist())
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), place_mm, atol=1e-5)
        assert image[index] == volume.hu[slice_index, row, col]


def test_columns_run_left_rows_back_and_slices_up_for_every_orientation(tmp_path):
    for letters in itertools.product("LR", "PA", "SI"):
        for axes in itertools.permutations(letters):
            path = save_nifti(tmp_path / "ct.nii", affine=affine_of("".join(axes)))
            affine = read_volume(path).affine_lps_mm
            assert affine[2, 0] > 0
            assert affine[1, 1] > 0
            assert affine[0, 2] > 0


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIR"])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (2.0, -1024.0), (0.0457, 3.3)])
def test_unchanged_hu_give_the_same_file(tmp_path, suffix, axes, slope, intercept):
    source = save_nifti(tmp_path / f"a{suffix}", affine=affine_of(axes), slope=slope, intercept=intercept)
    out = tmp_path / f"b{suffix}"
    assert write_volume_like(source, read_volume(source).hu, out) == 0
    contents = [
        gzip.decompress(path.read_bytes()) if suffix.endswith("gz") else path.read_bytes() for path in (source, out)
    ]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, ">i2"])
def test_every_type_keeps_its_words(tmp_path, dtype):
    words = np.arange(60).reshape(SHAPE).astype(dtype)
    path = tmp_path / "a.nii"
    header = nibabel.Nifti1Header(endianness=">" if dtype == ">i2" else "<")
    header.set_data_dtype(dtype)
    nibabel.Nifti1Image(words, np.eye(4), header).to_filename(path)
    write_volume_like(path, read_volume(path).hu, tmp_path / "b.nii")
    assert path.read_bytes() == (tmp_path / "b.nii").read_bytes()


def test_changed_hu_are_rounded_and_clipped_to_the_type(tmp_path):
    source = save_nifti(tmp_path / "a.nii", slope=2.0, intercept=-1000.0)
    hu = read_volume(source).hu
    changed = hu.copy()
    changed[0, 0, :4] = (-990.9, -991.1, 1e6, -1e6)
    assert write_volume_like(source, changed, tmp_path / "b.nii") == 2
    back = read_volume(tmp_path / "b.nii").hu
    np.testing.assert_array_equal(back[0, 0, :4], (-990, -992, 32767 * 2 - 1000, -32768 * 2 - 1000))
    np.testing.assert_array_equal(back[0, 0, 4:], hu[0, 0, 4:])
    np.testing.assert_array_equal(back[1:], hu[1:])


def test_header_affine_and_extensions_are_kept(tmp_path):
    source = save_nifti(tmp_path / "a.nii.gz", affine=affine_of("PIR"))
    write_volume_like(source, read_volume(source).hu + 5, tmp_path / "b.nii")
    before, after = nibabel.load(source), nibabel.load(tmp_path / "b.nii")
    assert before.header == after.header
    np.testing.assert_array_equal(before.affine, after.affine)
    assert b"a comment to keep" in (tmp_path / "b.nii").read_bytes()
    np.testing.assert_array_equal(after.get_fdata(), before.get_fdata() + 5)


def test_a_trailing_axis_of_one_is_no_obstacle_and_a_real_one_is(tmp_path):
    path = tmp_path / "a.nii"
    nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(5, 4, 3, 1), np.eye(4)).to_filename(path)
    assert read_volume(path).hu.shape == (3, 4, 5)
    write_volume_like(path, read_volume(path).hu, tmp_path / "b.nii")
    assert path.read_bytes() == (tmp_path / "b.nii").read_bytes()
    nibabel.Nifti1Image(np.zeros((5, 4, 3, 2), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(SeriesError, match="must be one volume"):
        read_volume(path)


def test_one_plane_is_one_slice(tmp_path):
    nibabel.Nifti1Image(np.arange(20, dtype=np.int16).reshape(5, 4), np.eye(4)).to_filename(tmp_path / "a.nii")
    assert read_volume(tmp_path / "a.nii").hu.shape == (1, 4, 5)


def test_nan_voxels_are_refused_both_ways(tmp_path):
    path = tmp_path / "a.nii"
    nibabel.Nifti1Image(np.full(SHAPE, np.nan, np.float32), np.eye(4)).to_filename(path)
    with pytest.raises(SeriesError, match="must hold finite HU"):
        read_volume(path)
    source = save_nifti(tmp_path / "b.nii")
    with pytest.raises(SeriesError, match="must be finite HU"):
        write_volume_like(source, np.full((3, 4, 5), np.nan), tmp_path / "out.nii")
    with pytest.raises(SeriesError, match=r"must be \(3, 4, 5\), got \(4, 3, 5\)"):
        write_volume_like(source, np.zeros((4, 3, 5)), tmp_path / "out.nii")
    assert not (tmp_path / "out.nii").exists()


def test_files_that_are_no_volume_are_refused(tmp_path):
    (tmp_path / "text.nii").write_text("no volume")
    with pytest.raises(SeriesError, match="must be a readable NIfTI file") as caught:
        read_volume(tmp_path / "text.nii")
    assert caught.value.reason == "unreadable"
    whole = save_nifti(tmp_path / "cut.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:-20])
    with pytest.raises(SeriesError, match="must hold 120 bytes of voxels") as caught:
        read_volume(tmp_path / "cut.nii")
    assert caught.value.reason == "pixel_truncated"


def test_an_output_that_must_not_be_is_refused(tmp_path):
    source = save_nifti(tmp_path / "a.nii")
    hu = read_volume(source).hu
    with pytest.raises(OutputError, match="must not be the source"):
        write_volume_like(source, hu, source, overwrite=True)
    with pytest.raises(OutputError, match=r"must end in \.nii or \.nii\.gz"):
        write_volume_like(source, hu, tmp_path / "b.mha")
    out = save_nifti(tmp_path / "b.nii")
    with pytest.raises(OutputError, match="must not exist yet"):
        write_volume_like(source, hu, out)
    write_volume_like(source, hu, out, overwrite=True)


def test_nothing_is_left_where_writing_fails(tmp_path):
    source = save_nifti(tmp_path / "a.nii")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(OutputError, match="must be writable"):
        write_volume_like(source, read_volume(source).hu, out / "none" / "b.nii")
    assert_nothing_left(out)


def lie(path, where: slice, form: str, *values) -> None:
    """Overwrite a field of a NIfTI-1 header."""
    content = bytearray(path.read_bytes())
    content[where] = struct.pack(form, *values)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("where", "form", "values", "reason", "words"),
    [
        (slice(40, 48), "<4h", (3, -5, 4, 3), "bad_value", "must have a positive size"),
        (slice(40, 48), "<4h", (9, 5, 4, 3), "bad_value", "must have two to seven axes"),
        (slice(40, 48), "<4h", (3, 32767, 32767, 32767), "too_large", "must have at most 2147483648 voxels"),
        (slice(40, 48), "<4h", (3, 5, 4, 2000), "pixel_truncated", "must hold 80000 bytes of voxels"),
        (slice(72, 74), "<h", (32,), "bad_value", "must agree with itself about its words, got bitpix 32 for int16"),
        (slice(70, 72), "<h", (99,), "bad_value", "must hold plain numbers, got an unknown datatype"),
        (slice(70, 72), "<h", (128,), "bad_value", "must agree with itself about its words"),
        (slice(108, 112), "<f", (1e18,), "bad_value", "must have a vox_offset behind its header"),
        (slice(108, 112), "<f", (float("nan"),), "bad_value", "must have a vox_offset behind its header"),
        (slice(112, 120), "<2f", (3e38, 0.0), "not_finite", "must hold finite HU"),
        (slice(112, 120), "<2f", (2.0, float("inf")), "bad_rescale", "must say how words become HU"),
        (slice(280, 296), "<4f", (0, 0, 0, 0), "bad_value", "must place its voxels in space"),
        (slice(280, 296), "<4f", (float("nan"), 0, 0, 0), "bad_value", "must place its voxels in space"),
        (slice(344, 348), "<4s", (b"ni1",), "unreadable", "must be a readable NIfTI file"),
    ],
)
def test_a_header_that_lies_is_told_before_anything_is_read(tmp_path, where, form, values, reason, words):
    path = save_nifti(tmp_path / "a.nii")
    lie(path, where, form, *values)
    with pytest.raises(SeriesError, match=words) as caught:
        read_volume(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int64, np.uint64, np.float64])
def test_nifti_2_and_wide_types_keep_their_words(tmp_path, dtype):
    limits = np.finfo(np.float32) if dtype == np.float64 else np.iinfo(dtype)
    words = np.array([limits.min, 0, 1, limits.max] * 15, dtype=dtype).reshape(SHAPE)
    path = tmp_path / "a.nii"
    nibabel.Nifti2Image(words, np.eye(4), dtype=dtype).to_filename(path)
    write_volume_like(path, read_volume(path).hu, tmp_path / "b.nii")
    assert path.read_bytes() == (tmp_path / "b.nii").read_bytes()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_64_bit_words_are_clipped_without_wrapping(tmp_path, dtype):
    path = tmp_path / "a.nii"
    nibabel.Nifti2Image(np.zeros(SHAPE, dtype), np.eye(4), dtype=dtype).to_filename(path)
    assert write_volume_like(path, np.full((3, 4, 5), 1e30, np.float32), tmp_path / "b.nii") == 60
    words = np.asanyarray(nibabel.load(tmp_path / "b.nii").dataobj)
    assert words.min() > np.iinfo(dtype).max * 0.999


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    path = save_nifti(tmp_path / "a.nii.gz")
    header = bytearray(gzip.decompress(path.read_bytes()))[:352]
    header[40:48] = struct.pack("<4h", 3, 1024, 1024, 1024)  # 2 GiB of zeros in 2 MB
    header[108:112] = struct.pack("<f", 352)
    path.write_bytes(gzip.compress(header, mtime=0))
    with pytest.raises(SeriesError, match="must not grow 250 times") as caught:
        read_volume(path)
    assert caught.value.reason == "too_large"


def test_no_more_is_inflated_than_the_header_declares(tmp_path):
    whole = gzip.decompress(save_nifti(tmp_path / "a.nii.gz").read_bytes())
    bomb = gzip.compress(whole + bytes(64 * 2**20))
    (tmp_path / "a.nii.gz").write_bytes(bomb)
    tracemalloc.start()
    assert read_volume(tmp_path / "a.nii.gz").hu.shape == (3, 4, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize(("damage", "reason"), [("cut", "pixel_truncated"), ("flip", "unreadable")])
def test_a_damaged_gzip_is_told(tmp_path, damage, reason):
    words = np.random.default_rng(0).integers(-1000, 1000, (50, 40, 30)).astype(np.int16)
    content = bytearray(save_nifti(tmp_path / "a.nii.gz", words).read_bytes())
    content = content[:-40] if damage == "cut" else content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(SeriesError, match=r"a\.nii\.gz: must") as caught:
        read_volume(tmp_path / "a.nii.gz")
    assert caught.value.reason == reason


def test_a_single_file_may_become_compressed_or_not_and_a_pair_stays_a_pair():
    single = (".nii", ".nii.gz")
    assert [Nifti().output_suffixes(suffix) for suffix in (".nii", ".nii.gz", ".hdr")] == [single, single, (".hdr",)]


def test_an_ending_is_known_in_capitals(tmp_path):
    assert [volumes.is_volume(tmp_path / name) for name in ("a.nii", "a.NII.GZ", "a.dcm")] == [True, True, False]


# ── Pairs of .hdr and .img ──


def save_pair(path, words=None, **header):
    words = np.arange(60, dtype=np.int16).reshape(SHAPE, order="F") - 30 if words is None else words
    image = nibabel.Nifti1Pair(words, affine_of("PIR"))
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def test_a_pair_comes_back_as_a_pair_byte_for_byte(tmp_path):
    source, out = save_pair(tmp_path / "a.hdr", descrip=b"kept"), tmp_path / "b.hdr"
    assert write_volume_like(source, read_volume(source).hu, out) == 0
    assert out.read_bytes() == source.read_bytes()
    assert (tmp_path / "b.img").read_bytes() == (tmp_path / "a.img").read_bytes()
    np.testing.assert_array_equal(nibabel.load(out).affine, nibabel.load(source).affine)
    image = SimpleITK.ReadImage(str(source))
    assert read_volume(source).hu.sum() == SimpleITK.GetArrayFromImage(image).sum()


def test_bytes_ahead_of_a_pair_s_voxels_stay(tmp_path):
    source = save_pair(tmp_path / "a.hdr")
    lie(source, slice(108, 112), "<f", 16)
    words = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(b"sixteen bytes!!!" + words)
    assert read_volume(source).hu.sum() == np.frombuffer(words, np.int16).sum()
    write_volume_like(source, read_volume(source).hu, tmp_path / "b.hdr")
    assert (tmp_path / "b.img").read_bytes() == b"sixteen bytes!!!" + words


def test_what_is_off_about_a_pair_is_told(tmp_path):
    source = save_pair(tmp_path / "a.hdr")
    (tmp_path / "a.img").write_bytes((tmp_path / "a.img").read_bytes()[:-1])
    with pytest.raises(SeriesError, match="must hold 120 bytes of voxels, got 119 bytes") as caught:
        read_volume(source)
    assert caught.value.reason == "pixel_truncated"
    (tmp_path / "a.img").unlink()
    with pytest.raises(SeriesError, match="must have its data file") as caught:
        read_volume(source)
    assert caught.value.reason == "unreadable"


def test_analyze_has_no_left_and_right_and_is_refused(tmp_path):
    nibabel.save(nibabel.Spm2AnalyzeImage(np.ones(SHAPE, np.int16), np.eye(4)), tmp_path / "a.img")
    assert volumes.is_volume(tmp_path / "a.hdr")
    with pytest.raises(SeriesError, match=r"got one of Analyze 7\.5, which does not tell left from right"):
        read_volume(tmp_path / "a.hdr")


@pytest.mark.parametrize("content", [b"#?RADIANCE\n", b"ENVI\n", b"", b"!INTERFILE :=\n"])
def test_the_headers_of_other_programs_are_no_volumes(tmp_path, content):
    (tmp_path / "a.hdr").write_bytes(content)
    assert not volumes.is_volume(tmp_path / "a.hdr")


# ── Places that are not sure ──


def problems_of(tmp_path, edit):
    image = nibabel.Nifti1Image(np.ones(SHAPE, np.int16), affine_of("LPS"))
    edit(image.header)
    content = image.header.binaryblock + bytes(4) + image.get_fdata().astype(np.int16).tobytes()
    (tmp_path / "a.nii").write_bytes(content.replace(b"ni1\0", b"n+1\0"))
    lie(tmp_path / "a.nii", slice(108, 112), "<f", 352)
    return volumes.describe_volume(tmp_path / "a.nii").problems


@pytest.mark.parametrize(
    ("edit", "problems"),
    [
        (lambda header: None, ()),
        (lambda header: header.set_qform(affine_of("LPS"), 1), ()),
        (lambda header: header.set_qform(affine_of("RPS"), 1), ("unsure_geometry",)),
        (lambda header: (header.set_sform(None, 0), header.set_qform(None, 0)), ("unsure_geometry",)),
        (lambda header: (header.set_sform(None, 0), header.set_qform(affine_of("RPS"), 1)), ()),
        (lambda header: header.set_sform(np.eye(4), 1), ("unsure_geometry",)),
    ],
)
def test_a_header_that_places_voxels_nowhere_or_twice_says_so(tmp_path, edit, problems):
    assert problems_of(tmp_path, edit) == problems
