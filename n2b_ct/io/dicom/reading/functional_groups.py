"""One frame of an enhanced CT image as a data set of the CT Image IOD (PS3.3 A.3), by its functional groups.

The groups' attributes (PS3.3 C.7.6.16.2, C.8.15.3) move as they were read, so text keeps its bytes. Where a group has
several items that disagree, as with two X-ray sources, the attribute is left out: one value would be a guess. What
belongs to the multi-frame image as a whole is left out: dimensions, concatenation, evidence, synchronisation, and the
supplemental palette, which only colour frames need. The SOP class and instance stay the source's, for they say where
the frame comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag, Tag

from n2b_ct.io.dicom.elements import lenient_integer, lenient_number, put, put_copied, put_sequence, text

N_FRAMES_MAX = 10_000
"""Frames in one file at most, and the stride of InstanceNumber from one file of a series to the next."""

_DATE_TIME = re.compile(r"(\d{8})(\d{6}(?:\.\d{1,6})?)")

# Attributes of an enhanced image that the CT Image IOD does not have, or that tell how its frames were put together.
_MULTI_FRAME_ONLY = (
    "AcquisitionContextDescription",
    "AcquisitionContextSequence",
    "BluePaletteColorLookupTableData",
    "BluePaletteColorLookupTableDescriptor",
    "CardiacBeatRejectionTechnique",
    "CardiacFramingType",
    "CardiacRRIntervalSpecified",
    "CardiacSignalSource",
    "CardiacSynchronizationTechnique",
    "ConcatenationFrameOffsetNumber",
    "ConcatenationUID",
    "ConversionSourceAttributesSequence",
    "DimensionIndexSequence",
    "DimensionOrganizationSequence",
    "DimensionOrganizationType",
    "EncapsulatedPixelDataValueTotalLength",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FrameExtractionSequence",
    "GreenPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableDescriptor",
    "HighRRValue",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "IntervalsAcquired",
    "IntervalsRejected",
    "LowRRValue",
    "MultienergyCTPathSequence",
    "MultienergyCTXRayDetectorSequence",
    "MultienergyCTXRaySourceSequence",
    "NumberOfFrames",
    "PerFrameFunctionalGroupsSequence",
    "PixelData",
    "RedPaletteColorLookupTableData",
    "RedPaletteColorLookupTableDescriptor",
    "ReferencedImageEvidenceSequence",
    "ReferencedPresentationStateSequence",
    "ReferencedRawDataSequence",
    "ReferencedWaveformSequence",
    "RepresentativeFrameNumber",
    "RespiratoryMotionCompensationTechnique",
    "RespiratorySignalSource",
    "RespiratoryTriggerDelayThreshold",
    "RespiratoryTriggerType",
    "SOPInstanceUIDOfConcatenationSource",
    "SharedFunctionalGroupsSequence",
    "SkipBeats",
    "SourceImageEvidenceSequence",
    "StereoPairsPresent",
    "VolumeBasedCalculationTechnique",
    "VolumetricProperties",
)

# A multi-energy acquisition: what the item of MultienergyCTAcquisitionSequence is made of (PS3.3 C.8.2.2).
_ENERGY_OF_IMAGE = ("MultienergyCTXRaySourceSequence", "MultienergyCTXRayDetectorSequence", "MultienergyCTPathSequence")
_ENERGY_OF_FRAME = (
    "CTAcquisitionDetailsSequence",
    "CTGeometrySequence",
    "CTExposureSequence",
    "CTXRayDetailsSequence",
)
_OF_ONE_AGENT = (
    "ContrastBolusAdministrationRouteSequence",
    "ContrastBolusVolume",
    "ContrastBolusIngredientConcentration",
)
_CODE = (
    "CodeValue",
    "CodingSchemeDesignator",
    "CodingSchemeVersion",
    "CodeMeaning",
    "LongCodeValue",
    "URNCodeValue",
)
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


def image_elements(image: Dataset) -> Elements:
    """Take what all frames of an enhanced image share outside its functional groups, as it was read."""
    dropped = _MULTI_FRAME_ONLY_TAGS | {tag_of("InstanceNumber")}
    return {tag: image.get_item(tag) for tag in image.keys() if tag not in dropped}  # noqa: SIM118  (not its elements)


def frame_dataset(path: Path, image: FileDataset, elements: Elements, groups: Groups, number: int) -> FileDataset:
    """Make the data set of one frame, without pixels.

    Args:
        path: The file.
        image: The whole image.
        elements: As :func:`image_elements` gives them.
        groups: The frame's functional groups.
        number: Number of the frame, from 1.
    """
    left_over = {tag: one for tag, one in unassigned_elements(groups).items() if tag not in _MULTI_FRAME_ONLY_TAGS}
    is_implicit, is_little_endian = image.original_encoding
    frame = FileDataset(
        str(path),
        {**left_over, **elements, **frame_elements(groups)},
        file_meta=image.file_meta,
        is_implicit_VR=bool(is_implicit),
        is_little_endian=bool(is_little_endian),
    )
    _put_image_type(frame)
    _put_acquisition_time(frame)
    _put_contrast(frame, groups)
    _put_energies(frame, image, groups)
    for keyword in ("KVP", "AcquisitionNumber", "SliceThickness"):  # type 2
        if keyword not in frame:
            put(frame, keyword, "")
    if "InstanceNumber" not in frame:  # what was converted from single frames may have kept theirs
        put(frame, "InstanceNumber", str(instance_number(image, number)))
    return frame


def instance_number(image: Dataset, number: int) -> int:
    """Number a frame within its series.

    InstanceNumber is the same for all parts of a concatenation and differs between other images of a series
    (PS3.3 table C.7.6.16-1), so frame 3 of image 1 is 3, and of image 2 is 10003.
    """
    within = (lenient_integer(image, "ConcatenationFrameOffsetNumber") or 0) + number
    stepped = ((lenient_integer(image, "InstanceNumber") or 1) - 1) * N_FRAMES_MAX + within
    return stepped if 0 < stepped <= _LARGEST_IS else number


def _put_image_type(frame: Dataset) -> None:
    """FrameType's flavour becomes AXIAL, which is any cross-section; a contrast NONE says nothing (C.8.2.1.1.1)."""
    found = text(frame, "ImageType").split("\\")
    if len(found) > 2:
        flavour = "LOCALIZER" if found[2] == "LOCALIZER" else "AXIAL"
        contrast = [value for value in found[3:] if value != "NONE"]
        put_copied(frame, "ImageType", "\\".join([*found[:2], flavour, *contrast]))


def _put_acquisition_time(frame: Dataset) -> None:
    """Tell the frame's time as date and time too; one with a zone of its own would be told in the wrong one."""
    found = _DATE_TIME.fullmatch(text(frame, "AcquisitionDateTime"))
    if found is not None:
        put_copied(frame, "AcquisitionDate", found[1])
        put_copied(frame, "AcquisitionTime", found[2])


def _put_contrast(frame: Dataset, groups: Groups) -> None:
    """Turn the Enhanced Contrast/Bolus module into the Contrast/Bolus module (C.7.6.4b, C.7.6.4)."""
    agents = frame.get("ContrastBolusAgentSequence") or ()
    if not agents:
        return
    usages = groups.get(tag_of("ContrastBolusUsageSequence"), ())
    if usages and all(text(usage, "ContrastBolusAgentAdministered") == "NO" for usage in usages):
        del frame["ContrastBolusAgentSequence"]
        return
    put_sequence(frame, "ContrastBolusAgentSequence", [_part(agent, _CODE) for agent in agents])
    named: Elements = {}
    if len(agents) == 1:
        named = {tag_of(keyword): agents[0].get_item(keyword) for keyword in _OF_ONE_AGENT if keyword in agents[0]}
        if "CodeMeaning" in agents[0]:
            name_tag = tag_of("ContrastBolusAgent")
            named[name_tag] = moved(agents[0].get_item("CodeMeaning"), name_tag)
    for tag, element in named.items():
        if tag not in frame:
            frame[tag] = element
    if "ContrastBolusAgent" not in frame:
        put(frame, "ContrastBolusAgent", "")


def _put_energies(frame: Dataset, image: Dataset, groups: Groups) -> None:
    """Gather a multi-energy acquisition in the one sequence where a CT Image keeps it (C.8.2.2)."""
    if text(frame, "MultienergyCTAcquisition") != "YES" or "MultienergyCTAcquisitionSequence" in frame:
        return
    item = _part(image, _ENERGY_OF_IMAGE)
    for keyword in _ENERGY_OF_FRAME:
        tag = tag_of(keyword)
        if tag in groups:
            item[tag] = DataElement(tag, "SQ", groups[tag])
    put_sequence(frame, "MultienergyCTAcquisitionSequence", [item])


def _part(dataset: Dataset, keywords: tuple[str, ...]) -> Dataset:
    """Copy some elements as they were read."""
    part = Dataset()
    for keyword in keywords:
        if keyword in dataset:
            part[tag_of(keyword)] = dataset.get_item(keyword)
    is_implicit, is_little_endian = dataset.original_encoding
    part.set_original_encoding(is_implicit, is_little_endian, dataset.original_character_set)
    return part


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
_MULTI_FRAME_ONLY_TAGS = frozenset(map(tag_of, _MULTI_FRAME_ONLY))
