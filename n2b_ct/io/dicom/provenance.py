"""Where a derived image comes from and what made it (PS3.3 C.7.6.1.1.3, C.7.6.1.1.4, C.12.1, C.12.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from pydicom.dataset import Dataset

from n2b_ct import __version__
from n2b_ct.io.dicom.checks import CT_IMAGE_STORAGE
from n2b_ct.io.dicom.derivation import Derivation, SeriesContext, ascii_text
from n2b_ct.io.dicom.elements import (
    ARTIFICIAL_INTELLIGENCE,
    PROCESSING_EQUIPMENT,
    SMOOTHING,
    SOURCE_IMAGE,
    SOURCE_SERIES,
    code_item,
    put,
    put_copied,
    put_sequence,
)
from n2b_ct.io.dicom.uids import stable_uid
from n2b_ct.io.dicom.values import text

MANUFACTURER = "n2b-ct"
_N_LO_CHARACTERS = 64
_UTC_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")


def put_provenance(derived: Dataset, derivation: Derivation) -> None:
    """Say what was done, in words and codes, and which equipment did it.

    The words and codes replace the source's: they speak of the step from the source image to this one.
    Equipment is appended: it contributed as well.
    """
    codes = (SMOOTHING, ARTIFICIAL_INTELLIGENCE) if derivation.learned else (SMOOTHING,)
    put(derived, "DerivationDescription", derivation.text)
    put_sequence(derived, "DerivationCodeSequence", map(code_item, codes))
    derived.pop("SourceImageSequence", None)
    earlier = derived.get("ContributingEquipmentSequence") or []
    zone = text(derived, "TimezoneOffsetFromUTC")
    put_sequence(derived, "ContributingEquipmentSequence", [*earlier, _equipment_item(derivation, zone)])


def put_references(derived: Dataset, context: SeriesContext, source_uids: Iterable[str]) -> None:
    """Point at the source slice first, then at its neighbours, and at their series."""
    uids = list(source_uids)
    put_sequence(derived, "SourceImageSequence", map(_source_item, uids))
    referenced = Dataset()
    put_copied(referenced, "SeriesInstanceUID", context.series_instance_uid)
    put_sequence(referenced, "ReferencedInstanceSequence", map(_reference_item, uids))
    _append_series(derived, "ReferencedSeriesSequence", referenced, context)
    related = Dataset()
    put_copied(related, "StudyInstanceUID", context.study_instance_uid)
    put_copied(related, "SeriesInstanceUID", context.series_instance_uid)
    put_sequence(related, "PurposeOfReferenceCodeSequence", [code_item(SOURCE_SERIES)])
    _append_series(derived, "RelatedSeriesSequence", related, context)


def local_time(created: datetime, utc_offset: str) -> datetime:
    """Tell a time in the data set's own zone (TimezoneOffsetFromUTC, such as ``+0200``).

    A time without zone, or a data set without a usable offset, leaves it as it is.
    """
    found = _UTC_OFFSET.fullmatch(utc_offset)
    if created.tzinfo is None or found is None:
        return created
    sign = -1 if found[1] == "-" else 1
    return created.astimezone(timezone(sign * timedelta(hours=int(found[2]), minutes=int(found[3]))))


def _equipment_item(derivation: Derivation, utc_offset: str) -> Dataset:
    """An item of ContributingEquipmentSequence (C.12.1.1.5): the software and the weights."""
    item = Dataset()
    versions = [f"n2b-ct {__version__}", f"{derivation.model_name} {derivation.model_version}".strip()]
    put_sequence(item, "PurposeOfReferenceCodeSequence", [code_item(PROCESSING_EQUIPMENT)])
    put(item, "Manufacturer", MANUFACTURER)
    put(item, "ManufacturerModelName", _one_value(derivation.model_name))
    put(item, "SoftwareVersions", [_one_value(version) for version in versions])
    if derivation.model_digest:
        put(item, "DeviceUID", stable_uid("weights", derivation.model_digest))
    created = local_time(derivation.created, utc_offset)
    put(item, "ContributionDateTime", created.strftime("%Y%m%d%H%M%S.%f%z")[:26])
    put(item, "ContributionDescription", derivation.text)
    return item


def _one_value(content: str) -> str:
    r"""Text for one LO value: ``\`` would start another."""
    return ascii_text(content, _N_LO_CHARACTERS).replace("\\", "/")


def _reference_item(sop_instance_uid: str) -> Dataset:
    item = Dataset()
    put(item, "ReferencedSOPClassUID", CT_IMAGE_STORAGE)
    put_copied(item, "ReferencedSOPInstanceUID", sop_instance_uid)
    return item


def _source_item(sop_instance_uid: str) -> Dataset:
    item = _reference_item(sop_instance_uid)
    put(item, "SpatialLocationsPreserved", "YES")
    put_sequence(item, "PurposeOfReferenceCodeSequence", [code_item(SOURCE_IMAGE)])
    return item


def _append_series(derived: Dataset, keyword: str, item: Dataset, context: SeriesContext) -> None:
    """Append to a list of series, in place of an earlier item about the same series."""
    others = [
        one for one in derived.get(keyword) or [] if text(one, "SeriesInstanceUID") != context.series_instance_uid
    ]
    put_sequence(derived, keyword, [*others, item])
