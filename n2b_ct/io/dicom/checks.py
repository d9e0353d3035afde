"""What a file must be before its pixels are trusted: one check per line of the bad-input table.

Each check takes a parsed file and raises a SeriesError; the two tuples at the end give the order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.parse import Parsed
from n2b_ct.io.dicom.syntaxes import NATIVE, is_supported
from n2b_ct.io.dicom.values import integer, number, numbers, text

N_PIXELS_MAX = 4096 * 4096
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_LARGEST_HU = float(np.finfo(np.float32).max)
_UNIT_TOLERANCE = 1e-2

Check = Callable[[Parsed], None]


def require_ct_class(parsed: Parsed) -> None:
    """CT Image Storage, by SOPClassUID or, where that is empty, by the file meta information."""
    meta = parsed.dataset.file_meta
    found = text(parsed.dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    if found in _ENHANCED_CT:
        raise _refusal(
            "enhanced_ct_unsupported",
            parsed,
            "must be single-frame CT",
            "enhanced CT",
            "export single frames",
        )
    if found != CT_IMAGE_STORAGE:
        raise _refusal(
            "not_ct_image_storage",
            parsed,
            "must be CT Image Storage",
            found or "no SOPClassUID",
            "leave it out",
        )


def require_no_localizer(parsed: Parsed) -> None:
    """Not a scout view (ImageType value 3, PS3.3 C.8.2.1.1.1)."""
    if "LOCALIZER" in text(parsed.dataset, "ImageType").upper().split("\\")[2:]:
        raise _refusal("localizer", parsed, "must be a slice", "a localizer", "leave it out")


def require_grayscale(parsed: Parsed) -> None:
    """One sample per pixel, monochrome."""
    n_samples = integer(parsed.dataset, "SamplesPerPixel")
    colours = text(parsed.dataset, "PhotometricInterpretation")
    if n_samples not in (1, None) or not (colours.startswith("MONOCHROME") or not colours):
        raise _refusal("not_grayscale", parsed, "must be monochrome", colours, "leave it out")


def require_uids(parsed: Parsed) -> None:
    """Study, series and instance are named."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if not text(parsed.dataset, keyword):
            raise _refusal("missing_uid", parsed, f"must have {keyword}", "none", "repair the UIDs or send it again")


def require_geometry(parsed: Parsed) -> None:
    """Position and orientation are there; the two direction cosines are perpendicular units."""
    _require_attributes(parsed, ("ImagePositionPatient", "ImageOrientationPatient"))
    numbers(parsed.dataset, "ImagePositionPatient", 3)
    cosines = np.reshape(numbers(parsed.dataset, "ImageOrientationPatient", 6) or (0.0,) * 6, (2, 3))
    if np.abs(cosines @ cosines.T - np.eye(2)).max() > _UNIT_TOLERANCE:
        got = text(parsed.dataset, "ImageOrientationPatient")
        raise _refusal(
            "bad_value", parsed, "ImageOrientationPatient must be two perpendicular units", got, "correct it"
        )


def require_pixel_description(parsed: Parsed) -> None:
    """Size and word layout are there and possible (PS3.3 C.7.6.3)."""
    _require_attributes(parsed, ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"))
    dataset = parsed.dataset
    allocated, stored = integer(dataset, "BitsAllocated"), integer(dataset, "BitsStored") or 0
    if allocated not in (8, 16):
        raise _refusal("bits_allocated", parsed, "BitsAllocated must be 8 or 16", allocated, "convert it first")
    if not 0 < stored <= allocated:
        raise _refusal("bad_value", parsed, f"BitsStored must lie in 1..{allocated}", stored, "correct the header")
    if integer(dataset, "HighBit") != stored - 1:
        raise _refusal("highbit", parsed, f"HighBit must be {stored - 1}", dataset.HighBit, "correct the header")
    if integer(dataset, "PixelRepresentation") not in (0, 1):
        got = dataset.PixelRepresentation
        raise _refusal("bad_value", parsed, "PixelRepresentation must be 0 or 1", got, "correct the header")


def require_size(parsed: Parsed) -> None:
    """One frame, of a size a CT slice can have: checked before anything is decoded."""
    rows, cols = integer(parsed.dataset, "Rows") or 0, integer(parsed.dataset, "Columns") or 0
    if rows * cols > N_PIXELS_MAX:
        raise _refusal(
            "too_large", parsed, f"must have at most {N_PIXELS_MAX} pixels", f"{rows}x{cols}", "leave it out"
        )
    if rows * cols <= 0 or integer(parsed.dataset, "NumberOfFrames") not in (None, 1):
        raise _refusal("bad_value", parsed, "must be one frame with pixels", f"{rows}x{cols}", "correct the header")


def require_rescale(parsed: Parsed) -> None:
    """Stored words become finite HU (PS3.3 C.8.2.1: both values are type 1)."""
    slope = number(parsed.dataset, "RescaleSlope")
    intercept = number(parsed.dataset, "RescaleIntercept")
    if slope is None or intercept is None:
        raise _refusal(
            "bad_rescale", parsed, "must have RescaleSlope and RescaleIntercept", "none", "correct the header"
        )
    if slope == 0 or abs(slope) * 2**16 + abs(intercept) > _LARGEST_HU:
        raise _refusal("bad_rescale", parsed, "RescaleSlope must give finite HU", f"{slope:g}", "correct the header")


def require_hu(parsed: Parsed) -> None:
    """RescaleType is HU; absent means HU (PS3.3 C.8.2.1)."""
    found = text(parsed.dataset, "RescaleType")
    if found not in ("", "HU"):
        raise _refusal("not_hu", parsed, "RescaleType must be HU", found[:16], "leave it out")


def require_known_syntax(parsed: Parsed) -> None:
    """The transfer syntax has a decoder."""
    if not is_supported(parsed.transfer_syntax):
        got = parsed.transfer_syntax
        raise _refusal(
            "unsupported_transfer_syntax",
            parsed,
            "must have a known transfer syntax",
            got,
            "decompress it first",
        )


def require_pixels(parsed: Parsed) -> None:
    """PixelData is there, and complete where its size is known before decoding."""
    if not parsed.n_pixel_bytes:
        raise _refusal("pixel_missing", parsed, "must have PixelData", "none", "send the file again")
    dataset = parsed.dataset
    n_expected = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
    if parsed.is_cut or (parsed.transfer_syntax in NATIVE and parsed.n_pixel_bytes < n_expected):
        got = f"{parsed.n_pixel_bytes} bytes"
        raise _refusal("pixel_truncated", parsed, "must have all of its pixels", got, "send the file again")


def _require_attributes(parsed: Parsed, keywords: tuple[str, ...]) -> None:
    missing = [keyword for keyword in keywords if not text(parsed.dataset, keyword)]
    if missing:
        raise _refusal("header_incomplete", parsed, f"must have {', '.join(missing)}", "none", "send the file again")


def _refusal(reason: str, parsed: Parsed, requirement: str, got: object, remedy: str) -> SeriesError:
    return SeriesError(reason, explain(parsed.path.name, requirement, got, remedy))


KIND_CHECKS: tuple[Check, ...] = (require_ct_class, require_no_localizer, require_grayscale)
PIXEL_CHECKS: tuple[Check, ...] = (
    require_pixel_description,
    require_size,
    require_rescale,
    require_hu,
    require_known_syntax,
    require_pixels,
)
