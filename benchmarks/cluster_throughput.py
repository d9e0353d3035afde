"""Throughput of a cluster, measured as far as this machine goes, and a paper model of what lies beyond.

    OMP_NUM_THREADS=1 python -m benchmarks.cluster_throughput

Denoises the series of two digital piglets with a network of the default size on 1, 2, … real Dask workers on loopback,
one thread each, and measures by itself what the storage does when 1, 2, 4 and 8 processes read, write and sync slices
at once. The storage's best speed and the speed of one worker make the model (``benchmarks/cluster_model.py``); its
prediction is set beside the workers that were measured. Results: ``benchmarks/results/cluster_throughput.json`` and
``.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from distributed import Client

from benchmarks.cluster_model import ClusterModel
from benchmarks.results_files import write_results
from n2b_ct import api
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.hu import Window
from n2b_ct.inference.model import save_model
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.dicom.scan import scan
from n2b_ct.networks.build import build_denoiser

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = "OMP_NUM_THREADS=1 python -m benchmarks.cluster_throughput"
N_STREAMS = (1, 2, 4, 8)
N_WORKERS_TOLD = (1, 2, 4, 8, 16, 32, 64, 128)
SIZE_PX = 512


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.storage) as folder:
        root = Path(folder)
        n_slices = _write_archive(root / "in", arguments.slices)
        _write_model(root / "model.pt")
        storage = {n: _storage_slices_per_s(root, n, arguments.repeats) for n in N_STREAMS}
        print("storage, slices/s:", storage)
        measured = {n: _slices_per_s(root, n, n_slices, arguments.repeats) for n in arguments.workers}
        print("workers, slices/s:", measured)
    _write(arguments, n_slices, storage, measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=8, help="of each of the ten series")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--storage", type=Path, default=None, help="a folder on the storage to measure")
    return parser.parse_args()


def _write_archive(folder: Path, n_slices: int) -> int:
    """Write two piglets, five doses each; returns the number of slices."""
    for seed in (0, 1):
        api.simulate("piglet", folder / f"piglet{seed}", n_slices=n_slices, size_px=SIZE_PX, seed=seed)
    return sum(map(len, scan(folder).series))


def _write_model(path: Path) -> None:
    """A network of the default size; what its weights are does not change how long it takes."""
    torch.manual_seed(0)
    section = DenoiserSection()
    weights = build_denoiser(section).state_dict()
    save_model(
        path, weights=weights, section=section, input_scale=Window(-160, 240), name="size", method="none", facts={}
    )


def _slices_per_s(root: Path, n_workers: int, n_slices: int, repeats: int) -> list[float]:
    """Speeds of the whole job, scan to last rename, on workers that have loaded the model."""
    speeds = []
    with _cluster(root / f"cluster{n_workers}", n_workers) as address:
        for _ in range(1 + repeats):
            start = time.perf_counter()
            result = api.denoise(root / "in", root / "out", model=root / "model.pt", scheduler=address)
            speeds.append(round(n_slices / (time.perf_counter() - start), 2))
            if result.failed:
                sys.exit("a series failed: nothing to measure")
            shutil.rmtree(root / "out")
    return speeds[1:]  # the first is a warm-up


@contextmanager
def _cluster(folder: Path, n_workers: int) -> Iterator[str]:
    folder.mkdir()
    scheduler_file = folder / "scheduler.json"
    common = ["--scheduler-file", str(scheduler_file), "--no-dashboard"]
    commands = [["dask_scheduler", *common, "--host", "127.0.0.1", "--port", "0"]]
    commands += [["dask_worker", *common, "--nthreads", "1", "--no-nanny"]] * n_workers
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    processes = []
    try:
        for command in commands:
            line = [sys.executable, "-m", f"distributed.cli.{command[0]}", *command[1:]]
            quiet = subprocess.DEVNULL
            processes.append(subprocess.Popen(line, cwd=folder, env=environment, stdout=quiet, stderr=quiet))  # noqa: S603
        while not scheduler_file.exists():
            time.sleep(0.1)
        with Client(scheduler_file=str(scheduler_file), set_as_default=False) as client:
            client.wait_for_workers(n_workers)
            address = str(client.scheduler.address)
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _storage_slices_per_s(root: Path, n_streams: int, repeats: int) -> float:
    """Slices a second that the storage reads, writes and syncs for so many processes at once; nothing is computed."""
    files = [str(one.path) for series in scan(root / "in").series for one in series.instances]
    with ProcessPoolExecutor(n_streams, mp_context=get_context("spawn")) as streams:
        places = [str(root / f"copy{n}") for n in range(n_streams)]
        list(streams.map(_copy, [files[:1]] * n_streams, places))  # processes start here, not in the measurement
        speeds = []
        for _ in range(repeats):
            start = time.perf_counter()
            list(streams.map(_copy, [files] * n_streams, places))
            speeds.append(n_streams * len(files) / (time.perf_counter() - start))
    return round(statistics.median(speeds), 1)


def _copy(files: list[str], folder: str) -> None:
    place = Path(folder)
    place.mkdir(exist_ok=True)
    for index, name in enumerate(files):
        content = Path(name).read_bytes()
        write_atomically(place / f"{index}.dcm", lambda file, content=content: file.write(content))  # type: ignore[misc]
    shutil.rmtree(place, ignore_errors=True)


def _write(
    arguments: argparse.Namespace, n_slices: int, storage: dict[int, float], measured: dict[int, list[float]]
) -> None:
    medians = {n: round(statistics.median(speeds), 2) for n, speeds in measured.items()}
    model = _model(storage, medians)
    document = {
        "command": COMMAND,
        "job": f"{n_slices} slices of {SIZE_PX}x{SIZE_PX} in 10 series, default network, one thread a worker",
        "processor": platform.processor() or platform.machine(),
        "n_cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "repeats": arguments.repeats,
        "storage_slices_per_s_by_streams": storage,
        "measured_slices_per_s_by_workers": measured,
        "model": {"own_s": round(model.own_s, 4), "storage_s": round(model.storage_s, 5)},
        "saturation_workers": round(model.saturation_workers, 1),
        "rows": [_row(n, model, medians.get(n)) for n in N_WORKERS_TOLD],
    }
    write_results("cluster_throughput", document, _table(document))


def _model(storage: dict[int, float], medians: dict[int, float]) -> ClusterModel:
    """Storage at its best makes ``D``; what one worker takes beyond it is ``Z``."""
    storage_s = 1.0 / max(storage.values())
    return ClusterModel(own_s=1.0 / medians[1] - storage_s, storage_s=storage_s)


def _row(n_workers: int, model: ClusterModel, measured: float | None) -> dict[str, Any]:
    return {
        "workers": n_workers,
        "measured_slices_per_s": measured,
        "model_slices_per_s": round(model.slices_per_s(n_workers), 2),
        "worker_hours_per_million_slices": round(model.worker_hours_per_million(n_workers), 1),
    }


def _table(document: dict[str, Any]) -> str:
    streams = ", ".join(f"{speed:g} by {n}" for n, speed in document["storage_slices_per_s_by_streams"].items())
    own_ms, storage_ms = (1e3 * document["model"][key] for key in ("own_s", "storage_s"))
    lines = [
        f"{document['job']}; `{document['command']}`; {document['processor']}, {document['n_cores']} cores, "
        f"load average {document['load_average']} at the end, median of {document['repeats']}.",
        "",
        f"Storage alone, slices read, written and synced a second: {streams} processes. Model: a worker spends "
        f"{own_ms:.0f} ms a slice by itself and {storage_ms:.1f} ms of the storage's time; the storage is the "
        f"limit beyond {document['saturation_workers']:.0f} workers. Rows without a measured value are "
        "the model's alone.",
        "",
        "| workers | measured slices/s | model slices/s | worker hours a million slices (model) |",
        "|---|---|---|---|",
    ]
    for row in document["rows"]:
        measured = "-" if row["measured_slices_per_s"] is None else f"{row['measured_slices_per_s']:.2f}"
        hours = row["worker_hours_per_million_slices"]
        lines.append(f"| {row['workers']} | {measured} | {row['model_slices_per_s']:.2f} | {hours:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
