"""A denoised slice as a DICOM instance of its own: derived, traceable, and honest about it.

Pure: nothing is written here, and the same arguments give the same data set. Clauses are those of PS3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom import provenance
from n2b_ct.io.dicom.checks import CT_IMAGE_STORAGE
from n2b_ct.io.dicom.copying import copy_header
from n2b_ct.io.dicom.derivation import Derivation, SeriesContext, ascii_text
from n2b_ct.io.dicom.elements import put, put_bytes, put_copied, raw_bytes
from n2b_ct.io.dicom.pixels import word_format
from n2b_ct.io.dicom.syntaxes import lossy_method
from n2b_ct.io.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, INSTANCE_CREATOR_UID
from n2b_ct.io.dicom.values import integer, lenient_integer, quiet_pydicom, text
from n2b_ct.io.dicom.words import StoredWords, stored_words
from n2b_ct.io.series import CTSlice

__all__ = ["Derivation", "DerivedSlice", "SeriesContext", "derive_slice"]

_N_LO_CHARACTERS = 64
_N_IS_CHARACTERS = 12
_PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True, slots=True)
class DerivedSlice:
    """A derived instance, ready to be written.

    Attributes:
        dataset: With file meta information and pixels, Explicit VR Little Endian.
        n_clipped: Pixels that BitsStored could not hold.
    """

    dataset: Dataset
    n_clipped: int


def derive_slice(
    ct_slice: CTSlice,
    denoised_hu: np.ndarray,
    derivation: Derivation,
    series_context: SeriesContext,
    neighbour_uids: Sequence[str] = (),
) -> DerivedSlice:
    """Make the derived instance of one slice.

    Args:
        ct_slice: The source.
        denoised_hu: Its new HU, float ``[rows, cols]``. HU equal to the source's give the source's words.
        derivation: What was done.
        series_context: Where the slice belongs.
        neighbour_uids: SOPInstanceUIDs of other slices that influenced this one.

    Raises:
        SeriesError: ``not_finite`` or ``bad_shape`` HU.
    """
    with quiet_pydicom():
        pixels = stored_words(ct_slice, denoised_hu)
        source_uid = _source_uid(ct_slice.dataset, series_context)
        derived = copy_header(ct_slice.dataset)
        _put_identity(derived, source_uid, derivation, series_context, neighbour_uids)
        _put_times(derived, derivation)
        _put_image_type(derived)
        _put_pixels(derived, pixels)
        _put_lossy_history(derived, text(ct_slice.dataset.file_meta, "TransferSyntaxUID"))
        provenance.put_provenance(derived, derivation)
        if not series_context.has_repaired_uids:
            provenance.put_references(derived, series_context, (source_uid, *neighbour_uids))
    derived.file_meta = _file_meta(derived)
    return DerivedSlice(derived, pixels.n_clipped)


def _source_uid(source: Dataset, context: SeriesContext) -> str:
    """The source's SOPInstanceUID, or the one that the scan gave it."""
    found = text(source, "SOPInstanceUID") or context.instance_uids.get(str(source.filename), "")
    if not found:
        message = explain("slice", "must have a SOPInstanceUID", "none", "scan it with repaired UIDs")
        raise SeriesError("missing_uid", message)
    return found


def _put_identity(
    derived: Dataset,
    source_uid: str,
    derivation: Derivation,
    context: SeriesContext,
    neighbour_uids: Sequence[str],
) -> None:
    """New instance and series in the old study (C.7.6.1.1.2: changed pixels shall have a new UID)."""
    put(derived, "SOPClassUID", CT_IMAGE_STORAGE)
    put(derived, "SOPInstanceUID", derivation.uid("instance", source_uid, *neighbour_uids))
    put(derived, "SeriesInstanceUID", context.derived_series_uid)
    put(derived, "InstanceCreatorUID", INSTANCE_CREATOR_UID)
    put(derived, "ContentQualification", derivation.content_qualification)
    if not text(derived, "StudyInstanceUID"):
        put_copied(derived, "StudyInstanceUID", context.study_instance_uid)
    _put_series_number(derived, derivation.series_number_offset)
    _put_series_description(derived, derivation.suffix)


def _put_series_number(derived: Dataset, offset: int) -> None:
    """Shift SeriesNumber; an absent one stays absent, an unusable one becomes empty (type 2)."""
    if "SeriesNumber" not in derived:
        return
    found = lenient_integer(derived, "SeriesNumber")
    shifted = "" if found is None else str(found + offset)
    put(derived, "SeriesNumber", shifted if len(shifted) <= _N_IS_CHARACTERS else "")


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
    created = provenance.local_time(derivation.created, text(derived, "TimezoneOffsetFromUTC"))
    for kind in ("InstanceCreation", "Content", "Series"):
        put(derived, f"{kind}Date", created.strftime("%Y%m%d"))
        put(derived, f"{kind}Time", created.strftime("%H%M%S.%f"))


def _put_image_type(derived: Dataset) -> None:
    """Value 1 becomes DERIVED; the rest speaks of the examination and stays (C.7.6.1.1.2, C.8.2.1.1.1)."""
    found = [part.strip() for part in text(derived, "ImageType").split("\\")]
    rest = found[1:] + ["PRIMARY", "AXIAL"][max(len(found) - 1, 0) :]
    put(derived, "ImageType", ["DERIVED", *rest])


def _put_pixels(derived: Dataset, pixels: StoredWords) -> None:
    """The words and all that describes them (C.7.6.3, C.8.2.1)."""
    layout, source_layout = pixels.layout, word_format(derived)
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
