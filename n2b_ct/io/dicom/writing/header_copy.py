"""What of the source's header a derived image may keep: a copy without the rest.

Text is copied as the bytes it was read as, never decoded and encoded again, so a patient's name
survives any character set. Dropped is what no longer holds for other pixels, and what cannot be checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.reading.element_layout import N_NESTED_SEQUENCES_MAX

N_LEVELS_MAX = N_NESTED_SEQUENCES_MAX + 1  # the data set itself counts

# Signatures and encrypted blocks that no longer verify, pixels and icons that are replaced, statistics of the old
# pixels, and notes about the file, its place or its journey.
_DROPPED = frozenset(
    (
        0x00080001,  # LengthToEnd, retired
        0x00080015,  # InstanceCoercionDateTime
        0x00080054,  # RetrieveAETitle
        0x00080056,  # InstanceAvailability
        0x00083001,  # AlternateRepresentationSequence
        0x00280104,  # SmallestValidPixelValue, retired
        0x00280105,  # LargestValidPixelValue, retired
        0x00280108,  # SmallestPixelValueInSeries
        0x00280109,  # LargestPixelValueInSeries
        0x00280110,  # SmallestImagePixelValueInPlane, retired
        0x00280111,  # LargestImagePixelValueInPlane, retired
        0x00287FE0,  # PixelDataProviderURL
        0x00603000,  # HistogramSequence
        0x00880130,  # StorageMediaFileSetID
        0x00880140,  # StorageMediaFileSetUID
        0x00880200,  # IconImageSequence
        0x04000500,  # EncryptedAttributesSequence
        0x4FFE0001,  # MACParametersSequence
        0x7FE00001,  # ExtendedOffsetTable
        0x7FE00002,  # ExtendedOffsetTableLengths
        0x7FE00008,  # FloatPixelData
        0x7FE00009,  # DoubleFloatPixelData
        0x7FE00010,  # PixelData
        0xFFFAFFFA,  # DigitalSignaturesSequence
        0xFFFCFFFC,  # DataSetTrailingPadding
    )
)
_OVERLAY_DATA = 0x3000
_OVERLAY_STATISTICS = (0x1301, 0x1302, 0x1303)  # ROI area, mean and deviation of the old pixels
_OVERLAY_GROUPS = range(0x6000, 0x6100, 2)
_FIRST_GROUP = 0x0008  # below lie commands, file meta information and directories, which are no part of an image
# Value representations of text: the same bytes in every encoding (PS3.5 6.2)
_TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
_N_BYTES_PER_UNIT = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

Element = DataElement | RawDataElement
UNKNOWN_CREATOR = "unknown"


def copy_header(source: Dataset, *, keep_private: bool = False) -> tuple[Dataset, frozenset[str]]:
    """Copy what a derived image keeps; the source stays as it is.

    Returns:
        The copy, without pixels, and the private creators that were left out, as :func:`creator_names` gives them.

    Raises:
        SeriesError: ``bad_value``, sequences lie deeper than any real header's.
    """
    copier = _Copier(keep_private)
    copied = copier.level(source, N_LEVELS_MAX)
    _drop_stale_overlays(copied)
    return copied, creator_names(copier.creators)


class _Copier:
    """Copies level by level, and remembers the private creators that it left out."""

    def __init__(self, keep_private: bool) -> None:
        self._keep_private = keep_private
        self.creators: set[str] = set()

    def level(self, source: Dataset, n_levels_left: int) -> Dataset:
        if n_levels_left == 0:
            message = explain(
                "header", f"sequences must nest at most {N_NESTED_SEQUENCES_MAX} deep", "more", "leave the file out"
            )
            raise SeriesError("bad_value", message)
        copied = Dataset()
        for tag in source.keys():  # noqa: SIM118  (a data set iterates over its elements)
            if not self._is_dropped(source, tag):
                copied[tag] = self._element(source, tag, n_levels_left)
        mark_as_encoded(copied)
        return copied

    def _is_dropped(self, source: Dataset, tag: BaseTag) -> bool:
        """Private groups, group lengths, what belongs into no image, and the list above."""
        if tag.is_private and not self._keep_private:
            if tag.is_private_creator:
                self.creators.add(_plain_text(source.get_item(tag)))
            return True
        return tag.element == 0 or tag.group < _FIRST_GROUP or tag in _DROPPED

    def _element(self, source: Dataset, tag: BaseTag, n_levels_left: int) -> Element:
        """Copy one element in a form that Explicit VR Little Endian takes over as it is."""
        raw = cast("Element", source.get_item(tag))  # pydicom promises a DataElement, and gives raw ones too
        vr = _known_vr(raw)
        if vr == "SQ":
            items = [self.level(item, n_levels_left - 1) for item in _items(source[tag])]
            return DataElement(tag, "SQ", Sequence(items))
        if isinstance(raw, RawDataElement) and (vr in _TEXT_VRS or _is_unknown_little_endian(raw, vr)):
            return _even(raw)._replace(VR=vr, is_implicit_VR=False, is_little_endian=True)
        if source.original_encoding == (False, True):
            return _even(raw) if isinstance(raw, RawDataElement) else raw
        is_big_endian = source.original_encoding[1] is False
        return _to_little_endian(source[tag]) if is_big_endian else source[tag]


def _even(raw: RawDataElement) -> RawDataElement:
    """Pad a value of odd length, which a sloppy writer left (PS3.5 7.1.1)."""
    if not raw.value or len(raw.value) % 2 == 0:
        return raw
    padding = b" " if raw.VR in _TEXT_VRS and raw.VR != "UI" else b"\0"
    return raw._replace(value=raw.value + padding, length=len(raw.value) + 1)


def mark_as_encoded(dataset: Dataset) -> None:
    """Say that raw elements are in the form that will be written, so that pydicom passes their bytes on."""
    dataset.set_original_encoding(False, True, dataset._character_set)


def _is_unknown_little_endian(raw: RawDataElement, vr: str) -> bool:
    """Bytes that nobody here can read are written as UN, which is what they are (PS3.5 6.2.2)."""
    return vr == "UN" and raw.is_little_endian


def _known_vr(element: Element) -> str:
    """The VR that an element has or, where the encoding leaves it out, that the dictionary gives."""
    if element.VR not in (None, "UN"):
        return str(element.VR)
    try:
        return dictionary_VR(element.tag)
    except KeyError:
        return "UN"


def _items(element: DataElement) -> Iterable[Dataset]:
    """A sequence's items; none where its bytes could not be parsed as one."""
    return element.value or () if element.VR == "SQ" else ()


def _to_little_endian(element: DataElement) -> DataElement:
    """Swap the bytes that pydicom leaves alone: the O* value representations."""
    n_bytes = _N_BYTES_PER_UNIT.get(element.VR, 1)
    if n_bytes == 1 or not isinstance(element.value, bytes) or len(element.value) % n_bytes:
        return element
    swapped = np.frombuffer(element.value, f">u{n_bytes}").astype(f"<u{n_bytes}").tobytes()
    return DataElement(element.tag, element.VR, swapped)


def _drop_stale_overlays(dataset: Dataset) -> None:
    """Drop planes that lived in spare pixel bits (retired, PS3.3 C.9.2) and statistics of the old pixels."""
    own = [tag for tag in dataset.keys() if tag.group in _OVERLAY_GROUPS]  # noqa: SIM118
    with_data = {tag.group for tag in own if tag.element == _OVERLAY_DATA}
    for tag in own:
        if tag.group not in with_data or tag.element in _OVERLAY_STATISTICS:
            del dataset[tag]


def _plain_text(element: Element | None) -> str:
    value = element.value if element is not None else ""
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip(" \0")


def creator_names(creators: Iterable[str]) -> frozenset[str]:
    """Name the private creators that pydicom's dictionary knows, and call every other one ``unknown``.

    A creator should name a vendor, but it is text of the file like any other: only a known name is surely no patient's.
    """
    return frozenset(creator if creator in private_dictionaries else UNKNOWN_CREATOR for creator in creators)
