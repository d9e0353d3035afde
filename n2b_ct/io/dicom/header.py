"""What a scan keeps of one CT slice: identity, place, size and facts; no pixels, no patient data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.io.dicom.parse import Parsed
from n2b_ct.io.dicom.syntaxes import NATIVE, lossy_method
from n2b_ct.io.dicom.uids import INSTANCE_CREATOR_UID
from n2b_ct.io.dicom.values import is_valid_uid, lenient_integer, lenient_number, numbers, text

FACTS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SeriesNumber",
    "SeriesDescription",
    "ConvolutionKernel",
    "KVP",
    "SliceThickness",
    "ImageType",
    "BodyPartExamined",
    "BitsStored",
)
_N_FACT_CHARACTERS = 64
_ORIENTATION_DECIMALS = 3  # jitter of a cosine is below, any real turn is above


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """One CT slice as its header tells it.

    Attributes:
        path: The file.
        sop_instance_uid, series_instance_uid, study_instance_uid: Opaque strings, empty if absent.
        patient_key: Digest of the patient's identifiers, empty if the file has none.
        rows, cols: Size.
        position_mm: ImagePositionPatient.
        orientation: ImageOrientationPatient as written.
        pixel_spacing_mm: PixelSpacing (between rows, between columns), if present.
        frame_of_reference_uid: FrameOfReferenceUID, empty if absent.
        acquisition: AcquisitionNumber and TemporalPositionIdentifier as text.
        instance_number, slice_location_mm, tilt_degrees: As in the header, if present.
        is_compressed: The pixels need a decoder.
        problems: Problem codes of this slice alone.
        facts: Header facts for people.
    """

    path: Path
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_key: str
    rows: int
    cols: int
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, float] | None
    frame_of_reference_uid: str
    acquisition: tuple[str, str]
    instance_number: int | None
    slice_location_mm: float | None
    tilt_degrees: float
    is_compressed: bool
    problems: tuple[str, ...]
    facts: dict[str, str]

    @property
    def rounded_orientation(self) -> tuple[float, ...]:
        """The orientation as a grouping key, free of jitter and of minus zero."""
        return tuple(round(cosine, _ORIENTATION_DECIMALS) + 0.0 for cosine in self.orientation)


def slice_header(parsed: Parsed) -> SliceHeader:
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
        patient_key=_patient_key(parsed),
        rows=int(dataset.Rows),
        cols=int(dataset.Columns),
        position_mm=numbers(dataset, "ImagePositionPatient", 3) or (),
        orientation=numbers(dataset, "ImageOrientationPatient", 6) or (),
        pixel_spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        acquisition=(text(dataset, "AcquisitionNumber"), text(dataset, "TemporalPositionIdentifier")),
        instance_number=lenient_integer(dataset, "InstanceNumber"),
        slice_location_mm=lenient_number(dataset, "SliceLocation"),
        tilt_degrees=lenient_number(dataset, "GantryDetectorTilt") or 0.0,
        is_compressed=parsed.transfer_syntax not in NATIVE,
        problems=parsed.notes + _own_problems(parsed),
        facts={keyword: text(dataset, keyword)[:_N_FACT_CHARACTERS] for keyword in FACTS if keyword in dataset},
    )


def _patient_key(parsed: Parsed) -> str:
    patient_id = text(parsed.dataset, "PatientID")
    if not patient_id:
        return ""
    return digest_key(patient_id, text(parsed.dataset, "IssuerOfPatientID"))


def digest_key(*identifiers: str) -> str:
    """Digest identifiers into 16 hexadecimal characters that can be compared, not read back."""
    return hashlib.sha256("|".join(identifiers).encode()).hexdigest()[:16]


def _own_problems(parsed: Parsed) -> tuple[str, ...]:
    dataset = parsed.dataset
    uids = [text(dataset, keyword) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    is_lossy = text(dataset, "LossyImageCompression") == "01" or lossy_method(parsed.transfer_syntax) != ""
    is_derived = text(dataset, "ImageType").upper().startswith("DERIVED")
    found = {
        "already_derived": is_derived,
        "own_output": is_derived and text(dataset, "InstanceCreatorUID") == INSTANCE_CREATOR_UID,
        "lossy_source": is_lossy,
        "invalid_uid": not all(is_valid_uid(uid) for uid in uids if uid),
        "pixel_spacing_missing": not text(dataset, "PixelSpacing"),
    }
    return tuple(code for code, is_met in found.items() if is_met)
