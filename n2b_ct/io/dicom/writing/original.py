"""New CT instances that were never derived from others: what the package's own phantom is written as.

The data set is a complete CT Image IOD (PS3.3 A.3) of an animal phantom: SyntheticData and
QualityControlImage are YES. Everything in it follows from its inputs, dates included, so the same phantom
twice is the same bytes twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from n2b_ct.errors import OutputError, explain
from n2b_ct.hu import SCANNER_FLOOR_HU, WINDOWS, hu_to_stored
from n2b_ct.io.dicom.elements import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    INSTANCE_CREATOR_UID,
    put,
    stable_uid,
)
from n2b_ct.version import __version__

BITS_STORED = 12
HIGHEST_WORD = 2**BITS_STORED - 1
EPOCH_DATE, EPOCH_TIME = "20180101", "120000"
"""Dates of every phantom: a clock would make two equal runs differ."""


@dataclass(frozen=True, slots=True)
class OriginalSeries:
    """What all slices of one new axial series share.

    Attributes:
        study_key: Whatever identifies the study; equal keys give equal StudyInstanceUID.
        series_key: Whatever identifies the series within it.
        number: SeriesNumber.
        description: SeriesDescription.
        subject_id: PatientID, which is also the name.
        species: PatientSpeciesDescription.
        size_px: Rows and columns.
        pixel_mm: PixelSpacing, square.
        slice_thickness_mm: SliceThickness.
        slice_spacing_mm: SpacingBetweenSlices.
        kernel: ConvolutionKernel.
        tube_current_ma: XRayTubeCurrent.
        peak_kv: KVP.
    """

    study_key: str
    series_key: str
    number: int
    description: str
    subject_id: str
    species: str
    size_px: int
    pixel_mm: float
    slice_thickness_mm: float
    slice_spacing_mm: float
    kernel: str
    tube_current_ma: int
    peak_kv: int = 120


def original_dataset(series: OriginalSeries, hu: np.ndarray, *, instance_number: int, position_mm: float) -> Dataset:
    """Build one axial slice.

    Args:
        series: Its series.
        hu: HU ``[rows, cols]``, rounded and clipped to -1024 … 3071.
        instance_number: InstanceNumber, from 1.
        position_mm: z of ImagePositionPatient, and SliceLocation.

    Returns:
        A data set with file meta information.

    Raises:
        ValueError: A value breaks the rules of its VR.
    """
    dataset = Dataset()
    for keyword, value in {
        **_subject(series),
        **_study_and_series(series),
        **_equipment(series),
        **_geometry(series, position_mm),
        **_identity(series, instance_number),
    }.items():
        put(dataset, keyword, value)
    _set_pixels(dataset, hu)
    dataset.file_meta = _file_meta(str(dataset.SOPInstanceUID))
    return dataset


def write_original(path: Path, dataset: Dataset) -> None:
    """Write a slice into a folder that is being built and will be renamed as a whole.

    Raises:
        OutputError: The path cannot be written.
    """
    try:
        dataset.save_as(path, enforce_file_format=True, overwrite=False)
    except OSError as error:
        message = explain(str(path), "must be writable", error.strerror, "choose another place")
        raise OutputError(message) from error


def _subject(series: OriginalSeries) -> dict[str, object]:
    """Patient module; the blank elements are type 2C for animals (PS3.3 C.7.1.1)."""
    return {
        "PatientName": series.subject_id,
        "PatientID": series.subject_id,
        "PatientBirthDate": "",
        "PatientSex": "O",
        "PatientSpeciesDescription": series.species,
        "PatientBreedDescription": "",
        "PatientBreedCodeSequence": [],
        "BreedRegistrationSequence": [],
        "PatientSexNeutered": "",
        "ResponsiblePerson": "",
        "ResponsibleOrganization": "",
        "QualityControlImage": "YES",
    }


def _study_and_series(series: OriginalSeries) -> dict[str, object]:
    """General Study, General Series and Frame of Reference modules (PS3.3 C.7.2.1, C.7.3.1, C.7.4.1)."""
    return {
        "StudyInstanceUID": stable_uid("study", series.study_key),
        "StudyID": "1",
        "StudyDate": EPOCH_DATE,
        "StudyTime": EPOCH_TIME,
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyDescription": f"{series.subject_id}: synthetic, no patient",
        "Modality": "CT",
        "SeriesInstanceUID": stable_uid("series", series.study_key, series.series_key),
        "SeriesNumber": series.number,
        "SeriesDate": EPOCH_DATE,
        "SeriesTime": EPOCH_TIME,
        "SeriesDescription": series.description,
        "PatientPosition": "HFS",
        "BodyPartExamined": "WHOLEBODY",  # unpaired, so that Laterality (type 2C) need not be there
        "FrameOfReferenceUID": stable_uid("frame", series.study_key),
        "PositionReferenceIndicator": "",
    }


def _equipment(series: OriginalSeries) -> dict[str, object]:
    """General Equipment and CT Image modules (PS3.3 C.7.5.1, C.8.2.1)."""
    return {
        "Manufacturer": "n2b-ct",
        "ManufacturerModelName": "phantom",
        "SoftwareVersions": __version__,
        "KVP": series.peak_kv,
        "XRayTubeCurrent": series.tube_current_ma,
        "ConvolutionKernel": series.kernel,
        "ReconstructionDiameter": _decimal(series.size_px * series.pixel_mm),
        "GantryDetectorTilt": 0,
        "AcquisitionNumber": 1,
    }


def _geometry(series: OriginalSeries, position_mm: float) -> dict[str, object]:
    """Image Plane module (PS3.3 C.7.6.2): the isocentre is the centre of the image."""
    corner = _decimal(-(series.size_px - 1) / 2 * series.pixel_mm)
    pixel = _decimal(series.pixel_mm)
    return {
        "PixelSpacing": [pixel, pixel],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [corner, corner, _decimal(position_mm)],
        "SliceLocation": _decimal(position_mm),
        "SliceThickness": _decimal(series.slice_thickness_mm),
        "SpacingBetweenSlices": _decimal(series.slice_spacing_mm),
    }


def _identity(series: OriginalSeries, instance_number: int) -> dict[str, object]:
    """General Image and SOP Common modules (PS3.3 C.7.6.1, C.12.1)."""
    return {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": stable_uid("instance", series.study_key, series.series_key, str(instance_number)),
        "InstanceCreatorUID": INSTANCE_CREATOR_UID,
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "InstanceNumber": instance_number,
        "AcquisitionDate": EPOCH_DATE,
        "AcquisitionTime": EPOCH_TIME,
        "ContentDate": EPOCH_DATE,
        "ContentTime": EPOCH_TIME,
        "SyntheticData": "YES",
        "ContentQualification": "RESEARCH",
    }


def _set_pixels(dataset: Dataset, hu: np.ndarray) -> None:
    """Image Pixel and VOI LUT modules: unsigned 12-bit words, HU + 1024."""
    words = np.clip(hu_to_stored(hu, 1.0, SCANNER_FLOOR_HU), 0, HIGHEST_WORD).astype("<u2")
    window = WINDOWS["abdomen"]
    for keyword, value in {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": words.shape[0],
        "Columns": words.shape[1],
        "BitsAllocated": 16,
        "BitsStored": BITS_STORED,
        "HighBit": BITS_STORED - 1,
        "PixelRepresentation": 0,
        "RescaleIntercept": _decimal(SCANNER_FLOOR_HU),
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "WindowCenter": _decimal((window.lower_hu + window.upper_hu) / 2),
        "WindowWidth": _decimal(window.width_hu),
    }.items():
        put(dataset, keyword, value)
    put(dataset, "PixelData", words.tobytes(), "OW")


def _file_meta(sop_instance_uid: str) -> FileMetaDataset:
    """File meta information (PS3.10 7.1) that names this package, not the DICOM library."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _decimal(value: float) -> str:
    """Write a decimal string with six places at most, which fits DS's 16 characters."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
