"""Laying out an archive takes operations in proportion to its series: calls are counted, for a clock would lie."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import plan_found
from n2b_ct.cli.index import _plain
from n2b_ct.cli.inventory_text import inventory_lines
from n2b_ct.data import manifest_series
from n2b_ct.data.anonymisation import find_patterns
from n2b_ct.data.inventory import Inventory
from n2b_ct.data.manifest import Manifest
from n2b_ct.data.manifest_draft import draft_manifest
from n2b_ct.io.dicom.instance_uids import resolve_duplicates
from n2b_ct.io.dicom.reading.grouping import group_slices, mark_shared_uids, series_ref
from n2b_ct.io.dicom.reading.slice_header import CONSTANTS, PASS_MARKS, SliceHeader
from n2b_ct.io.dicom.scan import ScanResult
from n2b_ct.io.series import FileRecord

FEW, MANY, LEAST_GROWTH, MOST_GROWTH = 100, 400, 3.0, 5.0
OUTPUT = Path("out")


class CountedText(str):
    """A UID whose comparisons are calls, which the counter sees; those of plain text are none."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


class CountedRecord(FileRecord):
    """A record whose attributes are read by a call."""

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)


def n_calls(work: Callable[[], Any]) -> int:
    """Count the calls of functions, Python's and C's."""
    n = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal n
        n += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return n


def header(folder: Path, n: int, k: int, uid: str) -> SliceHeader:
    constants = {"PatientID": f"p{n // 4}", "ConvolutionKernel": f"b{n}"}
    return SliceHeader(
        path=folder / f"{n}-{k}",
        sop_instance_uid=CountedText(f"1.2.3.{n}.{k}"),
        series_instance_uid=CountedText(uid),
        study_instance_uid=CountedText(f"1.2.{n // 4}"),
        rows=8,
        cols=8,
        position_mm=(0.0, 0.0, 2.0 * k + n % 7),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.5, 0.5),
        frame_of_reference_uid="",
        constants=tuple(constants.get(keyword, "") for keyword in CONSTANTS),
        pass_marks=tuple("" for _ in PASS_MARKS),
        instance_number=k,
        slice_location_mm=None,
        tilt_degrees=None,
        field_of_view_mm=None,
        is_compressed=False,
        frame_number=None,
        stack_id="",
        problems=(),
        facts={"SeriesDescription": "Thorax"},
    )


def headers_of(root: Path, n_series: int, layout: str) -> list[SliceHeader]:
    """Series in folders of their own, in one folder, of one UID, or of a slice each."""
    n_slices = 1 if layout == "single slices" else 2
    uid_of = {"one UID": lambda _: "1.2.3"}.get(layout, lambda n: f"1.2.3.{n}")
    folder_of = {"own folders": lambda n: root / f"p{n // 4}" / f"s{n % 4}"}.get(layout, lambda _: root / "all")
    return [header(folder_of(n), n, k, uid_of(n)) for n in range(n_series) for k in range(n_slices)]


def scanned(headers: list[SliceHeader], *, with_errors: bool = False) -> ScanResult:
    series = tuple(mark_shared_uids([*map(series_ref, group_slices(headers)[0])]))
    records = [CountedRecord(one.path, "used", series=one.series_instance_uid) for one in headers]
    records += [
        CountedRecord(one.path.with_suffix(".bad"), "error", "bad_value", "", one.series_instance_uid)
        for one in (headers[::5] if with_errors else ())
    ]
    return ScanResult(series, tuple(records))


def plan(root: Path, headers: list[SliceHeader], _: Any) -> Callable[[], Any]:
    n_uids = len({str(one.series_instance_uid) for one in headers})
    result = scanned(headers, with_errors=n_uids > 1)  # an error of the one UID fails every series: that is many words
    return lambda: plan_found(result, root, OUTPUT, DenoiseOptions())


def group(_root: Path, headers: list[SliceHeader], _: Any) -> Callable[[], Any]:
    return lambda: scanned(resolve_duplicates(headers)[0])


def inspect(root: Path, headers: list[SliceHeader], _: Any) -> Callable[[], Any]:
    result = scanned(headers)

    def work() -> None:
        inventory = Inventory(result.series, (), result.records, find_patterns(result.series))
        inventory_lines(inventory, root, 100)
        _plain(inventory)

    return work


def index_and_find(root: Path, headers: list[SliceHeader], monkeypatch: Any) -> Callable[[], Any]:
    result = scanned(headers)
    (root / "all").mkdir(exist_ok=True)

    def work() -> None:
        manifest = Manifest.model_validate(draft_manifest(result.series, root, "archive"))
        monkeypatch.setattr(manifest_series, "scan", lambda *_, **__: result)
        if (root / "all") == result.series[0].directory:
            manifest_series.find_series(manifest, root, list(manifest.series))

    return work


@pytest.mark.parametrize("layout", ["own folders", "one folder", "one UID", "single slices"])
@pytest.mark.parametrize("step", [plan, group, inspect, index_and_find])
def test_operations_grow_with_the_number_of_series(tmp_path, monkeypatch, step, layout):
    few, many = (n_calls(step(tmp_path, headers_of(tmp_path, n, layout), monkeypatch)) for n in (FEW, MANY))
    assert LEAST_GROWTH < many / few < MOST_GROWTH
