"""Valid CT whose header holds what a careless copy would get wrong: pixel statistics, signatures, overlays, history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage

from tests.helpers import make_ct_dataset, save, water_ramp

_UID = "1.2.826.0.1.3680043.8.498.77"
_ROWS, _COLS = 48, 64


def item(**values: object) -> Dataset:
    """A sequence item."""
    dataset = Dataset()
    set_values(dataset, **values)
    return dataset


def set_values(dataset: Dataset, **values: object) -> None:
    """Set elements by keyword."""
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """A coded entry (PS3.3 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _reference(number: int) -> dict[str, str]:
    return {"ReferencedSOPClassUID": CTImageStorage, "ReferencedSOPInstanceUID": f"{_UID}.8.{number}"}


def add_history(dataset: Dataset) -> None:
    """A source that was derived before, lossily compressed, corrected by hand and read by others."""
    equipment = item(
        PurposeOfReferenceCodeSequence=[code("109102", "Processing Equipment")],
        Manufacturer="Acme",
        ContributionDateTime="20260101120000",
    )
    coerced = item(
        ModifiedAttributesSequence=[item(PatientID="old")],
        SourceOfPreviousValues="",
        AttributeModificationDateTime="20260101120000",
        ModifyingSystem="PACS",
        ReasonForTheAttributeModification="COERCE",
    )
    set_values(
        dataset,
        ImageType=["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
        DerivationDescription="Sharpened",
        DerivationCodeSequence=[code("113086", "Edge enhancement")],
        SourceImageSequence=[item(**_reference(1))],
        ReferencedImageSequence=[item(**_reference(2))],
        ContributingEquipmentSequence=[equipment],
        OriginalAttributesSequence=[coerced],
        LossyImageCompression="01",
        LossyImageCompressionRatio="8",
        LossyImageCompressionMethod="ISO_10918_1",
        TimezoneOffsetFromUTC="-0530",
        InstanceCoercionDateTime="20260101120000",
        SyntheticData="NO",
    )


def add_examination(dataset: Dataset) -> None:
    """Facts about the acquisition, which all stay true."""
    request = item(
        RequestedProcedureID="RP1",
        ScheduledProcedureStepID="SPS1",
        RequestedProcedureDescription="CT thorax",
    )
    set_values(
        dataset,
        RequestAttributesSequence=[request],
        CTDIPhantomTypeCodeSequence=[code("113691", "IEC Body Dosimetry Phantom")],
        CTDIvol=4.25,
        IrradiationEventUID=f"{_UID}.3",
        AcquisitionUID=f"{_UID}.4",
        ContrastBolusAgent="Iohexol",
        BurnedInAnnotation="NO",
        QualityControlImage="NO",
        GantryDetectorTilt="0",
        ProtocolName="Thorax",
        PatientPosition="HFS",
        BodyPartExamined="CHEST",
        StudyID="7",
        StudyDate="20260101",
        StudyTime="115700",
        AcquisitionDate="20260101",
        AcquisitionTime="115900",
        ContentDate="20260101",
        ContentTime="115901",
        SeriesDate="20260101",
        SeriesTime="115800",
        InstanceCreationDate="20260101",
        InstanceCreationTime="115902",
    )


def add_display(dataset: Dataset) -> None:
    """How the values are shown and what they stand for."""
    mapping = item(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=4095,
        RealWorldValueIntercept=-1024.0,
        RealWorldValueSlope=1.0,
        LUTExplanation="HU",
        LUTLabel="HU",
        MeasurementUnitsCodeSequence=[code("[hnsf'U]", "Hounsfield unit", "UCUM")],
    )
    set_values(
        dataset,
        RescaleType="HU",
        WindowCenter=["40", "-600"],
        WindowWidth=["400", "1500"],
        WindowCenterWidthExplanation=["SOFT", "LUNG"],
        VOILUTFunction="LINEAR",
        RealWorldValueMappingSequence=[mapping],
        PresentationLUTShape="IDENTITY",
    )


def add_pixel_facts(dataset: Dataset) -> None:
    """Statistics, an icon and an overlay of the old pixels."""
    for keyword in ("SmallestImagePixelValue", "SmallestPixelValueInSeries"):
        dataset.add_new(keyword, "US", 900)
    for keyword in ("LargestImagePixelValue", "LargestPixelValueInSeries"):
        dataset.add_new(keyword, "US", 900 + _ROWS * _COLS - 1)
    icon = item(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=8,
        Columns=8,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    icon.add_new("PixelData", "OW", bytes(64))
    dataset.IconImageSequence = Sequence([icon])
    _add_overlay(dataset)


def _add_overlay(dataset: Dataset) -> None:
    values = (
        (0x0010, "US", _ROWS),
        (0x0011, "US", _COLS),
        (0x0040, "CS", "R"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x1301, "IS", "12"),
        (0x1302, "DS", "40.5"),
        (0x1303, "DS", "11.5"),
        (0x3000, "OW", bytes(_ROWS * _COLS // 8)),
    )
    for element, vr, value in values:
        dataset.add_new((0x6000, element), vr, value)


def add_spare_bits(dataset: Dataset) -> None:
    """An overlay of the retired kind, in bit 15 of the pixels."""
    values = (
        (0x0010, "US", _ROWS),
        (0x0011, "US", _COLS),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 16),
        (0x0102, "US", 15),
    )
    for element, vr, value in values:
        dataset.add_new((0x6000, element), vr, value)
    words = np.frombuffer(dataset.PixelData, "<u2").copy()
    words[::7] |= 0x8000
    dataset["PixelData"].value = words.tobytes()


def add_attachments(dataset: Dataset) -> None:
    """Private groups, an encrypted block, a signature, trailing padding."""
    block = dataset.private_block(0x0043, "ACME_PARM", create=True)
    block.add_new(0x27, "SH", "/1.0:1")
    block.add_new(0x28, "OB", b"\x01\x02")
    envelope = item(EncryptedContentTransferSyntaxUID="1.2.840.10008.1.2.1", EncryptedContent=bytes(64))
    dataset.EncryptedAttributesSequence = Sequence([envelope])
    mac = item(
        MACIDNumber=1,
        MACCalculationTransferSyntaxUID="1.2.840.10008.1.2.1",
        MACAlgorithm="SHA256",
        DataElementsSigned=[0x00080018],
    )
    signature = item(
        MACIDNumber=1,
        DigitalSignatureUID=f"{_UID}.5",
        DigitalSignatureDateTime="20260101120000",
        CertificateType="X509_1993_SIG",
        CertificateOfSigner=bytes(8),
        Signature=bytes(8),
    )
    dataset.MACParametersSequence = Sequence([mac])
    dataset.DigitalSignaturesSequence = Sequence([signature])
    dataset.DataSetTrailingPadding = bytes(16)


def add_padding(dataset: Dataset) -> None:
    """A padded corner; the range is that of a signed scanner's habit, in unsigned words."""
    dataset.add_new("PixelPaddingValue", "US", 0)
    dataset.add_new("PixelPaddingRangeLimit", "US", 5)
    words = np.frombuffer(dataset.PixelData, "<u2").copy()
    words[:_COLS] = 0
    dataset["PixelData"].value = words.tobytes()


ODD_HEADERS: dict[str, tuple[Callable[[Dataset], None], ...]] = {
    "plain": (),
    "history": (add_history,),
    "display": (add_display,),
    "pixel_facts": (add_pixel_facts,),
    "spare_bits": (add_spare_bits,),
    "attachments": (add_attachments,),
    "padding": (add_padding,),
    "everything": (add_history, add_display, add_pixel_facts, add_attachments, add_padding),
}
"""What is added to the facts about the acquisition, which every source here has."""


def write_odd_series(folder: Path, name: str) -> Path:
    """Write a series of three slices with one of :data:`ODD_HEADERS`."""
    for index in range(3):
        dataset = make_ct_dataset(
            position_mm=(-16.0, -12.0, 2.0 * index),
            instance_number=index + 1,
            stored=water_ramp(_ROWS, _COLS, 900 + 10 * index),
        )
        for add in (add_examination, *ODD_HEADERS[name]):
            add(dataset)
        save(dataset, folder / f"{index}.dcm")
    return folder
