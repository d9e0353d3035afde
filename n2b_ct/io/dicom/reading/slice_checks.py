"""What a file must be before its pixels are trusted: one check per line of the bad-input table.

Each check takes a parsed file and raises a SeriesError; the end of this module gives the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import mul

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.elements import integer, is_valid_uid, lenient_text, number, numbers, quiet_pydicom, shown, text
from n2b_ct.io.dicom.reading.codestreams import N_PIXELS_MAX
from n2b_ct.io.dicom.reading.dicom_file import SYNTAX_ASSUMED, DicomFile, require_few_pixel_bytes
from n2b_ct.io.dicom.reading.transfer_syntaxes import NATIVE, is_supported

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_LARGEST_HU = float(np.finfo(np.float32).max)
_UNIT_TOLERANCE = 1e-2
_FURTHEST_MM = 1e6
_SPACINGS_MM = (1e-6, 1e6)  # whoever multiplies lengths gets finite numbers, and nobody's pixels are left out
_N_COLOUR_SAMPLES = (3, 4)
_COLOURS = ("RGB", "YBR_", "PALETTE COLOR", "HSV", "ARGB", "CMYK", "XYB")
_OTHER_MODALITIES = {
    "PT",
    "MR",
    "SEG",
    "NM",
    "US",
    "CR",
    "DX",
    "MG",
    "XA",
    "RF",
    "SC",
    "SR",
    "RTDOSE",
    "RTSTRUCT",
    "REG",
    "OT",
}

Check = Callable[[DicomFile], None]


def require_ct_class(parsed: DicomFile) -> None:
    """CT Image Storage, or one frame of multi-frame CT; by SOPClassUID or, where that is empty, by the file meta."""
    meta = parsed.dataset.file_meta
    found = text(parsed.dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    if found in ENHANCED_CT and parsed.frame_number is not None:
        return
    if not found:
        require_whole_header(parsed)
        _require_no_ct(parsed)
    if found != CT_IMAGE_STORAGE and (not is_valid_uid(found) or CT_IMAGE_STORAGE.startswith(found)) and found:
        raise _refusal("bad_value", parsed, "SOPClassUID must be whole", shown(found), "send the file again")
    if found != CT_IMAGE_STORAGE:
        raise _refusal(
            "not_ct_image_storage",
            parsed,
            "must be CT Image Storage",
            shown(found) if found else "no SOPClassUID",
            "leave it out",
        )


def require_ct_modality(parsed: DicomFile) -> None:
    """Modality is CT; absent means CT, for the class says so. Exporters have put PET, MR and labels into CT's class."""
    found = lenient_text(parsed.dataset, "Modality")
    if found.strip().upper() not in ("", "CT"):
        remedy = "leave it out, or correct Modality if it is CT"
        got = found if found in _OTHER_MODALITIES else shown(found)
        raise _refusal("not_ct_modality", parsed, "Modality must be CT", got, remedy)


def require_whole_header(parsed: DicomFile) -> None:
    """The file does not end inside its header: what pydicom makes of such a file lacks attributes silently."""
    if parsed.is_header_cut:
        raise _refusal(
            "header_incomplete", parsed, "must hold its whole header", "a file that ends before", "send the file again"
        )


def require_no_localizer(parsed: DicomFile) -> None:
    """Not a scout view (ImageType value 3, PS3.3 C.8.2.1.1.1)."""
    if "LOCALIZER" in text(parsed.dataset, "ImageType").upper().split("\\")[2:]:
        raise _refusal("localizer", parsed, "must be a slice", "a localizer", "leave it out")


def require_grayscale(parsed: DicomFile) -> None:
    """One sample per pixel, monochrome."""
    n_samples = integer(parsed.dataset, "SamplesPerPixel")
    colours = text(parsed.dataset, "PhotometricInterpretation")
    if n_samples in _N_COLOUR_SAMPLES or colours.startswith(_COLOURS):
        raise _refusal("not_grayscale", parsed, "must be monochrome", shown(colours), "leave it out")
    if n_samples not in (1, None) or not (colours.startswith("MONOCHROME") or not colours):
        raise _refusal(
            "bad_value", parsed, "must be monochrome or of a known colour space", shown(colours), "correct it"
        )


def require_one_frame(parsed: DicomFile) -> None:
    """One frame, as CT Image Storage has it (PS3.3 A.3); cone-beam scanners have put whole volumes into it."""
    n_frames = integer(parsed.dataset, "NumberOfFrames")
    if n_frames not in (None, 1):
        remedy = "export it as Enhanced CT or as one file a slice"
        raise _refusal("bad_value", parsed, "CT Image Storage must hold one frame", f"{n_frames} frames", remedy)


def require_uids(parsed: DicomFile) -> None:
    """Study, series and instance are named."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if not text(parsed.dataset, keyword):
            raise _refusal("missing_uid", parsed, f"must have {keyword}", "none", "repair the UIDs or send it again")


def require_geometry(parsed: DicomFile) -> None:
    """Position and orientation are there; direction cosines are perpendicular units, pixels have a size."""
    _require_attributes(parsed, ("ImagePositionPatient", "ImageOrientationPatient"))
    position_mm = numbers(parsed.dataset, "ImagePositionPatient", 3) or (0.0,)
    if max(map(abs, position_mm)) > _FURTHEST_MM:
        got = shown(text(parsed.dataset, "ImagePositionPatient"))
        raise _refusal("bad_value", parsed, "ImagePositionPatient must lie within 1 km", got, "correct it")
    cosines = numbers(parsed.dataset, "ImageOrientationPatient", 6) or (0.0,) * 6
    if not _are_perpendicular_units(cosines[:3], cosines[3:]):
        got = shown(text(parsed.dataset, "ImageOrientationPatient"))
        raise _refusal(
            "bad_value", parsed, "ImageOrientationPatient must be two perpendicular units", got, "correct it"
        )
    _require_positive_spacing(parsed)


def require_pixel_description(parsed: DicomFile) -> None:
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


def require_size(parsed: DicomFile) -> None:
    """A size that a CT slice can have: checked before anything is decoded."""
    rows, cols = integer(parsed.dataset, "Rows") or 0, integer(parsed.dataset, "Columns") or 0
    if rows * cols > N_PIXELS_MAX:
        raise _refusal(
            "too_large", parsed, f"must have at most {N_PIXELS_MAX} pixels", f"{rows}x{cols}", "leave it out"
        )
    if parsed.frame_number is None:
        require_few_pixel_bytes(parsed.path.name, parsed.n_pixel_bytes)
    if rows <= 0 or cols <= 0:
        raise _refusal("bad_value", parsed, "must have rows and columns", f"{rows}x{cols}", "correct the header")


def require_rescale(parsed: DicomFile) -> None:
    """Stored words become finite HU (PS3.3 C.8.2.1: both values are type 1)."""
    slope = number(parsed.dataset, "RescaleSlope")
    intercept = number(parsed.dataset, "RescaleIntercept")
    if slope is None or intercept is None:
        raise _refusal(
            "bad_rescale", parsed, "must have RescaleSlope and RescaleIntercept", "none", "correct the header"
        )
    if slope == 0 or abs(slope) * 2**16 + abs(intercept) > _LARGEST_HU:
        raise _refusal("bad_rescale", parsed, "RescaleSlope must give finite HU", f"{slope:g}", "correct the header")


def require_hu(parsed: DicomFile) -> None:
    """RescaleType is HU; absent means HU (PS3.3 C.8.2.1)."""
    found = text(parsed.dataset, "RescaleType")
    if found not in ("", "HU"):
        raise _refusal("not_hu", parsed, "RescaleType must be HU", shown(found), "leave it out")


def require_known_syntax(parsed: DicomFile) -> None:
    """The transfer syntax has a decoder."""
    if not is_supported(parsed.transfer_syntax):
        got = shown(parsed.transfer_syntax)
        raise _refusal(
            "unsupported_transfer_syntax",
            parsed,
            "must have a known transfer syntax",
            got,
            "decompress it first",
        )


def require_pixels(parsed: DicomFile) -> None:
    """PixelData is there, and complete where its size is known before decoding."""
    if not parsed.n_pixel_bytes:
        raise _refusal("pixel_missing", parsed, "must have PixelData", "none", "send the file again")
    n_missing = _n_native_bytes(parsed) - parsed.n_pixel_bytes
    if parsed.is_cut or (parsed.transfer_syntax in NATIVE and n_missing > 0):
        got = f"{parsed.n_pixel_bytes} bytes"
        raise _refusal("pixel_truncated", parsed, "must have all of its pixels", got, "send the file again")


def require_sure_syntax(parsed: DicomFile) -> None:
    """A native form that was only recognised has just as many bytes as the pixels need, and perhaps one of padding."""
    n_more = parsed.n_pixel_bytes - _n_native_bytes(parsed)
    if SYNTAX_ASSUMED in parsed.notes and parsed.n_pixel_bytes and n_more not in (0, 1):
        got = f"{parsed.n_pixel_bytes} bytes and no name"
        requirement = "must name its transfer syntax or hold native pixels only"
        raise _refusal("unsupported_transfer_syntax", parsed, requirement, got, "export it again")


def _require_no_ct(parsed: DicomFile) -> None:
    """A file without a class is another object only where it says so: a damaged slice lacks it too."""
    if lenient_text(parsed.dataset, "Modality") in ("", "CT"):
        raise _refusal("header_incomplete", parsed, "must have SOPClassUID", "none", "send the file again")


def _n_native_bytes(parsed: DicomFile) -> int:
    dataset = parsed.dataset
    return int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8


def _are_perpendicular_units(along_row: Sequence[float], along_column: Sequence[float]) -> bool:
    pairs = ((along_row, along_row, 1.0), (along_column, along_column, 1.0), (along_row, along_column, 0.0))
    return all(abs(sum(map(mul, one, other)) - wanted) <= _UNIT_TOLERANCE for one, other, wanted in pairs)


def _require_positive_spacing(parsed: DicomFile) -> None:
    spacing_mm = numbers(parsed.dataset, "PixelSpacing", 2)
    if spacing_mm is not None and not _SPACINGS_MM[0] <= min(spacing_mm) <= max(spacing_mm) <= _SPACINGS_MM[1]:
        got = shown(text(parsed.dataset, "PixelSpacing"))
        raise _refusal("bad_value", parsed, "PixelSpacing must be positive and no more than 1 km", got, "correct it")


def _require_attributes(parsed: DicomFile, keywords: tuple[str, ...]) -> None:
    missing = [keyword for keyword in keywords if not text(parsed.dataset, keyword)]
    if missing:
        raise _refusal("header_incomplete", parsed, f"must have {', '.join(missing)}", "none", "send the file again")


def _refusal(reason: str, parsed: DicomFile, requirement: str, got: object, remedy: str) -> SeriesError:
    return SeriesError(reason, explain(parsed.path.name, requirement, got, remedy))


KIND_CHECKS: tuple[Check, ...] = (
    require_ct_class,
    require_ct_modality,
    require_no_localizer,
    require_grayscale,
    require_whole_header,
    require_one_frame,
)
PIXEL_CHECKS: tuple[Check, ...] = (
    require_pixel_description,
    require_size,
    require_rescale,
    require_hu,
    require_known_syntax,
    require_sure_syntax,
    require_pixels,
)


def checks_for(*, repair_uids: bool = False) -> tuple[Check, ...]:
    """List what a scan asks of a slice, kind before identity before place before pixels.

    Args:
        repair_uids: Accept blank UIDs.
    """
    identity = () if repair_uids else (require_uids,)
    return (*KIND_CHECKS, *identity, require_geometry, *PIXEL_CHECKS)


def is_enhanced(parsed: DicomFile) -> bool:
    """Say whether a file is one of the two kinds of multi-frame CT."""
    with quiet_pydicom():
        found = text(parsed.dataset, "SOPClassUID") or text(parsed.dataset.file_meta, "MediaStorageSOPClassUID")
    return found in ENHANCED_CT
