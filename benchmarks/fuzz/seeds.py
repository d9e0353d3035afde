"""Whole CT files of every kind, made here: what the mutators start from.

Each carries a patient's name, number and birthday that must never be seen again in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gdcm
import numpy as np
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

PATIENT = {"PatientName": "Zzyzx^Quux", "PatientID": "ZZYZX-4711", "PatientBirthDate": "19030507"}
ROOT_UID = "1.2.826.0.1.3680043.8.498.77"
_ROWS, _COLS = 32, 40  # openjpeg encodes nothing smaller
_N_FRAMES = 3


def synthetic_seeds() -> dict[str, bytes]:
    """Make every seed file; the same names and bytes each time."""
    native = {
        "explicit": _saved(ct_dataset()),
        "explicit_signed_padded": _saved(ct_dataset(is_signed=True, intercept="0", padding=-2000, bits_stored=16)),
        "explicit_rich": _saved(_enriched(ct_dataset())),
        "implicit": _saved(ct_dataset(transfer_syntax=ImplicitVRLittleEndian)),
        "implicit_rich": _saved(_enriched(ct_dataset(transfer_syntax=ImplicitVRLittleEndian))),
        "implicit_13_bits_signed": _saved(
            ct_dataset(transfer_syntax=ImplicitVRLittleEndian, bits_stored=13, is_signed=True, padding=-1500)
        ),
        "big_endian": _saved(_enriched(ct_dataset(transfer_syntax=ExplicitVRBigEndian))),
        "deflated": _saved(_enriched(ct_dataset(transfer_syntax=DeflatedExplicitVRLittleEndian))),
        "eight_bits": _saved(ct_dataset(bits_stored=8, bits_allocated=8, slope="8")),
        "japanese": _saved(ct_dataset(SpecificCharacterSet=["", "ISO 2022 IR 87"], SeriesDescription="胸部")),
        "utf8": _saved(ct_dataset(SpecificCharacterSet="ISO_IR 192", SeriesDescription="胸部 ü")),
        "enhanced": _saved(enhanced_dataset()),
    }
    return {**native, **dict(_compressed_seeds())}


def ct_dataset(
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    place: int = 0,
    bits_stored: int = 12,
    bits_allocated: int = 16,
    is_signed: bool = False,
    slope: str = "1",
    intercept: str = "-1024",
    padding: int | None = None,
    **changes: Any,
) -> Dataset:
    """Build one slice of a CT series; ``place`` counts slices of 2 mm."""
    dataset = _identity(CTImageStorage, place)
    dataset.ImagePositionPatient = ["-8", "-6", f"{2 * place:g}"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.PixelSpacing, dataset.SliceThickness = ["0.5", "0.75"], "2"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, intercept, "HU"
    _describe_pixels(dataset, bits_stored, bits_allocated, is_signed)
    words = _words(place, bits_stored, is_signed)
    if padding is not None:
        dataset.add_new("PixelPaddingValue", "SS" if is_signed else "US", padding)
        words[:2] = padding
    order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
    kind = "i" if is_signed else "u"
    content = words.astype(f"{order}{kind}{bits_allocated // 8}").tobytes()
    dataset["PixelData"] = DataElement("PixelData", "OW" if bits_allocated > 8 else "OB", content)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = _file_meta(dataset, transfer_syntax)
    return dataset


def enhanced_dataset() -> Dataset:
    """Build an enhanced CT image of three frames, each with a rescale and a place of its own."""
    dataset = _identity(EnhancedCTImageStorage, 0)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    _describe_pixels(dataset, 12, 16, is_signed=False)
    dataset.NumberOfFrames = _N_FRAMES
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=["0.5", "0.75"], SliceThickness="2")]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])]
    frame_type = _item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], PixelPresentation="MONOCHROME")
    shared.CTImageFrameTypeSequence = [frame_type]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_item(number) for number in range(_N_FRAMES)]
    stack = np.stack([_words(number, 12, is_signed=False) for number in range(_N_FRAMES)])
    dataset["PixelData"] = DataElement("PixelData", "OW", stack.astype("<u2").tobytes())
    dataset.file_meta = _file_meta(dataset, ExplicitVRLittleEndian)
    return dataset


def sibling_file(place: int) -> bytes:
    """Make a healthy slice of the series that every seed claims to belong to."""
    return _saved(ct_dataset(place=place))


def _identity(sop_class: str, place: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"{ROOT_UID}.1.{place + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = ROOT_UID, f"{ROOT_UID}.1"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = f"{ROOT_UID}.9", ""
    for keyword in ("StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientSex"):
        setattr(dataset, keyword, "")
    for keyword, value in PATIENT.items():
        setattr(dataset, keyword, value)
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "CT", "Acme", "Scanner 1"
    dataset.SeriesDescription, dataset.SeriesNumber, dataset.StudyDate = "Thorax", 3, "20260304"
    dataset.KVP, dataset.ConvolutionKernel, dataset.GantryDetectorTilt = "120", "B30", "0"
    dataset.AcquisitionNumber, dataset.InstanceNumber, dataset.TimezoneOffsetFromUTC = 1, place + 1, "+0100"
    return dataset


def _describe_pixels(dataset: Dataset, bits_stored: int, bits_allocated: int, is_signed: bool) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = _ROWS, _COLS
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits_allocated, bits_stored, bits_stored - 1
    dataset.PixelRepresentation = int(is_signed)


def _words(place: int, bits_stored: int, is_signed: bool) -> np.ndarray:
    n_words = 1 << bits_stored
    lowest = -n_words // 2 if is_signed else 0
    ramp = (100 + 7 * np.arange(_ROWS * _COLS) + 10 * place) % n_words
    return (lowest + ramp).reshape(_ROWS, _COLS)


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _frame_item(number: int) -> Dataset:
    content = _item(StackID="1", InStackPositionNumber=number + 1, DimensionIndexValues=[1, number + 1])
    rescale = _item(RescaleIntercept=f"{-1024 + number}", RescaleSlope="1", RescaleType="HU")
    return _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=["-8", "-6", f"{2 * number:g}"])],
        PixelValueTransformationSequence=[rescale],
    )


def _file_meta(dataset: Dataset, transfer_syntax: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    return meta


def _enriched(dataset: Dataset) -> Dataset:
    """Add what real headers carry: sequences in sequences, private groups, overlays, a window, odd text."""
    code = _item(CodeValue="113620", CodingSchemeDesignator="DCM", CodeMeaning="Plane Identification")
    request = _item(RequestedProcedureID="7", RequestedProcedureCodeSequence=[code])
    dataset.RequestAttributesSequence = [request, request]
    dataset.ReferencedImageSequence = Sequence([_item(ReferencedSOPInstanceUID=f"{ROOT_UID}.4")])
    dataset.WindowCenter, dataset.WindowWidth = ["40", "-600"], ["400", "1500"]
    dataset.ImageComments = "line one\r\nline two"
    block = dataset.private_block(0x0009, "ACME 1.1", create=True)
    block.add_new(0x01, "LO", "private text")
    block.add_new(0x02, "SQ", [_item(SeriesDescription="inside")])
    block.add_new(0x03, "OB", bytes(range(64)))
    for element, vr, value in ((0x10, "US", _ROWS), (0x11, "US", _COLS), (0x40, "CS", "G"), (0x100, "US", 1)):
        dataset.add_new(0x60000000 | element, vr, value)
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", b"\x55\xaa" * (_ROWS * _COLS // 16))
    return dataset


def _saved(dataset: Dataset) -> bytes:
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _compressed_seeds() -> Iterator[tuple[str, bytes]]:
    plugins = {RLELossless: "pydicom", JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}
    names = {RLELossless: "rle", JPEGLSLossless: "jpeg_ls", JPEG2000Lossless: "jpeg_2000"}
    for syntax, plugin in plugins.items():
        for is_signed, ending in ((False, ""), (True, "_signed")):
            dataset = ct_dataset(is_signed=is_signed, bits_stored=16 if is_signed else 12)
            dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
            yield names[syntax] + ending, _saved(dataset)
    yield "jpeg_lossless", _jpeg_lossless()
    yield "jpeg_baseline", _jpeg_baseline()


def _jpeg_lossless() -> bytes:
    """Compress with gdcm, which wants files."""
    with TemporaryDirectory() as folder:
        native, compressed = Path(folder, "native"), Path(folder, "compressed")
        native.write_bytes(_saved(ct_dataset()))
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(native))
        _require(reader.Read)
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        _require(change.Change)
        writer.SetFileName(str(compressed))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        _require(writer.Write)
        content = compressed.read_bytes()
    if JPEGLosslessSV1.encode() not in content:
        msg = "gdcm wrote another transfer syntax"
        raise RuntimeError(msg)
    return content


def _require(step: Callable[[], bool]) -> None:
    if not step():
        msg = f"gdcm could not {step.__name__}"
        raise RuntimeError(msg)


def _jpeg_baseline() -> bytes:
    dataset = ct_dataset(bits_stored=8, bits_allocated=8, slope="8")
    image = Image.fromarray(_words(0, 8, is_signed=False).astype(np.uint8))
    content = BytesIO()
    image.save(content, format="JPEG", quality=95)
    dataset["PixelData"] = DataElement("PixelData", "OB", encapsulate([content.getvalue()]), is_undefined_length=True)
    dataset.LossyImageCompression = "01"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return _saved(dataset)
