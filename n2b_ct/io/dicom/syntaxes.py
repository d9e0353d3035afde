"""Transfer syntaxes: which are native, which are lossy, and which decoder is named for the others.

Decoders are named, never tried in turn: all of them return the same pixels, these are the fastest.
JPEG with 12-bit samples (extended, spectral selection, progressive) has no decoder here under a licence
that the project could pass on.
"""

from __future__ import annotations

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
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

NATIVE: frozenset[str] = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)

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
}

# LossyImageCompressionMethod (0028,2114), PS3.3 C.7.6.1.1.5.1
_LOSSY_METHODS: dict[str, str] = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
    HTJ2K: "ISO_15444_15",
}


def is_supported(transfer_syntax: str) -> bool:
    """Say whether pixels in this transfer syntax can be read at all."""
    return transfer_syntax in NATIVE or transfer_syntax in _DECODERS


def decoder_name(transfer_syntax: str) -> str:
    """Name pydicom's decoding plugin; empty for native pixels."""
    return _DECODERS.get(transfer_syntax, "")


def lossy_method(transfer_syntax: str) -> str:
    """Name the lossy compression that this transfer syntax may have applied; empty if it is lossless."""
    return _LOSSY_METHODS.get(transfer_syntax, "")
