"""How long it takes to lay out the work on an archive, between the scan of its files and the first slice.

    python -m benchmarks.planning
    python -m benchmarks.planning --series 1000      in small, to see that it works: writes no results

Headers of 10,000 series of 8 slices are made up, in folders of their own and all in one folder; no file is written or
read. Every step is timed at a quarter of them too: what grows with their number takes four times as long, what grows
with its square sixteen. Results: ``benchmarks/results/planning.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.results_files import write_results
from n2b_ct.batch.output_paths import mirrored_dirs
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import plan_found
from n2b_ct.cli.inventory_text import inventory_lines
from n2b_ct.data import manifest_series
from n2b_ct.data.anonymisation import find_patterns
from n2b_ct.data.inventory import Inventory
from n2b_ct.data.manifest import Manifest
from n2b_ct.data.manifest_draft import draft_manifest
from n2b_ct.io.dicom.reading.grouping import group_slices, mark_shared_uids, series_ref
from n2b_ct.io.dicom.reading.slice_header import CONSTANTS, PASS_MARKS, SliceHeader
from n2b_ct.io.dicom.scan import ScanResult
from n2b_ct.io.series import FileRecord, SeriesRef

COMMAND = "python -m benchmarks.planning"
N_SERIES, N_SLICES, N_SERIES_A_PATIENT, MIB = 10_000, 8, 4, 2**20
OUTPUT = Path("denoised")
LAYOUTS: dict[str, Callable[[Path, int], Path]] = {
    "own folders": lambda root, n: root / f"p{n // N_SERIES_A_PATIENT:05d}" / "study1" / f"ser{n % N_SERIES_A_PATIENT}",
    "one folder": lambda root, _: root / "all",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=N_SERIES)
    n_series = parser.parse_args().series
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for layout in LAYOUTS for row in _measured(Path(folder), layout, n_series)]
    document = {
        "command": COMMAND,
        "archive": f"{n_series} series of {N_SLICES} slices, {N_SERIES_A_PATIENT} series a patient",
        "processor": platform.processor() or platform.machine(),
        "n_cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "rows": rows,
    }
    if n_series == N_SERIES:
        write_results("planning", document, _table(document))
    else:
        print(_table(document))


def _measured(root: Path, layout: str, n_series: int) -> list[dict[str, Any]]:
    fewer = {step: _seconds(work) for step, work in _steps(root, layout, n_series // 4).items()}
    steps = _steps(root, layout, n_series)
    return [
        {
            "layout": layout,
            "step": step,
            "seconds": round(seconds := _seconds(work), 3),
            "to_a_quarter": round(seconds / fewer[step], 1),
            "peak_mib": round(_peak_bytes(work) / MIB, 1),
        }
        for step, work in steps.items()
    ]


def _steps(root: Path, layout: str, n_series: int) -> dict[str, Callable[[], Any]]:
    """What is done between a scan and the first slice, by name."""
    headers = [_header(LAYOUTS[layout](root, n), n, k) for n in range(n_series) for k in range(N_SLICES)]
    series = _series(headers)
    records = tuple(FileRecord(one.path, "used", series=one.series_instance_uid) for one in headers)
    result = ScanResult(tuple(series), records)
    inventory = Inventory(result.series, (), records)
    steps: dict[str, Callable[[], Any]] = {
        "scan: slices to series": lambda: _series(headers),
        "denoise: places": lambda: mirrored_dirs(series, root, OUTPUT),
        "denoise: plan": lambda: plan_found(result, root, OUTPUT, DenoiseOptions()),
        "inspect: patterns": lambda: find_patterns(series),
        "inspect: text": lambda: inventory_lines(inventory, root, 100),
        "index: manifest": lambda: draft_manifest(series, root, "archive"),
    }
    if layout == "one folder":
        LAYOUTS[layout](root, 0).mkdir(exist_ok=True)
        manifest = Manifest.model_validate(draft_manifest(series, root, "archive"))
        steps["train: series of a manifest"] = lambda: _find(manifest, root, result)
    return steps


def _header(folder: Path, n: int, k: int) -> SliceHeader:
    constants = {"PatientID": f"p{n // N_SERIES_A_PATIENT}", "SeriesNumber": str(n), "ConvolutionKernel": "b30f"}
    return SliceHeader(
        path=folder / f"{n}-{k}",
        sop_instance_uid=f"1.2.3.{n}.{k}",
        series_instance_uid=f"1.2.3.{n}",
        study_instance_uid=f"1.2.{n // N_SERIES_A_PATIENT}",
        rows=512,
        cols=512,
        position_mm=(-250.0, -250.0, 2.0 * k),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.98, 0.98),
        frame_of_reference_uid=f"1.2.{n // N_SERIES_A_PATIENT}.9",
        constants=tuple(constants.get(keyword, "") for keyword in CONSTANTS),
        pass_marks=("1", *("" for _ in PASS_MARKS[1:])),
        instance_number=k + 1,
        slice_location_mm=2.0 * k,
        tilt_degrees=0.0,
        field_of_view_mm=500.0,
        is_compressed=False,
        frame_number=None,
        stack_id="",
        problems=(),
        facts={"SeriesDescription": "Thorax B30f", "KVP": "120", "SliceThickness": "2"},
    )


def _series(headers: Sequence[SliceHeader]) -> list[SeriesRef]:
    groups, _ = group_slices(headers)
    return mark_shared_uids([*map(series_ref, groups)])


def _find(manifest: Manifest, root: Path, result: ScanResult) -> Any:
    with patch.object(manifest_series, "scan", lambda *_, **__: result):
        return manifest_series.find_series(manifest, root, list(manifest.series))


def _seconds(work: Callable[[], Any]) -> float:
    """CPU seconds: others may use the machine."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def _peak_bytes(work: Callable[[], Any]) -> int:
    """What the work allocates beyond what was there, in a run of its own: watching slows it down."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _table(document: dict[str, Any]) -> str:
    forms = {"step": "{}", "layout": "{}", "seconds": "{:.2f}", "to_a_quarter": "{:.1f}", "peak_mib": "{:.0f}"}
    cells = [[form.format(row[key]) for key, form in forms.items()] for row in document["rows"]]
    rows = [f"| {' | '.join(row)} |" for row in cells]
    machine = (
        f"{document['processor']}, {document['n_cores']} cores, load average {document['load_average']} at the end"
    )
    head = ["| step | layout | CPU s | to a quarter of the series | peak MiB |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([f"{document['archive']}; `{COMMAND}`; {machine}.", "", *head, *rows]) + "\n"


if __name__ == "__main__":
    main()
