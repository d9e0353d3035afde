"""Bad input, rows 15 to 30: what headers say of the values, and how the pixels are stored."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, JPEGLSNearLossless, RLELossless

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.reading.stored_words import stored_values
from n2b_ct.io.dicom.scan import scan
from tests.bad_input import Tree, patched, slice_file
from tests.encodings import encoded_dataset, imagecodecs, with_frame
from tests.helpers import make_ct_dataset, save, save_series, water_ramp
from tests.integration.scenes import biased_model

SQUARE = {"PixelSpacing": ["0.5", "0.5"]}
USED = {"slice": "used"}
ASSUME_HU = ("--assume-hu",)


def hu_of(tree: Tree, *, assume_hu: bool = False) -> np.ndarray:
    """HU of the one slice in ``bad``."""
    (series,) = [one for one in scan(tree.source, assume_hu=assume_hu).series if one.directory.name != "good"]
    return read_slice(series.instances[0]).hu


# ── 15–17: the rescale ──


@pytest.mark.parametrize("slope", ["0", "0.0", "-0"])
def test_row_15_a_slope_of_zero_is_refused(tree, slope):
    slice_file(tree.bad / "slice", slope=slope)
    tree.holds({"slice": "error:bad_rescale"}, status=1)
    tree.holds({"slice": "error:bad_rescale"}, status=1, options=(*ASSUME_HU, "--overwrite"))


@pytest.mark.parametrize("number", [b"nan     ", b"inf     ", b"1e39    "])
def test_row_15_a_slope_that_gives_no_finite_hu_is_refused(tree, number):
    patched(slice_file(tree.bad / "slice", slope="1.234567"), b"1.234567", number)
    reason = "bad_rescale" if number.strip() == b"1e39" else "bad_value"
    tree.holds({"slice": f"error:{reason}"}, status=1)


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("value", [None, ""])
def test_row_15_a_missing_rescale_is_refused_without_assume_hu(tree, keyword, value):
    slice_file(tree.bad / "slice", **{keyword: value})
    tree.holds({"slice": "error:bad_rescale"}, status=1)
    (told,) = tree.holds(USED, status=0, options=(*ASSUME_HU, "--overwrite"))
    assert "assumed_hu" in told["problems"]


def test_row_15_assumed_values_are_words_and_the_output_says_so(tree):
    slice_file(tree.bad / "slice", RescaleSlope=None, RescaleIntercept=None, **SQUARE)
    (told,) = tree.holds(USED, status=0, options=ASSUME_HU)
    assert told["problems"] == ["assumed_hu"]
    np.testing.assert_array_equal(hu_of(tree, assume_hu=True), water_ramp())
    (derived,) = tree.written()
    assert (derived.RescaleSlope, derived.RescaleIntercept) == (1, 0)
    assert derived.PixelData == pydicom.dcmread(tree.bad / "slice").PixelData


def test_row_15_assume_hu_reaches_the_decoder_of_compressed_slices(tree):
    dataset = encoded_dataset(RLELossless, water_ramp(), bits_stored=12, is_signed=False, series_uid="1.2.3")
    del dataset.RescaleIntercept
    save(dataset, tree.bad / "slice")
    (told,) = tree.holds(USED, status=0, options=ASSUME_HU)
    assert (told["status"], "assumed_hu" in told["problems"]) == ("done", True)


def test_row_15_assume_hu_says_nothing_of_slices_that_say_it_themselves(tree):
    slice_file(tree.bad / "slice", **SQUARE)
    (told,) = tree.holds(USED, status=0, options=ASSUME_HU)
    assert told["problems"] == []


def test_row_15_a_fractional_slope_is_exact(tree):
    slice_file(tree.bad / "slice", slope="0.5", intercept="-1024.5")
    tree.holds(USED, status=0)
    assert hu_of(tree)[0, :2].tolist() == [900 / 2 - 1024.5, 901 / 2 - 1024.5]
    assert tree.written()[0].PixelData == pydicom.dcmread(tree.bad / "slice").PixelData


@pytest.mark.parametrize("rescale_type", ["US", "HU_MOD", "EDW", "hu"])
def test_row_16_values_that_are_not_hu_are_refused_without_assume_hu(tree, rescale_type):
    slice_file(tree.bad / "slice", RescaleType=rescale_type)
    tree.holds({"slice": "error:not_hu"}, status=1)
    (told,) = tree.holds(USED, status=0, options=(*ASSUME_HU, "--overwrite"))
    assert "assumed_hu" in told["problems"]
    assert tree.written()[0].RescaleType == "HU"


@pytest.mark.parametrize("value", [None, "", "HU"])
def test_row_16_hu_and_silence_are_hu(tree, value):
    slice_file(tree.bad / "slice", **({} if value is None else {"RescaleType": value}))
    tree.holds(USED, status=0)


@pytest.mark.parametrize(
    "garbage", [b"one     ", b"-1024,0 ", b"1_0     ", b"0x10    ", b"1\\2     ", b"\xff\xfe\xfd     "]
)
def test_row_17_a_number_that_is_none_is_never_guessed(tree, garbage):
    patched(slice_file(tree.bad / "slice", intercept="-1024.25"), b"-1024.25", garbage)
    tree.holds({"slice": "error:bad_value"}, status=1)
    tree.holds({"slice": "error:bad_value"}, status=1, options=(*ASSUME_HU, "--overwrite"))


# ── 18–22: words ──


def test_row_18_unsigned_words_reach_below_zero(tree):
    slice_file(tree.bad / "slice", stored=np.zeros((24, 32), int), intercept="-1024")
    tree.holds(USED, status=0)
    assert hu_of(tree).min() == -1024.0


def padded_words(padding: int) -> np.ndarray:
    """A ramp with a padded frame."""
    words = water_ramp()
    words[:3], words[:, :3] = padding, padding
    return words


@pytest.mark.parametrize("padding", [-2000, -1500, -32768])
def test_row_19_padding_is_put_back_and_no_native_pixel_equals_it(tree, tmp_path, padding):
    biased = Tree(tree.root, biased_model(tmp_path / "biased.pt", bias=0.4))
    slice_file(tree.bad / "slice", stored=padded_words(padding), is_signed=True, bits_stored=16, padding=padding)
    biased.holds(USED, status=0)
    words = stored_values(tree.written()[0])
    np.testing.assert_array_equal(words == padding, padded_words(padding) == padding)


def test_row_20_padding_with_the_wrong_sign_is_recognised(tree):
    dataset = make_ct_dataset(
        stored=padded_words(-2000), is_signed=True, bits_stored=16, series_uid="1.2.3", study_uid="1.2"
    )
    dataset.add_new("PixelPaddingValue", "US", 63536)
    save(dataset, tree.bad / "slice")
    tree.holds(USED, status=0)
    assert read_slice(tree.bad / "slice").is_padding.sum() == np.count_nonzero(padded_words(-2000) == -2000)
    np.testing.assert_array_equal(stored_values(tree.written()[0]), padded_words(-2000))


@pytest.mark.parametrize("high_bit", [15, 10, 0])
def test_row_21_a_high_bit_elsewhere_is_refused(tree, high_bit):
    slice_file(tree.bad / "slice", HighBit=high_bit)
    tree.holds({"slice": "error:highbit"}, status=1)


def test_row_21_bits_beyond_bits_stored_do_not_count(tree):
    slice_file(tree.bad / "slice", stored=water_ramp() | 0x8000)
    tree.holds(USED, status=0)
    np.testing.assert_array_equal(hu_of(tree), water_ramp() - 1024)


@pytest.mark.parametrize("bits_stored", [0, 17, 40])
def test_row_21_impossible_bits_are_refused(tree, bits_stored):
    slice_file(tree.bad / "slice", BitsStored=bits_stored)
    tree.holds({"slice": "error:bad_value"}, status=1)


def test_row_22_values_that_do_not_fit_are_clipped_and_counted(tree, tmp_path):
    huge = Tree(tree.root, biased_model(tmp_path / "huge.pt", bias=-1e5))
    slice_file(tree.bad / "slice")
    (told,) = huge.holds(USED, status=0)
    assert told["n_clipped_pixels"] > 0
    words = stored_values(tree.written()[0])
    assert words[0].max() == 0
    assert words[-1].tolist() == water_ramp()[-1].tolist()


def test_row_22_a_model_that_returns_nothing_finite_writes_nothing(tree, tmp_path, capsys):
    broken = Tree(tree.root, biased_model(tmp_path / "nan.pt", bias=float("nan")))
    slice_file(tree.bad / "slice")
    assert broken.denoise() == 2
    assert not list(tree.output.rglob("*")) if tree.output.exists() else True
    assert "finite" in capsys.readouterr().err


# ── 23–26: other images ──


def test_row_23_monochrome1_keeps_its_values_and_its_name(tree):
    slice_file(tree.bad / "slice", PhotometricInterpretation="MONOCHROME1")
    tree.holds(USED, status=0)
    np.testing.assert_array_equal(hu_of(tree), water_ramp() - 1024)
    assert tree.written()[0].PhotometricInterpretation == "MONOCHROME1"


@pytest.mark.parametrize(("n_samples", "colours"), [(3, "RGB"), (3, "YBR_FULL"), (1, "PALETTE COLOR")])
def test_row_24_colour_is_skipped(tree, n_samples, colours):
    slice_file(tree.bad / "slice", SamplesPerPixel=n_samples, PhotometricInterpretation=colours)
    tree.holds({"slice": "skipped:not_grayscale"}, status=0)


@pytest.mark.parametrize("n_bits", [1, 12, 32, 64])
def test_row_25_words_of_other_widths_are_refused(tree, n_bits):
    slice_file(tree.bad / "slice", BitsAllocated=n_bits)
    tree.holds({"slice": "error:bits_allocated"}, status=1)


def test_row_25_words_of_8_bits_are_read_and_widened(tree):
    words = water_ramp(first=0) % 200
    slice_file(tree.bad / "slice", stored=words, bits_allocated=8, bits_stored=8)
    tree.holds(USED, status=0)
    (derived,) = tree.written()
    assert derived.BitsAllocated == 16
    np.testing.assert_array_equal(stored_values(derived), words)


def test_row_26_oblong_pixels_are_reported(tree):
    slice_file(tree.bad / "slice", PixelSpacing=["0.5", "0.75"])
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["non_square_pixels"]
    assert tree.written()[0].PixelSpacing == [0.5, 0.75]


@pytest.mark.parametrize("value", [None, ""])
def test_row_26_a_missing_pixel_size_is_reported(tree, value):
    slice_file(tree.bad / "slice", PixelSpacing=value)
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["pixel_spacing_missing"]


@pytest.mark.parametrize("spacing", [["0.5", "0.5", "0.5"], ["0", "0.5"], ["-1", "1"]])
def test_row_26_an_impossible_pixel_size_is_refused(tree, spacing):
    slice_file(tree.bad / "slice", PixelSpacing=spacing)
    tree.holds({"slice": "error:bad_value"}, status=1)


# ── 27–30: compression ──


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_row_27_lossless_compression_gives_the_very_same_words(tree, syntax):
    words = water_ramp(64, 64) - 1200
    dataset = encoded_dataset(syntax, words, bits_stored=16, is_signed=True, series_uid="1.2.3", intercept="0")
    save(dataset, tree.bad / "slice")
    tree.holds(USED, status=0)
    np.testing.assert_array_equal(stored_values(tree.written()[0]), words)


def test_row_27_a_decoder_that_is_not_installed_is_named(monkeypatch):
    dataset = encoded_dataset(RLELossless, water_ramp(), bits_stored=12, is_signed=False)
    monkeypatch.setattr("n2b_ct.io.dicom.reading.stored_words.decoder_name", lambda _: "nobodys_codec")
    with pytest.raises(SeriesError, match=r"need the decoder nobodys_codec.*pip install nobodys_codec") as caught:
        stored_values(dataset)
    assert caught.value.reason == "decoder_missing"


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.4.65",  # JPEG lossless hierarchical, retired
        "1.2.840.10008.1.2.4.94",  # JPIP: the pixels lie elsewhere
        "1.2.840.10008.1.2.4.102",  # MPEG-4 video
        "1.2.840.113619.5.2",  # private
    ],
)
def test_row_28_compression_without_a_decoder_is_refused(tree, syntax):
    dataset = encoded_dataset(RLELossless, water_ramp(), bits_stored=12, is_signed=False, series_uid="1.2.3")
    path = save(dataset, tree.bad / "slice")
    name = syntax.encode().ljust(26, b"\0")
    value = b"1.2.840.10008.1.2.5\0"
    element = b"\x02\x00\x10\x00UI"
    patched(path, element + b"\x14\x00" + value, element + b"\x1a\x00" + name)
    tree.holds({"slice": "error:unsupported_transfer_syntax"}, status=1)


def test_row_29_lossy_compression_is_reported_and_carried_on(tree):
    codec = imagecodecs()
    words = water_ramp().astype("<u2")
    dataset = make_ct_dataset(stored=words, series_uid="1.2.3")
    save(with_frame(dataset, JPEGLSNearLossless, codec.jpegls_encode(words, level=3)), tree.bad / "slice")
    (told,) = tree.holds(USED, status=0)
    assert "lossy_source" in told["problems"]
    assert tree.written()[0].LossyImageCompression == "01"


def test_row_29_what_was_lossy_once_stays_so(tree):
    slice_file(tree.bad / "slice", LossyImageCompression="01", LossyImageCompressionMethod="ISO_15444_1", **SQUARE)
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["lossy_source"]
    assert tree.written()[0].LossyImageCompression == "01"


def test_row_30_a_codestream_of_another_sign_is_read_as_the_header_says(tree):
    words = water_ramp(64, 64)
    dataset = encoded_dataset(JPEG2000Lossless, words, bits_stored=16, is_signed=False, series_uid="1.2.3")
    dataset.PixelRepresentation = 1
    save(dataset, tree.bad / "slice")
    tree.holds(USED, status=0)
    np.testing.assert_array_equal(hu_of(tree), words - 1024)


@pytest.mark.real_data
def test_row_30_a_real_codestream_of_another_sign(shared_data):
    signed, unsigned = (read_slice(shared_data / "formats" / name).hu for name in ("693_J2KR.dcm", "693_UNCR.dcm"))
    np.testing.assert_array_equal(signed, unsigned)


def test_the_series_fails_whole_where_one_slice_is_bad(tree):
    save_series(tree.bad, [0.0, 2.0], series_uid="1.2.3")
    slice_file(tree.bad / "worse", series_uid="1.2.3", slope="0", instance_number=9)
    (told,) = tree.holds({"slice001": "used", "slice002": "used", "worse": "error:bad_rescale"}, status=1)
    assert (told["status"], told["reason"]) == ("failed", "bad_rescale")
