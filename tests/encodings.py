"""Every transfer syntax that can be written here, for tests: native, by pydicom's encoders, by imagecodecs, by hand."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from n2b_ct.io.dicom.reading.transfer_syntaxes import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
)
from tests.helpers import make_ct_dataset

# pydicom 3.0 writes no syntax that its dictionary lacks: another one of the same length stands in, and is renamed
_STAND_INS = {22: JPEG2000Lossless, 24: HTJ2KLossless}

NATIVE_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
PYDICOM_SYNTAXES = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
PLAIN_SYNTAXES = (ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES)
IMAGECODECS_SYNTAXES = (
    JPEGLossless,
    JPEGLosslessSV1,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
    JPEG_XL_LOSSLESS,
    JPEG_XL,
)
LOSSLESS_SYNTAXES = (*NATIVE_SYNTAXES, *PYDICOM_SYNTAXES, *PLAIN_SYNTAXES, *IMAGECODECS_SYNTAXES)


def imagecodecs() -> Any:
    """The package that encodes what pydicom does not; the test skips without it."""
    return pytest.importorskip("imagecodecs", reason="pip install 'n2b-ct[jpeg12]'")


def encoded_dataset(syntax: str, words: np.ndarray, *, bits_stored: int, is_signed: bool, **options: Any) -> Dataset:
    """A CT image whose pixels are encoded without loss; the options are those of :func:`make_ct_dataset`."""
    layout = {"stored": words, "bits_stored": bits_stored, "is_signed": is_signed, **options}
    if syntax in NATIVE_SYNTAXES:
        return make_ct_dataset(**layout, transfer_syntax=syntax)
    dataset = make_ct_dataset(**layout)
    is_broken = syntax == RLELossless and bits_stored <= 8  # pydicom 3.0 encodes such words as single bytes
    if syntax in PYDICOM_SYNTAXES and not is_broken:
        dataset.compress(UID(syntax), generate_instance_uid=False)
        return dataset
    return with_frame(dataset, syntax, _encode(syntax, dataset, words))


def with_frame(dataset: Dataset, syntax: str, frame: bytes) -> Dataset:
    """Put one encapsulated frame in the place of the pixels."""
    dataset["PixelData"] = DataElement("PixelData", "OB", encapsulate([frame]), is_undefined_length=True)
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return dataset


def save_encoded(dataset: Dataset, path: Path) -> Path:
    """Write a data set in any transfer syntax, known to pydicom or not."""
    syntax = dataset.file_meta.TransferSyntaxUID
    n_bytes = len(syntax) + len(syntax) % 2
    is_known = syntax.name != syntax
    dataset.file_meta.TransferSyntaxUID = syntax if is_known else _STAND_INS[n_bytes]
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    written = dataset.file_meta.TransferSyntaxUID.encode().ljust(n_bytes, b"\0")
    content = stream.getvalue().replace(written, syntax.encode().ljust(n_bytes, b"\0"), 1)
    dataset.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def lossy_jpeg(words: np.ndarray, n_bits: int) -> bytes:
    """Encode as extended sequential JPEG, 8 or 12 bits."""
    encoded: bytes = imagecodecs().jpeg8_encode(words.astype("u1" if n_bits == 8 else "u2"), bitspersample=n_bits)
    return encoded


def rle_of_literals(words: np.ndarray) -> bytes:
    """Encode as RLE without any run (PS3.5 G): a segment for each byte of a word, the highest first."""
    planes = words.view("u1").reshape(words.size, words.itemsize).T[::-1]
    segments = [_literals(plane.tobytes()) for plane in planes]
    starts = np.cumsum([64] + [len(segment) for segment in segments])[:-1]
    header = np.zeros(16, "<u4")
    header[0], header[1 : 1 + len(segments)] = len(segments), starts
    return header.tobytes() + b"".join(segments)


def _encode(syntax: str, dataset: Dataset, words: np.ndarray) -> bytes:
    n_bits, is_signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    n_bytes = int(dataset.BitsAllocated) // 8
    signed_words = words.astype(f"<{'i' if is_signed else 'u'}{n_bytes}")
    samples = (words & ((1 << n_bits) - 1)).astype("u1" if n_bits <= 8 else "<u2")
    encoders: dict[str, Callable[[], bytes]] = {
        RLELossless: lambda: rle_of_literals(signed_words),
        ENCAPSULATED_UNCOMPRESSED: signed_words.tobytes,
        DEFLATED_FRAMES: lambda: _deflate(signed_words.tobytes()),
        JPEGLossless: lambda: imagecodecs().jpeg8_encode(samples, lossless=True, bitspersample=n_bits, predictor=4),
        JPEGLosslessSV1: lambda: imagecodecs().jpeg8_encode(samples, lossless=True, bitspersample=n_bits, predictor=1),
        HTJ2KLossless: lambda: imagecodecs().htj2k_encode(signed_words, reversible=True),
        JPEG_XL_LOSSLESS: lambda: imagecodecs().jpegxl_encode(samples, lossless=True, bitspersample=n_bits),
    }
    same = {HTJ2KLosslessRPCL: HTJ2KLossless, HTJ2K: HTJ2KLossless, JPEG_XL: JPEG_XL_LOSSLESS}
    return encoders[same.get(syntax, syntax)]()


def _literals(plane: bytes) -> bytes:
    pieces = [plane[start : start + 128] for start in range(0, len(plane), 128)]
    encoded = b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    return encoded + bytes(len(encoded) % 2)


def _deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()
