"""Where a derived image comes from and what made it (PS3.3 C.7.6.1.1.3, C.7.6.1.1.4, C.12.1, C.12.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pydicom.dataset import Dataset

from n2b_ct.io.dicom.elements import (
    ARTIFICIAL_INTELLIGENCE,
    PROCESSING_EQUIPMENT,
    SOURCE_IMAGE,
    SOURCE_SERIES,
    code_item,
    put,
    put_sequence,
)
from n2b_ct.io.dicom.values import is_valid_uid, text
from n2b_ct.io.dicom.writing.derivation import Derivation, SeriesContext
from n2b_ct.io.dicom.writing.equipment import put_own_equipment, take_scanner

_UTC_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image, or one frame of it, that the pixels come from.

    Attributes:
        sop_class_uid, sop_instance_uid: What it is called.
        frame_number: Which frame, from 1, where it holds many.
    """

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """What of it decides the UID of a derived image; a frame adds its number."""
        frame = () if self.frame_number is None else (f"frame {self.frame_number}",)
        return (self.sop_instance_uid, *frame)


def put_provenance(derived: Dataset, derivation: Derivation) -> None:
    """Say what was done, in words and codes, and which equipment did it.

    The words and codes replace the source's: they speak of the step from the source image to this one.
    Equipment is appended: it contributed as well.
    """
    code = derivation.operation.code
    codes = (code, ARTIFICIAL_INTELLIGENCE) if derivation.learned else (code,)
    put(derived, "DerivationDescription", derivation.text)
    put_sequence(derived, "DerivationCodeSequence", map(code_item, codes))
    derived.pop("SourceImageSequence", None)
    if derivation.operation.is_synthetic:
        put(derived, "SyntheticData", "YES")
    _put_equipment(derived, derivation)


def put_references(derived: Dataset, context: SeriesContext, sources: Sequence[SourceImage]) -> None:
    """Point at the source slice first, then at its neighbours, and at their series.

    What an invalid UID names is not referred to: a reference is ours, and none of ours breaks the rules of its VR.
    """
    named = [one for one in sources if is_valid_uid(one.sop_instance_uid)]
    if named:
        put_sequence(derived, "SourceImageSequence", map(_source_item, named))
    if not is_valid_uid(context.series_instance_uid):
        return
    if named:
        _append_series(derived, "ReferencedSeriesSequence", _referenced_series(context, named), context)
    if is_valid_uid(context.study_instance_uid):
        _append_series(derived, "RelatedSeriesSequence", _related_series(context), context)


def local_time(created: datetime, utc_offset: str) -> datetime:
    """Tell a time in the data set's own zone (TimezoneOffsetFromUTC, such as ``+0200``).

    A time without zone, or a data set without a usable offset, leaves it as it is.
    """
    found = _UTC_OFFSET.fullmatch(utc_offset)
    if created.tzinfo is None or found is None:
        return created
    sign = -1 if found[1] == "-" else 1
    return created.astimezone(timezone(sign * timedelta(hours=int(found[2]), minutes=int(found[3]))))


def _put_equipment(derived: Dataset, derivation: Derivation) -> None:
    """Append this software to the equipment that contributed, and put it first if it was asked for (C.12.1.1.5)."""
    contributors = list(derived.get("ContributingEquipmentSequence") or [])
    if derivation.options.equipment == "n2b":
        contributors.append(take_scanner(derived))
        put_own_equipment(derived, derivation)
    contributors.append(_equipment_item(derivation, text(derived, "TimezoneOffsetFromUTC")))
    put_sequence(derived, "ContributingEquipmentSequence", contributors)


def _equipment_item(derivation: Derivation, utc_offset: str) -> Dataset:
    """An item of ContributingEquipmentSequence: the software and the weights."""
    item = Dataset()
    put_sequence(item, "PurposeOfReferenceCodeSequence", [code_item(PROCESSING_EQUIPMENT)])
    put_own_equipment(item, derivation)
    created = local_time(derivation.created, utc_offset)
    put(item, "ContributionDateTime", created.strftime("%Y%m%d%H%M%S.%f%z")[:26])
    put(item, "ContributionDescription", derivation.text)
    return item


def _reference_item(source: SourceImage) -> Dataset:
    item = Dataset()
    put(item, "ReferencedSOPClassUID", source.sop_class_uid)
    put(item, "ReferencedSOPInstanceUID", source.sop_instance_uid)
    return item


def _referenced_series(context: SeriesContext, sources: Sequence[SourceImage]) -> Dataset:
    """An item of ReferencedSeriesSequence (C.12.2); frames of one instance are one here."""
    item = Dataset()
    put(item, "SeriesInstanceUID", context.series_instance_uid)
    instances = {one.sop_instance_uid: one for one in sources}
    put_sequence(item, "ReferencedInstanceSequence", map(_reference_item, instances.values()))
    return item


def _related_series(context: SeriesContext) -> Dataset:
    """An item of RelatedSeriesSequence (C.7.3.1): which series as a whole was processed."""
    item = Dataset()
    put(item, "StudyInstanceUID", context.study_instance_uid)
    put(item, "SeriesInstanceUID", context.series_instance_uid)
    put_sequence(item, "PurposeOfReferenceCodeSequence", [code_item(SOURCE_SERIES)])
    return item


def _source_item(source: SourceImage) -> Dataset:
    """An item of SourceImageSequence (C.7.6.1.1.4, Image SOP Instance Reference Macro)."""
    item = _reference_item(source)
    if source.frame_number is not None:
        put(item, "ReferencedFrameNumber", source.frame_number)
    put(item, "SpatialLocationsPreserved", "YES")
    put_sequence(item, "PurposeOfReferenceCodeSequence", [code_item(SOURCE_IMAGE)])
    return item


def _append_series(derived: Dataset, keyword: str, item: Dataset, context: SeriesContext) -> None:
    """Append to a list of series, in place of an earlier item about the same series."""
    others = [
        one for one in derived.get(keyword) or [] if text(one, "SeriesInstanceUID") != context.series_instance_uid
    ]
    put_sequence(derived, keyword, [*others, item])
