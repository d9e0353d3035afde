"""What was done to a series, and how a derived image says so: descriptions, codes, equipment and references.

Everything in a :class:`Derivation` except ``created``, ``measured`` and the compression decides the UIDs, because a
receiver that knows a UID keeps the copy it has: what can change a pixel or a word of the header must change the UID.
Clauses are those of PS3.3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from pydicom.dataset import Dataset

from n2b_ct.io.dicom.elements import (
    INSTANCE_CREATOR_UID,
    SIMULATION_CREATOR_UID,
    is_valid_uid,
    put,
    put_sequence,
    stable_uid,
    text,
)
from n2b_ct.io.dicom.reading.grouping import identity
from n2b_ct.io.dicom.writing.header_copy import mark_as_encoded
from n2b_ct.io.series import SeriesRef
from n2b_ct.version import __version__

# (CodeValue, CodeMeaning) of coding scheme DCM, PS3.16
SMOOTHING = ("113087", "Smoothing")  # CID 7203: no code says noise reduction
ADDITION = ("113042", "Pixel by pixel addition")  # CID 7203
ARTIFICIAL_INTELLIGENCE = ("123110", "Artificial Intelligence")  # CID 7162
SOURCE_IMAGE = ("121322", "Source image for image processing operation")  # CID 7202
SOURCE_SERIES = ("121323", "Source series for image processing operation")  # CID 7210
ACQUISITION_EQUIPMENT = ("109101", "Acquisition Equipment")  # CID 7005
PROCESSING_EQUIPMENT = ("109102", "Processing Equipment")  # CID 7005

ContentQualification = Literal["RESEARCH", "PRODUCT", "SERVICE"]
Equipment = Literal["scanner", "n2b"]
Compression = Literal["none", "rle", "jpeg-ls", "jpeg2000"]

_SAME_IMAGE = frozenset(["compression"])
_UTC_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")
MANUFACTURER = "n2b-ct"
_N_DIGEST_SHOWN = 12
_N_LO_CHARACTERS = 64
_N_ST_CHARACTERS = 1024

# General Equipment (PS3.3 table C.7-8) as far as an item of ContributingEquipmentSequence takes it (table C.12-1)
_EQUIPMENT = (
    *("Manufacturer", "InstitutionName", "InstitutionAddress", "StationName", "InstitutionalDepartmentName"),
    *("InstitutionalDepartmentTypeCodeSequence", "ManufacturerModelName", "ManufacturerDeviceClassUID"),
    *("DeviceSerialNumber", "SoftwareVersions", "DeviceUID", "UDISequence", "SpatialResolution"),
    *("DateOfLastCalibration", "TimeOfLastCalibration", "DateOfManufacture", "DateOfInstallation"),
)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Choices for a whole run; the defaults keep what the scanner wrote.

    Attributes:
        keep_private: Copy private elements too. By default they go: many hold raw words or statistics of the old
            pixels, or identify the patient in a form that nobody here can read.
        equipment: Whom the General Equipment module names: the scanner, as receivers expect, or this software with
            the scanner as a contributor (PS3.3 C.7.5.1, C.12.1.1.5).
        widen_bits: Store 16 bits in every slice, so that values beyond the source's BitsStored need no clipping.
        fill_type_2: Add the elements that the CT Image IOD wants and the source lacks, empty (PS3.5 7.4.3).
        content_qualification: ContentQualification (PS3.3 C.12.1).
        series_number_offset: Added to SeriesNumber.
        compression: Lossless transfer syntax of the pixels.
    """

    keep_private: bool = False
    equipment: Equipment = "scanner"
    widen_bits: bool = False
    fill_type_2: bool = False
    content_qualification: ContentQualification = "RESEARCH"
    series_number_offset: int = 1000
    compression: Compression = "none"

    @property
    def identity(self) -> str:
        """The part that decides UIDs, as canonical JSON.

        Compression is left out. A lossless transfer syntax encodes the same attributes and the same words (PS3.5 8.2),
        and any node may change it on the way without a new UID; a UID of its own would make a receiver keep one image
        twice. Every other choice changes an attribute.
        """
        values = {name: value for name, value in asdict(self).items() if name not in _SAME_IMAGE}
        return json.dumps(values, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Operation:
    """What kind of step a derivation is.

    Attributes:
        code: CodeValue and CodeMeaning of the step, CID 7203.
        creator_uid: InstanceCreatorUID; the scan knows by it which series were denoised already.
        is_synthetic: Part of the content was made up, so SyntheticData says YES (PS3.3 C.12.1).
    """

    code: tuple[str, str]
    creator_uid: str
    is_synthetic: bool = False


NOISE_REDUCTION = Operation(SMOOTHING, INSTANCE_CREATOR_UID)
DOSE_SIMULATION = Operation(ADDITION, SIMULATION_CREATOR_UID, is_synthetic=True)


@dataclass(frozen=True, slots=True)
class Derivation:
    """One way of making a derived series.

    Attributes:
        model_name: Name of the model or filter.
        model_version: Its version.
        model_digest: SHA-256 of the weights, hexadecimal; empty for a filter without any.
        parameters: All that influences the pixels; JSON values only.
        learned: The model was trained, so the derivation is marked as artificial intelligence.
        suffix: ASCII text appended to SeriesDescription.
        created: Time of the run, one for the whole series; not part of any UID.
        description: What was done, the first words of DerivationDescription.
        options: How to write where the Standard leaves a choice.
        operation: What kind of step it is.
        measured: What the parameters came to in this series; it follows from them and the source, so that it is in
            the text and not in the UIDs.
    """

    model_name: str
    model_version: str
    model_digest: str
    parameters: dict[str, Any]
    learned: bool
    suffix: str
    created: datetime
    description: str = "Noise reduction"
    options: WriteOptions = field(default_factory=WriteOptions)
    operation: Operation = NOISE_REDUCTION
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """DerivationDescription, ASCII, at most 1024 characters."""
        name = f"{self.model_name} {self.model_version}".strip()
        measured = _canonical(self.measured) if self.measured else ""
        parts = [f"{self.description}: {name}", self.model_digest[:_N_DIGEST_SHOWN], self.parameters_text, measured]
        return ascii_text("; ".join(part for part in parts if part), _N_ST_CHARACTERS)

    @property
    def parameters_text(self) -> str:
        """The parameters as canonical JSON: equal parameters give equal text."""
        return _canonical(self.parameters)

    def uid(self, kind: str, *source_uids: str) -> str:
        """Name what this derivation makes of some sources."""
        own = (
            self.model_name,
            self.model_version,
            self.model_digest,
            self.parameters_text,
            str(self.learned),
            self.suffix,
            self.description,
            self.options.identity,
            self.operation.creator_uid,
            __version__,
        )
        return stable_uid(kind, *own, *source_uids)


@dataclass(frozen=True, slots=True)
class SeriesContext:
    """What one slice must know of its series to become part of the derived one.

    Attributes:
        study_instance_uid, series_instance_uid: The source's.
        derived_series_uid: SeriesInstanceUID of all derived slices.
        has_repaired_uids: The source lacked UIDs, so it cannot be referred to.
        instance_uids: SOPInstanceUID by file, for slices whose data set lacks it.
        instance_marks: What decides the UIDs of derived images beside the sources', where other series repeat those.
    """

    study_instance_uid: str
    series_instance_uid: str
    derived_series_uid: str
    has_repaired_uids: bool = False
    instance_uids: dict[str, str] = field(default_factory=dict)
    instance_marks: tuple[str, ...] = ()

    @classmethod
    def of(cls, series: SeriesRef, derivation: Derivation) -> SeriesContext:
        """Make the context of a scanned series.

        What shares UIDs with another series by mistake gets derived UIDs of its own; nobody else's change.
        """
        marks = identity(series)
        is_repeated = "sop_uid_repeated" in series.problems
        return cls(
            study_instance_uid=series.study_instance_uid,
            series_instance_uid=series.series_instance_uid,
            derived_series_uid=derivation.uid("series", series.series_instance_uid, *marks),
            has_repaired_uids="repaired_uids" in series.problems,
            instance_uids={str(one.path): one.sop_instance_uid for one in series.instances},
            instance_marks=(series.study_instance_uid, series.series_instance_uid, *marks) if is_repeated else (),
        )


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def ascii_text(content: str, n_characters: int) -> str:
    """Make text that every character set can hold, no longer than asked."""
    return content.encode("ascii", "replace").decode("ascii")[:n_characters]


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


def put_own_equipment(dataset: Dataset, derivation: Derivation) -> None:
    """Name this software: Manufacturer, model, versions, and the weights as a device of their own.

    The values follow from the derivation alone, so that they are equal in all slices of a series.
    """
    versions = [f"n2b-ct {__version__}", f"{derivation.model_name} {derivation.model_version}".strip()]
    put(dataset, "Manufacturer", MANUFACTURER)
    put(dataset, "ManufacturerModelName", _one_value(derivation.model_name))
    put(dataset, "SoftwareVersions", [_one_value(version) for version in versions])
    if derivation.model_digest:
        put(dataset, "DeviceUID", stable_uid("weights", derivation.model_digest))


def take_scanner(derived: Dataset) -> Dataset:
    """Move the scanner out of the General Equipment module into an item of ContributingEquipmentSequence.

    Manufacturer is type 1 there: a source that names none gives ``unknown``.
    """
    item = Dataset()
    put_sequence(item, "PurposeOfReferenceCodeSequence", [code_item(ACQUISITION_EQUIPMENT)])
    is_named = bool(text(derived, "Manufacturer"))
    for keyword in _EQUIPMENT:
        if keyword in derived:
            element = derived.get_item(keyword)
            del derived[keyword]
            item[element.tag] = element
    if not is_named:
        put(item, "Manufacturer", "unknown")
    mark_as_encoded(item)
    return item


def _one_value(content: str) -> str:
    r"""Text for one LO value: ``\\`` would start another."""
    return ascii_text(content, _N_LO_CHARACTERS).replace("\\", "/")


def code_item(code: tuple[str, str]) -> Dataset:
    """Make a code sequence item of coding scheme DCM (PS3.3 table 8.8-1)."""
    value, meaning = code
    item = Dataset()
    put(item, "CodeValue", value)
    put(item, "CodingSchemeDesignator", "DCM")
    put(item, "CodeMeaning", meaning)
    return item
