"""Whom a derived series names as its equipment: the scanner, or this software with the scanner as a contributor."""

from __future__ import annotations

from pydicom.dataset import Dataset

from n2b_ct import __version__
from n2b_ct.io.dicom.elements import ACQUISITION_EQUIPMENT, code_item, put, put_sequence
from n2b_ct.io.dicom.uids import stable_uid
from n2b_ct.io.dicom.values import text
from n2b_ct.io.dicom.writing.copying import mark_as_encoded
from n2b_ct.io.dicom.writing.derivation import Derivation, ascii_text

MANUFACTURER = "n2b-ct"
_N_LO_CHARACTERS = 64

# General Equipment (PS3.3 table C.7-8) as far as an item of ContributingEquipmentSequence takes it (table C.12-1)
_EQUIPMENT = (
    *("Manufacturer", "InstitutionName", "InstitutionAddress", "StationName", "InstitutionalDepartmentName"),
    *("InstitutionalDepartmentTypeCodeSequence", "ManufacturerModelName", "ManufacturerDeviceClassUID"),
    *("DeviceSerialNumber", "SoftwareVersions", "DeviceUID", "UDISequence", "SpatialResolution"),
    *("DateOfLastCalibration", "TimeOfLastCalibration", "DateOfManufacture", "DateOfInstallation"),
)


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
