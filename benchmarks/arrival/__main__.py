"""Denoising on arrival, measured: patients, other scanners, phantoms of known truth, baselines, time.

    python -m benchmarks.arrival --data-root DATA
    python -m benchmarks.arrival --data-root DATA --model base --model fitted=RUN_DIR --only "L192 B30"
    python -m benchmarks.arrival --phantoms-only --quick --model NAME=RUN_DIR

Writes ``benchmarks/results/arrival.json`` and ``.md``: rows that are not run keep what they had. Every run of a row on
patients is counted there, for whoever looks often tunes by looking. ``--quick`` prints the statistics that recipes are
chosen by and touches no patient; see :mod:`benchmarks.arrival.quick`. Threads are those of ``OMP_NUM_THREADS``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.arrival import discs, pairs, phantom_table, scanners, timing
from benchmarks.arrival.quick import KEPT, quick_scores, summary_table
from benchmarks.arrival.store import NAME, Store
from benchmarks.arrival.tables import page
from benchmarks.results_files import RESULTS, save_results
from n2b_ct import api
from n2b_ct.inference.denoiser import Denoiser

PATIENTS = (*pairs.ROWS, *scanners.ROWS)
ROWS = (*pairs.ROWS, discs.ROW, phantom_table.ROW, *scanners.ROWS, timing.ROW)


def main() -> None:
    arguments = _arguments()
    named = [] if arguments.baselines_only else map(_named, arguments.model or ["base"])
    models = {name: api.load(path) for name, path in named}
    if arguments.quick:
        rows = quick_scores(models, arguments.kept, arguments.seeds or 1)
        (arguments.kept / "quick.json").write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")
        print(summary_table(rows))
        return
    chosen = arguments.only or ([phantom_table.ROW, timing.ROW] if arguments.phantoms_only else list(ROWS))
    if arguments.data_root is None and set(chosen) - {phantom_table.ROW, timing.ROW}:
        sys.exit("rows on data need --data-root")
    store = Store.read(arguments.out)
    store.models |= {name: model.model.digest[:12] for name, model in models.items()}
    for row in chosen:
        if models and row in PATIENTS:
            store.look(row, {name: model.model.digest for name, model in models.items()})
        _run(row, arguments, models, store)
        store.write()
        save_results(NAME, store.document(), page(store), arguments.out)
    print(page(store))


def _run(row: str, arguments: argparse.Namespace, models: dict[str, Denoiser], store: Store) -> None:
    if row in pairs.ROWS:
        pairs.run_row(arguments.data_root, row, models, store)
    elif row in scanners.ROWS:
        scanners.run_row(arguments.data_root, row, models, store)
    elif row == discs.ROW:
        discs.run_row(arguments.data_root, models, store)
    elif row == phantom_table.ROW:
        phantom_table.run_row(models, store, arguments.out, arguments.seeds or phantom_table.N_SEEDS)
    else:
        timing.run_row(models, store)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--model", action="append", help="base, or NAME=RUN_DIR; repeat for several")
    parser.add_argument("--baselines-only", action="store_true", help="measure no model, and count no look")
    parser.add_argument("--only", action="append", choices=ROWS, help="run these rows alone")
    parser.add_argument("--phantoms-only", action="store_true", help="leave patients and scanners out")
    parser.add_argument("--quick", action="store_true", help="a small set of phantoms, to choose recipes by")
    parser.add_argument("--seeds", type=int, help="patients of every region")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where the quick set is kept")
    return parser.parse_args()


def _named(argument: str) -> tuple[str, str]:
    name, _, path = argument.rpartition("=")
    return (name, path) if name else (argument if argument == "base" else Path(argument).stem, path)


if __name__ == "__main__":
    main()
