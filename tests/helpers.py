"""Synthetic CT and the laws that tests hold it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from n2b_ct.io.dicom.ct_reader import read_slice, stored_values
from n2b_ct.io.dicom.derived_series import write_dataset_atomically
from n2b_ct.io.dicom.elements import stable_uid
from n2b_ct.io.dicom.writing.derived_slice import Derivation, SeriesContext, derive_slice
from n2b_ct.io.series import CTSlice

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
STUDY_UID = "1.2.826.0.1.3680043.8.498.1"
SERIES_UID = "1.2.826.0.1.3680043.8.498.1.1"


def make_ct_dataset(
    *,
    stored: np.ndarray | None = None,
    position_mm: Sequence[float] = (-16.0, -12.0, 0.0),
    orientation: Sequence[float] = AXIAL,
    instance_number: int = 1,
    series_uid: str = SERIES_UID,
    study_uid: str = STUDY_UID,
    sop_uid: str | None = None,
    slope: str = "1",
    intercept: str = "-1024",
    bits_stored: int = 12,
    bits_allocated: int = 16,
    is_signed: bool = False,
    padding: int | None = None,
    padding_limit: int | None = None,
    transfer_syntax: str = ExplicitVRLittleEndian,
    **changes: Any,
) -> Dataset:
    """Build a CT image of the CT Image IOD.

    ``stored`` are the words ``[rows, cols]``, a ramp around water by default; ``changes`` set further
    keywords at the end, and delete those that are None.
    """
    words = water_ramp() if stored is None else stored
    rows, cols = words.shape
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = sop_uid or stable_uid(series_uid, str(instance_number))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
    dataset.FrameOfReferenceUID = f"{study_uid}.9"
    for keyword in ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"):
        setattr(dataset, keyword, "")
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "CT", "Acme", "Scanner 1"
    dataset.SeriesDescription, dataset.SeriesNumber = "Thorax", 3
    dataset.PatientName, dataset.PatientID = "Müller^Jörg", "patient-7"
    dataset.PatientBirthDate, dataset.PatientSex = "", ""
    dataset.KVP, dataset.SliceThickness, dataset.ConvolutionKernel = "120", "2", "B30"
    dataset.AcquisitionNumber, dataset.InstanceNumber = 1, instance_number
    dataset.PositionReferenceIndicator = ""
    dataset.ImagePositionPatient = [f"{value:g}" for value in position_mm]
    dataset.ImageOrientationPatient = [f"{value:.6g}" for value in orientation]
    dataset.PixelSpacing = ["0.5", "0.75"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, cols
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits_allocated, bits_stored, bits_stored - 1
    dataset.PixelRepresentation = int(is_signed)
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    vr = "SS" if is_signed else "US"
    if padding is not None:
        dataset.add_new("PixelPaddingValue", vr, padding)
    if padding_limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", vr, padding_limit)
    dtype = f"{'i' if is_signed else 'u'}{bits_allocated // 8}"
    order = ">" if transfer_syntax == pydicom.uid.ExplicitVRBigEndian else "<"
    dataset["PixelData"] = DataElement("PixelData", "OW", words.astype(f"{order}{dtype}").tobytes())
    for keyword, value in changes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or "1.2.3"
    return dataset


def water_ramp(rows: int = 24, cols: int = 32, first: int = 900) -> np.ndarray:
    """Words that are all different, ``[rows, cols]``."""
    return (first + np.arange(rows * cols)).reshape(rows, cols)


def save(dataset: Dataset, path: Path) -> Path:
    """Write a data set as it is, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_series(
    folder: Path, positions_mm: Sequence[float] = (0.0, 2.0, 4.0), prefix: str = "slice", **options: Any
) -> list[Path]:
    """Write slices at these places along z; their names run against their order."""
    paths = []
    for index, position_mm in enumerate(positions_mm):
        dataset = make_ct_dataset(
            **{
                "position_mm": (-16.0, -12.0, position_mm),
                "instance_number": index + 1,
                "stored": water_ramp(first=900 + 10 * index),
                **options,
            }
        )
        paths.append(save(dataset, folder / f"{prefix}{len(positions_mm) - index:03d}"))
    return paths


def make_derivation(**changes: Any) -> Derivation:
    """A derivation with every field filled."""
    fields = {
        "model_name": "toy net",
        "model_version": "1.2",
        "model_digest": "ab" * 32,
        "parameters": {"strength": 1.0, "window": [-160, 240]},
        "learned": True,
        "suffix": " N2B",
        "created": datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC),
    }
    return Derivation(**{**fields, **changes})


def make_context(derivation: Derivation) -> SeriesContext:
    """The context of :func:`make_ct_dataset`'s series."""
    return SeriesContext(STUDY_UID, SERIES_UID, derivation.uid("series", SERIES_UID))


def derive_file(
    source: Path, target: Path, change: Callable[[CTSlice], np.ndarray] = lambda ct_slice: ct_slice.hu
) -> Dataset:
    """Read a slice, change its HU, derive, write, and read the written file back."""
    derivation = make_derivation()
    ct_slice = read_slice(source)
    instance_uids = {str(source): "1.2.3.4"}
    context = SeriesContext(STUDY_UID, SERIES_UID, derivation.uid("series", SERIES_UID), instance_uids=instance_uids)
    derived = derive_slice(ct_slice, change(ct_slice), derivation, context)
    write_dataset_atomically(derived.dataset, target)
    return pydicom.dcmread(target)


def assert_hu_roundtrip(source: Path, target: Path) -> None:
    """Hold the law that HU which nobody changed come back as the very same stored words."""
    derive_file(source, target)
    expected, found = read_slice(source), read_slice(target)
    np.testing.assert_array_equal(stored_values(found.dataset), stored_values(expected.dataset))
    np.testing.assert_array_equal(found.hu, expected.hu)
    np.testing.assert_array_equal(found.is_padding, expected.is_padding)


def assert_nothing_left(folder: Path) -> None:
    """Hold the law that a failed writer leaves nothing behind, hidden or not."""
    assert list(folder.iterdir()) == []
