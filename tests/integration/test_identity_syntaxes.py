"""An identity network keeps every stored word, whatever transfer syntax, depth and sign the source has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.uid import ExplicitVRLittleEndian

from n2b_ct.cli import run
from n2b_ct.io.dicom.ct_reader import read_slice
from tests.encodings import LOSSLESS_SYNTAXES, encoded_dataset, imagecodecs, save_encoded
from tests.helpers import derive_file, make_ct_dataset
from tests.integration.scenes import identity_model

N_BITS = (8, 10, 12, 13, 14, 15, 16)
N_PADDED_ROWS = 5
LOSSLESS_FORMATS = (
    "CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
    "CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm",
    "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
    "CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
    "CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm",
    "CTImage.dcm_JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm",
    "CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
    "CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm",
    "CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm",
)
ENCODERS = {
    "dcmtk": ("dcmcjpeg +e1", "dcmcjpeg +el", "dcmconv +tb", "dcmconv +td", "dcmcrle --uid-never", "dcmcjpls +el"),
    "libgdcm-tools": ("gdcmconv --jpeg", "gdcmconv --jpegls", "gdcmconv --j2k", "gdcmconv --rle"),
}
"""Debian packages, and commands of theirs that encode without loss."""
LOSSY_FORMATS = {
    "CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm": "jpeg8_decode",
    "CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm": "jpeg8_decode",
    "CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm": "jpeg8_decode",
    "CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm": "jpeg8_decode",
    "CTImage.dcm_JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm": "jpegls_decode",
    "CTImage.dcm_JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91.dcm": "jpeg2k_decode",
    "693_J2KI.dcm": "jpeg2k_decode",
}
"""Lossy samples, and the function of imagecodecs that decodes them apart from the plugin used here."""


def random_words(n_bits: int, is_signed: bool, padding: int) -> np.ndarray:
    """Words of the whole range, with padding in the first rows only."""
    lowest = -(1 << (n_bits - 1)) if is_signed else 0
    words = np.random.default_rng(n_bits).integers(lowest, lowest + (1 << n_bits), (64, 64))
    words[words == padding] = lowest + 3
    words[:N_PADDED_ROWS] = padding
    return words


def raw_words(path: Path) -> np.ndarray:
    """The bytes of a native little-endian file, read by nobody but NumPy."""
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    dtype = "<i2" if dataset.PixelRepresentation else "<u2"
    return np.frombuffer(dataset.PixelData, dtype).reshape(dataset.Rows, dataset.Columns)


def denoised_by_identity(source: Path, folder: Path) -> Path:
    """Run the command on a single file, and return what it wrote."""
    source_dir = folder / "in"
    source_dir.mkdir()
    shutil.copy(source, source_dir / "slice.dcm")
    model = identity_model(folder / "identity.pt")
    assert run(["denoise", str(source_dir), str(folder / "out"), "--model", str(model)]) == 0
    (written,) = (path for path in (folder / "out").rglob("*") if path.is_file())
    return written


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES)
@pytest.mark.parametrize("is_signed", [False, True])
def test_words_survive_in_every_depth(syntax, is_signed, tmp_path):
    for n_bits in N_BITS:
        padding = -(1 << (n_bits - 1)) if is_signed else (1 << n_bits) - 1
        words = random_words(n_bits, is_signed, padding)
        dataset = encoded_dataset(syntax, words, bits_stored=n_bits, is_signed=is_signed, padding=padding)
        source = save_encoded(dataset, tmp_path / f"{n_bits}.dcm")
        ct_slice = read_slice(source)
        np.testing.assert_array_equal(ct_slice.stored, words)
        np.testing.assert_array_equal(ct_slice.is_padding, words == padding)
        written = derive_file(source, tmp_path / f"derived{n_bits}.dcm")
        np.testing.assert_array_equal(raw_words(tmp_path / f"derived{n_bits}.dcm"), words)
        layout = (written.BitsStored, written.HighBit, written.PixelRepresentation, written.PixelPaddingValue)
        assert layout == (n_bits, n_bits - 1, is_signed, padding)


@pytest.mark.parametrize("is_signed", [False, True])
def test_words_of_eight_allocated_bits_are_widened_and_survive(is_signed, tmp_path):
    words = np.random.default_rng(8).integers(-128 * is_signed, 256 - 128 * is_signed, (64, 64))
    dataset = make_ct_dataset(stored=words, bits_allocated=8, bits_stored=8, is_signed=is_signed)
    source = save_encoded(dataset, tmp_path / "slice.dcm")
    derive_file(source, tmp_path / "derived.dcm")
    np.testing.assert_array_equal(raw_words(tmp_path / "derived.dcm"), words)


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES)
def test_the_command_keeps_every_word(syntax, tmp_path, capsys):
    words = random_words(12, True, -2000)
    dataset = encoded_dataset(syntax, words, bits_stored=12, is_signed=True, padding=-2000)
    source = save_encoded(dataset, tmp_path / "source.dcm")
    np.testing.assert_array_equal(raw_words(denoised_by_identity(source, tmp_path)), words)


@pytest.mark.parametrize(("package", "command"), [(package, one) for package in ENCODERS for one in ENCODERS[package]])
@pytest.mark.parametrize("is_signed", [False, True])
def test_what_other_toolkits_encode_keeps_every_word(package, command, is_signed, tmp_path):
    tool, option = command.split()
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: apt-get install {package}")
    words = random_words(13, is_signed, 77)
    dataset = make_ct_dataset(stored=words, bits_stored=13, is_signed=is_signed, padding=77)
    source = save_encoded(dataset, tmp_path / "native.dcm")
    subprocess.run([tool, option, source, tmp_path / "encoded.dcm"], check=True)
    assert pydicom.dcmread(tmp_path / "encoded.dcm").file_meta.TransferSyntaxUID != ExplicitVRLittleEndian
    derive_file(tmp_path / "encoded.dcm", tmp_path / "derived.dcm")
    np.testing.assert_array_equal(raw_words(tmp_path / "derived.dcm"), words)


@pytest.mark.real_data
@pytest.mark.parametrize("name", LOSSLESS_FORMATS)
def test_one_real_image_is_the_same_in_every_lossless_encoding(name, shared_data, tmp_path, capsys):
    native = pydicom.dcmread(shared_data / "formats/CTImage.dcm")
    expected = np.frombuffer(native.PixelData, "<i2").reshape(native.Rows, native.Columns)
    written = denoised_by_identity(shared_data / "formats" / name, tmp_path)
    np.testing.assert_array_equal(raw_words(written), expected)
    assert "LossyImageCompression" not in pydicom.dcmread(written, stop_before_pixels=True)


@pytest.mark.real_data
@pytest.mark.parametrize("name", LOSSY_FORMATS)
def test_a_real_lossy_image_keeps_the_words_that_another_decoder_finds(name, shared_data, tmp_path, capsys):
    source = pydicom.dcmread(shared_data / "formats" / name)
    frame = get_frame(source.PixelData, 0, number_of_frames=1)
    decoded = getattr(imagecodecs(), LOSSY_FORMATS[name])(frame)
    expected = decoded.astype("<i2") if source.PixelRepresentation else decoded
    written = denoised_by_identity(shared_data / "formats" / name, tmp_path)
    np.testing.assert_array_equal(raw_words(written), expected)
    assert pydicom.dcmread(written, stop_before_pixels=True).LossyImageCompression == "01"


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["693_UNCR.dcm", "693_J2KR.dcm"])
def test_a_real_image_whose_codestream_has_another_depth_keeps_its_words(name, shared_data, tmp_path, capsys):
    native = pydicom.dcmread(shared_data / "formats/693_UNCR.dcm")
    expected = np.frombuffer(native.PixelData, "<i2").reshape(native.Rows, native.Columns)
    np.testing.assert_array_equal(raw_words(denoised_by_identity(shared_data / "formats" / name, tmp_path)), expected)


@pytest.mark.real_data
@pytest.mark.parametrize("process", ["2_4", "6_8", "10_12"])
def test_dcmtk_agrees_on_12_bit_jpeg(process, shared_data, tmp_path):
    if shutil.which("dcmdjpeg") is None:
        pytest.skip("dcmdjpeg is missing: apt-get install dcmtk")
    (source,) = (shared_data / "formats").glob(f"*JPEGProcess{process}TransferSyntax*")
    subprocess.run(["dcmdjpeg", source, tmp_path / "native.dcm"], check=True)
    by_dcmtk = raw_words(tmp_path / "native.dcm").astype(int)
    assert np.abs(read_slice(source).stored.astype(int) - by_dcmtk).max() <= 1
