"""What a denoising job takes: time of its stages and of the whole, memory, what stays open, and how long a scan is.

    python -m benchmarks.denoise_job                     all of it
    python -m benchmarks.denoise_job stages inspect      some of it; the other results stay
    python -m benchmarks.denoise_job --quick             the same in small, to see that it works: writes no results
    python -m benchmarks.denoise_job stages --device cuda

``stages``: reading, network and writing alone, each over a whole series, against the job that overlaps them.
``memory``: peak resident memory of a job on 2,000 slices. ``leaks``: memory, open files and threads after 100 and
after 500 series in one process. ``inspect``: ``n2b-ct inspect`` on 10,000 files. ``help``: ``n2b-ct --help``. Results:
``benchmarks/results/denoise_job.json`` and ``.md``, on a GPU ``denoise_job_gpu``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from benchmarks.denoise_input import SIZE_PX, write_hollow_series, write_model, write_series
from benchmarks.denoise_tables import TABLES
from benchmarks.profiles import largest_costs
from benchmarks.results_files import RESULTS, save_results
from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.run_context import ProgressCounter, RunContext, RunningStd
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.series_task import SeriesTask
from n2b_ct.batch.trees import denoise_tree
from n2b_ct.cli.process_settings import keep_freed_memory
from n2b_ct.inference.model import Model, load_model
from n2b_ct.inference.slices import noise_hu
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import CTSlice, SeriesRef

ROOT = Path(__file__).parent.parent
COMMAND = "python -m benchmarks.denoise_job"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
N_SERIES_TO_INSPECT, N_PRIVATE_ELEMENTS = 20, 90
SYNTAXES = {"uncompressed": None, "JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless}
FULL = {"slices": 60, "repeats": 3, "long": 2000, "series": (100, 500), "files": 10_000}
QUICK = {"slices": 12, "repeats": 1, "long": 60, "series": (10, 50), "files": 1000}


def main() -> None:
    arguments = _arguments()
    keep_freed_memory()
    sizes: dict[str, Any] = {**(QUICK if arguments.quick else FULL), "device": arguments.device}
    name = "denoise_job_gpu" if arguments.device.startswith("cuda") else "denoise_job"
    document = _earlier(name)
    for part in arguments.parts or list(PARTS):
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            document[part] = {**_machine(), **PARTS[part](Path(folder), sizes)}
        print(TABLES[part](document[part]), end="\n\n", flush=True)
        if not arguments.quick:
            _save(name, document)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes; prints only, writes no results")
    parser.add_argument("--device", default="cpu", help="of the part stages: cpu or cuda; the others are about the CPU")
    parser.add_argument("--scratch", type=Path, help="folder on the disk that is to be measured")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return arguments


def measure_stages(folder: Path, sizes: dict[str, Any]) -> dict[str, Any]:
    """Each stage alone and the job, in turn, for every encoding."""
    model = load_model(write_model(folder), sizes["device"])
    rows = []
    for name, syntax in SYNTAXES.items():
        source = folder / name.replace(" ", "-")
        write_series(source, sizes["slices"], SIZE_PX, syntax=syntax)
        (series,) = scan(source).series
        row = _stage_row(series, model, folder / "out", sizes["repeats"])
        rows.append({"encoding": name, **row, "slices_per_s": round(sizes["slices"] / row["job_s"], 1)})
        if syntax is None:
            costs = _costs(series, model, folder / "out")
    return {"n_slices": sizes["slices"], "repeats": sizes["repeats"], "rows": rows, "largest_costs": costs}


def measure_memory(folder: Path, sizes: dict[str, Any]) -> dict[str, Any]:
    """A long series, uncompressed and compressed, each in a process of its own."""
    rows = []
    for name, syntax in (("uncompressed", None), ("JPEG-LS", JPEGLSLossless)):
        source = folder / name
        write_series(source, sizes["long"], SIZE_PX, syntax=syntax)
        rows.append({"encoding": name, **_alone(_peak_of_job, source, folder / f"{name}-out", write_model(folder))})
    return {"n_slices": sizes["long"], "rows": rows}


def measure_leaks(folder: Path, sizes: dict[str, Any]) -> dict[str, Any]:
    """Many short series in one process."""
    for number in range(max(sizes["series"])):
        write_series(folder / "in" / f"{number:04d}", 3, 64, series_number=number, n_different=1)
    rows = _alone(_state_after, folder / "in", folder / "out", write_model(folder), [3 * n for n in sizes["series"]])
    return {"rows": [{"n_series": n, **row} for n, row in zip(sizes["series"], rows, strict=True)]}


def measure_inspect(folder: Path, sizes: dict[str, Any]) -> dict[str, Any]:
    """Short headers with small images, and long headers with images of the usual size."""
    kinds = {"70 elements, 16x16": (16, 0), "160 elements, 512x512": (SIZE_PX, N_PRIVATE_ELEMENTS)}
    rows = []
    for number, (name, (size_px, n_private)) in enumerate(kinds.items()):
        source = folder / str(number)
        for part in range(N_SERIES_TO_INSPECT):
            n = sizes["files"] // N_SERIES_TO_INSPECT
            write_hollow_series(source / f"{part:02d}", n, size_px, series_number=part, n_private=n_private)
        rows.append({"headers": name, "wall_s": _wall_s(lambda path=source: _inspect(path))})
    return {"n_files": sizes["files"], "rows": rows}


def measure_help(folder: Path, sizes: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 (every part has both)
    """The time to the first answer: a process from its start to its end."""
    command = [sys.executable, "-m", "n2b_ct", "--help"]
    seconds = [
        _wall_s(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))  # noqa: S603 (ours)
        for _ in range(1 + 3 * sizes["repeats"])
    ]
    return {
        "repeats": len(seconds) - 1,
        "rows": [{"command": "n2b-ct --help", "wall_s": statistics.median(seconds[1:])}],
    }


PARTS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    "stages": measure_stages,
    "memory": measure_memory,
    "leaks": measure_leaks,
    "inspect": measure_inspect,
    "help": measure_help,
}


def _stage_row(series: SeriesRef, model: Model, out: Path, repeats: int) -> dict[str, Any]:
    slices = [one for one in read_slices(series.instances) if isinstance(one, CTSlice)]
    noises = [noise_hu(model, one.hu, one.is_padding) for one in slices]
    context = _context(model)
    ways: dict[str, Callable[[], object]] = {
        "read_s": lambda: sum(1 for _ in read_slices(series.instances)),
        "network_s": lambda: [noise_hu(model, one.hu, one.is_padding) for one in slices],
        "write_s": lambda: _derive_and_write(series, slices, noises, context, _fresh(out)),
        "job_s": lambda: _job(series, context, _fresh(out)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(_wall_s(way))
    medians = {name: round(statistics.median(taken), 3) for name, taken in times.items()}
    stages = [medians[name] for name in ("read_s", "network_s", "write_s")]
    ratios = {"to_slowest": medians["job_s"] / max(stages), "to_sum": medians["job_s"] / sum(stages)}
    return {**medians, **{name: round(ratio, 3) for name, ratio in ratios.items()}}


def _derive_and_write(
    series: SeriesRef, slices: list[CTSlice], noises: list[np.ndarray], context: RunContext, to: Path
) -> None:
    """All that a job does behind the network."""
    removed_std = RunningStd()
    with DerivedSeriesWriter(series, to, context.derivation()) as writer:
        for one, noise in zip(slices, noises, strict=True):
            writer.add(one, one.hu - np.float32(context.strength) * noise)
            removed_std.update(noise[context.model.window.contains(one.hu)])


def _costs(series: SeriesRef, model: Model, out: Path) -> list[dict[str, Any]]:
    """What takes most of the time when the stages come one by one, in one thread."""
    context = _context(model)

    def run_stages_serially() -> None:
        slices = [one for one in read_slices(series.instances) if isinstance(one, CTSlice)]
        noises = [noise_hu(model, one.hu, one.is_padding) for one in slices]
        _derive_and_write(series, slices, noises, context, _fresh(out))

    return largest_costs(run_stages_serially)


def _peak_of_job(source: Path, target: Path, model_file: Path) -> dict[str, Any]:
    keep_freed_memory()
    start = time.perf_counter()
    (outcome,) = denoise_tree(source, target, load_model(model_file), DenoiseOptions(created=WHEN)).outcomes
    _require_done(outcome)
    by_thread = (path.read_text(encoding="utf-8") for path in Path("/proc/self/task").glob("*/children"))
    return {
        "job_s": round(time.perf_counter() - start, 1),
        "peak_mib": _mib("self", "VmHWM"),
        "peak_of_workers_mib": [_mib(pid, "VmHWM") for pids in by_thread for pid in pids.split()],
    }


def _state_after(source: Path, target: Path, model_file: Path, n_slices: list[int]) -> list[dict[str, int]]:
    """The state of this process at some moments of a run over many series."""
    keep_freed_memory()
    found: list[dict[str, int]] = []

    def look(done: int, *_: object) -> None:
        if done in n_slices:
            n_open = len(list(Path("/proc/self/fd").iterdir()))
            found.append({"mib": _mib("self", "VmRSS"), "open_files": n_open, "threads": threading.active_count()})

    denoise_tree(source, target, load_model(model_file), DenoiseOptions(created=WHEN), look)
    return found


def _mib(process: str, what: str) -> int:
    """Read a size of a process from Linux's account of it, MiB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(what))


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a fresh process, whose memory nobody else has filled."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _inspect(folder: Path) -> None:
    command = [sys.executable, "-m", "n2b_ct", "inspect", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603  (our own interpreter and module)


def _job(series: SeriesRef, context: RunContext, target: Path) -> None:
    (outcome,) = SeriesTask(series, target).run(context)
    _require_done(outcome)


def _require_done(outcome: Outcome) -> None:
    if outcome.status != "done":
        raise SystemExit(outcome.detail)


def _context(model: Model) -> RunContext:
    return RunContext(model, DenoiseOptions(), WHEN, ProgressCounter(None, 0))


def _fresh(out: Path) -> Path:
    """A place that nothing was written to yet."""
    return out / str(time.perf_counter_ns())


def _wall_s(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return round(time.perf_counter() - start, 3)


def _machine() -> dict[str, Any]:
    return {
        "command": COMMAND,
        "processor": platform.processor() or platform.machine(),
        "n_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _earlier(name: str) -> dict[str, Any]:
    """Results of parts that may not be measured now."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _save(name: str, document: dict[str, Any]) -> None:
    parts = {part: document[part] for part in PARTS if part in document}
    save_results(name, parts, "\n\n".join(TABLES[part](found) for part, found in parts.items()) + "\n")


if __name__ == "__main__":
    main()
