"""Noise2Blur on real low-dose CT, against its supervised twin and the controls: the table of the README.

    python benchmarks/mayo_b30.py --data-root DATA

Trains three pipelines with three seeds each (runs that are there are kept), reports all of them on L192, and writes
``benchmarks/results/mayo_b30.json`` and ``.md``. Every training runs on one thread; ``--jobs`` of them at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from n2b_ct import api
from n2b_ct.training.summary import SUMMARY_FILE, read_summary

PIPELINES = {
    "mayo_b30": "Noise2Blur, clean = L143 unpaired",
    "mayo_b30_foreign": "Noise2Blur, clean = another scanner",
    "mayo_b30_supervised": "supervised, the same network and schedule",
}
RESULTS = Path(__file__).parent / "results"
COMMAND = "python benchmarks/mayo_b30.py --data-root DATA"


def main() -> None:
    arguments = _arguments()
    runs = {
        (pipeline, seed): arguments.out / f"{pipeline}_seed{seed}" for pipeline in PIPELINES for seed in arguments.seeds
    }
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda run: _train(*run[0], run[1], arguments.data_root), runs.items()))
    names = {f"{pipeline} seed {seed}": run_dir for (pipeline, seed), run_dir in runs.items()}
    summary = api.report(
        "mayo_b30", names, arguments.out / "report", data_root=arguments.data_root, overwrite=True, command=COMMAND
    )
    rows = [_row(summary, name) for name in ("input", "gaussian", "nlm")]
    rows += [
        {**_row(summary, f"{pipeline} seed {seed}"), **_cost(run_dir), "pipeline": pipeline, "seed": seed}
        for (pipeline, seed), run_dir in runs.items()
    ]
    _write(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/mayo_b30"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _train(pipeline: str, seed: int, run_dir: Path, data_root: Path) -> None:
    command = [sys.executable, "-m", "n2b_ct", "train", pipeline, "--data-root", str(data_root), "--out", str(run_dir)]
    command += ["--set", f"training.seed={seed}", "--resume"]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})  # noqa: S603 (our own command)


def _row(summary: Any, method: str) -> dict[str, Any]:
    result = summary.results[summary.levels[0].label, method, "abdomen"]
    return {
        "method": method,
        "psnr_db": round(result.psnr_db.mean, 3),
        "ssim": round(result.ssim.mean, 4),
        "noise_hu": round(result.noise_std_hu.mean, 2),
        "hu_bias_hu": None if result.hu_bias_hu.mean is None else round(result.hu_bias_hu.mean, 2),
    }


def _cost(run_dir: Path) -> dict[str, Any]:
    summary = read_summary(run_dir / SUMMARY_FILE)
    return {key: summary[key] for key in ("seconds", "iterations", "n_parameters", "precision", "threads")}


def _write(rows: list[dict[str, Any]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    document = {
        "command": COMMAND,
        "test": "L192, 7 slices of 3 mm, kernel B30, quarter dose against full dose, HU clipped to [-160, 240]",
        "processor": platform.processor() or platform.machine(),
        "rows": rows,
    }
    (RESULTS / "mayo_b30.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "mayo_b30.md").write_text(_table(rows), encoding="utf-8")
    print(_table(rows))


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| method | seed | PSNR dB | SSIM | noise HU | HU bias | minutes, one thread |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = PIPELINES.get(row.get("pipeline", ""), row["method"])
        minutes = f"{row['seconds'] / 60:.1f}" if "seconds" in row else ""
        bias = "" if row["hu_bias_hu"] is None else f"{row['hu_bias_hu']:+.2f}"
        cells = [
            name,
            str(row.get("seed", "")),
            f"{row['psnr_db']:.2f}",
            f"{row['ssim']:.3f}",
            f"{row['noise_hu']:.1f}",
        ]
        lines.append("| " + " | ".join([*cells, bias, minutes]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
