"""One frame of an enhanced CT image as a data set of the CT Image IOD (PS3.3 A.3).

What belongs to the multi-frame image as a whole is left out: dimensions, concatenation, evidence, synchronisation,
and the supplemental palette, which only colour frames need.
The SOP class and instance stay the source's, for they say where the frame comes from.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset

from n2b_ct.io.dicom.elements import put, put_copied, put_sequence
from n2b_ct.io.dicom.frames.groups import (
    Elements,
    Groups,
    frame_elements,
    moved,
    tag_of,
    unassigned_elements,
)
from n2b_ct.io.dicom.values import lenient_integer, text

N_FRAMES_MAX = 10_000
"""Frames in one file at most, and the stride of InstanceNumber from one file of a series to the next."""

_LARGEST_IS = 2**31 - 1
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


_MULTI_FRAME_ONLY_TAGS = frozenset(map(tag_of, _MULTI_FRAME_ONLY))
