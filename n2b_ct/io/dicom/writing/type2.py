"""What a CT image must have but may leave empty: type 2 of the CT Image IOD (PS3.3 A.3, PS3.5 7.4.3)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from n2b_ct.io.dicom.elements import put

TYPE_2 = (
    # Patient, General Study
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
    # General Series, Frame of Reference, General Equipment
    *("SeriesNumber", "PositionReferenceIndicator", "Manufacturer"),
    # General Image, Image Plane, CT Image
    *("InstanceNumber", "SliceThickness", "KVP", "AcquisitionNumber"),
)


def fill_type_2(derived: Dataset) -> None:
    """Add what is missing, empty; nothing that is there is touched.

    PatientPosition is type 2C, and a CT image without PatientOrientationCodeSequence must have it (C.7.3.1).
    """
    conditional = () if "PatientOrientationCodeSequence" in derived else ("PatientPosition",)
    for keyword in (*TYPE_2, *conditional):
        if keyword not in derived:
            put(derived, keyword, None)
