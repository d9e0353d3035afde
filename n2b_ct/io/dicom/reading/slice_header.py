"""What a scan keeps of one CT slice: identity, place, size and facts; no pixels, no patient data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from n2b_ct.io.dicom.elements import (
    INSTANCE_CREATOR_UID,
    has_known_root,
    is_valid_uid,
    lenient_integer,
    lenient_number,
    lenient_text,
    numbers,
    text,
)
from n2b_ct.io.dicom.reading.dicom_file import DicomFile
from n2b_ct.io.dicom.reading.transfer_syntaxes import NATIVE, lossy_method

FACTS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SeriesNumber",
    "SeriesDescription",
    "ConvolutionKernel",
    "KVP",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImageType",
    "BodyPartExamined",
    "BitsStored",
    "NumberOfFrames",
    "CTDIvol",
    "Exposure",
    "ExposureTime",
    "XRayTubeCurrent",
    "ExposureModulationType",
)
SETTINGS = ("SeriesNumber", "Manufacturer", "ManufacturerModelName", "ConvolutionKernel")
"""What a series has once beside its patient: number, scanner, and the kernel, which gives noise its texture."""
# All of that: what the Standard has once for all slices (PS3.3 A.1.2; modules of patient, study, series and equipment)
CONSTANTS = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientName",
    "StudyDate",
    *SETTINGS,
)
# What may tell passes over one place apart, surest first
PASS_MARKS = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "NominalPercentageOfCardiacPhase",
    "KVP",
    "SeriesDescription",
    "TriggerTime",
    "AcquisitionTime",
    "AcquisitionDateTime",
)
TIMES = frozenset(("TriggerTime", "AcquisitionTime", "AcquisitionDateTime"))
_CHARACTER_SETS = frozenset(map(str.upper, filter(None, python_encoding)))
_N_FACT_CHARACTERS = 64
_SQUARE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """One CT slice as its header tells it.

    Attributes:
        path: The file.
        sop_instance_uid, series_instance_uid, study_instance_uid: Opaque strings, empty if absent.
        rows, cols: Size.
        position_mm: ImagePositionPatient.
        orientation: ImageOrientationPatient as written.
        pixel_spacing_mm: PixelSpacing (between rows, between columns), if present.
        frame_of_reference_uid: FrameOfReferenceUID, empty if absent.
        constants: The values of ``CONSTANTS``, empty where absent: digests of what names a patient, else text without
            case and double spaces.
        pass_marks: The values of ``PASS_MARKS`` as text, empty where absent.
        instance_number, slice_location_mm, tilt_degrees, field_of_view_mm: As in the header, if present; the last is
            ReconstructionDiameter.
        is_compressed: The pixels need a decoder.
        frame_number: Number of the frame within the file, from 1; None for a file of one slice.
        stack_id: StackID of a frame: frames of one stack belong together, those of two do not (PS3.3 C.7.6.16.2.2.4).
        problems: Problem codes of this slice alone.
        facts: Header facts for people.
    """

    path: Path
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    rows: int
    cols: int
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, float] | None
    frame_of_reference_uid: str
    constants: tuple[str, ...]
    pass_marks: tuple[str, ...]
    instance_number: int | None
    slice_location_mm: float | None
    tilt_degrees: float | None
    field_of_view_mm: float | None
    is_compressed: bool
    frame_number: int | None
    stack_id: str
    problems: tuple[str, ...]
    facts: dict[str, str]

    def pass_mark(self, keyword: str) -> str:
        """One of the values that may tell passes over one place apart."""
        return self.pass_marks[PASS_MARKS.index(keyword)]

    def constant(self, keyword: str) -> str:
        """One of the values that all slices of a series share."""
        return self.constants[CONSTANTS.index(keyword)]


def slice_header(parsed: DicomFile) -> SliceHeader:
    """Take a checked file's header apart.

    Raises:
        SeriesError: ``bad_value``, a number that matters is none.
    """
    dataset = parsed.dataset
    spacing = numbers(dataset, "PixelSpacing", 2)
    return SliceHeader(
        path=parsed.path,
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        rows=int(dataset.Rows),
        cols=int(dataset.Columns),
        position_mm=numbers(dataset, "ImagePositionPatient", 3) or (),
        orientation=numbers(dataset, "ImageOrientationPatient", 6) or (),
        pixel_spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        constants=tuple(_constant(dataset, keyword) for keyword in CONSTANTS),
        pass_marks=tuple(_pass_mark(dataset, keyword) for keyword in PASS_MARKS),
        instance_number=lenient_integer(dataset, "InstanceNumber"),
        slice_location_mm=lenient_number(dataset, "SliceLocation"),
        tilt_degrees=lenient_number(dataset, "GantryDetectorTilt"),
        field_of_view_mm=lenient_number(dataset, "ReconstructionDiameter"),
        is_compressed=parsed.transfer_syntax not in NATIVE,
        frame_number=parsed.frame_number,
        stack_id=lenient_text(dataset, "StackID"),
        problems=parsed.notes + _own_problems(parsed),
        facts=_facts(parsed),
    )


def _facts(parsed: DicomFile) -> dict[str, str]:
    found = {keyword: lenient_text(parsed.dataset, keyword) for keyword in FACTS if keyword in parsed.dataset}
    found["TransferSyntaxUID"] = parsed.transfer_syntax
    return {keyword: value[:_N_FACT_CHARACTERS] for keyword, value in found.items()}


def _constant(dataset: Dataset, keyword: str) -> str:
    read = text if "PatientID" in keyword else lenient_text
    value = " ".join(read(dataset, keyword).split())
    if keyword == "SeriesNumber" and (integer := lenient_integer(dataset, keyword)) is not None:
        return str(integer)
    if "Patient" in keyword:
        return digest_key(value) if value else ""
    return value.casefold()


def _pass_mark(dataset: Dataset, keyword: str) -> str:
    """A number is the same number however it is written; a time has more digits than a float."""
    value = None if keyword in TIMES else lenient_number(dataset, keyword)
    return lenient_text(dataset, keyword) if value is None else f"{value:.17g}"


def patient_key(parsed: DicomFile) -> str:
    """Digest the patient's identifiers, as a series' are; empty where there is no PatientID."""
    patient_id, issuer = (_constant(parsed.dataset, keyword) for keyword in ("PatientID", "IssuerOfPatientID"))
    return digest_key(patient_id, issuer) if patient_id else ""


def digest_key(*identifiers: str) -> str:
    """Digest identifiers into 16 hexadecimal characters that can be compared, not read back."""
    return hashlib.sha256("|".join(identifiers).encode()).hexdigest()[:16]


def study_key(study_instance_uid: str) -> str:
    """Stand in for a patient's digest where there is no PatientID: all of one study is one patient then."""
    return digest_key("study", study_instance_uid)


def _own_problems(parsed: DicomFile) -> tuple[str, ...]:
    dataset = parsed.dataset
    uids = [text(dataset, keyword) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    is_lossy = lenient_text(dataset, "LossyImageCompression") == "01" or lossy_method(parsed.transfer_syntax) != ""
    is_derived = text(dataset, "ImageType").upper().startswith("DERIVED")
    found = {
        "already_derived": is_derived,
        "own_output": is_derived and lenient_text(dataset, "InstanceCreatorUID") == INSTANCE_CREATOR_UID,
        "lossy_source": is_lossy,
        "invalid_uid": not all(is_valid_uid(uid) and has_known_root(uid) for uid in uids if uid),
        "patient_id_missing": not text(dataset, "PatientID"),
        "pixel_spacing_missing": not text(dataset, "PixelSpacing"),
        "non_square_pixels": _is_oblong(numbers(dataset, "PixelSpacing", 2)),
        "unknown_character_set": not _is_known_character_set(dataset),
    }
    return tuple(code for code, is_met in found.items() if is_met)


def _is_oblong(spacing_mm: Sequence[float] | None) -> bool:
    return spacing_mm is not None and abs(spacing_mm[0] - spacing_mm[1]) > _SQUARE_TOLERANCE * max(spacing_mm)


def _is_known_character_set(dataset: Dataset) -> bool:
    """Defined terms of PS3.3 C.12.1.1.2; none at all means ASCII."""
    names = lenient_text(dataset, "SpecificCharacterSet").upper().split("\\")
    return all(not name or name in _CHARACTER_SETS for name in names)
