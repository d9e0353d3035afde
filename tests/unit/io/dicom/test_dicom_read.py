"""HU come from each slice's own words and rescale; what cannot be trusted is refused."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import (
    decode,
    decoded_words,
    decoding,
    read_series,
    read_slice,
    read_slices,
    stored_values,
)
from n2b_ct.io.dicom.reading.dicom_file import parse_file
from n2b_ct.io.dicom.scan import examine_file, scan
from tests.helpers import make_ct_dataset, save, save_series, water_ramp


def test_hu_are_words_times_slope_plus_intercept(tmp_path):
    path = save(make_ct_dataset(slope="0.5", intercept="-1000"), tmp_path / "slice")
    hu = read_slice(path).hu
    assert hu.dtype == np.float32
    assert hu[0, 0] == 900 * 0.5 - 1000
    assert hu[-1, -1] == (900 + 24 * 32 - 1) * 0.5 - 1000
    np.testing.assert_array_equal(
        hu, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO"))[0]
    )


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_native_encodings_give_the_same_words(tmp_path, syntax):
    path = save(make_ct_dataset(transfer_syntax=syntax), tmp_path / "slice")
    words = stored_values(read_slice(path).dataset)
    np.testing.assert_array_equal(words, water_ramp())
    assert words.dtype.isnative
    assert not words.flags.writeable


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("is_signed", [False, True])
def test_compressed_encodings_give_the_same_words(tmp_path, syntax, is_signed):
    words = water_ramp(64, 64) - (3000 if is_signed else 0)
    dataset = make_ct_dataset(stored=words, is_signed=is_signed, bits_stored=16)
    dataset.compress(syntax, generate_instance_uid=False)
    path = save(dataset, tmp_path / "slice")
    np.testing.assert_array_equal(stored_values(read_slice(path).dataset), words)


def test_deflated_files_are_inflated(tmp_path):
    dataset = make_ct_dataset(transfer_syntax="1.2.840.10008.1.2.1.99")
    path = save(dataset, tmp_path / "slice")
    np.testing.assert_array_equal(stored_values(read_slice(path).dataset), water_ramp())
    assert len(scan(path).series) == 1


def test_a_deflate_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("n2b_ct.io.dicom.reading.dicom_file.N_INFLATED_BYTES_MAX", 1000)
    path = save(make_ct_dataset(transfer_syntax="1.2.840.10008.1.2.1.99"), tmp_path / "slice")
    with pytest.raises(SeriesError, match="must inflate to the size of a CT slice") as caught:
        read_slice(path)
    assert caught.value.reason == "deflated_too_large"
    assert [found.action for found in examine_file(path)] == ["skipped"]


def test_unsigned_words_with_a_negative_intercept_do_not_wrap(tmp_path):
    path = save(make_ct_dataset(stored=np.zeros((2, 2), int)), tmp_path / "slice")
    assert (read_slice(path).hu == -1024).all()


def test_padding_is_marked_and_keeps_the_hu_of_its_word(tmp_path):
    words = water_ramp() - 900
    path = save(make_ct_dataset(stored=words, is_signed=True, bits_stored=16, padding=5), tmp_path / "slice")
    ct_slice = read_slice(path)
    np.testing.assert_array_equal(ct_slice.is_padding, words == 5)
    assert ct_slice.hu[0, 5] == 5 - 1024


@pytest.mark.parametrize(("value", "limit"), [(5, 9), (9, 5)])
def test_a_padding_range_holds_both_its_ends_in_either_order(tmp_path, value, limit):
    words = water_ramp() - 900
    dataset = make_ct_dataset(stored=words, is_signed=True, bits_stored=16, padding=value, padding_limit=limit)
    ct_slice = read_slice(save(dataset, tmp_path / "slice"))
    np.testing.assert_array_equal(ct_slice.is_padding, (words >= 5) & (words <= 9))


def test_padding_written_unsigned_is_read_as_the_signed_word_it_means(tmp_path):
    words = np.where(water_ramp() < 910, -2000, 0)
    dataset = make_ct_dataset(stored=words, is_signed=True, bits_stored=16)
    dataset.add_new("PixelPaddingValue", "US", 63536)
    ct_slice = read_slice(save(dataset, tmp_path / "slice"))
    np.testing.assert_array_equal(ct_slice.is_padding, words == -2000)


@pytest.mark.parametrize(
    ("changes", "reason", "match"),
    [
        ({"RescaleIntercept": None}, "bad_rescale", "must have RescaleSlope and RescaleIntercept"),
        ({"RescaleSlope": "1e300"}, "bad_rescale", "must give finite HU"),
        ({"RescaleType": "HU_MOD"}, "not_hu", "RescaleType must be HU, got HU_MOD"),
        ({"Rows": 5000, "Columns": 5000}, "too_large", "at most 16777216 pixels, got 5000x5000"),
        ({"PixelData": bytes(10)}, "pixel_truncated", "must have all of its pixels, got 10 bytes"),
        ({"PixelData": None}, "pixel_missing", "must have PixelData"),
    ],
)
def test_a_slice_that_cannot_be_trusted_is_refused(tmp_path, changes, reason, match):
    path = save(make_ct_dataset(**changes), tmp_path / "slice")
    with pytest.raises(SeriesError, match=match) as caught:
        read_slice(path)
    assert caught.value.reason == reason


def compressed(syntax: str) -> bytes:
    dataset = make_ct_dataset(stored=np.random.default_rng(0).integers(0, 4000, (64, 64)))
    dataset.compress(syntax, generate_instance_uid=False)
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("n_bytes_lost", [1, 8, 3000])
def test_a_compressed_file_cut_short_is_seen_before_decoding(tmp_path, syntax, n_bytes_lost):
    path = tmp_path / "cut"
    path.write_bytes(compressed(syntax)[:-n_bytes_lost])
    with pytest.raises(SeriesError, match="must have all of its pixels") as caught:
        read_slice(path)
    assert caught.value.reason == scan(path).records[0].reason == "pixel_truncated"


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_a_damaged_codestream_is_an_error(tmp_path, syntax):
    content = compressed(syntax)
    start = content.index(b"\xff\xd8" if syntax == JPEGLSLossless else b"\xff\x4f")
    path = tmp_path / "damaged"
    path.write_bytes(content[:start] + bytes(60) + content[start + 60 :])
    with pytest.raises(SeriesError, match="pixels: must start with the header of an image") as caught:
        read_slice(path)
    assert caught.value.reason == "pixel_undecodable"


def test_no_header_is_parsed_where_a_slice_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "slice"
    path.write_bytes(compressed(JPEGLSLossless))
    request = decoding(parse_file(path, with_pixels=False))
    path.write_bytes(bytes(request["pixel_offset"]) + path.read_bytes()[request["pixel_offset"] :])
    decoded = decoded_words(decode(**request))
    np.testing.assert_array_equal(decoded, np.random.default_rng(0).integers(0, 4000, (64, 64)))


@pytest.mark.parametrize("padding", [63536, -2000])
def test_padding_that_bits_stored_cannot_hold_survives_decoding(tmp_path, padding):
    words = np.where(water_ramp() < 910, -2000, 5)
    dataset = make_ct_dataset(stored=words, is_signed=True, bits_stored=12)
    dataset.add_new("PixelPaddingValue", "US" if padding > 0 else "SS", padding)
    dataset.compress(RLELossless, generate_instance_uid=False)
    ct_slice = read_slice(save(dataset, tmp_path / "slice"))
    np.testing.assert_array_equal(ct_slice.stored, words)
    np.testing.assert_array_equal(ct_slice.is_padding, words == -2000)


def test_good_compressed_slices_are_read_around_bad_ones(tmp_path):
    save_series(tmp_path, [2.0 * place for place in range(6)])
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    (series,) = scan(tmp_path).series
    for index in (0, 2, 3, 5):
        series.instances[index].path.write_bytes(b"")
    read = list(read_slices(series.instances))
    assert [getattr(one, "reason", "") for one in read] == ["empty", "", "empty", "empty", "", "empty"]
    positions = [float(one.dataset.ImagePositionPatient[2]) for one in (read[1], read[4])]
    assert positions == [2.0, 8.0]


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    dataset = make_ct_dataset()
    dataset.compress(RLELossless, generate_instance_uid=False)
    request = decoding(parse_file(save(dataset, tmp_path / "slice"), with_pixels=False))
    monkeypatch.setattr("n2b_ct.io.dicom.reading.stored_words.decoder_name", lambda syntax: "absent")
    with pytest.raises(SeriesError, match="need the decoder absent"):
        decode(**request)


def test_a_series_is_read_in_place_order_with_its_own_rescale_per_slice(tmp_path):
    for index, (slope, intercept) in enumerate([("1", "-1024"), ("2", "-1000"), ("0.25", "0")]):
        dataset = make_ct_dataset(
            slope=slope, intercept=intercept, instance_number=9 - index, position_mm=(0, 0, 3 * index)
        )
        save(dataset, tmp_path / f"{9 - index}")
    (series,) = scan(tmp_path).series
    volume = read_series(series)
    assert volume.hu.shape == (3, 24, 32)
    np.testing.assert_array_equal(volume.hu[:, 0, 0], [900 - 1024, 1800 - 1000, 225])
    assert volume.source is series


def test_some_slices_are_read_in_the_order_asked_for(tmp_path):
    save_series(tmp_path)
    (series,) = scan(tmp_path).series
    told: list[tuple[int, int, str]] = []
    volume = read_series(series, [2, 0], lambda *progress: told.append(progress))
    np.testing.assert_array_equal(volume.hu, read_series(series).hu[[2, 0]])
    assert told == [(1, 2, "reading slices"), (2, 2, "reading slices")]
    with pytest.raises(SeriesError, match="at least one slice"):
        read_series(series, [])


def test_the_affine_maps_indices_to_patient_millimetres(tmp_path):
    save_series(tmp_path, [0.0, 2.0, 4.0])
    (series,) = scan(tmp_path).series
    affine = read_series(series).affine_lps_mm
    np.testing.assert_allclose(affine @ [1, 0, 0, 1], [-16, -12, 2, 1])  # next slice: 2 mm up
    np.testing.assert_allclose(affine @ [0, 1, 0, 1], [-16, -11.5, 0, 1])  # next row: 0.5 mm to the back
    np.testing.assert_allclose(affine @ [0, 0, 1, 1], [-15.25, -12, 0, 1])  # next column: 0.75 mm to the left


def test_the_affine_agrees_with_simpleitk(tmp_path):
    angle = np.radians(20)
    save_series(tmp_path, orientation=(np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0))
    (series,) = scan(tmp_path).series
    affine = read_series(series).affine_lps_mm
    image = SimpleITK.ReadImage([str(one.path) for one in series.instances])
    for index in ((0, 0, 0), (2, 5, 7), (1, 23, 0)):
        expected = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose((affine @ [*index, 1])[:3], expected, atol=1e-4)


def test_a_single_slice_steps_by_its_thickness(tmp_path):
    save(make_ct_dataset(), tmp_path / "slice")
    (series,) = scan(tmp_path).series
    np.testing.assert_allclose(read_series(series).affine_lps_mm[:, 0], [0, 0, 2, 0])


def test_a_file_that_changed_size_after_the_scan_is_refused(tmp_path):
    (path,) = save_series(tmp_path, [0.0])
    (series,) = scan(tmp_path).series
    save(make_ct_dataset(stored=water_ramp(8, 8)), path)
    with pytest.raises(SeriesError, match="slices must be 24x32, got 8x8"):
        read_series(series)


@pytest.mark.real_data
def test_real_hu_agree_with_simpleitk(shared_data):
    (series, *_) = scan(shared_data / "ct_noisy").series
    ct_slice = read_slice(series.instances[0].path)
    image = SimpleITK.ReadImage(str(series.instances[0].path), imageIO="GDCMImageIO")
    np.testing.assert_array_equal(ct_slice.hu, SimpleITK.GetArrayFromImage(image)[0])


@pytest.mark.real_data
def test_all_lossless_encodings_of_one_image_give_the_same_hu(shared_data):
    paths = sorted((shared_data / "formats").glob("CTImage.dcm*Lossless*"))
    paths += sorted((shared_data / "formats").glob("CTImage.dcm*Endian*"))
    paths += sorted((shared_data / "formats").glob("CTImage.dcm*Process14*"))
    expected = read_slice(shared_data / "formats" / "CTImage.dcm").hu
    assert len(paths) == 9
    for path in paths:
        np.testing.assert_array_equal(read_slice(path).hu, expected, err_msg=path.name)


@pytest.mark.real_data
def test_unreadable_real_files_say_why(shared_data):
    expected = {"no_meta.dcm": "not_dicom", "eCT_Supplemental.dcm": "no_slices"}
    for name, reason in expected.items():
        with pytest.raises(SeriesError, match=r"leave it out|scan the file") as caught:
            read_slice(shared_data / "formats" / name)
        assert caught.value.reason == reason
    assert pydicom.__version__ >= "3.0.2"
