"""Headers of MetaImage and NRRD: what they may say, what SimpleITK makes of it, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from n2b_ct.errors import SeriesError
from n2b_ct.io import volumes
from n2b_ct.io.volumes import data_paths, describe_volume, write_volume_like
from tests.unit.io.text_header_files import WORDS, metaimage, nrrd

read_volume = partial(volumes.read_volume, assume_hu=True)  # words of any kind; test_volume_kind.py asks what is CT


def assert_read_as_simpleitk_does(path: Path) -> None:
    """Hold the law that every voxel has SimpleITK's value at SimpleITK's place."""
    volume, image = read_volume(path), SimpleITK.ReadImage(str(path))
    for place in np.ndindex(volume.hu.shape):
        place_mm = (volume.affine_lps_mm @ [*place, 1])[:3][: image.GetDimension()]
        index = image.TransformPhysicalPointToIndex(place_mm.tolist())
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), place_mm, atol=1e-9)
        assert image[index] == volume.hu[place]


def assert_comes_back(path: Path) -> None:
    """Hold the law that unchanged HU give a file that SimpleITK reads as the same."""
    out = path.with_name(f"out{path.suffix}")
    assert write_volume_like(path, read_volume(path).hu, out) == 0
    before, after = SimpleITK.ReadImage(str(path)), SimpleITK.ReadImage(str(out))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(after), SimpleITK.GetArrayFromImage(before))
    for ask in ("GetSpacing", "GetOrigin", "GetDirection", "GetPixelID"):
        assert getattr(after, ask)() == getattr(before, ask)()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"TransformMatrix": "0 1 0 0 0 1 1 0 0", "Offset": "1.5 -2 3e-3"},
        {"Rotation": "0 1 0 -1 0 0 0 0 1", "Position": "1 2 3"},
        {"Orientation": "0.6 0.8 0 -0.8 0.6 0 0 0 1", "Origin": "1 2 3"},
        {"ElementSpacing": None, "ElementSize": "1 2 3"},
        {"ElementSpacing": None},
        {"ElementSize": "4 4 4"},
        {"BinaryData": None},
        {"CenterOfRotation": "1 2 3", "AnatomicalOrientation": "LPI", "Comment": "a remark: kept"},
        {"ElementByteOrderMSB": "True"},
        {"BinaryDataByteOrderMSB": "True"},
        {"ElementNumberOfChannels": "1"},
    ],
)
def test_metaimage_headers_mean_what_simpleitk_takes_them_to_mean(tmp_path, changes):
    is_big = "True" in (changes.get("ElementByteOrderMSB"), changes.get("BinaryDataByteOrderMSB"))
    data = WORDS.astype(">i2").tobytes() if is_big else None
    path = metaimage(tmp_path / "a.mha", data, **changes)
    assert read_volume(path).hu.min() == -30
    assert_read_as_simpleitk_does(path)
    assert_comes_back(path)


@pytest.mark.parametrize(
    ("name", "code"),
    [("MET_LONG", "i4"), ("MET_ULONG", "u4"), ("MET_LONG_LONG", "i8"), ("MET_ULONG_LONG", "u8"), ("MET_CHAR", "i1")],
)
def test_metaimage_s_long_has_four_bytes(tmp_path, name, code):
    data = np.arange(60).astype(f"<{code}").tobytes()
    path = metaimage(tmp_path / "a.mha", data, ElementType=name)
    assert read_volume(path).hu.max() == 59
    assert_read_as_simpleitk_does(path)
    assert_comes_back(path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"space": "RAS", "space_origin": "(1.5,-2,3e-3)"},
        {"space": "left-anterior-superior", "space_origin": "(1,2,3)"},
        {"space": "LPS", "space_directions": "(0,0.5,0) (0,0,0.75) (2,0,0)"},
        {"space": None, "space_directions": None, "spacings": "0.5 0.75 2"},
        {"space": None, "space_directions": None},
        {"type": "signed short int", "kinds": "domain domain domain"},
        {"type": "int16_t", "kinds": "space space space"},
        {"endian": "big"},
        {"thicknesses": "nan nan 2", "content": "a remark"},
    ],
)
def test_nrrd_headers_mean_what_simpleitk_takes_them_to_mean(tmp_path, changes):
    data = WORDS.astype(">i2").tobytes() if changes.get("endian") == "big" else None
    path = nrrd(tmp_path / "a.nrrd", data, "# a comment\nkey:=value: with a colon\n", **changes)
    assert read_volume(path).hu.min() == -30
    assert_read_as_simpleitk_does(path)
    assert_comes_back(path)
    assert b"\n# a comment\nkey:=value: with a colon\n" in (tmp_path / "out.nrrd").read_bytes()


def test_a_plane_in_space_keeps_its_place(tmp_path):
    changes = {"dimension": "2", "sizes": "5 12", "space_directions": "(0,0.5,0) (0,0,2)", "space_origin": "(7,8,9)"}
    volume = read_volume(nrrd(tmp_path / "a.nrrd", **changes))
    assert volume.hu.size == 60
    assert sorted(np.linalg.norm(volume.affine_lps_mm[:3, :3], axis=0)) == [0.5, 1.0, 2.0]
    corners = [(volume.affine_lps_mm @ [*np.subtract(volume.hu.shape, 1) * corner, 1])[:3] for corner in (0, 1)]
    np.testing.assert_allclose(np.min(corners, axis=0), (7, 8, 9))


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("bz2", bz2.compress)])
def test_compressed_nrrd_stays_compressed(tmp_path, encoding, encode):
    path = nrrd(tmp_path / "a.nrrd", encode(b"??" + WORDS.tobytes()), encoding=encoding, byte_skip="2")
    hu = read_volume(path).hu
    np.testing.assert_array_equal(hu.ravel()[:3], (-30, -29, -28))
    write_volume_like(path, hu, tmp_path / "b.nrrd")
    assert f"encoding: {encoding}\n".encode() in (tmp_path / "b.nrrd").read_bytes()
    assert describe_volume(tmp_path / "b.nrrd").is_compressed
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nrrd").hu, hu)


def test_data_at_the_end_of_their_file_are_found_there(tmp_path):
    (tmp_path / "a.img").write_bytes(b"a header of another format" + WORDS.tobytes())
    one = metaimage(tmp_path / "a.mhd", b"", HeaderSize="-1", ElementDataFile="a.img")
    assert_read_as_simpleitk_does(one)
    assert_comes_back(one)
    other = nrrd(tmp_path / "a.nhdr", b"", "byte skip: -1\ndata file: a.img\n")
    np.testing.assert_array_equal(read_volume(other).hu, read_volume(one).hu)
    assert_comes_back(other)
    ahead = metaimage(tmp_path / "b.mhd", b"", HeaderSize="26", ElementDataFile="a.img")
    np.testing.assert_array_equal(read_volume(ahead).hu, read_volume(one).hu)


@pytest.mark.parametrize("form", ["mhd", "nhdr"])
def test_numbered_data_files_are_joined(tmp_path, form):
    for number in range(3):
        (tmp_path / f"a_{2 * number + 1:02d}.raw").write_bytes(WORDS[number].tobytes())
    row = "a_%02d.raw 1 5 2"
    make = {
        "mhd": lambda p: metaimage(p, b"", ElementDataFile=row),
        "nhdr": lambda p: nrrd(p, b"", f"data file: {row}\n"),
    }
    path = make[form](tmp_path / f"a.{form}")
    assert_read_as_simpleitk_does(path)
    assert [part.name for part in data_paths(path)] == ["a_01.raw", "a_03.raw", "a_05.raw"]
    assert_comes_back(path)


def test_numbered_data_files_that_do_not_share_evenly_are_refused(tmp_path):
    for number in range(7):
        (tmp_path / f"a{number}.raw").write_bytes(WORDS.tobytes())
    with pytest.raises(SeriesError, match="must share its voxels out evenly") as caught:
        read_volume(metaimage(tmp_path / "a.mhd", b"", ElementDataFile="a%d.raw 0 6 1"))
    assert caught.value.reason == "bad_value"


def test_a_header_with_line_ends_of_windows_is_read(tmp_path):
    path = metaimage(tmp_path / "a.mhd", b"", ElementDataFile="a.raw")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "a.raw").write_bytes(WORDS.tobytes())
    assert_read_as_simpleitk_does(path)


@pytest.mark.parametrize("encode", [zlib.compress, gzip.compress])
def test_either_wrapping_of_deflated_metaimage_is_read_and_its_size_is_always_written(tmp_path, encode):
    data = encode(WORDS.tobytes())
    path = metaimage(tmp_path / "a.mha", data, CompressedData="True", CompressedDataSize=str(len(data)))
    assert_read_as_simpleitk_does(path)
    without = metaimage(tmp_path / "b.mha", data, CompressedData="True")
    write_volume_like(without, read_volume(without).hu, tmp_path / "c.mha")
    assert_read_as_simpleitk_does(tmp_path / "c.mha")
    np.testing.assert_array_equal(read_volume(tmp_path / "c.mha").hu, read_volume(path).hu)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"DimSize": "5 4 -3"}, "bad_value", "must have a positive size"),
        ({"DimSize": "5 4 0"}, "bad_value", "must have a positive size"),
        ({"DimSize": "5 4"}, "bad_value", "must agree with itself about its axes"),
        ({"DimSize": "5 4 three"}, "bad_value", "DimSize must be whole numbers"),
        ({"DimSize": "2000 2000 2000"}, "too_large", "must have at most 2147483648 voxels"),
        ({"DimSize": "9999999999999999 9999999999999999 9"}, "too_large", "must have at most"),
        ({"NDims": "4", "DimSize": "5 4 3 1"}, "not_3d", "must be one volume"),
        ({"DimSize": "5 4 300"}, "pixel_truncated", "must hold 12000 bytes of voxels"),
        ({"DimSize": None}, "unreadable", "must be a readable MetaImage file, got no DimSize"),
        ({"ElementDataFile": None}, "unreadable", "must be a readable MetaImage file"),
        ({"ElementType": "MET_SHORT_ARRAY"}, "bad_value", "must hold plain numbers"),
        ({"ElementNumberOfChannels": "3"}, "not_3d", "must hold one number a voxel"),
        ({"BinaryData": "False"}, "bad_value", "must hold binary words"),
        ({"ElementSpacing": "1 1"}, "bad_value", "ElementSpacing must be 3 numbers"),
        ({"ElementSpacing": "1 1 nan"}, "bad_value", "ElementSpacing must be 3 numbers"),
        ({"ElementSpacing": "1 1 0"}, "bad_value", "must place its voxels in space"),
        ({"ElementSpacing": "1 1 1e400"}, "bad_value", "ElementSpacing must be 3 numbers"),
        ({"ElementSpacing": "1e200 1e200 1e200"}, "bad_value", "must place its voxels in space"),
        ({"Offset": "0 0 1e400"}, "bad_value", "Offset must be 3 numbers"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "bad_value", "must place its voxels in space"),
        ({"Offset": "1e400 0 0"}, "bad_value", "Offset must be 3 numbers"),
        ({"ElementToIntensityFunctionSlope": "2"}, "bad_rescale", "must hold HU without ElementToIntensityFunction"),
        ({"CompressedData": "True"}, "unreadable", "must be a readable MetaImage file"),
        ({"Comment": "two\nlines"}, "unreadable", "must be a readable MetaImage file, got a line 'lines'"),
    ],
)
def test_a_metaimage_that_cannot_be_trusted_is_refused_with_a_reason(tmp_path, changes, reason, words):
    with pytest.raises(SeriesError, match=words) as caught:
        read_volume(metaimage(tmp_path / "a.mha", **changes))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"sizes": "5 4 -3"}, "bad_value", "must have a positive size"),
        ({"sizes": "5 4"}, "bad_value", "must agree with itself about its axes"),
        ({"sizes": "2000 2000 2000"}, "too_large", "must have at most 2147483648 voxels"),
        ({"sizes": "5 4 300"}, "pixel_truncated", "must hold 12000 bytes of voxels"),
        ({"sizes": None}, "unreadable", "must be a readable NRRD file, got no sizes"),
        ({"dimension": "4", "sizes": "5 4 3 1", "space_directions": None}, "not_3d", "must be one volume"),
        ({"kinds": "vector domain domain"}, "not_3d", "must have axes of space only"),
        ({"kinds": "domain domain time"}, "not_3d", "must have axes of space only"),
        ({"space_directions": "none (0,1,0) (0,0,1)"}, "not_3d", "must have axes of space only"),
        ({"space_directions": "(1,0) (0,1) (1,1)"}, "bad_value", "space directions must fill space"),
        ({"space_directions": "(1,0,0) (1,0,0) (0,0,1)"}, "bad_value", "must place its voxels in space"),
        ({"space_origin": "(1,2)"}, "bad_value", "space origin must be 3 numbers"),
        ({"type": "block"}, "bad_value", "must hold plain numbers"),
        ({"endian": None}, "bad_value", "must name its byte order"),
        ({"encoding": "hex"}, "bad_value", "must be raw, gzip or bzip2"),
        ({"encoding": "gzip"}, "unreadable", "must be a readable NRRD file"),
        ({"encoding": "bz2"}, "unreadable", "must be a readable NRRD file"),
        ({"line_skip": "1"}, "bad_value", "must not skip lines"),
        ({"byte_skip": "-2"}, "bad_value", "byte skip must be 0 or more"),
        ({"encoding": "gzip", "byte_skip": "-1"}, "bad_value", "byte skip must be 0 or more"),
    ],
)
def test_a_nrrd_that_cannot_be_trusted_is_refused_with_a_reason(tmp_path, changes, reason, words):
    with pytest.raises(SeriesError, match=words) as caught:
        read_volume(nrrd(tmp_path / "a.nrrd", **changes))
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"])
@pytest.mark.parametrize("content", [b"", b"no volume at all", b"NRRD", bytes(2**21), b"ElementDataFile"])
def test_files_that_are_no_volume_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SeriesError, match=r"must (be a readable|have a header that ends)") as caught:
        read_volume(tmp_path / name)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("n_lost", [6, 20])
def test_a_deflated_stream_that_ends_early_or_is_damaged_is_told(tmp_path, n_lost):
    words = np.random.default_rng(0).integers(-1000, 1000, WORDS.shape).astype("<i2")
    data = zlib.compress(words.tobytes())
    with pytest.raises(SeriesError, match=r"must hold 120 bytes of voxels|must be a readable MetaImage"):
        read_volume(metaimage(tmp_path / "a.mha", data[:-n_lost], CompressedData="True"))
    spoilt = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(SeriesError, match="must be a readable MetaImage file, got damaged data"):
        read_volume(metaimage(tmp_path / "b.mha", spoilt, CompressedData="True"))


def test_a_long_deflated_stream_is_read_in_pieces_as_simpleitk_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr("n2b_ct.io.volume_formats.stored_words._CHUNK_BYTES", 1000)
    monkeypatch.setattr("n2b_ct.io.volume_formats.stored_words._PIECE_WORDS", 777)
    words = np.random.default_rng(0).integers(-1000, 1000, (3, 40, 50)).astype("<i2")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(words), str(tmp_path / "a.mha"), True)
    assert_read_as_simpleitk_does(tmp_path / "a.mha")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    bomb = zlib.compress(bytes(2**20), 9)
    path = metaimage(tmp_path / "a.mha", bomb, DimSize="1024 1024 1024", CompressedData="True")
    with pytest.raises(SeriesError, match="must not grow 250 times") as caught:
        read_volume(path)
    assert caught.value.reason == "too_large"


def test_a_text_of_the_header_that_ends_up_in_a_message_is_short(tmp_path):
    with pytest.raises(SeriesError, match="must hold plain numbers") as caught:
        read_volume(metaimage(tmp_path / "a.mha", ElementType="x" * 1000))
    assert len(str(caught.value)) < 120
