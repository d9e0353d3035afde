"""What of the source's header a derived image may keep: a copy without the rest.

Text is copied as the bytes it was read as, never decoded and encoded again, so a patient's name
survives any character set. Dropped is what no longer holds for other pixels, and what nobody can vouch for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from n2b_ct.errors import SeriesError, explain

N_LEVELS_MAX = 32

# Signatures and encrypted blocks that no longer verify, pixels and icons that are replaced, series-wide
# pixel statistics, and notes about the file, its place or its journey.
_DROPPED = frozenset(
    (
        0x00080015,  # InstanceCoercionDateTime
        0x00080054,  # RetrieveAETitle
        0x00080056,  # InstanceAvailability
        0x00083001,  # AlternateRepresentationSequence
        0x00280108,  # SmallestPixelValueInSeries
        0x00280109,  # LargestPixelValueInSeries
        0x00287FE0,  # PixelDataProviderURL
        0x00880130,  # StorageMediaFileSetID
        0x00880140,  # StorageMediaFileSetUID
        0x00880200,  # IconImageSequence
        0x04000500,  # EncryptedAttributesSequence
        0x4FFE0001,  # MACParametersSequence
        0x7FE00001,  # ExtendedOffsetTable
        0x7FE00002,  # ExtendedOffsetTableLengths
        0x7FE00010,  # PixelData
        0xFFFAFFFA,  # DigitalSignaturesSequence
        0xFFFCFFFC,  # DataSetTrailingPadding
    )
)
_OVERLAY_DATA = 0x3000
_OVERLAY_STATISTICS = (0x1301, 0x1302, 0x1303)  # ROI area, mean and deviation of the old pixels
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
# Value representations of text: the same bytes in every encoding (PS3.5 6.2)
_TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
_N_BYTES_PER_UNIT = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

Element = DataElement | RawDataElement


def copy_header(source: Dataset) -> Dataset:
    """Copy what a derived image keeps; the source stays as it is.

    Raises:
        SeriesError: ``bad_value``, sequences lie deeper than any real header's.
    """
    copied = _copy_level(source, n_levels_left=N_LEVELS_MAX)
    _drop_stale_overlays(copied)
    return copied


def _copy_level(source: Dataset, n_levels_left: int) -> Dataset:
    if n_levels_left == 0:
        message = explain("header", f"sequences must nest at most {N_LEVELS_MAX} deep", "more", "leave the file out")
        raise SeriesError("bad_value", message)
    copied = Dataset()
    for tag in source.keys():  # noqa: SIM118  (a data set iterates over its elements)
        if not _is_dropped(tag):
            copied[tag] = _copy_element(source, tag, n_levels_left)
    copied.set_original_encoding(False, True, source.original_character_set)
    return copied


def _is_dropped(tag: BaseTag) -> bool:
    """Private groups, group lengths and the list above."""
    return tag.is_private or tag.element == 0 or tag in _DROPPED


def _copy_element(source: Dataset, tag: BaseTag, n_levels_left: int) -> Element:
    """Copy one element in a form that Explicit VR Little Endian takes over as it is."""
    raw = cast("Element", source.get_item(tag))  # pydicom promises a DataElement, and gives raw ones too
    vr = _known_vr(raw)
    if vr == "SQ":
        items = [_copy_level(item, n_levels_left - 1) for item in _items(source[tag])]
        return DataElement(tag, "SQ", Sequence(items))
    if isinstance(raw, RawDataElement) and vr in _TEXT_VRS:
        return raw._replace(VR=vr, is_implicit_VR=False, is_little_endian=True)
    if source.original_encoding == (False, True):
        return raw
    is_big_endian = source.original_encoding[1] is False
    return _to_little_endian(source[tag]) if is_big_endian else source[tag]


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
    for group in _OVERLAY_GROUPS:
        own = [tag for tag in dataset.keys() if tag.group == group]  # noqa: SIM118
        has_data = any(tag.element == _OVERLAY_DATA for tag in own)
        for tag in own:
            if not has_data or tag.element in _OVERLAY_STATISTICS:
                del dataset[tag]
