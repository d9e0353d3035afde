"""Methods on real low-dose CT, in two tables: Noise2Blur over seeds (the README's), and every method of the papers.

    python -m benchmarks.mayo_b30 --data-root DATA
    python -m benchmarks.mayo_b30 --data-root DATA --table methods

Trains the table's pipelines (runs that are there are kept), reports all of them on L192 with ``n2b-ct report``'s own
measures, and writes ``benchmarks/results/mayo_b30.json`` and ``.md``, or ``mayo_methods``. Every training runs on one
thread; ``--jobs`` of them at a time. ``methods`` needs the extra ``bm3d`` for its row of that name.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results_files import write_results
from n2b_ct import api
from n2b_ct.training.devices import processor_name
from n2b_ct.training.run_dir import SUMMARY_FILE, read_summary

COMMAND = "python -m benchmarks.mayo_b30 --data-root DATA"


@dataclass(frozen=True)
class Table:
    """Which rows a table has.

    Attributes:
        file: Its results' name.
        command: What makes it.
        pipelines: Name of a pipeline to what its row says.
        seeds: Trainings of each.
        baselines: Denoisers without training.
    """

    file: str
    command: str
    pipelines: dict[str, str]
    seeds: tuple[int, ...]
    baselines: tuple[str, ...]


TABLES = {
    "noise2blur": Table(
        "mayo_b30",
        COMMAND,
        {
            "mayo_b30": "Noise2Blur, clean = L143 unpaired",
            "mayo_b30_foreign": "Noise2Blur, clean = another scanner",
            "mayo_b30_supervised": "supervised, the same network and schedule",
        },
        (0, 1, 2),
        ("gaussian", "nlm"),
    ),
    "methods": Table(
        "mayo_methods",
        f"{COMMAND} --table methods",
        {
            "mayo_b30_supervised": "supervised U-Net (pairs)",
            "mayo_b30_dncnn": "supervised DnCNN (pairs)",
            "mayo_b30": "Noise2Blur (unpaired clean slices)",
            "mayo_b30_upi": "UPI (unpaired clean slices)",
            "mayo_b30_noise2noise": "Noise2Noise (neighbouring slices; two)",
            "mayo_b30_noise2void": "Noise2Void (noisy slices alone)",
            "mayo_b30_structn2v": "Noise2Void, mask 7 × 7 (noisy slices alone)",
            "mayo_b30_dbsn": "D-BSN (noisy slices alone)",
        },
        (0,),
        ("gaussian", "bilateral", "tv", "nlm", "wnnm", "bm3d"),
    ),
}


def main() -> None:
    arguments = _arguments()
    table = TABLES[arguments.table]
    runs = {
        (pipeline, seed): arguments.out / f"{pipeline}_seed{seed}"
        for pipeline in table.pipelines
        for seed in arguments.seeds or table.seeds
    }
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda run: _train(*run[0], run[1], arguments.data_root), runs.items()))
    names = {_name(*run): run_dir for run, run_dir in runs.items()}
    summary = api.report(
        "mayo_b30",
        names,
        arguments.out / f"report_{arguments.table}",
        data_root=arguments.data_root,
        baselines=table.baselines,
        overwrite=True,
        command=table.command,
    )
    rows = [_row(summary, name) for name in ("input", *table.baselines)]
    rows += [
        {**_row(summary, _name(pipeline, seed)), **_cost(run_dir), "pipeline": pipeline, "seed": seed}
        for (pipeline, seed), run_dir in runs.items()
    ]
    _write(table, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/mayo_b30"))
    parser.add_argument("--table", choices=TABLES, default="noise2blur")
    parser.add_argument("--seeds", type=int, nargs="+", help="the table's own if not given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _name(pipeline: str, seed: int) -> str:
    """Of a run in the report, where plots have little room."""
    return f"{pipeline.removeprefix('mayo_b30').strip('_') or 'noise2blur'} {seed}"


def _train(pipeline: str, seed: int, run_dir: Path, data_root: Path) -> None:
    command = [sys.executable, "-m", "n2b_ct", "train", pipeline, "--data-root", str(data_root), "--out", str(run_dir)]
    command += ["--set", f"training.seed={seed}", "--resume"]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})  # noqa: S603 (our own command)


def _row(summary: Any, method: str) -> dict[str, Any]:
    means = {
        name: summary.mean(summary.levels[0], method, name, "abdomen").mean
        for name in ("psnr_db", "ssim", "noise_std_hu", "hu_bias_hu")
    }
    return {
        "method": method,
        "psnr_db": round(means["psnr_db"], 3),
        "ssim": round(means["ssim"], 4),
        "noise_hu": round(means["noise_std_hu"], 2),
        "hu_bias_hu": None if means["hu_bias_hu"] is None else round(means["hu_bias_hu"], 2),
    }


def _cost(run_dir: Path) -> dict[str, Any]:
    summary = read_summary(run_dir / SUMMARY_FILE)
    return {key: summary[key] for key in ("seconds", "iterations", "n_parameters", "precision", "threads")}


def _write(table: Table, rows: list[dict[str, Any]]) -> None:
    document = {
        "command": table.command,
        "test": "L192, 7 slices of 3 mm, kernel B30, quarter dose against full dose, HU clipped to [-160, 240]",
        "processor": processor_name(),
        "rows": rows,
    }
    write_results(table.file, document, _table(table, rows))


def _table(table: Table, rows: list[dict[str, Any]]) -> str:
    lines = [
        "| method | seed | PSNR dB | SSIM | noise HU | HU bias | minutes, one thread |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = table.pipelines.get(row.get("pipeline", ""), row["method"])
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
