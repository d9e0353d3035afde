"""Hold a data set against the Standard's tables (PS3.3), offline: they ship with highdicom.

What needs no condition is checked: type 1 and 2 attributes of mandatory modules, those of every sequence item that
is there, emptiness where the Standard wants a value, attributes that the object's definition does not know. And the
slices of a series must agree on what they share.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom.datadict import get_entry, repeater_has_tag
from pydicom.dataset import Dataset

from n2b_ct.io.dicom.elements import quiet_pydicom

ItemPath = tuple[str, ...]
"""Keywords of the sequences that lead to an item, outermost first."""

_FREE = {"ModifiedAttributesSequence", "NonconformingModifiedAttributesSequence"}
"""Their items may hold any attribute (C.12.1.1.9)."""
_GROUPS = {("SharedFunctionalGroupsSequence",), ("PerFrameFunctionalGroupsSequence",)}
"""A functional group stands in either (C.7.6.16), so neither must have it."""
_WANTS_PRESENCE = {"1", "2"}
_WANTS_VALUE = {"1", "1C"}


@dataclass(frozen=True)
class IODTable:
    """What one object's definition says.

    Attributes:
        known: Every attribute that any of its modules has, as (path, keyword), with all types that they give it.
        required: Those that must be there, provided that their item is.
    """

    known: dict[tuple[ItemPath, str], frozenset[str]]
    required: dict[ItemPath, frozenset[str]]


def iod_findings(dataset: Dataset) -> list[str]:
    """What the tables object to, one line each, sorted; empty is good. Private elements are nobody's business.

    Raises:
        KeyError: The tables do not know the SOP class.
    """
    with quiet_pydicom():  # the values of a real header are dciodvfy's business
        table = _table(str(dataset.SOPClassUID))
        return sorted({line for path, item in _items(dataset, ()) for line in _of_item(item, path, table)})


def series_disagreements(datasets: Iterable[Dataset]) -> list[str]:
    """Attributes of patient, study, series, frame of reference and equipment that differ within one series.

    dcentvfy compares fewer: two manufacturers or two frames of reference in one series leave it silent.
    """
    with quiet_pydicom():
        seen: dict[str, set[str]] = {}
        for dataset in datasets:
            for keyword in _shared_keywords():
                seen.setdefault(keyword, set()).add(str(dataset.get(keyword)))
    return sorted(keyword for keyword, values in seen.items() if len(values) > 1)


@cache
def _shared_keywords() -> frozenset[str]:
    """What all instances of a series have in common (PS3.3 A.1.2), padding aside, which may be a slice's own."""
    modules = _read("module_attribute_map")
    shared = ("patient", "general-study", "patient-study", "general-series", "frame-of-reference", "general-equipment")
    keywords = {one["keyword"] for module in shared for one in modules[module] if not one["path"]}
    return frozenset(keywords - {"PixelPaddingValue"})


def _items(dataset: Dataset, path: ItemPath) -> Iterator[tuple[ItemPath, Dataset]]:
    """The data set and, recursively, every item of every standard sequence in it."""
    yield path, dataset
    for element in dataset:
        if element.VR == "SQ" and not element.tag.is_private and element.keyword not in _FREE:
            for item in element.value:
                yield from _items(item, (*path, element.keyword))


def _of_item(item: Dataset, path: ItemPath, table: IODTable) -> Iterator[str]:
    for keyword in table.required.get(path, frozenset()):
        if keyword not in item:
            yield f"missing {_name(path, keyword)}"
    for element in item:
        if element.tag.is_private:
            continue
        keyword = _keyword(element)
        types = table.known.get((path, keyword))
        if types is None:
            yield f"outside the IOD {_name(path, keyword)}"
        elif types <= _WANTS_VALUE and element.is_empty:
            yield f"empty {_name(path, keyword)}"


def _name(path: ItemPath, keyword: str) -> str:
    return "/".join((*path, keyword))


def _keyword(element: Any) -> str:
    """The keyword; for a tag that the dictionary does not know, the tag itself."""
    if repeater_has_tag(element.tag):
        return get_entry(element.tag)[4]
    return element.keyword or str(element.tag)


@cache
def _table(sop_class_uid: str) -> IODTable:
    """Merge the modules of a SOP class; a sequence that several share must satisfy each of them."""
    modules = _read("module_attribute_map")
    known: dict[tuple[ItemPath, str], frozenset[str]] = {}
    required: dict[ItemPath, frozenset[str]] = {}
    for module in _read("iod_module_map")[_read("sop_class_iod_map")[sop_class_uid]]:
        for attribute in modules[module["key"]]:
            path, keyword = tuple(attribute["path"]), attribute["keyword"]
            known[path, keyword] = known.get((path, keyword), frozenset()) | {attribute["type"]}
            is_due = module["usage"] == "M" if not path else path not in _GROUPS
            if is_due and attribute["type"] in _WANTS_PRESENCE:
                required[path] = required.get(path, frozenset()) | {keyword}
    return IODTable(known, required)


@cache
def _read(name: str) -> dict[str, Any]:
    return json.loads(files("highdicom").joinpath("_standard", f"{name}.json").read_text(encoding="utf-8"))
