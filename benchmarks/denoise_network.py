"""How fast the default CT network denoises a slice of 512x512, and at what loss, beside what one could do instead.

    python -m benchmarks.denoise_network --data-root DATA --model RUN [--threads 2]

Times, taking turns: the network as n2b-ct runs it (float32, channels last, one transposed convolution a step up, freed
memory kept); and, in a process that holds its memory as any script does, the same weights in plain eager PyTorch
(float32, contiguous; doubling, joining, convolving), in bf16 and by torch.compile, and on the same slice BM3D
(``n2b-ct[bm3d]``) and scikit-image's fast NLM. Deviations are those from the plain network in float64, in HU.
``--model`` is trained: deviations of chance weights mean little. Peers with packages of their own are measured by
``benchmarks/peers``. Results: ``denoise_network.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.other_process import OtherProcess, Ways, timed
from benchmarks.plain_network import plain_network
from benchmarks.results_files import write_results
from n2b_ct.cli.process_settings import keep_freed_memory
from n2b_ct.evaluation.ct_baselines import denoise_slice
from n2b_ct.filters.baselines import bm3d, nlm
from n2b_ct.inference.model import Model, load_model
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.networks import box_mean
from n2b_ct.training.devices import processor_name

SLICES = "ct_lowdose_pairs/mayo_L192_3mm_B30/QD"
COMMAND = "python -m benchmarks.denoise_network"
OWN = "n2b-ct: float32, channels last, one transposed convolution a step up, memory kept"
PLAIN = "plain eager PyTorch, float32"
NLM, BM3D = "scikit-image NLM, fast, patch 5, distance 6", "BM3D"
OTHER_METHODS = (NLM, BM3D)
N_TURNS_OF_SECONDS = 3


def main() -> None:
    arguments = _arguments()
    keep_freed_memory()
    hu, model = _prepared(arguments.data_root, arguments.model, arguments.threads)
    with OtherProcess(_others, arguments.data_root, arguments.model, arguments.threads) as others:
        rows, found = _measured(_own(model, hu), others, arguments.turns)
    exact = _exact_hu(model, hu)
    for row in rows:
        if row["what"] not in OTHER_METHODS:
            off = np.abs(found[row["what"]] - exact)
            row |= {"largest_hu": round(float(off.max()), 4), "rms_hu": round(float(np.sqrt(np.mean(off**2))), 4)}
    plain = next(row["median_s"] for row in rows if row["what"] == PLAIN)
    for row in rows:
        row["plain_to_this"] = round(plain / row["median_s"], 2)
    document = {
        "command": f"{COMMAND} --data-root DATA --model RUN --threads {arguments.threads}",
        "model": model.name,
        "slice": f"{SLICES}, the first",
        "processor": processor_name(),
        "threads": arguments.threads,
        "torch": torch.__version__,
        "rows": rows,
    }
    write_results("denoise_network", document, _table(document))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a run folder of CT with the default network")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=9)
    return parser.parse_args()


def _prepared(data_root: Path, run: Path, threads: int) -> tuple[np.ndarray, Model]:
    torch.set_num_threads(threads)
    return read_series(scan(data_root / SLICES).series[0]).hu[0], load_model(run)


def _own(model: Model, hu: np.ndarray) -> Ways:
    return {
        OWN: lambda: _through(model.denoiser, model, hu),
        "the same in bf16": lambda: _through(model.denoiser, model, hu, torch.bfloat16),
    }


def _others(data_root: Path, run: Path, threads: int) -> Ways:
    hu, model = _prepared(data_root, run, threads)
    plain = plain_network(copy.deepcopy(model.denoiser)).eval()
    channels_last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    compiled = torch.compile(channels_last)
    ways: Ways = {
        PLAIN: lambda: _through(plain, model, hu),
        "plain network, channels last, bf16": lambda: _through(channels_last, model, hu, torch.bfloat16),
        "plain network, channels last, torch.compile": lambda: _through(compiled, model, hu),
        NLM: lambda: denoise_slice(nlm, hu, 30.0),
    }
    return ways | ({BM3D: lambda: denoise_slice(bm3d, hu, 30.0)} if importlib.util.find_spec("bm3d") else {})


def _through(network: nn.Module, model: Model, hu: np.ndarray, autocast: torch.dtype | None = None) -> np.ndarray:
    image = torch.from_numpy(model.window.normalise(hu))[None, None]
    with (
        torch.inference_mode(),
        torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None),
    ):
        denoised: Tensor = network(image)
    return denoised[0, 0].numpy() * np.float32(model.window.width_hu)


def _exact_hu(model: Model, hu: np.ndarray) -> np.ndarray:
    network = plain_network(copy.deepcopy(model.denoiser)).eval().double()
    image = torch.from_numpy(model.window.normalise(hu))[None, None].double()
    with torch.inference_mode():
        raw = network.network(image)
        found = raw + box_mean(image - raw, network.kernel_px, network.passes)
    return found[0, 0].numpy() * model.window.width_hu


def _measured(own: Ways, others: OtherProcess, n_turns: int) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    ways: dict[str, Callable[[], tuple[float, np.ndarray]]] = {
        **{name: partial(timed, way) for name, way in own.items()},
        **{name: partial(others.timed, name) for name in others.names()},
    }
    found = {name: way()[1] for name, way in ways.items()}  # a warm-up too
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(n_turns):
        for name, way in ways.items():
            if name != BM3D or turn < N_TURNS_OF_SECONDS:
                seconds[name].append(way()[0])
    return [{"what": name, "median_s": round(statistics.median(seconds[name]), 4)} for name in ways], found


def _table(document: dict[str, Any]) -> str:
    lines = [
        f"`{document['command']}`; {document['processor']}, {document['threads']} threads, torch {document['torch']}; "
        f"one slice of 512x512 ({document['slice']}), model {document['model']}, test_time_augmentation 1.",
        "",
        "| what | median s | plain network : this | largest deviation, HU | rms, HU |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in document["rows"]:
        off = f"{row['largest_hu']} | {row['rms_hu']}" if "largest_hu" in row else " | "
        lines.append(f"| {row['what']} | {row['median_s']} | {row['plain_to_this']} | {off} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
