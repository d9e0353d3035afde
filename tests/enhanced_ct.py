"""Synthetic enhanced CT: many frames in one file, described by functional groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from n2b_ct.io.dicom.elements import stable_uid
from n2b_ct.io.dicom.reading.transfer_syntaxes import NATIVE
from tests.helpers import AXIAL, make_ct_dataset, save

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY_CONVERTED_CT = "1.2.840.10008.5.1.4.1.1.2.2"
# What make_ct_dataset gives a single-frame image at the top, and an enhanced image keeps in its functional groups
_IN_GROUPS = (
    "AcquisitionNumber",
    "ConvolutionKernel",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "KVP",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "SliceThickness",
)
DIMENSIONS_UID = "1.2.826.0.1.3680043.8.498.8"
Group = dict[str, Any]


def as_groups(groups: dict[str, Group]) -> Dataset:
    """Make an item of functional groups, each a sequence of one item (or of several, given as a list)."""
    item = Dataset()
    for name, group in groups.items():
        parts = group if isinstance(group, list) else [group]
        setattr(item, name, [as_item(part) for part in parts])
    return item


def as_item(values: Group) -> Dataset:
    """Make a sequence item."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


CHEST = as_item({"CodeValue": "51185008", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Chest"})
BODY_PHANTOM = as_item(
    {"CodeValue": "113691", "CodingSchemeDesignator": "DCM", "CodeMeaning": "IEC Body Dosimetry Phantom"}
)


@dataclass(frozen=True)
class Frame:
    """What differs between frames.

    Attributes:
        z_mm: Place along z.
        stored: Words ``[rows, cols]``.
        slope, intercept: Its rescale.
        stack: StackID.
        time: TemporalPositionIndex.
        frame_type: FrameType.
        orientation: ImageOrientationPatient.
        groups: Further groups of this frame, or others; None takes one away.
    """

    z_mm: float
    stored: np.ndarray
    slope: str = "1"
    intercept: str = "-1024"
    stack: str = "1"
    time: int = 1
    frame_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")
    orientation: Sequence[float] = AXIAL
    groups: dict[str, Group | None] | None = None


def make_frames(places_mm: Sequence[float] = (4.0, 0.0, 2.0), **options: Any) -> list[Frame]:
    """Frames at these places, by default not in their order; every one has a rescale of its own."""
    rng = np.random.default_rng(7)
    return [
        Frame(
            z_mm,
            rng.integers(0, 4096, (24, 32)),
            slope=("1", "0.5", "2")[index % 3],
            intercept=("-1024", "-1000", "-2048.5")[index % 3],
            **options,
        )
        for index, z_mm in enumerate(places_mm)
    ]


def own_groups(frame: Frame, position: int) -> dict[str, Group]:
    """The groups of one frame: content, place, rescale."""
    groups: dict[str, Group | None] = {
        "FrameContentSequence": {
            "FrameAcquisitionNumber": 5,
            "FrameAcquisitionDateTime": f"20260304050{frame.time}07.25",
            "FrameReferenceDateTime": f"20260304050{frame.time}07.5",
            "FrameAcquisitionDuration": 500.0,
            "StackID": frame.stack,
            "InStackPositionNumber": position,
            "TemporalPositionIndex": frame.time,
            "DimensionIndexValues": [int(frame.stack), position],
        },
        "PlanePositionSequence": {"ImagePositionPatient": [-16.0, -12.0, frame.z_mm]},
        "PlaneOrientationSequence": {"ImageOrientationPatient": list(frame.orientation)},
        "PixelValueTransformationSequence": {
            "RescaleIntercept": frame.intercept,
            "RescaleSlope": frame.slope,
            "RescaleType": "HU",
        },
        "CTImageFrameTypeSequence": {
            "FrameType": list(frame.frame_type),
            "PixelPresentation": "MONOCHROME",
            "VolumetricProperties": "VOLUME",
            "VolumeBasedCalculationTechnique": "NONE",
        },
        **(frame.groups or {}),
    }
    return {name: group for name, group in groups.items() if group is not None}


SHARED_GROUPS: dict[str, Group] = {
    "PixelMeasuresSequence": {"PixelSpacing": ["0.5", "0.75"], "SliceThickness": "2"},
    "FrameVOILUTSequence": {"WindowCenter": "40", "WindowWidth": "400"},
    "FrameAnatomySequence": {"AnatomicRegionSequence": [CHEST], "FrameLaterality": "U"},
    "IrradiationEventIdentificationSequence": {"IrradiationEventUID": "1.2.826.0.1.3680043.8.498.7"},
    "CTAcquisitionTypeSequence": {"AcquisitionType": "SPIRAL", "ConstantVolumeFlag": "NO", "FluoroscopyFlag": "NO"},
    "CTAcquisitionDetailsSequence": {
        "DataCollectionDiameter": "500",
        "GantryDetectorTilt": "0",
        "RevolutionTime": 0.5,
        "RotationDirection": "CW",
        "SingleCollimationWidth": 0.6,
        "TableHeight": "150",
        "TotalCollimationWidth": 38.4,
    },
    "CTTableDynamicsSequence": {"SpiralPitchFactor": 0.75, "TableFeedPerRotation": 28.8, "TableSpeed": 57.6},
    "CTPositionSequence": {
        "DataCollectionCenterPatient": [0.0, 0.0, 2.0],
        "ReconstructionTargetCenterPatient": [0.0, 0.0, 2.0],
        "TablePosition": 12.0,
    },
    "CTGeometrySequence": {"DistanceSourceToDataCollectionCenter": 595.0, "DistanceSourceToDetector": "1085.6"},
    "CTReconstructionSequence": {
        "ConvolutionKernel": "B30",
        "ConvolutionKernelGroup": "SOFT_TISSUE",
        "ImageFilter": "NONE",
        "ReconstructionAlgorithm": "FILTER_BACK_PROJ",
        "ReconstructionAngle": 360.0,
        "ReconstructionDiameter": "24",
        "ReconstructionPixelSpacing": [0.5, 0.75],
    },
    "CTExposureSequence": {
        "CTDIPhantomTypeCodeSequence": [BODY_PHANTOM],
        "CTDIvol": 3.0,
        "ExposureInmAs": 49.8,
        "ExposureModulationType": "NONE",
        "ExposureTimeInms": 500.0,
        "XRayTubeCurrentInmA": 99.6,
    },
    "CTXRayDetailsSequence": {"FilterMaterial": "ALUMINUM", "FilterType": "FLAT", "FocalSpots": "1.2", "KVP": "120"},
}


def make_enhanced(
    frames: Sequence[Frame],
    *,
    shared: dict[str, Group | None] | None = None,
    sop_class: str = ENHANCED_CT,
    sop_uid: str = "",
    transfer_syntax: str = ExplicitVRLittleEndian,
    **options: Any,
) -> Dataset:
    """Build an enhanced CT image.

    Args:
        frames: In the file's order.
        shared: Changes to :data:`SHARED_GROUPS`; None takes a group away.
        sop_class: SOPClassUID.
        sop_uid: SOPInstanceUID.
        transfer_syntax: Pixels are compressed into it where it is not native.
        options: As of make_ct_dataset, for the image as a whole.
    """
    is_native = transfer_syntax in NATIVE
    image = make_ct_dataset(
        stored=np.concatenate([frame.stored for frame in frames]),
        transfer_syntax=transfer_syntax if is_native else ExplicitVRLittleEndian,
        **options,
    )
    for keyword in _IN_GROUPS:
        if keyword not in options:
            del image[keyword]
    image.Rows = frames[0].stored.shape[0]
    image.SOPClassUID = UID(sop_class)
    image.SOPInstanceUID = sop_uid or stable_uid("enhanced", *(str(frame.z_mm) for frame in frames))
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.StudyDate, image.StudyTime = "20260304", "050500"
    image.ContentDate, image.ContentTime = "20260304", "050607"
    image.AcquisitionDateTime, image.AcquisitionDuration = "20260304050107.25", 3.0
    image.DeviceSerialNumber, image.SoftwareVersions = "1", "1"
    image.PatientPosition, image.ContentQualification = "HFS", "PRODUCT"
    image.PixelPresentation, image.VolumetricProperties = "MONOCHROME", "VOLUME"
    image.VolumeBasedCalculationTechnique, image.BurnedInAnnotation = "NONE", "NO"
    image.LossyImageCompression, image.PresentationLUTShape = "00", "IDENTITY"
    image.NumberOfFrames = len(frames)
    image.AcquisitionContextSequence = []
    image.DimensionOrganizationSequence = [as_item({"DimensionOrganizationUID": DIMENSIONS_UID})]
    image.DimensionIndexSequence = [
        as_item(
            {
                "DimensionOrganizationUID": DIMENSIONS_UID,
                "DimensionIndexPointer": tag_for_keyword(keyword),
                "FunctionalGroupPointer": tag_for_keyword("FrameContentSequence"),
            }
        )
        for keyword in ("StackID", "InStackPositionNumber")
    ]
    groups = {name: group for name, group in {**SHARED_GROUPS, **(shared or {})}.items() if group is not None}
    image.SharedFunctionalGroupsSequence = [as_groups(groups)]
    image.PerFrameFunctionalGroupsSequence = [
        as_groups(own_groups(frame, position)) for position, frame in enumerate(frames, start=1)
    ]
    if not is_native:
        image.compress(transfer_syntax, generate_instance_uid=False)
    return image


def save_enhanced(path: Path, frames: Sequence[Frame], **options: Any) -> Path:
    """Write an enhanced CT image; returns its path."""
    return save(make_enhanced(frames, **options), path)


def without_groups(frames: Iterable[Frame], *names: str) -> list[Frame]:
    """Take groups away from frames."""
    return [replace(frame, groups={**(frame.groups or {}), **dict.fromkeys(names)}) for frame in frames]
