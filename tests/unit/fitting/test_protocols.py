"""Which series share a fit."""

from __future__ import annotations

from pathlib import Path

from n2b_ct.batch.file_tasks import VolumeTask
from n2b_ct.batch.series_task import SeriesTask
from n2b_ct.fitting.protocols import protocols_of
from n2b_ct.io.series import InstanceRef, SeriesRef

FACTS = {
    "Manufacturer": "ACME",
    "ManufacturerModelName": "One",
    "ConvolutionKernel": "B30f",
    "SliceThickness": "3",
    "KVP": "120",
}


def task(number: int, spacing_mm: float | None = 0.8, **facts: str) -> SeriesTask:
    instances = tuple(InstanceRef(Path(f"{number}/{k}"), f"1.{number}.{k}", float(k)) for k in range(4))
    spacing = None if spacing_mm is None else (spacing_mm, spacing_mm)
    series = SeriesRef(
        f"1.{number}", "1", "p", "", 512, 512, spacing, (1, 0, 0, 0, 1, 0), instances, facts=FACTS | facts
    )
    return SeriesTask(series, Path(f"out/{number}"))


def test_series_of_one_scanner_and_kernel_share_a_fit() -> None:
    (protocol,) = protocols_of([task(1), task(2, Manufacturer="Acme "), task(3, 0.81)])
    assert protocol.n_slices == 12
    assert protocol.name.startswith("B30f-3mm-120kV-")


def test_another_kernel_thickness_voltage_scanner_or_pixel_size_is_another_protocol() -> None:
    changed = [
        task(2, ConvolutionKernel="D45f"),
        task(3, SliceThickness="1"),
        task(4, KVP="100"),
        task(5, ManufacturerModelName="Two"),
        task(6, 0.5),
        task(7, None),
    ]
    protocols = protocols_of([task(1), *changed])
    assert len(protocols) == len({one.key for one in protocols}) == len({one.name for one in protocols}) == 7


def test_a_name_is_one_plain_part_of_a_path_whatever_the_header_says() -> None:
    (protocol,) = protocols_of([task(1, ConvolutionKernel="../../x\\y: ['I30f', '2']")])
    assert set(protocol.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not protocol.name.startswith(".")


def test_every_volume_is_a_protocol_by_itself_and_its_name_does_not_show() -> None:
    volumes = [VolumeTask(Path(folder) / "Doe_John.nii", Path("out"), 9) for folder in ("a", "b")]
    protocols = protocols_of(volumes)
    assert len(protocols) == 2
    assert all(one.name.startswith("volume-") and "Doe" not in one.name for one in protocols)
