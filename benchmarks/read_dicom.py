"""How fast a CT series is read, per transfer syntax: in one process, through the workers, and by SimpleITK.

    python -m benchmarks.read_dicom

Writes 300 slices of 512x512 for each syntax into a temporary folder (a phantom with noise, 30 different slices),
reads every series three times and takes medians. Results: ``benchmarks/results/read_dicom.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import SimpleITK as sitk  # noqa: N813 (its customary name)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from benchmarks.results_files import write_results
from n2b_ct.hu import stored_to_hu
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.reading.dicom_file import parse_file
from n2b_ct.io.dicom.reading.stored_words import rescale_of, stored_values
from n2b_ct.io.dicom.reading.transfer_syntaxes import JPEG_XL_LOSSLESS, decoder_name
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.original import OriginalSeries, original_dataset
from n2b_ct.io.sandbox.pool import shared_sandbox
from n2b_ct.io.series import SeriesRef

COMMAND = "python -m benchmarks.read_dicom"
N_SLICES, N_DIFFERENT, SIZE_PX, NOISE_HU, N_BITS = 300, 30, 512, 25.0, 12

Encode = Callable[[np.ndarray], bytes]
SYNTAXES: dict[str, tuple[str, Encode | None]] = {
    "Explicit VR Little Endian": (ExplicitVRLittleEndian, None),
    "RLE": (RLELossless, None),
    "JPEG-LS": (JPEGLSLossless, None),
    "JPEG lossless": (
        JPEGLosslessSV1,
        lambda words: imagecodecs.jpeg8_encode(words, lossless=True, bitspersample=N_BITS, predictor=1),
    ),
    "JPEG 12 bits, lossy": (JPEGExtended12Bit, lambda words: imagecodecs.jpeg8_encode(words, bitspersample=N_BITS)),
    "JPEG 2000": (JPEG2000Lossless, None),
    "HTJ2K": (HTJ2KLossless, lambda words: imagecodecs.htj2k_encode(words, reversible=True)),
    "JPEG XL": (
        JPEG_XL_LOSSLESS,
        lambda words: imagecodecs.jpegxl_encode(words, lossless=True, bitspersample=N_BITS, effort=3, numthreads=1),
    ),
}
"""Names, transfer syntaxes, and encoders where pydicom has none."""


def main() -> None:
    arguments = _arguments()
    originals = _phantom()
    rows = []
    for name, (syntax, encode) in SYNTAXES.items():
        with tempfile.TemporaryDirectory() as folder:
            n_bytes = _write_series(Path(folder), originals, syntax, encode)
            rows.append({"name": name, "n_bytes": n_bytes, **_measured(Path(folder), syntax, arguments.repeats)})
        print(_line(rows[-1]))
    _write(rows, arguments.repeats)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def _phantom() -> list[Dataset]:
    """A body of water with organs, and noise."""
    series = OriginalSeries(
        "benchmark", "reading", 1, "reading", "phantom", "none", SIZE_PX, 0.7, 1.0, 1.0, "none", 200
    )
    rows, cols = np.mgrid[-1 : 1 : SIZE_PX * 1j, -1 : 1 : SIZE_PX * 1j]
    rng = np.random.default_rng(0)
    clean_hu = np.where(rows**2 / 0.4 + cols**2 / 0.7 < 1, 0.0, -1000.0)
    for _ in range(12):
        row, col, radius = rng.uniform(-0.4, 0.4), rng.uniform(-0.6, 0.6), rng.uniform(0.03, 0.2)
        clean_hu[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] += rng.uniform(-150, 300)
    return [
        original_dataset(series, clean_hu + rng.normal(0, NOISE_HU, clean_hu.shape), instance_number=1, position_mm=0)
        for _ in range(N_DIFFERENT)
    ]


def _write_series(folder: Path, originals: list[Dataset], syntax: str, encode: Encode | None) -> int:
    """Write all slices; returns the bytes of the series."""
    encoded = [_encoded(original, syntax, encode) for original in originals]
    n_bytes = 0
    for index in range(N_SLICES):
        dataset = encoded[index % N_DIFFERENT]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{index + 1}")
        dataset.InstanceNumber = index + 1
        dataset.ImagePositionPatient = [0, 0, index]
        n_bytes += (folder / f"{index:03d}.dcm").write_bytes(_file_of(dataset, syntax))
    return n_bytes


def _encoded(original: Dataset, syntax: str, encode: Encode | None) -> Dataset:
    dataset = deepcopy(original)
    if encode is not None:
        words = np.frombuffer(dataset.PixelData, "<u2").reshape(SIZE_PX, SIZE_PX)
        dataset["PixelData"] = DataElement("PixelData", "OB", encapsulate([encode(words)]), is_undefined_length=True)
    elif syntax != ExplicitVRLittleEndian:
        dataset.compress(UID(syntax), generate_instance_uid=False)
    return dataset


def _file_of(dataset: Dataset, syntax: str) -> bytes:
    """The bytes of a file; JPEG XL is unknown to pydicom 3.0, so another syntax of its length stands in."""
    is_known = UID(syntax).name != syntax
    dataset.file_meta.TransferSyntaxUID = UID(syntax) if is_known else HTJ2KLossless
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue().replace(str(dataset.file_meta.TransferSyntaxUID).encode(), syntax.encode(), 1)


def _measured(folder: Path, syntax: str, repeats: int) -> dict[str, Any]:
    (series,) = scan(folder).series
    by_workers = read_series(series, range(4))  # workers start here, not in the measurement
    in_process = _read_in_process(series)
    np.testing.assert_array_equal(in_process[: len(by_workers.hu)], by_workers.hu)
    ways: dict[str, Callable[[], object]] = {
        "scan_s": lambda: scan(folder),
        "one_process_s": lambda: _read_in_process(series),
        "workers_s": lambda: read_series(series),
    }
    if _simpleitk_agrees(series):
        ways["simpleitk_s"] = lambda: _read_by_simpleitk(series)
    return {"decoder": decoder_name(syntax) or "none", "simpleitk_s": None, **_median_s(ways, repeats)}


def _median_s(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Take all ways in turn, so that whatever else the machine does slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: round(statistics.median(taken), 3) for name, taken in times.items()}


def _read_in_process(series: SeriesRef) -> np.ndarray:
    hu = np.empty((len(series), series.rows, series.cols), np.float32)
    for place, instance in enumerate(series.instances):
        dataset = parse_file(instance.path, with_pixels=True).dataset
        hu[place] = stored_to_hu(stored_values(dataset), *rescale_of(dataset))
    return hu


def _read_by_simpleitk(series: SeriesRef) -> np.ndarray:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(instance.path) for instance in series.instances])
    return sitk.GetArrayFromImage(reader.Execute()).astype(np.float32)


def _simpleitk_agrees(series: SeriesRef) -> bool:
    """Whether SimpleITK reads this syntax at all, and to the same HU."""
    try:
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(series.instances[0].path)))[0]
    except RuntimeError:
        return False
    return bool(np.array_equal(found, read_series(series, [0]).hu[0]))


def _write(rows: list[dict[str, Any]], repeats: int) -> None:
    document = {
        "command": COMMAND,
        "series": f"{N_SLICES} slices of {SIZE_PX}x{SIZE_PX}, {N_BITS} bits, noise {NOISE_HU:g} HU; to HU in float32",
        "processor": platform.processor() or platform.machine(),
        "n_cores": os.cpu_count(),
        "n_workers": shared_sandbox().n_workers,
        "load_average": round(os.getloadavg()[0], 1),
        "repeats": repeats,
        "rows": rows,
    }
    head = "| transfer syntax | MB | decoder | scan s | one process s | workers s | SimpleITK s | workers : SimpleITK |"
    caption = "{n_workers} workers on {n_cores} cores, load average {load_average} at the end, median of {repeats}"
    lines = [f"{document['series']}; {caption.format(**document)}.", "", head, "|" + "---|" * 8, *map(_line, rows)]
    write_results("read_dicom", document, "\n".join(lines) + "\n")


def _line(row: dict[str, Any]) -> str:
    other = row["simpleitk_s"]
    cells = [
        row["name"],
        f"{row['n_bytes'] / 1e6:.0f}",
        row["decoder"],
        *(f"{row[key]:.2f}" for key in ("scan_s", "one_process_s", "workers_s")),
        "-" if other is None else f"{other:.2f}",
        "-" if other is None else f"{row['workers_s'] / other:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
