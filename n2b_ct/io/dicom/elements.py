"""Data elements of our own, validated strictly, and the codes that they use.

pydicom validates assigned values with warnings only; an element built here breaks the Standard's rules
of its VR with an exception instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

# (CodeValue, CodeMeaning) of coding scheme DCM, PS3.16
SMOOTHING = ("113087", "Smoothing")  # CID 7203: no code says noise reduction
ADDITION = ("113042", "Pixel by pixel addition")  # CID 7203
ARTIFICIAL_INTELLIGENCE = ("123110", "Artificial Intelligence")  # CID 7162
SOURCE_IMAGE = ("121322", "Source image for image processing operation")  # CID 7202
SOURCE_SERIES = ("121323", "Source series for image processing operation")  # CID 7210
ACQUISITION_EQUIPMENT = ("109101", "Acquisition Equipment")  # CID 7005
PROCESSING_EQUIPMENT = ("109102", "Processing Equipment")  # CID 7005


def put(dataset: Dataset, keyword: str, value: Any, vr: str | None = None) -> None:
    """Set an element of ours.

    Args:
        dataset: Gets the element.
        keyword: Its keyword in PS3.6.
        value: Its value; an invalid one raises ValueError.
        vr: Its VR, where the dictionary leaves a choice.
    """
    tag = _tag(keyword)
    dataset[tag] = DataElement(tag, vr or dictionary_VR(tag), value, validation_mode=config.RAISE)


def put_copied(dataset: Dataset, keyword: str, value: str | list[str]) -> None:
    """Set an element whose value is the source's: copied as it is, valid or not."""
    tag = _tag(keyword)
    dataset[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)


def raw_bytes(dataset: Dataset, keyword: str) -> bytes:
    """Text as the bytes that were read, without padding; empty if absent or decoded already."""
    element = cast("DataElement | RawDataElement | None", dataset.get_item(keyword) if keyword in dataset else None)
    return (element.value or b"").rstrip(b" \0") if isinstance(element, RawDataElement) else b""


def put_bytes(dataset: Dataset, keyword: str, content: bytes) -> None:
    """Set a text element whose bytes are already in the data set's character set."""
    tag = Tag(_tag(keyword))
    padded = content + b" " * (len(content) % 2)
    dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(padded), padded, 0, False, True)


def put_sequence(dataset: Dataset, keyword: str, items: Iterable[Dataset]) -> None:
    """Set a sequence."""
    tag = _tag(keyword)
    dataset[tag] = DataElement(tag, "SQ", Sequence(items))


def code_item(code: tuple[str, str]) -> Dataset:
    """Make a code sequence item of coding scheme DCM (PS3.3 table 8.8-1)."""
    value, meaning = code
    item = Dataset()
    put(item, "CodeValue", value)
    put(item, "CodingSchemeDesignator", "DCM")
    put(item, "CodeMeaning", meaning)
    return item


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        msg = f"{keyword} is not in the dictionary"
        raise KeyError(msg)
    return tag
