"""A denoised slice as a DICOM instance of its own: derived, traceable, and honest about it.

Pure: nothing is written here, and the same arguments give the same data set. Clauses are those of PS3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    LegacyConvertedEnhancedCTImageStorage,
    RLELossless,
)

from n2b_ct.errors import N2BError, OutputError, SeriesError, explain
from n2b_ct.io.dicom.elements import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    integer,
    lenient_integer,
    put,
    put_bytes,
    put_copied,
    quiet_pydicom,
    raw_bytes,
    text,
)
from n2b_ct.io.dicom.reading.slice_checks import CT_IMAGE_STORAGE
from n2b_ct.io.dicom.reading.stored_words import StoredWords, stored_values, stored_words, word_format
from n2b_ct.io.dicom.reading.transfer_syntaxes import lossy_method
from n2b_ct.io.dicom.writing.derivation import (
    Compression,
    Derivation,
    SeriesContext,
    SourceImage,
    ascii_text,
    local_time,
    put_provenance,
    put_references,
)
from n2b_ct.io.dicom.writing.header_copy import copy_header
from n2b_ct.io.series import CTSlice, InstanceRef

__all__ = ["Derivation", "DerivedSlice", "SeriesContext", "derive_slice"]

_N_LO_CHARACTERS = 64
_LARGEST_IS = 2**31 - 1
_PIXEL_DATA = 0x7FE00010
_PIXEL_NUMBERS = ("Rows", "Columns", "PixelRepresentation")
_PIXEL_TEXTS = ("PhotometricInterpretation", "RescaleIntercept", "RescaleSlope")
_ENHANCED = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
# Transfer syntax, and pydicom's plugin that encodes and decodes it
_CODECS: dict[Compression, tuple[str, str]] = {
    "rle": (RLELossless, "pylibjpeg"),
    "jpeg-ls": (JPEGLSLossless, "pyjpegls"),
    "jpeg2000": (JPEG2000Lossless, "pylibjpeg"),
}
TYPE_2 = (
    # Patient, General Study
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
    # General Series, Frame of Reference, General Equipment
    *("SeriesNumber", "PositionReferenceIndicator", "Manufacturer"),
    # General Image, Image Plane, CT Image
    *("InstanceNumber", "SliceThickness", "KVP", "AcquisitionNumber"),
)


@dataclass(frozen=True, slots=True)
class DerivedSlice:
    """A derived instance, ready to be written.

    Attributes:
        dataset: With file meta information and pixels, Explicit VR Little Endian or as the options say.
        n_clipped: Pixels that BitsStored could not hold.
        dropped_creators: Private creators whose elements were left out, as far as they may be named.
    """

    dataset: Dataset
    n_clipped: int
    dropped_creators: frozenset[str] = frozenset()


def derive_slice(
    ct_slice: CTSlice,
    denoised_hu: np.ndarray,
    derivation: Derivation,
    series_context: SeriesContext,
    neighbours: Sequence[InstanceRef] = (),
) -> DerivedSlice:
    """Make the derived instance of one slice.

    Args:
        ct_slice: The source.
        denoised_hu: Its new HU, float ``[rows, cols]``. HU equal to the source's give the source's words.
        derivation: What was done.
        series_context: Where the slice belongs.
        neighbours: Other slices of the series that influenced this one.

    Raises:
        SeriesError: ``not_finite`` or ``bad_shape`` HU; ``header_unwritable``, the source's header holds what cannot
            be copied.
        OutputError: The pixels cannot be compressed.
    """
    try:
        with quiet_pydicom():
            return _derived(ct_slice, denoised_hu, derivation, series_context, neighbours)
    except N2BError:
        raise
    except Exception as error:  # pydicom parses values late, and a hostile header makes it raise anything
        message = explain("slice", "header must be valid DICOM", type(error).__name__, "correct the source")
        raise SeriesError("header_unwritable", message) from error


def _derived(
    ct_slice: CTSlice,
    denoised_hu: np.ndarray,
    derivation: Derivation,
    context: SeriesContext,
    neighbours: Sequence[InstanceRef],
) -> DerivedSlice:
    options = derivation.options
    pixels = stored_words(ct_slice, denoised_hu, widen=options.widen_bits)
    sources = _sources(ct_slice, context, neighbours)
    derived, dropped_creators = copy_header(ct_slice.dataset, keep_private=options.keep_private)
    _put_identity(derived, derivation, context, sources)
    _put_times(derived, derivation)
    _put_image_type(derived)
    _put_pixels(derived, pixels)
    _put_lossy_history(derived, text(ct_slice.dataset.file_meta, "TransferSyntaxUID"))
    put_provenance(derived, derivation)
    if not context.has_repaired_uids:
        put_references(derived, context, sources)
    if options.fill_type_2:
        fill_type_2(derived)
    derived.file_meta = _file_meta(derived)
    compress(derived, pixels.words, options.compression)
    return DerivedSlice(derived, pixels.n_clipped, dropped_creators)


def _sources(ct_slice: CTSlice, context: SeriesContext, neighbours: Sequence[InstanceRef]) -> list[SourceImage]:
    """The slice itself first, then its neighbours; all of a series have one SOP class."""
    source = ct_slice.dataset
    found = text(source, "SOPInstanceUID") or context.instance_uids.get(str(source.filename), "")
    if not found:
        message = explain("slice", "must have a SOPInstanceUID", "none", "scan it with repaired UIDs")
        raise SeriesError("missing_uid", message)
    sop_class = CT_IMAGE_STORAGE if ct_slice.frame_number is None else _enhanced_class(source)
    others = [SourceImage(sop_class, one.sop_instance_uid, one.frame_number) for one in neighbours]
    return [SourceImage(sop_class, found, ct_slice.frame_number), *others]


def _enhanced_class(source: Dataset) -> str:
    """The SOP class of the file that a frame comes from; its data set may be that of a single slice by now."""
    named = (text(source, "SOPClassUID"), text(source.file_meta, "MediaStorageSOPClassUID"))
    return next((one for one in named if one in _ENHANCED), str(EnhancedCTImageStorage))


def _put_identity(
    derived: Dataset, derivation: Derivation, context: SeriesContext, sources: Sequence[SourceImage]
) -> None:
    """New instance and series in the old study (C.7.6.1.1.2: changed pixels shall have a new UID)."""
    options = derivation.options
    marks = [mark for source in sources for mark in source.identity]
    put(derived, "SOPClassUID", CT_IMAGE_STORAGE)
    put(derived, "SOPInstanceUID", derivation.uid("instance", *marks, *context.instance_marks))
    put(derived, "SeriesInstanceUID", context.derived_series_uid)
    put(derived, "InstanceCreatorUID", derivation.operation.creator_uid)
    put(derived, "ContentQualification", options.content_qualification)
    if not text(derived, "StudyInstanceUID"):
        put_copied(derived, "StudyInstanceUID", context.study_instance_uid)
    _put_series_number(derived, options.series_number_offset)
    _put_series_description(derived, derivation.suffix)


def _put_series_number(derived: Dataset, offset: int) -> None:
    """Shift SeriesNumber; an absent one stays absent, an unusable one becomes empty (type 2)."""
    if "SeriesNumber" not in derived:
        return
    found = lenient_integer(derived, "SeriesNumber")
    fits = found is not None and abs(found + offset) <= _LARGEST_IS
    put(derived, "SeriesNumber", str((found or 0) + offset) if fits else "")


def _put_series_description(derived: Dataset, suffix: str) -> None:
    """Append the suffix, which is ASCII and so fits any character set (LO, 64 characters).

    A description that leaves room keeps its bytes; a longer one is cut, or left out if it cannot be read.
    """
    ending = ascii_text(suffix, _N_LO_CHARACTERS)
    n_free = _N_LO_CHARACTERS - len(ending)
    as_read = raw_bytes(derived, "SeriesDescription")
    beginning = text(derived, "SeriesDescription")
    if as_read and b"\\" not in as_read and len(beginning) <= n_free:
        put_bytes(derived, "SeriesDescription", as_read + ending.encode())
        return
    if "\ufffd" in beginning:
        beginning = ""
    put(derived, "SeriesDescription", (beginning.replace("\\", "/")[:n_free] + ending).strip())


def _put_times(derived: Dataset, derivation: Derivation) -> None:
    """One time for the whole series, told in the data set's own zone; acquisition times stay."""
    created = local_time(derivation.created, text(derived, "TimezoneOffsetFromUTC"))
    for kind in ("InstanceCreation", "Content", "Series"):
        put(derived, f"{kind}Date", created.strftime("%Y%m%d"))
        put(derived, f"{kind}Time", created.strftime("%H%M%S.%f"))


def _put_image_type(derived: Dataset) -> None:
    """Value 1 becomes DERIVED; the rest speaks of the examination and stays (C.7.6.1.1.2, C.8.2.1.1.1).

    The kept values are copied as they are, valid or not; two that a CT image must have are added where it ends early.
    """
    kept = [part.strip() for part in text(derived, "ImageType").split("\\")[1:]]
    missing = ["PRIMARY", "AXIAL"][len(kept) :]
    put_copied(derived, "ImageType", ["DERIVED", *kept, *missing])


def _put_pixels(derived: Dataset, pixels: StoredWords) -> None:
    """The words and all that describes them (C.7.6.3, C.8.2.1)."""
    layout, source_layout = pixels.layout, word_format(derived)
    put(derived, "SamplesPerPixel", 1)
    if not text(derived, "PhotometricInterpretation"):
        put(derived, "PhotometricInterpretation", "MONOCHROME2")
    _mend_vrs(derived)
    put(derived, "BitsAllocated", layout.n_bits_allocated)
    put(derived, "BitsStored", layout.n_bits_stored)
    put(derived, "HighBit", layout.n_bits_stored - 1)
    vr = "SS" if layout.is_signed else "US"
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = integer(derived, keyword)
        if value is not None:
            put(derived, keyword, source_layout.wrap(value), vr)
    for keyword, extreme in (
        ("SmallestImagePixelValue", pixels.words.min()),
        ("LargestImagePixelValue", pixels.words.max()),
    ):
        if keyword in derived:
            put(derived, keyword, int(extreme), vr)
    derived[_PIXEL_DATA] = DataElement(_PIXEL_DATA, "OW", pixels.words.tobytes(), is_undefined_length=False)


def _mend_vrs(derived: Dataset) -> None:
    """Give what describes the pixels the VR that PS3.6 knows; a source that says another was read all the same."""
    for keywords, value in ((_PIXEL_NUMBERS, integer), (_PIXEL_TEXTS, text)):
        for keyword in keywords:
            if keyword in derived and dictionary_VR(keyword) != derived[keyword].VR:
                put(derived, keyword, value(derived, keyword))


def _put_lossy_history(derived: Dataset, transfer_syntax: str) -> None:
    """Once lossy, always lossy (C.7.6.1.1.5); denoising itself is no compression."""
    method = lossy_method(transfer_syntax)
    if not method:
        return
    put(derived, "LossyImageCompression", "01")
    if not text(derived, "LossyImageCompressionMethod"):
        put(derived, "LossyImageCompressionMethod", method)


def _file_meta(derived: Dataset) -> FileMetaDataset:
    """Fresh file meta information (PS3.10 7.1): the source's application titles do not travel on."""
    meta = FileMetaDataset()
    put(meta, "MediaStorageSOPClassUID", CT_IMAGE_STORAGE)
    put(meta, "MediaStorageSOPInstanceUID", text(derived, "SOPInstanceUID"))
    put(meta, "TransferSyntaxUID", ExplicitVRLittleEndian)
    put(meta, "ImplementationClassUID", IMPLEMENTATION_CLASS_UID)
    put(meta, "ImplementationVersionName", IMPLEMENTATION_VERSION_NAME)
    return meta


def require_encoder(compression: Compression) -> None:
    """Find out before any work whether a compression is possible here.

    Raises:
        OutputError: Its encoder is not installed.
    """
    if compression == "none":
        return
    syntax, plugin = _CODECS[compression]
    if plugin not in get_encoder(syntax).available_plugins:
        requirement = f"needs the encoder {plugin}"
        raise OutputError(explain(f"compress={compression}", requirement, "none", f"install {plugin}"))


def compress(dataset: Dataset, words: np.ndarray, compression: Compression) -> None:
    """Encode a native instance's pixels; its SOPInstanceUID stays, for it is the same image (PS3.5 8.2).

    The result is decoded again: an encoder that loses a bit must not get away with it.

    Args:
        dataset: With file meta information, Explicit VR Little Endian.
        words: Its stored words ``[rows, cols]``.
        compression: How; ``none`` changes nothing.

    Raises:
        OutputError: The encoder fails, or its result holds other words.
    """
    if compression == "none":
        return
    syntax, plugin = _CODECS[compression]
    try:
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        is_same = np.array_equal(stored_values(dataset), words)
    except Exception as error:
        raise _unusable(compression, type(error).__name__) from error
    if not is_same:
        raise _unusable(compression, "other words")


def _unusable(compression: Compression, got: str) -> OutputError:
    return OutputError(explain(f"compress={compression}", "must keep every word", got, "leave the option out"))


def fill_type_2(derived: Dataset) -> None:
    """Add what is missing, empty; nothing that is there is touched.

    PatientPosition is type 2C, and a CT image without PatientOrientationCodeSequence must have it (C.7.3.1).
    """
    conditional = () if "PatientOrientationCodeSequence" in derived else ("PatientPosition",)
    for keyword in (*TYPE_2, *conditional):
        if keyword not in derived:
            put(derived, keyword, None)
