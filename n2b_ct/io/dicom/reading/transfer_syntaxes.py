"""Transfer syntaxes: which are native, which are lossy, and which decoder is named for the others.

Decoders are named, never tried in turn: all of them return the same pixels, these are the fastest.
What is not in the table is refused: multi-component JPEG 2000, video, retired JPEG with arithmetic or
hierarchical coding, and pixels that lie on another machine (JPIP).
"""

from __future__ import annotations

from typing import Literal

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
JPEG_SPECTRAL_SELECTION = "1.2.840.10008.1.2.4.53"
JPEG_FULL_PROGRESSION = "1.2.840.10008.1.2.4.55"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL = "1.2.840.10008.1.2.4.112"

NATIVE: frozenset[str] = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)

Family = Literal["rle", "jpeg", "jpeg_ls", "jpeg_2000", "jpeg_xl", "bytes", "deflated"]

_FAMILIES: dict[str, Family] = {
    RLELossless: "rle",
    JPEGBaseline8Bit: "jpeg",
    JPEGExtended12Bit: "jpeg",
    JPEG_SPECTRAL_SELECTION: "jpeg",
    JPEG_FULL_PROGRESSION: "jpeg",
    JPEGLossless: "jpeg",
    JPEGLosslessSV1: "jpeg",
    JPEGLSLossless: "jpeg_ls",
    JPEGLSNearLossless: "jpeg_ls",
    JPEG2000Lossless: "jpeg_2000",
    JPEG2000: "jpeg_2000",
    HTJ2KLossless: "jpeg_2000",
    HTJ2KLosslessRPCL: "jpeg_2000",
    HTJ2K: "jpeg_2000",
    JPEG_XL_LOSSLESS: "jpeg_xl",
    JPEG_XL: "jpeg_xl",
    ENCAPSULATED_UNCOMPRESSED: "bytes",
    DEFLATED_FRAMES: "deflated",
}

_DECODERS: dict[str, str] = {
    RLELossless: "pylibjpeg",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGBaseline8Bit: "gdcm",
    JPEGExtended12Bit: "imagecodecs",
    JPEG_SPECTRAL_SELECTION: "imagecodecs",
    JPEG_FULL_PROGRESSION: "imagecodecs",
    JPEG_XL_LOSSLESS: "imagecodecs",
    JPEG_XL: "imagecodecs",
}

_PACKAGES: dict[str, str] = {
    "imagecodecs": "'n2b-ct[jpeg12]'",
    "gdcm": "python-gdcm",
    "pylibjpeg": "'pylibjpeg[openjpeg,rle]'",
}

# LossyImageCompressionMethod (0028,2114), PS3.3 C.7.6.1.1.5.1
_LOSSY_METHODS: dict[str, str] = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEG_SPECTRAL_SELECTION: "ISO_10918_1",
    JPEG_FULL_PROGRESSION: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
    HTJ2K: "ISO_15444_15",
    JPEG_XL: "ISO_18181_1",
}


def is_supported(transfer_syntax: str) -> bool:
    """Say whether pixels in this transfer syntax can be read at all."""
    return transfer_syntax in NATIVE or transfer_syntax in _FAMILIES


def family(transfer_syntax: str) -> Family | None:
    """Name the kind of codestream that a compressed pixel frame holds; None for native pixels."""
    return _FAMILIES.get(transfer_syntax)


def decoder_name(transfer_syntax: str) -> str:
    """Name the decoder that the pixels need; empty where this package reads them by itself."""
    return _DECODERS.get(transfer_syntax, "")


def how_to_install(decoder: str) -> str:
    """Say what brings a decoder that is missing."""
    return f"pip install {_PACKAGES.get(decoder, decoder)}"


def lossy_method(transfer_syntax: str) -> str:
    """Name the lossy compression that this transfer syntax may have applied; empty if it is lossless."""
    return _LOSSY_METHODS.get(transfer_syntax, "")
