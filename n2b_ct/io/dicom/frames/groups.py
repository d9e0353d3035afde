"""The functional groups of a frame as attributes of the CT Image IOD (PS3.3 C.7.6.16.2, C.8.15.3; A.3, C.8.2.1).

Elements move as they were read, so text keeps its bytes. Where a group has several items that disagree, as with two
X-ray sources, the attribute is left out: one value would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from n2b_ct.io.dicom.values import lenient_number

Element = DataElement | RawDataElement
Elements = dict[BaseTag, Element]
Groups = Mapping[BaseTag, Any]
"""Sequence tag to items; what the frame itself says comes before what all frames share."""

_LARGEST_IS = 2**31 - 1

# Group to attributes that keep their names.
_SAME_NAME: dict[str, tuple[str, ...]] = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"),
    "FrameContentSequence": ("StackID",),
    "CardiacSynchronizationSequence": ("NominalPercentageOfCardiacPhase",),
    "FrameAnatomySequence": ("AnatomicRegionSequence", "PrimaryAnatomicStructureSequence"),
    "IrradiationEventIdentificationSequence": ("IrradiationEventUID",),
    "CTImageFrameTypeSequence": ("PixelPresentation",),
    "CTAcquisitionDetailsSequence": (
        "DataCollectionDiameter",
        "GantryDetectorTilt",
        "TableHeight",
        "RotationDirection",
        "RevolutionTime",
        "SingleCollimationWidth",
        "TotalCollimationWidth",
    ),
    "CTTableDynamicsSequence": ("TableSpeed", "TableFeedPerRotation", "SpiralPitchFactor"),
    "CTPositionSequence": ("DataCollectionCenterPatient", "ReconstructionTargetCenterPatient"),
    "CTGeometrySequence": ("DistanceSourceToDetector",),
    "CTReconstructionSequence": ("ReconstructionDiameter", "ConvolutionKernel"),
    "CTExposureSequence": (
        "ExposureModulationType",
        "CTDIvol",
        "CTDIPhantomTypeCodeSequence",
        "ImageAndFluoroscopyAreaDoseProduct",
        "WaterEquivalentDiameter",
        "WaterEquivalentDiameterCalculationMethodCodeSequence",
    ),
    "CTXRayDetailsSequence": (
        "KVP",
        "FilterType",
        "FilterMaterial",
        "FocalSpots",
        "CalciumScoringMassFactorPatient",
        "CalciumScoringMassFactorDevice",
        "EnergyWeightingFactor",
    ),
}

# Group to attributes that have another name in the CT Image IOD, and where it is an integer string, another VR.
_OTHER_NAME: dict[str, dict[str, str]] = {
    "CTImageFrameTypeSequence": {"FrameType": "ImageType"},
    "FrameAnatomySequence": {"FrameLaterality": "ImageLaterality"},
    "FrameContentSequence": {
        "FrameAcquisitionNumber": "AcquisitionNumber",
        "FrameAcquisitionDateTime": "AcquisitionDateTime",
        "FrameComments": "ImageComments",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
    },
    "CTExposureSequence": {
        "ExposureTimeInms": "ExposureTime",
        "XRayTubeCurrentInmA": "XRayTubeCurrent",
        "ExposureInmAs": "Exposure",
    },
}

# Groups that are sequences of the CT Image IOD themselves.
_WHOLE = (
    "ReferencedImageSequence",
    "RealWorldValueMappingSequence",
    "CTAdditionalXRaySourceSequence",
    "MultienergyCTProcessingSequence",
    "MultienergyCTCharacteristicsSequence",
)

# Groups of legacy converted images: what the single-frame sources had and no other group takes.
_UNASSIGNED = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")


def tag_of(keyword: str) -> BaseTag:
    """The tag of a keyword that the dictionary has."""
    return Tag(cast("int", tag_for_keyword(keyword)))


def moved(element: Element, tag: BaseTag) -> Element:
    """Put a copy of an element under a tag of the same VR, as it was read."""
    if isinstance(element, RawDataElement):
        return element._replace(tag=tag)
    return DataElement(tag, element.VR, element.value, validation_mode=config.IGNORE)


def groups_of(item: Dataset) -> dict[BaseTag, Any]:
    """The functional groups in one item of the shared or the per-frame sequence."""
    elements = (item[tag] for tag in item.keys() if not tag.is_private)  # noqa: SIM118  (iterates over elements)
    return {element.tag: element.value for element in elements if element.VR == "SQ" and element.value}


def frame_elements(groups: Groups) -> Elements:
    """Take a frame's attributes out of its functional groups."""
    found: Elements = {}
    for group, pairs in _PLACES.items():
        items = groups.get(group, ())
        for source, target in pairs if items else ():
            element = _agreed(items, source)
            converted = None if element is None else _converted(items[0], element, target)
            if converted is not None:
                found[target] = converted
    found.update({tag: DataElement(tag, "SQ", groups[tag]) for tag in _WHOLE_TAGS if tag in groups})
    return found


def unassigned_elements(groups: Groups) -> Elements:
    """Take out what a legacy converted image kept of its sources, without private elements."""
    items = [item for tag in _UNASSIGNED_TAGS for item in groups.get(tag, ())]
    return {tag: item.get_item(tag) for item in items for tag in item.keys() if not tag.is_private}  # noqa: SIM118


def _agreed(items: Iterable[Dataset], tag: BaseTag) -> Element | None:
    """The element that all items of a group have alike, as it was read."""
    first, *others = items
    if tag not in first or any(tag not in other or other[tag].value != first[tag].value for other in others):
        return None
    return cast("Element", first.get_item(tag))


def _converted(item: Dataset, element: Element, target: BaseTag) -> Element | None:
    """Rename, and round what was fractional where the CT Image IOD wants an integer; None if it is no number."""
    if target == element.tag or dictionary_VR(target) != "IS":
        return moved(element, target)
    value = lenient_number(item, item[element.tag].keyword)
    if value is None or abs(value) > _LARGEST_IS:
        return None
    return DataElement(target, "IS", str(round(value)))


def _places() -> dict[BaseTag, tuple[tuple[BaseTag, BaseTag], ...]]:
    """Both tables as tags: group to pairs of (attribute in the group, attribute of the CT Image IOD)."""
    names = {group: {one: one for one in keywords} for group, keywords in _SAME_NAME.items()}
    for group, renamed in _OTHER_NAME.items():
        names.setdefault(group, {}).update(renamed)
    return {
        tag_of(group): tuple((tag_of(source), tag_of(target)) for source, target in pairs.items())
        for group, pairs in names.items()
    }


_PLACES = _places()
_WHOLE_TAGS = tuple(map(tag_of, _WHOLE))
_UNASSIGNED_TAGS = tuple(map(tag_of, _UNASSIGNED))
